//! Which endpoint a request goes to, and which it does not.

use std::time::Duration;

use tokio::net::TcpListener;

use crate::{
    measure::Standing,
    plan::{EndpointId, EndpointPlan, Plan, Scheme},
    proxy::upstream::{
        ConnectError, Want,
        testing::{World, endpoint, listen, local, plan, refusing},
    },
    units::Side,
};

async fn listening(count: usize) -> (Vec<TcpListener>, Vec<EndpointPlan>) {
    let mut listeners = Vec::new();
    let mut endpoints = Vec::new();
    for _ in 0..count {
        let (listener, address) = listen().await;
        listeners.push(listener);
        endpoints.push(endpoint(Scheme::Http, address));
    }
    (listeners, endpoints)
}

const fn id(side: Side, index: u16) -> EndpointId {
    EndpointId { side, index }
}

#[tokio::test]
async fn requests_are_balanced_by_what_is_in_flight() {
    local(async {
        let (_listeners, endpoints) = listening(2).await;
        let world = World::new(plan(vec![], endpoints));
        let mut held = Vec::new();
        for _ in 0..10 {
            held.push(world.lease().await);
        }
        assert_eq!(world.upstreams.in_flight(id(Side::New, 0)), 5);
        assert_eq!(world.upstreams.in_flight(id(Side::New, 1)), 5);
        held.retain(|it| it.endpoint().index == 1);
        for _ in 0..5 {
            let lease = world.lease().await;
            assert_eq!(lease.endpoint().index, 0, "the idle one catches up");
            held.push(lease);
        }
    })
    .await;
}

#[tokio::test]
async fn an_endpoint_to_avoid_is_taken_only_where_there_is_no_other() {
    local(async {
        let (_listeners, endpoints) = listening(2).await;
        let world = World::new(plan(vec![], endpoints));
        for _ in 0..20 {
            let lease = world.upstreams.lease(Side::New, Want::Any, Some(0)).await;
            assert_eq!(lease.unwrap().endpoint().index, 1);
        }
        world.board.set_healthy(id(Side::New, 1), false);
        let lease = world.upstreams.lease(Side::New, Want::Any, Some(0)).await;
        assert_eq!(lease.unwrap().endpoint().index, 0);
    })
    .await;
}

#[tokio::test]
async fn a_new_side_without_a_healthy_endpoint_gets_nothing_and_counts_as_unreachable() {
    local(async {
        let (_listeners, endpoints) = listening(2).await;
        let world = World::new(plan(vec![], endpoints));
        for index in 0..2 {
            world.board.set_healthy(id(Side::New, index), false);
        }
        for failures in 1..=4 {
            let lease = world.upstreams.lease(Side::New, Want::Any, None).await;
            assert!(matches!(lease, Err(ConnectError::NoEndpoint(Side::New))));
            assert_eq!(world.connects.run(Side::New).0, failures);
        }
        assert_eq!(world.alarms(), 1, "at the third in a row, once");
        world.board.set_healthy(id(Side::New, 1), true);
        assert_eq!(world.lease().await.endpoint().index, 1);
        assert_eq!(world.connects.run(Side::New).0, 0);
    })
    .await;
}

#[tokio::test]
async fn an_old_side_is_used_whatever_its_health_checks_say() {
    local(async {
        let (_listeners, endpoints) = listening(2).await;
        let world = World::new(plan(endpoints, vec![]));
        world.board.set_healthy(id(Side::Old, 0), false);
        let lease = world.upstreams.lease(Side::Old, Want::Any, None).await;
        assert_eq!(
            lease.unwrap().endpoint().index,
            1,
            "a healthy one comes first"
        );
        world.board.set_healthy(id(Side::Old, 1), false);
        assert!(
            world
                .upstreams
                .lease(Side::Old, Want::Any, None)
                .await
                .is_ok()
        );
    })
    .await;
}

