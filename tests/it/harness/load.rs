//! Open-loop load: requests leave at their rate whatever the answers do, each with an id of its own; only where a limit is set
//! do they wait for others.

mod picks;

use std::{
    cell::RefCell,
    collections::VecDeque,
    net::SocketAddr,
    rc::Rc,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::{
    body::Incoming,
    client::conn::{http1, http2},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    net::TcpStream,
    task::{JoinSet, LocalSet},
    time::{MissedTickBehavior, interval, timeout},
};

use self::picks::Picks;
use super::now;

/// What to send.
#[derive(Clone, Debug)]
pub struct Load {
    /// Requests a second.
    pub rate: u32,
    /// Keep-alive connections opened before the first request.
    pub connections: usize,
    pub protocol: Protocol,
    pub method: Method,
    /// Values of `x-client`: so many; 0 sends a new one with each request.
    pub clients: u64,
    /// Which of the clients, and of the paths, a request has.
    pub choice: Choice,
    /// In front of every id.
    pub prefix: String,
    /// The paths of requests.
    pub paths: &'static [&'static str],
    /// What is kept of answers.
    pub kept: Kept,
    /// Requests that may be under way; beyond them the next one leaves late. Where others take the machine for a while, a long
    /// run would else open connections until there are no descriptors left.
    pub at_once: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    Http1,
    H2c,
}

/// How one of several things is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// One after the other.
    InTurn,
    /// At random: paths alike, clients by Zipf's law, as a few have most of the requests.
    AtRandom,
}

/// Which answers are kept until the load is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// All of them.
    Every,
    /// Those that are not 200, so that a load can go on for hours; requests have no id then.
    Failures,
}

/// What became of one request.
#[derive(Debug)]
pub struct Answer {
    pub id: String,
    pub client: u64,
    pub sent: Instant,
    /// From then to the end of the answer, or to giving up.
    pub took: Duration,
    /// `None`: no answer at all.
    pub status: Option<u16>,
    /// The environment that says it answered.
    pub served_by: Option<String>,
    /// What the proxy says went wrong, or why there is no answer.
    pub error: Option<String>,
}

/// Load that is going on.
pub struct Running {
    stop: Arc<AtomicBool>,
    answers: Arc<Mutex<Vec<Answer>>>,
    sent: Arc<AtomicU64>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Load {
    /// 1,000 GETs a second over 64 HTTP/1.1 connections, every request a new client.
    pub fn new(prefix: &str) -> Self {
        Self {
            rate: 1000,
            connections: 64,
            protocol: Protocol::Http1,
            method: Method::GET,
            clients: 0,
            choice: Choice::InTurn,
            prefix: prefix.to_owned(),
            paths: &["/"],
            kept: Kept::Every,
            at_once: usize::MAX,
        }
    }

    /// Starts sending to `target`.
    pub fn start(self, target: SocketAddr) -> Running {
        let stop = Arc::new(AtomicBool::new(false));
        let answers = Arc::new(Mutex::new(Vec::new()));
        let sent = Arc::new(AtomicU64::new(0));
        let state = Sender {
            load: self,
            target,
            stop: Arc::clone(&stop),
            answers: Arc::clone(&answers),
            sent: Arc::clone(&sent),
        };
        let thread = thread::Builder::new().name("load".to_owned());
        let thread = thread.spawn(move || state.run()).expect("a thread");
        Running {
            stop,
            answers,
            sent,
            thread: Some(thread),
        }
    }
}

impl Running {
    /// Requests sent so far.
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Looks at what was kept of answers so far.
    pub fn look<T>(&self, at: impl FnOnce(&[Answer]) -> T) -> T {
        at(&self.answers.lock().expect("no panic"))
    }

