//! The thread of the admin API, the health checks and the resolver, apart from traffic and from the control loop.

use std::{
    convert::Infallible,
    io,
    net::TcpListener,
    sync::Arc,
    thread::{self, JoinHandle},
};

use tokio::{
    runtime::Runtime,
    sync::{oneshot, watch},
};

use crate::{
    admin,
    app::names,
    clock::Clock,
    control::ControlHandle,
    measure::{LagBoard, ZoneBoard},
    plan::DnsPlan,
    proxy::{self, Setup},
    replication,
};

/// What the thread is given.
pub(super) struct Parts {
    pub(super) listener: TcpListener,
    pub(super) context: admin::Context,
    /// Whose endpoints are checked, and their names resolved.
    pub(super) setup: Arc<Setup>,
    pub(super) clock: Clock,
    /// Where the readings of replications stand.
    pub(super) lags: Arc<LagBoard>,
    /// Where looks at the zone's servers stand.
    pub(super) zone: Arc<ZoneBoard>,
}

/// The thread at work.
#[derive(Debug)]
pub(super) struct AdminThread {
    stop: oneshot::Sender<()>,
    setup: watch::Sender<Arc<Setup>>,
    thread: JoinHandle<()>,
}

/// Starts it.
pub(super) fn start(parts: Parts) -> io::Result<AdminThread> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .thread_name("admin-disk")
        .build()?;
    let (stop, stopped) = oneshot::channel();
    let Parts {
        listener,
        context,
        setup,
        clock,
        lags,
        zone,
    } = parts;
    let boards = Boards {
        clock,
        lags,
        zone,
        control: context.control.clone(),
    };
    let (setup, setups) = watch::channel(setup);
    let served = move || run(&runtime, (listener, context), (setups, boards), stopped);
    let thread = thread::Builder::new()
        .name("admin".to_owned())
        .spawn(served)?;
    Ok(AdminThread {
        stop,
        setup,
        thread,
    })
}

impl AdminThread {
    /// Checks the endpoints of another setup from now on.
    pub(super) fn probe(&self, setup: Arc<Setup>) {
        self.setup.send_replace(setup);
    }

    /// Lets what runs finish, and waits for the end. Blocks.
    pub(super) fn stop(self) {
        if self.stop.send(()).is_err() {
            tracing::debug!("the thread had ended already");
        }
        if self.thread.join().is_err() {
            tracing::error!("the admin thread panicked");
        }
    }
}

fn run(
    runtime: &Runtime,
    (listener, context): (TcpListener, admin::Context),
    (setups, boards): (watch::Receiver<Arc<Setup>>, Boards),
    stopped: oneshot::Receiver<()>,
) {
    // Whoever drops the other end wants the same as whoever sends.
    let shutdown = async { drop(stopped.await) };
    let tls = setups.clone();
    runtime.block_on(async {
        tokio::select! {
            served = admin::serve(listener, || tls.borrow().admin_tls.clone(), context, shutdown) => {
                if let Err(error) = served {
                    tracing::error!(%error, "the admin API has ended");
                }
            }
            never = probe(setups, &boards) => match never {},
        }
    });
}

/// What watches write to and act by.
struct Boards {
    clock: Clock,
    lags: Arc<LagBoard>,
    zone: Arc<ZoneBoard>,
    control: ControlHandle,
}

/// Watches the zone of a plan that has names to move, and carries orders about them out.
async fn move_names(plan: Option<DnsPlan>, boards: &Boards) -> Infallible {
    let zone = Arc::clone(&boards.zone);
    match plan {
        Some(plan) => names::run(plan, zone, boards.control.clone(), boards.clock).await,
        None => {
            zone.clear();
            std::future::pending().await
        }
    }
}

/// Checks the endpoints of the newest setup, resolves their names, and watches what replicates and which names move.
async fn probe(mut setups: watch::Receiver<Arc<Setup>>, boards: &Boards) -> Infallible {
    let (lags, clock) = (&boards.lags, boards.clock);
    loop {
        let setup = Arc::clone(&setups.borrow_and_update());
        let replications = setup.plan().replications.clone();
        let dns = setup.plan().dns.clone();
        tokio::select! {
            never = proxy::probe(Arc::clone(&setup)) => match never {},
            never = proxy::resolve(setup, clock) => match never {},
            never = replication::watch(replications, Arc::clone(lags), clock) => match never {},
            never = move_names(dns, boards) => match never {},
            changed = setups.changed() => if changed.is_err() {
                return std::future::pending().await;
            },
        }
    }
}
