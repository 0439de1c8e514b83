//! `serve`: start, say where, wait for a signal, drain.

use std::{
    io::{self, Write},
    time::Duration,
};

use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::{
    admin::{Order, ReloadError, Reloaded, UpgradeReply},
    app::{
        Predecessor, Running, ServeError, activation,
        handover::{Inheritance, Program, Successor},
        order,
        reload::chain,
        set_up::SettingUp,
        start::start_on,
        supervisor,
    },
    config::{LoadError, Loaded},
    cutover::Actor,
};

/// How often it is checked that the control loop lives.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// Reads the configuration again, from where it was read first.
pub type Source = dyn Fn() -> Result<Loaded, LoadError>;

/// Who asks for what a signal asks for, in the journal.
const SIGNAL: &str = "signal";

/// Serves until SIGTERM or SIGINT, then drains; a second one ends it at once. Blocks. SIGHUP and the admin API have
/// `source` read again; SIGUSR2 and the admin API have the program started anew, to take over and be followed until what
/// runs here has ended. A process that was started for that takes over from `predecessor`.
///
/// # Errors
/// See [`ServeError`]: only if serving could not begin.
pub fn serve(
    loaded: Loaded,
    source: &Source,
    mut predecessor: Option<Predecessor>,
) -> Result<(), ServeError> {
    keep_to_itself();
    let failed = |what| move |source| ServeError::Thread { what, source };
    let plan = &loaded.plan;
    let program = Program::of_this_process().map_err(failed("own program"))?;
    let activated = match predecessor {
        Some(_) => Inheritance::default(),
        None => activation::sockets(plan)?,
    };
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
    let mut running = match start_on(activated, loaded, predecessor.as_mut()) {
        Ok(running) => running,
        Err(error) => {
            if let Some(predecessor) = predecessor {
                predecessor.failed(&chain(&error));
            }
            return Err(error);
        }
    };
    introduce(&running, &listeners, admin);
    if predecessor.is_none() {
        supervisor::ready();
    }
    runtime.block_on(async {
        let control = running.control.clone();
        let heartbeat = tokio::spawn(supervisor::watch(move || control.stuck_for().is_none()));
        if let Some(predecessor) = predecessor {
            running.take_over(predecessor);
        }
        match signals.wait(&mut running, source, &program).await {
            End::Stop => {
                supervisor::stopping();
                tracing::info!("draining: no new connections, requests that run are finished");
                running.stop(signals.stop()).await;
            }
            End::HandedOver(successor, reply) => {
                heartbeat.abort();
                supervisor::main_process(successor.pid());
                tracing::info!("draining: another process has taken over");
                running.leave(successor, reply, signals.stop()).await;
            }
        }
    });
    // Whoever asked twice does not wait for a worker that is stuck.
    runtime.shutdown_background();
    Ok(())
}

/// Lets the system write no core dump, and other programs of the same user read no memory: keys and tokens are in it.
fn keep_to_itself() {
    if let Err(error) = set_dumpable_behavior(DumpableBehavior::NotDumpable) {
        tracing::warn!(%error, "a crash may leave a core dump, with keys in it");
    }
}

/// How serving ends.
enum End {
    /// Somebody stops it.
    Stop,
    /// Another process goes on with it; somebody may wait to hear so.
    HandedOver(Successor, Option<UpgradeReply>),
}

/// Reads the configuration again and puts it in force, or says why not.
async fn reload(
    running: &mut Running,
    source: &Source,
    actor: Actor,
) -> Result<Reloaded, ReloadError> {
    supervisor::reloading();
    let reloaded = match source() {
        Ok(loaded) => running.reload(loaded, actor).await,
        Err(error) => Err(ReloadError::Configuration(match &error {
            LoadError::Unreadable { source, .. } => format!("{error}: {source}"),
            LoadError::Faults(_) => error.to_string(),
        })),
    };
    supervisor::ready();
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

    /// Waits for a signal to stop or for another process to take over, carries orders out, and says so should the control
    /// loop have ended.
    async fn wait(&mut self, running: &mut Running, source: &Source, program: &Program) -> End {
        let mut check = tokio::time::interval(CHECK_INTERVAL);
        let mut was_watched = true;
        let mut setting_up = SettingUp::default();
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return End::Stop,
                _ = self.interrupt.recv() => return End::Stop,
                _ = self.hang_up.recv() => {
                    let actor = Actor::Operator(SIGNAL.to_owned());
                    // What went wrong is in the log.
                    drop(reload(running, source, actor).await);
                }
                _ = self.replace.recv() => {
                    let actor = Actor::Operator(SIGNAL.to_owned());
                    if let Some(end) = self.upgrade(running, program, actor, None).await {
                        return end;
                    }
                }
                Some(order) = running.orders.recv() => match order {
                    Order::Reload { actor, answer } => {
                        // Whoever asked may have gone.
                        drop(answer.send(reload(running, source, actor).await));
                    }
                    Order::Upgrade { actor, answer } => {
                        let upgrade = self.upgrade(running, program, actor, Some(answer));
                        if let Some(end) = upgrade.await {
                            return end;
                        }
                    }
                    Order::SetUp { request, actor, answer } => {
                        setting_up.begin(running, request, actor, answer);
                    }
                    Order::Dns { request, actor, answer } => {
                        order::order(running, request, actor, answer);
                    }
                },
                () = setting_up.ended() => (),
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

    /// Has another process take over, and tells what came of it. `None`: this one goes on as before.
    async fn upgrade(
        &mut self,
        running: &Running,
        program: &Program,
        actor: Actor,
        reply: Option<UpgradeReply>,
    ) -> Option<End> {
        let mut is_stopped = false;
        let stop = async {
            self.stop().await;
            is_stopped = true;
        };
        match running.upgrade(program, actor, stop).await {
            Ok(successor) => Some(End::HandedOver(successor, reply)),
            Err(error) => {
                tracing::error!(why = %error, "the upgrade failed: this process goes on as before");
                if let Some(Err(_gone)) = reply.map(|it| it.send(Err(error))) {
                    tracing::debug!("whoever asked for the upgrade did not wait for its answer");
                }
                is_stopped.then_some(End::Stop)
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
