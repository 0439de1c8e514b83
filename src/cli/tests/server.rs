//! The real admin API with a fake control loop behind it, on a thread of its own.

use std::{
    net::{SocketAddr, TcpListener},
    sync::{Arc, Mutex},
    thread::JoinHandle,
};

use tokio::sync::oneshot;

use crate::{
    admin::{
        Context,
        fixture::{self, FakeControl, MemoryJournal},
    },
    control::{CommandError, Done},
    cutover::{Actor, Command},
    plan::Operator,
};

/// Ends, and is waited for, when it is dropped.
pub(super) struct Server {
    address: SocketAddr,
    pub(super) journal: MemoryJournal,
    pub(super) commands: Arc<Mutex<Vec<(Command, Actor)>>>,
    pub(super) answer: Arc<Mutex<Result<Done, CommandError>>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    pub(super) fn start(operators: Vec<Operator>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = { runtime }.enable_all().build().unwrap();
        let control = {
            let _entered = runtime.enter();
            FakeControl::start(fixture::status())
        };
        let journal = MemoryJournal::default();
        let context = Context {
            edition: fixture::in_force(fixture::plan(operators)),
            control: control.handle.clone(),
            journal: Arc::new(journal.clone()),
            copies: Arc::default(),
            orders: crate::admin::orders().0,
        };
        let (stop, stopped) = oneshot::channel::<()>();
        let commands = Arc::clone(&control.commands);
        let answer = Arc::clone(&control.answer);
        let thread = std::thread::spawn(move || {
            // The fake control loop lives as long as the server.
            let _control = control;
            let shutdown = async { drop(stopped.await) };
            runtime
                .block_on(crate::admin::serve(listener, || None, context, shutdown))
                .unwrap();
        });
        Self {
            address,
            journal,
            commands,
            answer,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}
