//! Time-outs, kept coarsely: one wheel a worker, turned ten times a second, in place of a timer a request.
//!
//! Whatever a client's connection (HTTP/1) or stream (HTTP/2) waits for now is written into its [`Deadline`];
//! that costs one store and no clock. A deadline passes at the first turn after its span, so up to two turns
//! late and never early.

use std::{
    cell::{Cell, RefCell},
    future::poll_fn,
    pin::pin,
    rc::Rc,
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use slab::Slab;

use crate::plan::Timeouts;

/// How often the wheel is turned.
pub(crate) const TURN: Duration = Duration::from_millis(100);

const TURNS_PER_SECOND: u64 = 10;

/// What a connection or stream waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// Nothing that the wheel limits.
    Nothing,
    /// The client's handshake, or its first byte.
    Handshake,
    /// The client's next request on a connection (HTTP/1), while it is likely to come soon.
    Lull,
    /// The client's next request on a connection (HTTP/1), after that.
    Request,
    /// The client's next stream on a connection (HTTP/2).
    Stream,
    /// The rest of a request head.
    Head,
    /// A piece of the request's body, from the client.
    Body,
    /// An endpoint that shall take a piece of the request's body, or react to the last one.
    Upload,
    /// The response head, from an endpoint.
    Reply,
    /// A piece of the response's body, from an endpoint.
    Download,
    /// The client, that shall take a piece of the response.
    Reader,
    /// The client, that shall take the end of the response.
    Flush,
    /// Either end of a tunnel.
    Tunnel,
    /// The end of a tunnel whose other end has closed.
    Leaving,
    /// The client, that was asked to leave.
    Farewell,
    /// The answer to a request whose client has shut down its sending side.
    HalfClosed,
    /// The next look whether a client is there that is not read from.
    Look,
}

/// The wheel of one worker; clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Wheel(Rc<Inner>);

#[derive(Debug)]
struct Inner {
    timeouts: Cell<Timeouts>,
    started: Instant,
    /// Turns since the start, by the clock and not by count, so that a late turn makes up for itself.
    turns: Cell<u64>,
    places: RefCell<Slab<Place>>,
}

#[derive(Debug)]
struct Place {
    wait: Wait,
    /// The turn at which it passes.
    at: Option<u64>,
    has_passed: bool,
    /// Passed for good: no further wait undoes it.
    is_expired: bool,
    waker: Option<Waker>,
}

/// One place on the wheel; dropping it leaves the wheel.
#[derive(Debug)]
pub(crate) struct Deadline {
    wheel: Wheel,
    key: usize,
}

/// The wait took longer than its limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Overdue;

impl Wheel {
    pub(crate) fn new(timeouts: Timeouts, now: Instant) -> Self {
        Self(Rc::new(Inner {
            timeouts: Cell::new(timeouts),
            started: now,
            turns: Cell::new(0),
            places: RefCell::new(Slab::new()),
        }))
    }

    /// Limits every wait by these from its beginning on; those that have begun keep their limits.
    pub(crate) fn observe(&self, timeouts: Timeouts) {
        self.0.timeouts.set(timeouts);
    }

    /// A new place, waiting for nothing.
    pub(crate) fn place(&self) -> Deadline {
        let key = self.0.places.borrow_mut().insert(Place {
            wait: Wait::Nothing,
            at: None,
            has_passed: false,
            is_expired: false,
            waker: None,
        });
        Deadline {
            wheel: self.clone(),
            key,
        }
    }

    /// A new place, waiting for `wait`.
    pub(crate) fn place_for(&self, wait: Wait) -> Deadline {
        let deadline = self.place();
        deadline.wait(wait);
        deadline
    }

    /// Lets every deadline pass that is due at `now`.
    pub(crate) fn turn(&self, now: Instant) {
        let turns = turns_in(now.saturating_duration_since(self.0.started));
        self.0.turns.set(turns);
        // Waking only marks a task as ready, so nothing comes back here while the places are borrowed.
        for (_, place) in &mut *self.0.places.borrow_mut() {
            if place.at.is_some_and(|at| at <= turns) {
                place.pass();
            }
        }
    }

    /// Whole seconds since the start, as of the last turn.
    pub(crate) fn second(&self) -> u64 {
        self.0.turns.get() / TURNS_PER_SECOND
    }

    /// Wakes whoever looks at a deadline, so that it sees that the worker's stage has changed.
    pub(crate) fn wake_all(&self) {
        for (_, place) in &mut *self.0.places.borrow_mut() {
            place.wake();
        }
    }
}

impl Deadline {
    /// Waits for `wait` from now on, and no longer than its time-out.
    pub(crate) fn wait(&self, wait: Wait) {
        let inner = &self.wheel.0;
        let at = wait.limit(&inner.timeouts.get()).map(|span| {
            // One more turn than the span has, because the current one has begun already.
            inner
                .turns
                .get()
                .saturating_add(turns_in(span + PART_OF_A_TURN) + 1)
        });
        let mut places = inner.places.borrow_mut();
        let place = &mut places[self.key];
        place.wait = wait;
        place.at = at;
        place.has_passed = false;
    }

