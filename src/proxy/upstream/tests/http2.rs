//! HTTP/2 connections: shared, bounded, and left in peace when the endpoint goes away.

use std::{
    cell::{Cell, RefCell},
    convert::Infallible,
    rc::Rc,
};

use bytes::Bytes;
use http::{Request, Response, Version};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, rt::Executor, server::conn::http2::Builder, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    net::TcpListener,
    sync::{Semaphore, watch},
    task::spawn_local,
};

use crate::{
    plan::Scheme,
    proxy::upstream::{
        SendError,
        testing::{NEW, World, endpoint, eventually, get, listen, local, plan, post, text, upload},
    },
};

#[derive(Clone)]
struct Local;

impl<F: Future<Output = ()> + 'static> Executor<F> for Local {
    fn execute(&self, future: F) {
        spawn_local(future);
    }
}

/// An HTTP/2 server that answers with the number of its connection; `/held` once it is let go, `/echo` with the body.
struct Server {
    accepted: Cell<usize>,
    closed: Cell<usize>,
    held: Semaphore,
    waiting: Cell<usize>,
    going: watch::Sender<bool>,
    streams_max: Option<u32>,
}

impl Server {
    fn new(streams_max: Option<u32>) -> Rc<Self> {
        Rc::new(Self {
            accepted: Cell::new(0),
            closed: Cell::new(0),
            held: Semaphore::new(0),
            waiting: Cell::new(0),
            going: watch::Sender::new(false),
            streams_max,
        })
    }

    fn serve(self: &Rc<Self>, listener: TcpListener) {
        let this = Rc::clone(self);
        spawn_local(async move {
            while let Ok((socket, _)) = listener.accept().await {
                this.accepted.set(this.accepted.get() + 1);
                let number = this.accepted.get();
                let server = Rc::clone(&this);
                let answer = move |request| Rc::clone(&server).answer(number, request);
                let mut builder = Builder::new(Local);
                builder.max_concurrent_streams(this.streams_max);
                let connection = builder.serve_connection(TokioIo::new(socket), service_fn(answer));
                let server = Rc::clone(&this);
                spawn_local(async move {
                    let mut going = server.going.subscribe();
                    let mut connection = std::pin::pin!(connection);
                    tokio::select! {
                        _ = &mut connection => (),
                        _ = going.changed() => {
                            connection.as_mut().graceful_shutdown();
                            drop(connection.await);
                        }
                    }
                    server.closed.set(server.closed.get() + 1);
                });
            }
        });
    }

    async fn answer(
        self: Rc<Self>,
        number: usize,
        request: Request<Incoming>,
    ) -> Result<Response<Full<Bytes>>, Infallible> {
        let body = match request.uri().path() {
            "/held" => {
                self.waiting.set(self.waiting.get() + 1);
                self.held.acquire().await.unwrap().forget();
                Bytes::from(number.to_string())
            }
            "/echo" => request.into_body().collect().await.unwrap().to_bytes(),
            _ => Bytes::from(number.to_string()),
        };
        Ok(Response::new(Full::new(body)))
    }
}

async fn world(streams: u32, streams_max: Option<u32>) -> (Rc<World>, Rc<Server>) {
    let (listener, address) = listen().await;
    let mut plan = plan(vec![], vec![endpoint(Scheme::H2c, address)]);
    plan.limits.streams = streams;
    let server = Server::new(streams_max);
    server.serve(listener);
    (Rc::new(World::new(plan)), server)
}

#[tokio::test]
async fn requests_at_once_share_one_connection() {
    local(async {
        let (world, server) = world(100, None).await;
        let gets: Vec<_> = (0..20)
            .map(|_| {
                let world = Rc::clone(&world);
                spawn_local(async move { world.get("/").await })
            })
            .collect();
        for it in gets {
            assert_eq!(it.await.unwrap(), "1");
        }
        assert_eq!(server.accepted.get(), 1);
        let lease = world.lease().await;
        assert_eq!(lease.version(), Version::HTTP_2);
        assert!(lease.is_reused());
    })
    .await;
}

