//! The servers that hold a zone, and who names them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    net::SocketAddr,
};

use hickory_resolver::proto::rr::Name;
use serde::Serialize;

/// Every server of a zone, as parent and zone name them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authorities {
    /// The zone.
    pub zone: Name,
    /// Every address, each once, in their order.
    pub servers: Vec<Server>,
    /// The servers' names that the parent zone gives; none where the walk started at the zone's own servers, or where those
    /// of the parent hold the zone as well, so that the delegation cannot be seen.
    pub parent: Option<BTreeSet<Name>>,
    /// The names that the zone itself gives, on any of its servers.
    pub child: BTreeSet<Name>,
    /// Names of servers without any address that can be found, and why.
    pub unresolved: BTreeMap<Name, String>,
    /// Servers of the parent zone.
    pub parents: Vec<SocketAddr>,
}

/// One address of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// What it is called; one of its names where it has several.
    pub name: Name,
    /// Where it is asked.
    pub address: SocketAddr,
    /// Who sends resolvers to it.
    pub named_by: NamedBy,
}

/// Who gives a server's name and address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum NamedBy {
    /// The parent zone only.
    Parent,
    /// The zone itself only.
    Child,
    /// Both.
    Both,
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", plain(&self.name), self.address)
    }
}

/// A name as people write it: without the last dot.
pub(super) fn plain(name: &Name) -> String {
    let text = name.to_ascii();
    match text.strip_suffix('.') {
        Some(rest) if !rest.is_empty() => rest.to_owned(),
        _ => text,
    }
}

/// Collects servers, each address once.
#[derive(Default)]
pub(super) struct Roll {
    servers: BTreeMap<SocketAddr, Server>,
}

impl Roll {
    pub(super) fn add(&mut self, name: &Name, address: SocketAddr, by: NamedBy) {
        let server = self.servers.entry(address).or_insert_with(|| Server {
            name: name.clone(),
            address,
            named_by: by,
        });
        if server.named_by != by {
            server.named_by = NamedBy::Both;
        }
    }

    pub(super) fn into_servers(self) -> Vec<Server> {
        self.servers.into_values().collect()
    }
}
