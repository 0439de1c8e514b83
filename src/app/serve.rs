//! `serve`: start, say where, wait for a signal, drain.

use std::{
    io::{self, Write},
    time::Duration,
};

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::{
    admin::{Order, ReloadError, Reloaded},
    app::{Running, ServeError, start},
    config::{LoadError, Loaded},
    cutover::Actor,
    plan::Plan,
};

/// How often it is checked that the control loop lives.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// Reads the configuration again, from where it was read first.
pub type Source = dyn Fn() -> Result<Loaded, LoadError>;

/// Who asks for what a signal asks for, in the journal.
const SIGNAL: &str = "signal";

/// Serves until SIGTERM or SIGINT, then drains; a second one ends it at once. Blocks. SIGHUP and the admin API have
/// `source` read again.
///
/// # Errors
/// See [`ServeError`]: only if serving could not begin.
pub fn serve(plan: Plan, source: &Source) -> Result<(), ServeError> {
    let failed = |what| move |source| ServeError::Thread { what, source };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(failed("main runtime"))?;
    // The handlers come first, so that no signal from now on is lost or kills.
    let mut signals = {
        let _entered = runtime.enter();
        Signals::listen().map_err(failed("signal handlers"))?
    };
    let admin = scheme(plan.admin.tls.is_some());
    let listeners = plan
        .listeners
        .iter()
        .map(|it| scheme(!it.certificates.is_empty()));
    let listeners: Vec<&'static str> = listeners.collect();
    let mut running = start(plan)?;
    introduce(&running, &listeners, admin);
    runtime.block_on(async {
        signals.wait(&mut running, source).await;
        tracing::info!("draining: no new connections, requests that run are finished");
        running.stop(signals.stop()).await;
    });
    // Whoever asked twice does not wait for a worker that is stuck.
    runtime.shutdown_background();
    Ok(())
}

/// Reads the configuration again and puts it in force, or says why not.
async fn reload(
    running: &mut Running,
    source: &Source,
    actor: Actor,
) -> Result<Reloaded, ReloadError> {
    let reloaded = match source() {
        Ok(loaded) => running.reload(loaded, actor).await,
        Err(error) => Err(ReloadError::Configuration(match &error {
            LoadError::Unreadable { source, .. } => format!("{error}: {source}"),
            LoadError::Faults(_) => error.to_string(),
        })),
    };
    match &reloaded {
        Ok(reloaded) => {
            for text in &reloaded.warnings {
                tracing::warn!("{text}");
            }
            tracing::info!(changes = ?reloaded.changes, "reloaded the configuration");
        }
        Err(error) => {
            for fault in error.to_string().lines() {
                tracing::error!(fault, "the configuration before stays in force");
            }
        }
    }
    reloaded
}

const fn scheme(is_tls: bool) -> &'static str {
    if is_tls { "https" } else { "http" }
}

/// Says on standard output where it listens and what is in force: a script may wait for these lines.
fn introduce(running: &Running, schemes: &[&str], admin: &str) {
    let status = running.control.status();
    let found = match running.entries {
        0 => format!(
            "{}: a new journal, weight {}%\n",
            status.name, status.weight
        ),
        entries => format!(
            "{}: {entries} journal entries, ramp {}, weight {}%, generation {}\n",
            status.name, status.ramp.state, status.weight, status.generation
        ),
    };
    let mut lines = vec![found];
    let listeners = running.listeners.iter().zip(schemes);
    lines.extend(listeners.map(|(address, scheme)| format!("listening on {scheme}://{address}\n")));
    lines.push(format!("admin API on {admin}://{}\n", running.admin));
    let text = lines.concat();
    let mut out = io::stdout().lock();
    if let Err(error) = out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        tracing::debug!(%error, "nobody reads the standard output");
    }
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
    replace: Signal,
}

impl Signals {
    fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
            replace: signal(SignalKind::user_defined2())?,
        })
    }

    /// Waits for a signal to stop, and meanwhile says so should the control loop have ended.
    async fn wait(&mut self, running: &mut Running, source: &Source) {
        let mut check = tokio::time::interval(CHECK_INTERVAL);
        let mut was_watched = true;
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
                _ = self.hang_up.recv() => {
                    let actor = Actor::Operator(SIGNAL.to_owned());
                    // What went wrong is in the log.
                    drop(reload(running, source, actor).await);
                }
                Some(order) = running.orders.recv() => match order {
                    Order::Reload { actor, answer } => {
                        // Whoever asked may have gone.
                        drop(answer.send(reload(running, source, actor).await));
                    }
                },
                _ = self.replace.recv() => {
                    tracing::warn!(
                        "SIGUSR2: replacing the binary is not available in this version, stop the program and start \
                         the new one"
                    );
                }
                _ = check.tick() => {
                    if was_watched && !running.is_watched() {
                        was_watched = false;
                        // Traffic goes on: an outage would be worse than a split that stays as it is.
                        tracing::error!(
                            "the control loop has ended by a fault of this program: nothing watches new any more, \
                             restart the program"
                        );
                    }
                }
            }
        }
    }

    async fn stop(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => (),
            _ = self.interrupt.recv() => (),
        }
    }
}