    /// Something moved: the wait begins anew.
    pub(crate) fn touch(&self) {
        self.wait(self.waits_for());
    }

    /// Lets it pass now and for good, whatever its limit and whatever still moves.
    pub(crate) fn expire(&self) {
        let mut places = self.wheel.0.places.borrow_mut();
        let place = &mut places[self.key];
        place.is_expired = true;
        place.wake();
    }

    /// What it waits for.
    pub(crate) fn waits_for(&self) -> Wait {
        self.wheel.0.places.borrow()[self.key].wait
    }

    /// Ready once it has passed, until the next wait, or once it was expired. Only the last task to poll is woken.
    pub(crate) fn poll_passed(&self, cx: &Context<'_>) -> Poll<Wait> {
        let mut places = self.wheel.0.places.borrow_mut();
        let place = &mut places[self.key];
        if place.has_passed || place.is_expired {
            return Poll::Ready(place.wait);
        }
        let is_known = place
            .waker
            .as_ref()
            .is_some_and(|it| it.will_wake(cx.waker()));
        if !is_known {
            place.waker = Some(cx.waker().clone());
        }
        Poll::Pending
    }

    /// Runs `work` for no longer than `wait` may take.
    pub(crate) async fn within<F: Future>(
        &self,
        wait: Wait,
        work: F,
    ) -> Result<F::Output, Overdue> {
        self.wait(wait);
        let mut work = pin!(work);
        let done = poll_fn(|cx| match work.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Ok(output)),
            Poll::Pending => self.poll_passed(cx).map(|_| Err(Overdue)),
        });
        let output = done.await;
        self.wait(Wait::Nothing);
        output
    }
}

impl Drop for Deadline {
    fn drop(&mut self) {
        self.wheel.0.places.borrow_mut().remove(self.key);
    }
}

impl Place {
    fn pass(&mut self) {
        self.at = None;
        self.has_passed = true;
        self.wake();
    }

    fn wake(&self) {
        if let Some(waker) = &self.waker {
            waker.wake_by_ref();
        }
    }
}

impl Wait {
    fn limit(self, timeouts: &Timeouts) -> Option<Duration> {
        match self {
            Self::Nothing => None,
            Self::Handshake => Some(timeouts.tls_handshake),
            Self::Lull => Some(LULL.min(timeouts.client_idle)),
            Self::Request | Self::Stream => Some(timeouts.client_idle),
            Self::Head => Some(timeouts.request_head),
            Self::Body | Self::Upload | Self::Download | Self::Reader | Self::Flush => {
                Some(timeouts.body_idle)
            }
            Self::Reply => Some(timeouts.response_head),
            Self::Tunnel => Some(timeouts.tunnel_idle),
            Self::Leaving | Self::Farewell => Some(FAREWELL),
            Self::HalfClosed => Some(timeouts.half_closed),
            Self::Look => Some(LOOK),
        }
    }
}

/// How long a client may take to leave after it was told to, and an end of a tunnel after the other one has closed.
const FAREWELL: Duration = Duration::from_secs(2);

/// How often a client that is not read from is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// How long a client's connection keeps what a request needs after the last one: most clients that go on at all go on
/// within that.
const LULL: Duration = Duration::from_millis(500);

/// Added to a span, so that a part of a turn counts as one.
const PART_OF_A_TURN: Duration = Duration::from_millis(99);

/// Whole turns in `span`.
fn turns_in(span: Duration) -> u64 {
    u64::try_from(span.as_millis() / TURN.as_millis()).unwrap_or(u64::MAX / 2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    fn timeouts() -> Timeouts {
        let span = Duration::from_secs(1);
        Timeouts {
            tls_handshake: span,
            request_head: span,
            body_idle: span,
            client_idle: span,
            connect: span,
            response_head: span,
            half_closed: span,
            upstream_idle: span,
            tunnel_idle: span,
            drain: span,
            upgrade: span,
        }
    }

    #[test]
    fn a_wait_that_passed_is_undone_by_the_next_and_an_expiry_by_nothing() {
        let start = clock::now();
        let wheel = Wheel::new(timeouts(), start);
        let deadline = wheel.place();
        let cx = Context::from_waker(Waker::noop());
        deadline.wait(Wait::Tunnel);
        assert_eq!(deadline.poll_passed(&cx), Poll::Pending);
        wheel.turn(start + Duration::from_secs(2));
        assert_eq!(deadline.poll_passed(&cx), Poll::Ready(Wait::Tunnel));
        deadline.touch();
        assert_eq!(deadline.poll_passed(&cx), Poll::Pending);
        deadline.expire();
        deadline.touch();
        assert_eq!(deadline.poll_passed(&cx), Poll::Ready(Wait::Tunnel));
    }
}
