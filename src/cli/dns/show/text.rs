//! The report as a page of at most 80 columns.

use crate::{
    cli::{figures::span, page::Page},
    dns::look::{
        Answer, ChainReport, DnssecReport, Finding, NameReport, NamedBy, Report, ResolverReport,
        ServerReport, SetReport, Standing,
    },
};

/// Servers first, then what they say, then what of it stands in the way.
pub(super) fn page(report: &Report) -> String {
    let mut page = Page::default();
    let zone = format!("{}, {}", report.zone, addresses(report.servers.len()));
    page.line("Zone", zone);
    for it in &report.servers {
        server(&mut page, it);
    }
    for it in &report.names {
        page.blank();
        name(&mut page, it, report);
    }
    page.blank();
    if let Some(ttl) = report.negative_ttl {
        let text = format!("that there is none is kept for up to {}", seconds(ttl));
        page.line("No record", text);
    }
    page.line("DNSSEC", dnssec(&report.dnssec));
    for it in &report.resolvers {
        resolver(&mut page, it);
    }
    page.blank();
    for it in &report.findings {
        finding(&mut page, it);
    }
    page.blank();
    let Report {
        passes,
        warns,
        fails,
        ..
    } = report;
    page.row(format_args!("{passes} pass, {warns} warn, {fails} fail"));
    page.text
}

fn addresses(count: usize) -> String {
    match count {
        1 => "1 server address".to_owned(),
        count => format!("{count} server addresses"),
    }
}

fn server(page: &mut Page, server: &ServerReport) {
    let ways = match (server.udp, server.tcp) {
        (true, true) => "UDP and TCP",
        (true, false) => "UDP only",
        (false, true) => "TCP only",
        (false, false) => "no answer",
    };
    let named = match server.named_by {
        NamedBy::Both => "",
        NamedBy::Parent => ", named by the parent only",
        NamedBy::Child => ", named by the zone only",
    };
    let serial = server.serial.map(|it| format!(", serial {it}"));
    let serial = serial.unwrap_or_default();
    let ServerReport { name, address, .. } = server;
    page.more(&format!("{name} {address}: {ways}{serial}{named}"));
}

fn name(page: &mut Page, name: &NameReport, report: &Report) {
    let standing = match name.standing {
        Standing::From => "says what the plan has in `from`",
        Standing::To => "says what the plan has in `to`: it has moved",
        Standing::Between => "says `from` on some servers, `to` on others",
        Standing::Other => "says something else than the plan expects",
        Standing::Unknown => "no server answers",
    };
    page.line("Name", format_args!("{}: {standing}", name.name));
    for it in &name.sets {
        set(page, it, report.servers.len());
    }
    if let Some(chain) = &name.chain {
        follow(page, chain);
    }
    if let Some(ttl) = name.longest_ttl {
        page.line(
            "  wait",
            format_args!("a change may go unseen for {}", seconds(ttl)),
        );
    }
}

fn set(page: &mut Page, set: &SetReport, servers: usize) {
    let by = match set.servers {
        Some(says) if says < servers => format!(", says {says} of {servers} servers"),
        Some(_) | None => String::new(),
    };
    page.line(
        &format!("  {}", set.kind),
        format_args!("{} for {}s{by}", set.values.join(", "), set.ttl),
    );
}

/// What an alias leads to; its first link is one of the name's own sets.
fn follow(page: &mut Page, chain: &ChainReport) {
    for it in chain.links.iter().skip(1).chain(&chain.addresses) {
        let (name, kind, ttl) = (&it.name, it.kind, it.ttl);
        page.more(&format!(
            "-> {name} {kind} {} for {ttl}s",
            it.values.join(", ")
        ));
    }
    if let Some(trouble) = &chain.trouble {
        page.more(&format!("-> {trouble}"));
    }
}

fn dnssec(state: &DnssecReport) -> String {
    let signed = match (state.is_signed, state.is_checked) {
        (false, Some(true)) => "not signed, though the parent has a DS record",
        (false, Some(false) | None) => "not signed",
        (true, Some(true)) => "signed, with a DS record at the parent",
        (true, Some(false)) => "signed, without a DS record at the parent",
        (true, None) => "signed; the parent was not seen",
    };
    let end = state.signatures_end.as_ref();
    let end = end.map(|it| format!("; the first signature ends at {it}"));
    format!("{signed}{}", end.unwrap_or_default())
}

fn resolver(page: &mut Page, resolver: &ResolverReport) {
    let text = match &resolver.trouble {
        Some(trouble) => trouble.clone(),
        None => match resolver.sets.is_empty() {
            true => "knows none of the names".to_owned(),
            false => "answers".to_owned(),
        },
    };
    page.line("Resolver", format_args!("{}: {text}", resolver.address));
    for it in &resolver.sets {
        let (name, kind, ttl) = (&it.name, it.kind, it.ttl);
        let values = it.values.join(", ");
        page.more(&format!("{name} {kind} {values}, kept for {ttl}s"));
    }
}

fn finding(page: &mut Page, finding: &Finding) {
    let answer = match finding.answer {
        Answer::Pass => "Pass",
        Answer::Warn => "Warn",
        Answer::Fail => "FAIL",
    };
    let object = finding.object.as_ref().map(|it| format!("{it}: "));
    let object = object.unwrap_or_default();
    page.line(
        answer,
        format_args!("{}: {object}{}", finding.check, finding.found),
    );
    if let Some(remedy) = &finding.remedy {
        page.more(&format!("-> {remedy}"));
    }
}

/// Seconds as they stand in the zone, and as people read them.
fn seconds(ttl: u32) -> String {
    match ttl {
        0..60 => format!("{ttl}s"),
        60.. => format!("{ttl}s ({})", span(ttl.into())),
    }
}
