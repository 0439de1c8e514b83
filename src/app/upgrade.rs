//! Handing over to a new process, or going on as before where that fails.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, sleep, timeout},
};

use crate::{
    admin::{UpgradeError, UpgradeReply, Upgraded},
    app::{
        Predecessor, Running,
        handover::{Farewell, PREDECESSORS_MAX, Program, Successor},
        recover::{Recovery, recover},
        reload::chain,
        start::INTERVALS_PER_WORKER,
    },
    control::{CommandError, ControlHandle, Fenced, Lead},
    cutover::{Actor, Refusal, Upgrade},
    plan::Edition,
};

/// How long an upgrade waits for the journal to have the last change.
const FENCED_WITHIN: Duration = Duration::from_secs(5);

/// How long it is tried to open the journal again after a new process failed.
const REOPENED_WITHIN: Duration = Duration::from_secs(30);

/// From one try to the next.
const RETRY: Duration = Duration::from_millis(20);

/// How long the last measurements may take to get across.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// How long the entry about an upgrade waits for the journal to have what came before it, and whoever asked for it.
const NOTED_WITHIN: Duration = Duration::from_secs(5);

/// Why an upgrade ends for a rollback.
const TAKEN_BACK: &str = "a rollback came first, and this process carried it out";

impl Running {
    /// Starts `program` and has it take over. When it returns one, that one leads and accepts, and this process is to leave.
    /// `stop` ends it as long as the other process has not loaded what it needs.
    ///
    /// # Errors
    /// Why not; this process leads as before.
    pub(super) async fn upgrade(
        &self,
        program: &Program,
        actor: Actor,
        stop: impl Future<Output = ()>,
    ) -> Result<Successor, UpgradeError> {
        let draining = self.draining();
        if draining >= PREDECESSORS_MAX {
            let text = format!(
                "{draining} processes still drain from earlier upgrades, which is as many as may: wait until one has \
                 ended"
            );
            return Err(UpgradeError::Refused(text));
        }
        let farewell = Farewell {
            actor,
            clock: self.clock,
            draining,
        };
        let edition = self.edition.load_full();
        let sockets = (self.proxy.sockets(), &self.admin_socket);
        let started = program.start(&farewell, &edition, sockets.0, sockets.1);
        let mut successor = started.await.map_err(UpgradeError::Failed)?;
        tracing::info!(pid = successor.pid(), "started a process to take over");
        let loaded = tokio::select! {
            loaded = successor.loaded() => loaded,
            () = stop => Err("this process was asked to stop meanwhile".to_owned()),
        };
        if let Err(why) = loaded {
            return Err(UpgradeError::Failed(successor.bury(&why).await));
        }
        let fenced = match self.fence().await {
            Ok(fenced) => fenced,
            Err(why) => return Err(UpgradeError::Failed(successor.bury(&why).await)),
        };
        let since = Instant::now();
        match self.hand_lead_over(&mut successor, fenced).await {
            Ok(()) => {
                let (pid, fence_ms) = (successor.pid(), since.elapsed().as_millis());
                tracing::info!(pid, fence_ms, "another process leads");
                Ok(successor)
            }
            Err(why) => {
                // First of all, so that the journal is free.
                let why = successor.kill(&why);
                self.lead_again().await;
                Err(UpgradeError::Failed(why))
            }
        }
    }

    /// Accepts no more, finishes what runs (at most for the plan's drain time, and only until `hurry` completes), follows
    /// the new process meanwhile, and ends every thread.
    pub(super) async fn leave(
        self,
        successor: Successor,
        upgraded: Option<UpgradeReply>,
        hurry: impl Future<Output = ()>,
    ) {
        let workers = self.edition.load().plan().workers;
        let (heir, measured) = mpsc::channel(INTERVALS_PER_WORKER * workers);
        // Who writes in the other process is not known here: reads that are still to come are answered by old.
        let drain = self.edition.load().plan().timeouts.drain;
        let end = self.clock.timestamp().after(drain);
        self.publication.writers().forget(end);
        self.control.hand_over(heir).await;
        drop(self.admin_socket);
        let (noted, is_noted) = oneshot::channel();
        let pid = successor.pid();
        let answering = tokio::spawn(async move {
            // Whoever asked may go on from the entry about it. Either way it is known then.
            drop(timeout(NOTED_WITHIN, is_noted).await);
            if let Some(Err(Ok(_))) = upgraded.map(|it| it.send(Ok(Upgraded { pid }))) {
                tracing::debug!("whoever asked for the upgrade did not wait for its answer");
            }
        });
        let following = tokio::spawn(successor.follow(self.publication, measured, noted));
        let (admin, control) = (self.admin_thread, self.control_thread);
        let admin_ends = tokio::task::spawn_blocking(move || admin.stop());
        let seeing_off = self.seeing_off;
        let drained = async {
            self.proxy.drain().await;
            // A process that drains for longer is told what is in force by this one.
            if let Some(Err(error)) = match seeing_off {
                Some(seeing_off) => Some(seeing_off.await),
                None => None,
            } {
                tracing::error!(%error, "the end of the process before was not heard of");
            }
            // What answers hears it from the other process, which is followed until then.
            if let Err(error) = answering.await {
                tracing::error!(%error, "the upgrade was not answered");
            }
        };
        tokio::select! {
            () = drained => (),
            () = hurry => tracing::warn!("stopping at once: requests that still run are cut"),
        }
        let control_ends = tokio::task::spawn_blocking(move || control.stop());
        for ended in [admin_ends.await, control_ends.await] {
            if let Err(error) = ended {
                tracing::error!(%error, "the end was not orderly");
            }
        }
        if timeout(LAST_WORDS, following).await.is_err() {
            tracing::warn!("the last measurements were not taken");
        }
    }

