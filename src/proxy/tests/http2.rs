//! HTTP/2 from clients with prior knowledge, to endpoints of either protocol.

use std::{convert::Infallible, net::SocketAddr, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, Empty, StreamBody, combinators::BoxBody};
use hyper::{body::Incoming, client::conn::http2::SendRequest, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{net::TcpStream, task::JoinHandle, time::timeout};
use tokio_stream::StreamExt as _;

use crate::{
    measure::Class,
    plan::Scheme,
    proxy::tests::{
        endpoint::{Scripted, h2c, http, serving},
        rig::{PATIENCE, Rig, nobody, sides},
    },
    units::{Side, Weight},
};

type Body = BoxBody<Bytes, Infallible>;

/// A client's connection, and its end.
pub(super) struct Client {
    pub(super) send: SendRequest<Body>,
    pub(super) end: JoinHandle<hyper::Result<()>>,
}

impl Client {
    async fn to(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).await.unwrap()).await
    }

    pub(super) async fn over<IO>(io: IO) -> Self
    where
        IO: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    {
        let builder = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
        let (send, connection) = builder.handshake(TokioIo::new(io)).await.unwrap();
        Self {
            send,
            end: tokio::spawn(connection),
        }
    }

    pub(super) async fn ask(&mut self, request: Request<Body>) -> Response<Incoming> {
        let answer = timeout(PATIENCE, self.send.send_request(request)).await;
        answer.unwrap().unwrap()
    }

    pub(super) async fn get(&mut self, path: &str) -> (StatusCode, String) {
        let answer = self.ask(request(path, "GET", empty())).await;
        let status = answer.status();
        (status, text(answer.into_body()).await)
    }
}

fn request(path: &str, method: &str, body: Body) -> Request<Body> {
    let request = Request::builder()
        .method(method)
        .uri(format!("http://a.test{path}"));
    request.body(body).unwrap()
}

fn empty() -> Body {
    Empty::new().boxed()
}

