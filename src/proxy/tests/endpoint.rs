//! Endpoints: small servers that answer as a test scripts it.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::{TcpListener, TcpStream};

use crate::proxy::tests::talk::Talk;

/// A scripted endpoint: each connection is handled by the script, with its number.
pub(super) struct Scripted {
    pub(super) address: SocketAddr,
    connections: Arc<AtomicUsize>,
}

impl Scripted {
    pub(super) async fn start<F>(
        script: impl Fn(usize, Talk<TcpStream>) -> F + Send + 'static,
    ) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&connections);
        tokio::spawn(async move {
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                let number = count.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(script(number, Talk::over(socket)));
            }
        });
        Self {
            address,
            connections,
        }
    }

    /// Connections that it took so far.
    pub(super) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

/// What an [`http`] endpoint was sent, and how it answers: a name, the method and target, the headers, and the body, each
/// in brackets.
pub(super) async fn describe(name: &str, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let (head, body) = request.into_parts();
    let collected = body.collect().await;
    let body = match &collected {
        Ok(_) => String::from_utf8(collected.unwrap().to_bytes().to_vec()).unwrap(),
        Err(_) => "broken".to_owned(),
    };
    let text = format!(
        "[{name}] [{} {}] {:?} [{body}]",
        head.method, head.uri, head.headers
    );
    Response::new(Full::new(Bytes::from(text)))
}

/// An endpoint that speaks HTTP/1 properly and describes what it was sent.
pub(super) async fn http(name: &'static str) -> SocketAddr {
    serving(move |socket| async move {
        let service =
            service_fn(
                move |request| async move { Ok::<_, Infallible>(describe(name, request).await) },
            );
        let server = hyper::server::conn::http1::Builder::new();
        // Clients of tests come and go.
        drop(server.serve_connection(TokioIo::new(socket), service).await);
    })
    .await
}

/// As [`http`], over HTTP/2 with prior knowledge.
pub(super) async fn h2c(name: &'static str) -> SocketAddr {
    serving(move |socket| async move {
        let service =
            service_fn(
                move |request| async move { Ok::<_, Infallible>(describe(name, request).await) },
            );
        let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        drop(server.serve_connection(TokioIo::new(socket), service).await);
    })
    .await
}

/// Accepts connections and lets `serve` have each.
pub(super) async fn serving<F>(serve: impl Fn(TcpStream) -> F + Send + 'static) -> SocketAddr
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            tokio::spawn(serve(socket));
        }
    });
    address
}
