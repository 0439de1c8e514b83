//! A program of the user's, here one of a few lines for `sh`.

use std::{fs, time::Duration};

use changeover::{
    dns::provider::{Applied, Compares, Provider, ProviderError, Validation},
    plan::dns::{ExecPlan, ProviderPlan},
};
use rustix::process::{Pid, test_kill_process};
use tempfile::TempDir;

use crate::{
    dns::{apply, the_move, validate},
    harness::{eventually, now},
};

#[test]
fn a_program_is_asked_in_json_and_answers_in_json() {
    let directory = TempDir::new().expect("a directory");
    let asked = directory.path().join("asked");
    let program = |answer: &str| {
        let script = format!("cat > {}; echo '{answer}'", asked.display());
        shell(&script, Duration::from_secs(10))
    };
    let done = program(r#"{"status":"done"}"#);
    assert!(!done.guarantee().is_atomic, "nobody knows");
    assert_eq!(done.guarantee().compares, Compares::NotKnown);
    assert_eq!(apply(&done, &the_move()), Ok(Applied::Done));
    let question = fs::read_to_string(&asked).expect("it was asked");
    let question: serde_json::Value = serde_json::from_str(&question).expect("JSON");
    assert_eq!(question["action"], "apply");
    assert_eq!(question["zone"], "example.test.");
    assert_eq!(question["before"][0]["values"][1], "192.0.2.2");
    assert_eq!(question["after"][1]["values"][0], "1 . alpn=h2,h3");
    let held = program(r#"{"status":"held"}"#);
    assert_eq!(validate(&held, &the_move()), Ok(Validation::Held));
    let question = fs::read_to_string(&asked).expect("it was asked");
    assert!(question.contains(r#""action":"validate""#), "{question}");
    // An answer to the other question is none.
    unknown(apply(&held, &the_move()), "as if asked to validate");
    unknown(validate(&done, &the_move()), "asked to validate");
    let refused = program(r#"{"status":"refused","why":"locked"}"#);
    let why = "locked".to_owned();
    assert_eq!(
        apply(&refused, &the_move()),
        Err(ProviderError::Refused { why })
    );
}

#[test]
fn a_program_that_does_not_read_its_question_may_answer_all_the_same() {
    let limit = Duration::from_secs(10);
    let hasty = shell(r#"exec <&-; echo '{"status":"done"}'"#, limit);
    assert_eq!(apply(&hasty, &the_move()), Ok(Applied::Done));
}

#[test]
fn any_other_end_leaves_the_outcome_unknown_and_says_why() {
    let limit = Duration::from_secs(20);
    let outcome = |script: &str| apply(&shell(script, limit), &the_move());
    let failed = r#"echo '{"status":"done"}'; printf 'no \033[31mroute\n' >&2; exit 3"#;
    unknown(outcome(failed), "exit code 3 and said: no  [31mroute");
    unknown(outcome("kill -9 $$"), "ended by a signal");
    unknown(outcome("echo done"), "not as the contract has it");
    unknown(outcome("exit 0"), "not as the contract has it");
    unknown(outcome("exec yes"), "more than 1048576 bytes");
    unknown(outcome("exec yes >&2"), "more than 65536 bytes");
}

#[test]
fn a_program_that_cannot_be_run_has_done_nothing() {
    let provider = Provider::new(&ProviderPlan::Exec(ExecPlan {
        program: "/nowhere/at-all".to_owned(),
        arguments: Vec::new(),
        timeout: Duration::from_secs(10),
    }));
    let outcome = apply(&provider, &the_move());
    let Err(ProviderError::Refused { why }) = &outcome else {
        panic!("{outcome:?}");
    };
    assert!(why.contains("/nowhere/at-all") && why.contains("nothing was changed"));
}

#[test]
fn a_program_that_takes_too_long_is_killed_with_its_children() {
    let directory = TempDir::new().expect("a directory");
    let file = directory.path().join("pids");
    let script = format!("sleep 600 & echo $! $$ > {}; wait", file.display());
    let started = now();
    unknown(
        apply(&shell(&script, Duration::from_secs(1)), &the_move()),
        "did not end within 1s",
    );
    assert!(now() - started < Duration::from_secs(60));
    let pids = fs::read_to_string(&file).expect("it was started");
    for pid in pids.split_whitespace() {
        let pid = Pid::from_raw(pid.parse().expect("a number")).expect("a process");
        eventually("it is gone", Duration::from_secs(10), || {
            // What nobody has reaped yet is gone as well.
            let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero()));
            let is_dead = stat.map_or(true, |it| it.contains(") Z "));
            (test_kill_process(pid).is_err() || is_dead).then_some(())
        });
    }
}

fn unknown<T: std::fmt::Debug>(outcome: Result<T, ProviderError>, expected: &str) {
    match outcome {
        Err(ProviderError::Unknown { why }) => assert!(why.contains(expected), "{why}"),
        other => panic!("{other:?}"),
    }
}

fn shell(script: &str, timeout: Duration) -> Provider {
    Provider::new(&ProviderPlan::Exec(ExecPlan {
        program: "sh".to_owned(),
        arguments: vec!["-c".to_owned(), script.to_owned()],
        timeout,
    }))
}
