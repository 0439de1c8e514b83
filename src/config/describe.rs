//! A plan in words: what `check` prints, so that whoever starts it at night knows what it will do.

mod copies;
mod names;
mod page;
mod timetable;

use std::time::Duration;

use page::Page;
use timetable::Timetable;

use crate::{
    config::{
        load::Loaded,
        scalar::{shown_duration, shown_size, shown_tolerance, shown_window},
        trigger::takes_samples,
        warning::rate_needed,
    },
    evidence::{Evidence, Outlook, Settings},
    plan::{
        AdvanceOn, BothBad, Gate, GateCondition, HostHeader, Limit, Plan, Reading, RoutePlan,
        StartMode, Sticky, Symptom, Trigger, TripAction, Writes,
    },
    units::{Side, Timestamp, Weight},
};

/// The plan in words, wrapped at 80 columns, with the time at which it could be complete if it were started `now`.
#[must_use]
pub fn describe(loaded: &Loaded, now: Timestamp, rate: u32) -> String {
    let plan = &loaded.plan;
    let mut page = Page::default();
    let steps = plan.ramp.steps.len();
    page.heading(&format!(
        "{}: from old to new in {}",
        plan.name,
        counted(steps, "step")
    ));
    environments(plan, &mut page);
    requests(plan, &mut page);
    ramp(plan, now, &mut page);
    evidence(plan, rate, &mut page);
    triggers(plan, &mut page);
    if let Some(shadow) = &plan.shadow {
        copies::copies(plan, shadow, &mut page);
    }
    way_back(plan, &mut page);
    if let Some(dns) = &plan.dns {
        names::names(dns, &mut page);
    }
    around(&mut page);
    page.heading(&match loaded.warnings.len() {
        0 => String::from("No warnings"),
        count => counted(count, "warning"),
    });
    for warning in &loaded.warnings {
        page.item(&warning.to_string());
    }
    page.into_text()
}

fn environments(plan: &Plan, page: &mut Page) {
    for side in Side::ALL {
        let upstream = &plan.upstreams[side];
        let endpoints: Vec<String> = upstream.endpoints.iter().map(ToString::to_string).collect();
        let mut text = format!("{side}: {}", endpoints.join(", "));
        if let HostHeader::Set(host) = &upstream.host {
            text = format!("{text}; requests name the host {host}");
        }
        let health = match &upstream.health {
            Some(health) => format!(
                "checked at {} every {}",
                health.path,
                shown_duration(health.interval)
            ),
            None => String::from("without health checks"),
        };
        page.item(&format!("{text}; {health}"));
    }
    for listener in &plan.listeners {
        let kind = match listener.certificates.len() {
            0 => String::from("plain HTTP/1.1 and h2c"),
            count => format!("TLS with {}", counted(count, "certificate")),
        };
        page.item(&format!("clients come to {}: {kind}", listener.address));
    }
    let who = match plan.admin.operators.len() {
        0 => String::from("anybody on this machine"),
        count => counted(count, "operator"),
    };
    let (scheme, shows) = match &plan.admin.tls {
        None => ("http", ""),
        Some(tls) if tls.client_ca.is_none() => ("https", ""),
        Some(_) => ("https", ", each with a client certificate"),
    };
    let address = plan.admin.address;
    page.item(&format!("steered at {scheme}://{address} by {who}{shows}"));
    let kept = match plan.observations {
        0 => "and nothing of what decisions rest on".to_owned(),
        bytes => {
            let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
            format!("and {} of what decisions rest on", shown_size(bytes))
        }
    };
    page.item(&format!("journal: {}, {kept}", plan.store.display()));
}

