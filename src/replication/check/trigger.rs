//! Triggers that fire on rows that replication writes, and triggers that new lacks.

use crate::{
    replication::{
        catalog::{Catalog, Trigger},
        check::Fault,
    },
    units::{PerSide, Side},
};

pub(super) fn triggers(sides: &PerSide<Catalog>) -> Vec<Fault> {
    let mut faults = Vec::new();
    for side in Side::ALL {
        for table in sides[side].tables.values() {
            for trigger in table.triggers.iter().filter(|it| fires_on_replicated(it)) {
                faults.push(
                    Fault::fail(
                        format!("fires on {side} for rows that replication writes: its work is done twice"),
                        format!("on {side}: ALTER TABLE {} ENABLE TRIGGER {}", table.name, trigger.name),
                    )
                    .about(format!("{} {}", table.name, trigger.name)),
                );
            }
        }
    }
    for (name, old) in &sides.old.tables {
        let Some(new) = sides.new.tables.get(name) else {
            continue;
        };
        for trigger in &old.triggers {
            let there = new
                .triggers
                .iter()
                .find(|it| it.definition == trigger.definition);
            let fault = match there {
                None => Fault::warn("missing on new", format!("on new: {}", trigger.definition)),
                Some(there) if (there.enabled == 'D') != (trigger.enabled == 'D') => {
                    Fault::warn("enabled on one side only", "make them the same")
                }
                Some(_) => continue,
            };
            faults.push(fault.about(format!("{name} {}", trigger.name)));
        }
    }
    faults
}

const fn fires_on_replicated(trigger: &Trigger) -> bool {
    matches!(trigger.enabled, 'A' | 'R')
}
