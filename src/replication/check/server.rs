//! Whether the servers can replicate at all, in both directions.

use crate::{
    replication::{
        catalog::{Catalog, Server},
        check::Fault,
    },
    units::{PerSide, Side},
};

pub(super) fn versions(sides: &PerSide<Catalog>) -> Vec<Fault> {
    let mut faults = Vec::new();
    for side in Side::ALL {
        let major = sides[side].server.major();
        if major < Server::LEAST {
            faults.push(Fault::fail(
                format!("{side} has version {major}"),
                format!("this needs {} or later: upgrade it first", Server::LEAST),
            ));
        }
    }
    let (old, new) = (sides.old.server.major(), sides.new.server.major());
    if new < old {
        faults.push(Fault::warn(
            format!("new has version {new}, which is older than old's {old}"),
            "make sure that the application uses nothing that new lacks",
        ));
    }
    faults
}

pub(super) fn recovery(sides: &PerSide<Catalog>) -> Vec<Fault> {
    let standing_by = Side::ALL
        .into_iter()
        .filter(|it| sides[*it].server.in_recovery);
    let fault = |side| {
        Fault::fail(
            format!("{side} is a standby"),
            "name the address of its primary: publications, subscriptions and markers need writes",
        )
    };
    standing_by.map(fault).collect()
}

pub(super) fn wal_level(sides: &PerSide<Catalog>) -> Vec<Fault> {
    let mut faults = Vec::new();
    for side in Side::ALL {
        let level = &sides[side].server.wal_level;
        if level != "logical" {
            let what_for = match side {
                Side::Old => "without it nothing replicates",
                Side::New => "without it there is no way back",
            };
            faults.push(Fault::fail(
                format!("{side} has wal_level = {level}; {what_for}"),
                format!("set wal_level = logical on {side} and restart it"),
            ));
        }
    }
    faults
}

/// One slot stays for the subscription; the copy of tables takes others for its time.
pub(super) fn slots(sides: &PerSide<Catalog>) -> Vec<Fault> {
    let mut faults = Vec::new();
    for side in Side::ALL {
        let server = &sides[side].server;
        let free = server.slots.saturating_sub(server.slots_used);
        faults.extend(room(sides, side, free, "slot", "max_replication_slots"));
    }
    faults
}

/// As with slots: each slot that is read from has a sender.
pub(super) fn senders(sides: &PerSide<Catalog>) -> Vec<Fault> {
    let mut faults = Vec::new();
    for side in Side::ALL {
        let server = &sides[side].server;
        let free = server.senders.saturating_sub(server.senders_used);
        faults.extend(room(sides, side, free, "sender", "max_wal_senders"));
    }
    faults
}

fn room(
    sides: &PerSide<Catalog>,
    side: Side,
    free: u32,
    what: &str,
    setting: &str,
) -> Option<Fault> {
    let other = side.other();
    // Where it is set up already, the one that stays is taken.
    let is_set_up = sides[other].subscriptions.iter().any(|subscription| {
        let slots = &mut sides[side].slots.iter();
        slots.any(|slot| subscription.slot.as_ref() == Some(&slot.name))
    });
    let copying = sides[other].server.sync_workers;
    match (is_set_up, free) {
        (true, _) => None,
        (false, 0) => Some(Fault::fail(
            format!("{side} has no {what} free"),
            format!("raise {setting} on {side} and restart it, or drop what is not used"),
        )),
        (false, free) if side == Side::Old && free <= copying => Some(Fault::warn(
            format!(
                "{side} has {free} {what}s free; the copy of tables uses up to {}",
                copying + 1
            ),
            format!("raise {setting} on {side} to copy faster"),
        )),
        (false, _) => None,
    }
}

pub(super) fn workers(sides: &PerSide<Catalog>) -> Vec<Fault> {
    let mut faults = Vec::new();
    for side in Side::ALL {
        let server = &sides[side].server;
        if server.apply_workers == 0 {
            faults.push(Fault::fail(
                format!("{side} has max_logical_replication_workers = 0: it cannot apply"),
                format!(
                    "set it to {} or more on {side} and restart it",
                    1 + server.sync_workers
                ),
            ));
        } else if server.worker_processes <= server.apply_workers {
            faults.push(Fault::warn(
                format!(
                    "{side} has max_worker_processes = {}, and lets replication take {} of them",
                    server.worker_processes, server.apply_workers
                ),
                format!("raise max_worker_processes on {side}: a worker that finds no place is no error there"),
            ));
        }
    }
    faults
}
