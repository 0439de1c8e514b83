//! The API as its clients meet it: over a socket, with a fake control loop behind it.

mod access;
mod bodies;
mod client;
mod description;
mod following;
mod limits;
mod looking;
mod walk;

use std::sync::Arc;

use tokio::sync::oneshot;

use crate::{
    admin::{
        Context,
        fixture::{self, FakeControl, MemoryJournal},
    },
    plan::Plan,
};

/// A server on loopback with all that stands behind it; it ends with the test.
struct World {
    control: FakeControl,
    journal: MemoryJournal,
    address: std::net::SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    server: tokio::task::JoinHandle<std::io::Result<()>>,
}

impl World {
    /// With one operator of each role.
    fn guarded() -> Self {
        Self::start(fixture::plan(fixture::operators()))
    }

    /// Without operators.
    fn local() -> Self {
        Self::start(fixture::plan(Vec::new()))
    }

    /// With this plan.
    fn start(plan: Plan) -> Self {
        let control = FakeControl::start(fixture::status());
        let journal = MemoryJournal::default();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let context = Context {
            edition: fixture::in_force(plan),
            control: control.handle.clone(),
            journal: Arc::new(journal.clone()),
            orders: crate::admin::orders().0,
            copies: Arc::default(),
        };
        let (stop, stopped) = oneshot::channel();
        let shutdown = async { drop(stopped.await) };
        let server = tokio::spawn(crate::admin::serve(listener, || None, context, shutdown));
        Self {
            control,
            journal,
            address,
            stop: Some(stop),
            server,
        }
    }

    /// Tells it to stop and waits until it has.
    async fn stop(mut self) {
        drop(self.stop.take());
        self.server.await.unwrap().unwrap();
    }
}
