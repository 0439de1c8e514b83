//! One endpoint's connections on one worker: idle HTTP/1.1 ones, the most recently used first, shared HTTP/2 ones,
//! and the queue of requests that wait for either.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::time::timeout;

use crate::{
    plan::Limits,
    proxy::upstream::{
        connection::{Http1Connection, Http2, Stream},
        dial::Want,
        slots::{Slot, Slots},
        socket::Protocol,
    },
};

/// The connections of one endpoint.
#[derive(Debug)]
pub(crate) struct Pool<B> {
    slots: Arc<Slots>,
    /// In the order in which they became idle.
    idle: RefCell<VecDeque<Idle<B>>>,
    idle_max: usize,
    shared: RefCell<Vec<Rc<Http2<B>>>>,
    waiting: Cell<usize>,
    is_opening_shared: Rc<Cell<bool>>,
    /// What the endpoint spoke last; `None` before the first connection.
    protocol: Cell<Option<Protocol>>,
    vintage: Cell<Vintage>,
}

/// Which connections of a pool may be used again: none from before it was renewed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Vintage(u64);

#[derive(Debug)]
struct Idle<B> {
    connection: Http1Connection<B>,
    since: Instant,
}

/// A connection for one exchange.
#[derive(Debug)]
pub(crate) enum Connection<B> {
    /// The only exchange on it.
    Http1(Http1Connection<B>),
    /// One of many.
    Http2(Stream<B>),
}

/// What a request that needs a connection can do now.
#[derive(Debug)]
pub(crate) enum Turn<B> {
    /// Use this one.
    Reuse(Connection<B>),
    /// Open one.
    Open(Opening),
}

/// Leave to open a connection; while one is opened that others can share, they wait for it.
#[derive(Debug)]
pub(crate) struct Opening {
    pub(crate) slot: Slot,
    pub(crate) shared: Option<OpeningShared>,
}

/// Ends the wait of those who hope to share a connection, whether it could be opened or not.
#[derive(Debug)]
pub(crate) struct OpeningShared {
    is_opening: Rc<Cell<bool>>,
    slots: Arc<Slots>,
}

impl Drop for OpeningShared {
    fn drop(&mut self) {
        self.is_opening.set(false);
        self.slots.wake_all();
    }
}

/// Why waiting for a connection came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WaitError {
    /// All connections stayed in use.
    Full,
    /// The connection that others opened, to be shared, was not ready in time.
    Opening,
}

impl<B> Pool<B> {
    /// An empty pool; `protocol` is what the endpoint speaks, where that is known beforehand.
    pub(crate) fn new(limits: &Limits, protocol: Option<Protocol>) -> Self {
        Self {
            slots: Slots::new(limits.connections_per_endpoint),
            idle: RefCell::new(VecDeque::new()),
            idle_max: limits.idle_per_endpoint,
            shared: RefCell::new(Vec::new()),
            waiting: Cell::new(0),
            is_opening_shared: Rc::new(Cell::new(false)),
            protocol: Cell::new(protocol),
            vintage: Cell::default(),
        }
    }

    /// A connection, or leave to open one; waits for up to `limit` where neither can be had.
    pub(crate) async fn turn(&self, want: Want, limit: Duration) -> Result<Turn<B>, WaitError> {
        // Those who already wait for a place go first.
        let waits_for = Cell::new(WaitError::Full);
        if self.waiting.get() == 0 || !self.slots.is_full() {
            match self.turn_now(want) {
                Ok(turn) => return Ok(turn),
                Err(reason) => waits_for.set(reason),
            }
        }
        let queued = Queued::join(&self.waiting);
        let waiting = async {
            loop {
                self.slots.changed().await;
                match self.turn_now(want) {
                    Ok(turn) => return turn,
                    Err(reason) => waits_for.set(reason),
                }
            }
        };
        let turn = timeout(limit, waiting).await;
        drop(queued);
        // Several places may have become free at once, of which the queue heard once.
        if self.waiting.get() > 0 && self.has_room() {
            self.slots.wake_one();
        }
        turn.map_err(|_elapsed| waits_for.get())
    }

    /// Takes a connection back whose exchange ended cleanly.
    pub(crate) fn put(&self, connection: Http1Connection<B>, now: Instant) {
        if connection.is_closed() || self.idle_max == 0 {
            return;
        }
        let mut idle = self.idle.borrow_mut();
        if idle.len() >= self.idle_max {
            idle.pop_front();
        }
        idle.push_back(Idle {
            connection,
            since: now,
        });
        drop(idle);
        if self.waiting.get() > 0 {
            self.slots.wake_one();
        }
    }

