//! What differs between two readings of a configuration, in the words of the file: what a reload takes in, and what it
//! cannot.

use std::{fmt::Debug, net::SocketAddr, time::Duration};

use crate::{
    plan::{
        CopiedMethods, Limit, ListenerPlan, Plan, Reading, RoutePlan, Step, Trigger, TripAction,
        UpstreamPlan,
    },
    units::Side,
};

/// What differs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// What cannot change while the program runs, each with what it was.
    pub fixed: Vec<String>,
    /// Everything else.
    pub changes: Vec<String>,
}

impl Difference {
    /// Between the plan in force and another one.
    #[must_use]
    pub fn between(before: &Plan, after: &Plan) -> Self {
        let mut changes = Changes::default();
        ramp(&mut changes, before, after);
        environments(&mut changes, before, after);
        split(&mut changes, before, after);
        surroundings(&mut changes, before, after);
        Self {
            fixed: fixed(before, after),
            changes: changes.0,
        }
    }

    /// The changes on one line of at most `max` characters.
    #[must_use]
    pub fn line(&self, max: usize) -> String {
        let mut line = self.changes.join("; ");
        if line.chars().count() > max {
            line = line.chars().take(max.saturating_sub(1)).collect();
            line.push('…');
        }
        line
    }
}

/// What only another process can take in.
fn fixed(before: &Plan, after: &Plan) -> Vec<String> {
    let addresses = |plan: &Plan| -> Vec<SocketAddr> {
        let listeners = plan.listeners.iter();
        listeners.map(|it: &ListenerPlan| it.address).collect()
    };
    let mut fixed = Changes::default();
    fixed.values("name", &before.name, &after.name);
    fixed.values("[store] url", &before.store, &after.store);
    fixed.values(
        "[store] observations",
        before.observations,
        after.observations,
    );
    fixed.values("workers", before.workers, after.workers);
    fixed.values("[admin] address", before.admin.address, after.admin.address);
    fixed.values("[[listener]] address", addresses(before), addresses(after));
    fixed.values(
        "[split] sticky",
        before.split.sticky.kind(),
        after.split.sticky.kind(),
    );
    fixed.0
}

fn ramp(changes: &mut Changes, before: &Plan, after: &Plan) {
    let (was, is) = (&before.ramp, &after.ramp);
    changes.values("[ramp] start", was.start, is.start);
    changes.values("[ramp] advance", was.advance, is.advance);
    changes.named("[ramp] window", was.window != is.window);
    let steps = |steps: &[Step]| -> Vec<(String, String)> {
        let number = (1..).zip(steps);
        number
            .map(|(number, it)| (format!("step {number}"), step(it)))
            .collect()
    };
    changes.lists(&steps(&was.steps), &steps(&is.steps));
    let (was, is) = (&before.evidence, &after.evidence);
    changes.named("[evidence]", was != is);
    let triggers = |plan: &Plan| -> Vec<(String, String)> {
        let triggers = plan.triggers.iter();
        triggers
            .map(|it| (format!("trigger {}", it.name), trigger(it)))
            .collect()
    };
    changes.lists(&triggers(before), &triggers(after));
    changes.named("[[gate]]", before.gates != after.gates);
    let (was, is) = (&before.rollback, &after.rollback);
    changes.values("[rollback] both_bad", was.both_bad, is.both_bad);
    changes.values("[rollback] tunnels", was.tunnels, is.tunnels);
    changes.values("[rollback] window", was.window, is.window);
}

fn environments(changes: &mut Changes, before: &Plan, after: &Plan) {
    for side in Side::ALL {
        let (was, is) = (&before.upstreams[side], &after.upstreams[side]);
        let endpoints = |it: &UpstreamPlan| -> Vec<(String, String)> {
            let endpoints = it.endpoints.iter();
            endpoints
                .map(|it| (format!("endpoint {it} of {side}"), String::new()))
                .collect()
        };
        changes.lists(&endpoints(was), &endpoints(is));
        changes.named(&format!("[{side}.health]"), was.health != is.health);
        changes.named(&format!("[{side}.ejection]"), was.ejection != is.ejection);
        changes.named(&format!("[{side}.tls]"), was.tls != is.tls);
        changes.named(&format!("[{side}] host"), was.host != is.host);
        changes.values(&format!("[{side}] http1"), was.http1, is.http1);
    }
}

fn split(changes: &mut Changes, before: &Plan, after: &Plan) {
    let (was, is) = (&before.split, &after.split);
    let is_other_cookie = was.sticky != is.sticky && was.sticky.kind() == is.sticky.kind();
    changes.named("[split] cookie", is_other_cookie);
    changes.values("[split] writes", was.writes, is.writes);
    changes.values(
        "[split] read_your_writes",
        was.read_your_writes,
        is.read_your_writes,
    );
    changes.values("[split] reveal", was.reveals_side, is.reveals_side);
    // Never its value: it holds a secret.
    changes.named("[split] force", was.force != is.force);
    let routes = |plan: &Plan| -> Vec<(String, String)> {
        let routes = plan.routes.iter();
        routes
            .map(|it| (format!("route {}", it.name), route(it)))
            .collect()
    };
    changes.lists(&routes(before), &routes(after));
    let names =
        |plan: &Plan| -> Vec<String> { plan.routes.iter().map(|it| it.name.clone()).collect() };
    let (mut was, mut is) = (names(before), names(after));
    let is_other_order = was != is && {
        was.sort_unstable();
        is.sort_unstable();
        was == is
    };
    changes.named("the order of [[route]]", is_other_order);
}

