//! Starting the control loop on its thread, and stopping it.

use std::{
    collections::{BTreeMap, VecDeque},
    io,
    sync::Arc,
    thread::{self, JoinHandle},
};

use arc_swap::ArcSwap;
use tokio::{
    sync::{Notify, broadcast, mpsc, oneshot},
    time::Instant,
};

use crate::{
    clock::Clock,
    control::{
        ControlHandle, ControlLoop, Observer, PredecessorStatus,
        answers::Answers,
        apply::Hands,
        describe::{self, Scene},
        event_loop::{Inputs, Reports},
        observe::Boards,
        recorder::Recorder,
    },
    cutover::Decision,
    evidence::Ledger,
    measure::{Board, Connects, Interval, LagBoard, ZoneBoard},
    plan::Edition,
    shadow,
    split::Publication,
    store::{Observations, Report, StoreHandle},
};

/// Requests that wait for the loop, which takes them at once; more than people and scrapers can send meanwhile.
pub(super) const REQUESTS_MAX: usize = 64;

/// Entries that a follower may be behind before it misses some, and reads them from the journal instead.
const ENTRIES_MAX: usize = 256;

/// What the loop is given.
#[derive(Debug)]
pub struct Parts {
    /// The plan in force.
    pub edition: Edition,
    /// The process's clock.
    pub clock: Clock,
    /// Where the cutover stands, its table being in force in `publication`, and what is to be done first.
    pub restored: Decision,
    /// What the sequential tests had gathered.
    pub ledger: Option<Ledger>,
    /// Rollbacks in the journal.
    pub rollbacks: u64,
    /// Where tables are published.
    pub publication: Publication,
    /// Which endpoints are in choice.
    pub board: Arc<Board>,
    /// Failures to connect in a row.
    pub connects: Arc<Connects>,
    /// What the workers hand over.
    pub intervals: mpsc::Receiver<Interval>,
    /// Notified when connects fail in a row.
    pub alarm: Arc<Notify>,
    /// Where the readings of replications stand.
    pub lags: Arc<LagBoard>,
    /// Where looks at the zone's servers stand.
    pub zone: Arc<ZoneBoard>,
    /// Where what copies have shown stands.
    pub copies: Arc<shadow::Board>,
    /// The store.
    pub store: StoreHandle,
    /// Where what decisions rest on is recorded.
    pub observations: Observations,
    /// What the store says.
    pub reports: mpsc::Receiver<Report>,
    /// The process that this one takes over from, and that drains until [`ControlHandle::predecessor_ended`].
    pub predecessor: Option<PredecessorStatus>,
}

/// The loop at work. Stop it: dropping it ends the loop as well, but waits for nothing.
#[derive(Debug)]
pub struct RunningControl {
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

/// Starts the loop on a thread of its own.
///
/// # Errors
/// If the thread or its runtime cannot be made.
pub fn start(parts: Parts) -> io::Result<(ControlHandle, RunningControl)> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()?;
    let (stop, stopped) = oneshot::channel();
    let (control, handle) = assemble(parts, stopped);
    let thread = thread::Builder::new()
        .name("control".to_owned())
        .spawn(move || runtime.block_on(control.run()))?;
    Ok((handle, RunningControl { stop, thread }))
}

impl RunningControl {
    /// Ends the loop, lets the store finish, and waits for both. Blocks.
    pub fn stop(self) {
        if self.stop.send(()).is_err() {
            tracing::debug!("the loop had ended already");
        }
        if self.thread.join().is_err() {
            tracing::error!("the control loop panicked");
        }
    }

    /// Whether the loop has ended, which it does by itself only by a fault of the program.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.thread.is_finished()
    }
}

/// Puts the loop together with its handle.
pub(super) fn assemble(parts: Parts, stop: oneshot::Receiver<()>) -> (ControlLoop, ControlHandle) {
    let (now, since) = (Instant::now(), parts.clock.timestamp());
    let (requests, requested) = mpsc::channel(REQUESTS_MAX);
    let (entries, _nobody_yet) = broadcast::channel(ENTRIES_MAX);
    let Decision { state, effects, .. } = parts.restored;
    let mut observer = Observer::new(
        &parts.edition,
        parts.board,
        Boards {
            connects: parts.connects,
            lags: parts.lags,
            zone: parts.zone,
            copies: parts.copies,
        },
        &state.position,
        parts.ledger,
        now,
    );
    let mut hands = Hands {
        clock: parts.clock,
        publication: parts.publication,
        store: parts.store,
        answers: Answers::default(),
        entries: entries.clone(),
        recording: BTreeMap::new(),
        events: VecDeque::new(),
        pages: VecDeque::new(),
        rollbacks: parts.rollbacks,
    };
    for effect in effects {
        hands.perform(effect, &mut observer);
    }
    let recorder = Recorder::new(parts.observations, parts.edition.plan().observations);
    let first = describe::status(&Scene {
        edition: &parts.edition,
        state: &state,
        observer: &observer,
        hands: &hands,
        recorder: &recorder,
        predecessor: parts.predecessor.as_ref(),
        is_faulty: false,
        since,
        at: since,
        now,
        running: std::time::Duration::ZERO,
    });
    let status = Arc::new(ArcSwap::from_pointee(first));
    let handle = ControlHandle::new(requests, Arc::clone(&status), entries, hands.clock);
    let control = ControlLoop {
        edition: parts.edition,
        state,
        observer,
        hands,
        recorder,
        inputs: Inputs {
            intervals: parts.intervals,
            alarm: parts.alarm,
            requests: requested,
            reports: Reports::Open(parts.reports),
            stop,
        },
        status,
        started: now,
        since,
        turned: now,
        next_turn: now,
        is_faulty: false,
        has_failed: false,
        predecessor: parts.predecessor,
    };
    (control, handle)
}
