//! Two sides, a proxy and clients, on which one fault comes after the other.

use std::{
    fmt::{self, Display},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::{Case, Fault};
use crate::harness::{
    environment::Environment,
    eventually,
    load::{Answer, Choice, Kept, Load, Running},
    now, pause,
    proxy::{Proxy, configuration},
};

/// What both sides typically take for an answer; clients and requests scatter around it.
const TYPICAL: Duration = Duration::from_millis(50);

/// Of a thousand requests those that fail anyway.
const SLIPS: u16 = 1;

/// A request that was sent so long before a fault is none of its: it may hang since the one before.
const UNDER_WAY: Duration = Duration::from_secs(1);

const CLIENTS: u64 = 2_000;

/// A step that outlasts every test.
const LONG: Duration = Duration::from_secs(24 * 3600);

/// Requests that may be under way: more than hang at once, and fewer than there are descriptors for. Where others take the machine
/// for seconds, the next ones leave late.
const AT_ONCE: usize = 2_000;

/// One request in fifty.
const PATHS: [&str; 50] = {
    let mut paths = ["/"; 50];
    paths[17] = "/checkout";
    paths
};

/// What is drawn to a side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Drawn {
    Requests,
    Clients,
}

impl Drawn {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Requests => "each request",
            Self::Clients => "2,000 clients",
        }
    }

    /// What the formulas give for this, shown the same traffic by `tests/evidence/series.rs`: median and p95 of 200 runs. A side
    /// that is gone, or answers 401, is expected as one that fails altogether.
    pub(super) const fn expected(self, case: &Case) -> &'static str {
        let both = match (case.fault, case.quiet) {
            (Fault::Errors, 0..1_000) => ["2.3 / 4.9 s", "5.1 / 13.7 s"],
            (Fault::Errors, 1_000..) => ["3.7 / 6.7 s", "8.5 / 21.1 s"],
            (Fault::Checkout, _) => ["5.7 / 11.3 s", "9.8 / 25.2 s"],
            (Fault::Unauthorized | Fault::Dead, _) => ["0.1 / 0.2 s", "0.2 / 0.4 s"],
            (Fault::Hangs, _) => ["1.2 / 1.4 s", "1.9 / 2.4 s"],
            (Fault::Slower, _) => ["11.2 / 18.7 s", "34 / 62 s"],
        };
        match self {
            Self::Requests => both[0],
            Self::Clients => both[1],
        }
    }

    const fn sticky(self) -> &'static str {
        match self {
            Self::Requests => "none",
            Self::Clients => "header:x-client",
        }
    }
}

/// When everything was on old.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum End {
    /// Before there was a fault.
    Early,
    /// From the fault until who asks is told weight 0.
    After(Duration),
    /// Not while the test was patient.
    Never,
}

/// What became of one fault.
pub(super) struct Run {
    pub(super) end: End,
    /// What the proxy itself says that it took, from the first sign of it.
    pub(super) reaction: Option<Duration>,
    /// By what everything went back; `operator` where the test had to do it.
    pub(super) cause: String,
    /// Requests drawn for new meanwhile.
    pub(super) touched: u64,
    pub(super) from: Instant,
    pub(super) until: Instant,
}

pub(super) struct Bench {
    pub(super) proxy: Proxy,
    old: Environment,
    new: Environment,
    load: Running,
}

impl Bench {
    /// The first step outlasts the test.
    pub(super) fn start(drawn: Drawn) -> Self {
        Self::start_for(drawn, LONG)
    }

    /// Each step lasts for this long at least, and goes on by evidence.
    pub(super) fn start_for(drawn: Drawn, bake: Duration) -> Self {
        let (old, new) = (Environment::start("old"), Environment::start("new"));
        let plan = plan(drawn, bake);
        let proxy = Proxy::start(&configuration(&old.url(), &new.url(), &plan));
        let load = Load {
            clients: CLIENTS,
            choice: Choice::AtRandom,
            paths: &PATHS,
            kept: Kept::Failures,
            connections: 128,
            at_once: AT_ONCE,
            ..Load::new("series")
        };
        let bench = Self {
            load: load.start(proxy.address()),
            proxy,
            old,
            new,
        };
        bench.begin(&bench.old);
        bench.begin(&bench.new);
        bench
            .proxy
            .status_when("old is warm", Duration::from_secs(20), |it| {
                it["sides"]["old"]["request_rate"].as_f64() > Some(500.0)
            });
        bench
    }

    /// As it is without a fault.
    fn begin(&self, side: &Environment) {
        side.behave(200, TYPICAL);
        side.slip(SLIPS);
        side.scatter();
    }

    /// Lets old answer so many requests before the first step: what is usual is learnt anew after each rollback.
    pub(super) fn learn(&self, requests: u64) {
        let on_old = || self.proxy.status()["sides"]["old"]["requests"].as_u64();
        let begun = on_old().expect("a count");
        let limit = Duration::from_secs(60 + requests / 200);
        eventually("old has answered", limit, || {
            (on_old() > Some(begun + requests)).then_some(())
        });
    }

    /// Starts the ramp, or resumes it.
    pub(super) fn put_5_percent_on_new(&self) {
        let (path, body) = match self.proxy.status()["rollbacks"] == 0 {
            true => ("/api/v1/ramp/start", json!({})),
            false => ("/api/v1/ramp/resume", json!({ "reason": "test" })),
        };
        // Refused for the moment until the rollback's own entry is in the journal.
        eventually("the ramp goes on", Duration::from_secs(10), || {
            (self.proxy.post(path, &body).0 < 300).then_some(())
        });
    }

