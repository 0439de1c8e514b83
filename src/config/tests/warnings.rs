//! What is warned of.

use std::path::Path;

use super::with;
use crate::config::{from_urls, parse};

/// Nothing to warn of.
const QUIET: &str = r#"[split]
writes = "split"
[[admin.operator]]
name = "ada"
token_sha256 = "00000000000000000000000000000000000000000000000000000000000000ff"
role = "approver"
"#;

fn quiet_with(sections: &str) -> Vec<String> {
    with(&format!("{QUIET}{sections}"))
        .warnings
        .iter()
        .map(ToString::to_string)
        .collect()
}

fn check(sections: &str, expected: &[&str]) {
    let warnings = quiet_with(sections);
    assert_eq!(warnings.len(), expected.len(), "{sections}\n{warnings:#?}");
    for (warning, expected) in warnings.iter().zip(expected) {
        assert!(warning.contains(expected), "{warning}\nlacks {expected:?}");
    }
}

#[test]
fn nothing_is_said_where_nothing_is_to_be_said() {
    check("", &[]);
}

#[test]
fn defaults_that_have_consequences_are_named() {
    let warnings = with("").warnings;
    let about: Vec<&str> = warnings.iter().map(|it| it.about.as_str()).collect();
    assert_eq!(about, ["[admin]", "[split] writes"]);
    assert!(
        warnings[1].text.contains("cannot complete"),
        "{}",
        warnings[1]
    );
}

#[test]
fn a_proxy_in_front_of_itself_is_named() {
    let check = |old: &str, listener: &str, loops: bool| {
        let text = format!(
            "{QUIET}[old]\nendpoints = [\"http://{old}\"]\n[new]\nendpoints = [\"http://10.0.0.9\"]\n\
             [[listener]]\naddress = \"{listener}\"\n"
        );
        let loaded = parse(&text, Path::new("test.toml"), Path::new("/")).unwrap();
        let warned = loaded
            .warnings
            .iter()
            .any(|it| it.text.contains("in circles"));
        assert_eq!(warned, loops, "{old} behind {listener}");
    };
    check("127.0.0.1:8080", "127.0.0.1:8080", true);
    check("localhost:8080", "0.0.0.0:8080", true);
    check("10.0.0.7:8080", "0.0.0.0:8080", false);
    check("127.0.0.1:8081", "127.0.0.1:8080", false);
}

#[test]
fn what_stays_on_old_is_named() {
    check(
        "[[route]]\nname = \"a\"\npin = \"old\"\n",
        &["everything that it matches stays on old"],
    );
    check(
        "[[route]]\nname = \"a\"\nwrites = \"old\"\n",
        &["its unsafe methods"],
    );
    check("[[route]]\nname = \"a\"\npin = \"new\"\n", &[]);
}

#[test]
fn writes_that_go_to_new_at_once_are_named() {
    let loaded = with("[split]\nwrites = \"new\"\n");
    assert!(
        loaded.warnings[1].text.contains("1% of everything else"),
        "{:?}",
        loaded.warnings
    );
}

#[test]
fn relative_triggers_are_blind_at_the_end() {
    let relative = "[[trigger]]\nname = \"slower\"\nreading = \"latency_p99\"\nabove_old = 1.5\n";
    let errors = "[[trigger]]\nname = \"errors\"\nreading = \"error_rate\"\nabove = \"2%\"\n";
    let slow = "[[trigger]]\nname = \"slow\"\nreading = \"latency_p50\"\nabove = \"1s\"\n";
    check(
        &format!("{relative}{errors}"),
        &["nothing else watches latency_p99 there"],
    );
    check(
        &format!("{relative}{slow}"),
        &["\"slow\" watches alone there"],
    );
}

#[test]
fn samples_that_hardly_any_traffic_fills_are_named() {
    let text =
        "[[trigger]]\nname = \"a\"\nreading = \"error_rate\"\nabove = \"2%\"\nrequests = 500\n";
    check(
        text,
        &["500 requests in 10s at 1% need 5000 requests/s in all"],
    );
}

#[test]
fn limits_beyond_the_time_out_are_named() {
    let text = "[[trigger]]\nname = \"a\"\nreading = \"latency_p99\"\nabove = \"1m\"\n";
    check(text, &["never exceeded"]);
}

#[test]
fn bakes_shorter_than_a_window_are_named() {
    let text = "[ramp]\nstep = [{ weight = \"5%\", bake = \"9s\" }, { weight = \"100%\" }]\n";
    check(text, &["[[ramp.step]] 5%: bakes for 9s, less than the 10s"]);
}

#[test]
fn health_without_a_check_is_named() {
    check(
        "[[gate]]\nabove_weight = \"5%\"\nhealthy = \"both\"\n",
        &["[old.health]", "[new.health]"],
    );
    let text = "[[trigger]]\nname = \"a\"\nreading = \"unhealthy\"\nabove = \"50%\"\n";
    check(text, &["there is no [new.health]"]);
    check(&format!("{text}[new.health]\npath = \"/\"\n"), &[]);
}

#[test]
fn a_way_back_that_closes_early_is_named() {
    check(
        "[rollback]\nwindow = \"23h\"\n",
        &["closes 23h after completion"],
    );
}

#[test]
fn certificates_that_nobody_verifies_are_named() {
    let loaded = from_urls("https://a", "https://a", None, None).expect("it is right");
    assert!(
        loaded.warnings[0]
            .text
            .contains("an endpoint of old as well")
    );
    let text = "[old]\nendpoints = [\"https://a\"]\n[old.tls]\nverify = false\n[new]\nendpoints = [\"http://b\"]\n";
    let loaded = super::read(text).expect("it is right");
    assert_eq!(loaded.warnings[0].about, "[old.tls]");
}
