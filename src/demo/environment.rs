//! A small environment: an HTTP/1.1 service on loopback with a little latency, which can be made to go bad.

use std::{
    convert::Infallible,
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{net::TcpListener, sync::oneshot, task::JoinSet, time::sleep};

use crate::units::Side;

/// Latency of an answer: between these, uniformly.
const LATENCY: std::ops::Range<u64> = 2..8;
/// What "slow" adds.
const DELAY: Duration = Duration::from_millis(600);

/// How an environment behaves now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Behaviour {
    /// Answers 200 after a few milliseconds.
    Well,
    /// Answers 500 to every third request.
    Failing,
    /// Answers 200, late.
    Slow,
}

/// A running environment on a thread of its own. Dropping it closes its listener and its connections at once,
/// as the end of a process does.
#[derive(Debug)]
pub(crate) struct Environment {
    address: SocketAddr,
    behaviour: Arc<AtomicU8>,
    direct: Arc<AtomicU64>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Environment {
    /// Starts one that accepts from this listener.
    pub(crate) fn start(side: Side, listener: std::net::TcpListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let behaviour = Arc::new(AtomicU8::new(Behaviour::Well as u8));
        let direct = Arc::new(AtomicU64::new(0));
        let (stop, stopped) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let service = Service {
            side,
            behaviour: Arc::clone(&behaviour),
            direct: Arc::clone(&direct),
        };
        let thread = thread::Builder::new()
            .name(format!("environment-{side}"))
            .spawn(move || {
                runtime.block_on(async {
                    tokio::select! {
                        () = accept(listener, service) => {}
                        _ = stopped => {}
                    }
                });
            })?;
        Ok(Self {
            address,
            behaviour,
            direct,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// Where it listens.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Counts the requests that come past the proxy, which names the client in each that it sends.
    pub(crate) fn direct(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.direct)
    }

    /// Changes how it behaves from the next request on.
    pub(crate) fn behave(&self, behaviour: Behaviour) {
        self.behaviour.store(behaviour as u8, Ordering::Relaxed);
    }
}

impl Drop for Environment {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic of the environment's thread has already been printed by its hook.
            drop(thread.join());
        }
    }
}

async fn accept(listener: std::net::TcpListener, service: Service) {
    let Ok(listener) = TcpListener::from_std(listener) else {
        return;
    };
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let service = service.clone();
        connections.spawn(async move {
            let answer = service_fn(|request| service.answer(request));
            let served = http1::Builder::new()
                .timer(TokioTimer::new())
                .serve_connection(TokioIo::new(stream), answer);
            // The demo's own client and probes may leave at any time.
            drop(served.await);
        });
        while connections.try_join_next().is_some() {}
    }
}

#[derive(Clone, Debug)]
struct Service {
    side: Side,
    behaviour: Arc<AtomicU8>,
    direct: Arc<AtomicU64>,
}

impl Service {
    async fn answer(
        &self,
        request: Request<Incoming>,
    ) -> Result<Response<Full<Bytes>>, Infallible> {
        if !request.headers().contains_key("x-forwarded-for") {
            self.direct.fetch_add(1, Ordering::Relaxed);
        }
        sleep(Duration::from_millis(fastrand::u64(LATENCY))).await;
        let behaviour = self.behaviour.load(Ordering::Relaxed);
        if behaviour == Behaviour::Slow as u8 {
            sleep(DELAY).await;
        }
        let fails = behaviour == Behaviour::Failing as u8 && fastrand::u8(0..3) == 0;
        let body = format!("answered by {}\n", self.side);
        let mut response = Response::new(Full::new(Bytes::from(body)));
        if fails {
            *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        }
        let plain = HeaderValue::from_static("text/plain; charset=utf-8");
        response.headers_mut().insert(header::CONTENT_TYPE, plain);
        Ok(response)
    }
}
