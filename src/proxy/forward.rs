//! Sending a request: the lease, the last look at the table, the send, its one repetition, and old in new's place.
//!
//! ```text
//! lease ──▶ is the generation still in force? ──▶ send ──▶ response head
//!   ▲            │ no: assign again                 │
//!   └────────────┴── unsent, or broken and safe ◀───┘
//! ```
//! A request is sent at most twice, the second time only if it is safe to repeat (an idempotent method without a
//! body) or if nothing of the first send left. Refused connects cost none.

use std::{future::poll_fn, pin::pin, rc::Rc, task::Poll, time::Duration};

use http::Version;
use http_body::Body;
use tokio::time::{Instant, sleep_until};

use crate::{
    measure::Class,
    plan::{DrillFault, EndpointId, Plan, Scheme},
    proxy::{
        body::Upload,
        exchange::{Hold, UploadState},
        failure::Failure,
        footing::Footing,
        head::{
            BodyFraming, ClientScheme, Destination, Protocol, RequestHead, RequestHop,
            ResponseHead, host_sent, translate,
        },
        relay::Visit,
        reply::hint,
        request::Intake,
        shadow::Tap,
        upstream::{BreakKind, ConnectError, Lease, SendError, UpstreamBody, Want},
        wheel::Wait,
    },
    split::{Assignment, Cause, Intent},
    units::{Share, Side},
};

/// Sends of one request in all.
const SENDS_MAX: u8 = 2;

/// Connections that may prove closed before a byte was sent, until the side counts as not to be reached. More than one,
/// since an endpoint that restarts leaves every idle connection of a pool in that state.
const UNSENT_MAX: u8 = 4;

/// A request on its way.
pub(crate) struct Journey {
    /// What it was taken in by.
    pub(crate) footing: Rc<Footing>,
    pub(crate) intake: Intake,
    assignment: Assignment,
    head: RequestHead,
    /// Gone while it is with a connection, and for good when it cannot be sent again.
    body: Option<Upload>,
    /// The side that is tried now.
    side: Side,
    sends: u8,
    unsent: u8,
    /// The endpoint that failed last.
    avoid: Option<u16>,
    /// How the last send failed.
    last: Option<Failure>,
    /// What old answers in place of.
    failed_over: Option<Class>,
    /// Whether a drill could have touched it before; none does twice.
    is_drilled: bool,
    /// Whether new was left out by a drill, and could be asked yet.
    may_ask_new: bool,
    /// What is kept of it, if it is copied.
    pub(crate) tap: Option<Box<Tap>>,
}

/// An endpoint's answer.
pub(crate) struct Answer {
    pub(crate) head: ResponseHead,
    pub(crate) body: UpstreamBody<Upload>,
    pub(crate) endpoint: EndpointId,
}

/// How one send ended without an answer.
#[derive(Clone, Copy, Debug)]
enum Missed {
    /// The request is back and may be sent again.
    Unsent,
    /// It is not known what the endpoint did with it.
    Broken(Failure),
    /// It is over.
    Over(Failure),
}

impl Journey {
    pub(crate) fn new(
        footing: Rc<Footing>,
        (intake, assignment): (Intake, Assignment),
        head: RequestHead,
        body: Upload,
    ) -> Self {
        Self {
            footing,
            intake,
            assignment,
            head,
            body: Some(body),
            side: assignment.side,
            sends: 0,
            unsent: 0,
            avoid: None,
            last: None,
            failed_over: None,
            is_drilled: false,
            may_ask_new: false,
            tap: None,
        }
    }

    /// It is copied once old has answered it, if there is a tap.
    pub(crate) fn copied(mut self, tap: Option<Box<Tap>>) -> Self {
        self.tap = tap;
        self
    }

    /// How the request came to its side.
    pub(crate) const fn assignment(&self) -> Assignment {
        self.assignment
    }

    /// Whether the request may be sent now to the side that it has a connection to. If the table has changed since it was
    /// assigned, it is assigned again: a rollback holds for whoever waited for a connection.
    fn may_go(&mut self, hold: &Hold) -> bool {
        let is_olds = self.side == Side::Old && (self.sends > 0 || self.failed_over.is_some());
        if is_olds {
            return true; // Nothing is ever withdrawn from old.
        }
        let mut reader = hold.worker().table.borrow_mut();
        if reader.is_in_force(self.assignment.generation) {
            return true;
        }
        let table = reader.table();
        let assignment = self
            .footing
            .with_rules(table, |table| self.intake.assign(table));
        if self.sends > 0 {
            if assignment.side == self.side {
                return true;
            }
            // What new failed at stays new's, though it may not be tried again there.
            self.let_old_answer(self.last.unwrap_or(Failure::Reset));
            return false;
        }
        hold.reassign(assignment);
        self.assignment = assignment;
        let stays = assignment.side == self.side;
        if !stays {
            self.side = assignment.side;
            self.avoid = None;
        }
        stays
    }

