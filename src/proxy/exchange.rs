//! One request from its assignment to its outcome: what its service, its body and its response's body share.
//!
//! It owns the request's [`Ticket`] and says in one place what each event means for the measurement and for the
//! wait that is limited now, so that every assigned request has exactly one outcome, blamed on whom it belongs to.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    task::{Context, Poll},
};

use http::StatusCode;

use crate::{
    measure::{Class, Outcome, Ticket},
    proxy::{
        wheel::{Deadline, Wait},
        worker::{Stage, Worker},
    },
    split::{Assignment, WriterCell},
    units::Side,
};

/// One request in work.
pub(crate) struct Exchange {
    worker: Rc<Worker>,
    deadline: Rc<Deadline>,
    talk: Talk,
    ticket: RefCell<Option<Ticket>>,
    /// Where it is kept count of, if it may change something and the plan wants that, and its place among open writes.
    writer: Option<(WriterCell, usize)>,
    /// Who answers.
    side: Cell<Side>,
    send: Cell<Send>,
    upload: Cell<UploadState>,
    reply: Cell<ReplyState>,
    failed_over: Cell<Option<Class>>,
    status: Cell<Option<StatusCode>>,
    bytes_up: Cell<u64>,
    bytes_down: Cell<u64>,
}

/// Whose turn it is while both bodies are open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Talk {
    /// The client says all it has to say, and is answered then.
    InTurn,
    /// Both say something whenever they like, as in gRPC: a client without a piece ready may be waiting for an answer to
    /// the ones before. If nothing moves either way for the time that a body may pause, that is the endpoint's fault,
    /// once the client has said something.
    AtOnce,
}