fn requests(plan: &Plan, page: &mut Page) {
    page.heading("Where requests go");
    page.item(&match &plan.split.sticky {
        Sticky::None => {
            String::from("each request is drawn anew: a client may see both sides in turn")
        }
        Sticky::Cookie(cookie) => format!(
            "a client keeps its side by the cookie {} for {}",
            cookie.name,
            shown_duration(cookie.lifetime)
        ),
        Sticky::ClientIp => String::from("a client keeps its side by its address"),
        Sticky::Header(name) => format!("a client keeps its side by the header {name}"),
    });
    page.item(&format!(
        "unsafe methods and upgrades {}",
        writes_go(plan.split.writes)
    ));
    if let Some(bound) = plan.split.read_your_writes {
        let bound = shown_duration(bound);
        page.item(&match plan.replications.is_empty() {
            true => format!("a client that has just written reads on old for {bound}"),
            false => format!(
                "a client that has just written reads on old until new has what it wrote, for {bound} at most"
            ),
        });
    }
    for route in &plan.routes {
        page.item(&route_goes(route));
    }
    if let Some(force) = &plan.split.force {
        page.item(&format!(
            "a tester who signs {} may choose the side",
            force.header
        ));
    }
}

const fn writes_go(writes: Writes) -> &'static str {
    match writes {
        Writes::Old => "go to old, whatever the weight",
        Writes::Split => "go by weight, as everything else",
        Writes::New => "go to new from the first step on",
    }
}

fn route_goes(route: &RoutePlan) -> String {
    let methods: Vec<&str> = route.methods.iter().map(http::Method::as_str).collect();
    let methods = match methods.is_empty() {
        true => String::new(),
        false => format!("{} ", methods.join(", ")),
    };
    let host = route.host.as_deref().unwrap_or_default();
    let goes = match (route.pin, route.writes) {
        (Some(side), _) => format!("go to {side}"),
        (None, Some(writes)) => format!(
            "go by weight; unsafe methods and upgrades {}",
            writes_go(writes)
        ),
        (None, None) => String::from("are measured apart"),
    };
    format!(
        "route {:?}: requests to {methods}{host}{} {goes}",
        route.name, route.path
    )
}

fn ramp(plan: &Plan, now: Timestamp, page: &mut Page) {
    page.heading("The ramp");
    let table = Timetable::new(&plan.ramp, now);
    page.line("  step  weight  bake        requests  needs in all  at the earliest");
    for (index, (step, from)) in plan.ramp.steps.iter().zip(&table.starts).enumerate() {
        let rates = plan
            .triggers
            .iter()
            .filter_map(|it| rate_needed(it, step.weight));
        let rate = rates
            .max()
            .map_or_else(|| String::from("-"), |it| format!("{it}/s"));
        page.line(&format!(
            "  {:>4}  {:>6}  {:<10}  {:>8}  {rate:>12}  {}",
            index + 1,
            step.weight,
            shown_duration(step.bake),
            step.requests,
            table.shown(*from),
        ));
    }
    page.line(&format!(
        "  complete at the earliest: {}",
        table.shown(table.complete)
    ));
    page.blank();
    page.item(match plan.ramp.start {
        StartMode::Manual => "it starts with `changeover ramp start`",
        StartMode::Automatic => "it starts by itself once every worker reports",
    });
    if let Some(window) = &plan.ramp.window {
        let text = format!(
            "the start, advances and the completion happen only {}",
            shown_window(window)
        );
        page.item(&text);
    }
    page.item(match plan.ramp.advance {
        AdvanceOn::Evidence => {
            "a step ends on evidence that new fails less often than is accepted; see below"
        }
        AdvanceOn::Bake => "a step needs no evidence to end: advance = \"bake\"",
    });
    page.item(
        "a step ends when it has baked for its time with its requests finished on new, every \
         trigger says that all is well, every gate below the next weight holds, and the journal \
         can be written; whatever is not known holds",
    );
    page.item(
        "\"needs in all\" is the traffic from which on every trigger has its sample within its \
         window; with less, an advance waits until the step has gathered it",
    );
    for gate in &plan.gates {
        page.item(&gate_holds(plan, gate));
    }
}

