//! An environment as a process of its own: this test binary, started again.
//!
//! It answers HTTP/1.1 and, with prior knowledge, HTTP/2 on one port. Every request with an `x-id` is counted,
//! so that a test can ask the environment itself what arrived, and how often. It ends with its standard input,
//! so that nothing is left over when a test is killed.

mod onward;

use std::{
    collections::BTreeMap,
    convert::Infallible,
    env,
    io::{self, BufRead, BufReader, Read},
    net::{Ipv4Addr, SocketAddr},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, combinators::BoxBody};
use hyper::{
    body::Incoming,
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustix::process::{Pid, Signal, kill_process};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use super::{admin, scatter};

const NAME: &str = "ENVIRONMENT_NAME";
const PORT: &str = "ENVIRONMENT_PORT";
const READY: &str = "environment listens on ";

/// A running environment process.
pub struct Environment {
    pub address: SocketAddr,
    child: Child,
    _stdin: ChildStdin,
    /// Kept open: the test runner in the process says something after a minute, and ends it if that cannot be written.
    _stdout: BufReader<ChildStdout>,
}

impl Environment {
    /// Starts one on a free port.
    pub fn start(name: &str) -> Self {
        Self::start_on(name, 0)
    }

    /// Starts one on a port that an earlier one had.
    pub fn start_on(name: &str, port: u16) -> Self {
        let mut child = Command::new(env::current_exe().expect("tests are files"))
            .args(["harness::environment::process", "--exact", "--nocapture"])
            .env(NAME, name)
            .env(PORT, port.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("this binary starts");
        let stdin = child.stdin.take().expect("it is piped");
        let mut stdout = BufReader::new(child.stdout.take().expect("it is piped"));
        let address = stdout
            .by_ref()
            .lines()
            .find_map(|line| {
                let line = line.expect("it is text");
                // The test runner may have printed the test's name in front.
                let (_, address) = line.split_once(READY)?;
                Some(address.parse().expect("an address"))
            })
            .expect("the environment says where it listens");
        Self {
            address,
            child,
            _stdin: stdin,
            _stdout: stdout,
        }
    }

    /// `http://ADDRESS`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Answers with `status` after `latency` from now on.
    pub fn behave(&self, status: u16, latency: Duration) {
        let path = format!("/_set/{status}/{}", latency.as_millis());
        admin::get(self.address, &path);
    }

    /// Answers so many of a thousand requests with `status` from now on, each drawn by itself.
    pub fn fail(&self, status: u16, per_mille: u16) {
        admin::get(self.address, &format!("/_fail/{status}/{per_mille}"));
    }

    /// Answers so many of a thousand requests that would be answered well with 500, whatever it is told to do beside that.
    pub fn slip(&self, per_mille: u16) {
        admin::get(self.address, &format!("/_slip/{per_mille}"));
    }

    /// Takes a time of its own for each request and client from now on, around the one that [`behave`](Self::behave) sets.
    pub fn scatter(&self) {
        admin::get(self.address, "/_scatter");
    }

    /// Answers requests of this path with `status` from now on, and all others as usual.
    pub fn fail_on(&self, path: &str, status: u16) {
        let path = path.trim_start_matches('/');
        admin::get(self.address, &format!("/_only/{path}/{status}"));
    }

    /// Lets calls of gRPC and tunnels go on to whoever listens there, from now on.
    pub fn pass_on(&self, to: SocketAddr) {
        admin::get(self.address, &format!("/_pass/{to}"));
    }

    /// What arrived: each `x-id` with how often.
    pub fn arrived(&self) -> BTreeMap<String, u64> {
        let text = admin::get(self.address, "/_ids");
        let line = |line: &str| {
            let (id, count) = line.split_once(' ')?;
            Some((id.to_owned(), count.parse().ok()?))
        };
        text.lines().filter_map(line).collect()
    }

    /// Requests that arrived, with and without an `x-id`.
    pub fn requests(&self) -> u64 {
        let text = admin::get(self.address, "/_count");
        text.trim().parse().expect("a number")
    }

    /// `kill -9`.
    pub fn kill(mut self) {
        self.child.kill().expect("it is ours");
        self.child.wait().expect("it is ours");
    }

    /// `kill -9`, after which it can be revived.
    pub fn crash(&mut self) {
        self.child.kill().expect("it is ours");
        self.child.wait().expect("it is ours");
    }

    /// Starts it again where it was.
    pub fn revive(&mut self, name: &str) {
        *self = Self::start_on(name, self.address.port());
    }

    pub fn signal(&self, signal: Signal) {
        signal_process(self.child.id(), signal);
    }
}

impl Drop for Environment {
    fn drop(&mut self) {
        // It may have been killed already; then there is nothing left to do.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a signal to one process, which the test started.
pub fn signal_process(pid: u32, signal: Signal) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    kill_process(pid.expect("a process"), signal).expect("it is ours");
}

/// Not a test of its own: the environment's process. Without its variable it has nothing to show.
#[test]
fn process() {
    let Ok(name) = env::var(NAME) else { return };
    let port = env::var(PORT).ok().and_then(|it| it.parse().ok());
    std::thread::spawn(|| {
        // The parent's end closes with the parent.
        let _ = io::stdin().read_to_end(&mut Vec::new());
        std::process::abort();
    });
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(serve(&name, port.expect("a port")));
}

#[derive(Default)]
struct Service {
    name: String,
    status: AtomicU64,
    latency_ms: AtomicU64,
    /// Requests of a thousand that are answered with the status, and of the others those that fail anyway.
    per_mille: AtomicU64,
    slips: AtomicU64,
    /// Whether the latency is drawn around what is set.
    scatters: AtomicBool,
    /// The one path that is answered with the status; none: all of them.
    only: Mutex<Option<String>>,
    /// Who answers calls of gRPC and tunnels.
    onward: Mutex<Option<SocketAddr>>,
    count: AtomicU64,
    ids: Mutex<BTreeMap<String, u64>>,
}

async fn serve(name: &str, port: u16) {
    let listener = listen(port).expect("the port is free");
    println!("{READY}{}", listener.local_addr().expect("it is bound"));
    let service = Arc::new(Service {
        name: name.to_owned(),
        status: AtomicU64::new(200),
        per_mille: AtomicU64::new(1_000),
        ..Service::default()
    });
    while let Ok((stream, _)) = listener.accept().await {
        let _ = stream.set_nodelay(true);
        tokio::spawn(connection(stream, Arc::clone(&service)));
    }
}

/// Takes as many connections at once as a proxy may open; those beyond the usual 128 would be let in a second later.
fn listen(port: u16) -> io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind((Ipv4Addr::LOCALHOST, port).into())?;
    socket.listen(4096)
}

async fn connection(stream: TcpStream, service: Arc<Service>) {
    let mut start = [0; 3];
    let read = stream.peek(&mut start).await.unwrap_or(0);
    let answer = service_fn(|request| answer(Arc::clone(&service), request));
    let io = TokioIo::new(stream);
    // Clients may go away at any time.
    if start[..read] == *b"PRI" {
        let builder = http2::Builder::new(TokioExecutor::new());
        let _ = builder.serve_connection(io, answer).await;
    } else {
        let mut builder = http1::Builder::new();
        let _ = builder
            .timer(TokioTimer::new())
            .serve_connection(io, answer)
            .with_upgrades()
            .await;
    }
}

type Body = BoxBody<Bytes, hyper::Error>;

fn whole(body: Bytes) -> Body {
    Full::new(body).map_err(|it| match it {}).boxed()
}

async fn answer(
    service: Arc<Service>,
    request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    let path = request.uri().path().to_owned();
    if let Some(control) = path.strip_prefix("/_") {
        return Ok(Response::new(whole(service.control(control))));
    }
    if onward::is_meant(&request) {
        let onward = *service.onward.lock().expect("no panic");
        if let Some(address) = onward {
            return Ok(onward::pass(address, request).await);
        }
    }
    service.count.fetch_add(1, Ordering::Relaxed);
    if let Some(id) = request.headers().get("x-id") {
        let id = id.to_str().expect("ids are ASCII").to_owned();
        *service.ids.lock().expect("no panic").entry(id).or_default() += 1;
    }
    let headers = format!("{:?}\n", request.headers());
    let mut latency = Duration::from_millis(service.latency_ms.load(Ordering::Relaxed));
    if service.scatters.load(Ordering::Relaxed) {
        let client = request.headers().get("x-client");
        latency = latency.mul_f64(scatter::factor(client.map(HeaderValue::as_bytes)));
    }
    if !latency.is_zero() {
        tokio::time::sleep(latency).await;
    }
    let body = match path.as_str() {
        "/headers" => Bytes::from(headers),
        "/large" => Bytes::from(vec![b'x'; 4 << 20]),
        _ => match request.into_body().collect().await {
            Ok(body) => body.to_bytes(),
            Err(_) => Bytes::new(),
        },
    };
    let mut response = Response::new(whole(body));
    *response.status_mut() = service.status_of(&path);
    let name = service.name.parse().expect("a header value");
    response.headers_mut().insert("x-served-by", name);
    Ok(response)
}

impl Service {
    fn status_of(&self, path: &str) -> StatusCode {
        let befalls = |per_mille: &AtomicU64| {
            let per_mille = per_mille.load(Ordering::Relaxed);
            per_mille > 0 && fastrand::u64(..1_000) < per_mille
        };
        let only = self.only.lock().expect("no panic").clone();
        let is_meant = only.is_none_or(|it| it == path);
        let mut status = match is_meant && befalls(&self.per_mille) {
            true => self.status.load(Ordering::Relaxed),
            false => 200,
        };
        if status == 200 && befalls(&self.slips) {
            status = 500;
        }
        let status = u16::try_from(status).expect("a status");
        StatusCode::from_u16(status).expect("a status")
    }

    fn control(&self, control: &str) -> Bytes {
        let text = match control.split('/').collect::<Vec<_>>()[..] {
            ["set", status, latency] => {
                let number = |text: &str| text.parse().expect("a number");
                self.status.store(number(status), Ordering::Relaxed);
                self.latency_ms.store(number(latency), Ordering::Relaxed);
                self.per_mille.store(1_000, Ordering::Relaxed);
                *self.only.lock().expect("no panic") = None;
                String::new()
            }
            ["only", path, status] => {
                let status = status.parse().expect("a number");
                self.status.store(status, Ordering::Relaxed);
                self.per_mille.store(1_000, Ordering::Relaxed);
                *self.only.lock().expect("no panic") = Some(format!("/{path}"));
                String::new()
            }
            ["fail", status, per_mille] => {
                let number = |text: &str| text.parse().expect("a number");
                self.status.store(number(status), Ordering::Relaxed);
                self.per_mille.store(number(per_mille), Ordering::Relaxed);
                String::new()
            }
            ["slip", per_mille] => {
                let per_mille = per_mille.parse().expect("a number");
                self.slips.store(per_mille, Ordering::Relaxed);
                String::new()
            }
            ["scatter"] => {
                self.scatters.store(true, Ordering::Relaxed);
                String::new()
            }
            ["pass", to] => {
                let to = to.parse().expect("an address");
                *self.onward.lock().expect("no panic") = Some(to);
                String::new()
            }
            ["count"] => self.count.load(Ordering::Relaxed).to_string(),
            ["ids"] => {
                let ids = self.ids.lock().expect("no panic");
                ids.iter()
                    .map(|(id, count)| format!("{id} {count}\n"))
                    .collect()
            }
            _ => panic!("no such control: {control}"),
        };
        Bytes::from(text)
    }
}
