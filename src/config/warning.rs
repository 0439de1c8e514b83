//! What a plan says that may not be what was meant: never a fault, always worth a second look.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use crate::{
    config::{
        scalar::shown_duration,
        trigger::{same_reading, takes_samples},
    },
    plan::{
        EndpointPlan, GateCondition, Limit, Plan, Reading, StaysOnOld, Trigger, Verification,
        Writes,
    },
    units::{Side, Weight},
};

/// Something worth a second look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// What it is about, as the file names it, such as `[split] writes`.
    pub about: String,
    /// What follows from it, and what to do.
    pub text: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.about, self.text)
    }
}

/// The warnings of a plan.
pub(super) fn of(plan: &Plan) -> Vec<Warning> {
    let mut warnings = Vec::new();
    environments(plan, &mut warnings);
    beside_the_weight(plan, &mut warnings);
    relative_triggers(plan, &mut warnings);
    for trigger in &plan.triggers {
        samples(plan, trigger, &mut warnings);
        out_of_reach(plan, trigger, &mut warnings);
    }
    short_bakes(plan, &mut warnings);
    health_without_checks(plan, &mut warnings);
    way_back(plan, &mut warnings);
    warnings
}

fn warn(warnings: &mut Vec<Warning>, about: impl Into<String>, text: impl Into<String>) {
    warnings.push(Warning {
        about: about.into(),
        text: text.into(),
    });
}

fn environments(plan: &Plan, warnings: &mut Vec<Warning>) {
    for side in Side::ALL {
        if plan.upstreams[side].tls.verification == Verification::Off {
            let text = "verify = false: whoever can stand between this proxy and the endpoints \
                can read and change everything; name their CA with `ca` instead";
            warn(warnings, format!("[{side}.tls]"), text);
        }
    }
    let old = &plan.upstreams.old.endpoints;
    for endpoint in plan
        .upstreams
        .new
        .endpoints
        .iter()
        .filter(|it| old.contains(it))
    {
        let text = format!("{endpoint} is an endpoint of old as well: both sides measure it");
        warn(warnings, "[new] endpoints", text);
    }
    for side in Side::ALL {
        for endpoint in &plan.upstreams[side].endpoints {
            if plan
                .listeners
                .iter()
                .any(|it| reaches(endpoint, it.address))
            {
                let text = format!(
                    "{endpoint} is where this proxy itself listens: every request would go round \
                     in circles until the connections are used up"
                );
                warn(warnings, format!("[{side}] endpoints"), text);
            }
        }
    }
    if plan.admin.tls.is_none() && !plan.admin.address.ip().is_loopback() {
        let text = "plain HTTP: whoever can see the network between an operator and this machine can take the \
            operator's token; name `certificates`, or use a loopback address and a tunnel";
        warn(warnings, "[admin] address", text);
    }
    if plan.admin.operators.is_empty() {
        let text = "no [[admin.operator]]: anybody on this machine can steer the cutover, and the \
            journal will name them all \"local\"";
        warn(warnings, "[admin]", text);
    }
}

/// Whether connecting to the endpoint ends up at a listener; names other than localhost are not looked up.
fn reaches(endpoint: &EndpointPlan, listener: SocketAddr) -> bool {
    let address = match endpoint.host.as_str() {
        "localhost" => Some(IpAddr::from([127, 0, 0, 1])),
        host => host.parse::<IpAddr>().ok(),
    };
    let is_ours =
        |it: IpAddr| it == listener.ip() || listener.ip().is_unspecified() && it.is_loopback();
    endpoint.port == listener.port() && address.is_some_and(is_ours)
}

/// Whatever does not go by weight: what stays on old keeps the ramp from completing.
fn beside_the_weight(plan: &Plan, warnings: &mut Vec<Warning>) {
    let complete = "so the ramp bakes its last step but cannot complete";
    if plan.split.writes == Writes::Old {
        let text = format!(
            "\"old\": unsafe methods (POST, PUT, DELETE …) and upgrades go to old at every weight, \
             {complete}; say \"split\" if both sides write to the same data, or \"new\" once \
             writes belong there"
        );
        warn(warnings, "[split] writes", text);
    }
    if plan.split.writes == Writes::New
        && let Some(first) = plan.ramp.steps.first()
    {
        let text = format!(
            "\"new\": the first step gives new {} of everything else, but all unsafe methods and \
             upgrades at once",
            first.weight
        );
        warn(warnings, "[split] writes", text);
    }
    for route in &plan.routes {
        let kept = match route.stays_on_old() {
            Some(StaysOnOld::Everything) => "everything that it matches stays on old",
            Some(StaysOnOld::Writes) => "its unsafe methods and upgrades stay on old",
            None => continue,
        };
        warn(
            warnings,
            format!("[[route]] {:?}", route.name),
            format!("{kept}, {complete}"),
        );
    }
}

