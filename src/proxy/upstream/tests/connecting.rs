//! How connecting fails, and what is counted.

use std::{io, net::Ipv4Addr, time::Duration};

use http::Version;

use crate::{
    measure::{NameFailure, Resolved},
    plan::{EndpointPlan, Scheme},
    proxy::upstream::{
        ConnectError, DialError, Want,
        testing::{
            NEW, Peer, World, endpoint, eventually, get, listen, local, plan, refusing, send, text,
        },
    },
    units::Side,
};

#[tokio::test]
async fn a_refused_connect_says_so_and_raises_the_alarm_at_the_triggers_count() {
    local(async {
        let world = World::with_new(Scheme::Http, refusing().await);
        for failures in 1..=4 {
            let lease = world.upstreams.lease(Side::New, Want::Any, None).await;
            let Err(ConnectError::Failed { endpoint, source }) = lease else {
                panic!("nobody listens");
            };
            assert_eq!(endpoint, NEW);
            assert!(
                matches!(&source, DialError::Tcp(it) if it.kind() == io::ErrorKind::ConnectionRefused),
                "{source:?}"
            );
            assert_eq!(world.connects.run(Side::New).0, failures);
            assert_eq!(world.alarms(), usize::from(failures >= 3));
        }
        assert_eq!(world.upstreams.open(NEW), 0);
        assert_eq!(world.upstreams.in_flight(NEW), 0);
    })
    .await;
}

#[tokio::test]
async fn a_testers_failures_are_no_evidence() {
    local(async {
        let world = World::with_new(Scheme::Http, refusing().await);
        for _ in 0..8 {
            let leased = world.upstreams.lease_uncounted(Side::New, Want::Any, None);
            assert!(leased.await.is_err());
        }
        assert_eq!(world.connects.run(Side::New).0, 0);
        assert_eq!(world.alarms(), 0);
    })
    .await;
}

#[tokio::test]
async fn failures_of_old_raise_no_alarm() {
    local(async {
        let old = endpoint(Scheme::Http, refusing().await);
        let world = World::new(plan(vec![old], vec![]));
        for _ in 0..4 {
            assert!(
                world
                    .upstreams
                    .lease(Side::Old, Want::Any, None)
                    .await
                    .is_err()
            );
        }
        assert_eq!(world.connects.run(Side::Old).0, 4);
        assert_eq!(world.alarms(), 0);
    })
    .await;
}

#[tokio::test]
async fn a_response_ends_the_run_of_failures() {
    local(async {
        let (listener, address) = listen().await;
        let world = World::with_new(Scheme::Http, address);
        let lease = world.lease().await;
        let now = world.clock.timestamp();
        world.connects.failed(Side::New, now, now);
        let mut peer = Peer::accept(&listener).await;
        let answering = async {
            peer.read_head().await;
            peer.write("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
                .await;
        };
        let (got, ()) = tokio::join!(send(lease, get("/")), answering);
        assert_eq!(text(got.unwrap()).await, "ok");
        assert_eq!(world.connects.run(Side::New).0, 0);
    })
    .await;
}

#[tokio::test]
async fn a_handshake_that_is_never_answered_times_out() {
    local(async {
        // The system completes the connect; nobody takes it, and nobody answers the TLS handshake.
        let (_listener, address) = listen().await;
        let mut plan = plan(vec![], vec![endpoint(Scheme::Https, address)]);
        plan.timeouts.connect = Duration::from_millis(50);
        plan.upstreams.new.tls.verification = crate::plan::Verification::Off;
        let world = World::new(plan);
        let lease = world.upstreams.lease(Side::New, Want::Any, None).await;
        let Err(ConnectError::Failed { source, .. }) = lease else {
            panic!("nobody answers");
        };
        assert!(matches!(source, DialError::TimedOut(_)), "{source:?}");
        eventually("its place is free", || world.upstreams.open(NEW) == 0).await;
        assert_eq!(world.connects.run(Side::New).0, 1);
    })
    .await;
}

#[tokio::test]
async fn a_names_addresses_are_tried_in_turn() {
    local(async {
        let (_listener, address) = listen().await;
        let named = EndpointPlan {
            scheme: Scheme::Http,
            host: "localhost".to_owned(),
            port: address.port(),
        };
        let world = World::new(plan(vec![], vec![named]));
        let addresses = vec![Ipv4Addr::new(127, 0, 0, 2).into(), address.ip()];
        world.board.set_resolved(
            NEW,
            Resolved {
                addresses,
                failure: None,
            },
        );
        assert_eq!(world.lease().await.version(), Version::HTTP_11);
    })
    .await;
}

#[tokio::test]
async fn a_name_that_does_not_exist_is_a_failure_of_its_own() {
    local(async {
        let named = EndpointPlan {
            scheme: Scheme::Http,
            host: "nowhere.test".to_owned(),
            port: 80,
        };
        let world = World::new(plan(vec![], vec![named]));
        let failure = NameFailure {
            since: world.clock.timestamp(),
            reason: "no such name".to_owned(),
        };
        world.board.set_resolved(
            NEW,
            Resolved {
                addresses: vec![],
                failure: Some(failure),
            },
        );
        let lease = world.upstreams.lease(Side::New, Want::Any, None).await;
        let Err(ConnectError::Failed { source, .. }) = lease else {
            panic!("it has no address");
        };
        assert!(matches!(source, DialError::Resolve(_)), "{source:?}");
    })
    .await;
}

#[tokio::test]
async fn http1_cannot_be_had_from_a_side_that_speaks_http2_with_prior_knowledge() {
    local(async {
        let world = World::with_new(Scheme::H2c, refusing().await);
        let lease = world.upstreams.lease(Side::New, Want::Http1, None).await;
        assert!(matches!(lease, Err(ConnectError::NoHttp1(Side::New))));
        assert_eq!(world.connects.run(Side::New).0, 0);
    })
    .await;
}
