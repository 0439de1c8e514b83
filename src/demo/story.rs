//! The demo's story: starts the ramp, breaks the new side, and tells line by line what follows.

use std::{
    io::{self, Write},
    sync::Arc,
    time::Duration,
};

use tokio::{
    signal::unix::Signal,
    sync::broadcast::{Receiver, error::RecvError},
    time::{MissedTickBehavior, interval},
};

use crate::{
    app::Running,
    clock,
    control::Status,
    cutover::{Actor, Change, Command, Entry, Leads},
    demo::{
        DemoError, Options, Scenario,
        client::Seen,
        environment::{Behaviour, Environment},
        names::{self, Chapter},
        places::{NEW, PROXY},
        plan::Addresses,
        zone::HOST,
    },
    plan::{DrillFault, Injection},
    units::{Share, Timestamp},
};

/// Requests on new before the drill: few enough for the first step not to be over by then.
const DRILL_AFTER: u64 = 5;

/// The widest line that is printed.
pub(super) const COLUMNS: usize = 80;

/// The one who breaks the new side, and tells what follows.
pub(super) struct Story<'a> {
    pub(super) out: &'a mut dyn Write,
    pub(super) started: Timestamp,
    pub(super) options: Options,
    pub(super) new: Option<Environment>,
    pub(super) fault_at: Option<Timestamp>,
    /// What the clients have seen so far.
    pub(super) seen: Arc<Seen>,
    /// How far names have come.
    pub(super) chapter: Chapter,
}

impl Story<'_> {
    pub(super) fn introduce(&mut self, running: &Running, addresses: &Addresses) -> io::Result<()> {
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
            "  names   {HOST} leads to {PROXY}, by {}",
            addresses.name_server
        )?;
        writeln!(
            self.out,
            "  plan    5 % -> 25 % -> 50 % -> 100 %; back at errors > 5 %,"
        )?;
        writeln!(
            self.out,
            "          p99 > 250 ms, or 5 connects refused in a row;"
        )?;
        writeln!(
            self.out,
            "          then the name moves to {NEW}, past the proxy\n"
        )
    }

    /// Follows the journal until the cutover has ended and names have moved, or everything is back, and two seconds
    /// longer: traffic shows that the end holds.
    pub(super) async fn tell(
        &mut self,
        running: &Running,
        interrupt: &mut Signal,
    ) -> Result<(), DemoError> {
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
                    self.turn_page(running, &status, now).await?;
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
            Progress::Ramping if self.has_ended(status) => Progress::Ended(now),
            Progress::Ramping => {
                self.break_new(status, now)?;
                self.drill(running, status).await;
                Progress::Ramping
            }
            Progress::Waiting => Progress::Waiting,
            Progress::Ended(at) => Progress::Ended(at),
        })
    }

    /// Whether nothing more is to happen.
    fn has_ended(&self, status: &Status) -> bool {
        let leads = status.dns.as_ref().map(|it| it.leads);
        match &*status.ramp.state {
            "complete" => {
                self.options.scenario.completes() && matches!(self.chapter, Chapter::Moved(..))
            }
            // A drill goes on by itself.
            "rolled_back" if is_drilling(status) => false,
            "rolled_back" => match self.chapter {
                Chapter::Begin | Chapter::Lowered | Chapter::MayMove => leads != Some(Leads::To),
                Chapter::Direct | Chapter::Moved(..) => false,
                Chapter::Back => true,
            },
            _under_way => false,
        }
    }

    /// Tells what comes next of names, if that has begun.
    async fn turn_page(
        &mut self,
        running: &Running,
        status: &Status,
        now: Timestamp,
    ) -> io::Result<()> {
        let next = self.chapter.next(running, status, &self.seen, now).await;
        let Some((chapter, text)) = next else {
            return Ok(());
        };
        self.chapter = chapter;
        match text {
            Some(text) => self.line(status.weight, &text),
            None => Ok(()),
        }
    }

    /// Breaks the new side once, when the scenario has it.
    fn break_new(&mut self, status: &Status, now: Timestamp) -> io::Result<()> {
        let Some(fault) = self.options.scenario.fault() else {
            return Ok(());
        };
        if self.fault_at.is_some() || !self.is_time(status, now) {
            return Ok(());
        }
        match (self.options.scenario, &self.new) {
            (Scenario::Errors | Scenario::AfterMove, Some(new)) => {
                new.behave(Behaviour::Failing);
            }
            (Scenario::Slow, Some(new)) => new.behave(Behaviour::Slow),
            (Scenario::Dead | Scenario::Healthy | Scenario::Drill, _) | (_, None) => {
                self.new = None;
            }
        }
        self.fault_at = Some(now);
        self.line(status.weight, &format!("! {fault}"))
    }

    /// Orders the drill of the scenario that has one, once the first step has seen some requests.
    async fn drill(&self, running: &Running, status: &Status) {
        let is_time = status.ramp.step == 1 && status.sides.new.requests >= DRILL_AFTER;
        if self.options.scenario != Scenario::Drill || status.drill.is_some() || !is_time {
            return;
        }
        let command = Command::Drill {
            injection: Injection {
                fault: DrillFault::Errors,
                share: Share::WHOLE,
            },
            reason: "the way back is tried".to_owned(),
        };
        let actor = Actor::Operator("demo".to_owned());
        // What is in the way now may be gone at the next look.
        if let Err(error) = running.control.command(command, actor).await {
            tracing::debug!(%error, "no drill yet");
        }
    }

    /// In the middle of the second step, or once names have moved.
    fn is_time(&self, status: &Status, now: Timestamp) -> bool {
        if self.options.scenario == Scenario::AfterMove {
            return matches!(self.chapter, Chapter::Moved(..));
        }
        let middle = Duration::from_secs(u64::from(self.options.seconds)) / 10;
        let baked = status.ramp.since.is_some_and(|it| now.since(it) > middle);
        status.ramp.step == 2 && baked
    }

    fn entry(&mut self, entry: &Entry) -> io::Result<()> {
        let weight = entry.weight.percent();
        if let Some(text) = names::told(entry) {
            return self.line(weight, &text);
        }
        match &entry.change {
            Change::RolledBack { cause, .. } => {
                self.line(weight, &format!("rolled back, {cause}"))?;
                self.line(weight, &entry.reason)
            }
            Change::Advanced { to, .. } => self.line(weight, &format!("step {} begins", to + 1)),
            Change::Completed => self.line(weight, "complete: new holds all traffic"),
            Change::DrillStarted { injection, .. } => {
                let text = format!("drill: {injection} for new, which old answers");
                self.line(weight, &text)
            }
            Change::DrillEnded { .. } => self.line(weight, &format!("drill {}", entry.reason)),
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

/// Whether a drill is under way.
fn is_drilling(status: &Status) -> bool {
    let drill = status.drill.as_ref();
    drill.is_some_and(|it| it.ended_at.is_none())
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
