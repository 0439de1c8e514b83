//! The loop of a process that hands its lead over. Its journal is closed, so that another process can open it; until that
//! one has committed itself, it goes on watching, and takes the lead back for a rollback.
//!
//! ```text
//!                          commit                  hand_over
//! leading ── fence ──▶ fenced ──▶ committed ──────────────▶ passing on what workers measure ── stop ──▶ ended
//!    ▲                   │            │
//!    └── a rollback, ────┘            │
//!    ▲   or take_back                 │
//!    └──────── take_back ─────────────┘
//! ```
//! Whatever is decided while fenced but a rollback is forgotten: nothing was put in force, and it is decided again by
//! whoever leads next. A rollback is published at once, and recorded when the journal is open again.

use std::time::Duration;

use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, sleep_until},
};

use crate::{
    control::{
        ControlLoop, Fenced, Lead, Request,
        event_loop::{Reports, TURN},
        start::REQUESTS_MAX,
    },
    cutover::{Decision, Effect, Event, StoreState},
    measure::Interval,
    store::{Snapshot, StoreHandle},
    units::Weight,
};

/// Measurements that are kept for the process that takes over, which its own evidence begins with; ten a second come from
/// each worker, and a fence lasts for a few seconds at most.
const KEPT_MAX: usize = 16_384;

/// How often a process that no longer leads looks whether it is asked to end, should nothing else happen.
const IDLE: Duration = Duration::from_secs(1);

/// What comes after standing by.
#[derive(Debug)]
pub(super) enum Next {
    /// The loop leads again; this was asked meanwhile.
    Lead(Vec<Request>),
    /// It ends.
    End,
}

/// Standing by.
#[derive(Debug)]
pub(super) struct Fence {
    stage: Stage,
    /// Tells whoever fenced the loop that it leads again by itself.
    taken_back: Option<oneshot::Sender<()>>,
    /// What was asked and could not be answered.
    waiting: Vec<Request>,
    /// What was measured meanwhile, for whoever leads next.
    kept: Vec<Interval>,
}

#[derive(Debug)]
enum Stage {
    /// It watches.
    Fenced,
    /// The other process may write to the journal.
    Committed,
    /// The other process leads, and gets what is measured.
    HandedOver(mpsc::Sender<Interval>),
}

impl ControlLoop {
    /// Gives the lead up: saves what was observed, and the journal away, for whoever asks to close it. Not while an entry is
    /// on its way.
    pub(super) fn fence(
        &mut self,
        answer: oneshot::Sender<Result<Fenced, String>>,
    ) -> Option<Fence> {
        // What was measured until now is in the last snapshot, and what comes in later is passed on.
        self.turn();
        let hindrance = match &self.observer.store {
            StoreState::Failing { error } => {
                Some(format!("the journal cannot be written: {error}"))
            }
            StoreState::Writable if !self.state.is_recorded() => {
                Some("the journal does not have the last change yet".to_owned())
            }
            StoreState::Writable if self.state.position.drilling().is_some() => {
                Some("a drill is under way".to_owned())
            }
            StoreState::Writable => None,
        };
        if let Some(why) = hindrance {
            // Whoever asked may have given up.
            drop(answer.send(Err(why)));
            return None;
        }
        // Whoever leads says whether requests are copied, and asks this process no more.
        self.hands.publication.copying().set(false);
        let progress = self.state.progress.clone();
        let ledger = Some(self.observer.gathered.evidence.snapshot());
        let mut store = std::mem::replace(&mut self.hands.store, StoreHandle::closed());
        store.snapshot(Snapshot { progress, ledger });
        let (taken_back, is_taken_back) = oneshot::channel();
        let fenced = Fenced {
            store,
            is_taken_back,
        };
        if let Err(Ok(fenced)) = answer.send(Ok(fenced)) {
            self.hands.store = fenced.store;
            return None;
        }
        self.recorder.pause(self.hands.clock.timestamp());
        Some(Fence {
            stage: Stage::Fenced,
            taken_back: Some(taken_back),
            waiting: Vec::new(),
            kept: Vec::new(),
        })
    }

    /// Waits for whether another process leads from now on.
    pub(super) async fn stand_by(&mut self, mut fence: Fence) -> Next {
        loop {
            let look = match fence.stage {
                Stage::Fenced => self.next_turn,
                Stage::Committed | Stage::HandedOver(_) => Instant::now() + IDLE,
            };
            let inputs = &mut self.inputs;
            tokio::select! {
                biased;
                _ = &mut inputs.stop => break,
                Some(request) = inputs.requests.recv() => {
                    if self.asked(&mut fence, request).await {
                        return self.leads_again(fence);
                    }
                }
                () = inputs.alarm.notified() => self.alarmed(),
                // The journal's last words: what is in force is recorded, so that they change nothing.
                Some(_) = next_report(&mut inputs.reports) => (),
                Some(interval) = inputs.intervals.recv() => self.measured(&mut fence, interval).await,
                () = sleep_until(look) => {
                    if matches!(fence.stage, Stage::Fenced) && self.looked() {
                        return self.leads_again(fence);
                    }
                }
            }
        }
        while let (Stage::HandedOver(heir), Ok(interval)) =
            (&fence.stage, self.inputs.intervals.try_recv())
        {
            // The other process is gone: nobody counts any more.
            drop(heir.send(interval).await);
        }
        Next::End
    }

