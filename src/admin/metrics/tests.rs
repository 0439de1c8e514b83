//! The text held against the exposition format, strictly, and against what was counted.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use super::*;
use crate::{
    admin::{
        fixture,
        metrics::table::{ALL, Kind},
    },
    measure::{Finished, Head, Interval, Measurement, WaitMark, WorkerId},
    plan::{EndpointPlan, Plan, RoutePlan, Scheme},
    split::{Assignment, Cause},
    units::{Generation, Slot},
};

mod names;

type Labels = BTreeMap<String, String>;

/// One sample: name, labels, value.
#[derive(Debug)]
struct Sample {
    name: String,
    labels: Labels,
    value: f64,
}

/// A text that holds to the format: the samples of each metric.
#[derive(Debug, Default)]
struct Exposition {
    kinds: BTreeMap<String, String>,
    samples: Vec<Sample>,
}

impl Exposition {
    /// Reads a text, and fails where it breaks a rule of the format.
    fn read(text: &str) -> Self {
        let mut found = Self::default();
        let mut helped = BTreeSet::new();
        let mut current = None;
        let mut seen = BTreeSet::new();
        assert!(text.ends_with('\n'), "the last line ends");
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                let (name, help) = rest.split_once(' ').expect("help has a text");
                assert!(!help.trim().is_empty(), "{name} has no help");
                assert!(helped.insert(name.to_owned()), "HELP {name} twice");
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').expect("a type has a name and a kind");
                assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
                assert!(helped.contains(name), "TYPE {name} without HELP before it");
                let before = found.kinds.insert(name.to_owned(), kind.to_owned());
                assert_eq!(before, None, "TYPE {name} twice");
                current = Some(name.to_owned());
            } else {
                let sample = read_sample(line);
                let family = current.as_ref().expect("samples follow a TYPE");
                let kind = &found.kinds[family];
                let suffix = sample.name.strip_prefix(family.as_str());
                let suffix = suffix.unwrap_or_else(|| panic!("{line} among {family}"));
                match kind.as_str() {
                    "histogram" => {
                        assert!(["_bucket", "_sum", "_count"].contains(&suffix), "{line}")
                    }
                    _ => assert_eq!(suffix, "", "{line}"),
                }
                let series = (sample.name.clone(), sample.labels.clone());
                assert!(seen.insert(series), "duplicate series: {line}");
                found.samples.push(sample);
            }
        }
        found
    }

    fn of(&self, name: &str) -> impl Iterator<Item = &Sample> {
        self.samples.iter().filter(move |it| it.name == name)
    }

    fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let is_meant = |it: &&Sample| {
            let found = it
                .labels
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str()));
            found.eq(labels.iter().copied().collect::<BTreeMap<_, _>>())
        };
        self.of(name).find(is_meant).map(|it| it.value)
    }
}

/// `name{label="value",…} number`, with `\\`, `\"` and `\n` in values.
fn read_sample(line: &str) -> Sample {
    let end = line
        .find(['{', ' '])
        .unwrap_or_else(|| panic!("no sample: {line}"));
    let (name, mut rest) = line.split_at(end);
    assert!(is_name(name), "{line}");
    let mut labels = Labels::new();
    if let Some(inner) = rest.strip_prefix('{') {
        rest = inner;
        loop {
            let (label, value) = rest.split_once("=\"").unwrap_or_else(|| panic!("{line}"));
            assert!(
                is_name(label) && !label.contains(':') && !label.starts_with("__"),
                "{line}"
            );
            let (value, after) = read_value(value, line);
            assert_eq!(labels.insert(label.to_owned(), value), None, "{line}");
            match after.strip_prefix(',') {
                Some(more) => rest = more,
                None => {
                    rest = after.strip_prefix('}').unwrap_or_else(|| panic!("{line}"));
                    break;
                }
            }
        }
    }
    let number = rest.strip_prefix(' ').unwrap_or_else(|| panic!("{line}"));
    assert!(!number.contains(' '), "no time stamps: {line}");
    let value: f64 = number
        .parse()
        .unwrap_or_else(|_| panic!("no number: {line}"));
    assert!(value.is_finite(), "{line}");
    let name = name.to_owned();
    Sample {
        name,
        labels,
        value,
    }
}

