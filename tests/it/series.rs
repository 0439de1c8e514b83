//! From a fault of new to weight 0 by evidence alone, again and again, and that a good new side keeps its traffic: 1,000
//! requests a second of 2,000 clients, weight 5 %, one error in a thousand on both sides, each drawn by itself.
//!
//! ```text
//! cargo test --test it series::                                            each fault a few times, within wide bounds
//! CHANGEOVER_SERIES=20 cargo test --test it series:: -- --nocapture --test-threads=1      20 of each, as a table
//! CHANGEOVER_HEALTHY=3600 cargo test --test it series::a_good -- --nocapture              a good side for an hour
//! ```
//!
//! `[evidence]` is as it is by default. The only trigger is so wide that it cannot trip.

mod bench;
mod table;

use std::{env, time::Duration};

use serde_json::Value;

use crate::harness::{now, pause, turn};
use bench::{Bench, Drawn, End};
use table::{HEAD, Row};

/// How often each fault comes where the series is asked for.
fn asked() -> Option<usize> {
    let asked = env::var("CHANGEOVER_SERIES").ok()?;
    Some(asked.parse().expect("CHANGEOVER_SERIES is a number"))
}

/// What is wrong with new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// One answer in twenty is 500.
    Errors,
    /// One path, which one request in fifty is for, always answers with 500.
    Checkout,
    Unauthorized,
    /// Its process is killed.
    Dead,
    /// No request that comes is answered within the test.
    Hangs,
    /// Every answer takes half as long again.
    Slower,
}

/// One fault, and how it is looked at.
#[derive(Clone, Copy, Debug)]
struct Case {
    what: &'static str,
    fault: Fault,
    /// Requests that old answers before the first step.
    learns: u64,
    /// Requests drawn for new before the fault: 50 a second.
    quiet: u64,
    /// Nobody waits longer.
    patience: Duration,
    /// How often the short version looks, and what it allows.
    usual: usize,
    most: Duration,
}

const CASES: [Case; 6] = [
    Case {
        what: "5 % of answers are 500",
        fault: Fault::Errors,
        learns: 1_500,
        quiet: 50,
        patience: Duration::from_secs(60),
        usual: 1,
        most: Duration::from_secs(45),
    },
    Case {
        what: "the same, 20 s after the rise",
        fault: Fault::Errors,
        learns: 1_500,
        quiet: 1_000,
        patience: Duration::from_secs(60),
        usual: 0,
        most: Duration::from_secs(60),
    },
    Case {
        what: "`/checkout` alone answers 500",
        fault: Fault::Checkout,
        learns: 1_500,
        quiet: 50,
        patience: Duration::from_secs(120),
        usual: 1,
        most: Duration::from_secs(120),
    },
    Case {
        what: "401 instead of 200",
        fault: Fault::Unauthorized,
        learns: 1_500,
        quiet: 50,
        patience: Duration::from_secs(60),
        usual: 1,
        most: Duration::from_secs(5),
    },
    Case {
        what: "new is dead",
        fault: Fault::Dead,
        learns: 1_500,
        quiet: 50,
        patience: Duration::from_secs(60),
        usual: 1,
        most: Duration::from_secs(10),
    },
    Case {
        what: "new hangs",
        fault: Fault::Hangs,
        learns: 3_000,
        quiet: 50,
        patience: Duration::from_secs(60),
        usual: 1,
        most: Duration::from_secs(10),
    },
];

/// What a slowdown is held against takes longer to learn: a histogram of requests little, the usual of each slot of clients a
/// minute.
const fn slower(drawn: Drawn) -> Case {
    Case {
        what: "answers take ×1.5",
        fault: Fault::Slower,
        learns: match drawn {
            Drawn::Requests => 10_000,
            Drawn::Clients => 60_000,
        },
        quiet: 250,
        patience: Duration::from_secs(180),
        usual: match drawn {
            Drawn::Requests => 1,
            // A minute of learning, and up to minutes until it is noticed.
            Drawn::Clients => 0,
        },
        most: Duration::from_secs(120),
    }
}

