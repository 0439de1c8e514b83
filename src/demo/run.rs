//! The demo from its first line to its summary.

use std::{
    io::{self, Write},
    net::Ipv4Addr,
    path::Path,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::{
        broadcast::{Receiver, error::RecvError},
        watch,
    },
    time::{MissedTickBehavior, interval},
};

use crate::{
    app::{self, Running},
    clock, config,
    control::Status,
    cutover::{Actor, Change, Command, Entry},
    demo::{
        Scenario, Summary,
        client::{Seen, clients},
        environment::{Behaviour, Environment},
    },
    units::{Side, Timestamp},
};

/// How the demo runs.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// What happens to the new side.
    pub scenario: Scenario,
    /// About how long the ramp takes; at least [`Options::SECONDS_MIN`].
    pub seconds: u32,
    /// The proxy's port; 0 takes a free one.
    pub port: u16,
}

impl Options {
    /// The shortest ramp whose steps still see enough requests to judge.
    pub const SECONDS_MIN: u32 = 4;
    /// The longest one.
    pub const SECONDS_MAX: u32 = 600;
}

/// Why the demo could not run to its end.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// No directory, no port, no thread, or nowhere to print.
    #[error("cannot set the demo up on loopback")]
    Io(#[from] io::Error),
    /// The demo's own configuration was refused.
    #[error("the demo's configuration was refused: {0}")]
    Config(String),
    /// The proxy could not start.
    #[error("cannot start the proxy")]
    Start(#[from] app::ServeError),
    /// Somebody pressed Ctrl-C.
    #[error("interrupted")]
    Interrupted,
}

/// The widest line that is printed.
pub(super) const COLUMNS: usize = 80;

/// Runs one scenario, printing to `out` what happens as it happens, and the summary.
///
/// # Errors
/// See [`DemoError`]. A scenario that ends otherwise than it must is no error but the summary's verdict.
pub fn run(options: Options, out: &mut dyn Write) -> Result<Summary, DemoError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(play(options, out))
}

async fn play(options: Options, out: &mut dyn Write) -> Result<Summary, DemoError> {
    let started = clock::wall();
    // First of all, so that Ctrl-C never kills what has to be cleaned up.
    let mut interrupt = signal(SignalKind::interrupt())?;
    let folder = tempfile::tempdir()?;
    let old = Environment::start(Side::Old)?;
    let new = Environment::start(Side::New)?;
    let text = configuration(options, &old, &new);
    let loaded = config::parse(&text, Path::new("demo.toml"), folder.path());
    let loaded = loaded.map_err(|faults| DemoError::Config(faults.to_string()))?;
    let running = app::start(loaded.plan, None)?;
    let mut story = Story {
        out,
        started,
        options,
        new: Some(new),
        fault_at: None,
    };
    story.introduce(&running)?;
    let seen = Arc::new(Seen::default());
    let (stop, stopped) = watch::channel(false);
    let clients = tokio::spawn(clients(running.listeners[0], Arc::clone(&seen), stopped));
    let told = story.tell(&running, &mut interrupt).await;
    stop.send_replace(true);
    // A panic of the clients has already been printed by its hook.
    drop(clients.await);
    let status = last_status(&running, seen.requests.load(Ordering::Relaxed)).await;
    running.stop(std::future::pending()).await;
    told?;
    let summary = Summary {
        scenario: options.scenario,
        requests: seen.requests.load(Ordering::Relaxed),
        errors: seen.errors.load(Ordering::Relaxed),
        fault_at: story.fault_at,
        status,
        took: clock::wall().since(started),
    };
    writeln!(story.out, "\n{summary}")?;
    Ok(summary)
}