    /// Answers what can be, and keeps what cannot; whether the loop leads again.
    async fn asked(&mut self, fence: &mut Fence, request: Request) -> bool {
        match (request, &fence.stage) {
            (Request::TakeBack, _) => return true,
            (Request::Commit { answer }, _) => {
                fence.stage = Stage::Committed;
                // Without whoever asked nobody tells the other process.
                return answer.send(true).is_err();
            }
            (Request::HandOver { heir }, _) => {
                // Nobody is to be told anything here that the other process knows better.
                fence.waiting.clear();
                for interval in fence.kept.drain(..) {
                    drop(heir.send(interval).await);
                }
                fence.stage = Stage::HandedOver(heir);
            }
            (Request::Totals { answer }, _) => {
                drop(answer.send(std::sync::Arc::clone(&self.observer.totals)));
            }
            // Dropping it says that there is no answer.
            (_unanswered, Stage::HandedOver(_)) => (),
            (
                Request::Command {
                    command,
                    actor,
                    answer,
                },
                Stage::Fenced,
            ) => {
                let event = Event::Command {
                    command: command.clone(),
                    actor: actor.clone(),
                };
                if let Some(decision) = self.rollback(&event) {
                    let told = self.carry_out(decision);
                    self.answer(told, answer);
                    return true;
                }
                let request = Request::Command {
                    command,
                    actor,
                    answer,
                };
                fence.wait(request);
            }
            (request, Stage::Fenced | Stage::Committed) => fence.wait(request),
        }
        false
    }

    async fn measured(&mut self, fence: &mut Fence, interval: Interval) {
        if let Stage::HandedOver(heir) = &fence.stage {
            // The other process is gone: nobody counts any more.
            return drop(heir.send(interval).await);
        }
        if fence.kept.len() < KEPT_MAX {
            fence.kept.push(interval.clone());
        }
        self.take(interval, Instant::now());
    }

    /// One turn; whether it rolled back.
    fn looked(&mut self) -> bool {
        let now = Instant::now();
        self.turned = now;
        self.next_turn = now + TURN;
        self.observe(now);
        let decision = self.rollback(&Event::Turn);
        let is_rollback = decision.is_some();
        if let Some(decision) = decision {
            self.carry_out(decision);
        }
        self.show(now);
        is_rollback
    }

    /// What the core decides about an event, if it takes everything back to old.
    fn rollback(&mut self, event: &Event) -> Option<Decision> {
        let (decision, ..) = self.consider(event)?;
        let is_rollback = decision.effects.iter().any(|it| {
            matches!(
                it,
                Effect::Publish {
                    weight: Weight::NONE,
                    ..
                }
            )
        });
        is_rollback.then_some(decision)
    }

    /// Leads on, for now without a journal.
    fn leads_again(&mut self, fence: Fence) -> Next {
        self.recorder.go_on();
        self.inputs.reports = Reports::Ended;
        self.observer.store = StoreState::Failing {
            error: "it was closed for another process, which did not take over".to_owned(),
        };
        self.next_turn = Instant::now();
        self.show(self.next_turn);
        if let Some(taken_back) = fence.taken_back {
            let is_known = taken_back.send(()).is_err();
            tracing::debug!(is_known, "the lead was taken back");
        }
        Next::Lead(fence.waiting)
    }

    /// Goes on with the journal open again. Where the other process has written to it, that is what counts, unless this one
    /// has moved on.
    pub(super) fn reopen(&mut self, lead: Lead) {
        let Lead {
            store,
            reports,
            restored,
            rollbacks,
        } = lead;
        self.hands.store.open_instead(store);
        self.inputs.reports = Reports::Open(reports);
        self.observer.store = StoreState::Writable;
        let Decision { state, effects, .. } = restored;
        if state.position.seq <= self.state.position.seq {
            return;
        }
        tracing::warn!(
            seq = state.position.seq,
            "the journal has entries of the process that failed: they count"
        );
        self.recorder.has_missed();
        self.hands.rollbacks = rollbacks;
        self.state = state;
        let position = self.state.position.clone();
        if position.generation > self.hands.publication.load().generation {
            self.hands
                .publish(position.generation, position.weight, position.salt, None);
            self.observer
                .gathered
                .published(position.generation, position.weight);
        }
        for effect in effects {
            self.hands.perform(effect, &mut self.observer);
        }
    }
}

impl Fence {
    /// Keeps a request; one too many is dropped, which says that there is no answer.
    fn wait(&mut self, request: Request) {
        if self.waiting.len() < REQUESTS_MAX {
            self.waiting.push(request);
        }
    }
}

/// The next report; nothing more once the journal is closed.
async fn next_report(reports: &mut Reports) -> Option<()> {
    let ended = match reports {
        Reports::Open(open) => open.recv().await.is_none(),
        Reports::Ended => return std::future::pending().await,
    };
    if ended {
        *reports = Reports::Ended;
    }
    Some(())
}
