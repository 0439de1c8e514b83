//! The control loop: one owner, one event at a time.
//!
//! ```text
//! intervals, alarms, requests, store's reports, the turn's timer ──▶ next_event ──▶ apply ──▶ Observer, decide, Hands
//! ```
//!
//! It waits in [`ControlLoop::next_event`] only; everything else is synchronous and waits for nothing: not for the
//! store, not for a lock, not for whoever asked.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use arc_swap::ArcSwap;
use tokio::{
    sync::{Notify, mpsc, oneshot},
    time::{Instant, sleep_until},
};

use crate::{
    clock,
    control::{
        Observer, Request, Status,
        answers::Reply,
        apply::Hands,
        describe::{self, Scene},
        fresh_salt,
        recorder::Recorder,
        stand_by::Next,
        status::PredecessorStatus,
        warn,
    },
    cutover::{
        Actor, Answer, Command, Context, Decision, Event, Glance, Ramp, Reload, State, StoreState,
        decide,
    },
    measure::{Board, Interval},
    plan::Edition,
    recording::Heard,
    store::Report,
    units::{Salt, Timestamp},
};

/// From one turn to the next.
pub(super) const TURN: Duration = Duration::from_millis(100);

/// Failing connects call for a turn at once, but not for more turns than the loop has time for.
const ALARM_GAP: Duration = Duration::from_millis(5);

/// The loop with all that it owns.
pub(super) struct ControlLoop {
    pub(super) edition: Edition,
    pub(super) state: State,
    pub(super) observer: Observer,
    pub(super) hands: Hands,
    pub(super) recorder: Recorder,
    pub(super) inputs: Inputs,
    pub(super) status: Arc<ArcSwap<Status>>,
    /// The process that this one took over from, while it drains.
    pub(super) predecessor: Option<PredecessorStatus>,
    pub(super) started: Instant,
    pub(super) since: Timestamp,
    pub(super) turned: Instant,
    pub(super) next_turn: Instant,
    /// Whether something failed by a fault of the program, since the last turn that went well.
    pub(super) is_faulty: bool,
    /// Whether it did since the last turn began.
    pub(super) has_failed: bool,
}

/// Where events come from.
#[derive(Debug)]
pub(super) struct Inputs {
    pub(super) intervals: mpsc::Receiver<Interval>,
    pub(super) alarm: Arc<Notify>,
    pub(super) requests: mpsc::Receiver<Request>,
    pub(super) reports: Reports,
    pub(super) stop: oneshot::Receiver<()>,
}

/// The store's reports, until its thread ends.
#[derive(Debug)]
pub(super) enum Reports {
    Open(mpsc::Receiver<Report>),
    Ended,
}

/// What happened.
#[expect(
    clippy::large_enum_variant,
    reason = "an interval is handled at once and kept nowhere; a box would be made ten times a second"
)]
enum Happened {
    Turn,
    Alarm,
    Interval(Interval),
    Request(Request),
    Report(Report),
    StoreEnded,
    AnswerDue,
    Stop,
}

impl ControlLoop {
    /// Runs until it is told to stop, then lets the store finish what it was given.
    pub(super) async fn run(mut self) {
        self.record();
        self.turn();
        loop {
            match self.next_event().await {
                Happened::Stop => break,
                Happened::Request(Request::Fence { answer }) => {
                    let Some(fence) = self.fence(answer) else {
                        continue;
                    };
                    match self.stand_by(fence).await {
                        Next::Lead(waiting) => waiting
                            .into_iter()
                            .for_each(|it| self.guarded(Happened::Request(it))),
                        Next::End => break,
                    }
                }
                happened => self.guarded(happened),
            }
        }
        let now = self.timestamp();
        self.recorder.close(now);
        self.hands.store.close();
    }

