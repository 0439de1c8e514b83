//! When an HTTP/1.1 connection is used again, and when never.

use std::cell::RefCell;

use bytes::Bytes;
use http::{Method, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, Empty};
use tokio::{
    io,
    sync::mpsc,
    task::{
        coop::{consume_budget, has_budget_remaining},
        spawn_local, yield_now,
    },
};

use crate::{
    clock,
    measure::Resolved,
    plan::Http1Codec,
    proxy::upstream::{
        BreakKind, SendError,
        testing::{
            NEW, Peer, World, eventually, get, in_either_codec, listen, local, plan, post, request,
            send, text, upload,
        },
    },
};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// A world, the other end of its one connection, and a way to see that no second one was opened.
async fn connected(codec: Http1Codec) -> (World, Peer, tokio::net::TcpListener) {
    let (listener, address) = listen().await;
    let world = World::in_codec(codec, address);
    let lease = world.lease().await;
    assert!(!lease.is_reused());
    drop(lease);
    let peer = Peer::accept(&listener).await;
    eventually("the connection is idle", || world.upstreams.idle(NEW) == 1).await;
    (world, peer, listener)
}

/// Sends `request` and answers it with `response`, to which the proxy gets `body`.
async fn exchange(world: &World, peer: &mut Peer, method: Method, response: &str, body: &str) {
    let empty = Empty::new().map_err(|it| match it {}).boxed_unsync();
    let sending = world.send(request(method, "/", empty));
    let answering = async {
        peer.read_head().await;
        peer.write(response).await;
    };
    let (got, ()) = tokio::join!(sending, answering);
    assert_eq!(text(got.unwrap()).await, body);
}

/// The connection is closed, and the next request opens another.
async fn assert_poisoned(world: &World, peer: &mut Peer) {
    let sweeping = async {
        loop {
            world.sweep();
            yield_now().await;
        }
    };
    tokio::select! {
        () = peer.closed() => (),
        never = sweeping => never,
    }
    assert_eq!(world.upstreams.idle(NEW), 0);
    gone(world, "its place is free").await;
    assert!(!world.lease().await.is_reused());
}

/// Waits until no connection is open.
async fn gone(world: &World, what: &str) {
    let is_gone = || {
        world.sweep();
        world.upstreams.open(NEW) == 0
    };
    eventually(what, is_gone).await;
}

#[tokio::test]
async fn a_clean_exchange_leaves_a_connection_for_the_next() {
    in_either_codec(async |codec| {
        let (world, mut peer, _listener) = connected(codec).await;
        for response in [
            OK,
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
            OK,
        ] {
            exchange(&world, &mut peer, Method::GET, response, "ok").await;
            eventually("it is idle again", || world.upstreams.idle(NEW) == 1).await;
        }
        for (method, response) in [
            (Method::GET, "HTTP/1.1 204 No Content\r\n\r\n"),
            (
                Method::GET,
                "HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n",
            ),
            (Method::HEAD, "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n"),
        ] {
            exchange(&world, &mut peer, method, response, "").await;
            eventually("it is idle again", || world.upstreams.idle(NEW) == 1).await;
        }
        assert!(world.lease().await.is_reused());
        assert_eq!(world.upstreams.open(NEW), 1);
    })
    .await;
}

#[tokio::test]
async fn an_upload_that_ended_leaves_a_connection_for_the_next() {
    in_either_codec(async |codec| {
        let (world, mut peer, _listener) = connected(codec).await;
        let sending = world.send(post("/", "hello"));
        let answering = async {
            peer.read_until("hello").await;
            peer.write(OK).await;
        };
        let (got, ()) = tokio::join!(sending, answering);
        assert_eq!(text(got.unwrap()).await, "ok");
        eventually("it is idle again", || world.upstreams.idle(NEW) == 1).await;
        assert!(world.lease().await.is_reused());
    })
    .await;
}

#[tokio::test]
async fn bytes_behind_a_response_close_its_connection() {
    in_either_codec(async |codec| {
        for (method, response, body) in [
            (
                Method::GET,
                "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n",
                "ok",
            ),
            (
                Method::GET,
                "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok\r\n",
                "ok",
            ),
            (
                Method::GET,
                "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\nx",
                "ok",
            ),
            (
                Method::GET,
                "HTTP/1.1 204 No Content\r\ncontent-length: 3\r\n\r\nbad",
                "",
            ),
            (
                Method::GET,
                "HTTP/1.1 304 Not Modified\r\ncontent-length: 3\r\n\r\nbad",
                "",
            ),
            (
                Method::HEAD,
                "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nbad",
                "",
            ),
        ] {
            let (world, mut peer, _listener) = connected(codec).await;
            exchange(&world, &mut peer, method, response, body).await;
            assert_poisoned(&world, &mut peer).await;
        }
    })
    .await;
}

