//! One health check: a GET over a connection of its own.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body_util::Empty;
use hyper::{
    body::Incoming,
    client::conn::{http1, http2},
    rt::Executor,
};
use hyper_util::rt::TokioIo;
use thiserror::Error;
use tokio::{task::AbortHandle, time::timeout};

use crate::{
    plan::{EndpointPlan, HealthPlan, HostHeader, Scheme, UpstreamPlan},
    proxy::upstream::{DialError, Protocol, Socket, Target, Want, dial},
};

/// Who asks, for the endpoint's access log.
const USER_AGENT: &str = concat!("changeover/", env!("CARGO_PKG_VERSION"), " (health check)");

/// What to ask one endpoint.
#[derive(Debug)]
pub(super) struct Check {
    target: Target,
    scheme: Scheme,
    authority: String,
    path: String,
}

/// Why a check failed.
#[derive(Debug, Error)]
pub(super) enum CheckError {
    /// The whole check took too long.
    #[error("no answer within {0:?}")]
    TimedOut(Duration),
    /// No connection.
    #[error("connect")]
    Connect(#[source] DialError),
    /// The plan's path or host does not make a request.
    #[error("write the request")]
    Request(#[source] http::Error),
    /// No response.
    #[error("get a response")]
    Response(#[source] hyper::Error),
    /// A response that says no.
    #[error("status {0}")]
    Status(StatusCode),
}

impl Check {
    /// The check of `endpoint`, which is at `target`.
    pub(super) fn new(
        target: Target,
        endpoint: &EndpointPlan,
        upstream: &UpstreamPlan,
        health: &HealthPlan,
    ) -> Self {
        let authority = match &upstream.host {
            HostHeader::Set(host) => host.clone(),
            HostHeader::Keep if endpoint.host.contains(':') => {
                format!("[{}]:{}", endpoint.host, endpoint.port)
            }
            HostHeader::Keep => format!("{}:{}", endpoint.host, endpoint.port),
        };
        Self {
            target,
            scheme: endpoint.scheme,
            authority,
            path: health.path.clone(),
        }
    }

    /// Asks once: passes on any 2xx or 3xx within `limit`.
    pub(super) async fn run(&self, limit: Duration) -> Result<(), CheckError> {
        let answer = timeout(limit, self.ask(limit)).await;
        let response = answer.unwrap_or(Err(CheckError::TimedOut(limit)))?;
        let status = response.status();
        if status.is_success() || status.is_redirection() {
            Ok(())
        } else {
            Err(CheckError::Status(status))
        }
    }

    async fn ask(&self, limit: Duration) -> Result<Response<Incoming>, CheckError> {
        let dialed = dial(&self.target, Want::Any, limit, None).await;
        let (socket, protocol) = dialed.map_err(CheckError::Connect)?;
        let request = Request::get(self.uri(protocol))
            .header(header::USER_AGENT, USER_AGENT)
            .header(header::ACCEPT, "*/*");
        let request = match protocol {
            Protocol::Http1 => request.header(header::HOST, &self.authority),
            Protocol::Http2 => request,
        };
        let request = request.body(Empty::new()).map_err(CheckError::Request)?;
        match protocol {
            Protocol::Http1 => ask_http1(socket, request).await,
            Protocol::Http2 => ask_http2(socket, request).await,
        }
        .map_err(CheckError::Response)
    }

    fn uri(&self, protocol: Protocol) -> String {
        match (protocol, self.scheme) {
            (Protocol::Http1, _) => self.path.clone(),
            (Protocol::Http2, Scheme::Https) => format!("https://{}{}", self.authority, self.path),
            (Protocol::Http2, Scheme::Http | Scheme::H2c) => {
                format!("http://{}{}", self.authority, self.path)
            }
        }
    }
}

async fn ask_http1(
    socket: Socket,
    request: Request<Empty<Bytes>>,
) -> hyper::Result<Response<Incoming>> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(socket)).await?;
    let mut response = std::pin::pin!(sender.send_request(request));
    tokio::select! {
        biased;
        response = &mut response => response,
        // Where the connection ends first, the response is there already or never comes.
        ended = connection => match ended {
            Ok(()) => response.await,
            Err(error) => Err(error),
        },
    }
}

async fn ask_http2(
    socket: Socket,
    request: Request<Empty<Bytes>>,
) -> hyper::Result<Response<Incoming>> {
    let tasks = Tasks::default();
    let started = http2::handshake(tasks.clone(), TokioIo::new(socket)).await;
    let _connection = Owned(tasks);
    let (mut sender, requests) = started?;
    let mut response = std::pin::pin!(sender.send_request(request));
    tokio::select! {
        biased;
        response = &mut response => response,
        ended = requests => match ended {
            Ok(()) => response.await,
            Err(error) => Err(error),
        },
    }
}

/// Runs hyper's tasks of one HTTP/2 connection; the first is the connection, and the others end with it.
#[derive(Clone, Debug, Default)]
struct Tasks(Arc<OnceLock<AbortHandle>>);

impl<F> Executor<F> for Tasks
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, future: F) {
        let task = tokio::spawn(future);
        self.0.get_or_init(|| task.abort_handle());
    }
}

/// Ends the connection when the check is over, also when it is given up.
struct Owned(Tasks);

impl Drop for Owned {
    fn drop(&mut self) {
        if let Some(task) = self.0.0.get() {
            task.abort();
        }
    }
}
