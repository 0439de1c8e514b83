//! Another configuration while the program runs: all or nothing.
//!
//! ```text
//! difference ──▶ ids, certificates, routes, board, names ──▶ setup where workers take it from ──▶ the control loop's word
//!     │ cannot change at run time     │ cannot be used                                        │ not now
//!     ▼                               ▼                                                       ▼
//!   named, nothing changed          named, nothing changed                           the setup before, put back
//! ```
//! The split table then names the edition, and each worker takes it up with the next request that it assigns, or at its
//! next turn. Connections, requests and tunnels that are open go on.

use std::{error::Error, fmt::Write, sync::Arc, time::Duration};

use tokio::time::{Instant, sleep};

use crate::{
    admin::{ReloadError, Reloaded},
    app::Running,
    config::Loaded,
    control::{CommandError, Done},
    cutover::{Actor, REASON_CHARS_MAX, Refusal},
    plan::Difference,
    proxy::{self, Setup},
};

/// How long a reload waits for the journal to have what came before it.
const SETTLED_WITHIN: Duration = Duration::from_secs(5);

/// How long it waits for every worker to have taken it up; they look ten times a second.
const TAKEN_UP_WITHIN: Duration = Duration::from_secs(2);

/// From one look to the next.
const LOOK: Duration = Duration::from_millis(5);

impl Running {
    /// Puts another configuration in force. When it returns, every worker takes requests in by it.
    ///
    /// # Errors
    /// See [`ReloadError`]; everything is as it was then.
    pub async fn reload(&mut self, loaded: Loaded, actor: Actor) -> Result<Reloaded, ReloadError> {
        let before = self.setups.load();
        let difference = Difference::between(before.plan(), &loaded.plan);
        if !difference.fixed.is_empty() {
            return Err(ReloadError::Fixed(difference.fixed));
        }
        let edition = before.edition.next(Arc::new(loaded.plan));
        let edition = edition.map_err(|error| ReloadError::Refused(error.to_string()))?;
        let edition = edition.written(&loaded.text);
        let board = Arc::new(before.board.of(&edition));
        let setup = Setup::load(edition, board)
            .map_err(|error| ReloadError::Configuration(chain(&error)))?;
        let setup = Arc::new(setup);
        proxy::resolve_first(&setup, self.clock).await;
        self.setups.store(Arc::clone(&setup));
        let done = match self.put_in_force(&setup, &difference, &actor).await {
            Ok(done) => done,
            Err(error) => {
                self.setups.store(before);
                return Err(error);
            }
        };
        self.edition.store(Arc::new(setup.edition.clone()));
        let number = setup.edition.number();
        self.admin_thread.probe(setup);
        self.wait_for_workers(number).await;
        Ok(Reloaded {
            generation: done.generation,
            recorded: done.recorded,
            changes: difference.changes,
            warnings: loaded.warnings.into_iter().map(|it| it.text).collect(),
        })
    }

    async fn put_in_force(
        &self,
        setup: &Setup,
        difference: &Difference,
        actor: &Actor,
    ) -> Result<Done, ReloadError> {
        let line = match difference.changes.is_empty() {
            true => "certificates were read again; nothing else changed".to_owned(),
            false => difference.line(REASON_CHARS_MAX),
        };
        let deadline = Instant::now() + SETTLED_WITHIN;
        loop {
            let (edition, board) = (setup.edition.clone(), Arc::clone(&setup.board));
            let asked = self
                .control
                .reload(edition, board, line.clone(), actor.clone());
            match asked.await {
                Ok(done) => return Ok(done),
                // What is being recorded is so in a moment.
                Err(CommandError::Refused(Refusal::Held(_))) if Instant::now() < deadline => {
                    sleep(LOOK).await;
                }
                Err(error) => return Err(ReloadError::Refused(error.to_string())),
            }
        }
    }

    async fn wait_for_workers(&self, number: u32) {
        let deadline = Instant::now() + TAKEN_UP_WITHIN;
        while !self.proxy.has_taken_up(number) {
            if Instant::now() > deadline {
                tracing::warn!("a worker is late to take up the configuration");
                return;
            }
            sleep(LOOK).await;
        }
    }
}

/// An error with its causes on one line.
pub(super) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(it) = cause {
        write!(text, ": {it}").expect("writing to a string does not fail");
        cause = it.source();
    }
    text
}