/// The status once every request of the clients is counted. What a client gave up on never is, so that the wait has
/// an end.
async fn last_status(running: &Running, requests: u64) -> Status {
    const LIMIT: Duration = Duration::from_secs(1);
    let counted = |it: &Status| it.sides.old.requests + it.sides.new.requests >= requests;
    let started = clock::now();
    let mut ticks = interval(Duration::from_millis(20));
    loop {
        ticks.tick().await;
        let status = running.control.status();
        if counted(&status) || clock::now() - started > LIMIT {
            return Status::clone(&status);
        }
    }
}

/// The demo's plan, in the words that a user would write.
fn configuration(options: Options, old: &Environment, new: &Environment) -> String {
    // Four steps, and a little for the start.
    let bake = options.seconds.saturating_mul(1000) / 5;
    format!(
        r#"name = "demo"
[store]
url = "sqlite:demo.db"
[admin]
address = "{local}:0"
[[listener]]
address = "{local}:{port}"
[old]
endpoints = ["http://{old}"]
[new]
endpoints = ["http://{new}"]
[split]
writes = "split"
[evidence]
false_alarms = 0
[ramp]
advance = "bake"
start = "manual"
step = [
  {{ weight = "5%", bake = "{bake}ms", requests = 10 }},
  {{ weight = "25%", bake = "{bake}ms", requests = 40 }},
  {{ weight = "50%", bake = "{bake}ms", requests = 80 }},
  {{ weight = "100%", bake = "{bake}ms", requests = 100 }},
]
[[trigger]]
name = "errors"
reading = "error_rate"
above = "5%"
window = "2s"
requests = 20
[[trigger]]
name = "slow"
reading = "latency_p99"
above = "250ms"
window = "2s"
requests = 20
[[trigger]]
name = "unreachable"
reading = "connect_failures"
in_a_row = 5
"#,
        local = Ipv4Addr::LOCALHOST,
        port = options.port,
        old = old.address(),
        new = new.address(),
    )
}

/// The one who breaks the new side, and tells what follows.
struct Story<'a> {
    out: &'a mut dyn Write,
    started: Timestamp,
    options: Options,
    new: Option<Environment>,
    fault_at: Option<Timestamp>,
}

