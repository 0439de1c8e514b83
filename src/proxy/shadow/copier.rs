//! Sends copies and compares what comes back, on a thread of its own.

use std::{
    convert::Infallible,
    error::Error,
    io,
    pin::pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll},
    thread,
    time::Duration,
};

use bytes::Bytes;
use http::HeaderName;
use http_body_util::{BodyExt, Full};
use tokio::{
    sync::oneshot,
    task::LocalSet,
    time::{Instant, MissedTickBehavior, timeout},
};

use crate::{
    clock,
    measure::Connects,
    plan::{Plan, RouteId, ShadowPlan, are_compared_alike},
    proxy::{
        Shared,
        buffers::Buffers,
        forward::{address, is_drawn},
        head::{
            BodyFraming, Fields, Name, ResponseContext, ResponseHead, finish_response,
            names::{CONTENT_ENCODING, CONTENT_TYPE, X_CHANGEOVER_SHADOW},
        },
        pipe::{Fill, Pipe},
        setup::Setup,
        shadow::{Original, Seat, desk::CopyQueue},
        upstream::{Chain, Upstreams, Want},
        wheel::TURN,
    },
    shadow::{
        Answer, Compared, Comparison, Difference, Dropped, Kept, Place, Request, Tally, compare,
    },
    split::Copying,
    units::Side,
};

/// From one report to the next.
const REPORT: Duration = Duration::from_millis(500);

/// What copies are sent by: the newest setup, with connections of their own.
struct Footing {
    setup: Arc<Setup>,
    upstreams: Upstreams<Full<Bytes>>,
    /// Whether copies may be sent at this moment.
    copying: Arc<Copying>,
}

/// The thread at work. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct Copier {
    _stop: oneshot::Sender<Infallible>,
    _thread: thread::JoinHandle<()>,
}

/// Starts the thread.
pub(crate) fn spawn(shared: &Shared, end: CopyQueue) -> io::Result<Copier> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let (stop, stopped) = oneshot::channel();
    // What becomes of copies says nothing of what clients meet.
    let shared = Shared {
        connects: Arc::new(Connects::default()),
        ..shared.clone()
    };
    let run = move || {
        let tasks = LocalSet::new();
        runtime.block_on(tasks.run_until(async {
            tokio::select! {
                () = run(shared, end) => (),
                _ = stopped => (),
            }
        }));
    };
    let thread = thread::Builder::new()
        .name("copier".to_owned())
        .spawn(run)?;
    Ok(Copier {
        _stop: stop,
        _thread: thread,
    })
}

/// What is at work on the thread.
struct Work {
    shared: Shared,
    footing: Rc<Footing>,
    tally: Option<Tally>,
    /// Which tally that is: what was sent before it began is not for it.
    round: u64,
    /// What had been dropped when it began.
    dropped: Dropped,
    sending: Sending,
}

/// Whether copies could be sent when that was last looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sending {
    NotYet,
    Going,
    /// After they could be.
    Stopped,
}

/// What came of a copy that was sent in a round. There is room for another one once that is taken in.
struct Outcome {
    round: u64,
    compared: Compared,
    _seat: Seat,
}

/// Takes what workers hand over, until it is dropped.
async fn run(shared: Shared, CopyQueue(mut queue): CopyQueue) {
    let mut work = Work::begin(shared);
    // Bounded by the seats, as the desk is.
    let (outcomes, mut results) = tokio::sync::mpsc::unbounded_channel();
    let mut turns = tokio::time::interval(TURN);
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut reported = Instant::now();
    loop {
        tokio::select! {
            _ = turns.tick() => {
                work.look();
                work.footing.upstreams.sweep(clock::now());
                if reported.elapsed() >= REPORT {
                    reported = Instant::now();
                    work.report();
                }
            }
            original = queue.recv() => {
                let Some(original) = original else { return };
                // The worker may have taken up a plan that is new here.
                work.look();
                let (footing, round) = (Rc::clone(&work.footing), work.round);
                let outcomes = outcomes.clone();
                tokio::task::spawn_local(async move {
                    if let Some((compared, _seat)) = copy(&footing, original).await {
                        // The tally is gone with the thread.
                        drop(outcomes.send(Outcome { round, compared, _seat }));
                    }
                });
            },
            Some(outcome) = results.recv() => work.take(outcome),
        }
    }
}

