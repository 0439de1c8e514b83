//! What is set up already: publications, subscriptions, slots.

use std::collections::BTreeMap;

use serde::Deserialize;

/// A publication, with the tables that it publishes in the end.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Publication {
    pub(crate) name: String,
    /// Inserts, updates, deletes and truncates.
    pub(crate) publishes_all: bool,
    pub(crate) tables: Vec<String>,
    /// Tables of which rows or columns are left out.
    pub(crate) partial: Vec<String>,
}

/// A subscription of the database.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Subscription {
    pub(crate) name: String,
    pub(crate) is_enabled: bool,
    pub(crate) slot: Option<String>,
    pub(crate) publications: Vec<String>,
    /// From version 16 on: `any` or `none`.
    pub(crate) origin: Option<String>,
    /// From version 15 on: how often applying failed.
    pub(crate) errors: Option<u64>,
    /// Tables and their state: `r` is ready, everything else is on its way there.
    pub(crate) tables: BTreeMap<String, char>,
}

/// A logical slot of the database.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Slot {
    pub(crate) name: String,
    pub(crate) plugin: String,
    pub(crate) is_active: bool,
    pub(crate) wal_status: Option<String>,
}
