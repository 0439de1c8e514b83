//! Right files, and the plan they give.

use std::{path::Path, time::Duration};

use http::Method;

use super::{LEAST, read, with};
use crate::{
    config::{Loaded, from_urls, load, parse, parse_recorded},
    plan::{
        AdvanceOn, EvidencePlan, LatencyTolerance, Limit, Reading, Scheme, Sticky, Symptom,
        Symptoms, Trigger, TripAction, Writes,
    },
    units::{Factor, Percentile, Share, Side, Timestamp, Weight},
};

#[test]
fn two_environments_are_enough() {
    let (old, new) = ("http://127.0.0.1:9001", "http://127.0.0.1:9002");
    let is_as_written = |loaded: &Loaded| {
        assert_eq!(read(&loaded.text).as_ref(), Ok(loaded));
    };
    let least = from_urls(old, new, None, None).expect("it is right");
    assert_eq!(read(LEAST).expect("it is right").plan, least.plan);
    is_as_written(&least);
    let loaded = from_urls(old, new, Some("0.0.0.0:80"), Some("[::1]:0")).expect("it is right");
    assert_eq!(loaded.plan.listeners[0].address.to_string(), "0.0.0.0:80");
    assert_eq!(loaded.plan.admin.address.to_string(), "[::1]:0");
    is_as_written(&loaded);
}

#[test]
fn the_quickstart_says_what_it_promises() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/config/quickstart.toml");
    let loaded = load(Path::new(path)).expect("it is right");
    let plan = loaded.plan;
    assert_eq!(plan.split.writes, Writes::Split);
    assert!(matches!(plan.split.sticky, Sticky::Cookie(_)));
    let limits: Vec<(Reading, Limit)> = plan
        .triggers
        .iter()
        .map(|it| (it.reading, it.limit))
        .collect();
    let two_percent = Share::from_parts_per_million(20_000).expect("a share");
    assert_eq!(
        limits,
        [
            (Reading::ErrorRate, Limit::Share(two_percent)),
            (
                Reading::Latency(Percentile::P99),
                Limit::Latency(Duration::from_millis(500))
            ),
            (Reading::ConnectFailures, Limit::InARow(5)),
        ]
    );
    let about: Vec<&str> = loaded.warnings.iter().map(|it| it.about.as_str()).collect();
    assert_eq!(
        about,
        ["[admin]"],
        "it warns of nothing but the missing operators"
    );
}

#[test]
fn evidence_is_read_exactly() {
    let text = "[evidence]\nfalse_alarms = 0\nerror_limit = \"1.5%\"\nby_route = [\"slow\", \"401\"]\ntolerate = { errors = 1.25, latency = \"1.5x + 20ms\" }\n\
                [ramp]\nadvance = \"bake\"\n";
    let plan = with(text).plan;
    let share = |parts| Share::from_parts_per_million(parts).expect("a share");
    assert_eq!(
        plan.evidence,
        EvidencePlan {
            false_alarms: share(0),
            tolerated_errors: Factor::from_thousandths(1_250),
            tolerated_latency: LatencyTolerance {
                times: Factor::from_thousandths(1_500),
                plus: Duration::from_millis(20),
            },
            error_limit: share(15_000),
            by_route: Symptoms::NONE
                .with(Symptom::Slow)
                .with(Symptom::Unauthorized),
        }
    );
    assert_eq!(plan.ramp.advance, AdvanceOn::Bake);
    let plan = read(LEAST).expect("it is right").plan;
    assert_eq!(plan.evidence, EvidencePlan::DEFAULT);
    assert_eq!(plan.ramp.advance, AdvanceOn::Evidence);
}

