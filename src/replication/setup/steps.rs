//! Which steps there are, and in which order.
//!
//! Before version 16 a subscription cannot tell what the application wrote from what replication wrote, so only one
//! direction may exist at a time: the reverse one is made at the cutover, after the fence and before the first write on
//! new. A write that new takes before the reverse slot exists never finds its way back. From version 16 on both sides,
//! `origin = none` lets the reverse direction be made early, while nothing hurries.

use serde::Serialize;

use crate::{
    plan::{ChannelPlan, ReplicationPlan},
    replication::{
        catalog::{Catalog, Heartbeat, Object, Publication, REPLICATOR, Server, Subscription},
        setup::{
            sql::{Connection, Sql},
            statements,
        },
    },
    units::{PerSide, Side},
};

/// One step: statements for one side, at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Step {
    pub(crate) moment: Moment,
    pub(crate) side: Side,
    pub(crate) title: &'static str,
    /// Why it stands where it stands.
    pub(crate) why: &'static str,
    pub(crate) sql: Sql,
    /// What takes it back.
    pub(crate) undo: Option<String>,
}

impl Step {
    /// Such as "publication on old".
    pub(crate) fn name(&self) -> String {
        format!("{} on {}", self.title, self.side)
    }
}

/// When a step may be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Moment {
    /// Any time before the cutover.
    Now,
    /// Once every table of the subscription is ready.
    OnceCopied,
    /// With writes held: at the cutover.
    AtCutover,
}

/// Of these, what may be done at once: what comes before the cutover, and the direction back only once every table is
/// copied. At the cutover people hold the writes, and run the rest between that and letting them go.
pub(crate) fn due(steps: Vec<Step>, sides: &PerSide<Catalog>, plan: &ReplicationPlan) -> Vec<Step> {
    let forward = &plan.forward.subscription;
    let mut subscriptions = sides.new.subscriptions.iter();
    let is_copied = subscriptions
        .find(|it| it.name == *forward)
        .is_some_and(|it| it.tables.values().all(|state| *state == 'r'));
    let is_begun = !steps.iter().any(|it| it.moment == Moment::Now);
    let is_due = |moment| match moment {
        Moment::Now => true,
        Moment::OnceCopied => is_begun && is_copied,
        Moment::AtCutover => false,
    };
    steps.into_iter().filter(|it| is_due(it.moment)).collect()
}

/// What is still to be done.
pub(crate) fn steps(sides: &PerSide<Catalog>, plan: &ReplicationPlan) -> Vec<Step> {
    let setup = Setup {
        sides,
        plan,
        knows_origins: Side::ALL
            .iter()
            .all(|it| sides[*it].server.major() >= Server::ORIGINS),
    };
    let mut steps = Vec::new();
    for side in Side::ALL {
        steps.extend(setup.watcher(side));
        steps.extend(setup.heartbeat(side));
        steps.extend(setup.replicator(side));
    }
    if !setup.knows_origins && setup.subscribed(Side::New).is_some() {
        // The cutover was: to make the forward direction again would feed a loop.
        steps.extend(setup.publication(Side::New, Moment::Now));
        steps.extend(setup.refresh(Side::Old, Moment::Now));
        return steps;
    }
    steps.extend(setup.readable());
    steps.extend(setup.publication(Side::Old, Moment::Now));
    steps.extend(setup.subscription(Side::New, Moment::Now));
    steps.extend(setup.refresh(Side::New, Moment::Now));
    if setup.knows_origins {
        steps.extend(setup.publication(Side::New, Moment::OnceCopied));
        steps.extend(setup.subscription(Side::Old, Moment::OnceCopied));
        steps.extend(setup.refresh(Side::Old, Moment::OnceCopied));
    }
    steps.push(setup.fence());
    steps.push(setup.caught_up());
    steps.push(setup.sequences());
    if !setup.knows_origins {
        steps.push(setup.drop_forward());
        steps.extend(setup.publication(Side::New, Moment::AtCutover));
        steps.extend(setup.subscription(Side::Old, Moment::AtCutover));
    }
    steps
}

struct Setup<'a> {
    sides: &'a PerSide<Catalog>,
    plan: &'a ReplicationPlan,
    knows_origins: bool,
}

