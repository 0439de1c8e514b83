//! Active health checks: asks every endpoint in turn whether it is well, and writes the answers to the board.
//!
//! It runs beside the workers, on the runtime of control loop and admin API, with connections of its own: a check that
//! hangs costs no request anything, and an overloaded worker makes no endpoint look ill.

mod check;
mod streak;

use std::{convert::Infallible, sync::Arc, time::Duration};

use tokio::{task::JoinSet, time::sleep};

use crate::{
    measure::Board,
    plan::{EndpointId, EndpointPlan, HealthPlan},
    proxy::{
        Setup,
        health::{
            check::{Check, CheckError},
            streak::{Change, Streak},
        },
        upstream::Target,
    },
    units::Side,
};

/// Checks every endpoint of the sides that have a health check, until the future is dropped.
pub async fn probe(setup: Arc<Setup>) -> Infallible {
    let mut endpoints = JoinSet::new();
    let board = &setup.board;
    for side in Side::ALL {
        let upstream = &setup.plan().upstreams[side];
        let Some(health) = &upstream.health else {
            // An earlier edition of the plan may have had one, whose last word holds no more.
            setup
                .edition
                .endpoints(side)
                .for_each(|(id, _)| board.set_healthy(id, true));
            continue;
        };
        for (place, (id, endpoint)) in (0..).zip(setup.edition.endpoints(side)) {
            let tls = &setup.client_tls[side];
            let target = Target::new(endpoint, (id, place), tls, board);
            let check = Check::new(target, endpoint, upstream, health);
            let watch = watch(
                id,
                endpoint.clone(),
                health.clone(),
                check,
                Arc::clone(board),
            );
            endpoints.spawn(watch);
        }
    }
    while endpoints.join_next().await.is_some() {
        tracing::error!("a health check ended by itself");
    }
    std::future::pending().await
}

async fn watch(
    id: EndpointId,
    endpoint: EndpointPlan,
    health: HealthPlan,
    check: Check,
    board: Arc<Board>,
) -> ! {
    let mut streak = Streak::of(board.is_healthy(id));
    loop {
        let answer = check.run(health.timeout).await;
        if let Some(change) = streak.add(answer.is_ok(), &health) {
            board.set_healthy(id, change == Change::Healthy);
            tell(id, &endpoint, change, answer.err());
        }
        sleep(jittered(health.interval)).await;
    }
}

fn tell(id: EndpointId, endpoint: &EndpointPlan, change: Change, error: Option<CheckError>) {
    let side = id.side;
    match (change, error) {
        (Change::Unhealthy, Some(error)) => {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(%side, %endpoint, error, "an endpoint became unhealthy");
        }
        (Change::Unhealthy | Change::Healthy, _) => {
            tracing::info!(%side, %endpoint, "an endpoint became healthy");
        }
    }
}

/// Between nine and eleven tenths of `interval`, so that the checks of many proxies do not arrive at once.
fn jittered(interval: Duration) -> Duration {
    interval.mul_f64(0.9 + fastrand::f64() * 0.2)
}

#[cfg(test)]
mod tests;