    /// The side gave no connection: old takes new's place, or that is the end.
    fn not_reached(&mut self, hold: &Hold, error: &ConnectError) -> Result<(), Failure> {
        let failure = Failure::from(error);
        tracing::debug!(%error, side = self.side.as_str(), "no connection for a request");
        if let Some(endpoint) = error.endpoint()
            && self.failed_over.is_none()
        {
            hold.not_reached(endpoint.index);
        }
        if self.fail_over(failure) || self.ask_new_after_all() {
            return Ok(());
        }
        Err(failure)
    }

    /// Old, which was to answer in place of a new that a drill left out, cannot be reached: new may be there.
    fn ask_new_after_all(&mut self) -> bool {
        let may = std::mem::take(&mut self.may_ask_new) && self.side == Side::Old;
        if may {
            self.side = Side::New;
            self.failed_over = None;
            self.avoid = None;
            self.unsent = 0;
        }
        may
    }

    /// A send had no answer: it is repeated, or that is the end.
    fn missed(&mut self, missed: Missed, endpoint: EndpointId) -> Result<(), Failure> {
        self.avoid = Some(endpoint.index);
        match missed {
            Missed::Over(failure) => Err(failure),
            Missed::Unsent => {
                self.unsent += 1;
                let is_reached = self.unsent < UNSENT_MAX;
                if is_reached || self.fail_over(Failure::Connect) {
                    return Ok(());
                }
                Err(Failure::Connect)
            }
            Missed::Broken(failure) => {
                self.sends += 1;
                self.last = Some(failure);
                match self.body {
                    Some(_) => Ok(()),
                    None => Err(failure),
                }
            }
        }
    }

    /// Lets old answer in new's place, if the request may go there: it still is here, so nothing of it was sent or it is
    /// safe to repeat. A tester who forced new wants new's answer, and gets it. What a rule sends to new and may change
    /// something there must not change it in old's data instead.
    fn fail_over(&mut self, failure: Failure) -> bool {
        let may_leave_new = match self.assignment.cause {
            Cause::Weighted | Cause::Kept => true,
            Cause::Pinned | Cause::Writes => self.intake.intent == Intent::Read,
            Cause::Forced => false,
        };
        let may = self.side == Side::New && may_leave_new && self.body.is_some();
        if may {
            self.let_old_answer(failure);
        }
        may
    }

    fn let_old_answer(&mut self, failure: Failure) {
        self.let_old_answer_for(failure.class());
    }

    fn let_old_answer_for(&mut self, class: Class) {
        self.side = Side::Old;
        self.failed_over = Some(class);
        self.avoid = None;
        self.unsent = 0;
    }

    /// The fault that a drill injects into this request. Only what old can answer in new's place is touched: a read without
    /// a body, which the weight sent to new.
    fn injected(&mut self, hold: &Hold) -> Option<DrillFault> {
        let injection = hold.worker().injected.get()?;
        let is_first = !std::mem::replace(&mut self.is_drilled, true);
        let may_be_touched = is_first
            && self.side == Side::New
            && self.assignment.cause == Cause::Weighted
            && self.intake.intent == Intent::Read
            && self.body.as_ref().is_some_and(Body::is_end_stream);
        let is_touched = may_be_touched && is_drawn(injection.share);
        is_touched.then_some(injection.fault)
    }

    /// Plays a drill's fault.
    async fn suffer(&mut self, hold: &Hold, fault: DrillFault) {
        hold.worker().recorder.drilled();
        match fault {
            DrillFault::Errors => {
                self.let_old_answer_for(Class::ServerError);
                self.may_ask_new = true;
            }
            DrillFault::Refused => {
                self.footing.upstreams.refuse(Side::New);
                self.let_old_answer(Failure::Connect);
                self.may_ask_new = true;
            }
            DrillFault::Latency(micros) => {
                // Boxed: hardly any request waits so, and every one would have room for it.
                Box::pin(wait_as_injected(hold, micros)).await;
            }
        }
    }

    /// Takes the body for a connection, and leaves one if it may be sent once more after this.
    fn take_body(&mut self) -> Option<Upload> {
        let may_repeat = self.sends + 1 < SENDS_MAX
            && self.intake.method.is_idempotent()
            && self.intake.hop.upgrade.is_none();
        let body = self.body.take()?;
        if may_repeat && body.is_end_stream() {
            self.body = Some(Upload::empty());
        }
        Some(body)
    }

    /// Rewrites the head for a connection.
    fn address(&mut self, lease: &Lease<Upload>, body: &Upload) {
        let framing = if body.is_end_stream() {
            BodyFraming::Empty
        } else {
            BodyFraming::Streamed
        };
        let asked = (&self.intake.hop, self.intake.authority.as_str());
        address(&mut self.head, lease, self.footing.plan(), asked, framing);
    }
}

/// Draws once, with this share for the chance.
pub(crate) fn is_drawn(share: Share) -> bool {
    fastrand::u32(..Share::WHOLE.parts_per_million()) < share.parts_per_million()
}

