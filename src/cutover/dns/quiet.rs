//! Whether it is quiet here after a move: what the end of the proxy waits for.

use crate::{
    cutover::{
        Actor, Change, Coverage, State, Stretch,
        dns::TTL,
        reload,
        stretch::Seen,
        transition::{Draft, Transition},
        wait::Span,
    },
    plan::dns::DnsPlan,
};

/// How the key of every stretch of names begins, among those of gates.
const PREFIX: &str = "dns ";

/// Whether a stretch of this key is one of names.
pub(in crate::cutover) fn is_key(key: &str) -> bool {
    key.starts_with(PREFIX)
}

/// The stretch of quiet: another rate is another one.
fn key(plan: &DnsPlan) -> String {
    format!("{PREFIX}quiet under {}/min", plan.quiet.under)
}

/// How long it has been quiet here since names moved; `None` where they have not, or where it was not quiet yet.
#[must_use]
pub fn quiet_stretch<'s>(plan: &DnsPlan, state: &'s State) -> Option<&'s Stretch> {
    state.progress.stretches.get(&key(plan))
}

/// Looks at what arrives, once a turn.
pub(super) fn look(transition: &mut Transition<'_>, plan: &DnsPlan) {
    let names = transition.state.position.names.as_ref();
    let has_moved = names.is_some_and(|it| it.moved_since().is_some());
    let key = key(plan);
    let stretches = &mut transition.state.progress.stretches;
    stretches.retain(|it, _| !is_key(it) || it == TTL || has_moved && *it == key);
    if !has_moved {
        return;
    }
    let now = transition.context.now;
    let (quiet, window) = (plan.quiet, plan.quiet.window());
    let requests = transition.observation.arrivals.within(window, now);
    let seen = match transition.observation.coverage {
        Coverage::Partial => Seen::Nothing("not every worker reported".to_owned()),
        // They say nothing more that is counted, and would be cut with the proxy.
        Coverage::Full if transition.observation.tunnels > 0 => {
            Seen::Fails(match transition.observation.tunnels {
                1 => "a tunnel is open".to_owned(),
                tunnels => format!("{tunnels} tunnels are open"),
            })
        }
        Coverage::Full if quiet.allows(requests) => Seen::Holds,
        Coverage::Full => Seen::Fails(format!("{requests} requests within {}", Span(window))),
    };
    let stretches = &mut transition.state.progress.stretches;
    let stretch: &mut Stretch = stretches.entry(key).or_default();
    let since = stretch.since;
    if since.is_none() && seen != Seen::Holds {
        // What has not begun is not broken.
        return;
    }
    stretch.look(seen, plan.gap, now);
    let is_over = stretch.is_satisfied(quiet.span);
    if since.is_some() && stretch.since != since {
        // Saved at once, so that a kill does not make a gap of what was seen to be broken.
        transition.state.watch.snapshot_at = None;
    }
    let names = transition.state.position.names.as_ref();
    let is_new = names.is_some_and(|it| it.quiet_at.is_none());
    if is_over && is_new && reload::hindrance(transition).is_none() {
        transition.put_in_force(
            Draft {
                change: Change::DnsQuiet,
                weight: transition.state.position.weight,
                actor: Actor::Plan,
                reason: format!(
                    "fewer than {} requests a minute arrived here for {}",
                    quiet.under,
                    Span(quiet.span)
                ),
                explanation: None,
            },
            None,
        );
    }
}