    /// Goes on with what `predecessor` left: tells it that this process leads, writes that down, and follows its end.
    pub(super) fn take_over(&mut self, predecessor: Predecessor) {
        self.predecessors = predecessor.draining();
        let (control, upgrade) = (self.control.clone(), predecessor.upgrade());
        let edition = Edition::clone(&self.edition.load());
        let (noted, is_noted) = oneshot::channel::<()>();
        let seen_off = predecessor.see_off(
            edition,
            self.publication.clone(),
            self.intervals.clone(),
            async { drop(is_noted.await) },
        );
        self.seeing_off = Some(tokio::spawn(async move {
            tokio::join!(seen_off, async {
                write_down(&control, upgrade).await;
                drop(noted);
            });
            control.predecessor_ended().await;
        }));
    }

    /// Processes that drain.
    fn draining(&self) -> u8 {
        match &self.seeing_off {
            Some(task) if !task.is_finished() => self.predecessors,
            Some(_) | None => 0,
        }
    }

    /// Has the control loop stand by, once its journal has all that is in force.
    async fn fence(&self) -> Result<Fenced, String> {
        let deadline = Instant::now() + FENCED_WITHIN;
        loop {
            match self.control.fence().await {
                Ok(fenced) => return Ok(fenced),
                Err(why) if Instant::now() > deadline => return Err(why),
                Err(_not_yet) => sleep(RETRY).await,
            }
        }
    }

    /// Closes the journal, and has the new process open it and lead.
    async fn hand_lead_over(
        &self,
        successor: &mut Successor,
        fenced: Fenced,
    ) -> Result<(), String> {
        let Fenced {
            store,
            is_taken_back,
        } = fenced;
        let closed = tokio::task::spawn_blocking(move || store.close()).await;
        closed.map_err(|error| format!("the journal could not be closed: {error}"))?;
        tokio::select! {
            ready = successor.ready() => ready?,
            Ok(()) = is_taken_back => return Err(TAKEN_BACK.to_owned()),
        }
        if !self.control.commit().await {
            return Err(TAKEN_BACK.to_owned());
        }
        successor.leading().await
    }

    /// Has the control loop lead again, at once, and gives it its journal as soon as that can be opened.
    async fn lead_again(&self) {
        self.control.take_back().await;
        let plan = Arc::clone(self.edition.load().plan());
        let deadline = Instant::now() + REOPENED_WITHIN;
        loop {
            let recovered = recover(&plan, Some(self.clock)).map_err(|error| chain(&error));
            let started = recovered.and_then(|recovery| {
                let Recovery {
                    store,
                    restored,
                    rollbacks,
                    ..
                } = recovery;
                let (store, reports) = store.start().map_err(|error| error.to_string())?;
                Ok(Lead {
                    store,
                    reports,
                    restored,
                    rollbacks,
                })
            });
            match started {
                Ok(lead) => return self.control.reopen(lead).await,
                Err(error) if Instant::now() > deadline => {
                    tracing::error!(
                        error,
                        "the journal cannot be opened again: the ramp waits and rollbacks are not recorded, restart the \
                         program"
                    );
                    return;
                }
                Err(_not_yet) => sleep(RETRY).await,
            }
        }
    }
}

/// Has the journal say that this process took over.
async fn write_down(control: &ControlHandle, upgrade: Upgrade) {
    let deadline = Instant::now() + NOTED_WITHIN;
    loop {
        match control.upgraded(upgrade.clone()).await {
            Ok(_done) => return,
            // What is being recorded is so in a moment.
            Err(CommandError::Refused(Refusal::Held(_))) if Instant::now() < deadline => {
                sleep(RETRY).await;
            }
            Err(error) => {
                tracing::warn!(%error, "the journal does not tell of the upgrade");
                return;
            }
        }
    }
}