/// Rewrites a request's head for a connection; of the request itself it takes what its hop-by-hop fields said, and the host
/// that its client named.
pub(crate) fn address<B>(
    head: &mut RequestHead,
    lease: &Lease<B>,
    plan: &Plan,
    (hop, authority): (&RequestHop, &str),
    framing: BodyFraming,
) {
    let upstream = &plan.upstreams[lease.endpoint().side];
    let protocol = match lease.version() {
        Version::HTTP_2 => Protocol::H2,
        _ => Protocol::H1,
    };
    let destination = Destination {
        protocol,
        scheme: match lease.scheme() {
            Scheme::Http | Scheme::H2c => ClientScheme::Http,
            Scheme::Https => ClientScheme::Https,
        },
        authority: host_sent(&upstream.host, authority),
    };
    translate(head, hop, destination, framing);
}

/// Waits for so many microseconds, or until nothing is injected any more.
async fn wait_as_injected(hold: &Hold, micros: u32) {
    const SLICE: Duration = Duration::from_millis(50);
    let until = Instant::now() + Duration::from_micros(u64::from(micros));
    while hold.worker().injected.get().is_some() && Instant::now() < until {
        sleep_until(until.min(Instant::now() + SLICE)).await;
    }
}

/// Sends the request until there is an answer or nothing more may be done.
pub(crate) async fn forward(
    visit: &Visit,
    hold: &Hold,
    journey: &mut Journey,
) -> Result<Answer, Failure> {
    loop {
        // Before a connection is sought too, so that none is opened to a side that was withdrawn.
        journey.may_go(hold);
        if let Some(fault) = journey.injected(hold) {
            journey.suffer(hold, fault).await;
            // Everything may have gone back meanwhile.
            continue;
        }
        let want = match journey.intake.hop.upgrade {
            Some(_) => Want::Http1,
            // What broke may have broken because it was idle for too long; so may be the next idle one.
            None if journey.sends > 0 => Want::Fresh,
            None => Want::Any,
        };
        let footing = Rc::clone(&journey.footing);
        let upstreams = &footing.upstreams;
        let (side, avoid) = (journey.side, journey.avoid);
        let leased = match journey.assignment.cause {
            Cause::Forced => upstreams.lease_uncounted(side, want, avoid).await,
            Cause::Pinned | Cause::Writes | Cause::Kept | Cause::Weighted => {
                upstreams.lease(side, want, avoid).await
            }
        };
        let lease = match leased {
            Ok(lease) => lease,
            Err(error) => {
                journey.not_reached(hold, &error)?;
                continue;
            }
        };
        if !journey.may_go(hold) {
            continue;
        }
        let endpoint = lease.endpoint();
        match send(visit, hold, journey, lease).await {
            Ok((head, body)) => {
                return Ok(Answer {
                    head,
                    body,
                    endpoint,
                });
            }
            Err(missed) => journey.missed(missed, endpoint)?,
        }
    }
}

/// Sends the request once, within the limits on what it waits for.
async fn send(
    visit: &Visit,
    hold: &Hold,
    journey: &mut Journey,
    lease: Lease<Upload>,
) -> Result<(ResponseHead, UpstreamBody<Upload>), Missed> {
    let index = lease.endpoint().index;
    match journey.failed_over {
        Some(class) => hold.fail_over(index, class),
        None => hold.choose(index),
    }
    let Some(body) = journey.take_body() else {
        return Err(Missed::Over(journey.last.unwrap_or(Failure::Reset)));
    };
    journey.address(&lease, &body);
    hold.send_begins();
    let (sent, intake) = (&journey.head, &journey.intake);
    let plan = journey.footing.plan();
    let side = lease.endpoint().side;
    let mut interim = |head| hint(visit, plan, intake, side, head);
    let mut sending = pin!(lease.send(sent, body, &mut interim));
    let sent = poll_fn(|cx| match sending.as_mut().poll(cx) {
        Poll::Ready(sent) => Poll::Ready(Ok(sent)),
        Poll::Pending => hold.deadline().poll_passed(cx).map(Err),
    });
    match sent.await {
        Ok(Ok(response)) => {
            hold.send_ended();
            Ok(response)
        }
        Ok(Err(SendError::Unsent { body, source })) => {
            tracing::debug!(error = %source, "a request was not sent");
            hold.send_was_none();
            journey.body = Some(body);
            Err(Missed::Unsent)
        }
        Ok(Err(SendError::Broken { kind, source })) => {
            tracing::debug!(error = %source, "a request broke");
            hold.send_ended();
            Err(broken(hold, kind))
        }
        Err(wait) => {
            hold.send_ended();
            Err(Missed::Over(match wait {
                Wait::Body => Failure::BodyTimeout,
                _ => Failure::Timeout,
            }))
        }
    }
}

fn broken(hold: &Hold, kind: BreakKind) -> Missed {
    // The endpoint's end of it may only echo what the client did first.
    if hold.upload() == UploadState::Broken {
        return Missed::Over(Failure::Body);
    }
    let failure = Failure::from(kind);
    match kind {
        BreakKind::Reset => Missed::Broken(failure),
        // Something of an answer came, so the endpoint did something with the request: it is not asked again.
        BreakKind::Truncated | BreakKind::Protocol | BreakKind::Upload => Missed::Over(failure),
    }
}
