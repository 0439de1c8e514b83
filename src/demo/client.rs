//! The demo's clients: a fixed rate of requests over keep-alive connections, each with its own cookie.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderValue, Request, header};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::{
    net::TcpStream,
    sync::watch,
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval_at, timeout},
};

/// How many clients there are; together they send [`RATE`].
const CLIENTS: u32 = 80;
/// Requests a second of all clients.
const RATE: u32 = 400;
/// A client gives up after this long, and calls it an error.
const PATIENCE: Duration = Duration::from_secs(5);

/// What the clients saw.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Requests sent.
    pub(crate) requests: AtomicU64,
    /// Requests that were answered with 5xx, not at all, or too late.
    pub(crate) errors: AtomicU64,
}

/// Sends requests to `proxy` until told to stop, and lets the last answers come in.
pub(crate) async fn clients(proxy: SocketAddr, seen: Arc<Seen>, stop: watch::Receiver<bool>) {
    let mut clients = JoinSet::new();
    for number in 0..CLIENTS {
        clients.spawn(client(number, proxy, Arc::clone(&seen), stop.clone()));
    }
    while clients.join_next().await.is_some() {}
}

async fn client(number: u32, proxy: SocketAddr, seen: Arc<Seen>, mut stop: watch::Receiver<bool>) {
    let period = Duration::from_secs(1) * CLIENTS / RATE;
    let mut ticks = interval_at(Instant::now() + period * number / CLIENTS, period);
    // A slow answer makes a client wait, not hurry afterwards.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut visit = Visit {
        agent: format!("client/{number}"),
        connection: None,
        cookie: None,
    };
    loop {
        tokio::select! {
            _ = ticks.tick() => (),
            _ = stop.wait_for(|stop| *stop) => return,
        }
        seen.requests.fetch_add(1, Ordering::Relaxed);
        let good = matches!(
            timeout(PATIENCE, visit.request(proxy)).await,
            Ok(Some(true))
        );
        if !good {
            seen.errors.fetch_add(1, Ordering::Relaxed);
            visit.connection = None;
        }
    }
}

/// What one client carries from request to request.
struct Visit {
    agent: String,
    connection: Option<SendRequest<Empty<Bytes>>>,
    cookie: Option<HeaderValue>,
}

impl Visit {
    /// One request: whether it was answered well; `None` if the connection broke.
    async fn request(&mut self, proxy: SocketAddr) -> Option<bool> {
        let mut request = Request::get("/").header(header::HOST, "demo.test");
        request = request.header(header::USER_AGENT, &self.agent);
        if let Some(cookie) = &self.cookie {
            request = request.header(header::COOKIE, cookie);
        }
        let request = request.body(Empty::new()).ok()?;
        let connection = match self.connection.take().filter(|it| !it.is_closed()) {
            Some(connection) => connection,
            None => connect(proxy).await?,
        };
        let connection = self.connection.insert(connection);
        connection.ready().await.ok()?;
        let response = connection.send_request(request).await.ok()?;
        let good = !response.status().is_server_error();
        let cookie = response.headers().get(header::SET_COOKIE);
        if let Some(cookie) = cookie.and_then(|it| it.to_str().ok()) {
            let pair = cookie.split(';').next().unwrap_or_default();
            self.cookie = HeaderValue::from_str(pair).ok();
        }
        response.into_body().collect().await.ok()?;
        Some(good)
    }
}

async fn connect(proxy: SocketAddr) -> Option<SendRequest<Empty<Bytes>>> {
    let stream = TcpStream::connect(proxy).await.ok()?;
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.ok()?;
    // The task ends with the connection, when the sender is dropped.
    tokio::spawn(connection);
    Some(sender)
}
