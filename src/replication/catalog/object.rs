//! Who owns what, who may do what with it, and whose rights a role has.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

/// The role that one server reads the other one as; `setup` makes it, and it has other rights on each side.
pub(crate) const REPLICATOR: &str = "changeover_replication";

/// Anything with an owner and grants.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Object {
    /// As people say it: `table`, `schema`, `routine` …
    pub(crate) kind: String,
    pub(crate) name: String,
    pub(crate) owner: String,
    /// Of views and routines: a digest of their text.
    pub(crate) definition: Option<String>,
    /// What others than the owner may do.
    pub(crate) grants: BTreeSet<Grant>,
}

/// One right.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub(crate) struct Grant {
    pub(crate) grantee: String,
    pub(crate) privilege: String,
}

/// A role of the server.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Role {
    pub(crate) name: String,
    pub(crate) can_login: bool,
    pub(crate) is_superuser: bool,
    pub(crate) member_of: Vec<String>,
}

/// The roles that have to do with these objects: owners, whom something is granted, and whoever has the rights of such a role.
pub(crate) fn concerned(objects: &[Object], roles: &BTreeMap<String, Role>) -> BTreeSet<String> {
    let owners = objects.iter().map(|it| &it.owner);
    let grantees = objects
        .iter()
        .flat_map(|it| it.grants.iter().map(|grant| &grant.grantee));
    let mut found: BTreeSet<String> = owners.chain(grantees).cloned().collect();
    loop {
        let members = roles.values().filter(|it| !found.contains(&it.name));
        let members = members.filter(|it| it.member_of.iter().any(|of| found.contains(of)));
        let members: Vec<String> = members.map(|it| it.name.clone()).collect();
        if members.is_empty() {
            break;
        }
        found.extend(members);
    }
    // Roles of the server itself (`pg_…`) and PUBLIC are everywhere.
    found.retain(|it| roles.contains_key(it));
    found
}
