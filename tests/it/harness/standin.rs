//! Somebody's HTTP API, played by a test: a thread of its own serves what a function answers, and it can be told to fail first.

use std::{
    collections::VecDeque,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::Request,
    http::{HeaderMap, HeaderValue, Method, Response, StatusCode},
};
use tokio::runtime::Runtime;

/// No call is longer.
const BODY_BYTES_MAX: usize = 1 << 20;

/// A call as it arrived.
pub struct Call {
    pub method: Method,
    pub path: String,
    pub query: String,
    pub headers: HeaderMap,
    pub body: String,
}

/// What is answered.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: String,
}

/// What happens to a call instead of being answered as it should be.
#[derive(Clone, Debug)]
pub enum Failing {
    /// It is answered so, and not looked at.
    With(Answer),
    /// It is never answered.
    Silently,
    /// It is carried out, and never answered.
    SilentlyAfterwards,
}

type Failures = Arc<Mutex<VecDeque<(Method, Failing)>>>;

/// A running API; it ends when dropped.
pub struct StandIn {
    pub url: String,
    failures: Failures,
    runtime: Option<Runtime>,
}

impl StandIn {
    /// Starts one on a free port.
    pub fn start(serve: impl Fn(&Call) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let address: SocketAddr = listener.local_addr().expect("it is bound");
        listener.set_nonblocking(true).expect("it is open");
        let failures = Failures::default();
        let (serve, failing) = (Arc::new(serve), Arc::clone(&failures));
        let router = Router::new().fallback(move |request: Request| {
            let (serve, failing) = (Arc::clone(&serve), Arc::clone(&failing));
            async move { handle(request, &*serve, &failing).await }
        });
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        runtime.spawn(async move {
            let listener = tokio::net::TcpListener::from_std(listener).expect("it is open");
            axum::serve(listener, router).await.expect("it serves");
        });
        Self {
            url: format!("http://{address}"),
            failures,
            runtime: Some(runtime),
        }
    }

    /// What happens to the next call of this method, after those of which this was said before.
    pub fn fail_next(&self, method: Method, failing: Failing) {
        let mut failures = self.failures.lock().expect("nobody failed holding it");
        failures.push_back((method, failing));
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Answer {
    /// A body of this type.
    pub fn new(status: u16, kind: &str, body: String) -> Self {
        Self {
            status,
            headers: vec![("content-type", kind.to_owned())],
            body,
        }
    }

    pub fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    fn response(self) -> Response<Body> {
        let mut response = Response::new(Body::from(self.body));
        *response.status_mut() = StatusCode::from_u16(self.status).expect("a status");
        for (name, value) in self.headers {
            let value = HeaderValue::from_str(&value).expect("a header");
            response.headers_mut().insert(name, value);
        }
        response
    }
}

async fn handle(
    request: Request,
    serve: &(impl Fn(&Call) -> Answer + Sync),
    failures: &Failures,
) -> Response<Body> {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, BODY_BYTES_MAX).await.expect("a whole body");
    let call = Call {
        method: head.method,
        path: head.uri.path().to_owned(),
        query: head.uri.query().unwrap_or_default().to_owned(),
        headers: head.headers,
        body: String::from_utf8(body.to_vec()).expect("text"),
    };
    let failing = {
        let mut failures = failures.lock().expect("nobody failed holding it");
        let is_next = failures.front().is_some_and(|it| it.0 == call.method);
        is_next.then(|| failures.pop_front()).flatten()
    };
    match failing {
        None => serve(&call).response(),
        Some((_, Failing::With(answer))) => answer.response(),
        Some((_, Failing::Silently)) => std::future::pending().await,
        Some((_, Failing::SilentlyAfterwards)) => {
            let _unsaid = serve(&call);
            std::future::pending().await
        }
    }
}