    async fn next_event(&mut self) -> Happened {
        let answer_due = self.hands.answers.deadline();
        let Inputs {
            intervals,
            alarm,
            requests,
            reports,
            stop,
        } = &mut self.inputs;
        // What can lead to a rollback comes before what only adds to the picture. A closed channel is left out.
        tokio::select! {
            biased;
            _ = stop => Happened::Stop,
            Some(request) = requests.recv() => Happened::Request(request),
            report = reports.next() => report.map_or(Happened::StoreEnded, Happened::Report),
            () = sleep_until(self.next_turn) => Happened::Turn,
            () = alarm.notified() => Happened::Alarm,
            Some(interval) = intervals.recv() => Happened::Interval(interval),
            () = sleep_until(answer_due.unwrap_or(self.next_turn)), if answer_due.is_some() => Happened::AnswerDue,
        }
    }

    /// A fault of the program at one event must not end the watch over new, nor the operators' way to roll back.
    fn guarded(&mut self, happened: Happened) {
        let applied = catch_unwind(AssertUnwindSafe(|| self.apply(happened)));
        if applied.is_err() {
            self.fault();
            self.show_fault();
        }
    }

    fn apply(&mut self, happened: Happened) {
        match happened {
            Happened::Turn => self.turn(),
            Happened::Alarm => self.alarmed(),
            Happened::Interval(interval) => self.take(interval, Instant::now()),
            Happened::Request(Request::Command {
                command,
                actor,
                answer,
            }) => self.command(command, actor, answer),
            Happened::Request(Request::Reload {
                edition,
                board,
                difference,
                actor,
                answer,
            }) => {
                let reload = Reload {
                    plan: Arc::clone(edition.plan()),
                    difference,
                    actor,
                };
                self.reload((edition, board), reload, answer);
            }
            Happened::Request(Request::Reopen(journal)) => self.reopen(*journal),
            Happened::Request(Request::PredecessorEnded) => {
                self.predecessor = None;
                self.show(Instant::now());
            }
            Happened::Request(Request::Upgraded { upgrade, answer }) => {
                let decided = self.decide(&Event::Upgrade(upgrade));
                self.answer(decided, answer);
            }
            Happened::Request(Request::DatabaseStep { step, answer }) => {
                let decided = self.decide(&Event::DatabaseStep(step));
                self.answer(decided, answer);
            }
            Happened::Request(Request::Dns { step, answer }) => {
                let decided = self.decide(&Event::Dns(step));
                self.answer(decided, answer);
            }
            // It leads already: whoever asks has lost a race against what took the lead back.
            Happened::Request(Request::Commit { answer }) => drop(answer.send(false)),
            Happened::Request(Request::TakeBack) => (),
            // The first is answered before, and the other is asked only of a loop that stands by.
            Happened::Request(Request::Fence { .. } | Request::HandOver { .. }) => {
                tracing::error!("asked out of turn");
            }
            Happened::Request(Request::Totals { answer }) => {
                // Whoever asked may have gone.
                drop(answer.send(Arc::clone(&self.observer.totals)));
            }
            Happened::Report(report) => self.report(report),
            Happened::StoreEnded => {
                self.inputs.reports = Reports::Ended;
                let error = "the store's thread has ended: restart the program".to_owned();
                self.observer.store = StoreState::Failing { error };
            }
            Happened::AnswerDue => {
                let generation = self.state.position.generation;
                self.hands.answers.settle(generation, Instant::now());
            }
            // It ends the loop before.
            Happened::Stop => (),
        }
        self.follow_up();
        if self.hands.answers.has_known() {
            self.show(Instant::now());
            self.hands.answers.give();
        }
    }

    /// Something calls for a turn at once.
    pub(super) fn alarmed(&mut self) {
        self.next_turn = self.next_turn.min(self.turned + ALARM_GAP);
    }

    pub(super) fn turn(&mut self) {
        let now = Instant::now();
        while let Ok(interval) = self.inputs.intervals.try_recv() {
            self.take(interval, now);
        }
        self.turned = now;
        self.next_turn = now + TURN;
        self.observe(now);
        if let Some(moment) = self.observer.arrived_until() {
            self.hands.publication.writers().passed(moment);
        }
        self.hands.store.turn();
        self.has_failed = false;
        self.decide(&Event::Turn);
        self.follow_up();
        self.record();
        self.send_off();
        self.show(now);
        self.is_faulty = self.has_failed;
    }

