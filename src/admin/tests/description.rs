//! Whether what is served is what the description says.

use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

use super::World;
use crate::{
    admin::{ChangeDocument, DnsAnswer, DnsWay, fixture},
    control::{
        ArrivalsStatus, DnsOrderStatus, DnsStatus, DrillStatus, EstimateStatus, LoweredStatus,
        MinuteStatus, QuietStatus, ResolverStatus, ServerStatus, VisitorStatus,
    },
    cutover::{Change, DnsPurpose, DrillOutcome, GateTerms, Leads, RollbackCause},
    plan::dns::{self, RecordSet, Ttl},
    shadow::{
        Counts, DifferenceReport, Dropped, GateReport, LatencyReport, Report, RouteReport, Sample,
        Verdict,
    },
    units::{Direction, Side, Timestamp, Weight},
};

#[tokio::test]
async fn documents_are_as_described() {
    let world = World::local();
    *world.journal.entries.lock().unwrap() = fixture::entries();
    let description = world.ask("GET /openapi.json", &[], None).await.json();
    let check = async |line: &str, body: Option<&str>, name: &str| {
        let document = world.ask(line, &[], body).await.json();
        let schema = &description["components"]["schemas"][name];
        let checked = conforms(&description, schema, &document, name);
        assert_eq!(checked, Ok(()), "{line}: {document}");
    };
    check("GET /api/v1/status", None, "Status").await;
    check("GET /api/v1/events", None, "EventPage").await;
    check("GET /api/v1/events?after=4", None, "EventPage").await;
    check("GET /api/v1/explain?seq=3", None, "Event").await;
    check("GET /api/v1/explain?seq=6", None, "Event").await;
    check("GET /api/v1/explain?seq=7", None, "Problem").await;
    check("POST /api/v1/ramp/hold", None, "Done").await;
    check("GET /nowhere", None, "Problem").await;
}

#[tokio::test]
async fn the_description_knows_the_plan_and_the_version() {
    let world = World::local();
    let description = world.ask("GET /openapi.json", &[], None).await.json();
    let step = &description["components"]["schemas"]["Resume"]["properties"]["step"];
    assert_eq!(step["maximum"], 3);
    assert_eq!(description["info"]["version"], env!("CARGO_PKG_VERSION"));
}

#[tokio::test]
async fn what_is_said_of_drills_is_as_described() {
    let check = checker().await;
    let started = ChangeDocument::DrillStarted {
        fault: "errors".into(),
        share: 0.5,
        step: 1,
    };
    check(json(&started), "Change");
    let passed = DrillOutcome::Passed {
        cause: RollbackCause::Trigger("errors".into()),
        reaction_ms: 812.4,
        touched: 17,
    };
    let broken_off = DrillOutcome::BrokenOff { by: "held".into() };
    for outcome in [passed, DrillOutcome::NotNoticed { touched: 3 }, broken_off] {
        check(json(&ChangeDocument::DrillEnded { outcome }), "Change");
    }
    let at = Timestamp::from_micros(0);
    let status = DrillStatus {
        at,
        actor: "ada".into(),
        fault: "errors".into(),
        share: 0.5,
        state: "passed".into(),
        ended_at: Some(at),
        cause: Some("trigger:errors".into()),
        reaction_ms: Some(812.4),
        touched: Some(17),
        why: None,
        passed_at: Some(at),
    };
    check(json(&status), "DrillStatus");
}

#[tokio::test]
async fn what_is_said_of_copies_is_as_described() {
    let check = checker().await;
    let place = DifferenceReport {
        route: "catalog".into(),
        place: "json /price".into(),
        verdict: Verdict::Difference,
        old: 0,
        of_old: 415,
        new: 212,
        of_new: 430,
        ln_evidence: 40.5,
        ln_threshold: 9.2,
        samples: vec![Sample {
            request: "GET /catalog".into(),
            to: Side::New,
            old: "9".into(),
            copy: "99".into(),
        }],
    };
    let at = Timestamp::from_micros(0);
    let report = Report {
        since: at,
        at,
        share: 0.01,
        noise: 0.5,
        compared: Counts::default(),
        differing: Counts::default(),
        unexplained: 205,
        dropped: Dropped::default(),
        unread: [("in an encoding that is not read here".into(), 2)].into(),
        gate: Some(GateReport {
            max_difference: 0.005,
            is_given: false,
            copies_left: 1_200,
        }),
        routes: vec![RouteReport {
            name: "catalog".into(),
            compared: Counts::default(),
            differing: Counts::default(),
            p50_ms: LatencyReport::default(),
            p95_ms: LatencyReport {
                old: Some(4.5),
                new: None,
            },
        }],
        differences: vec![place],
        others: 0,
    };
    check(json(&report), "ShadowReport");
    let without = Report {
        gate: None,
        ..report
    };
    check(json(&without), "ShadowReport");
}