#[tokio::test]
async fn a_refused_connect_goes_to_another_endpoint_at_once() {
    local(async {
        let (_listeners, mut endpoints) = listening(1).await;
        endpoints.push(endpoint(Scheme::Http, refusing().await));
        endpoints.push(endpoint(Scheme::Http, refusing().await));
        let world = World::new(plan(vec![], endpoints));
        let mut held = Vec::new();
        for _ in 0..10 {
            let lease = world.lease().await;
            assert_eq!(lease.endpoint().index, 0);
            held.push(lease);
        }
        assert_eq!(
            world.connects.run(Side::New).0,
            0,
            "every request got a connection"
        );
        assert_eq!(world.alarms(), 0);
    })
    .await;
}

#[tokio::test]
async fn no_more_than_three_endpoints_are_tried() {
    local(async {
        let mut endpoints = Vec::new();
        for _ in 0..5 {
            endpoints.push(endpoint(Scheme::Http, refusing().await));
        }
        let mut plan = plan(vec![], endpoints);
        plan.upstreams.new.ejection.connect_failures = 1;
        let world = World::new(plan);
        let lease = world.upstreams.lease(Side::New, Want::Any, None).await;
        assert!(matches!(lease, Err(ConnectError::Failed { .. })));
        assert_eq!(
            world.connects.run(Side::New).0,
            1,
            "one request, one failure"
        );
    })
    .await;
}

fn with_ejection_after(failures: u32, endpoints: Vec<EndpointPlan>) -> Plan {
    let mut plan = plan(vec![], endpoints);
    plan.upstreams.new.ejection.connect_failures = failures;
    plan
}

#[tokio::test]
async fn failing_connects_eject_an_endpoint_for_a_while() {
    local(async {
        let (_listeners, mut endpoints) = listening(1).await;
        let refusing = refusing().await;
        endpoints.push(endpoint(Scheme::Http, refusing));
        let world = World::new(with_ejection_after(2, endpoints));
        let bad = id(Side::New, 1);
        let mut held = Vec::new();
        let until = loop {
            held.push(world.lease().await);
            let now = world.clock.timestamp();
            if let Standing::Ejected(until) = world.board.standing(bad, now) {
                break until;
            }
            assert!(held.len() < 50, "it is tried and fails");
        };
        assert!(until.since(world.clock.timestamp()) <= Duration::from_secs(10));

        // Its time is over, and somebody listens there again.
        world.board.admit(bad);
        let _listener = TcpListener::bind(refusing).await.unwrap();
        let lease = world.lease().await;
        assert_eq!(lease.endpoint(), bad, "the one without requests is taken");
    })
    .await;
}

#[tokio::test]
async fn the_last_usable_endpoint_is_never_ejected() {
    local(async {
        let endpoints = vec![
            endpoint(Scheme::Http, refusing().await),
            endpoint(Scheme::Http, refusing().await),
        ];
        let world = World::new(with_ejection_after(1, endpoints));
        for _ in 0..5 {
            let lease = world.upstreams.lease(Side::New, Want::Any, None).await;
            assert!(matches!(lease, Err(ConnectError::Failed { .. })));
        }
        let now = world.clock.timestamp();
        let ejected = |index| world.board.standing(id(Side::New, index), now) != Standing::Usable;
        assert_ne!(ejected(0), ejected(1), "one is out, the other stays");
    })
    .await;
}

#[tokio::test]
async fn ejection_alone_never_makes_a_side_unusable() {
    local(async {
        let (_listeners, endpoints) = listening(2).await;
        let world = World::new(plan(vec![], endpoints));
        let until = world.clock.timestamp().after(Duration::from_secs(60));
        for index in 0..2 {
            world.board.eject(id(Side::New, index), until);
        }
        let lease = world.lease().await;
        let now = world.clock.timestamp();
        let standing = world.board.standing(lease.endpoint(), now);
        assert_eq!(standing, Standing::Usable, "it proved to be reachable");
    })
    .await;
}