/// Up to the closing quote; what follows it is returned too.
fn read_value<'a>(text: &'a str, line: &str) -> (String, &'a str) {
    let mut value = String::new();
    let mut symbols = text.chars();
    loop {
        match symbols.next() {
            Some('"') => return (value, symbols.as_str()),
            Some('\\') => value.push(match symbols.next() {
                Some('n') => '\n',
                Some(symbol @ ('\\' | '"')) => symbol,
                other => panic!("unknown escape {other:?}: {line}"),
            }),
            Some(symbol) => value.push(symbol),
            None => panic!("no closing quote: {line}"),
        }
    }
}

fn is_name(text: &str) -> bool {
    let mut symbols = text.chars();
    let starts = symbols
        .next()
        .is_some_and(|it| it.is_ascii_alphabetic() || it == '_' || it == ':');
    starts && symbols.all(|it| it.is_ascii_alphanumeric() || it == '_' || it == ':')
}

fn plan() -> Plan {
    let mut plan = fixture::plan(Vec::new());
    plan.routes = vec![RoutePlan {
        name: "odd \"name\"\\ of\na route".into(),
        host: None,
        path: "/odd".into(),
        methods: Vec::new(),
        pin: None,
        writes: None,
        copied: None,
    }];
    let twin = EndpointPlan {
        scheme: Scheme::Http,
        host: "new.shop.example".into(),
        port: 8080,
    };
    plan.upstreams.new.endpoints = vec![twin.clone(), twin];
    plan
}

fn assignment(side: Side, cause: Cause) -> Assignment {
    Assignment {
        side,
        cause,
        slot: Slot::from_hash(7),
        generation: Generation::ZERO,
    }
}

fn finished(assignment: Assignment, route: RouteId, class: Class) -> Measurement {
    Measurement::Finished(Finished {
        at: fixture::AT,
        assignment,
        route,
        endpoint: Some(0),
        class,
        status: Some(200),
        is_failover: class == Class::Connect,
        attempts: 2,
        duration: Duration::from_millis(40),
        bytes_up: 100,
        bytes_down: 5_000,
    })
}

fn totals() -> Totals {
    let new = assignment(Side::New, Cause::Weighted);
    let mut interval = Interval::empty(WorkerId(0), fixture::AT);
    interval.measurements = vec![
        Measurement::Head(Head {
            at: fixture::AT,
            assignment: new,
            route: RouteId(0),
            endpoint: Some(0),
            latency: Duration::from_millis(20),
            told: WaitMark::NONE,
        }),
        finished(new, RouteId(0), Class::Success),
        finished(new, RouteId(0), Class::Connect),
        finished(
            assignment(Side::Old, Cause::Writes),
            RouteId::REST,
            Class::ClientError,
        ),
        finished(
            assignment(Side::New, Cause::Forced),
            RouteId::REST,
            Class::ServerError,
        ),
    ];
    interval.in_flight.new = 3;
    interval.routes_in_flight = vec![(RouteId(0), PerSide { old: 0, new: 3 })];
    interval.endpoints_in_flight.new = vec![1, 2];
    interval.tunnels.new = 4;
    interval.connections = 9;
    interval.rejected[Rejection::Overload.index()] = 6;
    interval.lost = 8;
    let mut totals = Totals::default();
    totals.add(&interval);
    totals
}

fn exposition() -> Exposition {
    exposition_of(plan(), &fixture::status())
}

fn exposition_of(plan: Plan, status: &Status) -> Exposition {
    let edition = Edition::first(Arc::new(plan));
    let text = render(&edition, status, &totals()).expect("it renders");
    Exposition::read(&text)
}

