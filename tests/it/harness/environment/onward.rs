//! What an environment does not answer itself: gRPC calls and tunnels go on to somebody who can.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty, combinators::BoxBody};
use hyper::{
    body::Incoming,
    client::conn::{http1, http2},
    upgrade,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{io::copy_bidirectional, net::TcpStream};

use super::Body;

/// Whether somebody else is to answer.
pub fn is_meant(request: &Request<Incoming>) -> bool {
    let kind = request.headers().get("content-type");
    request.headers().contains_key("upgrade")
        || kind.is_some_and(|it| it.as_bytes().starts_with(b"application/grpc"))
}

/// Passes it on to `address`; 502 where that has gone.
pub async fn pass(address: SocketAddr, request: Request<Incoming>) -> Response<Body> {
    let passed = if request.headers().contains_key("upgrade") {
        tunnel(address, request).await
    } else {
        call(address, request).await
    };
    passed.unwrap_or_else(|_| {
        let mut response = Response::new(nothing());
        *response.status_mut() = StatusCode::BAD_GATEWAY;
        response
    })
}

fn nothing() -> Body {
    Empty::<Bytes>::new().map_err(|it| match it {}).boxed()
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

async fn connect(address: SocketAddr) -> Result<TokioIo<TcpStream>, Failure> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(TokioIo::new(stream))
}

async fn call(address: SocketAddr, request: Request<Incoming>) -> Result<Response<Body>, Failure> {
    let io = connect(address).await?;
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), io).await?;
    tokio::spawn(connection);
    let response = sender.send_request(request).await?;
    Ok(response.map(BoxBody::new))
}

async fn tunnel(
    address: SocketAddr,
    mut request: Request<Incoming>,
) -> Result<Response<Body>, Failure> {
    let io = connect(address).await?;
    let (mut sender, connection) = http1::handshake(io).await?;
    tokio::spawn(connection.with_upgrades());
    let near = upgrade::on(&mut request);
    let mut response = sender.send_request(request).await?;
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        let far = upgrade::on(&mut response);
        tokio::spawn(async move {
            if let (Ok(near), Ok(far)) = (near.await, far.await) {
                let (mut near, mut far) = (TokioIo::new(near), TokioIo::new(far));
                // Either end may break it.
                let _ = copy_bidirectional(&mut near, &mut far).await;
            }
        });
        return Ok(response.map(|_| nothing()));
    }
    Ok(response.map(BoxBody::new))
}
