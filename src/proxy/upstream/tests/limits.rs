//! The bounds of a pool, and the queue in front of it.

use std::{cell::RefCell, rc::Rc, time::Duration};

use bytes::Bytes;
use http_body_util::Empty;
use tokio::task::{spawn_local, yield_now};

use crate::{
    plan::{Plan, Scheme},
    proxy::upstream::{
        ConnectError, Want,
        pool::{Pool, Turn, WaitError},
        testing::{NEW, Peer, World, endpoint, eventually, listen, local, plan},
    },
    units::Side,
};

async fn limited(change: impl FnOnce(&mut Plan)) -> (Rc<World>, tokio::net::TcpListener) {
    let (listener, address) = listen().await;
    let mut plan = plan(vec![], vec![endpoint(Scheme::Http, address)]);
    change(&mut plan);
    (Rc::new(World::new(plan)), listener)
}

#[tokio::test]
async fn no_more_connections_are_opened_than_the_limit() {
    local(async {
        let (world, _listener) = limited(|plan| {
            plan.limits.connections_per_endpoint = 2;
            plan.timeouts.connect = Duration::from_millis(50);
        })
        .await;
        let held = (world.lease().await, world.lease().await);
        let refused = world.upstreams.lease(Side::New, Want::Any, None).await;
        assert!(matches!(refused, Err(ConnectError::PoolFull(NEW))));
        assert_eq!(world.upstreams.open(NEW), 2);
        assert_eq!(
            world.connects.run(Side::New).0,
            0,
            "the endpoint can be reached"
        );
        drop(held);
    })
    .await;
}

#[tokio::test]
async fn requests_wait_for_a_connection_in_their_order() {
    local(async {
        let (world, _listener) = limited(|plan| plan.limits.connections_per_endpoint = 1).await;
        let held = world.lease().await;
        let order = Rc::new(RefCell::new(Vec::new()));
        let mut waiting = Vec::new();
        for number in 0..5 {
            let (world, order) = (Rc::clone(&world), Rc::clone(&order));
            waiting.push(spawn_local(async move {
                let lease = world.lease().await;
                assert!(lease.is_reused());
                order.borrow_mut().push(number);
                yield_now().await;
            }));
            yield_now().await;
        }
        drop(held);
        for it in waiting {
            it.await.unwrap();
        }
        assert_eq!(*order.borrow(), [0, 1, 2, 3, 4]);
        assert_eq!(world.upstreams.open(NEW), 1);
    })
    .await;
}

#[tokio::test]
async fn one_that_stops_waiting_does_not_keep_the_next_from_its_turn() {
    local(async {
        let (world, _listener) = limited(|plan| plan.limits.connections_per_endpoint = 1).await;
        let held = world.lease().await;
        let wait = || {
            let world = Rc::clone(&world);
            spawn_local(async move { drop(world.lease().await) })
        };
        let (first, second) = (wait(), wait());
        yield_now().await;
        drop(held);
        first.abort();
        second.await.unwrap();
        assert_eq!(world.upstreams.in_flight(NEW), 0);
    })
    .await;
}

#[tokio::test]
async fn the_place_of_a_broken_connection_goes_to_the_next() {
    local(async {
        let (world, listener) = limited(|plan| plan.limits.connections_per_endpoint = 1).await;
        let held = world.lease().await;
        let peer = Peer::accept(&listener).await;
        let next = {
            let world = Rc::clone(&world);
            spawn_local(async move { world.lease().await.is_reused() })
        };
        yield_now().await;
        drop(peer);
        let held = RefCell::new(held);
        eventually("the close is seen", || held.borrow_mut().is_closed()).await;
        drop(held);
        assert!(!next.await.unwrap(), "a new connection");
        eventually("only the new one is left", || {
            world.upstreams.idle(NEW) == 1
        })
        .await;
        assert_eq!(world.upstreams.open(NEW), 1);
    })
    .await;
}

#[tokio::test]
async fn no_more_connections_stay_idle_than_the_limit() {
    local(async {
        let (world, listener) = limited(|plan| plan.limits.idle_per_endpoint = 1).await;
        let (first, second) = (world.lease().await, world.lease().await);
        let mut oldest = Peer::accept(&listener).await;
        drop(first);
        drop(second);
        oldest.closed().await;
        eventually("one is left", || world.upstreams.open(NEW) == 1).await;
        eventually("it is idle", || world.upstreams.idle(NEW) == 1).await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_wait_is_named_by_what_was_waited_for() {
    let mut limits = plan(vec![], vec![]).limits;
    limits.connections_per_endpoint = 1;
    let pool = Pool::<Empty<Bytes>>::new(&limits, None);
    let limit = Duration::from_secs(1);
    let first = pool.turn(Want::Any, limit).await;
    assert!(matches!(first, Ok(Turn::Open(_))));
    // The only place is taken by the connection that is opened to be shared.
    let sharing = pool.turn(Want::Any, limit).await;
    assert_eq!(sharing.err(), Some(WaitError::Opening));
    let alone = pool.turn(Want::Http1, limit).await;
    assert_eq!(alone.err(), Some(WaitError::Full));
}
