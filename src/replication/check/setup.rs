//! What is set up already, in either direction, and whether the way back can be.

use crate::{
    replication::{
        catalog::{Catalog, Publication, Server, Subscription, Table},
        check::Fault,
    },
    units::{Direction, PerSide, Side},
};

pub(super) fn publications(sides: &PerSide<Catalog>) -> Vec<Fault> {
    let mut faults = Vec::new();
    for direction in Direction::ALL {
        let (from, to) = (direction.source(), direction.target());
        let published = sides[from].published_for(&sides[to]);
        faults.extend(missing(sides, from, to));
        for publication in &published {
            faults.extend(of_publication(publication, from));
        }
        faults.extend(unpublished(&sides[from], &published, from));
    }
    if faults.is_empty()
        && Side::ALL
            .iter()
            .all(|it| sides[*it].publications.is_empty())
    {
        faults.push(Fault::pass(
            "none yet; `replication setup --plan` prints them",
        ));
    }
    faults
}

/// Publications that are subscribed to and are not there.
fn missing(sides: &PerSide<Catalog>, from: Side, to: Side) -> Vec<Fault> {
    let wanted = sides[to].subscriptions.iter();
    let wanted = wanted.flat_map(|it| &it.publications);
    let is_there = |name: &String| sides[from].publications.iter().any(|it| it.name == *name);
    let fault = |name: &String| {
        Fault::fail(
            format!("{to} subscribes to it, and {from} has no such publication"),
            format!("create it on {from}: `replication setup --plan` prints how"),
        )
        .about(name)
    };
    wanted.filter(|it| !is_there(it)).map(fault).collect()
}

/// What a publication leaves out of its tables.
fn of_publication(publication: &Publication, from: Side) -> Vec<Fault> {
    let name = &publication.name;
    let mut faults = Vec::new();
    if !publication.publishes_all {
        faults.push(
            Fault::fail(
                format!("leaves out some kinds of changes on {from}"),
                format!(
                    "on {from}: ALTER PUBLICATION {name} SET (publish = 'insert, update, delete, truncate')"
                ),
            )
            .about(name),
        );
    }
    let partial = publication.partial.iter().map(|table| {
        Fault::warn(
            format!("{name} leaves out rows or columns of it"),
            "make sure that new is not meant to hold all of it",
        )
        .about(table)
    });
    faults.extend(partial);
    faults
}

/// Tables that no publication has, where there is one.
fn unpublished(publisher: &Catalog, published: &[&Publication], from: Side) -> Vec<Fault> {
    let Some(first) = published.first() else {
        return Vec::new();
    };
    let is_published = |table: &Table| {
        let mut tables = published.iter().flat_map(|it| &it.tables);
        tables.any(|it| *it == table.name || table.root.as_ref() == Some(it))
    };
    let fault = |table: &Table| {
        Fault::fail(
            format!("in no publication of {from}: its rows stay behind"),
            format!(
                "on {from}: ALTER PUBLICATION {} ADD TABLE {}",
                first.name, table.name
            ),
        )
        .about(&table.name)
    };
    let tables = publisher.tables.values();
    let tables = tables.filter(|it| it.holds_rows() && it.is_logged() && !is_published(it));
    tables.map(fault).collect()
}

pub(super) fn subscriptions(sides: &PerSide<Catalog>) -> Vec<Fault> {
    let mut faults = Vec::new();
    for direction in Direction::ALL {
        let (from, to) = (direction.source(), direction.target());
        for subscription in &sides[to].subscriptions {
            let faulty = one(subscription, &sides[from], from, to);
            faults.extend(faulty.into_iter().map(|it| it.about(&subscription.name)));
        }
    }
    if faults.is_empty()
        && Side::ALL
            .iter()
            .all(|it| sides[*it].subscriptions.is_empty())
    {
        faults.push(Fault::pass(
            "none yet; `replication setup --plan` prints them",
        ));
    }
    faults
}

fn one(subscription: &Subscription, publisher: &Catalog, from: Side, to: Side) -> Vec<Fault> {
    let mut faults = Vec::new();
    let name = &subscription.name;
    if !subscription.is_enabled {
        faults.push(Fault::fail(
            format!("disabled on {to}: its slot keeps old log on {from} until the disk is full"),
            format!("on {to}: ALTER SUBSCRIPTION {name} ENABLE, or drop it"),
        ));
    }
    let errors = subscription.errors.unwrap_or(0);
    if errors > 0 {
        faults.push(Fault::warn(
            format!("{errors} failures to apply on {to} so far"),
            format!("read {to}'s log; if the number grows, it is stuck"),
        ));
    }
    let waiting = subscription
        .tables
        .iter()
        .filter(|(_, state)| **state != 'r');
    let waiting: Vec<_> = waiting.map(|(table, _)| table.as_str()).collect();
    if let Some(first) = waiting.first() {
        faults.push(Fault::warn(
            format!(
                "{} tables are not ready on {to} yet ({first} …)",
                waiting.len()
            ),
            "wait for the copy to end",
        ));
    }
    let slot = subscription.slot.as_ref();
    let slot = slot.and_then(|name| publisher.slots.iter().find(|it| it.name == *name));
    match slot {
        None => faults.push(Fault::fail(
            format!("its slot is missing on {from}"),
            format!("drop it on {to} and set it up anew with a fresh copy"),
        )),
        Some(slot) if slot.wal_status.as_deref() == Some("lost") => faults.push(Fault::fail(
            format!("its slot on {from} has lost log that it needs"),
            format!("drop it on {to} and set it up anew with a fresh copy"),
        )),
        Some(_) => {}
    }
    faults
}

pub(super) fn way_back(sides: &PerSide<Catalog>) -> Vec<Fault> {
    let (old, new) = (&sides.old, &sides.new);
    let both_know_origins =
        old.server.major() >= Server::ORIGINS && new.server.major() >= Server::ORIGINS;
    let loops = |it: &Catalog| {
        it.subscriptions
            .iter()
            .any(|it| it.origin.as_deref() != Some("none"))
    };
    let is_both_ways = !old.subscriptions.is_empty() && !new.subscriptions.is_empty();
    if is_both_ways && (loops(old) || loops(new)) {
        let remedy = match both_know_origins {
            true => "set both to origin = none",
            false => "drop one of them: before version 16 only one direction may exist at a time",
        };
        return vec![Fault::fail(
            "both directions exist and feed each other in a loop",
            remedy,
        )];
    }
    if new.server.wal_level != "logical" || new.server.in_recovery {
        // That is a finding already, and no second one.
        return vec![Fault::pass("only the other checks stand in its way")];
    }
    let said = match (is_both_ways, both_know_origins) {
        (true, _) => "reverse replication is set up beside forward replication",
        (false, true) => "reverse replication can be set up early, with origin = none",
        (false, false) => "reverse replication can be set up at the cutover, once old is fenced",
    };
    vec![Fault::pass(said)]
}
