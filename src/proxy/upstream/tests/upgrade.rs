//! Upgrades: after a 101 the connection is a tunnel's.

use http::{Method, StatusCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::proxy::upstream::testing::{
    NEW, Peer, World, eventually, get, in_either_codec, listen, send,
};

const SWITCH: &str =
    "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n";

#[tokio::test]
async fn a_101_hands_the_socket_over_and_keeps_its_place() {
    in_either_codec(async |codec| {
        let (listener, address) = listen().await;
        let world = World::in_codec(codec, address);
        let mut request = get("/");
        let headers = request.headers_mut();
        headers.insert("connection", "upgrade".parse().unwrap());
        headers.insert("upgrade", "echo".parse().unwrap());
        assert_eq!(request.method(), Method::GET);
        let lease = world.lease().await;
        let mut peer = Peer::accept(&listener).await;
        let answering = async {
            peer.read_head().await;
            peer.write(&format!("{SWITCH}first")).await;
        };
        let (got, ()) = tokio::join!(send(lease, request), answering);
        let response = got.unwrap();
        assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);

        let tunnel = response.into_body().into_tunnel().expect("it is a tunnel");
        let (mut tunnel, said, in_flight) = tunnel.open().await.unwrap();
        let mut read = said.to_vec();
        while read.len() < 5 {
            tunnel.read_buf(&mut read).await.unwrap();
        }
        assert_eq!(
            &read, b"first",
            "bytes right behind the head are the tunnel's"
        );
        tunnel.write_all(b"there!").await.unwrap();
        assert_eq!(peer.read_until("!").await, "there!");

        assert_eq!(world.upstreams.open(NEW), 1);
        assert_eq!(world.upstreams.idle(NEW), 0);
        assert_eq!(
            world.upstreams.in_flight(NEW),
            1,
            "while what counts it is kept"
        );
        drop(in_flight);
        assert_eq!(world.upstreams.in_flight(NEW), 0);
        tunnel.write_all(b"still!").await.unwrap();
        assert_eq!(peer.read_until("!").await, "still!");
        drop(tunnel);
        peer.closed().await;
        assert_eq!(world.upstreams.open(NEW), 0);
    })
    .await;
}

#[tokio::test]
async fn a_101_that_nobody_takes_up_closes_the_connection() {
    in_either_codec(async |codec| {
        let (listener, address) = listen().await;
        let world = World::in_codec(codec, address);
        let lease = world.lease().await;
        let mut peer = Peer::accept(&listener).await;
        let answering = async {
            peer.read_head().await;
            peer.write(SWITCH).await;
        };
        let (got, ()) = tokio::join!(send(lease, get("/")), answering);
        drop(got);
        peer.closed().await;
        eventually("its place is free", || world.upstreams.open(NEW) == 0).await;
    })
    .await;
}