#[test]
fn a_holdback_is_a_step_before_the_last_one() {
    let weights = |text: &str| -> Vec<String> {
        let steps = with(text).plan.ramp.steps;
        steps.iter().map(|it| it.weight.to_string()).collect()
    };
    let own = "[ramp]\nstep = [{ weight = \"97%\" }, { weight = \"100%\", bake = \"3m\" }]\n";
    let held =
        |share: &str, rest: &str| weights(&format!("[evidence]\nholdback = {share:?}\n{rest}"));
    assert_eq!(weights(""), ["1%", "5%", "25%", "50%", "95%", "100%"]);
    assert_eq!(held("0%", ""), ["1%", "5%", "25%", "50%", "100%"]);
    assert_eq!(held("50%", ""), ["1%", "5%", "25%", "50%", "100%"]);
    assert_eq!(weights(own), ["97%", "100%"]);
    assert_eq!(held("5%", own), ["97%", "100%"]);
    assert_eq!(held("1%", own), ["97%", "99%", "100%"]);
    let text = format!("[evidence]\nholdback = \"1%\"\n{own}");
    assert_eq!(
        with(&text).plan.ramp.steps[1].bake,
        Duration::from_secs(180)
    );
}

#[test]
fn relative_paths_start_from_the_files_directory() {
    let store = |url: &str| {
        let text = format!("{LEAST}[store]\nurl = {url:?}\n");
        let loaded = parse(&text, Path::new("x.toml"), Path::new("/etc/changeover"));
        loaded.expect("it is right").plan.store
    };
    assert_eq!(store("sqlite:a.db"), Path::new("/etc/changeover/a.db"));
    assert_eq!(store("sqlite:/var/a.db"), Path::new("/var/a.db"));
    assert_eq!(store("sqlite:///var/a.db"), Path::new("/var/a.db"));
}

#[test]
fn endpoints_have_the_ports_of_their_schemes() {
    let text =
        "[old]\nendpoints = [\"http://a\", \"h2c://b\"]\n[new]\nendpoints = [\"https://c\"]\n";
    let plan = read(text).expect("it is right").plan;
    let shown = |side: Side| {
        let endpoints = plan.upstreams[side].endpoints.iter();
        endpoints.map(|it| (it.scheme, it.port)).collect::<Vec<_>>()
    };
    assert_eq!(shown(Side::Old), [(Scheme::Http, 80), (Scheme::H2c, 80)]);
    assert_eq!(shown(Side::New), [(Scheme::Https, 443)]);
}

#[test]
fn numbers_that_decide_are_read_exactly() {
    let plan = with(
        r#"[[ramp.step]]
weight = "0.01%"
bake = "1m30s"
[[ramp.step]]
weight = "100%"
[limits]
head_bytes = 0x4000
buffer_bytes = "1MB"
[[trigger]]
name = "slower"
reading = "latency_p999"
above_old = 1.001
window = "1h"
requests = 1_000
[[trigger]]
name = "gone"
reading = "connect_failures"
in_a_row = 2
"#,
    )
    .plan;
    assert_eq!(
        Some(plan.ramp.steps[0].weight),
        Weight::from_basis_points(1)
    );
    assert_eq!(plan.ramp.steps[0].bake, Duration::from_secs(90));
    assert_eq!(
        (plan.ramp.steps[0].requests, plan.ramp.steps[1].requests),
        (1, 1)
    );
    assert_eq!(
        (plan.limits.head_bytes, plan.limits.buffer_bytes),
        (16_384, 1_000_000)
    );
    assert_eq!(
        plan.triggers[0],
        Trigger {
            name: String::from("slower"),
            reading: Reading::Latency(Percentile::P999),
            limit: Limit::TimesOld(Factor::from_thousandths(1_001)),
            window: Duration::from_secs(3600),
            requests: 1_000,
            action: TripAction::Rollback,
        }
    );
}

#[test]
fn routes_keep_their_order_and_normal_form() {
    let plan = with(
        r#"[[route]]
name = "api"
host = "Shop.Example"
path = "/api/%2Fx"
methods = ["POST", "GET", "POST"]
pin = "old"
[[route]]
name = "all"
host = "[::1]"
writes = "new"
"#,
    )
    .plan;
    let [api, all] = plan.routes.as_slice() else {
        panic!("two routes, not {:?}", plan.routes);
    };
    assert_eq!(api.host.as_deref(), Some("shop.example"));
    assert_eq!(api.methods, [Method::GET, Method::POST]);
    assert_eq!((api.pin, api.writes), (Some(Side::Old), None));
    assert_eq!((all.path.as_str(), all.writes), ("/", Some(Writes::New)));
    assert_eq!(all.host.as_deref(), Some("[::1]"));
}