impl Work {
    fn begin(shared: Shared) -> Self {
        let setup = shared.setups.load();
        let buffers = Rc::new(Buffers::default());
        let footing = Rc::new(Footing {
            upstreams: Upstreams::new(&shared, &setup, buffers),
            copying: Arc::clone(shared.publication.copying()),
            setup,
        });
        Self {
            tally: begun(&shared, footing.setup.plan()),
            round: 0,
            dropped: shared.desk.dropped(),
            sending: Sending::NotYet,
            footing,
            shared,
        }
    }

    /// Looks at what is in force now. Under another plan everything begins anew, and so it does once copies are sent again
    /// after a rollback: new is hardly what it was then.
    fn look(&mut self) {
        let before = Arc::clone(self.footing.setup.plan());
        self.footing = renewed(&self.shared, &self.footing);
        let was = self.sending;
        self.sending = match (was, self.footing.copying.get()) {
            (_, true) => Sending::Going,
            (Sending::NotYet, false) => Sending::NotYet,
            (Sending::Going | Sending::Stopped, false) => Sending::Stopped,
        };
        let is_resumed = was == Sending::Stopped && self.sending == Sending::Going;
        let plan = self.footing.setup.plan();
        if is_resumed || !are_compared_alike(&before, plan) {
            self.tally = begun(&self.shared, plan);
            self.round += 1;
            self.dropped = self.shared.desk.dropped();
            self.report();
        }
    }

    fn take(&mut self, outcome: Outcome) {
        if let Some(tally) = &mut self.tally
            && outcome.round == self.round
        {
            tally.add(outcome.compared);
        }
    }

    fn report(&self) {
        let desk = &self.shared.desk;
        let dropped = desk.dropped().since(self.dropped);
        let now = self.shared.clock.timestamp();
        let report = self.tally.as_ref().map(|it| it.report(now, dropped));
        desk.board.put(self.footing.setup.plan(), report);
    }
}

/// Nothing seen yet; `None` where the plan wants no copies.
fn begun(shared: &Shared, plan: &Plan) -> Option<Tally> {
    let tolerated = plan.evidence.tolerated_latency;
    let now = shared.clock.timestamp();
    let shadow = plan.shadow.clone();
    shadow.map(|it| Tally::new(it, tolerated, now))
}

/// What is newest, with the connections that it keeps.
fn renewed(shared: &Shared, footing: &Rc<Footing>) -> Rc<Footing> {
    let setup = shared.setups.load();
    if Arc::ptr_eq(&setup, &footing.setup) {
        return Rc::clone(footing);
    }
    Rc::new(Footing {
        upstreams: footing.upstreams.next(&setup),
        copying: Arc::clone(&footing.copying),
        setup,
    })
}

/// Sends a copy to the side that it is drawn for, and compares the answer; `None` where none is to be sent any more.
async fn copy(footing: &Footing, original: Original) -> Option<(Compared, Seat)> {
    let plan = footing.setup.plan();
    let shadow = plan.shadow.as_ref()?;
    // What old answered as it was then says nothing of what is compared now.
    if !Arc::ptr_eq(plan, &original.plan) && !are_compared_alike(plan, &original.plan) {
        return None;
    }
    let (side, on_new) = drawn(shadow, original.is_unsafe);
    let began = Instant::now();
    let answered = timeout(shadow.timeout, send(footing, shadow, &original, side)).await;
    let latency = began.elapsed();
    let copied = match answered {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(Missing::NotSent)) => return None,
        Ok(Err(Missing::Failed(why))) => Err(why),
        Err(_elapsed) => Err(format!("none within {:?}", shadow.timeout)),
    };
    let old = answer(
        plan,
        shadow,
        &original,
        Side::Old,
        &original.answer,
        original.answer_body.clone(),
    );
    let (name, prefix) = route(&footing.setup, original.route);
    let is_ignored = |path: &str| {
        let mut ignored = shadow.ignore.iter();
        ignored.any(|it| it.route.as_deref().is_none_or(|it| *it == *name) && it.path.covers(path))
    };
    let latency = copied.is_ok().then_some(latency);
    let comparison = match copied {
        Ok(copied) => compare(&old, &copied, shadow.body_bytes, &is_ignored),
        Err(why) => Comparison {
            differences: vec![Difference {
                place: Place::Answer,
                old: old.status.to_string(),
                copy: why,
            }],
            unread: None,
        },
    };
    let Original { head, seat, .. } = original;
    let target = head.target;
    let compared = Compared {
        request: Request {
            method: head.method.to_string(),
            prefix: if target.starts_with(&*prefix) {
                prefix.len()
            } else {
                0
            },
            target,
        },
        route: name,
        side,
        on_new,
        latency,
        comparison,
    };
    Some((compared, seat))
}

