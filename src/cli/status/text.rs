//! The status as text of at most 80 columns.

mod arrivals;
mod names;

pub(crate) use arrivals::{arrivals, quiet};
pub(crate) use names::names;

use std::fmt::Write;

use crate::{
    cli::{
        figures::{count, cut, latency, rate, ratio, reading, span, verdict},
        page::Page,
    },
    control::{
        DrillStatus, OutlookStatus, RampStatus, ReplicationStatus, ShadowStatus, SideStatus, Status,
    },
    units::{PerSide, Side, Timestamp},
};

/// The bar of a bake.
const BAR: usize = 30;

/// The whole status.
pub(crate) fn text(status: &Status) -> String {
    let mut page = Page::default();
    let phase = serde_json::to_value(status.phase).unwrap_or_default();
    let phase = phase.as_str().unwrap_or_default();
    page.line(
        "name",
        format_args!(
            "{}, phase {phase}, generation {}",
            status.name, status.generation
        ),
    );
    page.line("weight", weight(status));
    ramp(&mut page, &status.ramp, status.at);
    for warning in &status.warnings {
        page.line("warning", warning);
    }
    if let Some(before) = &status.process.predecessor {
        page.line(
            "drains",
            format_args!(
                "process {} of version {}, which process {} took over from",
                before.pid, before.version, status.process.pid
            ),
        );
    }
    for reason in &status.not_ready {
        page.line("not ready", reason);
    }
    if let Some(rollback) = &status.last_rollback {
        let ago = span(status.at.since(rollback.at).as_secs_f64());
        let reaction = rollback
            .reaction_ms
            .map(|ms| format!(", {} to react", latency(ms)));
        let reaction = reaction.unwrap_or_default();
        let what = format!("{} {ago} ago{reaction}", rollback.cause);
        page.line("rollback", what);
        page.more(rollback.sentence.as_ref().unwrap_or(&rollback.detail));
    }
    if let Some(it) = &status.drill {
        drill(&mut page, it);
    }
    page.blank();
    sides(&mut page, &status.sides);
    if !status.triggers.is_empty() {
        page.blank();
    }
    for trigger in &status.triggers {
        let (reading, verdict) = (reading(trigger), verdict(trigger.verdict));
        let name = cut(&trigger.name, 22);
        let kind = cut(&trigger.kind, 18);
        page.row(format_args!(
            "{name:<22} {kind:<18} {reading:<25} {verdict}"
        ));
    }
    evidence(&mut page, status);
    replications(&mut page, status);
    if let Some(dns) = &status.dns {
        names(&mut page, dns);
    }
    if let Some(it) = &status.shadow {
        copies(&mut page, it);
    }
    page.blank();
    page.row(format_args!(
        "{} connections, {} rejected, journal entry {}, store {}",
        count(status.connections),
        count(status.rejected),
        status.seq,
        status.store
    ));
    page.text
}

/// What copies of requests have shown.
fn copies(page: &mut Page, shadow: &ShadowStatus) {
    let (new, old) = (count(shadow.compared.new), count(shadow.compared.old));
    let places = match shadow.difference_count {
        0 => "no difference beyond noise".to_owned(),
        1 => "1 place differs beyond noise".to_owned(),
        places => format!("{places} places differ beyond noise"),
    };
    let dropped = match shadow.dropped {
        0 => String::new(),
        dropped => format!(", {} dropped", count(dropped)),
    };
    page.line(
        "copies",
        format_args!("{new} to new, {old} to old{dropped}: {places}"),
    );
    if let Some(worst) = shadow.differences.first() {
        page.more(worst);
    }
}

