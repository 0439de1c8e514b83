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
    clock::Clock,
    proxy::{self, Setup},
};

/// What the thread is given.
pub(super) struct Parts {
    pub(super) listener: TcpListener,
    pub(super) context: admin::Context,
    /// Whose endpoints are checked, and their names resolved.
    pub(super) setup: Arc<Setup>,
    pub(super) clock: Clock,
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
    } = parts;
    let (setup, setups) = watch::channel(setup);
    let served = move || run(&runtime, (listener, context), (setups, clock), stopped);
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
    (setups, clock): (watch::Receiver<Arc<Setup>>, Clock),
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
            never = probe(setups, clock) => match never {},
        }
    });
}

/// Checks the endpoints of the newest setup, and resolves their names.
async fn probe(mut setups: watch::Receiver<Arc<Setup>>, clock: Clock) -> Infallible {
    loop {
        let setup = Arc::clone(&setups.borrow_and_update());
        tokio::select! {
            never = proxy::probe(Arc::clone(&setup)) => match never {},
            never = proxy::resolve(setup, clock) => match never {},
            changed = setups.changed() => if changed.is_err() {
                return std::future::pending().await;
            },
        }
    }
}