/// A relative trigger is blind above 99 %; something absolute must watch the same thing there.
fn relative_triggers(plan: &Plan, warnings: &mut Vec<Warning>) {
    for trigger in plan
        .triggers
        .iter()
        .filter(|it| it.is_blind_at(Weight::FULL))
    {
        let watches = |it: &&Trigger| {
            same_reading(it.reading, trigger.reading) && !it.is_blind_at(Weight::FULL)
        };
        let text = match plan.triggers.iter().find(watches) {
            Some(other) => format!(
                "compares new with old, so it is blind above 99%; {:?} watches alone there",
                other.name
            ),
            None => format!(
                "compares new with old, so it is blind above 99%, and nothing else watches {} there; \
                 add a trigger with `above`",
                trigger.reading
            ),
        };
        warn(warnings, about(trigger), text);
    }
}

/// How many requests a second must arrive in all, so that a trigger has its sample at a step: on new, and where it
/// compares, on old as well. `None` if it takes no samples or is blind there.
pub(super) fn rate_needed(trigger: &Trigger, weight: Weight) -> Option<u64> {
    if !takes_samples(trigger.reading, trigger.limit) || trigger.is_blind_at(weight) {
        return None;
    }
    let all = u128::from(Weight::FULL.basis_points());
    let on_new = u128::from(weight.basis_points());
    let smaller = match trigger.limit {
        Limit::TimesOld(_) => on_new.min(all - on_new),
        Limit::Share(_) | Limit::Latency(_) | Limit::InARow(_) => on_new,
    };
    let per_window = u128::from(trigger.requests) * all * 1000;
    let rate = per_window.div_ceil((smaller * trigger.window.as_millis()).max(1));
    Some(u64::try_from(rate).unwrap_or(u64::MAX))
}

/// A sample that hardly any service fills: the trigger would stay `Unknown`, and the ramp would wait for it.
fn samples(plan: &Plan, trigger: &Trigger, warnings: &mut Vec<Warning>) {
    const MUCH: u64 = 2_000;
    let steps = plan.ramp.steps.iter();
    let needed = steps.filter_map(|it| Some((it.weight, rate_needed(trigger, it.weight)?)));
    let Some((weight, rate)) = needed.max_by_key(|(_, rate)| *rate) else {
        return;
    };
    if rate > MUCH {
        let text = format!(
            "{} requests in {} at {weight} need {rate} requests/s in all; below that it cannot \
             trip there; take fewer requests or a longer window",
            trigger.requests,
            shown_duration(trigger.window)
        );
        warn(warnings, about(trigger), text);
    }
}

/// A latency limit that a time-out always forestalls.
fn out_of_reach(plan: &Plan, trigger: &Trigger, warnings: &mut Vec<Warning>) {
    let timeout = plan.timeouts.response_head;
    if let Limit::Latency(limit) = trigger.limit
        && limit >= timeout
    {
        let text = format!(
            "no response head takes longer than [timeouts] response_head ({}), so {} is never \
             exceeded",
            shown_duration(timeout),
            shown_duration(limit)
        );
        warn(warnings, about(trigger), text);
    }
}

fn short_bakes(plan: &Plan, warnings: &mut Vec<Warning>) {
    let sampling = plan
        .triggers
        .iter()
        .filter(|it| takes_samples(it.reading, it.limit));
    let Some(slowest) = sampling.max_by_key(|it| it.window) else {
        return;
    };
    for step in plan.ramp.steps.iter().filter(|it| it.bake < slowest.window) {
        let text = format!(
            "bakes for {}, less than the {} that trigger {:?} looks back",
            shown_duration(step.bake),
            shown_duration(slowest.window),
            slowest.name
        );
        warn(warnings, format!("[[ramp.step]] {}", step.weight), text);
    }
}

/// What asks for health hears of refused connections only, where no health check runs.
fn health_without_checks(plan: &Plan, warnings: &mut Vec<Warning>) {
    let unchecked = |side: Side| plan.upstreams[side].health.is_none();
    let only = "only endpoints that refuse connections count as unhealthy";
    for gate in &plan.gates {
        let GateCondition::Healthy(sides) = &gate.condition else {
            continue;
        };
        for side in sides.iter().copied().filter(|side| unchecked(*side)) {
            let text = format!("there is no [{side}.health], so {only}");
            warn(
                warnings,
                format!("[[gate]] above {}", gate.above_weight),
                text,
            );
        }
    }
    for trigger in plan
        .triggers
        .iter()
        .filter(|it| it.reading == Reading::Unhealthy)
    {
        if unchecked(Side::New) {
            warn(
                warnings,
                about(trigger),
                format!("there is no [new.health], so {only}"),
            );
        }
    }
}

fn way_back(plan: &Plan, warnings: &mut Vec<Warning>) {
    const DAY: Duration = Duration::from_secs(24 * 3600);
    let window = plan.rollback.window;
    if window < DAY {
        let text = format!(
            "the way back closes {} after completion; what a day's traffic would show comes too late",
            shown_duration(window)
        );
        warn(warnings, "[rollback] window", text);
    }
}

fn about(trigger: &Trigger) -> String {
    format!("[[trigger]] {:?}", trigger.name)
}
