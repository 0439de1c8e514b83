//! Where workers hand over what is to be copied, and what bounds it.

use std::sync::{
    Arc,
    atomic::{AtomicU64, AtomicUsize, Ordering},
};

use bytes::Bytes;
use tokio::sync::mpsc;

use crate::{
    plan::{Plan, RouteId},
    proxy::head::{Client, RequestHead, RequestHop, ResponseHead},
    shadow::{Board, Dropped, Kept},
};

/// Where workers hand over what is to be copied. Clones share it.
#[derive(Clone, Debug)]
pub struct CopyDesk {
    queue: mpsc::UnboundedSender<Original>,
    taken: Arc<AtomicUsize>,
    dropped: Arc<Drops>,
    /// Where what copies have shown stands.
    pub board: Arc<Board>,
}

/// What comes to the desk.
pub(crate) type Queue = mpsc::UnboundedReceiver<Original>;

#[derive(Debug, Default)]
struct Drops {
    busy: AtomicU64,
    too_long: AtomicU64,
    incomplete: AtomicU64,
}

/// Why a request that was drawn is not copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Drop {
    /// There are as many as there may be.
    Busy,
    /// Its body is longer than what is kept.
    TooLong,
    /// Old did not answer it to the end, or not soon enough, or without hearing it to the end.
    Incomplete,
}

/// A place among the copies that there may be at once, until it is dropped.
#[derive(Debug)]
pub(crate) struct Seat(Arc<AtomicUsize>);

/// A request that old has answered.
#[derive(Debug)]
pub(crate) struct Original {
    /// What it was taken in by.
    pub(crate) plan: Arc<Plan>,
    /// As every endpoint is to see it, but for its protocol.
    pub(crate) head: RequestHead,
    pub(crate) hop: RequestHop,
    /// Host and port as the client named them.
    pub(crate) authority: String,
    pub(crate) client: Client,
    pub(crate) route: RouteId,
    pub(crate) body: Bytes,
    /// Whether it may change something, so that it must not be sent to old once more.
    pub(crate) is_unsafe: bool,
    /// What old answered, before it was rewritten for the client.
    pub(crate) answer: ResponseHead,
    pub(crate) answer_body: Kept,
    pub(crate) seat: Seat,
}

impl CopyDesk {
    /// A desk, and what comes to it.
    #[must_use]
    pub fn new() -> (Self, CopyQueue) {
        // Bounded by the seats: whoever hands something over has one.
        let (queue, originals) = mpsc::unbounded_channel();
        let desk = Self {
            queue,
            taken: Arc::default(),
            dropped: Arc::default(),
            board: Arc::default(),
        };
        (desk, CopyQueue(originals))
    }

    /// A place, if fewer than `most` are taken; one that there is none of is counted.
    pub(crate) fn sit(&self, most: usize) -> Option<Seat> {
        let grow = |taken: usize| (taken < most).then_some(taken + 1);
        let order = Ordering::Relaxed;
        match self.taken.fetch_update(order, order, grow) {
            Ok(_) => Some(Seat(Arc::clone(&self.taken))),
            Err(_) => {
                self.drop(Drop::Busy);
                None
            }
        }
    }

    /// Hands a request over.
    pub(crate) fn hand_over(&self, original: Original) {
        if self.queue.send(original).is_err() {
            tracing::debug!("nobody sends copies any more");
        }
    }

    /// Counts a request that is not copied.
    pub(crate) fn drop(&self, why: Drop) {
        let Drops {
            busy,
            too_long,
            incomplete,
        } = &*self.dropped;
        let count = match why {
            Drop::Busy => busy,
            Drop::TooLong => too_long,
            Drop::Incomplete => incomplete,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }

    /// What was dropped so far.
    pub(crate) fn dropped(&self) -> Dropped {
        let read = |it: &AtomicU64| it.load(Ordering::Relaxed);
        Dropped {
            busy: read(&self.dropped.busy),
            too_long: read(&self.dropped.too_long),
            incomplete: read(&self.dropped.incomplete),
        }
    }
}

/// The other end of a desk.
#[derive(Debug)]
pub struct CopyQueue(pub(crate) Queue);

impl std::ops::Drop for Seat {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
