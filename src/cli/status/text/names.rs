//! Names in DNS, as `status` prints them.

use crate::{
    cli::{figures::span, output::printable, page::Page, status::text::quiet},
    control::{DnsOrderStatus, DnsStatus, LoweredStatus, ServerStatus},
    cutover::Leads,
    plan::dns::RecordSet,
};

/// Where names lead, what was ordered, how long the lowered TTL has been given out, and what each server says.
pub(crate) fn names(page: &mut Page, dns: &DnsStatus) {
    page.blank();
    let leads = match dns.leads {
        Leads::From => "names lead where they did before",
        Leads::To => "names lead to new",
    };
    page.line("dns", leads);
    if let Some(order) = &dns.order {
        page.more(&ordered(order));
    }
    if let Some(progress) = &dns.progress {
        for line in progress.lines() {
            page.more(line);
        }
    }
    if let Some(until) = dns.order.as_ref().and_then(|it| it.stale_until) {
        page.more(&format!(
            "resolvers that keep to TTLs may say what was before until {until}"
        ));
    }
    if let Some(ttl) = &dns.ttl {
        lowered(page, ttl);
    }
    for (index, wait) in dns.waits.iter().enumerate() {
        page.line(if index == 0 { "  waits" } else { "" }, wait);
    }
    if let Some(unknown) = &dns.unknown {
        page.line("  servers", unknown);
    }
    for (index, server) in dns.servers.iter().enumerate() {
        page.line(if index == 0 { "  servers" } else { "" }, says(server));
    }
    for (index, resolver) in dns.resolvers.iter().enumerate() {
        let said = said(&resolver.says, resolver.fault.as_ref());
        let text = format!("{}: {said}", resolver.address);
        page.line(if index == 0 { "  asked" } else { "" }, text);
    }
    if let Some(it) = &dns.quiet {
        quiet(page, it);
    }
}

fn ordered(order: &DnsOrderStatus) -> String {
    let (purpose, actor, at) = (order.purpose, &order.actor, order.at);
    match (order.state.as_str(), order.served_at, &order.why) {
        (_, Some(served), _) => {
            format!("{purpose} by {actor} at {at}, served everywhere since {served}")
        }
        (_, _, Some(why)) => format!("{purpose} by {actor} at {at} STOPPED: {why}"),
        (state, _, _) => format!("{purpose} by {actor} at {at}, {state}"),
    }
}

fn lowered(page: &mut Page, ttl: &LoweredStatus) {
    let (observed, needed) = (span(ttl.observed_s), span(ttl.needed_s));
    let state = match (ttl.satisfied, ttl.since) {
        (true, _) => format!("for {observed}: names may move"),
        (false, Some(since)) => format!("for {observed} of {needed}, since {since}"),
        (false, None) => format!("not by every server yet, and must be for {needed}"),
    };
    page.line(
        "  ttl",
        format_args!("lowered to {}, given out {state}", ttl.ttl),
    );
    if let Some(earliest) = ttl.earliest {
        page.more(&format!("long enough at the earliest at {earliest}"));
    }
    if ttl.gaps > 0 {
        page.more(&format!("{} of that not observed", span(ttl.unobserved_s)));
    }
    if let (Some(at), Some(by)) = (ttl.broken_at, &ttl.broken_by) {
        page.more(&format!("broken at {at}: {by}"));
    }
}

fn says(server: &ServerStatus) -> String {
    let (name, address) = (printable(&server.name), server.address);
    let said = said(&server.says, server.fault.as_ref());
    format!("{name} ({address}): {said}")
}

fn said(sets: &[RecordSet], fault: Option<&String>) -> String {
    match fault {
        Some(fault) => fault.clone(),
        None if sets.is_empty() => "has none of the names".to_owned(),
        None => {
            let sets: Vec<String> = sets.iter().map(RecordSet::to_string).collect();
            sets.join("; ")
        }
    }
}