fn gate_holds(plan: &Plan, gate: &Gate) -> String {
    let above = gate.above_weight;
    match &gate.condition {
        GateCondition::Healthy(sides) => {
            let sides: Vec<&str> = sides.iter().map(|it| it.as_str()).collect();
            let sides = sides.join(" and ");
            format!("above {above} only while every endpoint of {sides} is healthy")
        }
        GateCondition::Drill(asked) => format!(
            "above {above} only within {} of a `changeover drill` that this configuration has passed",
            shown_duration(asked.within)
        ),
        GateCondition::Lag(lag) => format!(
            "above {above} only once the {} lag of {} has been below {} for {}, observed; not to be \
             observed for longer than {} starts that anew",
            lag.direction,
            plan.replications[lag.replication].name,
            shown_duration(lag.lag_below),
            shown_duration(lag.held_for),
            shown_duration(lag.gap)
        ),
    }
}

/// Of the share of errors that is accepted, what is taken to fail anyway where times are told.
const USUAL_ERRORS: f64 = 0.2;

fn evidence(plan: &Plan, rate: u32, page: &mut Page) {
    page.heading("Evidence");
    let limit = plan.evidence.error_limit;
    if plan.ramp.advance == AdvanceOn::Evidence {
        let needed = Evidence::new(Settings::of(plan)).permit().requests_left;
        page.item(&format!(
            "each step needs to show that new fails less than {limit} of its requests (or twice old's \
             share before the first step, if that is more): {needed} requests on new without an error \
             do; with errors at a fifth of that about twice as many, with more than four fifths it \
             hardly ever ends"
        ));
    }
    page.item(&outlook(plan, rate));
    let alarms = plan.evidence.false_alarms;
    if alarms.parts_per_million() == 0 {
        page.item("no test trips: false_alarms = 0");
        return;
    }
    let worse = match plan.evidence.tolerated_errors.thousandths() {
        1_000 => String::from("more often than on old"),
        _ => format!(
            "more than {} as often as on old",
            plan.evidence.tolerated_errors
        ),
    };
    let asked: Vec<&str> = plan.evidence.by_route.iter().map(Symptom::as_str).collect();
    if !plan.routes.is_empty() && !asked.is_empty() {
        page.item(&format!(
            "each named route is tested for {} by itself as well, so that what is broken on one alone does not \
             drown among the others",
            asked.join(", ")
        ));
    }
    let slower = shown_tolerance(plan.evidence.tolerated_latency);
    page.item(&format!(
        "everything goes back to old when errors, 3xx, 401, 403, 404, slow requests or clients that went \
         away are found on new {worse}, or answers slower than {slower} of old's, by more than the draw of \
         the sides explains; in 24 hours that is a false alarm with a chance of at most {alarms}"
    ));
    page.item(
        "slow are requests that wait longer than 199 in 200 of their route's did on old before the first step, \
         and longer than that allows for; they count while they still wait",
    );
    if plan.split.sticky != Sticky::None {
        page.item(
            "how slow each client is by itself is learnt from what old answers before the first step: ten \
             minutes of that are worth waiting for, and without them latencies are left to the triggers",
        );
    }
    page.item(&format!(
        "when more than {limit} of new's requests fail, and old is not known to be better, the ramp \
         holds and says so"
    ));
}

/// How long each step takes at this rate, and what would be noticed meanwhile.
fn outlook(plan: &Plan, rate: u32) -> String {
    let settings = Settings::of(plan);
    let accepted = plan.evidence.error_limit.ratio();
    let errors = accepted * USUAL_ERRORS;
    let steps = plan.ramp.steps.iter().map(|step| {
        let outlook = Outlook {
            weight: step.weight,
            rate: f64::from(rate),
            errors,
            accepted,
        };
        let evidence = match plan.ramp.advance {
            AdvanceOn::Evidence => outlook.evidence_takes(),
            AdvanceOn::Bake => None,
        };
        let takes = step.bake.max(evidence.unwrap_or_default());
        let notices = match outlook.noticed_within(&settings, takes) {
            Some(share) => format!("notices new failing {}", percent(share)),
            None if step.weight == Weight::FULL => "has nothing left to compare with".to_owned(),
            None => "notices no errors".to_owned(),
        };
        let takes = shown_duration(Duration::from_secs(takes.as_secs()));
        format!("{} takes {takes} and {notices}", step.weight)
    });
    let steps: Vec<String> = steps.collect();
    let sticky = match plan.split.sticky {
        Sticky::None => "",
        Sticky::Cookie(_) | Sticky::ClientIp | Sticky::Header(_) => {
            "; where few clients make the requests, less is noticed, since each counts once a minute"
        }
    };
    format!(
        "at {rate} requests/s in all, of which {} fail anyway: {}; about half of the time sooner, else later{sticky}",
        percent(errors),
        steps.join("; ")
    )
}

