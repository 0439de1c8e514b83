//! Serving the API: connections with their limits, and the end.

use std::{io, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use axum::{Router, extract::FromRef};
use hyper::{Request, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use rustls::ServerConfig;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;

use crate::{
    admin::{
        Context,
        access::Connection,
        peers::{Peers, Place},
        route,
    },
    clock,
};

/// Connections at once; beyond it the accept waits. People, scripts and a scraper need a handful.
const CONNECTIONS_MAX: usize = 256;

/// Followers of the journal at once; fewer than connections, so that a command always gets through.
const FOLLOWERS_MAX: usize = 32;

/// Bytes of a request head; hyper answers 431 above it.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// Header fields of a request; hyper answers 431 above it.
const HEADERS_MAX: usize = 64;

/// For a TLS handshake, for a request's head to come in, and for an idle connection until the next one.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);

/// From a request's head to its response's. A command waits for a disk, and a slow disk takes seconds.
pub(crate) const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// What was sent and not acknowledged for so long ends the connection: the peer is gone, or does not read.
#[cfg(target_os = "linux")]
const UNACKNOWLEDGED_MAX: Duration = Duration::from_secs(60);

/// From the signal to stop until what still runs is cut.
const DRAIN_MAX: Duration = Duration::from_secs(5);

/// After a failed accept, which is mostly for want of descriptors: no use in asking again at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What every handler shares.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) context: Context,
    /// Turns true when the server stops, so that streams end.
    pub(crate) closing: watch::Receiver<bool>,
    /// One permit for each follower.
    pub(crate) followers: Arc<Semaphore>,
    /// What each peer has left.
    pub(crate) peers: Arc<Peers>,
}

impl FromRef<Shared> for Context {
    fn from_ref(shared: &Shared) -> Self {
        shared.context.clone()
    }
}

/// Serves the API on `listener` (which must be non-blocking), over what `tls` is when a connection comes, until `shutdown`,
/// then lets what runs finish.
///
/// # Errors
/// If the listener cannot be used; a failing connection is no error of the server.
pub async fn serve(
    listener: std::net::TcpListener,
    tls: impl Fn() -> Option<Arc<ServerConfig>>,
    context: Context,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    let (close, closing) = watch::channel(false);
    let peers = Arc::new(Peers::default());
    let router = route::router(Shared {
        context: context.clone(),
        closing: closing.clone(),
        followers: Arc::new(Semaphore::new(FOLLOWERS_MAX)),
        peers: Arc::clone(&peers),
    });
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    loop {
        tokio::select! {
            () = &mut shutdown => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept(), if connections.len() < CONNECTIONS_MAX => match accepted {
                Ok((stream, peer)) => {
                    let plan = context.plan();
                    let Some(place) = peers.admit(&plan.admin, peer.ip(), clock::now()) else {
                        tracing::debug!(%peer, "an admin connection too many of one peer was closed");
                        continue;
                    };
                    let accepted = Accepted { stream, peer, _place: place };
                    let served = connection(accepted, tls().map(TlsAcceptor::from), router.clone(), closing.clone());
                    connections.spawn(served);
                }
                Err(error) => {
                    tracing::warn!(%error, "an admin connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    drop(listener);
    close.send_replace(true);
    let drained = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(DRAIN_MAX, drained).await.is_err() {
        tracing::warn!("admin connections were cut at the end of their drain time");
    }
    Ok(())
}

/// A connection that its peer may have.
struct Accepted {
    stream: TcpStream,
    peer: SocketAddr,
    _place: Place,
}

async fn connection(
    accepted: Accepted,
    acceptor: Option<TlsAcceptor>,
    router: Router,
    mut closing: watch::Receiver<bool>,
) {
    let Accepted {
        stream,
        peer,
        _place,
    } = accepted;
    if let Err(error) = tune(&stream) {
        tracing::debug!(%error, %peer, "an admin connection ended before its first byte");
        return;
    }
    let Ok(local) = stream.local_addr() else {
        return;
    };
    let ends = Connection { peer, local };
    let Some(acceptor) = acceptor else {
        return converse(stream, ends, router, closing).await;
    };
    let handshake = tokio::select! {
        done = tokio::time::timeout(HEAD_TIMEOUT, acceptor.accept(stream)) => done,
        () = closed(&mut closing) => return,
    };
    match handshake {
        Ok(Ok(stream)) => converse(stream, ends, router, closing).await,
        Ok(Err(error)) => {
            tracing::debug!(%error, %peer, "a TLS handshake for the admin API failed")
        }
        Err(_elapsed) => tracing::debug!(%peer, "a TLS handshake for the admin API took too long"),
    }
}

/// Requests and answers, until either end has enough.
async fn converse(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    ends: Connection,
    router: Router,
    mut closing: watch::Receiver<bool>,
) {
    let service = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(ends);
        hyper::service::Service::call(&service, request)
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(HEAD_BYTES_MAX)
        .max_headers(HEADERS_MAX)
        .serve_connection(TokioIo::new(stream), service);
    let mut served = pin!(served);
    let ended = tokio::select! {
        ended = served.as_mut() => ended,
        () = closed(&mut closing) => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, peer = %ends.peer, "an admin connection failed");
    }
}

/// Waits until the server stops.
pub(crate) async fn closed(closing: &mut watch::Receiver<bool>) {
    // A dropped sender means the same.
    drop(closing.wait_for(|is_closing| *is_closing).await);
}

fn tune(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    #[cfg(target_os = "linux")]
    socket2::SockRef::from(stream).set_tcp_user_timeout(Some(UNACKNOWLEDGED_MAX))?;
    Ok(())
}