#[tokio::test]
async fn what_is_said_of_names_is_as_described() {
    let check = checker().await;
    let purpose = DnsPurpose::LowerTtl;
    let ordered = ChangeDocument::DnsOrdered {
        purpose,
        zone: "example.test.".into(),
        before: change().before().to_vec(),
        after: change().after().to_vec(),
    };
    let served = ChangeDocument::DnsServed { purpose };
    let stopped = ChangeDocument::DnsStopped { purpose };
    for event in [&ordered, &served, &stopped, &ChangeDocument::DnsQuiet] {
        check(json(event), "Change");
    }
    check(json(&answer(purpose)), "DnsAnswer");
    check(json(&names(purpose)), "Dns");
    let unknown = DnsStatus {
        order: None,
        ttl: None,
        due: Some(DnsPurpose::Move),
        unknown: Some("no server of the zone is known".into()),
        servers: Vec::new(),
        ..names(purpose)
    };
    check(json(&unknown), "Dns");
    let moved = DnsStatus {
        resolvers: vec![ResolverStatus {
            address: "192.0.2.9:53".parse().unwrap(),
            says: change().before().to_vec(),
            fault: None,
        }],
        arrivals: arrivals(),
        quiet: Some(quiet()),
        ..names(purpose)
    };
    check(json(&moved), "Dns");
}

#[tokio::test]
async fn what_is_said_of_gates_is_as_described() {
    let check = checker().await;
    let gate = GateTerms {
        above_weight: Weight::from_basis_points(500).unwrap(),
        replication: "shop".into(),
        direction: Direction::Forward,
        lag_below: Duration::from_millis(1_500),
        held_for: Duration::from_secs(86_400),
    };
    let changes = [
        Change::GateSatisfied { gate: gate.clone() },
        Change::GateBroken { gate },
    ];
    for change in changes {
        let document = json(&ChangeDocument::from(&change));
        assert_eq!(document["kind"], change.kind());
        assert_eq!(document["above_weight"], 5.0);
        assert_eq!(document["lag_below_s"], 1.5);
        assert_eq!(document["needed_s"], 86_400.0);
        check(document, "Change");
    }
}

/// Holds a document against the description of that name.
async fn checker() -> impl Fn(Value, &str) {
    let world = World::local();
    let description = world.ask("GET /openapi.json", &[], None).await.json();
    move |document, name| {
        let schema = &description["components"]["schemas"][name];
        let checked = conforms(&description, schema, &document, name);
        assert_eq!(checked, Ok(()), "{document}");
    }
}

/// Whether `value` has every required field, no undescribed one, and the described types all the way down.
fn conforms(root: &Value, schema: &Value, value: &Value, at: &str) -> Result<(), String> {
    if let Some(name) = schema["$ref"].as_str() {
        let name = name.rsplit('/').next().unwrap();
        let target = &root["components"]["schemas"][name];
        assert!(target.is_object(), "{name} is not described");
        return conforms(root, target, value, at);
    }
    if let Some(choices) = schema["oneOf"].as_array() {
        let fits = |it: &&Value| conforms(root, it, value, at).is_ok();
        let count = choices.iter().filter(fits).count();
        return match count {
            1 => Ok(()),
            _ => Err(format!("{at}: {count} choices fit {value}")),
        };
    }
    if !schema["const"].is_null() && schema["const"] != *value {
        return Err(format!("{at}: {value} is not {}", schema["const"]));
    }
    let allowed = schema["enum"].as_array();
    if allowed.is_some_and(|words| !words.contains(value)) {
        return Err(format!("{at}: {value} is none of {}", schema["enum"]));
    }
    let is = |kind: &str| match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "number" => value.is_number(),
        "integer" => value.is_u64(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        other => panic!("{at}: unknown type {other}"),
    };
    let fits = match &schema["type"] {
        Value::String(kind) => is(kind),
        Value::Array(kinds) => kinds.iter().any(|kind| is(kind.as_str().unwrap())),
        other => panic!("{at}: no type but {other}"),
    };
    if !fits {
        return Err(format!("{at}: {value} is no {}", schema["type"]));
    }
    for item in value.as_array().into_iter().flatten() {
        conforms(root, &schema["items"], item, at)?;
    }
    let Some(fields) = value.as_object() else {
        return Ok(());
    };
    for required in schema["required"].as_array().into_iter().flatten() {
        if !fields.contains_key(required.as_str().unwrap()) {
            return Err(format!("{at}: {required} is missing"));
        }
    }
    for (name, field) in fields {
        let described = match &schema["properties"][name] {
            Value::Null => &schema["additionalProperties"],
            described => described,
        };
        if described.is_null() {
            return Err(format!("{at}: {name} is not described"));
        }
        conforms(root, described, field, &format!("{at}.{name}"))?;
    }
    Ok(())
}