/// A body of unknown length.
fn pieces(pieces: &[&'static str]) -> Body {
    let frames: Vec<_> = pieces
        .iter()
        .map(|it| Ok::<_, Infallible>(Frame::data(Bytes::from_static(it.as_bytes()))))
        .collect();
    StreamBody::new(tokio_stream::iter(frames)).boxed()
}

async fn text(body: Incoming) -> String {
    let bytes = timeout(PATIENCE, body.collect()).await.unwrap().unwrap();
    String::from_utf8(bytes.to_bytes().to_vec()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_are_requests_each_measured() {
    let endpoints = sides(http("old").await, http("new").await);
    let mut rig = Rig::start(endpoints, Weight::FULL, |_| ());
    let mut client = Client::to(rig.address()).await;
    for path in ["/1", "/2"] {
        let (status, said) = client.get(path).await;
        assert_eq!(status, 200);
        assert!(said.starts_with(&format!("[new] [GET {path}]")), "{said}");
        assert!(said.contains(r#""host": "a.test""#), "{said}");
    }
    for outcome in rig.outcomes(2).await {
        assert_eq!(outcome.class, Class::Success);
        assert_eq!(outcome.side(), Side::New);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_of_unknown_length_reaches_an_endpoint_of_http1() {
    let endpoints = sides(http("old").await, nobody().await);
    let mut rig = Rig::start(endpoints, Weight::NONE, |_| ());
    let mut client = Client::to(rig.address()).await;
    for method in ["POST", "GET"] {
        let answer = client
            .ask(request("/", method, pieces(&["some ", "words"])))
            .await;
        let said = text(answer.into_body()).await;
        assert!(said.ends_with("[some words]"), "{said}");
    }
    let outcomes = rig.outcomes(2).await;
    assert!(outcomes.iter().all(|it| it.bytes_up == 10));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_of_http2_is_spoken_to_in_http2() {
    let endpoints = sides(h2c("old").await, nobody().await);
    let mut rig = Rig::start(endpoints, Weight::NONE, |plan| {
        plan.upstreams.old.endpoints[0].scheme = Scheme::H2c;
    });
    let mut client = Client::to(rig.address()).await;
    let answer = client.ask(request("/x", "POST", pieces(&["words"]))).await;
    let said = text(answer.into_body()).await;
    assert!(said.starts_with("[old] [POST http://a.test/x]"), "{said}");
    assert!(said.ends_with("[words]"), "{said}");
    let mut plain = crate::proxy::tests::talk::Talk::to(rig.address()).await;
    let said = plain.get("/y").await;
    assert!(
        said.body.starts_with("[old] [GET http://a.test/y]"),
        "{said:?}"
    );
    rig.outcomes(2).await;
}

/// Some bytes, after which the body stays open without an end.
fn endless(piece: &'static str) -> Body {
    let frame = Frame::data(Bytes::from_static(piece.as_bytes()));
    let frames = tokio_stream::once(Ok::<_, Infallible>(frame)).chain(tokio_stream::pending());
    StreamBody::new(frames).boxed()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_response_is_whole_with_its_last_byte_though_its_end_comes_later() {
    let old = serving(|socket| async move {
        let service = service_fn(|_| async {
            let response = Response::builder().header("content-length", "5");
            Ok::<_, Infallible>(response.body(endless("words")).unwrap())
        });
        let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        drop(server.serve_connection(TokioIo::new(socket), service).await);
    })
    .await;
    let mut rig = Rig::start(sides(old, nobody().await), Weight::NONE, |plan| {
        plan.upstreams.old.endpoints[0].scheme = Scheme::H2c;
    });
    let mut client = crate::proxy::tests::talk::Talk::to(rig.address()).await;
    assert_eq!(client.get("/").await.body, "words");
    let outcome = rig.outcome().await;
    assert_eq!(outcome.class, Class::Success);
    assert_eq!(outcome.bytes_down, 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_whole_with_its_last_byte_though_its_end_comes_later() {
    let old = Scripted::start(|_, mut client| async move {
        client.until("words").await;
        client.rest().await;
    })
    .await;
    let mut rig = Rig::start(sides(old.address, nobody().await), Weight::NONE, |plan| {
        plan.timeouts.response_head = Duration::from_millis(200);
    });
    let mut client = Client::to(rig.address()).await;
    let mut upload = request("/", "POST", endless("words"));
    let length = "5".parse().unwrap();
    upload.headers_mut().insert("content-length", length);
    assert_eq!(client.ask(upload).await.status(), 504);
    assert_eq!(rig.outcome().await.class, Class::Timeout);
    assert_eq!(rig.heads.len(), 1, "the wait for the response is a latency");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grpc_call_that_hangs_is_blamed_on_the_client_only_if_it_said_nothing() {
    for (body, status, class) in [
        (endless("message"), 504, Class::Timeout),
        (
            StreamBody::new(tokio_stream::pending()).boxed(),
            408,
            Class::ClientAbort,
        ),
    ] {
        let old = serving(|socket| async move {
            let service =
                service_fn(|_| std::future::pending::<Result<Response<Body>, Infallible>>());
            let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            drop(server.serve_connection(TokioIo::new(socket), service).await);
        })
        .await;
        let mut rig = Rig::start(sides(old, nobody().await), Weight::NONE, |plan| {
            plan.upstreams.old.endpoints[0].scheme = Scheme::H2c;
            plan.timeouts.body_idle = Duration::from_millis(200);
        });
        let mut client = Client::to(rig.address()).await;
        let mut call = request("/Service/Call", "POST", body);
        let kind = "application/grpc".parse().unwrap();
        call.headers_mut().insert("content-type", kind);
        assert_eq!(client.ask(call).await.status(), status);
        assert_eq!(rig.outcome().await.class, class);
    }
}

/// An endpoint that answers with one message and a gRPC status: in the trailers, or in the head alone.
async fn grpc(status: &'static str, in_head: bool) -> SocketAddr {
    serving(move |socket| async move {
        let service = service_fn(move |_| async move {
            let response = Response::builder().header("content-type", "application/grpc");
            let response = if in_head {
                response.header("grpc-status", status).body(empty())
            } else {
                let mut trailers = HeaderMap::new();
                trailers.insert("grpc-status", status.parse().unwrap());
                // What only the proxy says is not the endpoint's to say.
                trailers.insert("x-changeover-error", "connect".parse().unwrap());
                trailers.insert("x-changeover-side", "new".parse().unwrap());
                let frames = [
                    Frame::data(Bytes::from_static(b"message")),
                    Frame::trailers(trailers),
                ];
                let frames = frames.map(Ok::<_, Infallible>);
                response.body(StreamBody::new(tokio_stream::iter(frames)).boxed())
            };
            Ok::<_, Infallible>(response.unwrap())
        });
        let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        drop(server.serve_connection(TokioIo::new(socket), service).await);
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grpc_status_is_read_from_trailers_and_head() {
    for (status, in_head, class) in [
        ("0", false, Class::Success),
        ("13", false, Class::Grpc),
        ("5", false, Class::Success),
        ("14", true, Class::Grpc),
    ] {
        let endpoints = sides(grpc(status, in_head).await, nobody().await);
        let mut rig = Rig::start(endpoints, Weight::NONE, |plan| {
            plan.upstreams.old.endpoints[0].scheme = Scheme::H2c;
        });
        let mut client = Client::to(rig.address()).await;
        let mut call = request("/Service/Call", "POST", pieces(&["message"]));
        let headers = call.headers_mut();
        headers.insert("te", "trailers".parse().unwrap());
        headers.insert("content-type", "application/grpc".parse().unwrap());
        let answer = client.ask(call).await;
        let found = match in_head {
            true => answer.headers()["grpc-status"].clone(),
            false => {
                let body = timeout(PATIENCE, answer.into_body().collect()).await;
                let trailers = body.unwrap().unwrap().trailers().unwrap().clone();
                assert_eq!(trailers.len(), 1, "{trailers:?}");
                trailers["grpc-status"].clone()
            }
        };
        assert_eq!(found, status);
        let outcome = rig.outcome().await;
        assert_eq!(outcome.class, class, "grpc-status {status}");
        assert_eq!(outcome.status, Some(200));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn both_directions_of_a_stream_go_on_together() {
    let endpoints = sides(echo().await, nobody().await);
    let mut rig = Rig::start(endpoints, Weight::NONE, |plan| {
        plan.upstreams.old.endpoints[0].scheme = Scheme::H2c;
    });
    let mut client = Client::to(rig.address()).await;
    let (pieces, receiver) = tokio::sync::mpsc::channel(1);
    let body = StreamBody::new(tokio_stream::wrappers::ReceiverStream::new(receiver)).boxed();
    let answer = client.ask(request("/", "POST", body)).await;
    let mut answer = answer.into_body();
    for piece in ["one", "two", "three"] {
        let frame = Frame::data(Bytes::from_static(piece.as_bytes()));
        pieces.send(Ok::<_, Infallible>(frame)).await.unwrap();
        let back = timeout(PATIENCE, answer.frame()).await.unwrap();
        let back = back.unwrap().unwrap().into_data().unwrap();
        assert_eq!(back, piece);
    }
    drop(pieces);
    assert_eq!(text(answer).await, "");
    let outcome = rig.outcome().await;
    assert_eq!(outcome.class, Class::Success);
    assert_eq!((outcome.bytes_up, outcome.bytes_down), (11, 11));
}

/// An endpoint that answers at once and sends back what it gets as it gets it.
async fn echo() -> SocketAddr {
    serving(|socket| async move {
        let service = service_fn(|request: Request<Incoming>| async move {
            Ok::<_, Infallible>(Response::new(request.into_body()))
        });
        let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        drop(server.serve_connection(TokioIo::new(socket), service).await);
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_reset_is_the_clients_doing() {
    let old = Scripted::start(|_, mut client| async move {
        client.rest().await;
    })
    .await;
    let mut rig = Rig::start(sides(old.address, nobody().await), Weight::NONE, |_| ());
    let mut client = Client::to(rig.address()).await;
    let asking = client.send.send_request(request("/", "GET", empty()));
    let asking = tokio::spawn(asking);
    rig.until("a request in flight", |it| {
        it.last.as_ref().is_some_and(|it| it.in_flight.old == 1)
    })
    .await;
    asking.abort();
    assert_eq!(rig.outcome().await.class, Class::ClientAbort);
    assert!(!client.end.is_finished());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_nobody_reads_is_reset() {
    let old = Scripted::start(|_, mut client| async move {
        client.until("\r\n\r\n").await;
        client
            .say("HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
            .await;
        let mut io = client.into_inner();
        let piece = vec![b'x'; 64 * 1024];
        while tokio::io::AsyncWriteExt::write_all(&mut io, &piece)
            .await
            .is_ok()
        {}
    })
    .await;
    let mut rig = Rig::start(sides(old.address, nobody().await), Weight::NONE, |plan| {
        plan.timeouts.body_idle = Duration::from_millis(200);
    });
    let mut client = Client::to(rig.address()).await;
    let answer = client.ask(request("/", "GET", empty())).await;
    assert_eq!(rig.outcome().await.class, Class::ClientAbort);
    // What was sent before may be read, and then the stream is broken.
    assert!(
        timeout(PATIENCE, answer.into_body().collect())
            .await
            .unwrap()
            .is_err()
    );
    assert!(!client.end.is_finished());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_without_streams_is_let_go() {
    let endpoints = sides(http("old").await, nobody().await);
    let rig = Rig::start(endpoints, Weight::NONE, |plan| {
        plan.timeouts.client_idle = Duration::from_millis(200);
    });
    let mut client = Client::to(rig.address()).await;
    assert_eq!(client.get("/").await.0, 200);
    let ended = timeout(PATIENCE, client.end).await.unwrap().unwrap();
    assert!(ended.is_ok(), "{ended:?}");
}

/// An endpoint that answers once it is released.
async fn held() -> (tokio::sync::watch::Sender<bool>, Scripted) {
    let (release, released) = tokio::sync::watch::channel(false);
    let endpoint = Scripted::start(move |_, mut client| {
        let mut released = released.clone();
        async move {
            client.until("\r\n\r\n").await;
            released.wait_for(|it| *it).await.unwrap();
            client
                .say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
                .await;
        }
    })
    .await;
    (release, endpoint)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_is_to_leave_gets_its_answers_and_a_goaway() {
    let (release, old) = held().await;
    let mut rig = Rig::start(sides(old.address, nobody().await), Weight::NONE, |_| ());
    let mut client = Client::to(rig.address()).await;
    let asking = tokio::spawn(client.send.send_request(request("/", "GET", empty())));
    rig.until("a request in flight", |it| {
        it.last.as_ref().is_some_and(|it| it.in_flight.old == 1)
    })
    .await;
    let leave_before = rig.shared.publication.leave_before();
    leave_before.set(Some(rig.shared.clock.timestamp()));
    release.send(true).unwrap();
    let answer = timeout(PATIENCE, asking).await.unwrap().unwrap().unwrap();
    assert_eq!(text(answer.into_body()).await, "hi");
    let ended = timeout(PATIENCE, client.end).await.unwrap().unwrap();
    assert!(ended.is_ok(), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_lets_streams_finish_and_takes_no_more() {
    let (release, old) = held().await;
    let mut rig = Rig::start(sides(old.address, nobody().await), Weight::NONE, |_| ());
    let mut client = Client::to(rig.address()).await;
    let asking = tokio::spawn(client.send.send_request(request("/", "GET", empty())));
    rig.until("a request in flight", |it| {
        it.last.as_ref().is_some_and(|it| it.in_flight.old == 1)
    })
    .await;
    let (proxy, rest) = rig.split();
    let draining = tokio::spawn(proxy.drain());
    release.send(true).unwrap();
    let answer = timeout(PATIENCE, asking).await.unwrap().unwrap().unwrap();
    assert_eq!(text(answer.into_body()).await, "hi");
    timeout(PATIENCE / 2, draining).await.unwrap().unwrap();
    let ended = timeout(PATIENCE, client.end).await.unwrap().unwrap();
    assert!(ended.is_ok(), "{ended:?}");
    assert_eq!(rest.last_words().await[0].class, Class::Success);
}