    /// Waits for what is on its way, up to 15 s, and returns what became of the requests that were sent.
    pub fn stop(mut self) -> Vec<Answer> {
        self.stop.store(true, Ordering::Relaxed);
        let thread = self.thread.take().expect("it is stopped once");
        thread.join().expect("the load does not panic");
        std::mem::take(&mut *self.answers.lock().expect("no panic"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

struct Sender {
    load: Load,
    target: SocketAddr,
    stop: Arc<AtomicBool>,
    answers: Arc<Mutex<Vec<Answer>>>,
    sent: Arc<AtomicU64>,
}

enum Connection {
    Http1(http1::SendRequest<Full<Bytes>>),
    H2c(http2::SendRequest<Full<Bytes>>),
}

impl Sender {
    fn run(self) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        LocalSet::new().block_on(&runtime, self.send());
    }

    async fn send(self) {
        let idle = Rc::new(RefCell::new(VecDeque::new()));
        for _ in 0..self.load.connections {
            let connection = connect(self.target, self.load.protocol).await;
            idle.borrow_mut()
                .push_back(connection.expect("the proxy listens"));
        }
        let mut ticks = interval(Duration::from_secs(1) / self.load.rate);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let mut requests = JoinSet::new();
        let mut number = 0_u64;
        let kept = self.load.kept;
        let mut picks = Picks::new(&self.load);
        while !self.stop.load(Ordering::Relaxed) {
            ticks.tick().await;
            let (client, path) = picks.of(number);
            let request = One {
                id: format!("{}-{number}", self.load.prefix),
                kept,
                client,
                method: self.load.method.clone(),
                target: self.target,
                protocol: self.load.protocol,
                path,
                idle: Rc::clone(&idle),
            };
            number += 1;
            self.sent.store(number, Ordering::Relaxed);
            let answers = Arc::clone(&self.answers);
            requests.spawn_local(async move {
                let answer = request.send().await;
                if kept == Kept::Every || answer.status != Some(200) {
                    answers.lock().expect("no panic").push(answer);
                }
            });
            while requests.try_join_next().is_some() {}
            while requests.len() >= self.load.at_once {
                requests.join_next().await;
            }
        }
        while requests.join_next().await.is_some() {}
    }
}

struct One {
    id: String,
    kept: Kept,
    client: u64,
    method: Method,
    target: SocketAddr,
    protocol: Protocol,
    path: &'static str,
    idle: Rc<RefCell<VecDeque<Connection>>>,
}

impl One {
    async fn send(self) -> Answer {
        let sent = now();
        let response = timeout(Duration::from_secs(15), self.exchange()).await;
        let response = response.unwrap_or_else(|_elapsed| Err("no answer in time".to_owned()));
        let (response, failure) = match response {
            Ok(response) => (Some(response), None),
            Err(failure) => (None, Some(failure)),
        };
        let header = |name: &str| {
            let value = response.as_ref()?.headers().get(name)?;
            value.to_str().ok().map(str::to_owned)
        };
        Answer {
            sent,
            took: now() - sent,
            status: response.as_ref().map(|it| it.status().as_u16()),
            served_by: header("x-served-by"),
            error: failure.or_else(|| header("x-changeover-error")),
            id: self.id,
            client: self.client,
        }
    }

    async fn exchange(&self) -> Result<Response<()>, String> {
        let mut connection = self.connection().await.ok_or("no connection")?;
        let mut request = Request::builder()
            .method(&self.method)
            .uri(format!("http://{}{}", self.target, self.path))
            .header("host", self.target.to_string())
            .header("x-client", self.client.to_string());
        // Environments remember every id that they have seen.
        if self.kept == Kept::Every {
            request = request.header("x-id", &self.id);
        }
        let body = match self.method {
            Method::GET => Full::default(),
            _ => Full::from(self.id.clone()),
        };
        let request = request.body(body).map_err(|it| it.to_string())?;
        let request = match self.protocol {
            Protocol::Http1 => origin_form(request),
            Protocol::H2c => without_host(request),
        };
        let response = loop {
            let sent = match &mut connection {
                Connection::Http1(sender) => sender.try_send_request(request.clone()).await,
                Connection::H2c(sender) => sender.try_send_request(request.clone()).await,
            };
            match sent {
                Ok(response) => break response,
                Err(mut error) => {
                    let was_sent = error.take_message().is_none();
                    if was_sent && !was_not_taken(error.error()) {
                        return Err(format!("{:?}", error.error()));
                    }
                }
            }
            // Any client takes another connection then.
            connection = self.connection().await.ok_or("no connection")?;
        };
        let (parts, body): (_, Incoming) = response.into_parts();
        body.collect().await.map_err(|it| format!("{it:?}"))?;
        if let Connection::Http1(mut sender) = connection
            && sender.ready().await.is_ok()
        {
            self.idle.borrow_mut().push_back(Connection::Http1(sender));
        }
        Ok(Response::from_parts(parts, ()))
    }
}

/// Whether the other end has said that it did not process the request: a GOAWAY without an error names the last stream that
/// it has taken (RFC 9113, section 6.8).
fn was_not_taken(error: &hyper::Error) -> bool {
    format!("{error:?}").contains("GoAway(b\"\", NO_ERROR")
}

impl One {
    /// One that is idle, or a new one.
    async fn connection(&self) -> Option<Connection> {
        let idle = self.idle.borrow_mut().pop_front();
        let connection = match idle {
            Some(connection) => connection,
            None => connect(self.target, self.protocol).await?,
        };
        if let Connection::H2c(sender) = &connection
            && !sender.is_closed()
        {
            // Streams share their connection, so that it is idle for the next one at once.
            let shared = Connection::H2c(sender.clone());
            self.idle.borrow_mut().push_back(shared);
        }
        Some(connection)
    }
}

fn origin_form(mut request: Request<Full<Bytes>>) -> Request<Full<Bytes>> {
    let path = request.uri().path().to_owned();
    *request.uri_mut() = path.parse().expect("it is a path");
    request
}

fn without_host(mut request: Request<Full<Bytes>>) -> Request<Full<Bytes>> {
    request.headers_mut().remove("host");
    request
}

async fn connect(target: SocketAddr, protocol: Protocol) -> Option<Connection> {
    let stream = TcpStream::connect(target).await.ok()?;
    stream.set_nodelay(true).ok()?;
    let io = TokioIo::new(stream);
    // The connections' tasks end with their senders.
    match protocol {
        Protocol::Http1 => {
            let (sender, connection) = http1::handshake(io).await.ok()?;
            tokio::task::spawn_local(connection);
            Some(Connection::Http1(sender))
        }
        Protocol::H2c => {
            let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await.ok()?;
            tokio::task::spawn_local(connection);
            Some(Connection::H2c(sender))
        }
    }
}
