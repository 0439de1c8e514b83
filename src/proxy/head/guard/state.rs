//! What a connection's guard and its service tell each other.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    task::Waker,
};

use crate::measure::Rejection;

/// The service's side of a [`super::Guard`]. Cheap to clone; belongs to the connection's thread.
///
/// Requests are counted on both sides: hyper hands over one for each head that passed the guard, in the same order.
/// So a refusal is told for exactly the request that stands in for the refused one, however many were pipelined
/// before it.
#[derive(Clone, Debug)]
pub struct GuardState(Rc<Shared>);

#[derive(Debug)]
struct Shared {
    /// Heads that the guard let pass, the stand-in for a refused one included.
    passed: Cell<u64>,
    /// Requests that the service took on.
    served: Cell<u64>,
    /// Turns that are over.
    ended: Cell<u64>,
    /// The number of the request that is refused, and why.
    refused: Cell<Option<(u64, Rejection)>>,
    has_body_fault: Cell<bool>,
    is_tunnel: Cell<bool>,
    is_partial: Cell<bool>,
    /// Wakes the guard when an upgrade is decided.
    waiting: RefCell<Option<Waker>>,
}

/// One request's turn on its connection: keep it until the response's body has ended.
///
/// Dropping it says that the request is over, and that an upgrade it asked for was not granted.
#[derive(Debug)]
pub struct Turn {
    state: GuardState,
    number: u64,
}

/// What became of an upgrade that a request asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Upgrade {
    Granted,
    Declined,
    Undecided,
}

impl GuardState {
    pub(super) fn new() -> Self {
        Self(Rc::new(Shared {
            passed: Cell::default(),
            served: Cell::default(),
            ended: Cell::default(),
            refused: Cell::default(),
            has_body_fault: Cell::default(),
            is_tunnel: Cell::default(),
            is_partial: Cell::default(),
            waiting: RefCell::default(),
        }))
    }

    /// Begins the turn of the next request. To be called exactly once, first of all, for each request that hyper
    /// hands to the service.
    ///
    /// # Errors
    /// The reason to refuse it. The request is then not what the client sent but stands in for it: answer it with
    /// the reason's status and `Connection: close`, and nothing else.
    pub fn next_request(&self) -> Result<Turn, Rejection> {
        let number = self.0.served.get() + 1;
        self.0.served.set(number);
        let turn = Turn {
            state: self.clone(),
            number,
        };
        match self.0.refused.get() {
            Some((refused, rejection)) if refused == number => Err(rejection),
            _ => Ok(turn),
        }
    }

    /// Whether part of a head has come whose end has not: with a request before it, it may have come together with that.
    #[must_use]
    pub fn has_partial_head(&self) -> bool {
        self.0.is_partial.get()
    }

    /// Whether a request's body broke its framing. Its reader got an error then, and the connection serves no
    /// further request.
    pub(super) fn has_body_fault(&self) -> bool {
        self.0.has_body_fault.get()
    }

    pub(super) fn set_passed(&self, heads: u64) {
        self.0.passed.set(heads);
    }

    /// The next head is refused; a stand-in for it passes instead.
    pub(super) fn refuse(&self, rejection: Rejection) {
        let number = self.0.passed.get() + 1;
        self.0.passed.set(number);
        self.0.refused.set(Some((number, rejection)));
    }

    pub(super) fn set_body_fault(&self) {
        self.0.has_body_fault.set(true);
    }

    /// Whether the guard refused something, so that the client may still be sending.
    pub(super) fn has_refused(&self) -> bool {
        self.0.refused.get().is_some() || self.has_body_fault()
    }

    /// Notes whether part of a head has come.
    pub(super) fn set_partial(&self, is_partial: bool) {
        self.0.is_partial.set(is_partial);
    }

    /// What became of the upgrade that the last passed request asks for; `waker` is called when that is decided.
    pub(super) fn poll_upgrade(&self, waker: &Waker) -> Upgrade {
        if self.0.is_tunnel.get() {
            Upgrade::Granted
        } else if self.0.ended.get() >= self.0.passed.get() {
            Upgrade::Declined
        } else {
            self.0.waiting.replace(Some(waker.clone()));
            Upgrade::Undecided
        }
    }
}

impl Turn {
    /// Grants the upgrade that the request asks for: to be called before the 101 is handed to hyper. From now on
    /// every byte passes.
    pub fn tunnel(self) {
        self.state.0.is_tunnel.set(true);
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let shared = &self.state.0;
        // Turns end in the order of their requests, but for one that was refused while its predecessor's body is
        // still being written; the highest number counts.
        shared.ended.set(shared.ended.get().max(self.number));
        if let Some(waker) = shared.waiting.take() {
            waker.wake();
        }
    }
}