/// Looks at each case as often as is asked for, prints a table, and holds the short version to its bounds.
fn look(drawn: Drawn, cases: &[Case]) {
    let _turn = turn();
    let count = |case: &Case| asked().unwrap_or(case.usual);
    if cases.iter().all(|it| count(it) == 0) {
        return;
    }
    let mut bench = Bench::start(drawn);
    let (mut table, mut rows) = (HEAD.to_owned(), Vec::new());
    for case in cases.iter().filter(|it| count(it) > 0) {
        let mut runs = Vec::new();
        for number in 0..count(case) {
            let run = bench.run(case);
            println!("{}, {}: {number}: {run}", drawn.name(), case.what);
            runs.push(run);
        }
        let row = Row { case: *case, runs };
        // Here as well, should what follows not come to its end.
        let text = bench.look_at_failures(|failures| row.text(drawn, failures));
        print!("{text}");
        table.push_str(&text);
        rows.push(row);
    }
    println!("{table}");
    for row in &rows {
        for run in &row.runs {
            let (what, cause) = (row.case.what, run.cause.as_str());
            let is_within = matches!(run.end, End::After(span) if span <= row.case.most);
            // A long series tells what there was, and does not end in the middle of it.
            if asked().is_none() {
                assert!(row.case.fault.has_cause(cause), "{what}: {run}");
                assert!(is_within, "{what}: {run}");
            }
        }
    }
}

impl Fault {
    /// Whether a rollback for this is one by the right name.
    fn has_cause(self, cause: &str) -> bool {
        let causes: &[&str] = match self {
            Self::Errors | Self::Checkout | Self::Dead => {
                &["errors", "error_limit", "checkout:errors"]
            }
            Self::Unauthorized => &["401"],
            Self::Hangs | Self::Slower => &["slow", "latency"],
        };
        let by = cause.strip_prefix("evidence:");
        by.is_some_and(|it| causes.contains(&it))
    }
}

#[test]
fn faults_are_noticed_where_each_request_is_drawn() {
    look(Drawn::Requests, &CASES);
}

#[test]
fn faults_are_noticed_where_clients_are_sticky() {
    look(Drawn::Clients, &CASES);
}

#[test]
fn a_slower_new_side_is_noticed_where_each_request_is_drawn() {
    look(Drawn::Requests, &[slower(Drawn::Requests)]);
}

#[test]
fn a_slower_new_side_is_noticed_where_clients_are_sticky() {
    look(Drawn::Clients, &[slower(Drawn::Clients)]);
}

/// How long a good side is watched where nothing else is said.
const SHORT: Duration = Duration::from_secs(15);

#[test]
fn a_good_new_side_keeps_its_traffic_where_each_request_is_drawn() {
    watch(Drawn::Requests);
}

#[test]
fn a_good_new_side_keeps_its_traffic_where_clients_are_sticky() {
    watch(Drawn::Clients);
}

/// Watches a ramp that goes on by evidence, and asks that nothing takes it back.
fn watch(drawn: Drawn) {
    let _turn = turn();
    let seconds = env::var("CHANGEOVER_HEALTHY").ok();
    let span = seconds.as_ref().map_or(SHORT, |it| {
        Duration::from_secs(it.parse().expect("a number of seconds"))
    });
    // The first step, three more, and the holdback.
    let bench = Bench::start_for(drawn, span / 6);
    bench.learn(5_000);
    bench.put_5_percent_on_new();
    let begun = now();
    let mut closest = None;
    let mut weight = 0.0;
    while now() < begun + span {
        let status = bench.proxy.status();
        assert_eq!(status["rollbacks"], 0, "{status}");
        if status["weight"].as_f64() > Some(weight) {
            weight = status["weight"].as_f64().expect("a number");
            println!("{weight} % after {:?}: {}", now() - begun, status["sides"]);
        }
        closest = closest.max(nearest(&status));
        pause(Duration::from_millis(250));
    }
    let status = bench.proxy.status();
    assert_eq!(status["rollbacks"], 0, "{status}");
    let of = |side: &str, what: &str| status["sides"][side][what].clone();
    let (sent, failed) = bench.finish();
    println!(
        "{}: {span:?}, {sent} requests, {failed} of them failed; new had {} and failed {}, old {} and {}; weight {} %; \
         nearest to a trip: {closest:?}",
        drawn.name(),
        of("new", "requests"),
        of("new", "errors"),
        of("old", "requests"),
        of("old", "errors"),
        status["weight"],
    );
    // Shorter ones may not have had the requests for it.
    let is_long = span >= Duration::from_secs(1_800);
    assert!(!is_long || status["weight"] == 100.0, "{status}");
}

/// The test whose evidence is nearest to its threshold, after how far it was from it: thousandths of a power of ten.
fn nearest(status: &Value) -> Option<(i64, String)> {
    let tests = status["evidence"].as_array()?.iter();
    let margins = tests.filter_map(|it| {
        let evidence = it["evidence_log10"].as_f64()?;
        let margin = evidence - it["threshold_log10"].as_f64()?;
        #[expect(
            clippy::cast_possible_truncation,
            reason = "powers of ten are small numbers"
        )]
        let margin = (margin * 1_000.0) as i64;
        Some((margin, it["name"].as_str()?.to_owned()))
    });
    margins.max()
}