/// How far data trail, and what waits for that.
fn replications(page: &mut Page, status: &Status) {
    for (index, it) in status.replications.iter().enumerate() {
        let label = if index == 0 { "data" } else { "" };
        let what = trails(it);
        page.line(label, format_args!("{} {}: {what}", it.name, it.direction));
    }
    for (index, it) in status.gates.iter().enumerate() {
        let (name, direction, below) = (&it.replication, it.direction, it.lag_below_s);
        let (observed, needed) = (span(it.observed_s), span(it.needed_s));
        let state = match (it.satisfied, it.since) {
            (true, _) => "satisfied".to_owned(),
            (false, Some(_)) => format!("{observed} of {needed} observed"),
            (false, None) => format!("does not hold, and must for {needed}"),
        };
        let label = if index == 0 { "gates" } else { "" };
        let above = it.above_weight;
        page.line(
            label,
            format_args!("above {above}%: {direction} lag of {name} below {below} s: {state}"),
        );
        if let Some(since) = it.since {
            page.more(&format!("since {since}"));
        }
        if let Some(earliest) = it.earliest {
            page.more(&format!("satisfied at the earliest at {earliest}"));
        }
        if it.gaps > 0 {
            let unobserved = span(it.unobserved_s);
            let gaps = match it.gaps {
                1 => "one gap".to_owned(),
                several => format!("{several} gaps"),
            };
            page.more(&format!("{unobserved} not observed, in {gaps}"));
        }
        if let (Some(at), Some(by)) = (it.broken_at, &it.broken_by) {
            page.more(&format!("broken at {at}: {by}"));
        }
    }
}

/// How far one direction trails, and how long the source keeps what is missing.
fn trails(it: &ReplicationStatus) -> String {
    match (it.lag_s, &it.unknown) {
        (Some(lag), _) => {
            let most = it.lag_max_s.unwrap_or(lag);
            let kept = it.wal_lasts_s.map_or(String::new(), |it| {
                format!(", its WAL lasts for {}", span(it))
            });
            format!("{lag:.2} s behind, {most:.2} s at most in the last minute{kept}")
        }
        (None, Some(why)) => format!("not known: {why}"),
        (None, None) => "not known".to_owned(),
    }
}

/// The weight, and what share of the requests that is.
fn weight(status: &Status) -> String {
    let mut text = format!("{}% on new", status.weight);
    if let Some(share) = status.request_share.filter(|_| status.weight > 0.0) {
        write!(text, ", {} of requests are", ratio(share))
            .expect("writing to a string does not fail");
    }
    if let Some(share) = status.busiest_share {
        write!(text, "; the busiest 3 clients make {}", ratio(share))
            .expect("writing to a string does not fail");
    }
    text
}

/// What speaks against new.
fn evidence(page: &mut Page, status: &Status) {
    let growing = status.evidence.iter().filter(|it| it.since.is_some());
    let mut label = "evidence";
    page.blank();
    for test in growing {
        page.line(label, &test.text);
        label = "";
    }
    if label == "evidence" {
        page.line(label, "nothing speaks against new");
    }
    let before = &status.before;
    if let Some(errors) = before.error_rate {
        let slow = before
            .slow_ms
            .map(|it| format!("; slow is {} on new", latency(it)));
        let (requests, errors) = (count(before.requests), ratio(errors));
        page.line(
            "before",
            format_args!(
                "{requests} requests on old, {errors} errors{}",
                slow.unwrap_or_default()
            ),
        );
    }
}

fn ramp(page: &mut Page, ramp: &RampStatus, at: Timestamp) {
    let state = ramp.state.replace('_', " ");
    let since = ramp.since.map(|since| {
        let ago = span(at.since(since).as_secs_f64());
        format!(", for {ago}")
    });
    let since = since.unwrap_or_default();
    page.line(
        "ramp",
        format_args!("{state}, step {} of {}{since}", ramp.step, ramp.steps),
    );
    if let Some(reason) = &ramp.reason {
        page.more(reason);
    }
    if ramp.bake_s > 0.0 {
        let left = ramp.bake_remaining_s.clamp(0.0, ramp.bake_s);
        let share = 1.0 - left / ramp.bake_s;
        page.more(&format!("[{}] {} of bake left", bar(share), span(left)));
    }
    if ramp.requests_needed > 0 {
        let (seen, needed) = (count(ramp.requests), count(ramp.requests_needed));
        page.more(&format!("{seen} of {needed} requests on new"));
    }
    if let Some(left) = ramp.evidence_requests_left.filter(|it| *it > 0) {
        let time = ramp.evidence_remaining_s.map(span);
        let time = time.map_or_else(String::new, |it| format!(", about {it}"));
        page.more(&format!("{} more without an error{time}", count(left)));
    }
    let step = ramp.step.checked_sub(1);
    if let Some(outlook) = step.and_then(|step| ramp.outlook.get(step)) {
        page.more(&foreseen(outlook));
    }
    for (index, wait) in ramp.waits.iter().enumerate() {
        page.line(if index == 0 { "waits for" } else { "" }, wait);
    }
}

