//! The demo's scenarios end as they must: by the plan's triggers, and with names moved or not by the plan, never by the demo
//! itself.

use crate::harness::{proxy::changeover, turn};

fn demo(scenario: &str) -> String {
    let _turn = turn();
    let output = changeover(&[
        "demo",
        "--scenario",
        scenario,
        "--seconds",
        "8",
        "--port",
        "0",
    ]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{text}\n{errors}");
    assert!(text.contains("ended as it must"), "{text}");
    let widest = text.lines().map(|it| it.chars().count()).max();
    assert!(widest <= Some(80), "wider than a terminal: {text}");
    text
}

/// The numbers of the summary's line with this label.
fn numbers(text: &str, label: &str) -> Vec<u64> {
    let label = format!("  {label:<18}");
    let line = text.lines().find_map(|it| it.strip_prefix(&label));
    let line = line.unwrap_or_else(|| panic!("no line {label:?}: {text}"));
    let words = line.split([' ', ',']);
    words.filter_map(|it| it.parse().ok()).collect()
}

/// That all of this is told, in this order.
fn is_told(text: &str, lines: &[&str]) {
    let mut rest = text;
    for line in lines {
        let (_, after) = rest
            .split_once(line)
            .unwrap_or_else(|| panic!("no {line:?} where it belongs: {text}"));
        rest = after;
    }
}

fn is_rolled_back_by(text: &str, trigger: &str) {
    assert!(
        text.contains(&format!("rolled back, trigger:{trigger}")),
        "{text}"
    );
    assert!(text.contains("fault to weight 0"), "{text}");
}

/// Before the shift is complete no name moves, and nobody passes the proxy by.
fn names_stay(text: &str) {
    assert!(text.contains("names: TTL 3 s -> 1 s, by demo"), "{text}");
    assert!(!text.contains("names: move"), "{text}");
    assert!(text.contains("  names             stayed"), "{text}");
    assert_eq!(numbers(text, "past the proxy"), [0, 0], "{text}");
    let [lookups, unanswered] = numbers(text, "lookups")[..] else {
        panic!("{text}");
    };
    assert!(lookups >= 200, "each client looks: {text}");
    assert_eq!(unanswered, 0, "{text}");
}

#[test]
fn healthy_completes_and_names_move_past_the_proxy() {
    let text = demo("healthy");
    is_told(
        &text,
        &[
            "names: TTL 3 s -> 1 s, by demo",
            "names: every server gives it out",
            "names: the TTL before has run out everywhere",
            "names: move 127.0.0.1 -> 127.0.0.2, by the plan",
            "names: answers from before have run out",
            "ended             complete at weight 100 %",
        ],
    );
    is_told(
        &text,
        &[
            "complete: new holds all traffic",
            "names: move 127.0.0.1 -> 127.0.0.2, by the plan",
            "names: the first request comes to new past the proxy",
        ],
    );
    assert!(!text.contains("rolled back,"), "{text}");
    let [requests, errors, lost] = numbers(&text, "clients")[..] else {
        panic!("{text}");
    };
    assert_eq!((errors, lost), (0, 0), "{text}");
    let [direct, arrived] = numbers(&text, "past the proxy")[..] else {
        panic!("{text}");
    };
    assert_eq!(direct, arrived, "{text}");
    assert!(direct > 0 && direct < requests, "{text}");
    let [lookups, unanswered] = numbers(&text, "lookups")[..] else {
        panic!("{text}");
    };
    // Of 200 clients 190 ask again when their answer has run out, and nobody asks for each request.
    assert!(lookups > 3 * 190 && lookups < requests, "{text}");
    assert_eq!(unanswered, 0, "{text}");
    // One client in twenty never asks again, so that for each of their requests there are nineteen others.
    let [direct, proxied] = numbers(&text, "afterwards")[..] else {
        panic!("{text}");
    };
    assert!(proxied > 0 && direct > 10 * proxied, "{text}");
}

#[test]
fn a_drill_is_passed_and_the_ramp_completes_without_an_error() {
    let text = demo("drill");
    is_told(
        &text,
        &[
            "drill: errors into 100% of the requests for new",
            "rolled back, trigger:errors",
            "drill passed: trigger:errors tripped",
            "step 2 begins",
            "complete: new holds all traffic",
            "  drill             passed: weight 0 after",
        ],
    );
    let [_requests, errors, lost] = numbers(&text, "clients")[..] else {
        panic!("{text}");
    };
    assert_eq!((errors, lost), (0, 0), "{text}");
}

#[test]
fn errors_are_rolled_back() {
    let text = demo("errors");
    is_rolled_back_by(&text, "errors");
    names_stay(&text);
}

#[test]
fn slowness_is_rolled_back() {
    let text = demo("slow");
    is_rolled_back_by(&text, "slow");
    names_stay(&text);
}

#[test]
fn death_is_rolled_back_and_no_client_notices() {
    let text = demo("dead");
    is_rolled_back_by(&text, "unreachable");
    assert!(text.contains(" 0 errors seen"), "{text}");
    names_stay(&text);
}

#[test]
fn a_rollback_after_the_move_leads_names_back() {
    let text = demo("after-move");
    is_rolled_back_by(&text, "errors");
    is_told(
        &text,
        &[
            "names: move 127.0.0.1 -> 127.0.0.2, by the plan",
            "! new starts to answer 500",
            "names: revert 127.0.0.2 -> 127.0.0.1, by the plan",
            "names: every server says so",
            "names: answers from before have run out; everybody is on old",
            "  names             moved, and back everywhere",
        ],
    );
    let [direct, arrived] = numbers(&text, "past the proxy")[..] else {
        panic!("{text}");
    };
    assert!(direct > 0, "{text}");
    assert_eq!(direct, arrived, "{text}");
}
