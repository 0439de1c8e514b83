//! The store's thread: the only writer of the journal, fed through a bounded channel, answering with reports.
//!
//! ```text
//! control loop ── record_first, record_after, snapshot ──▶ queue ──▶ store thread ──▶ journal, marker
//!       ▲                                                               │
//!       └───────────────────────────── Report ──────────────────────────┘
//! ```
//!
//! Whatever waits in the queue, the marker of an entry in force is written before anything else.

use std::{
    collections::VecDeque,
    io,
    sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender, TrySendError},
    thread::{self, JoinHandle},
    time::Duration,
};

use tokio::sync::mpsc as tokio_mpsc;

use crate::{
    cutover::{Change, Entry},
    store::{RecordError, Snapshot, Store, journal::Journal, lock::Lock, marker::Marker},
};

/// Orders that wait for the store's thread; more than it can fall behind in any wait for the disk that an
/// operator would sit through.
const QUEUE_MAX: usize = 64;
/// Entries that are in force and wait to be recorded. Without a working store nothing but holds and rollbacks
/// can be decided, and those not twice, so this is far more than can come together.
const PENDING_MAX: usize = 64;
/// Reports that wait for the control loop, which takes them at once.
const REPORTS_MAX: usize = 256;
/// How long the store may be idle before it is tried out, so that a disk that fills up is known before an
/// advance needs it.
const PROBE_INTERVAL: Duration = Duration::from_secs(2);
/// The first wait before trying again after a failure; doubles up to [`PROBE_INTERVAL`].
const BACKOFF_MIN: Duration = Duration::from_millis(100);

/// The control loop's end: nothing here ever waits.
#[derive(Debug)]
pub struct StoreHandle {
    orders: SyncSender<Order>,
    /// Entries that found the queue full, in order.
    backlog: VecDeque<Entry>,
    /// `None` once it is closed.
    thread: Option<JoinHandle<()>>,
}

/// What the store's thread says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// The entry is in the journal, on disk.
    Recorded {
        /// Its number.
        seq: u64,
    },
    /// The entry is not in the journal and will not be tried again.
    Failed {
        /// Its number.
        seq: u64,
        /// Why.
        error: String,
    },
    /// The rollback in force is in the marker, on disk; its way into the journal goes on. Nothing can follow a
    /// rollback before the journal takes it, so that the marker keeps it.
    Marked {
        /// Its number.
        seq: u64,
    },
    /// Writing works again.
    Writable,
    /// Writing fails.
    Failing {
        /// Why.
        error: String,
    },
}

#[derive(Debug)]
enum Order {
    RecordFirst(Entry),
    RecordAfter(Entry),
    Snapshot(Box<Snapshot>),
}

impl Store {
    /// Moves the writing to a thread of its own.
    ///
    /// # Errors
    /// If the thread cannot be started.
    pub fn start(self) -> io::Result<(StoreHandle, tokio_mpsc::Receiver<Report>)> {
        let (orders, queue) = mpsc::sync_channel(QUEUE_MAX);
        let (reports, reported) = tokio_mpsc::channel(REPORTS_MAX);
        let writer = Writer {
            journal: self.journal,
            marker: self.marker,
            pending: self.unrecorded.into_iter().collect(),
            snapshot: self.snapshot,
            failure: None,
            reports,
            _lock: self.lock,
        };
        let thread = thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || writer.run(&queue))?;
        let handle = StoreHandle {
            orders,
            backlog: VecDeque::new(),
            thread: Some(thread),
        };
        Ok((handle, reported))
    }
}

impl StoreHandle {
    /// One without a journal, which is another process's or not open yet: it keeps what is in force for
    /// [`StoreHandle::open_instead`], and takes nothing else.
    #[must_use]
    pub fn closed() -> Self {
        let (orders, _nobody) = mpsc::sync_channel(1);
        Self {
            orders,
            backlog: VecDeque::new(),
            thread: None,
        }
    }

