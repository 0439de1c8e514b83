//! The names that move, in words: when, where that is changed, and what it costs.

use crate::{
    config::{
        describe::page::Page,
        scalar::{shown_duration, shown_quiet},
    },
    plan::dns::{DnsMoves, DnsPlan, Kind, ProviderPlan, Records},
};

pub(super) fn names(plan: &DnsPlan, page: &mut Page) {
    page.heading("Names in DNS");
    for name in &plan.names {
        let (from, to) = (shown(&name.from), shown(&name.to));
        page.item(&format!("{} moves from {from} to {to}", name.name));
    }
    page.item(&format!("the zone is changed {}", changed(&plan.provider)));
    let ttl = shown_duration(plan.ttl.duration());
    page.item(&format!(
        "before that `changeover dns lower-ttl` lowers TTLs to {ttl}, and every server of {} has to say so for as long as the \
         TTL before; {} of not looking begin that anew",
        plan.zone,
        shown_duration(plan.gap)
    ));
    page.item(match plan.moves {
        DnsMoves::Manually => "an approver moves them, with `changeover dns move`, once the shift is complete",
        DnsMoves::WhenComplete => {
            "they move by themselves as soon as the shift is complete: traffic leaves this proxy while triggers are still \
             armed, so that a rollback takes effect only as names lead back"
        }
        DnsMoves::AfterWindow => {
            "they move by themselves once the way back of the ramp is closed: until then all traffic passes here, and a \
             rollback takes milliseconds"
        }
    });
    page.item(&format!(
        "after a move the way back takes up to {ttl} and what resolvers add to it, and what goes to new directly is not \
         measured; a rollback leads names back by itself"
    ));
    page.item(&format!(
        "clients that still come are served, and asked to look the name up again; the old address is quiet once requests are \
         {}",
        shown_quiet(plan.quiet)
    ));
}

/// Where, and who sees to it that nobody else's change is overwritten.
fn changed(provider: &ProviderPlan) -> String {
    const READ_BACK: &str = "this program reads it before and after, and another's change within that moment can be lost";
    match provider {
        ProviderPlan::Rfc2136(it) => format!(
            "by signed updates at {}, which compares values within the change",
            it.server
        ),
        ProviderPlan::PowerDns(it) => format!("by PowerDNS at {}: {READ_BACK}", it.api.url),
        ProviderPlan::Cloudflare(it) => {
            format!("by Cloudflare as its zone {}: {READ_BACK}", it.zone_id)
        }
        ProviderPlan::Route53(it) => format!(
            "by Route 53 as its hosted zone {}, which compares values and TTLs within the change",
            it.zone_id
        ),
        ProviderPlan::Exec(it) => format!(
            "by {:?}, and how safely is a matter of that program",
            it.program
        ),
        ProviderPlan::Manual => {
            "by hand: `changeover status` says what to do, and sees when it is done".to_owned()
        }
    }
}

fn shown(records: &Records) -> String {
    let set = |(kind, values): (&Kind, &std::collections::BTreeSet<_>)| {
        let values: Vec<String> = values.iter().map(ToString::to_string).collect();
        format!("{kind} {}", values.join(", "))
    };
    let sets: Vec<String> = records.iter().map(set).collect();
    sets.join("; ")
}