    /// Adds an HTTP/2 connection and takes its first stream.
    pub(crate) fn share(&self, connection: Rc<Http2<B>>) -> Stream<B> {
        let stream = connection.first_stream();
        self.shared.borrow_mut().push(connection);
        stream
    }

    /// Gives up every connection: idle ones are closed, those in use when their exchanges are over.
    pub(crate) fn renew(&self) {
        self.vintage.set(Vintage(self.vintage.get().0 + 1));
        self.idle.borrow_mut().clear();
        for connection in self.shared.borrow_mut().drain(..) {
            connection.retire();
        }
    }

    /// What a connection that is sought now must be to be used again.
    pub(crate) const fn vintage(&self) -> Vintage {
        self.vintage.get()
    }

    /// Remembers what the endpoint speaks.
    pub(crate) fn learn(&self, protocol: Protocol) {
        self.protocol.set(Some(protocol));
    }

    /// Closes what has been idle since before `oldest`, and drops what has ended.
    pub(crate) fn sweep(&self, oldest: Instant) {
        let keep = |it: &mut Idle<B>| it.since >= oldest && it.connection.is_ready();
        self.idle.borrow_mut().retain_mut(keep);
        let keep =
            |it: &Rc<Http2<B>>| it.is_open() && it.idle_since().is_none_or(|since| since >= oldest);
        self.shared.borrow_mut().retain(keep);
    }

    /// Where open sockets are counted.
    pub(crate) const fn slots(&self) -> &Arc<Slots> {
        &self.slots
    }

    /// Connections without an exchange that could take one.
    #[cfg(test)]
    pub(crate) fn idle(&self) -> usize {
        let mut idle = self.idle.borrow_mut();
        let ready = idle.iter_mut().map(|it| it.connection.is_ready());
        let ready = ready.filter(|it| *it).count();
        let shared = self.shared.borrow();
        let unused = shared
            .iter()
            .filter(|it| it.is_open() && it.idle_since().is_some());
        ready + unused.count()
    }

    /// What can be done now, or what is to be waited for.
    fn turn_now(&self, want: Want) -> Result<Turn<B>, WaitError> {
        if let Some(connection) = self.take(want) {
            return Ok(Turn::Reuse(connection));
        }
        if want == Want::Fresh && self.slots.is_full() {
            // An idle one makes room, since it would not do.
            self.idle.borrow_mut().pop_front();
        }
        let may_share = want != Want::Http1 && self.protocol.get() != Some(Protocol::Http1);
        if may_share && self.is_opening_shared.get() {
            return Err(WaitError::Opening);
        }
        let slot = self.slots.take().ok_or(WaitError::Full)?;
        let shared = may_share.then(|| {
            self.is_opening_shared.set(true);
            OpeningShared {
                is_opening: Rc::clone(&self.is_opening_shared),
                slots: Arc::clone(&self.slots),
            }
        });
        Ok(Turn::Open(Opening { slot, shared }))
    }

    fn take(&self, want: Want) -> Option<Connection<B>> {
        if want == Want::Fresh {
            return None;
        }
        if want == Want::Any {
            let mut shared = self.shared.borrow_mut();
            if shared.iter().any(|it| !it.is_open()) {
                shared.retain(|it| it.is_open());
            }
            if let Some(stream) = shared.iter().find_map(Http2::open_stream) {
                return Some(Connection::Http2(stream));
            }
        }
        let mut idle = self.idle.borrow_mut();
        let mut at = idle.len();
        while let Some(last) = at.checked_sub(1) {
            at = last;
            if idle[at].connection.is_ready() {
                return idle.remove(at).map(|it| Connection::Http1(it.connection));
            }
            if idle[at].connection.is_closed() {
                idle.remove(at);
            }
        }
        None
    }

    fn has_room(&self) -> bool {
        let has_stream = || self.shared.borrow().iter().any(|it| it.has_free_stream());
        !self.slots.is_full() || !self.idle.borrow().is_empty() || has_stream()
    }
}

/// A request in the queue.
struct Queued<'a>(&'a Cell<usize>);

impl<'a> Queued<'a> {
    fn join(waiting: &'a Cell<usize>) -> Self {
        waiting.set(waiting.get() + 1);
        Self(waiting)
    }
}

impl Drop for Queued<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get().saturating_sub(1));
    }
}
