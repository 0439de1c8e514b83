//! The thread of the admin API and the health checks, apart from traffic and from the control loop.

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
    proxy::{self, Setup},
};

/// What the thread is given.
pub(super) struct Parts {
    pub(super) listener: TcpListener,
    pub(super) context: admin::Context,
    /// Whose endpoints are checked.
    pub(super) setup: Arc<Setup>,
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
    } = parts;
    let (setup, setups) = watch::channel(setup);
    let served = move || run(&runtime, (listener, context), setups, stopped);
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
    setups: watch::Receiver<Arc<Setup>>,
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
            never = probe(setups) => match never {},
        }
    });
}

/// Checks the endpoints of the newest setup.
async fn probe(mut setups: watch::Receiver<Arc<Setup>>) -> Infallible {
    loop {
        let setup = Arc::clone(&setups.borrow_and_update());
        tokio::select! {
            never = proxy::probe(setup) => match never {},
            changed = setups.changed() => if changed.is_err() {
                return std::future::pending().await;
            },
        }
    }
}
