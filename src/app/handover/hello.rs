//! What the two processes tell each other.

use std::{net::SocketAddr, path::PathBuf};

use serde::{Deserialize, Serialize};

use crate::{
    clock::{Clock, Mark},
    cutover::Actor,
    measure::Interval,
    plan::Edition,
    split::{SplitTable, Withdrawal},
    units::{Generation, PerSide, Salt, Timestamp, Weight},
};

/// Raised with each change of what is said; processes of different numbers do not understand each other.
pub(super) const PROTOCOL: u32 = 1;

/// Processes that drain at once; each still needs its memory, and passes its measurements on through the one after it.
pub(in crate::app) const PREDECESSORS_MAX: u8 = 4;

/// What the old process begins with; its sockets follow, listener by listener, and then the admin API's.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Hello {
    pub(super) protocol: u32,
    /// Its id.
    pub(super) pid: u32,
    /// Its version.
    pub(super) version: String,
    /// Who asked for the upgrade.
    pub(super) actor: Actor,
    /// Its clock, which goes on.
    pub(super) clock: Mark,
    /// Processes that drain, when it does.
    pub(super) draining: u8,
    /// The journal that it leads by.
    pub(super) store: PathBuf,
    /// Each listener's address, as the plan has it, with how many sockets it has.
    pub(super) listeners: Vec<(SocketAddr, usize)>,
    /// The admin API's address, as the plan has it.
    pub(super) admin: SocketAddr,
    /// The numbers of its endpoints in what it measures.
    pub(super) endpoints: PerSide<Vec<(u16, String)>>,
    /// The numbers of its routes.
    pub(super) routes: Vec<(u16, String)>,
}

/// What the new process says.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum FromNew {
    /// It could start: configuration and certificates can be used.
    Loaded,
    /// It cannot start.
    Failed(String),
    /// It has the journal, and everything else that it can have before it leads.
    Ready,
    /// It leads, and accepts.
    Leading,
    /// The journal has the entry about it, or will not.
    Noted,
    /// The table in force.
    Table(Lead),
}

/// What the old process says after its hello.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum FromOld {
    /// The journal is free.
    Released,
    /// It is the other one's from now on.
    Lead,
    /// What a worker of its own measured while it drains.
    Measured(Box<Interval>),
}

/// What of a split table comes from whoever leads. The rules are each process's own: those that its requests came in by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Lead {
    generation: Generation,
    weight: Weight,
    salt: Salt,
    /// The generation of a rollback, and when the tunnels that it withdrew end.
    withdrawal: Option<(Generation, Timestamp)>,
}

/// What the old process knows of itself.
#[derive(Clone, Debug)]
pub(in crate::app) struct Farewell {
    /// Who asked for the upgrade.
    pub(in crate::app) actor: Actor,
    /// Its clock.
    pub(in crate::app) clock: Clock,
    /// Processes that drain already.
    pub(in crate::app) draining: u8,
}

impl Hello {
    pub(super) fn new(
        farewell: &Farewell,
        edition: &Edition,
        listeners: Vec<(SocketAddr, usize)>,
    ) -> Self {
        let plan = edition.plan();
        let endpoints = |side| {
            let named = edition.endpoints(side);
            named.map(|(id, it)| (id.index, it.to_string())).collect()
        };
        Self {
            protocol: PROTOCOL,
            pid: std::process::id(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            actor: farewell.actor.clone(),
            clock: farewell.clock.mark(),
            draining: farewell.draining.saturating_add(1),
            store: plan.store.clone(),
            listeners,
            admin: plan.admin.address,
            endpoints: PerSide::from_fn(endpoints),
            routes: edition
                .routes()
                .map(|(id, it)| (id.0, it.name.clone()))
                .collect(),
        }
    }

    /// How many sockets follow.
    pub(super) fn sockets(&self) -> usize {
        self.listeners.iter().map(|(_, count)| count).sum::<usize>() + 1
    }
}

impl Lead {
    pub(super) fn of(table: &SplitTable) -> Self {
        Self {
            generation: table.generation,
            weight: table.weight,
            salt: table.salt,
            withdrawal: table.withdrawal.map(|it| (it.generation, it.tunnels_end)),
        }
    }

    /// The table that puts it in force after `before`; `None` if that is as new.
    pub(super) fn after(self, before: &SplitTable) -> Option<SplitTable> {
        (self.generation > before.generation).then(|| SplitTable {
            generation: self.generation,
            weight: self.weight,
            salt: self.salt,
            withdrawal: self
                .withdrawal
                .map(|(generation, tunnels_end)| Withdrawal {
                    generation,
                    tunnels_end,
                })
                .or(before.withdrawal),
            ..before.clone()
        })
    }
}