    /// Rolls what is known to the present.
    pub(super) fn observe(&mut self, instant: Instant) {
        let now = self.timestamp();
        let arrived = self.observer.turn(now, instant);
        self.recorder.turned(now, self.observer.coverage, arrived);
    }

    /// Has what was told so far written down, where that is due.
    fn record(&mut self) {
        let now = self.timestamp();
        self.recorder
            .turn(&self.edition, &self.state, &self.observer, now);
    }

    /// Takes in what a worker measured, and what one of a process that drains says of who writes there.
    pub(super) fn take(&mut self, interval: Interval, now: Instant) {
        let heard_at = self.hands.clock.timestamp();
        let writers = self.hands.publication.writers();
        writers.heard(&interval.writers, heard_at);
        self.observer.take(interval, now);
    }

    /// Says which client connections are to leave.
    fn send_off(&self) {
        let names = self.state.position.names.as_ref();
        // Without [dns] nobody says for how long that goes on.
        let names = names.filter(|_| self.edition.plan().dns.is_some());
        let moment = names.and_then(|it| it.leave_before(self.hands.clock.timestamp()));
        self.hands.publication.leave_before().set(moment);
    }

    fn command(&mut self, command: Command, actor: Actor, reply: Reply) {
        let answer = self.decide(&Event::Command { command, actor });
        self.answer(answer, reply);
    }

    /// Has the core decide on another edition, and puts it in force unless it is refused.
    fn reload(&mut self, (edition, board): (Edition, Arc<Board>), reload: Reload, reply: Reply) {
        let answer = self.decide_on(&Event::Reload(reload), edition.text());
        if matches!(answer, Some(Answer::InForce(_))) {
            let now = self.hands.clock.timestamp();
            self.hands.publication.reissue(&edition, now);
            self.observer.reload(&edition, board, &self.state);
            self.edition = edition;
            // What triggers say is of the plan before.
            self.hands.events.push_back(Event::Turn);
        }
        self.answer(answer, reply);
    }

    pub(super) fn answer(&mut self, answer: Option<Answer>, reply: Reply) {
        let generation = self.state.position.generation;
        match answer {
            Some(Answer::Refused(refusal)) => self.hands.answers.refuse(reply, refusal),
            Some(Answer::OnRecorded(seq)) => self.hands.answers.on_recorded(seq, reply),
            Some(Answer::InForce(seq)) => {
                let answers = &mut self.hands.answers;
                answers.in_force(seq, reply, generation, Instant::now());
            }
            // A fault of the program, which the log has; dropping the reply says that there is no answer.
            None => drop(reply),
        }
    }

    fn report(&mut self, report: Report) {
        let (generation, now) = (self.state.position.generation, Instant::now());
        match report {
            Report::Recorded { seq } => {
                self.hands.answers.recorded(seq, generation, now);
                self.hands.events.push_back(Event::Recorded { seq });
            }
            Report::Failed { seq, error } => {
                self.hands.recording.remove(&seq);
                let event = Event::RecordFailed { seq, error };
                self.hands.events.push_back(event);
            }
            Report::Marked { seq } => {
                self.hands.answers.marked(seq);
                if matches!(self.observer.store, StoreState::Failing { .. }) {
                    self.hands.answers.journal_fails(generation);
                }
            }
            Report::Writable => {
                tracing::info!("the journal can be written again");
                self.observer.store = StoreState::Writable;
            }
            Report::Failing { error } => {
                tracing::error!(error, "the journal cannot be written");
                self.hands.answers.journal_fails(generation);
                self.observer.store = StoreState::Failing { error };
            }
        }
    }

