//! What a worker keeps of a request and of old's answer while they pass.

use std::{
    cell::RefCell,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::Method;
use http_body::SizeHint;

use crate::{
    clock,
    plan::{CopiedMethods, Plan, RouteId, RoutePlan, ShadowPlan},
    proxy::{
        exchange::UploadState,
        footing::Footing,
        forward::is_drawn,
        head::{RequestHead, ResponseHead, names::CONTENT_TYPE},
        request::Intake,
        shadow::{CopyDesk, Original, Seat, condition, desk::Drop},
        worker::Worker,
    },
    shadow::Kept,
    split::{Assignment, Cause},
    units::Side,
};

/// A request that is copied once old has answered it. Dropped before that, it is counted as incomplete.
pub(crate) struct Tap {
    desk: CopyDesk,
    /// Gone once it is handed over.
    held: Option<Held>,
}

struct Held {
    plan: Arc<Plan>,
    head: RequestHead,
    intake: Copied,
    request_body: Rc<RefCell<Kept>>,
    answer: Option<ResponseHead>,
    answer_body: Kept,
    seat: Seat,
    since: Instant,
    /// How long old may take for all of it.
    patience: Duration,
}

/// What a copy needs of the intake.
struct Copied {
    hop: crate::proxy::head::RequestHop,
    authority: String,
    client: crate::proxy::head::Client,
    route: RouteId,
    is_unsafe: bool,
}

impl Tap {
    /// Draws whether a request is copied that was assigned just now; `upload` is what is known of the length of its body, if it has one.
    pub(crate) fn draw(
        worker: &Worker,
        footing: &Footing,
        (intake, assignment): (&Intake, Assignment),
        head: &RequestHead,
        upload: Option<SizeHint>,
    ) -> Option<Box<Self>> {
        let plan = footing.plan().shadow.as_ref()?;
        let may = is_drawn(plan.share)
            && worker.copying.get()
            && assignment.side == Side::Old
            && assignment.cause != Cause::Forced
            && intake.hop.upgrade.is_none();
        if !may {
            return None;
        }
        let is_unsafe = upload.is_some() || !is_safe(&intake.method);
        match copied_methods(footing, intake.route) {
            CopiedMethods::None => return None,
            CopiedMethods::Safe if is_unsafe => return None,
            CopiedMethods::Safe | CopiedMethods::All => (),
        }
        // What is known to be too long goes on as fast as it can.
        if upload.is_some_and(|it| usize::try_from(it.lower()).is_ok_and(|it| it > plan.body_bytes))
        {
            worker.desk.drop(Drop::TooLong);
            return None;
        }
        Self::sit(worker, (footing.plan(), plan), intake, head, is_unsafe)
    }

    fn sit(
        worker: &Worker,
        (by, plan): (&Arc<Plan>, &ShadowPlan),
        intake: &Intake,
        head: &RequestHead,
        is_unsafe: bool,
    ) -> Option<Box<Self>> {
        let desk = &worker.desk;
        let held = Held {
            seat: desk.sit(plan.copies)?,
            plan: Arc::clone(by),
            head: head.clone(),
            intake: Copied {
                hop: intake.hop.clone(),
                authority: intake.authority.clone(),
                client: intake.client,
                route: intake.route,
                is_unsafe,
            },
            request_body: Rc::new(RefCell::new(Kept::new(plan.body_bytes))),
            answer: None,
            answer_body: Kept::new(plan.body_bytes),
            since: clock::now(),
            patience: plan.timeout,
        };
        Some(Box::new(Self {
            desk: desk.clone(),
            held: Some(held),
        }))
    }

    /// Where the request's body is kept while it passes.
    pub(crate) fn request_body(&self) -> Option<Rc<RefCell<Kept>>> {
        let held = self.held.as_ref()?;
        Some(Rc::clone(&held.request_body))
    }

    /// Old's answer begins, with this head as old sent it.
    pub(crate) fn answered(&mut self, head: &ResponseHead) {
        if let Some(held) = &mut self.held {
            held.answer = Some(head.clone());
            // A stream of events goes on for as long as somebody listens.
            let kind = head.headers.get(CONTENT_TYPE).unwrap_or_default();
            if kind.to_ascii_lowercase().starts_with(EVENTS) {
                held.patience = Duration::ZERO;
            }
        }
    }

    /// Whether old takes longer for its answer than a copy may take. What goes on for hours would keep others from being copied.
    pub(crate) fn is_late(&self) -> bool {
        let now = clock::now();
        let is_late = |it: &Held| now.saturating_duration_since(it.since) >= it.patience;
        self.held.as_ref().is_some_and(is_late)
    }

    /// A piece of the body of old's answer.
    pub(crate) fn keep(&mut self, piece: &Bytes) {
        if let Some(held) = &mut self.held {
            held.answer_body.push(piece);
        }
    }

    /// Old's answer has come to its end, with the request's body so far.
    pub(crate) fn finish(mut self, upload: UploadState) {
        let Some(mut held) = self.held.take() else {
            return;
        };
        // Answered early: new must not carry out the half of what was asked for.
        if upload != UploadState::Ended {
            return self.desk.drop(Drop::Incomplete);
        }
        let Some(answer) = held.answer else {
            return self.desk.drop(Drop::Incomplete);
        };
        if !held.intake.is_unsafe {
            if condition::decided(answer.status) {
                return;
            }
            condition::lift(&mut held.head.headers, answer.status);
        }
        let body = Rc::try_unwrap(held.request_body)
            .map_or_else(|shared| shared.borrow().clone(), RefCell::into_inner);
        let Some(body) = body.into_whole() else {
            return self.desk.drop(Drop::TooLong);
        };
        let Copied {
            hop,
            authority,
            client,
            route,
            is_unsafe,
        } = held.intake;
        self.desk.hand_over(Original {
            plan: held.plan,
            head: held.head,
            hop,
            authority,
            client,
            route,
            body: Bytes::from(body),
            is_unsafe,
            answer,
            answer_body: held.answer_body,
            seat: held.seat,
        });
    }
}

impl std::ops::Drop for Tap {
    fn drop(&mut self) {
        if self.held.is_some() {
            self.desk.drop(Drop::Incomplete);
        }
    }
}

/// The type of a stream of events.
const EVENTS: &[u8] = b"text/event-stream";

/// Which requests of a route are copied; of what matches no route the safe ones.
fn copied_methods(footing: &Footing, route: RouteId) -> CopiedMethods {
    let route = footing.setup.edition.route(route);
    route.map_or(CopiedMethods::Safe, RoutePlan::copied_methods)
}

/// TRACE is safe too, and shows a client's fields to whoever it reaches.
fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}