#[tokio::test]
async fn a_body_arrives_and_the_answer_too() {
    local(async {
        let (world, _server) = world(100, None).await;
        let response = world.send(post("/echo", "hello")).await.unwrap();
        assert_eq!(text(response).await, "hello");
    })
    .await;
}

#[tokio::test]
async fn another_connection_is_opened_when_the_streams_are_used_up() {
    local(async {
        let (world, server) = world(2, None).await;
        let held = (world.lease().await, world.lease().await);
        assert_eq!(world.upstreams.open(NEW), 1);
        assert_eq!(world.get("/").await, "2");
        drop(held);
        assert_eq!(world.upstreams.idle(NEW), 2);
        assert_eq!(
            world.get("/").await,
            "1",
            "the first is preferred, so that the second can end"
        );
        assert_eq!(server.accepted.get(), 2);
    })
    .await;
}

#[tokio::test]
async fn an_endpoint_that_allows_fewer_streams_gets_fewer() {
    local(async {
        let (world, server) = world(100, Some(1)).await;
        assert_eq!(world.get("/").await, "1", "its settings are known now");
        let held = {
            let world = Rc::clone(&world);
            spawn_local(async move { world.get("/held").await })
        };
        eventually("it is under way", || server.waiting.get() == 1).await;
        assert_eq!(world.get("/").await, "2");
        server.held.add_permits(1);
        assert_eq!(held.await.unwrap(), "1");
    })
    .await;
}

#[tokio::test]
async fn a_connection_that_is_going_away_takes_no_new_request_and_finishes_its_old_ones() {
    local(async {
        let (world, server) = world(100, None).await;
        let held = {
            let world = Rc::clone(&world);
            spawn_local(async move { world.get("/held").await })
        };
        eventually("it is under way", || server.waiting.get() == 1).await;
        server.going.send_replace(true);
        let found = RefCell::new(None);
        while found.borrow().is_none() {
            match world.send(get("/")).await {
                Ok(response) => {
                    let number = text(response).await;
                    if number != "1" {
                        found.replace(Some(number));
                    }
                }
                Err(SendError::Unsent { body, .. }) => assert!(Body::is_end_stream(&body)),
                Err(error) => panic!("nothing of it was sent: {error:?}"),
            }
        }
        assert_eq!(found.take().unwrap(), "2");
        server.held.add_permits(1);
        assert_eq!(held.await.unwrap(), "1");
        eventually("the first has ended", || server.closed.get() >= 1).await;
    })
    .await;
}

#[tokio::test]
async fn an_idle_connection_that_goes_away_is_not_used() {
    local(async {
        let (world, server) = world(100, None).await;
        assert_eq!(world.get("/").await, "1");
        server.going.send_replace(true);
        eventually("the close is seen", || world.upstreams.open(NEW) == 0).await;
        assert_eq!(world.get("/").await, "2");
    })
    .await;
}

#[tokio::test]
async fn giving_up_one_stream_leaves_the_others_alone() {
    local(async {
        let (world, server) = world(100, None).await;
        let (request, pieces) = upload("/echo");
        tokio::select! {
            biased;
            () = async {
                world.get("/").await;
            } => (),
            _ = world.send(request) => panic!("its body has not ended"),
        }
        drop(pieces);
        assert_eq!(world.upstreams.in_flight(NEW), 0);
        assert_eq!(world.get("/").await, "1");
        assert_eq!(server.accepted.get(), 1);
    })
    .await;
}

#[tokio::test]
async fn connections_end_with_the_worker_and_with_their_idle_time() {
    local(async {
        let (world, server) = world(100, None).await;
        world.get("/").await;
        let idle = plan(vec![], vec![]).timeouts.upstream_idle;
        let now = crate::clock::now();
        world.upstreams.sweep(now);
        assert_eq!(world.upstreams.idle(NEW), 1);
        world.upstreams.sweep(now + idle * 2);
        assert_eq!(world.upstreams.idle(NEW), 0);
        eventually("the endpoint sees it", || server.closed.get() == 1).await;

        world.get("/").await;
        drop(world);
        eventually("the endpoint sees it", || server.closed.get() == 2).await;
    })
    .await;
}
