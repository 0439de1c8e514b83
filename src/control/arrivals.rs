//! What the status says of what still arrives here, and of how quiet it is.

use crate::{
    control::{
        ArrivalsStatus, EstimateStatus, MinuteStatus, QuietStatus, VisitorStatus, describe::Scene,
    },
    cutover::{Names, quiet_stretch},
    measure::{Count, Decay, Minute},
    plan::dns::DnsPlan,
    units::Timestamp,
};

/// What arrives, minute by minute.
pub(super) fn arrivals(scene: &Scene<'_>) -> ArrivalsStatus {
    let listeners = &scene.plan().listeners;
    let minutes = scene.observer.gathered.arrivals.minutes();
    let last = scene.observer.gathered.arrivals.minutes().next_back();
    let busiest = last.into_iter().flat_map(|it| &it.busiest);
    ArrivalsStatus {
        listeners: listeners.iter().map(|it| it.address).collect(),
        minutes: minutes.map(|it| minute(it, listeners.len())).collect(),
        busiest: busiest
            .map(|it| VisitorStatus {
                address: it.address,
                requests: it.requests,
            })
            .collect(),
    }
}

fn minute(minute: &Minute, listeners: usize) -> MinuteStatus {
    let nothing = Count::default();
    let of = |listener: usize| minute.listeners.get(listener).unwrap_or(&nothing);
    MinuteStatus {
        at: minute.at,
        whole: minute.is_whole,
        requests: (0..listeners).map(|it| of(it).requests).collect(),
        clients: (0..listeners).map(|it| of(it).clients).collect(),
        more_clients: minute.listeners.iter().any(|it| it.is_least),
    }
}

/// How quiet it is; `None` while names have not moved.
pub(super) fn quiet(
    scene: &Scene<'_>,
    plan: &DnsPlan,
    names: Option<&Names>,
) -> Option<QuietStatus> {
    let names = names?;
    let moved_at = names.moved_since()?;
    let quiet = plan.quiet;
    let arrivals = &scene.observer.gathered.arrivals;
    let stretch = quiet_stretch(plan, scene.state)
        .cloned()
        .unwrap_or_default();
    let requests = arrivals.within(quiet.window(), scene.at);
    let (estimate, no_estimate) = match (quiet.allows(requests), stretch.since) {
        // It is what would be foretold.
        (true, Some(_)) => (None, None),
        // Until resolvers that keep to TTLs know of the move, requests fall by another law.
        _not_yet => match arrivals.decay(moved_at.after(names.ttl_before_move())) {
            Ok(decay) => (Some(estimate(&decay, plan, scene.at)), None),
            Err(why) => (None, Some(why.to_string())),
        },
    };
    Some(QuietStatus {
        moved_at,
        per_minute: quiet.per_minute(requests),
        under: quiet.under,
        needed_s: quiet.span.as_secs_f64(),
        observed_s: stretch.observed.as_secs_f64(),
        unobserved_s: stretch.unobserved.as_secs_f64(),
        since: stretch.since,
        satisfied: stretch.is_satisfied(quiet.span),
        reached_at: names.quiet_at,
        broken_at: stretch.broken.as_ref().map(|it| it.at),
        broken_by: stretch.broken.map(|it| it.by),
        estimate,
        no_estimate,
    })
}

/// What has not come to pass by now is not foretold for earlier.
fn estimate(decay: &Decay, plan: &DnsPlan, now: Timestamp) -> EstimateStatus {
    let (earliest, below_at, latest) = decay.below(f64::from(plan.quiet.under));
    let below_at = below_at.max(now);
    EstimateStatus {
        half_life_min: decay.half_life_minutes(),
        below_at,
        earliest: earliest.max(now),
        latest: latest.max(now),
        quiet_at: below_at.after(plan.quiet.span),
    }
}