#[test]
fn windows_of_one_zone_are_one_window() {
    let text =
        "[ramp]\nwindow = [\"Sun 02:00-06:00 Europe/Berlin\", \"Wed 23:00-01:00 Europe/Berlin\"]\n";
    let window = with(text).plan.ramp.window.expect("it is there");
    assert_eq!(window.recurrences.len(), 2);
    let at = |text: &str| {
        let at: jiff::Timestamp = text.parse().expect("a time");
        Timestamp::from_micros(at.as_microsecond())
    };
    assert!(window.is_open(at("2026-11-22T01:00:00Z")));
    assert!(window.is_open(at("2026-11-25T23:30:00Z")));
    assert!(!window.is_open(at("2026-11-26T00:30:00Z")));
}

#[test]
fn operators_open_the_admin_api_to_other_addresses() {
    let digest = "0f".repeat(32);
    let text = format!(
        "[admin]\naddress = \"0.0.0.0:9700\"\n[[admin.operator]]\nname = \"ada\"\n\
         token_sha256 = \"{digest}\"\nrole = \"approver\"\n"
    );
    let admin = with(&text).plan.admin;
    assert_eq!(admin.operators[0].token_sha256, [0x0f; 32]);
}

#[test]
fn a_plan_that_is_printed_for_debugging_shows_no_secret() {
    let dir = tempfile::tempdir().unwrap();
    let secret = "marked-secret-of-more-than-32-bytes";
    std::fs::write(dir.path().join("force.secret"), secret).unwrap();
    let text = format!(
        "{LEAST}[split]\nforce = {{ secret_file = \"force.secret\" }}\n[[admin.operator]]\nname = \"ada\"\n\
         token_sha256 = \"{}\"\nrole = \"viewer\"\n",
        "0f".repeat(32)
    );
    let loaded = parse(&text, Path::new("x.toml"), dir.path()).unwrap();
    let shown = format!("{loaded:?} {loaded:#?}");
    assert!(shown.contains("ada"));
    // Bytes are shown as numbers: those of the secret, and those of the digest.
    for bytes in [secret, "109, 97, 114, 107", "15, 15, 15", "0f0f"] {
        assert!(!shown.contains(bytes), "{bytes}: {shown}");
    }
}

#[test]
fn what_is_recorded_reads_without_the_files_that_it_names() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("force.secret"), "s".repeat(40)).unwrap();
    let digests = ["ad".repeat(32), "EF".repeat(32)];
    let text = format!(
        "{LEAST}[split]\nforce = {{ secret_file = \"force.secret\" }}\n[[admin.operator]]\nname = \"ada\"\n\
         token_sha256 = \"{}\"\nrole = \"viewer\"\n[[admin.operator]]\nname = \"bob\"\ntoken_sha256 = \"{}\"\nrole = \"viewer\"\n",
        digests[0], digests[1]
    );
    let loaded = parse(&text, Path::new("x.toml"), dir.path()).unwrap();
    assert!(digests.iter().all(|it| !loaded.text.contains(it)));
    assert!(parse(&loaded.text, Path::new("x.toml"), Path::new("/nowhere")).is_err());
    let recorded = parse_recorded(&loaded.text).unwrap();
    assert_eq!(recorded.text, loaded.text);
    assert_eq!(recorded.plan.ramp, loaded.plan.ramp);
    assert_eq!(recorded.plan.admin.operators.len(), 2);
}

#[test]
fn inline_tables_read_as_headed_ones() {
    let headed = with("[[ramp.step]]\nweight = \"5%\"\n[[ramp.step]]\nweight = \"100%\"\n");
    let inline = with("[ramp]\nstep = [{ weight = \"5%\" }, { weight = \"100%\" }]\n");
    assert_eq!(headed.plan, inline.plan);
}
