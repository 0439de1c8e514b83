//! The demo's clients: a fixed rate of requests over keep-alive connections, each with its own cookie.
//!
//! Each looks the service's name up, keeps the answer for its TTL, and connects anew where the name leads elsewhere then. A few
//! look it up once and never again, as there are in every move.

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

use crate::{
    clock,
    demo::{
        resolver::{Found, Resolver},
        zone::HOST,
    },
};

/// How many clients there are; together they send [`RATE`]. Clients keep their side, so that with few of them it may happen that
/// none is drawn for new at 5 %: with 200, once in some 28,000 runs.
const CLIENTS: u32 = 200;
/// Requests a second of all clients.
const RATE: u32 = 400;
/// Of so many clients one never looks the name up again.
const STRAGGLES: u32 = 20;
/// How many those are.
pub(super) const STRAGGLERS: u32 = CLIENTS / STRAGGLES;
/// A client gives up after this long, and calls it an error.
const PATIENCE: Duration = Duration::from_secs(5);

/// What the clients saw.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Requests sent.
    pub(crate) requests: AtomicU64,
    /// Requests that were answered with 5xx, not at all, or too late.
    pub(crate) errors: AtomicU64,
    /// Requests sent to another address than the proxy's.
    pub(crate) direct: AtomicU64,
}

/// Where clients go.
#[derive(Debug)]
pub(crate) struct Way {
    /// The proxy's place; every place has its port.
    pub(crate) proxy: SocketAddr,
    pub(crate) resolver: Resolver,
}

/// Sends requests until told to stop, and lets the last answers come in.
pub(crate) async fn clients(way: Arc<Way>, seen: Arc<Seen>, stop: watch::Receiver<bool>) {
    let mut clients = JoinSet::new();
    for number in 0..CLIENTS {
        clients.spawn(client(
            number,
            Arc::clone(&way),
            Arc::clone(&seen),
            stop.clone(),
        ));
    }
    while clients.join_next().await.is_some() {}
}

async fn client(number: u32, way: Arc<Way>, seen: Arc<Seen>, mut stop: watch::Receiver<bool>) {
    let period = Duration::from_secs(1) * CLIENTS / RATE;
    let mut ticks = interval_at(Instant::now() + period * number / CLIENTS, period);
    // A slow answer makes a client wait, not hurry afterwards.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut visit = Visit {
        agent: format!("client/{number}"),
        straggles: number.is_multiple_of(STRAGGLES),
        found: None,
        connection: None,
        cookie: None,
    };
    loop {
        tokio::select! {
            _ = ticks.tick() => (),
            _ = stop.wait_for(|stop| *stop) => return,
        }
        let place = visit.place(&way).await;
        seen.requests.fetch_add(1, Ordering::Relaxed);
        if place.is_some_and(|it| it != way.proxy) {
            seen.direct.fetch_add(1, Ordering::Relaxed);
        }
        let good = match place {
            Some(place) => timeout(PATIENCE, visit.request(place)).await,
            None => Ok(None),
        };
        if !matches!(good, Ok(Some(true))) {
            seen.errors.fetch_add(1, Ordering::Relaxed);
            visit.connection = None;
        }
    }
}

/// What one client carries from request to request.
struct Visit {
    agent: String,
    /// Whether it keeps its first answer for good.
    straggles: bool,
    /// Where the name led when it was looked up last.
    found: Option<Found>,
    connection: Option<SendRequest<Empty<Bytes>>>,
    cookie: Option<HeaderValue>,
}

impl Visit {
    /// Where the name leads, by an answer that may still be kept; by the last one where there is none.
    async fn place(&mut self, way: &Way) -> Option<SocketAddr> {
        let is_kept = |it: &Found| self.straggles || it.until > clock::now();
        if !self.found.as_ref().is_some_and(is_kept)
            && let Some(found) = way.resolver.look_up().await
        {
            let before = self.found.replace(found);
            if before.is_some_and(|it| it.address != found.address) {
                self.connection = None;
            }
        }
        let found = self.found?;
        Some(SocketAddr::new(found.address, way.proxy.port()))
    }

    /// One request: whether it was answered well; `None` if the connection broke.
    async fn request(&mut self, to: SocketAddr) -> Option<bool> {
        let mut request = Request::get("/").header(header::HOST, HOST);
        request = request.header(header::USER_AGENT, &self.agent);
        if let Some(cookie) = &self.cookie {
            request = request.header(header::COOKIE, cookie);
        }
        let request = request.body(Empty::new()).ok()?;
        let connection = match self.connection.take().filter(|it| !it.is_closed()) {
            Some(connection) => connection,
            None => connect(to).await?,
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

async fn connect(to: SocketAddr) -> Option<SendRequest<Empty<Bytes>>> {
    let stream = TcpStream::connect(to).await.ok()?;
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.ok()?;
    // The task ends with the connection, when the sender is dropped.
    tokio::spawn(connection);
    Some(sender)
}
