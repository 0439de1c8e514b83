//! A digest of what a ramp runs under, so that a restart with another plan is noticed.

use std::fmt::Write;

use http::Method;
use sha2::{Digest, Sha256};

use crate::{
    plan::{
        AdvanceOn, BothBad, EvidencePlan, Gate, GateCondition, Limit, Plan, Reading, Sticky,
        Symptom, Trigger, TripAction, Window, Writes,
    },
    units::Side,
};

/// Hex digits of the digest that are kept: 64 bits, for telling plans apart and not for security.
const DIGITS: usize = 16;

/// Digest of the plan's steps, window, evidence, triggers, gates and rollback, and of what goes where beside the weight: endpoints,
/// stickiness, writes and routes. Equal exactly when these are equal: what baked under others has not baked.
///
/// It covers a rendering that is written out here, and so does not change with a new version of the program.
/// How the ramp is started is no part of it, since a running ramp does not depend on that.
#[must_use]
pub fn plan_digest(plan: &Plan) -> String {
    let mut text = String::new();
    for step in &plan.ramp.steps {
        let (weight, bake) = (step.weight.basis_points(), step.bake.as_micros());
        line(
            &mut text,
            format_args!("step {weight} {bake} {}", step.requests),
        );
    }
    let advance = match plan.ramp.advance {
        AdvanceOn::Evidence => "evidence",
        AdvanceOn::Bake => "bake",
    };
    line(&mut text, format_args!("advance {advance}"));
    let evidence = &plan.evidence;
    let (alarms, limit) = (evidence.false_alarms, evidence.error_limit);
    let (alarms, limit) = (alarms.parts_per_million(), limit.parts_per_million());
    let tolerated = evidence.tolerated_errors.thousandths();
    let slower = evidence.tolerated_latency;
    let (times, plus) = (slower.times.thousandths(), slower.plus.as_micros());
    line(
        &mut text,
        format_args!("evidence {alarms} {tolerated} {limit} {times} {plus}"),
    );
    // The default is left out: digests of plans that say nothing of it were made before it could be chosen.
    if evidence.by_route != EvidencePlan::DEFAULT.by_route {
        let asked: Vec<&str> = evidence.by_route.iter().map(Symptom::as_str).collect();
        line(&mut text, format_args!("by_route {}", asked.join(",")));
    }
    if let Some(window) = &plan.ramp.window {
        render_window(&mut text, window);
    }
    for trigger in &plan.triggers {
        render_trigger(&mut text, trigger);
    }
    for gate in &plan.gates {
        render_gate(&mut text, gate);
    }
    let rollback = &plan.rollback;
    let both_bad = match rollback.both_bad {
        BothBad::Hold => "hold",
        BothBad::Rollback => "rollback",
    };
    let (tunnels, window) = (rollback.tunnels.as_micros(), rollback.window.as_micros());
    line(
        &mut text,
        format_args!("rollback {both_bad} {tunnels} {window}"),
    );
    let most = plan.shadow.as_ref().and_then(|it| it.max_difference);
    if let Some(most) = most {
        let most = most.parts_per_million();
        line(&mut text, format_args!("max_difference {most}"));
    }
    for replication in &plan.replications {
        let (name, databases) = (&replication.name, &replication.databases);
        let (old, new) = (&databases.old, &databases.new);
        line(&mut text, format_args!("replication {old} {new} {name:?}"));
    }
    render_split(&mut text, plan);
    let mut digest = hex::encode(Sha256::digest(text.as_bytes()));
    digest.truncate(DIGITS);
    digest
}

fn render_split(text: &mut String, plan: &Plan) {
    for side in Side::ALL {
        for endpoint in &plan.upstreams[side].endpoints {
            line(text, format_args!("endpoint {side} {endpoint}"));
        }
    }
    let sticky = match &plan.split.sticky {
        Sticky::None => "none".to_owned(),
        Sticky::Cookie(cookie) => format!("cookie {}", cookie.name),
        Sticky::ClientIp => "client-ip".to_owned(),
        Sticky::Header(name) => format!("header {name}"),
    };
    let writes = rendered(plan.split.writes);
    line(text, format_args!("split {writes} {sticky}"));
    if let Some(bound) = plan.split.read_your_writes {
        let micros = bound.as_micros();
        line(text, format_args!("read_your_writes {micros}"));
    }
    for route in &plan.routes {
        let methods: Vec<&str> = route.methods.iter().map(Method::as_str).collect();
        let host = route.host.as_deref().unwrap_or("*");
        let pin = route.pin.map_or("none", Side::as_str);
        let writes = route.writes.map_or("none", rendered);
        let methods = methods.join(",");
        line(
            text,
            format_args!("route {host} {methods} {pin} {writes} {:?}", route.path),
        );
    }
}

const fn rendered(writes: Writes) -> &'static str {
    match writes {
        Writes::Old => "old",
        Writes::Split => "split",
        Writes::New => "new",
    }
}

fn render_window(text: &mut String, window: &Window) {
    let zone = window.zone.iana_name().unwrap_or("fixed");
    line(text, format_args!("window {zone}"));
    for it in &window.recurrences {
        let days = it.days.iter().map(|day| day.to_monday_one_offset());
        let days: Vec<String> = days.map(|day| day.to_string()).collect();
        let days = days.join(",");
        line(text, format_args!("open {days} {} {}", it.from, it.to));
    }
}

fn render_trigger(text: &mut String, trigger: &Trigger) {
    let limit = match trigger.limit {
        Limit::Share(share) => format!("share {}", share.parts_per_million()),
        Limit::Latency(limit) => format!("latency {}", limit.as_micros()),
        Limit::TimesOld(factor) => format!("times_old {}", factor.thousandths()),
        Limit::InARow(count) => format!("in_a_row {count}"),
    };
    // Written only where there is something to say, so that plans without keep their digests.
    let limit = match trigger.action {
        TripAction::Rollback => limit,
        TripAction::Hold => format!("{limit} hold"),
    };
    let limit = match trigger.reading {
        Reading::ReplicationLag {
            replication,
            direction,
        } => format!("{limit} {direction} {replication}"),
        Reading::ErrorRate
        | Reading::Latency(_)
        | Reading::ConnectFailures
        | Reading::Unhealthy => limit,
    };
    let (window, requests) = (trigger.window.as_micros(), trigger.requests);
    // The name comes last, and quoted, since it is free text.
    let name = &trigger.name;
    let reading = trigger.reading;
    line(
        text,
        format_args!("trigger {reading} {limit} {window} {requests} {name:?}"),
    );
}

fn render_gate(text: &mut String, gate: &Gate) {
    let above = gate.above_weight.basis_points();
    match &gate.condition {
        GateCondition::Healthy(sides) => {
            let sides: Vec<&str> = sides.iter().map(|it| it.as_str()).collect();
            line(
                text,
                format_args!("gate {above} healthy {}", sides.join(",")),
            );
        }
        GateCondition::Drill(asked) => {
            let within = asked.within.as_micros();
            line(text, format_args!("gate {above} drill {within}"));
        }
        GateCondition::Lag(lag) => {
            let (place, direction) = (lag.replication, lag.direction);
            let (below, held, gap) = (lag.lag_below, lag.held_for, lag.gap);
            let (below, held, gap) = (below.as_micros(), held.as_micros(), gap.as_micros());
            line(
                text,
                format_args!("gate {above} lag {direction} {place} {below} {held} {gap}"),
            );
        }
    }
}

fn line(text: &mut String, line: std::fmt::Arguments<'_>) {
    writeln!(text, "{line}").expect("writing to a string does not fail");
}
