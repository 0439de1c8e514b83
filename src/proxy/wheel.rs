//! Time-outs, kept coarsely: one wheel a worker, turned ten times a second, in place of a timer a request.
//!
//! Whatever a client's connection (HTTP/1) or stream (HTTP/2) waits for now is written into its [`Deadline`];
//! that costs one store and no clock. A deadline passes at the first turn after its span, so up to two turns
//! late and never early.
//!
//! Whoever sends a body or takes one has a budget of waiting beside that, which is as long as a body may pause: waiting uses it
//! up, and each byte that moves gives a little back, at the least rate of a body. A client that moves a byte now and then
//! would hold on for as long as it likes otherwise.

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
    /// Bytes a second that a body moves at least; 0 is no limit.
    body_rate: Cell<u64>,
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
    /// The turn at which the wait began.
    since: u64,
    patience: Patience,
    has_passed: bool,
    /// Passed for good: no further wait undoes it.
    is_expired: bool,
    waker: Option<Waker>,
}

/// How much longer a client may be waited for in all, while bodies move.
#[derive(Clone, Copy, Debug, Default)]
struct Patience {
    /// Turns that were used up.
    used: u64,
    /// Bytes that have moved and did not give a turn back yet.
    spare: u64,
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
    /// `body_rate` is the least rate of a body in bytes a second; 0 is no limit.
    pub(crate) fn new(timeouts: Timeouts, body_rate: u64, now: Instant) -> Self {
        Self(Rc::new(Inner {
            timeouts: Cell::new(timeouts),
            body_rate: Cell::new(body_rate),
            started: now,
            turns: Cell::new(0),
            places: RefCell::new(Slab::new()),
        }))
    }

    /// Limits every wait by these from its beginning on; those that have begun keep their limits.
    pub(crate) fn observe(&self, timeouts: Timeouts, body_rate: u64) {
        self.0.timeouts.set(timeouts);
        self.0.body_rate.set(body_rate);
    }

    /// A new place, waiting for nothing.
    pub(crate) fn place(&self) -> Deadline {
        let key = self.0.places.borrow_mut().insert(Place {
            wait: Wait::Nothing,
            at: None,
            since: 0,
            patience: Patience::default(),
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
        let turns = inner.turns.get();
        let limit = wait.limit(&inner.timeouts.get());
        let limit = limit.map(|span| turns_in(span + PART_OF_A_TURN));
        let mut places = inner.places.borrow_mut();
        let place = &mut places[self.key];
        place.spend(turns);
        if wait.begins_anew() {
            place.patience = Patience::default();
        }
        let is_limited = wait.is_for_body() && inner.body_rate.get() > 0;
        let used = if is_limited { place.patience.used } else { 0 };
        place.wait = wait;
        // One more turn than the span has, because the current one has begun already.
        place.at = limit.map(|limit| turns.saturating_add(limit.saturating_sub(used) + 1));
        place.has_passed = false;
    }

    /// So many bytes of a body have moved between the client and us.
    pub(crate) fn moved(&self, bytes: u64) {
        let inner = &self.wheel.0;
        let mut places = inner.places.borrow_mut();
        let place = &mut places[self.key];
        place.spend(inner.turns.get());
        place.patience.give_back(bytes, inner.body_rate.get());
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

impl Patience {
    /// So many bytes have moved, which is worth some turns at that rate. What was not used up cannot be saved up.
    const fn give_back(&mut self, bytes: u64, rate: u64) {
        if rate == 0 {
            return;
        }
        let moved = self
            .spare
            .saturating_add(bytes)
            .saturating_mul(TURNS_PER_SECOND);
        self.used = self.used.saturating_sub(moved / rate);
        self.spare = match self.used {
            0 => 0,
            _ => moved % rate / TURNS_PER_SECOND,
        };
    }
}

impl Place {
    /// What the wait has taken so far is used up, if it is one for the client while bodies move.
    const fn spend(&mut self, turns: u64) {
        if self.wait.is_for_body() {
            let taken = turns.saturating_sub(self.since);
            self.patience.used = self.patience.used.saturating_add(taken);
        }
        self.since = turns;
    }

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
    /// Whether it is for the client, while a body moves: what a least rate is about.
    const fn is_for_body(self) -> bool {
        matches!(self, Self::Body | Self::Reader | Self::Flush)
    }

    /// Whether it comes before a request, so that nothing of one was waited for.
    const fn begins_anew(self) -> bool {
        matches!(
            self,
            Self::Handshake | Self::Lull | Self::Request | Self::Stream | Self::Head
        )
    }

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
        let wheel = Wheel::new(timeouts(), 0, start);
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

    /// A client that moves `bytes` each `pause`, on a wheel whose waits are a second: after how long it is overdue, within a
    /// minute. Its other end takes `idle` before it is waited for again.
    fn overdue(wait: Wait, rate: u64, bytes: u64, pause: u64, idle: u64) -> Option<u64> {
        let start = clock::now();
        let wheel = Wheel::new(timeouts(), rate, start);
        let deadline = wheel.place_for(wait);
        let cx = Context::from_waker(Waker::noop());
        let mut millis = 0;
        while millis < 60_000 {
            for _ in 0..pause / 10 {
                millis += 10;
                wheel.turn(start + Duration::from_millis(millis));
                if deadline.poll_passed(&cx).is_ready() {
                    return Some(millis);
                }
            }
            deadline.moved(bytes);
            deadline.wait(Wait::Upload);
            millis += idle;
            wheel.turn(start + Duration::from_millis(millis));
            deadline.wait(wait);
        }
        None
    }

    #[test]
    fn a_client_that_moves_too_little_is_overdue_though_it_always_moves() {
        for wait in [Wait::Body, Wait::Reader, Wait::Flush] {
            for pause in [50, 200, 900] {
                let found = overdue(wait, 240, 1, pause, 0);
                assert!(matches!(found, Some(900..=2_500)), "{found:?}");
                assert_eq!(overdue(wait, 0, 1, pause, 0), None);
            }
            // What only just suffices does.
            assert_eq!(overdue(wait, 240, 240, 900, 0), None);
            assert_eq!(overdue(wait, 240, 13, 50, 0), None);
            // The time that the other end takes is none of the client's.
            assert_eq!(overdue(wait, 240, 60, 200, 900), None);
            // A pause longer than bodies may make is one still.
            assert_eq!(overdue(wait, 240, 1 << 20, 1_500, 0), Some(1_100));
        }
    }

    #[test]
    fn the_next_request_begins_with_all_patience() {
        let start = clock::now();
        let wheel = Wheel::new(timeouts(), 240, start);
        let deadline = wheel.place_for(Wait::Body);
        let cx = Context::from_waker(Waker::noop());
        for second in 1_u64..20 {
            wheel.turn(start + Duration::from_millis(second * 900));
            assert_eq!(deadline.poll_passed(&cx), Poll::Pending);
            deadline.wait(Wait::Head);
            deadline.wait(Wait::Body);
        }
    }
}