/// Where a copy goes, and the chance with which that is new. What may change something must not be carried out by old twice.
fn drawn(shadow: &ShadowPlan, is_unsafe: bool) -> (Side, f64) {
    if is_unsafe {
        return (Side::New, 1.0);
    }
    let side = if is_drawn(shadow.noise) {
        Side::Old
    } else {
        Side::New
    };
    (side, 1.0 - shadow.noise.ratio())
}

/// Why a copy has no answer.
enum Missing {
    /// Everything has gone back to old meanwhile.
    NotSent,
    /// In words.
    Failed(String),
}

/// Sends a copy and reads the answer to its end.
async fn send(
    footing: &Footing,
    shadow: &ShadowPlan,
    original: &Original,
    side: Side,
) -> Result<Answer, Missing> {
    let failed = |error: &dyn Error| Missing::Failed(Chain(error).to_string());
    let plan = footing.setup.plan();
    let lease = footing
        .upstreams
        .lease_uncounted(side, Want::Any, None)
        .await;
    let lease = lease.map_err(|error| failed(&error))?;
    // As for a client's request: after a rollback no first byte goes to new.
    if !footing.copying.get() {
        return Err(Missing::NotSent);
    }
    let mut head = original.head.clone();
    let framing = if original.body.is_empty() {
        BodyFraming::Empty
    } else {
        BodyFraming::Streamed
    };
    address(
        &mut head,
        &lease,
        plan,
        (&original.hop, &original.authority),
        framing,
    );
    // For whoever must not count it or send mail for it.
    head.headers.insert(X_CHANGEOVER_SHADOW, b"1");
    let body = Full::new(original.body.clone());
    let sent = lease.send(&head, body, &mut |_interim| ()).await;
    let (head, body) = sent.map_err(|error| failed(&error))?;
    let mut kept = Kept::new(shadow.body_bytes);
    // One that is longer than old's is another one, and may have no end.
    let enough = u64::try_from(shadow.body_bytes).unwrap_or(u64::MAX);
    let enough = original.answer_body.length().max(enough);
    let mut body = pin!(body);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| failed(&error))?;
        if let Some(piece) = frame.data_ref() {
            kept.push(piece);
        }
        if kept.length() > enough {
            kept.cut();
            break;
        }
    }
    Ok(answer(plan, shadow, original, side, &head, kept))
}

/// What of an answer is compared, as a client would have got it.
fn answer(
    plan: &Plan,
    shadow: &ShadowPlan,
    original: &Original,
    side: Side,
    head: &ResponseHead,
    body: Kept,
) -> Answer {
    let mut head = head.clone();
    let context = ResponseContext {
        client: &original.client,
        authority: &original.authority,
        host: &plan.upstreams[side].host,
        forwarding: &plan.forwarding,
        set_cookie: None,
        reveals: None,
        version: head.version,
    };
    finish_response(&mut head, &context);
    let values = |name: &HeaderName| -> Vec<String> {
        let values = head.headers.get_all(name.as_str());
        let values = values.map(|it| String::from_utf8_lossy(it).into_owned());
        values.collect()
    };
    let fields = shadow.headers.iter();
    Answer {
        status: head.status.as_u16(),
        headers: fields.map(|it| (it.to_string(), values(it))).collect(),
        content_type: text(&head.headers, CONTENT_TYPE),
        encoding: text(&head.headers, CONTENT_ENCODING),
        body,
    }
}

fn text(fields: &Fields, name: Name) -> Option<String> {
    let value = fields.get(name)?;
    Some(String::from_utf8_lossy(value).into_owned())
}

/// The name of a route and the beginning of its paths.
fn route(setup: &Setup, id: RouteId) -> (Arc<str>, String) {
    match setup.edition.route(id) {
        Some(route) => (Arc::from(route.name.as_str()), route.path.clone()),
        None => (Arc::from(RouteId::REST_NAME), "/".to_owned()),
    }
}

/// The body of a copy, which is here in whole.
impl Fill for Full<Bytes> {
    type Fault = Infallible;

    fn poll_fill(
        &mut self,
        _pipe: &mut Pipe,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<usize, Infallible>>> {
        Poll::Ready(None)
    }
}