/// What a step takes and shows.
fn foreseen(outlook: &OutlookStatus) -> String {
    let takes = match outlook.takes_s {
        Some(takes) => format!("takes about {} in all", span(takes)),
        None => "hardly ever ends on evidence".to_owned(),
    };
    let notices = match outlook.notices {
        Some(share) => format!("new failing {} would be noticed", ratio(share)),
        None => "errors of new would not be noticed by comparison".to_owned(),
    };
    format!("{takes}; {notices}")
}

fn bar(share: f64) -> String {
    // Compared place by place, so that no float becomes an index.
    let places = u32::try_from(BAR).unwrap_or_default();
    let place = |it: u32| match f64::from(it) + 0.5 < share * f64::from(places) {
        true => '#',
        false => '-',
    };
    (0..places).map(place).collect()
}

/// The last drill, and the last that was passed where that is another.
fn drill(page: &mut Page, drill: &DrillStatus) {
    let state = drill.state.replace('_', " ");
    let at = drill.ended_at.unwrap_or(drill.at);
    page.line("drill", format_args!("{state} at {at}: {}", drill.fault));
    if let (Some(cause), Some(ms)) = (&drill.cause, drill.reaction_ms) {
        page.more(&format!("{cause} tripped, {} to weight 0", latency(ms)));
    }
    if let Some(why) = &drill.why {
        page.more(why);
    }
    match drill.passed_at {
        Some(passed) if drill.ended_at != Some(passed) => {
            page.more(&format!("the last one was passed at {passed}"));
        }
        Some(_) | None => (),
    }
}

fn sides(page: &mut Page, sides: &PerSide<SideStatus>) {
    page.row(format_args!(
        "{:<22} {:>16} {:>16}",
        "",
        Side::Old,
        Side::New
    ));
    let mut row = |label: &str, show: &dyn Fn(&SideStatus) -> String| {
        let (old, new) = (show(&sides.old), show(&sides.new));
        page.row(format_args!("{label:<22} {old:>16} {new:>16}"));
    };
    row("last 10 s", &|_| String::new());
    row("  requests", &|side| rate(side.request_rate));
    row("  errors", &|side| ratio(side.error_rate));
    row("  latency p50", &|side| latency(side.latency_ms.p50));
    row("          p90", &|side| latency(side.latency_ms.p90));
    row("          p99", &|side| latency(side.latency_ms.p99));
    row("          p99.9", &|side| latency(side.latency_ms.p999));
    row("now", &|_| String::new());
    row("  in flight", &|side| count(side.in_flight));
    row("  tunnels", &|side| count(side.tunnels));
    row("since start", &|_| String::new());
    row("  requests", &|side| count(side.requests));
    row("  errors", &|side| count(side.errors));
    row("  failed over to old", &|side| count(side.failovers));
    row("  forced", &|side| count(side.forced));
    row("  pinned", &|side| count(side.pinned));
    row("  kept", &|side| count(side.kept));
    page.blank();
    for side in Side::ALL {
        for endpoint in &sides[side].endpoints {
            let address = cut(&endpoint.address, 36);
            let numbers = format!(
                "{} in flight, {} requests",
                count(endpoint.in_flight),
                count(endpoint.requests)
            );
            page.row(format_args!(
                "{side} {address:<36} {:<9} {numbers}",
                endpoint.standing
            ));
        }
    }
}
