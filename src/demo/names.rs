//! What the demo tells of names. It orders the lower TTL, as a person would, and everything else is the plan's doing.

use std::{collections::BTreeSet, sync::atomic::Ordering, time::Duration};

use crate::{
    admin::DnsRequest,
    app::Running,
    control::{DnsStatus, Status},
    cutover::{Actor, Change, DnsOrder, DnsPurpose, Entry},
    demo::client::{STRAGGLERS, Seen},
    plan::dns::RecordSet,
    units::Timestamp,
};

/// How far names have come, for what the journal does not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Chapter {
    /// Nothing is ordered.
    #[default]
    Begin,
    /// The TTL is lowered, and the one before has to run out.
    Lowered,
    /// It has run out.
    MayMove,
    /// The first request has come to new past the proxy.
    Direct,
    /// Everywhere, and the answers from before have run out, then, with this traffic up to then.
    Moved(Timestamp, Traffic),
    /// They lead where they did, and the answers from before have run out.
    Back,
}

/// Requests of the clients so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// By way of the proxy.
    pub proxied: u64,
    /// To new past the proxy.
    pub direct: u64,
}

impl Traffic {
    pub(super) fn of(seen: &Seen) -> Self {
        let direct = seen.direct.load(Ordering::Relaxed);
        let requests = seen.requests.load(Ordering::Relaxed);
        Self {
            proxied: requests.saturating_sub(direct),
            direct,
        }
    }

    pub(super) const fn since(self, earlier: Self) -> Self {
        Self {
            proxied: self.proxied.saturating_sub(earlier.proxied),
            direct: self.direct.saturating_sub(earlier.direct),
        }
    }
}

impl Chapter {
    /// The next chapter, if it has begun, and what is told of it.
    pub(super) async fn next(
        self,
        running: &Running,
        status: &Status,
        seen: &Seen,
        now: Timestamp,
    ) -> Option<(Self, Option<String>)> {
        let dns = status.dns.as_ref()?;
        let is_over = |purpose| is_over(dns, purpose, now);
        match self {
            Self::Begin => {
                let request = DnsRequest {
                    purpose: DnsPurpose::LowerTtl,
                    to: None,
                    by_steps: false,
                    reason: Some("a move is known sooner then".to_owned()),
                };
                let ordered = running.order(request, Actor::Operator("demo".to_owned()));
                // Too early as long as nobody has looked at the zone's server.
                ordered.await.ok().map(|_answer| (Self::Lowered, None))
            }
            Self::Lowered => {
                let text = "names: the TTL before has run out everywhere";
                let has_run_out = dns.ttl.as_ref().is_some_and(|it| it.satisfied);
                has_run_out.then(|| (Self::MayMove, Some(text.to_owned())))
            }
            Self::MayMove => {
                let text = "names: the first request comes to new past the proxy";
                let has_come = Traffic::of(seen).direct > 0;
                has_come.then(|| (Self::Direct, Some(text.to_owned())))
            }
            Self::Direct if is_over(DnsPurpose::Move) => {
                let text = format!(
                    "names: answers from before have run out; {STRAGGLERS} clients never look \
                     the name up again, and the proxy serves them on"
                );
                Some((Self::Moved(now, Traffic::of(seen)), Some(text)))
            }
            Self::Direct | Self::Moved(..) => {
                let text = "names: answers from before have run out; everybody is on old";
                is_over(DnsPurpose::Revert).then(|| (Self::Back, Some(text.to_owned())))
            }
            Self::Back => None,
        }
    }
}

impl Chapter {
    /// What came after names had moved, and for how long that was.
    pub(super) fn afterwards(
        self,
        traffic: Traffic,
        now: Timestamp,
    ) -> Option<(Traffic, Duration)> {
        match self {
            Self::Moved(at, then) => Some((traffic.since(then), now.since(at))),
            Self::Begin | Self::Lowered | Self::MayMove | Self::Direct | Self::Back => None,
        }
    }
}

/// Whether this was ordered last, every server says so, and no answer from before it may be kept any more.
fn is_over(dns: &DnsStatus, purpose: DnsPurpose, now: Timestamp) -> bool {
    let order = dns.order.as_ref().filter(|it| it.purpose == purpose);
    let stale_until = order.and_then(|it| it.stale_until);
    stale_until.is_some_and(|it| now > it)
}

/// What is told of a journal entry about names; `None` for others.
pub(super) fn told(entry: &Entry) -> Option<String> {
    let text = match &entry.change {
        Change::DnsOrdered { order } => ordered(order, &entry.actor),
        Change::DnsServed { purpose } => match purpose {
            DnsPurpose::LowerTtl => "every server gives it out; the TTL before runs out".to_owned(),
            DnsPurpose::Move | DnsPurpose::Revert | DnsPurpose::RestoreTtl => {
                "every server says so".to_owned()
            }
        },
        Change::DnsQuiet => "quiet at the old address".to_owned(),
        Change::DnsStopped { purpose } => format!("{purpose} STOPPED: {}", entry.reason),
        Change::Began { .. }
        | Change::Started { .. }
        | Change::Advanced { .. }
        | Change::Completed
        | Change::Held { .. }
        | Change::Resumed { .. }
        | Change::WeightSet { .. }
        | Change::RolledBack { .. }
        | Change::WayBackClosed
        | Change::Reloaded
        | Change::Upgraded { .. }
        | Change::DatabaseStep { .. }
        | Change::GateSatisfied { .. }
        | Change::GateBroken { .. }
        | Change::DrillStarted { .. }
        | Change::DrillEnded { .. } => return None,
    };
    Some(format!("names: {text}"))
}

fn ordered(order: &DnsOrder, actor: &Actor) -> String {
    let (before, after) = (order.change.before(), order.change.after());
    let by = match actor {
        Actor::Plan => "the plan",
        Actor::Operator(name) => name,
    };
    match order.purpose {
        DnsPurpose::LowerTtl | DnsPurpose::RestoreTtl => {
            let ttl = |sets: &[RecordSet]| joined(sets.iter().map(|it| format!("{} s", it.ttl.0)));
            format!("TTL {} -> {}, by {by}", ttl(before), ttl(after))
        }
        DnsPurpose::Move | DnsPurpose::Revert => {
            let values = |sets: &[RecordSet]| {
                joined(
                    sets.iter()
                        .flat_map(|it| &it.values)
                        .map(ToString::to_string),
                )
            };
            let (purpose, from, to) = (order.purpose, values(before), values(after));
            format!("{purpose} {from} -> {to}, by {by}")
        }
    }
}

fn joined(words: impl Iterator<Item = String>) -> String {
    let words: Vec<String> = words.collect::<BTreeSet<_>>().into_iter().collect();
    words.join(", ")
}