#[test]
fn the_text_holds_to_the_exposition_format() {
    let found = exposition();
    assert!(found.samples.len() > 100, "{} samples", found.samples.len());
    // With nothing counted yet it holds to it as well.
    let text = render(
        &Edition::first(Arc::new(plan())),
        &fixture::status(),
        &Totals::default(),
    )
    .expect("it renders");
    Exposition::read(&text);
}

#[test]
fn histograms_are_cumulative_up_to_their_count() {
    let found = exposition();
    let histograms = found.kinds.iter().filter(|(_, kind)| *kind == "histogram");
    let mut checked = 0;
    for (name, _) in histograms {
        for total in found.of(&format!("{name}_count")) {
            let of_series = |it: &&Sample| {
                let mut labels = it.labels.clone();
                labels.remove("le");
                labels == total.labels
            };
            let bucket_name = format!("{name}_bucket");
            let buckets: Vec<_> = found.of(&bucket_name).filter(of_series).collect();
            let bound = |it: &&Sample| it.labels["le"].parse::<f64>().expect("a bound is a number");
            assert!(
                buckets.iter().map(bound).is_sorted_by(|a, b| a < b),
                "{name}: bounds rise"
            );
            assert!(
                buckets.is_sorted_by(|a, b| a.value <= b.value),
                "{name}: counts rise"
            );
            let last = buckets.last().expect("there are buckets");
            assert_eq!(last.labels["le"], "+Inf");
            assert!(
                (last.value - total.value).abs() < 0.5,
                "{name}: +Inf is the count"
            );
            assert!(found.value(&format!("{name}_sum"), &[]).is_none());
            checked += 1;
        }
    }
    assert!(checked >= 5, "{checked} series of histograms");
}

#[test]
fn names_carry_their_unit_and_stand_in_the_table() {
    const UNITS: [&str; 3] = ["_seconds", "_bytes", "_ratio"];
    let suffixed = |name: &str, of: &[&str]| of.iter().any(|it| name.ends_with(it));
    let mut names = BTreeSet::new();
    for metric in ALL {
        let name = metric.name;
        assert!(names.insert(name), "{name} twice");
        assert!(name.starts_with("changeover_"), "{name}");
        assert!(metric.help.ends_with('.'), "{name}: help is a sentence");
        assert!(
            !suffixed(name, &["_count", "_sum", "_bucket", "_milliseconds", "_ms"]),
            "{name}"
        );
        match metric.kind {
            Kind::Counter => assert!(name.ends_with("_total"), "{name}"),
            Kind::Histogram => assert!(suffixed(name, &UNITS), "{name}"),
            Kind::Gauge => assert!(!name.ends_with("_total"), "{name}"),
        }
        let bytes = metric.help.to_lowercase().contains("bytes");
        assert!(!bytes || name.contains("_bytes"), "{name}");
    }
    let found = names::exposition();
    for name in found.kinds.keys() {
        let is_ours = names.contains(name.as_str());
        assert!(
            is_ours || name.starts_with("process_"),
            "{name} is not in the table"
        );
    }
    for name in names {
        assert!(found.kinds.contains_key(name), "{name} is never shown");
    }
}

/// A name, its labels, and the value expected.
type Expected<'a> = (&'a str, &'a [(&'a str, &'a str)], f64);

