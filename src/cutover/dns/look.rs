//! What a look at the zone's servers, and at who still comes, changes: how long the lowered TTL has been given out, whether an
//! order is done, and whether it is quiet.

use crate::{
    cutover::{
        Actor, Change, DnsPurpose, State, Stretch,
        dns::quiet,
        reload,
        stretch::Seen,
        transition::{Draft, Transition},
    },
    plan::dns::{DnsPlan, RecordSet},
};

/// The stretch of the lowered TTL among those of gates; see [`quiet::is_key`].
pub(in crate::cutover) const TTL: &str = "dns ttl";

/// How long the lowered TTL has been given out by every server; `None` where nobody has looked yet.
#[must_use]
pub fn ttl_stretch(state: &State) -> Option<&Stretch> {
    state.progress.stretches.get(TTL)
}

/// Looks, once a turn.
pub(in crate::cutover) fn look(transition: &mut Transition<'_>) {
    let Some(plan) = &transition.plan.dns else {
        return;
    };
    look_at_ttl(transition, plan);
    quiet::look(transition, plan);
    let Some(names) = &transition.state.position.names else {
        return;
    };
    if !names.is_under_way() || reload::hindrance(transition).is_some() {
        return;
    }
    let Ok(look) = transition.observation.zone else {
        return;
    };
    let after = names.order.change.after();
    let is_served = look
        .unanimous()
        .is_ok_and(|said| RecordSet::are_same(said, after));
    if !is_served {
        return;
    }
    let (purpose, count) = (names.order.purpose, look.heard().count());
    let draft = Draft {
        change: Change::DnsServed { purpose },
        weight: transition.state.position.weight,
        actor: Actor::Plan,
        reason: format!("seen at every one of {count} addresses of the zone's servers"),
        explanation: None,
    };
    transition.put_in_force(draft, None);
}

fn look_at_ttl(transition: &mut Transition<'_>, plan: &DnsPlan) {
    let names = transition.state.position.names.as_ref();
    let lowered = names.and_then(|it| it.lowered.as_ref());
    // What is low already need not be lowered.
    let aim = lowered.map_or(plan.ttl, |it| it.ttl);
    let seen = match transition.observation.zone {
        Err(why) => Seen::Nothing(why.clone()),
        Ok(look) => match look.ttl_max() {
            Err(why) => Seen::Nothing(why),
            Ok(ttl) if ttl <= aim => Seen::Holds,
            Ok(ttl) => Seen::Fails(format!("a server gives out a TTL of {ttl}")),
        },
    };
    let now = transition.context.now;
    let stretches = &mut transition.state.progress.stretches;
    let stretch: &mut Stretch = stretches.entry(TTL.to_owned()).or_default();
    let since = stretch.since;
    if since.is_none() && matches!(seen, Seen::Fails(_)) {
        // What has not begun is not broken.
        return;
    }
    stretch.look(seen, plan.gap, now);
    if since.is_some() && stretch.since != since {
        // Saved at once, so that a kill does not make a gap of what was seen to be broken.
        transition.state.watch.snapshot_at = None;
    }
}

impl DnsPurpose {
    /// Whether TTLs that are given out from then on begin anew.
    pub(in crate::cutover) const fn begins_ttl(self) -> bool {
        matches!(self, Self::LowerTtl | Self::RestoreTtl)
    }
}