    /// Puts 5 % on new, breaks it, waits for weight 0, and mends it.
    pub(super) fn run(&mut self, case: &Case) -> Run {
        self.learn(case.learns);
        self.put_5_percent_on_new();
        let limit = Duration::from_secs(60 + case.quiet / 10);
        let before = self.proxy.status_when("it is quiet", limit, |it| {
            it["weight"] == 0.0 || it["ramp"]["requests"].as_u64() >= Some(case.quiet)
        });
        let from = now();
        if before["weight"] == 0.0 {
            return run(from, End::Early, &before, &before);
        }
        self.break_new(case.fault);
        let after = loop {
            let status = self.proxy.status();
            if status["weight"] == 0.0 || now() > from + case.patience {
                break status;
            }
            pause(Duration::from_millis(5));
        };
        let until = now();
        let end = match after["weight"] == 0.0 {
            true => End::After(until - from),
            false => End::Never,
        };
        if end == End::Never {
            let reason = json!({ "reason": "nobody noticed" });
            self.proxy.does("/api/v1/rollback", &reason);
        }
        self.mend(case.fault);
        let run = run(from, end, &before, &after);
        Run { until, ..run }
    }

    fn break_new(&mut self, fault: Fault) {
        match fault {
            Fault::Errors => self.new.fail(500, 50),
            Fault::Checkout => self.new.fail_on("/checkout", 500),
            Fault::Unauthorized => self.new.fail(401, 1_000),
            Fault::Dead => self.new.crash(),
            Fault::Hangs => self.new.behave(200, Duration::from_secs(3600)),
            Fault::Slower => self.new.behave(200, TYPICAL * 3 / 2),
        }
    }

    fn mend(&mut self, fault: Fault) {
        if fault == Fault::Dead {
            self.new.revive("new");
        }
        self.begin(&self.new);
        self.proxy
            .status_when("new is back", Duration::from_secs(60), |it| {
                it["sides"]["new"]["endpoints"][0]["healthy"] == true
            });
    }

    /// Looks at what failed, once no request that a fault has met is under way.
    pub(super) fn look_at_failures<T>(&self, at: impl FnOnce(&[Answer]) -> T) -> T {
        self.proxy
            .status_when("new has answered", Duration::from_secs(60), |it| {
                it["sides"]["new"]["in_flight"] == 0
            });
        self.load.look(at)
    }

    /// How many requests were sent, and how many failed.
    pub(super) fn finish(self) -> (u64, usize) {
        let sent = self.load.sent();
        (sent, self.load.stop().len())
    }
}

/// What the status says after a fault that began at `from`; requests are counted from the status before it on.
fn run(from: Instant, end: End, before: &Value, after: &Value) -> Run {
    let drawn_for_new = |status: &Value| {
        let new = &status["sides"]["new"];
        let count = new["requests"].as_u64().zip(new["in_flight"].as_u64());
        count.map_or(0, |(ended, in_flight)| ended + in_flight)
    };
    let rollback = match after["weight"] == 0.0 {
        true => after["last_rollback"].clone(),
        // It still stands there what the last run ended with.
        false => json!({ "cause": "operator" }),
    };
    let cause = rollback["cause"].as_str().expect("a cause");
    let reaction = rollback["reaction_ms"].as_f64();
    Run {
        end,
        reaction: reaction.map(|it| Duration::from_secs_f64(it / 1_000.0)),
        cause: cause.to_owned(),
        touched: drawn_for_new(after).saturating_sub(drawn_for_new(before)),
        from,
        until: from,
    }
}

impl Run {
    /// How many of these failures are of this fault: of requests that were under way when it began or were sent after that and
    /// before weight 0, and that old did not answer.
    pub(super) fn errors(&self, failures: &[Answer]) -> usize {
        let is_meant = |it: &&Answer| {
            let is_old = it.served_by.as_deref() == Some("old");
            let is_of_before = it.sent + it.took < self.from || it.sent + UNDER_WAY < self.from;
            !is_old && !is_of_before && it.sent <= self.until
        };
        failures.iter().filter(is_meant).count()
    }
}

impl Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            end,
            reaction,
            cause,
            touched,
            ..
        } = self;
        write!(
            f,
            "weight 0 {end:?}, {reaction:?} by its own count, by {cause}, {touched} requests to new"
        )
    }
}

fn plan(drawn: Drawn, bake: Duration) -> String {
    let (sticky, bake) = (drawn.sticky(), bake.as_secs());
    format!(
        r#"
[split]
sticky = "{sticky}"
writes = "split"
[evidence]
holdback = "5%"
[ramp]
start = "manual"
step = [
  {{ weight = "5%", bake = "{bake}s" }},
  {{ weight = "25%", bake = "{bake}s" }},
  {{ weight = "50%", bake = "{bake}s" }},
  {{ weight = "100%", bake = "{bake}s" }},
]
[[trigger]]
name = "wide"
reading = "error_rate"
above = "99%"
[[route]]
name = "checkout"
path = "/checkout"
[[route]]
name = "catalogue"
path = "/catalogue"
"#
    )
}