impl Setup<'_> {
    fn watcher(&self, side: Side) -> Option<Step> {
        let role = &self.plan.databases[side].user;
        let is_there = self.sides[side].roles.contains_key(role);
        (!is_there).then(|| Step {
            moment: Moment::Now,
            side,
            title: "role for the watch",
            why: "changeover reads lag and catalogs as this role",
            sql: statements::watcher(role),
            undo: Some(format!("DROP ROLE {};", statements::identifier(role))),
        })
    }

    fn heartbeat(&self, side: Side) -> Option<Step> {
        let role = &self.plan.databases[side].user;
        let is_there = self.sides[side].heartbeat.as_ref().is_some_and(|it| {
            let may_beat = it.readers.contains(role) && it.writers.contains(role);
            // The other side gets the rows by the first copy; who may not count them may not beat either.
            let has_rows = side == Side::New || it.rows.is_none_or(|it| it >= Heartbeat::ROWS);
            may_beat && has_rows
        });
        (!is_there).then(|| Step {
            moment: Moment::Now,
            side,
            title: "heartbeat",
            why: "the one table that is written to; the age of its rows is the lag",
            sql: statements::heartbeat(role, side == Side::Old).into(),
            undo: Some("DROP SCHEMA changeover CASCADE;".into()),
        })
    }

    fn replicator(&self, side: Side) -> Option<Step> {
        let role = REPLICATOR;
        let is_there = self.sides[side].roles.contains_key(role);
        (!is_there).then(|| Step {
            moment: Moment::Now,
            side,
            title: "role for replication",
            why: match side {
                Side::Old => "new reads old as this role",
                Side::New => "old reads new as this role, on the way back",
            },
            sql: statements::replicator(),
            undo: Some(format!("DROP OWNED BY {role}; DROP ROLE {role};")),
        })
    }

    /// On old only: what goes back is no copy, so nothing is read from new's tables.
    fn readable(&self) -> Option<Step> {
        let old = &self.sides.old;
        let role = old.roles.get(REPLICATOR);
        let reads_all = role.is_some_and(|it| {
            it.is_superuser || it.member_of.iter().any(|of| of == "pg_read_all_data")
        });
        let may_read = |table: &str| {
            let same = |it: &&Object| it.kind == "table" && it.name == table;
            let object = old.objects.iter().find(same);
            object.is_some_and(|it| {
                let mut grants = it.grants.iter();
                grants.any(|it| it.grantee == REPLICATOR && it.privilege == "SELECT")
            })
        };
        let mut tables = old.tables.values().filter(|it| it.is_logged());
        let beat = old.heartbeat.as_ref();
        let reads_beat = beat.is_some_and(|it| it.readers.contains(REPLICATOR));
        let is_done = reads_all || (reads_beat && tables.all(|it| may_read(&it.name)));
        (!is_done).then(|| {
            let role = REPLICATOR;
            Step {
                moment: Moment::Now,
                side: Side::Old,
                title: "what it may read",
                why: "the first copy reads every table",
                sql: statements::readable(old).into(),
                undo: Some(format!("DROP OWNED BY {role};")),
            }
        })
    }

    fn channel(&self, from: Side) -> &ChannelPlan {
        match from {
            Side::Old => &self.plan.forward,
            Side::New => &self.plan.reverse,
        }
    }

    /// On the side that changes come from. What new lacks is made by the schema's move, so old's tables are the list.
    fn publication(&self, from: Side, moment: Moment) -> Option<Step> {
        let name = statements::identifier(&self.channel(from).publication);
        let existing = self.published(from);
        let is_covered = |it: &str| {
            existing.is_some_and(|existing| existing.tables.iter().any(|table| table == it))
        };
        let catalog = &self.sides[from];
        let missing = statements::published(catalog).into_iter().filter(|table| {
            // A divided table is published through its partitions, unless by its root.
            let mut parts = catalog
                .tables
                .values()
                .filter(|it| it.root.as_ref() == Some(&table.name));
            let by_parts =
                !table.holds_rows() && existing.is_some() && parts.all(|it| is_covered(&it.name));
            !is_covered(&table.name) && !by_parts
        });
        let mut tables: Vec<&str> = missing.map(|it| it.name.as_str()).collect();
        let title = "publication";
        match existing {
            None => {
                tables.push("changeover.heartbeat");
                Some(Step {
                    moment,
                    side: from,
                    title,
                    why: "each table by name, so that a table made later is noticed by `check` and not lost",
                    sql: format!(
                        "CREATE PUBLICATION {name} FOR TABLE\n  {};",
                        tables.join(",\n  ")
                    )
                    .into(),
                    undo: Some(format!("DROP PUBLICATION {name};")),
                })
            }
            Some(_) if !is_covered("changeover.heartbeat") || !tables.is_empty() => {
                if !is_covered("changeover.heartbeat") {
                    tables.push("changeover.heartbeat");
                }
                let tables = tables.join(", ");
                Some(Step {
                    moment,
                    side: from,
                    title: "tables that the publication misses",
                    why: "their rows would stay behind",
                    sql: format!("ALTER PUBLICATION {name} ADD TABLE {tables};").into(),
                    undo: Some(format!("ALTER PUBLICATION {name} DROP TABLE {tables};")),
                })
            }
            Some(_) => None,
        }
    }

    /// On the side that changes go to; it makes its slot on the other one.
    fn subscription(&self, to: Side, moment: Moment) -> Option<Step> {
        let from = to.other();
        let copies = copies(to);
        let channel = self.channel(from);
        if self.subscribed(from).is_some() {
            return None;
        }
        let name = statements::identifier(&channel.subscription);
        let origin = match self.knows_origins {
            true => ", origin = none",
            false => "",
        };
        let unfenced = match moment {
            Moment::AtCutover => format!("{}\n", statements::UNFENCED),
            Moment::Now | Moment::OnceCopied => String::new(),
        };
        Some(Step {
            moment,
            side: to,
            title: "subscription and slot",
            why: match to {
                Side::New => "copies every row, then applies every change",
                Side::Old => {
                    "before the first write on new: what new takes without this slot has no way back"
                }
            },
            sql: Sql::from(format!(
                "{unfenced}CREATE SUBSCRIPTION {name}\n  CONNECTION "
            ))
            .connection(Connection::to(
                &self.plan.databases[from],
                self.sides[to].server.major(),
            ))
            .then(format!(
                "\n  PUBLICATION {}\n  WITH (copy_data = {copies}{origin});",
                statements::identifier(&channel.publication),
            )),
            undo: Some(format!("DROP SUBSCRIPTION {name};")),
        })
    }

    /// A subscription takes in what its publication gained only when it is told to.
    fn refresh(&self, to: Side, moment: Moment) -> Option<Step> {
        let from = to.other();
        let copies = copies(to);
        let existing = self.subscribed(from)?;
        let takes_in = |table: &String| existing.tables.contains_key(table);
        let published = self.published(from);
        let is_complete = published.is_some_and(|it| it.tables.iter().all(takes_in))
            && self.publication(from, moment).is_none();
        let name = statements::identifier(&existing.name);
        (!is_complete).then(|| Step {
            moment,
            side: to,
            title: "tables that the subscription misses",
            why: "it takes in what its publication gained only when it is told to",
            sql: format!(
                "ALTER SUBSCRIPTION {name} REFRESH PUBLICATION WITH (copy_data = {copies});"
            )
            .into(),
            undo: None,
        })
    }

    /// The planned publication of that side, where it is there.
    fn published(&self, from: Side) -> Option<&Publication> {
        let name = &self.channel(from).publication;
        let mut publications = self.sides[from].publications.iter();
        publications.find(|it| it.name == *name)
    }

    /// The planned subscription to what that side publishes, where it is there.
    fn subscribed(&self, from: Side) -> Option<&Subscription> {
        let name = &self.channel(from).subscription;
        let mut subscriptions = self.sides[from.other()].subscriptions.iter();
        subscriptions.find(|it| it.name == *name)
    }

    fn fence(&self) -> Step {
        let old = &self.sides.old;
        Step {
            moment: Moment::AtCutover,
            side: Side::Old,
            title: "fence",
            why: "read-only by default can be switched off by a session, so nobody else gets in either; \
                administrators: PGOPTIONS=-cdefault_transaction_read_only=off",
            sql: statements::fence(old, &self.plan.databases.old.user).into(),
            undo: Some(statements::unfence(old)),
        }
    }

    fn caught_up(&self) -> Step {
        let subscription = statements::literal(&self.plan.forward.subscription);
        Step {
            moment: Moment::AtCutover,
            side: Side::Old,
            title: "wait until new has everything",
            why: "repeat until it says true: new has confirmed all that old had written when the fence stood",
            sql: format!(
                "SELECT pg_logical_emit_message(true, 'changeover', 'fence') AS fence \\gset\n\
                SELECT confirmed_flush_lsn >= :'fence'::pg_lsn FROM pg_replication_slots \
                WHERE slot_name = {subscription} \\watch 0.5"
            )
            .into(),
            undo: None,
        }
    }

    fn sequences(&self) -> Step {
        Step {
            moment: Moment::AtCutover,
            side: Side::Old,
            title: "sequences",
            why: "they are not replicated: run on old, and what it prints on new; at a rollback the other way round",
            sql: statements::sequences().into(),
            undo: None,
        }
    }

    fn drop_forward(&self) -> Step {
        let name = statements::identifier(&self.plan.forward.subscription);
        Step {
            moment: Moment::AtCutover,
            side: Side::New,
            title: "end of the forward direction",
            why: "before version 16 both directions would feed each other in a loop",
            sql: format!("DROP SUBSCRIPTION {name};").into(),
            undo: None,
        }
    }
}

/// Whether a subscription begins with a copy: old has all the rows already.
const fn copies(to: Side) -> bool {
    matches!(to, Side::New)
}