    /// Goes on with an open journal, which gets what was kept.
    pub fn open_instead(&mut self, mut open: Self) {
        open.backlog.append(&mut self.backlog);
        open.turn();
        *self = open;
    }

    /// Records an entry before its change; the answer is one [`Report::Recorded`] or [`Report::Failed`].
    ///
    /// # Errors
    /// If the order was not taken, in words: the entry will never appear.
    pub fn record_first(&mut self, entry: Entry) -> Result<(), String> {
        self.turn();
        if !self.backlog.is_empty() {
            return Err("the store does not keep up".to_owned());
        }
        let sent = self.orders.try_send(Order::RecordFirst(entry));
        sent.map_err(|error| match error {
            TrySendError::Full(_) => "the store does not keep up".to_owned(),
            TrySendError::Disconnected(_) => "the store's thread has ended".to_owned(),
        })
    }

    /// Records an entry whose change is in force; it is kept until that succeeds.
    pub fn record_after(&mut self, entry: Entry) {
        if self.backlog.len() == PENDING_MAX {
            // The latest one matters most: replay needs it, and what it replaced is history.
            self.backlog.pop_front();
        }
        self.backlog.push_back(entry);
        self.turn();
    }

    /// Replaces the snapshot, if the store has time for it.
    pub fn snapshot(&mut self, snapshot: Snapshot) {
        if let Err(error) = self.orders.try_send(Order::Snapshot(Box::new(snapshot))) {
            tracing::debug!(%error, "a snapshot is left out");
        }
    }

    /// Passes on what found the queue full before.
    pub fn turn(&mut self) {
        while let Some(entry) = self.backlog.pop_front() {
            match self.orders.try_send(Order::RecordAfter(entry)) {
                Ok(()) => (),
                Err(
                    TrySendError::Full(Order::RecordAfter(entry))
                    | TrySendError::Disconnected(Order::RecordAfter(entry)),
                ) => {
                    self.backlog.push_front(entry);
                    return;
                }
                Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => return,
            }
        }
    }

    /// Ends the thread after it has written, or tried once more to write, what it was given.
    pub fn close(mut self) {
        self.turn();
        let Self { orders, thread, .. } = self;
        drop(orders);
        if thread.is_some_and(|it| it.join().is_err()) {
            tracing::error!("the store's thread panicked");
        }
    }
}

struct Writer {
    journal: Journal,
    marker: Marker,
    /// Entries in force that are not in the journal yet, in order.
    pending: VecDeque<Entry>,
    /// The latest snapshot; written again to try out the disk.
    snapshot: Snapshot,
    /// The last failure, with the wait before the next try; `None` while writing works.
    failure: Option<Failure>,
    reports: tokio_mpsc::Sender<Report>,
    /// Released last.
    _lock: Lock,
}

struct Failure {
    error: String,
    backoff: Duration,
}