fn check(found: &Exposition, expected: &[Expected<'_>]) {
    for (name, labels, expected) in expected {
        let value = found.value(name, labels);
        let value = value.unwrap_or_else(|| panic!("no {name} with {labels:?}"));
        assert!((value - expected).abs() < 1e-9, "{name}{labels:?}: {value}");
    }
}

const ODD: (&str, &str) = ("route", "odd \"name\"\\ of\na route");
const REST_ROUTE: (&str, &str) = ("route", "rest");
const OLD: (&str, &str) = ("side", "old");
const NEW: (&str, &str) = ("side", "new");

#[test]
fn the_position_is_shown() {
    let found = exposition();
    let slower = [("trigger", "slower than old"), ("reading", "latency_p99")];
    let unreachable = [("trigger", "unreachable"), ("reading", "connect_failures")];
    check(
        &found,
        &[
            ("changeover_build_info", &[("version", "0.1.0")], 1.0),
            ("changeover_weight_ratio", &[], 0.05),
            ("changeover_generation", &[], 7.0),
            ("changeover_ramp_state", &[("state", "baking")], 1.0),
            ("changeover_ramp_state", &[("state", "idle")], 0.0),
            ("changeover_ramp_step", &[], 2.0),
            ("changeover_rollbacks_total", &[], 1.0),
            ("changeover_store_writable", &[], 1.0),
            ("changeover_trigger_breach", &slower, 1.0),
            ("changeover_trigger_reading", &slower, 0.0384),
            ("changeover_trigger_limit", &slower, 0.0306),
            ("changeover_trigger_unknown", &unreachable, 1.0),
            ("changeover_evidence_log10", &[("test", "errors")], 1.25),
            (
                "changeover_evidence_threshold_log10",
                &[("test", "errors")],
                3.602,
            ),
        ],
    );
    assert_eq!(
        found.value("changeover_trigger_reading", &unreachable),
        None
    );
    let memory = found.value("process_resident_memory_bytes", &[]);
    assert!(memory.is_some_and(|it| it > 0.0));
}

#[test]
fn requests_are_shown_by_side_route_and_class() {
    check(
        &exposition(),
        &[
            (
                "changeover_requests_total",
                &[NEW, ODD, ("class", "2xx")],
                1.0,
            ),
            (
                "changeover_requests_total",
                &[NEW, ODD, ("class", "connect")],
                1.0,
            ),
            (
                "changeover_requests_total",
                &[OLD, REST_ROUTE, ("class", "4xx")],
                1.0,
            ),
            // A forced one shows among the assignments only.
            (
                "changeover_requests_total",
                &[NEW, REST_ROUTE, ("class", "5xx")],
                0.0,
            ),
            (
                "changeover_assignments_total",
                &[NEW, ("cause", "forced")],
                1.0,
            ),
            (
                "changeover_assignments_total",
                &[NEW, ("cause", "weighted")],
                2.0,
            ),
            ("changeover_errors_total", &[NEW, ODD], 1.0),
            ("changeover_failovers_total", &[NEW], 1.0),
            ("changeover_attempts_total", &[NEW], 4.0),
            (
                "changeover_response_body_bytes_total",
                &[NEW, ODD],
                10_000.0,
            ),
            (
                "changeover_request_duration_seconds_count",
                &[NEW, ODD],
                2.0,
            ),
            ("changeover_request_duration_seconds_sum", &[NEW, ODD], 0.08),
            (
                "changeover_response_head_seconds_bucket",
                &[NEW, ODD, ("le", "0.01")],
                0.0,
            ),
            (
                "changeover_response_head_seconds_bucket",
                &[NEW, ODD, ("le", "0.025")],
                1.0,
            ),
        ],
    );
}

#[test]
fn load_and_endpoints_are_shown() {
    let first = ("endpoint", "http://new.shop.example:8080");
    let twin = ("endpoint", "http://new.shop.example:8080#1");
    check(
        &exposition(),
        &[
            ("changeover_in_flight_requests", &[NEW, ODD], 3.0),
            ("changeover_tunnels", &[NEW], 4.0),
            ("changeover_connections", &[], 9.0),
            ("changeover_rejected_total", &[("reason", "overload")], 6.0),
            ("changeover_measurements_lost_total", &[], 8.0),
            ("changeover_endpoint_in_flight_requests", &[NEW, twin], 2.0),
            (
                "changeover_endpoint_requests_total",
                &[NEW, first, ("class", "2xx")],
                1.0,
            ),
            ("changeover_endpoint_usable", &[NEW, first], 1.0),
        ],
    );
}