/// A share with two digits that say something.
fn percent(share: f64) -> String {
    let percent = share * 100.0;
    let digits = match percent {
        10.0.. => 0,
        1.0.. => 1,
        0.1.. => 2,
        _ => 3,
    };
    format!("{percent:.digits$}%")
}

fn triggers(plan: &Plan, page: &mut Page) {
    page.heading("Everything goes back to old when");
    for trigger in &plan.triggers {
        let sentence = sentence(plan, trigger);
        page.item(&match trigger.action {
            TripAction::Rollback => format!("{:?}: {sentence}", trigger.name),
            TripAction::Hold => format!("(only the ramp holds:) {:?}: {sentence}", trigger.name),
        });
    }
}

fn sentence(plan: &Plan, trigger: &Trigger) -> String {
    let what = match trigger.reading {
        Reading::ErrorRate => String::from("the share of errors on new"),
        Reading::Latency(percentile) => format!("the {percentile} latency of new"),
        Reading::ConnectFailures => String::from("the share of failed connects to new"),
        Reading::Unhealthy => String::from("the share of unhealthy endpoints of new"),
        Reading::ReplicationLag {
            replication,
            direction,
        } => format!(
            "the {direction} lag of {}",
            plan.replications[replication].name
        ),
    };
    let above = match trigger.limit {
        Limit::InARow(1) => return String::from("one connect to new fails, at once"),
        Limit::InARow(count) => return format!("{count} connects to new fail in a row, at once"),
        Limit::Share(share) => format!("above {share}"),
        Limit::Latency(latency) => format!("above {}", shown_duration(latency)),
        Limit::TimesOld(factor) => format!("above {} times old's own", factor.ratio()),
    };
    match takes_samples(trigger.reading, trigger.limit) {
        true => format!(
            "{what} is {above}, over {} and at least {}",
            shown_duration(trigger.window),
            counted(trigger.requests, "request")
        ),
        false => format!("{what} is {above}"),
    }
}

fn way_back(plan: &Plan, page: &mut Page) {
    page.heading("The way back");
    let rollback = plan.rollback;
    page.item(&format!(
        "one atomic step to 0%; tunnels to new end after {}; it stays until somebody resumes with \
         a reason; `changeover rollback --reason TEXT` does it by hand",
        shown_duration(rollback.tunnels)
    ));
    page.item(match rollback.both_bad {
        BothBad::Hold => {
            "when old is bad as well, it holds and says so instead of moving everybody there"
        }
        BothBad::Rollback => "even when old is bad as well",
    });
    page.item(&format!(
        "triggers stay armed for {} after completion; then the way back is closed",
        shown_duration(rollback.window)
    ));
}

/// What no configuration can show, and what breaks such moves most often.
fn around(page: &mut Page) {
    page.heading("Look at these yourself");
    page.item(
        "sessions kept in a server's memory: a client that changes sides loses them; keep them \
         where both sides read them",
    );
    page.item(
        "caches in front: a page of one side may be served with assets of the other; give both \
         sides' assets names of their own, or bypass the cache during the ramp",
    );
}

fn counted(count: impl TryInto<u64>, noun: &str) -> String {
    match count.try_into().unwrap_or(u64::MAX) {
        1 => format!("1 {noun}"),
        count => format!("{count} {noun}s"),
    }
}
