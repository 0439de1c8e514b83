//! The demo's four scenarios end as they must, by the plan's triggers and not by the demo itself.

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

fn is_rolled_back_by(text: &str, trigger: &str) {
    assert!(
        text.contains(&format!("rolled back, trigger:{trigger}")),
        "{text}"
    );
    assert!(text.contains("fault to weight 0"), "{text}");
}

#[test]
fn healthy_completes() {
    let text = demo("healthy");
    assert!(text.contains("complete: new holds all traffic"), "{text}");
    assert!(text.contains(" 0 errors seen"), "{text}");
    assert!(!text.contains("rolled back,"), "{text}");
}

#[test]
fn errors_are_rolled_back() {
    is_rolled_back_by(&demo("errors"), "errors");
}

#[test]
fn slowness_is_rolled_back() {
    is_rolled_back_by(&demo("slow"), "slow");
}

#[test]
fn death_is_rolled_back_and_no_client_notices() {
    let text = demo("dead");
    is_rolled_back_by(&text, "unreachable");
    assert!(text.contains(" 0 errors seen"), "{text}");
}