impl Writer {
    fn run(mut self, queue: &Receiver<Order>) {
        self.flush();
        loop {
            match queue.recv_timeout(self.patience()) {
                Ok(first) => {
                    let more = queue.try_iter().take(QUEUE_MAX);
                    let orders: Vec<_> = std::iter::once(first).chain(more).collect();
                    self.mark(&orders);
                    orders.into_iter().for_each(|it| self.perform(it));
                }
                Err(RecvTimeoutError::Timeout) => self.probe(),
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        self.flush();
        for entry in &self.pending {
            tracing::error!(seq = entry.seq, "an entry could not be recorded");
        }
    }

    fn patience(&self) -> Duration {
        let backoff = self.failure.as_ref().map(|it| it.backoff);
        backoff.unwrap_or(PROBE_INTERVAL)
    }

    /// Puts the entry in force among `orders` that matters most into the marker, ahead of everything that waits.
    fn mark(&mut self, orders: &[Order]) {
        let in_force = orders.iter().filter_map(|order| match order {
            Order::RecordAfter(entry) => Some(entry),
            Order::RecordFirst(_) | Order::Snapshot(_) => None,
        });
        let Some(entry) = Entry::to_keep(&self.pending, in_force) else {
            return;
        };
        match self.marker.write(entry) {
            // What follows another entry overwrites it, so that only a rollback is safe here.
            Ok(()) if matches!(entry.change, Change::RolledBack { .. }) => {
                self.report(Report::Marked { seq: entry.seq });
            }
            Ok(()) => (),
            Err(error) => tracing::error!(%error, seq = entry.seq, "the marker cannot be written"),
        }
    }

    fn perform(&mut self, order: Order) {
        match order {
            Order::RecordFirst(entry) => self.record_first(&entry),
            Order::RecordAfter(entry) => {
                if self.pending.len() == PENDING_MAX {
                    self.pending.pop_front();
                }
                self.pending.push_back(entry);
                self.flush();
            }
            Order::Snapshot(snapshot) => {
                self.snapshot = *snapshot;
                self.probe();
            }
        }
    }

    fn record_first(&mut self, entry: &Entry) {
        // The order of the journal is the order of the decisions.
        self.flush();
        if !self.pending.is_empty() {
            let why = self.failure.as_ref().map_or("", |it| it.error.as_str());
            let error = format!("earlier entries are not recorded yet: {why}");
            return self.report(Report::Failed {
                seq: entry.seq,
                error,
            });
        }
        match self.journal.append(entry) {
            Ok(()) => {
                self.succeeded();
                self.report(Report::Recorded { seq: entry.seq });
            }
            Err(error) => {
                self.journal.forget_failed();
                self.failed(&error);
                self.report(Report::Failed {
                    seq: entry.seq,
                    error: error.to_string(),
                });
            }
        }
    }

    /// Tries to record what is in force, in order.
    fn flush(&mut self) {
        while let Some(entry) = self.pending.pop_front() {
            match self.journal.append(&entry) {
                Ok(()) => {
                    self.succeeded();
                    self.report(Report::Recorded { seq: entry.seq });
                }
                Err(error @ RecordError::Database(_)) => {
                    self.failed(&error);
                    self.pending.push_front(entry);
                    return;
                }
                // No later try can succeed.
                Err(error @ (RecordError::Conflict { .. } | RecordError::Serialise(_))) => {
                    tracing::error!(%error, seq = entry.seq, "an entry cannot be recorded");
                    self.report(Report::Failed {
                        seq: entry.seq,
                        error: error.to_string(),
                    });
                }
            }
        }
    }

    /// Writes what waits, or the snapshot once more.
    fn probe(&mut self) {
        self.flush();
        if !self.pending.is_empty() {
            return;
        }
        match self.journal.save(&self.snapshot) {
            Ok(()) => self.succeeded(),
            Err(error) => self.failed(&error),
        }
    }

    fn succeeded(&mut self) {
        if self.failure.take().is_some() {
            self.report(Report::Writable);
        }
    }

    fn failed(&mut self, error: &RecordError) {
        let before = self.failure.take();
        let backoff = before.as_ref().map_or(BACKOFF_MIN, |it| it.backoff * 2);
        let error = error.to_string();
        let is_news = before.is_none_or(|it| it.error != error);
        self.failure = Some(Failure {
            error: error.clone(),
            backoff: backoff.min(PROBE_INTERVAL),
        });
        if is_news {
            self.report(Report::Failing { error });
        }
    }

    fn report(&self, report: Report) {
        // The control loop has ended, and with it whoever could want to know.
        if let Err(error) = self.reports.blocking_send(report) {
            tracing::debug!(%error, "a report of the store finds nobody");
        }
    }
}

/// A store that takes orders and never says a word, for tests of those who wait for it.
#[cfg(test)]
pub(crate) struct SilentStore {
    _queue: Receiver<Order>,
}

#[cfg(test)]
impl SilentStore {
    pub(crate) fn start() -> (StoreHandle, Self) {
        let (orders, queue) = mpsc::sync_channel(QUEUE_MAX);
        let handle = StoreHandle {
            orders,
            backlog: VecDeque::new(),
            thread: None,
        };
        (handle, Self { _queue: queue })
    }
}