fn json(document: &impl Serialize) -> Value {
    serde_json::to_value(document).unwrap()
}

/// A TTL that is lowered from a day to a minute.
fn change() -> dns::Change {
    let set = serde_json::json!({
        "name": "shop.example.test.", "type": "A", "ttl": 86_400, "values": ["192.0.2.1"]
    });
    let set: RecordSet = serde_json::from_value(set).unwrap();
    let lowered = set.with_ttl(Ttl(60));
    dns::Change::new("example.test.".parse().unwrap(), vec![set], vec![lowered]).unwrap()
}

fn answer(purpose: DnsPurpose) -> DnsAnswer {
    DnsAnswer {
        purpose,
        ordered: true,
        recorded: true,
        change: change(),
        then: vec![Ttl(60)],
        tried: vec!["the provider would make this change now".into()],
        ways: vec![DnsWay {
            ttls: vec![Ttl(60)],
            takes_s: 86_400,
            earliest: Timestamp::from_micros(0),
        }],
    }
}

fn names(purpose: DnsPurpose) -> DnsStatus {
    let at = Timestamp::from_micros(0);
    DnsStatus {
        leads: Leads::From,
        order: Some(DnsOrderStatus {
            purpose,
            change: change(),
            then: vec![Ttl(60)],
            at,
            actor: "ada".into(),
            state: "served".into(),
            why: None,
            served_at: Some(at),
            stale_until: None,
        }),
        progress: None,
        names: None,
        is_recorded: true,
        due: None,
        ttl: Some(LoweredStatus {
            ttl: Ttl(60),
            needed_s: 86_400.0,
            observed_s: 3.5,
            unobserved_s: 0.0,
            gaps: 0,
            since: Some(at),
            satisfied: false,
            earliest: Some(at),
            broken_at: None,
            broken_by: None,
        }),
        waits: vec!["the TTL before: 23 h 59 min to go".into()],
        servers: vec![ServerStatus {
            name: "ns1.example.test.".into(),
            address: "192.0.2.53:53".parse().unwrap(),
            says: change().before().to_vec(),
            fault: None,
        }],
        unknown: None,
        resolvers: Vec::new(),
        arrivals: ArrivalsStatus::default(),
        quiet: None,
    }
}

fn arrivals() -> ArrivalsStatus {
    ArrivalsStatus {
        listeners: vec!["192.0.2.1:443".parse().unwrap()],
        minutes: vec![MinuteStatus {
            at: Timestamp::from_micros(0),
            whole: true,
            requests: vec![7],
            clients: vec![2],
            more_clients: false,
        }],
        busiest: vec![VisitorStatus {
            address: "203.0.113.7".parse().unwrap(),
            requests: 6,
        }],
    }
}

fn quiet() -> QuietStatus {
    let at = Timestamp::from_micros(0);
    QuietStatus {
        moved_at: at,
        per_minute: 7.0,
        under: 5,
        needed_s: 21_600.0,
        observed_s: 0.0,
        unobserved_s: 0.0,
        since: None,
        satisfied: false,
        reached_at: None,
        broken_at: Some(at),
        broken_by: Some("7 requests within 1 min".into()),
        estimate: Some(EstimateStatus {
            half_life_min: 12.5,
            below_at: at,
            earliest: at,
            latest: at,
            quiet_at: at,
        }),
        no_estimate: None,
    }
}
