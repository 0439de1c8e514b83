//! The whole program on loopback: real listeners, real environments, a real journal.

use std::{net::SocketAddr, path::Path, sync::Arc, time::Duration};

use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

use super::*;
use crate::{
    config::{self, Loaded},
    control::Status,
    cutover::{Actor, Command},
    units::Weight,
};

const PATIENCE: Duration = Duration::from_secs(20);

/// An environment that answers every request with its name, until it is dropped.
struct Environment {
    address: SocketAddr,
    accepting: JoinHandle<()>,
}

impl Environment {
    async fn start(name: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let accepting = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                connections.spawn(answer(stream, name));
            }
        });
        Self { address, accepting }
    }
}

impl Drop for Environment {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn answer(mut stream: TcpStream, name: &str) {
    let mut head = Vec::new();
    while let Ok(byte) = stream.read_u8().await {
        head.push(byte);
        if head.ends_with(b"\r\n\r\n") {
            head.clear();
            let length = name.len();
            let text = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{name}");
            if stream.write_all(text.as_bytes()).await.is_err() {
                return;
            }
        }
    }
}

fn loaded_for(old: SocketAddr, new: SocketAddr, dir: &Path) -> Loaded {
    let text = format!(
        r#"
        name = "shop"
        workers = 2
        [store]
        url = "sqlite:{}"
        [admin]
        address = "127.0.0.1:0"
        [[listener]]
        address = "127.0.0.1:0"
        [old]
        endpoints = ["http://{old}"]
        [new]
        endpoints = ["http://{new}"]
        [[ramp.step]]
        weight = "100%"
        bake = "10m"
        [[trigger]]
        name = "unreachable"
        reading = "connect_failures"
        in_a_row = 3
        "#,
        dir.join("journal.db").display()
    );
    let loaded = config::parse(&text, Path::new("test.toml"), dir);
    loaded.unwrap_or_else(|faults| panic!("{faults}"))
}

/// One request over a connection of its own; the response's text.
async fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    text
}

async fn until(running: &Running, what: &str, holds: impl Fn(&Status) -> bool) -> Arc<Status> {
    let mut tick = tokio::time::interval(Duration::from_millis(20));
    let seen = tokio::time::timeout(PATIENCE, async {
        loop {
            tick.tick().await;
            let status = running.control.status();
            if holds(&status) {
                return status;
            }
        }
    });
    let Ok(status) = seen.await else {
        panic!("never {what}: {:#?}", running.control.status())
    };
    status
}

async fn command(running: &Running, command: Command) {
    let actor = Actor::Operator("ada".to_owned());
    running.control.command(command, actor).await.unwrap();
}

fn set_to_full() -> Command {
    Command::SetWeight {
        weight: Weight::FULL,
        reason: "a look".to_owned(),
    }
}

async fn stop(running: Running) {
    running.stop(std::future::pending()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn traffic_follows_the_weight_and_comes_back_by_itself() {
    let (old, new) = tokio::join!(Environment::start("old"), Environment::start("new"));
    let dir = tempfile::tempdir().unwrap();
    let loaded = loaded_for(old.address, new.address, dir.path());
    let running = start(loaded.clone(), None).unwrap();
    let listener = running.listeners[0];
    assert_eq!(running.entries, 0);
    until(&running, "ready", |it| it.not_ready.is_empty()).await;
    assert!(get(listener, "/").await.ends_with("old"));

    command(&running, set_to_full()).await;
    assert!(get(listener, "/").await.ends_with("new"));
    // Two workers may have answered; each hands over in its own time.
    until(&running, "counted", |it| {
        (it.sides.old.requests, it.sides.new.requests) == (1, 1)
    })
    .await;
    assert!(
        get(running.admin, "/api/v1/status")
            .await
            .contains("\"holding\"")
    );

    // New dies: requests are answered by old all the same, and the trigger takes everything back.
    drop(new);
    let rolled_back =
        async { until(&running, "rolled back", |it| it.last_rollback.is_some()).await };
    let traffic = async {
        loop {
            assert!(get(listener, "/").await.starts_with("HTTP/1.1 200"));
        }
    };
    let status = tokio::select! {
        status = rolled_back => status,
        () = traffic => unreachable!("it goes on"),
    };
    let rollback = status.last_rollback.as_ref().unwrap();
    assert_eq!(rollback.cause, "trigger:unreachable");
    assert!(status.weight.abs() < f64::EPSILON);
    stop(running).await;

    // A restart is where it was.
    let running = start(loaded, None).unwrap();
    assert_eq!(running.entries, 3);
    assert_eq!(running.control.status().ramp.state, "rolled_back");
    assert!(get(running.listeners[0], "/").await.ends_with("old"));
    stop(running).await;
}

#[tokio::test]
async fn what_is_in_use_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap();
    let loaded = |dir: &TempDir| loaded_for(address, address, dir.path());

    let mut admin = loaded(&dir);
    admin.plan.admin.address = address;
    let error = start(admin, None).unwrap_err();
    assert!(matches!(error, ServeError::Admin { .. }), "{error:?}");
    let text = error.to_string();
    assert!(text.contains(&address.to_string()), "{text}");
    assert!(text.contains("another process"), "{text}");

    let mut listener = loaded(&dir);
    listener.plan.listeners[0].address = address;
    let error = start(listener, None).unwrap_err();
    assert!(matches!(error, ServeError::Proxy { .. }), "{error:?}");
    assert!(error.to_string().contains("another process"), "{error}");

    // Nothing was left running: the same journal can be opened, once.
    let running = start(loaded(&dir), None).unwrap();
    let error = start(loaded(&dir), None).unwrap_err();
    assert!(error.to_string().contains("in use by process"), "{error}");
    stop(running).await;
}

#[tokio::test]
async fn a_hurry_cuts_the_drain_and_leaves_the_journal_whole() {
    let (old, new) = tokio::join!(Environment::start("old"), Environment::start("new"));
    let dir = tempfile::tempdir().unwrap();
    let loaded = loaded_for(old.address, new.address, dir.path());
    let running = start(loaded.clone(), None).unwrap();
    until(&running, "ready", |it| it.not_ready.is_empty()).await;
    command(&running, set_to_full()).await;
    running.stop(std::future::ready(())).await;
    let found = recover::recover(&loaded.plan, None).unwrap();
    assert_eq!(found.restored.state.position.weight, Weight::FULL);
    drop(found);
}