#[tokio::test]
async fn bytes_that_come_after_the_response_close_its_connection() {
    in_either_codec(async |codec| {
        let (world, mut peer, _listener) = connected(codec).await;
        exchange(&world, &mut peer, Method::GET, OK, "ok").await;
        eventually("it is idle", || world.upstreams.idle(NEW) == 1).await;
        peer.write("HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nforged")
            .await;
        assert_poisoned(&world, &mut peer).await;
    })
    .await;
}

#[tokio::test]
async fn what_came_is_seen_though_the_task_has_used_up_its_budget() {
    local(async {
        let (world, mut peer, _listener) = connected(Http1Codec::Native).await;
        peer.write("HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nforged")
            .await;
        while world.upstreams.idle(NEW) == 1 {
            yield_now().await;
            while has_budget_remaining() {
                consume_budget().await;
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_head_that_comes_in_pieces_is_read_as_one() {
    let whole =
        "HTTP/1.1 103 Early Hints\r\na: b\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
    in_either_codec(async |codec| {
        let (world, mut peer, _listener) = connected(codec).await;
        let answering = async {
            peer.read_head().await;
            for byte in whole.chars() {
                peer.write(&byte.to_string()).await;
                yield_now().await;
            }
        };
        let (got, ()) = tokio::join!(world.send(get("/")), answering);
        assert_eq!(text(got.unwrap()).await, "ok");
    })
    .await;
}

#[tokio::test]
async fn a_download_that_nobody_finishes_closes_its_connection() {
    in_either_codec(async |codec| {
        let (world, mut peer, _listener) = connected(codec).await;
        let sending = world.send(get("/"));
        let answering = async {
            peer.read_head().await;
            peer.write("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nsome")
                .await;
        };
        let (got, ()) = tokio::join!(sending, answering);
        let mut body = got.unwrap().into_body();
        assert_eq!(
            &body.frame().await.unwrap().unwrap().into_data().unwrap()[..],
            b"some"
        );
        assert_eq!(world.upstreams.in_flight(NEW), 1);
        drop(body);
        assert_eq!(world.upstreams.in_flight(NEW), 0);
        assert_poisoned(&world, &mut peer).await;
    })
    .await;
}

#[tokio::test]
async fn a_response_that_nobody_waits_for_closes_its_connection() {
    in_either_codec(async |codec| {
        let (world, mut peer, _listener) = connected(codec).await;
        tokio::select! {
            biased;
            _ = peer.read_head() => (),
            _ = world.send(get("/")) => panic!("nobody answered"),
        }
        assert_poisoned(&world, &mut peer).await;
    })
    .await;
}

#[tokio::test]
async fn an_upload_that_fails_closes_its_connection_and_is_no_fault_of_the_endpoint() {
    in_either_codec(async |codec| {
        let (world, mut peer, _listener) = connected(codec).await;
        let (request, pieces) = upload("/");
        let uploading = async {
            send_piece(&pieces, "half").await;
            peer.read_until("half").await;
            let gone = io::Error::from(io::ErrorKind::ConnectionReset);
            pieces.send(Err(gone)).await.unwrap();
        };
        let (got, ()) = tokio::join!(world.send(request), uploading);
        let Err(SendError::Broken { kind, .. }) = got else {
            panic!("there is no response to {got:?}");
        };
        assert_eq!(kind, BreakKind::Upload);
        assert_poisoned(&world, &mut peer).await;
    })
    .await;
}

#[tokio::test]
async fn a_response_that_overtakes_its_upload_closes_its_connection() {
    in_either_codec(async |codec| {
        let (world, mut peer, _listener) = connected(codec).await;
        let (request, pieces) = upload("/");
        let answering = async {
            send_piece(&pieces, "half").await;
            peer.read_until("half").await;
            peer.write(OK).await;
        };
        let (got, ()) = tokio::join!(world.send(request), answering);
        let got = got.unwrap();
        assert_eq!(got.status(), StatusCode::OK);
        assert_eq!(text(got).await, "ok");
        assert_poisoned(&world, &mut peer).await;
        drop(pieces);
    })
    .await;
}

#[tokio::test]
async fn a_response_that_is_cut_short_closes_its_connection() {
    in_either_codec(async |codec| {
        for response in [
            "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nok",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n",
        ] {
            let (world, mut peer, _listener) = connected(codec).await;
            let sending = world.send(get("/"));
            let answering = async {
                peer.read_head().await;
                peer.write(response).await;
            };
            let (got, ()) = tokio::join!(sending, answering);
            let body = spawn_local(got.unwrap().into_body().collect());
            yield_now().await;
            drop(peer);
            let error = body.await.unwrap().unwrap_err();
            let expected = match codec {
                Http1Codec::Native => BreakKind::Truncated,
                Http1Codec::Hyper => BreakKind::Reset,
            };
            assert_eq!(error.kind, expected);
            gone(&world, "its place is free").await;
            assert!(!world.lease().await.is_reused());
        }
    })
    .await;
}

#[tokio::test]
async fn what_is_no_http_is_the_endpoints_fault() {
    in_either_codec(async |codec| {
        for response in [
            "SSH-2.0-OpenSSH_9.2\r\n\r\n",
            "HTTP/1.1 200 OK\r\nbad header\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n",
        ] {
            let (world, mut peer, _listener) = connected(codec).await;
            let answering = async {
                peer.read_head().await;
                peer.write(response).await;
            };
            let (got, ()) = tokio::join!(world.send(get("/")), answering);
            let Err(SendError::Broken { kind, .. }) = got else {
                panic!("{response:?} is no response");
            };
            assert_eq!(kind, BreakKind::Protocol);
            assert_poisoned(&world, &mut peer).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_head_over_the_limits_is_refused() {
    in_either_codec(async |codec| {
        let many = "a: b\r\n".repeat(101);
        let large = format!("a: {}\r\n", "b".repeat(17 << 10));
        for fields in [many, large] {
            let (world, mut peer, _listener) = connected(codec).await;
            let answering = async {
                peer.read_head().await;
                peer.write(&format!("HTTP/1.1 200 OK\r\n{fields}\r\n"))
                    .await;
            };
            let (got, ()) = tokio::join!(world.send(get("/")), answering);
            let Err(SendError::Broken { kind, .. }) = got else {
                panic!("the head is too large");
            };
            assert_eq!(kind, BreakKind::Protocol);
        }
    })
    .await;
}

#[tokio::test]
async fn a_connection_that_the_endpoint_closed_is_not_used() {
    in_either_codec(async |codec| {
        let (world, peer, _listener) = connected(codec).await;
        drop(peer);
        gone(&world, "the close is seen").await;
        assert!(!world.lease().await.is_reused());
    })
    .await;
}

#[tokio::test]
async fn a_response_that_says_close_is_the_last_one() {
    in_either_codec(async |codec| {
        let (world, mut peer, _listener) = connected(codec).await;
        let last = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok";
        exchange(&world, &mut peer, Method::GET, last, "ok").await;
        assert_poisoned(&world, &mut peer).await;
    })
    .await;
}

#[tokio::test]
async fn a_request_that_met_a_closed_connection_comes_back_whole() {
    in_either_codec(async |codec| {
        let (world, peer, _listener) = connected(codec).await;
        let lease = world.lease().await;
        assert!(lease.is_reused());
        drop(peer);
        let lease = RefCell::new(lease);
        eventually("the close is seen", || lease.borrow_mut().is_closed()).await;
        let sent = send(lease.into_inner(), post("/again", "hello")).await;
        let Err(SendError::Unsent { body, .. }) = sent else {
            panic!("it cannot have been sent: {sent:?}");
        };
        let body = body.collect().await.unwrap().to_bytes();
        assert_eq!(&body[..], b"hello");
    })
    .await;
}

#[tokio::test]
async fn the_most_recently_used_connection_is_taken_first_and_old_ones_are_swept() {
    in_either_codec(async |codec| {
        let (listener, address) = listen().await;
        let world = World::in_codec(codec, address);
        let (first, second) = (world.lease().await, world.lease().await);
        let mut peers = [Peer::accept(&listener).await, Peer::accept(&listener).await];
        drop(first);
        let start = clock::now();
        let step = plan(vec![], vec![]).timeouts.upstream_idle / 2;
        world.upstreams.sweep(start + step);
        drop(second);
        eventually("both are idle", || world.upstreams.idle(NEW) == 2).await;

        exchange(&world, &mut peers[1], Method::GET, OK, "ok").await;
        eventually("both are idle", || world.upstreams.idle(NEW) == 2).await;
        world.upstreams.sweep(start + step * 2 + step / 2);
        assert_eq!(world.upstreams.idle(NEW), 1);
        peers[0].closed().await;
        world.upstreams.sweep(start + step * 4);
        assert_eq!(world.upstreams.idle(NEW), 0);
        peers[1].closed().await;
    })
    .await;
}

async fn send_piece(pieces: &mpsc::Sender<io::Result<Frame<Bytes>>>, piece: &'static str) {
    let frame = Frame::data(Bytes::from_static(piece.as_bytes()));
    pieces.send(Ok(frame)).await.unwrap();
}

#[tokio::test]
async fn a_connection_to_an_address_that_its_name_has_lost_is_given_up() {
    in_either_codec(async |codec| {
        let (world, mut peer, _listener) = connected(codec).await;
        let leads_to = |last: u8| {
            let resolved = Resolved {
                addresses: vec![[127, 0, 0, last].into()],
                failure: None,
            };
            world.board.set_resolved(NEW, resolved);
            world.sweep();
        };
        leads_to(1);
        assert_eq!(world.upstreams.idle(NEW), 1, "it had none before");
        let lease = world.lease().await;
        assert!(lease.is_reused());
        leads_to(2);
        drop(lease);
        peer.closed().await;
        let lease = world.lease().await;
        assert!(!lease.is_reused());
        drop(lease);
        eventually("the next one is idle", || world.upstreams.idle(NEW) == 1).await;
        leads_to(3);
        assert_eq!(world.upstreams.idle(NEW), 0);
    })
    .await;
}
