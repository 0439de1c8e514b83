//! Where names stand by the journal.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    cutover::{Actor, Change, DnsOrder, DnsPurpose, Entry},
    plan::dns::{self, RecordSet, Ttl},
    units::Timestamp,
};

/// What the journal says of names, once anything was ordered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Names {
    /// The last order.
    pub order: DnsOrder,
    /// When it was given.
    pub at: Timestamp,
    /// By whom.
    pub actor: Actor,
    /// What became of it.
    pub standing: DnsStanding,
    /// Where clients may be led.
    pub leads: Leads,
    /// The lowered TTL; `None` where it was not lowered, or is restored.
    pub lowered: Option<Lowered>,
    /// The last move, for the way back.
    pub moved: Option<dns::Change>,
    /// Since when every server of the zone has led clients to new; see [`Names::moved_since`].
    #[serde(default)]
    pub moved_at: Option<Timestamp>,
    /// When it first was quiet here after that.
    #[serde(default)]
    pub quiet_at: Option<Timestamp>,
}

/// What became of an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum DnsStanding {
    /// It is being carried out, or servers are on their way.
    Ordered,
    /// Every server of the zone said so.
    Served {
        /// When that was first seen.
        at: Timestamp,
    },
    /// It was not carried out, and will not be by itself.
    Stopped {
        /// Why, in words.
        why: String,
    },
}

/// Where a name may lead clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Leads {
    /// Where it did before the move, and nowhere else.
    From,
    /// To new, if only for some: from the order to move on, until every server says again what was before.
    To,
}

/// A lowered TTL.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lowered {
    /// What it was lowered to.
    pub ttl: Ttl,
    /// How long every server has to give it out before names may move: the TTL before.
    pub wait: Duration,
    /// Every set as it was before the first lowering.
    pub original: Vec<RecordSet>,
}

impl Names {
    /// Where names stand after an entry.
    pub(in crate::cutover) fn after(before: Option<&Self>, entry: &Entry) -> Option<Self> {
        match &entry.change {
            Change::DnsOrdered { order } => {
                Some(Self::ordered(before, order, (&entry.actor, entry.at)))
            }
            Change::DnsServed { .. } => before.map(|it| it.served(entry.at)),
            Change::DnsQuiet => before.map(|it| it.quiet(entry.at)),
            Change::DnsStopped { .. } => before.map(|it| it.stopped(&entry.reason)),
            _of_the_ramp => before.cloned(),
        }
    }

    /// What an order makes of what was there before.
    fn ordered(before: Option<&Self>, order: &DnsOrder, (actor, at): (&Actor, Timestamp)) -> Self {
        let was_lowered = before.and_then(|it| it.lowered.clone());
        let lowered = match order.purpose {
            DnsPurpose::LowerTtl => Some(lowered(was_lowered, order)),
            DnsPurpose::Move | DnsPurpose::Revert | DnsPurpose::RestoreTtl => was_lowered,
        };
        let moved = before.and_then(|it| it.moved.clone());
        let kept = before.and_then(|it| Some((it.moved_at?, it.quiet_at)));
        let (moved_at, quiet_at) = match (order.purpose, kept) {
            (DnsPurpose::Move, _) | (_, None) => (None, None),
            (DnsPurpose::Revert, Some((at, _))) => (Some(at), None),
            (DnsPurpose::LowerTtl | DnsPurpose::RestoreTtl, Some((at, quiet))) => (Some(at), quiet),
        };
        let (leads, moved) = match order.purpose {
            DnsPurpose::Move => (Leads::To, Some(order.change.clone())),
            DnsPurpose::LowerTtl | DnsPurpose::Revert | DnsPurpose::RestoreTtl => {
                (before.map_or(Leads::From, |it| it.leads), moved)
            }
        };
        Self {
            order: order.clone(),
            at,
            actor: actor.clone(),
            standing: DnsStanding::Ordered,
            leads,
            lowered,
            moved,
            moved_at,
            quiet_at,
        }
    }

    /// After every server was seen to say what was ordered.
    fn served(&self, at: Timestamp) -> Self {
        let leads = match self.order.purpose {
            DnsPurpose::Revert => Leads::From,
            DnsPurpose::LowerTtl | DnsPurpose::Move | DnsPurpose::RestoreTtl => self.leads,
        };
        let lowered = match self.order.purpose {
            DnsPurpose::RestoreTtl => None,
            DnsPurpose::LowerTtl | DnsPurpose::Move | DnsPurpose::Revert => self.lowered.clone(),
        };
        let moved_at = match self.order.purpose {
            DnsPurpose::Move => Some(at),
            DnsPurpose::Revert => None,
            DnsPurpose::LowerTtl | DnsPurpose::RestoreTtl => self.moved_at,
        };
        Self {
            standing: DnsStanding::Served { at },
            leads,
            lowered,
            moved_at,
            ..self.clone()
        }
    }

    /// After it was quiet here for long enough.
    fn quiet(&self, at: Timestamp) -> Self {
        Self {
            quiet_at: Some(at),
            ..self.clone()
        }
    }

    /// After the order was given up; nothing of it was done.
    fn stopped(&self, why: &str) -> Self {
        let leads = match self.order.purpose {
            DnsPurpose::Move => Leads::From,
            DnsPurpose::LowerTtl | DnsPurpose::Revert | DnsPurpose::RestoreTtl => self.leads,
        };
        Self {
            standing: DnsStanding::Stopped {
                why: why.to_owned(),
            },
            leads,
            ..self.clone()
        }
    }

    /// Since when every server of the zone has led clients to new; `None` before, and while names are led back.
    #[must_use]
    pub fn moved_since(&self) -> Option<Timestamp> {
        let is_led_back = self.order.purpose == DnsPurpose::Revert && self.is_under_way();
        self.moved_at.filter(|_| !is_led_back)
    }

    /// Client connections that were opened before this moment are to leave; `None` where nobody is.
    ///
    /// A connection rests on an answer that was good for the TTL before the move at most. So one from before the move is to
    /// look the name up again at once, and one that was opened since when it is as old as that TTL: whoever was led here by
    /// a resolver that had not asked anew then finds new. No client is told so more than once a TTL.
    #[must_use]
    pub fn leave_before(&self, now: Timestamp) -> Option<Timestamp> {
        let moved_at = self.moved_since()?;
        Some(moved_at.max(now.before(self.ttl_before_move())))
    }

    /// The longest TTL that was given out before the last move: for so long after it resolvers may not know of it.
    #[must_use]
    pub fn ttl_before_move(&self) -> Duration {
        let before = self.moved.as_ref().map_or(&[][..], dns::Change::before);
        let longest = before.iter().map(|it| it.ttl).max();
        longest.unwrap_or_default().duration()
    }

    /// Whether the last order is still to be carried out, or to be seen everywhere.
    #[must_use]
    pub const fn is_under_way(&self) -> bool {
        matches!(self.standing, DnsStanding::Ordered)
    }
}

/// Each TTL that was given out has to run out; one that had not run out before is waited for with the next.
fn lowered(before: Option<Lowered>, order: &DnsOrder) -> Lowered {
    let longest = |sets: &[RecordSet]| sets.iter().map(|it| it.ttl).max().unwrap_or_default();
    let wait = longest(order.change.before()).duration();
    let ttl = longest(order.change.after());
    match before {
        Some(before) => Lowered {
            ttl,
            wait: if order.is_proven {
                wait
            } else {
                wait.max(before.wait)
            },
            original: before.original,
        },
        None => Lowered {
            ttl,
            wait,
            original: order.change.before().to_vec(),
        },
    }
}