fn surroundings(changes: &mut Changes, before: &Plan, after: &Plan) {
    changes.named("[shadow]", before.shadow != after.shadow);
    changes.named("[admin] hosts", before.admin.hosts != after.admin.hosts);
    let (was, is) = (&before.admin, &after.admin);
    changes.named("[admin] certificates", was.tls != is.tls);
    changes.named("the limits of [admin]", was.limits != is.limits);
    // Digests of tokens are not for journals.
    let is_other_staff = before.admin.operators != after.admin.operators;
    changes.named("[[admin.operator]]", is_other_staff);
    let certificates = before.listeners.iter().zip(&after.listeners);
    let is_other = |(was, is): (&ListenerPlan, &ListenerPlan)| was.certificates != is.certificates;
    changes.named(
        "[[listener]] certificates",
        certificates.into_iter().any(is_other),
    );
    let listeners = before.listeners.iter().zip(&after.listeners);
    let is_other =
        |(was, is): (&ListenerPlan, &ListenerPlan)| was.proxy_protocol != is.proxy_protocol;
    changes.named(
        "[[listener]] proxy_protocol",
        listeners.into_iter().any(is_other),
    );
    changes.named("[forwarding]", before.forwarding != after.forwarding);
    changes.named("[resolver]", before.resolver != after.resolver);
    // Never its content: it holds passwords.
    changes.named("[[replication]]", before.replications != after.replications);
    // Nor is this: it holds keys.
    changes.named("[dns]", before.dns != after.dns);
    let (was, is) = (&before.timeouts, &after.timeouts);
    for (key, was, is) in [
        ("tls_handshake", was.tls_handshake, is.tls_handshake),
        ("request_head", was.request_head, is.request_head),
        ("body_idle", was.body_idle, is.body_idle),
        ("client_idle", was.client_idle, is.client_idle),
        ("connect", was.connect, is.connect),
        ("response_head", was.response_head, is.response_head),
        ("upstream_idle", was.upstream_idle, is.upstream_idle),
        ("tunnel_idle", was.tunnel_idle, is.tunnel_idle),
        ("drain", was.drain, is.drain),
        ("upgrade", was.upgrade, is.upgrade),
    ] {
        changes.values::<Duration>(&format!("[timeouts] {key}"), was, is);
    }
    changes.named("[limits]", before.limits != after.limits);
}

fn step(step: &Step) -> String {
    let Step {
        weight,
        bake,
        requests,
    } = step;
    format!("{weight} for {bake:?} and {requests} requests")
}

fn trigger(trigger: &Trigger) -> String {
    let action = match trigger.action {
        TripAction::Rollback => "",
        TripAction::Hold => ", which holds",
    };
    format!("{}{action}", condition(trigger))
}

fn condition(trigger: &Trigger) -> String {
    if let Reading::ReplicationLag {
        replication,
        direction,
    } = trigger.reading
    {
        let number = replication + 1;
        let limit = &trigger.limit;
        return format!("{direction} lag of replication {number} above {limit:?}");
    }
    let reading = trigger.reading;
    let window = trigger.window;
    let requests = trigger.requests;
    match trigger.limit {
        Limit::Share(share) => {
            format!("{reading} above {share} in {window:?} of {requests} requests")
        }
        Limit::Latency(limit) => {
            format!("{reading} above {limit:?} in {window:?} of {requests} requests")
        }
        Limit::TimesOld(factor) => {
            format!("{reading} above {factor} old's in {window:?} of {requests} requests")
        }
        Limit::InARow(count) => format!("{reading} {count} in a row"),
    }
}

fn route(route: &RoutePlan) -> String {
    let host = route.host.as_deref().unwrap_or("every host");
    let methods: Vec<&str> = route.methods.iter().map(http::Method::as_str).collect();
    let methods = match methods.is_empty() {
        true => "every method".to_owned(),
        false => methods.join(" "),
    };
    let pin = route.pin.map_or("no pin", Side::as_str);
    let writes = match route.writes {
        Some(writes) => format!("{writes:?}").to_lowercase(),
        None => "as in [split]".to_owned(),
    };
    let copied = match route.copied_methods() {
        CopiedMethods::None => "nothing",
        CopiedMethods::Safe => "what is safe",
        CopiedMethods::All => "everything",
    };
    format!(
        "{methods} {host} {} to {pin}, writes {writes}, copies {copied}",
        route.path
    )
}

/// What was found so far.
#[derive(Debug, Default)]
struct Changes(Vec<String>);

impl Changes {
    /// A key whose value is best not shown.
    fn named(&mut self, key: &str, differs: bool) {
        if differs {
            self.0.push(format!("{key} changed"));
        }
    }

    #[expect(
        clippy::needless_pass_by_value,
        reason = "most values are copied, or references"
    )]
    fn values<T: PartialEq + Debug>(&mut self, key: &str, was: T, is: T) {
        if was != is {
            self.0.push(format!("{key} was {was:?}, is {is:?}"));
        }
    }

    /// Items by their name, each with its value.
    fn lists(&mut self, was: &[(String, String)], is: &[(String, String)]) {
        for (name, value) in was {
            match is.iter().find(|(other, _)| other == name) {
                None => self.0.push(format!("{name} is gone")),
                Some((_, now)) if now != value => {
                    self.0.push(format!("{name} was {value}, is {now}"));
                }
                Some(_) => (),
            }
        }
        for (name, value) in is {
            if !was.iter().any(|(other, _)| other == name) {
                let value = match value.is_empty() {
                    true => String::new(),
                    false => format!(": {value}"),
                };
                self.0.push(format!("{name} is new{value}"));
            }
        }
    }
}