impl Story<'_> {
    fn introduce(&mut self, running: &Running) -> io::Result<()> {
        let Options {
            scenario, seconds, ..
        } = self.options;
        writeln!(
            self.out,
            "changeover demo: scenario \"{scenario}\", about {seconds} s"
        )?;
        writeln!(self.out, "  proxy   http://{}/", running.listeners[0])?;
        writeln!(self.out, "  status  http://{}/api/v1/status", running.admin)?;
        writeln!(
            self.out,
            "  plan    5 % -> 25 % -> 50 % -> 100 %; back at errors > 5 %,"
        )?;
        writeln!(
            self.out,
            "          p99 > 250 ms, or 5 connects refused in a row\n"
        )
    }

    /// Follows the journal until the cutover has ended, one way or the other, and two seconds longer: traffic
    /// shows that the end holds.
    async fn tell(&mut self, running: &Running, interrupt: &mut Signal) -> Result<(), DemoError> {
        const AFTERWARDS: Duration = Duration::from_secs(2);
        let mut entries = running.control.follow();
        let mut ticks = interval(Duration::from_millis(50));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let deadline = Duration::from_secs(u64::from(self.options.seconds) * 2 + 20);
        let mut progress = Progress::Waiting;
        loop {
            tokio::select! {
                biased;
                _ = interrupt.recv() => return Err(DemoError::Interrupted),
                entry = next(&mut entries) => self.entry(&entry)?,
                _ = ticks.tick() => {
                    let (status, now) = (running.control.status(), clock::wall());
                    progress = self.step(running, progress, &status, now).await?;
                    if let Progress::Ended(at) = progress && now.since(at) > AFTERWARDS {
                        return Ok(());
                    }
                    if now.since(self.started) > deadline {
                        return Ok(());
                    }
                }
            }
        }
    }

    async fn step(
        &mut self,
        running: &Running,
        progress: Progress,
        status: &Status,
        now: Timestamp,
    ) -> Result<Progress, DemoError> {
        let has_ended = matches!(&*status.ramp.state, "complete" | "rolled_back");
        Ok(match progress {
            Progress::Waiting if status.sides.old.requests > 0 => {
                let command = Command::Start;
                let actor = Actor::Operator("demo".to_owned());
                match running.control.command(command, actor).await {
                    Ok(_) => Progress::Ramping,
                    // Too early: some worker has not reported yet.
                    Err(_) => Progress::Waiting,
                }
            }
            Progress::Ramping if has_ended => Progress::Ended(now),
            Progress::Ramping => {
                self.break_new(status, now)?;
                Progress::Ramping
            }
            Progress::Waiting => Progress::Waiting,
            Progress::Ended(at) => Progress::Ended(at),
        })
    }

    /// Breaks the new side in the middle of the second step, once.
    fn break_new(&mut self, status: &Status, now: Timestamp) -> io::Result<()> {
        let Some(fault) = self.options.scenario.fault() else {
            return Ok(());
        };
        let seconds = u64::from(self.options.seconds);
        let middle = Duration::from_secs(seconds) / 10;
        let baked = status.ramp.since.is_some_and(|it| now.since(it) > middle);
        if self.fault_at.is_some() || status.ramp.step != 2 || !baked {
            return Ok(());
        }
        match (self.options.scenario, &self.new) {
            (Scenario::Errors, Some(new)) => new.behave(Behaviour::Failing),
            (Scenario::Slow, Some(new)) => new.behave(Behaviour::Slow),
            (Scenario::Dead | Scenario::Healthy, _) | (_, None) => self.new = None,
        }
        self.fault_at = Some(now);
        self.line(status.weight, &format!("! {fault}"))
    }

    fn entry(&mut self, entry: &Entry) -> io::Result<()> {
        let weight = entry.weight.percent();
        match &entry.change {
            Change::RolledBack { cause, .. } => {
                self.line(weight, &format!("rolled back, {cause}"))?;
                self.line(weight, &entry.reason)
            }
            Change::Advanced { to, .. } => self.line(weight, &format!("step {} begins", to + 1)),
            Change::Completed => self.line(weight, "complete: new holds all traffic"),
            Change::Began { .. }
            | Change::Started { .. }
            | Change::Held { .. }
            | Change::Resumed { .. }
            | Change::WeightSet { .. }
            | Change::WayBackClosed
            | Change::Reloaded
            | Change::Upgraded { .. }
            | Change::DatabaseStep { .. }
            | Change::GateSatisfied { .. }
            | Change::GateBroken { .. }
            | Change::DnsOrdered { .. }
            | Change::DnsServed { .. }
            | Change::DnsQuiet
            | Change::DnsStopped { .. } => self.line(weight, &entry.reason),
        }
    }

    fn line(&mut self, weight: f64, text: &str) -> io::Result<()> {
        let elapsed = clock::wall().since(self.started).as_secs_f64();
        let lead = format!("{elapsed:7.2} s  {weight:>5} %  ");
        let indent = " ".repeat(lead.len());
        let options = textwrap::Options::new(COLUMNS)
            .initial_indent(&lead)
            .subsequent_indent(&indent);
        writeln!(self.out, "{}", textwrap::fill(text, options))?;
        self.out.flush()
    }
}

/// How far the story has come.
#[derive(Clone, Copy, Debug)]
enum Progress {
    /// For the first requests, and for the ramp to start.
    Waiting,
    /// The ramp runs.
    Ramping,
    /// It completed or was rolled back, then.
    Ended(Timestamp),
}

/// The next journal entry. One that was missed, because nobody printed in time, is in the summary's status all
/// the same.
async fn next(entries: &mut Receiver<Arc<Entry>>) -> Arc<Entry> {
    loop {
        match entries.recv().await {
            Ok(entry) => return entry,
            Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => std::future::pending().await,
        }
    }
}