/// How far the request's body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UploadState {
    /// Nothing of it was asked for yet.
    Waiting,
    /// On its way.
    Flowing,
    /// At its end, or there is none.
    Ended,
    /// The client broke it.
    Broken,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ReplyState {
    Awaited,
    Begun,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Send {
    No,
    /// Something of the request may have left, and no answer to that is in yet.
    Open,
}

impl Exchange {
    /// Takes over a request that was assigned just now.
    pub(crate) fn new(
        worker: Rc<Worker>,
        deadline: Rc<Deadline>,
        ticket: Ticket,
        upload: UploadState,
        talk: Talk,
    ) -> Self {
        Self {
            worker,
            deadline,
            talk,
            ticket: RefCell::new(Some(ticket)),
            writer: None,
            side: Cell::new(Side::Old),
            send: Cell::new(Send::No),
            upload: Cell::new(upload),
            reply: Cell::new(ReplyState::Awaited),
            failed_over: Cell::new(None),
            status: Cell::new(None),
            bytes_up: Cell::new(0),
            bytes_down: Cell::new(0),
        }
    }

    /// For a client whose writes are kept count of, on the side that it is assigned to.
    pub(crate) fn by(mut self, writer: Option<WriterCell>, side: Side) -> Self {
        self.writer = writer.map(|cell| (cell, self.worker.open_writes.enter(cell)));
        self.side = Cell::new(side);
        self
    }

    pub(crate) fn worker(&self) -> &Rc<Worker> {
        &self.worker
    }

    pub(crate) fn deadline(&self) -> &Rc<Deadline> {
        &self.deadline
    }

    /// How far the request's body is.
    pub(crate) fn upload(&self) -> UploadState {
        self.upload.get()
    }

    /// The table changed before anything was sent.
    pub(crate) fn reassign(&self, assignment: Assignment) {
        self.side.set(assignment.side);
        let now = self.worker.now();
        self.with_ticket(|it| it.reassign(assignment, now));
    }

    /// An endpoint of the assigned side gave no connection.
    pub(crate) fn not_reached(&self, endpoint: u16) {
        self.with_ticket(|it| it.not_reached(endpoint));
    }

    /// An endpoint of the assigned side is to get the request.
    pub(crate) fn choose(&self, endpoint: u16) {
        self.with_ticket(|it| it.choose(endpoint));
    }

    /// An endpoint of old is to get the request in new's place, whose failure was `class`.
    pub(crate) fn fail_over(&self, endpoint: u16, class: Class) {
        self.side.set(Side::Old);
        self.failed_over.set(Some(class));
        self.with_ticket(|it| it.fail_over(endpoint));
    }

    /// Whether old answers in new's place.
    pub(crate) fn has_failed_over(&self) -> bool {
        self.failed_over.get().is_some()
    }

    /// The request is given to a connection.
    pub(crate) fn send_begins(&self) {
        self.send.set(Send::Open);
        let wait = match self.upload.get() {
            UploadState::Waiting => Wait::Upload,
            UploadState::Flowing | UploadState::Ended | UploadState::Broken => Wait::Reply,
        };
        self.deadline.wait(wait);
    }

    /// Not a byte of it left.
    pub(crate) fn send_was_none(&self) {
        self.send.set(Send::No);
        self.deadline.wait(Wait::Nothing);
    }

    /// It left, and the answer to that is in, good or bad.
    pub(crate) fn send_ended(&self) {
        if self.send.replace(Send::No) == Send::Open {
            self.with_ticket(|it| {
                it.sent();
            });
        }
        self.deadline.wait(Wait::Nothing);
    }

    /// The response head is in, of which the client gets `status`.
    pub(crate) fn head(&self, status: StatusCode) {
        self.reply.set(ReplyState::Begun);
        self.status.set(Some(status));
        let now = self.worker.now();
        self.with_ticket(|it| it.head(now));
        self.may_have_written();
    }

    /// The endpoint takes the request's body, and the client has no piece ready.
    pub(crate) fn upload_awaits_client(&self) {
        if self.upload.get() == UploadState::Ended {
            return; // Only the sign of its end is to come.
        }
        self.upload_begins();
        if self.talk == Talk::AtOnce && self.bytes_up.get() > 0 {
            return; // The wait for the endpoint goes on that began with the last piece.
        }
        if self.reply.get() == ReplyState::Awaited && self.deadline.waits_for() != Wait::Body {
            self.deadline.wait(Wait::Body);
        }
    }

    /// A piece of the request's body is on its way.
    pub(crate) fn upload_passed(&self, bytes: u64) {
        if self.upload.get() == UploadState::Ended {
            return; // Trailers, after the last byte.
        }
        self.upload_begins();
        self.bytes_up.set(self.bytes_up.get() + bytes);
        self.deadline.moved(bytes);
        let now = self.worker.now();
        self.with_ticket(|it| it.body_progressed(now));
        match self.reply.get() {
            ReplyState::Awaited => self.deadline.wait(Wait::Upload),
            ReplyState::Begun => self.deadline.touch(),
        }
    }

    /// The request's body is at its end.
    pub(crate) fn upload_ended(&self) {
        if self.upload.replace(UploadState::Ended) == UploadState::Ended {
            return;
        }
        let now = self.worker.now();
        self.with_ticket(|it| it.body_sent(now));
        if self.reply.get() == ReplyState::Awaited {
            self.deadline.wait(Wait::Reply);
        }
    }

    /// The client broke the request's body.
    pub(crate) fn upload_broke(&self) {
        self.upload.set(UploadState::Broken);
    }

    fn upload_begins(&self) {
        if self.upload.get() == UploadState::Waiting {
            self.upload.set(UploadState::Flowing);
            self.with_ticket(Ticket::body_started);
        }
    }

    /// The client takes the response's body, and the endpoint has no piece ready. Ready once that is overdue.
    pub(crate) fn poll_download(&self, cx: &Context<'_>) -> Poll<Wait> {
        if self.deadline.waits_for() != Wait::Download {
            self.deadline.wait(Wait::Download);
        }
        self.deadline.poll_passed(cx)
    }

    /// A piece of the response's body is on its way.
    pub(crate) fn download_passed(&self, bytes: u64) {
        self.bytes_down.set(self.bytes_down.get() + bytes);
        self.deadline.moved(bytes);
        self.deadline.wait(Wait::Reader);
    }

    /// The request ended as `class`. Only the first end counts.
    pub(crate) fn finish(&self, class: Class) {
        let Some(mut ticket) = self.ticket.borrow_mut().take() else {
            return;
        };
        if self.send.get() == Send::Open {
            ticket.sent();
        }
        let outcome = Outcome {
            class: self.failed_over.get().unwrap_or(class),
            status: self.status.get().map(|it| it.as_u16()),
            is_failover: self.has_failed_over(),
            bytes_up: self.bytes_up.get(),
            bytes_down: self.bytes_down.get(),
        };
        ticket.finish(outcome, self.worker.now());
        self.may_have_written();
        if let Some((_, place)) = self.writer {
            self.worker.open_writes.leave(place);
        }
    }

    /// The client may know from now on that something of old's has changed, or old may have changed it without an answer.
    fn may_have_written(&self) {
        if let (Some((cell, _)), Side::Old) = (self.writer, self.side.get()) {
            self.worker.writers.wrote(cell, self.worker.now());
        }
    }

    /// An answer of our own is the end of it.
    pub(crate) fn finish_with(&self, class: Class, status: StatusCode) {
        self.status.set(Some(status));
        self.finish(class);
    }

    /// The client took all there is to take: what is left is to flush it.
    pub(crate) fn leave_reader(&self) {
        self.deadline.wait(Wait::Flush);
    }

    fn with_ticket(&self, apply: impl FnOnce(&mut Ticket)) {
        if let Some(ticket) = &mut *self.ticket.borrow_mut() {
            apply(ticket);
        }
    }
}

/// Whoever holds it works on the request; dropping it before an outcome means that the client went away, or that the
/// drain time was over.
pub(crate) struct Hold(Rc<Exchange>);

impl Hold {
    pub(crate) const fn new(exchange: Rc<Exchange>) -> Self {
        Self(exchange)
    }
}

impl std::ops::Deref for Hold {
    type Target = Rc<Exchange>;

    fn deref(&self) -> &Rc<Exchange> {
        &self.0
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let class = match self.0.worker.stage.get() {
            Stage::Serving | Stage::Draining => Class::ClientAbort,
            Stage::Ending => Class::Proxy,
        };
        self.0.finish(class);
    }
}
