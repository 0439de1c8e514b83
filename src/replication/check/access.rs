//! Whether new knows the same roles and grants them the same; and whether the checks see enough.

use crate::{
    replication::{
        catalog::{Catalog, Object, REPLICATOR, concerned},
        check::Fault,
    },
    units::{PerSide, Side},
};

pub(super) fn visibility(sides: &PerSide<Catalog>) -> Vec<Fault> {
    let mut faults = Vec::new();
    for side in Side::ALL {
        let catalog = &sides[side];
        let role = &catalog.server.role;
        if !catalog.server.sees_activity {
            faults.push(Fault::warn(
                format!("{role} does not see the transactions of others on {side}"),
                format!("on {side}: GRANT pg_monitor TO {role}"),
            ));
        }
        let hidden = catalog.sequences.values().filter(|it| !it.readable).count();
        if hidden > 0 {
            faults.push(Fault::warn(
                format!("{role} does not see how far {hidden} sequences of {side} have come"),
                format!("on {side}: GRANT pg_read_all_data TO {role}"),
            ));
        }
    }
    faults
}

pub(super) fn roles(sides: &PerSide<Catalog>) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut concerned = concerned(&sides.old.objects, &sides.old.roles);
    concerned.remove(REPLICATOR);
    for name in concerned {
        let Some(old) = sides.old.roles.get(&name).filter(|it| !it.is_superuser) else {
            continue;
        };
        match sides.new.roles.get(&name) {
            None => faults.push(
                Fault::fail(
                    "missing on new",
                    "create it there with the rights that it has on old",
                )
                .about(&name),
            ),
            Some(new) if old.can_login && !new.can_login => faults.push(
                Fault::fail(
                    "may not log in on new",
                    format!("on new: ALTER ROLE {name} LOGIN"),
                )
                .about(&name),
            ),
            Some(new) => {
                let missing = old
                    .member_of
                    .iter()
                    .filter(|it| !new.member_of.contains(it));
                let missing: Vec<_> = missing.map(String::as_str).collect();
                if !missing.is_empty() {
                    let missing = missing.join(", ");
                    faults.push(
                        Fault::fail(
                            format!("not a member of {missing} on new"),
                            format!("on new: GRANT {missing} TO {name}"),
                        )
                        .about(&name),
                    );
                }
            }
        }
    }
    faults
}

pub(super) fn grants(sides: &PerSide<Catalog>) -> Vec<Fault> {
    let mut faults = Vec::new();
    for old in &sides.old.objects {
        let same = |it: &&Object| it.kind == old.kind && it.name == old.name;
        let Some(new) = sides.new.objects.iter().find(same) else {
            continue;
        };
        for grantee in missing_for(old, new, &sides.new) {
            let has = |object: &Object| {
                let grants = object.grants.iter().filter(|it| it.grantee == grantee);
                grants.map(|it| it.privilege.clone()).collect::<Vec<_>>()
            };
            let there = has(new);
            let missing = has(old).into_iter().filter(|it| !there.contains(it));
            let missing = missing.collect::<Vec<_>>().join(", ");
            let on = match old.kind.as_str() {
                "database" => format!("DATABASE {}", sides.new.server.database),
                "view" | "materialized view" | "foreign table" | "table" => old.name.clone(),
                kind => format!("{} {}", kind.to_uppercase(), old.name),
            };
            faults.push(
                Fault::fail(
                    format!("{grantee} may {missing} on old, not on new"),
                    format!("on new: GRANT {missing} ON {on} TO {grantee}"),
                )
                .about(format!("{} {}", old.kind, old.name)),
            );
        }
    }
    faults
}

/// Who may do less with it on new: roles that new has, and that have no other way to it.
fn missing_for(old: &Object, new: &Object, there: &Catalog) -> Vec<String> {
    let missing = old.grants.iter().filter(|it| !new.grants.contains(it));
    let mut grantees: Vec<String> = missing.map(|it| it.grantee.clone()).collect();
    grantees.dedup();
    // Owners and superusers need no grant, and a missing role is a finding of its own.
    grantees.retain(|grantee| {
        let role = there.roles.get(grantee);
        let is_known = grantee == "PUBLIC" || grantee.starts_with("pg_") || role.is_some();
        let needs_none = *grantee == new.owner || role.is_some_and(|it| it.is_superuser);
        // Replication's own role has other rights on each side, and ours is told of by the visibility.
        let is_ours = *grantee == REPLICATOR || *grantee == there.server.role;
        is_known && !needs_none && !is_ours
    });
    grantees
}
