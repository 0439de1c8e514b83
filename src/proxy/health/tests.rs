//! Health checks against real servers on loopback.

use std::{
    convert::Infallible,
    future::ready,
    sync::{
        Arc,
        atomic::{AtomicU16, AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response, StatusCode, Version};
use http_body_util::Empty;
use hyper::{
    body::Incoming,
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{net::TcpListener, task::AbortHandle};

use super::{jittered, probe};
use crate::{
    clock::Clock,
    measure::{Board, Standing},
    plan::{Edition, EndpointPlan, HealthPlan, HostHeader, Plan, Scheme},
    proxy::{
        Setup,
        upstream::testing::{NEW, Peer, endpoint, eventually, listen, plan, refusing},
    },
};

/// A server whose answer can be changed.
#[derive(Clone, Default)]
struct Server {
    status: Arc<AtomicU16>,
    asked: Arc<AtomicUsize>,
}

impl Server {
    fn set(&self, status: StatusCode) {
        self.status.store(status.as_u16(), Ordering::Relaxed);
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }

    async fn serve(self, listener: TcpListener, scheme: Scheme) {
        while let Ok((socket, _)) = listener.accept().await {
            let socket = TokioIo::new(socket);
            let server = self.clone();
            let answer =
                service_fn(move |request| ready(Ok::<_, Infallible>(server.answer(&request))));
            match scheme {
                Scheme::H2c => {
                    let builder = http2::Builder::new(TokioExecutor::new());
                    drop(builder.serve_connection(socket, answer).await);
                }
                Scheme::Http | Scheme::Https => {
                    drop(http1::Builder::new().serve_connection(socket, answer).await);
                }
            }
        }
    }

    fn answer(&self, request: &Request<Incoming>) -> Response<Empty<Bytes>> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let host = match request.version() {
            Version::HTTP_2 => request.uri().authority().unwrap().as_str(),
            _ => request.headers()["host"].to_str().unwrap(),
        };
        let is_expected = request.uri().path() == "/healthz" && host == "shop.example";
        let mut response = Response::new(Empty::new());
        *response.status_mut() = if is_expected {
            StatusCode::from_u16(self.status.load(Ordering::Relaxed)).unwrap()
        } else {
            StatusCode::NOT_FOUND
        };
        response
    }
}

fn checked(endpoint: EndpointPlan) -> Plan {
    let mut plan = plan(vec![], vec![endpoint]);
    plan.upstreams.new.host = HostHeader::Set("shop.example".to_owned());
    plan.upstreams.new.health = Some(HealthPlan {
        path: "/healthz".to_owned(),
        interval: Duration::from_millis(2),
        timeout: Duration::from_secs(5),
        unhealthy_after: 3,
        healthy_after: 2,
    });
    plan
}

struct Probe {
    board: Arc<Board>,
    clock: Clock,
    task: AbortHandle,
}

impl Probe {
    fn start(plan: Plan) -> Self {
        let board = Arc::new(Board::new(
            plan.upstreams.as_ref().map(|it| it.endpoints.len()),
        ));
        let edition = Edition::first(Arc::new(plan));
        let setup = Setup::load(edition, Arc::clone(&board)).unwrap();
        let probing = probe(Arc::new(setup));
        Self {
            board,
            clock: Clock::start(),
            task: tokio::spawn(probing).abort_handle(),
        }
    }

    fn standing(&self) -> Standing {
        self.board.standing(NEW, self.clock.timestamp())
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[tokio::test]
async fn an_endpoint_is_in_choice_as_its_answers_say() {
    for scheme in [Scheme::Http, Scheme::H2c] {
        let (listener, address) = listen().await;
        let server = Server::default();
        server.set(StatusCode::OK);
        let serving = tokio::spawn(server.clone().serve(listener, scheme));
        let probe = Probe::start(checked(endpoint(scheme, address)));
        eventually("it is asked", || server.asked() >= 3).await;
        assert_eq!(probe.standing(), Standing::Usable);

        server.set(StatusCode::SERVICE_UNAVAILABLE);
        let asked = server.asked();
        eventually("it is out", || probe.standing() == Standing::Unhealthy).await;
        assert!(server.asked() >= asked + 3, "one bad answer is not enough");

        server.set(StatusCode::FOUND);
        let asked = server.asked();
        eventually("it is back", || probe.standing() == Standing::Usable).await;
        assert!(server.asked() >= asked + 2, "one good answer is not enough");
        serving.abort();
    }
}

#[tokio::test]
async fn an_endpoint_that_refuses_or_stays_silent_is_unhealthy() {
    let probe = Probe::start(checked(endpoint(Scheme::Http, refusing().await)));
    eventually("it is out", || probe.standing() == Standing::Unhealthy).await;

    let (_listener, address) = listen().await;
    for scheme in [Scheme::Http, Scheme::H2c] {
        let mut plan = checked(endpoint(scheme, address));
        let health = plan.upstreams.new.health.as_mut().unwrap();
        health.timeout = Duration::from_millis(10);
        let probe = Probe::start(plan);
        eventually("it is out", || probe.standing() == Standing::Unhealthy).await;
    }
}

#[tokio::test]
async fn checks_end_with_the_probe() {
    let (listener, address) = listen().await;
    let probe = Probe::start(checked(endpoint(Scheme::Http, address)));
    let mut peer = Peer::accept(&listener).await;
    peer.read_head().await;
    drop(probe);
    peer.closed().await;
}

#[test]
fn intervals_vary_by_a_tenth() {
    let interval = Duration::from_secs(10);
    let spans: Vec<_> = (0..1000).map(|_| jittered(interval)).collect();
    let (least, most) = (spans.iter().min().unwrap(), spans.iter().max().unwrap());
    assert!(*least >= Duration::from_secs(9) && *most <= Duration::from_secs(11));
    assert!(*most > *least + Duration::from_secs(1));
}