    /// Lets the core decide about what its own effects brought about.
    fn follow_up(&mut self) {
        while let Some(event) = self.hands.events.pop_front() {
            self.decide(&event);
            if let Event::Recorded { seq } = event
                && self.state.position.seq == seq
            {
                self.hands.came_into_force(seq);
            }
        }
    }

    /// One decision, and its effects.
    fn decide(&mut self, event: &Event) -> Option<Answer> {
        self.decide_on(event, "")
    }

    /// The same; `text` is the file of a plan that is to be taken in. It is recorded once it is in force, which nothing delays.
    fn decide_on(&mut self, event: &Event, text: &str) -> Option<Answer> {
        let (decision, glance, context) = self.consider(event)?;
        let effects = decision.effects.clone();
        let answer = self.carry_out(decision);
        self.recorder.considered(
            Heard::of(event, text),
            glance,
            context,
            &effects,
            answer.as_ref(),
        );
        answer
    }

    /// Puts a decision in force; returns what whoever asked is told.
    pub(super) fn carry_out(&mut self, decision: Decision) -> Option<Answer> {
        self.state = decision.state;
        // What everybody was taken away from is not to be burdened by copies.
        let may_copy = !matches!(self.state.position.ramp, Ramp::RolledBack { .. });
        self.hands.publication.copying().set(may_copy);
        for effect in decision.effects {
            self.hands.perform(effect, &mut self.observer);
        }
        decision.answer
    }

    /// What the core decides about an event, without consequence, and what it saw; nothing where the program is at fault.
    pub(super) fn consider(&mut self, event: &Event) -> Option<(Decision, Glance, Context)> {
        let context = Context {
            now: self.hands.clock.timestamp(),
            wall: clock::wall(),
            salt: self.fresh_salt(),
        };
        let glance = self.observer.glance(context.now);
        let observation = self.observer.gathered.observation(&glance);
        // The core only reads what it is given, so that a panic in it leaves the state before the event; the watch
        // over new, and the operators' way to roll back, must not end with it.
        let decided = catch_unwind(AssertUnwindSafe(|| {
            decide(
                self.edition.plan(),
                &self.state,
                event,
                &observation,
                context,
            )
        }));
        if decided.is_err() {
            self.fault();
        }
        Some((decided.ok()?, glance, context))
    }

    fn fresh_salt(&self) -> Salt {
        fresh_salt().unwrap_or_else(|error| {
            // A rollback must not wait for randomness: assignment then goes on as it was.
            tracing::error!(%error, "no random bits for a new salt");
            self.state.position.salt
        })
    }

    fn fault(&mut self) {
        self.has_failed = true;
        self.recorder.has_missed();
        if !std::mem::replace(&mut self.is_faulty, true) {
            tracing::error!("the control loop failed at an event by a fault of this program");
        }
    }

    /// Says in the last status that it may be out of date, where no new one could be made.
    fn show_fault(&self) {
        let last = self.status.load();
        if !last.not_ready.iter().any(|it| it == warn::FAULT) {
            let mut last = Status::clone(&last);
            last.not_ready.push(warn::FAULT.to_owned());
            last.warnings.insert(0, warn::FAULT_WARNING.to_owned());
            self.status.store(Arc::new(last));
        }
    }

    /// Publishes the status.
    pub(super) fn show(&self, now: Instant) {
        let scene = Scene {
            edition: &self.edition,
            state: &self.state,
            observer: &self.observer,
            recorder: &self.recorder,
            hands: &self.hands,
            predecessor: self.predecessor.as_ref(),
            is_faulty: self.is_faulty,
            since: self.since,
            at: self.timestamp(),
            now,
            running: now - self.started,
        };
        self.status.store(Arc::new(describe::status(&scene)));
    }

    fn timestamp(&self) -> Timestamp {
        self.hands.clock.timestamp()
    }
}

impl Reports {
    /// The next report; `None` once, when the store's thread has ended.
    async fn next(&mut self) -> Option<Report> {
        match self {
            Self::Open(reports) => reports.recv().await,
            Self::Ended => std::future::pending().await,
        }
    }
}
