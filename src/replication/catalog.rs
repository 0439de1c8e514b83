//! What a database says about itself: everything that checks judge, and that the steps of a set-up are made from.
//!
//! Read in one snapshot, read-only, from the system catalogs; no table of anybody is touched. What the role may not
//! see is said as such, never left out. Objects of extensions, temporary objects and the schema `changeover`, but for its
//! heartbeat, are no part of it.

mod activity;
mod heartbeat;
mod object;
mod publication;
mod read;
mod sequence;
mod server;
mod table;

use std::collections::BTreeMap;

pub(crate) use activity::{Transaction, TransactionKind};
pub(crate) use heartbeat::Heartbeat;
#[cfg(test)]
pub(crate) use object::Grant;
pub(crate) use object::{Object, REPLICATOR, Role, concerned};
pub(crate) use publication::{Publication, Slot, Subscription};
pub(crate) use read::{CatalogError, read};
pub(crate) use sequence::Sequence;
pub(crate) use server::Server;
#[cfg(test)]
pub(crate) use table::Index;
pub(crate) use table::{Column, Constraint, Table, Trigger};

/// One database. Names are as SQL writes them: `public."Order"`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Catalog {
    pub(crate) server: Server,
    pub(crate) extensions: BTreeMap<String, String>,
    pub(crate) types: BTreeMap<String, String>,
    pub(crate) tables: BTreeMap<String, Table>,
    pub(crate) sequences: BTreeMap<String, Sequence>,
    pub(crate) objects: Vec<Object>,
    pub(crate) roles: BTreeMap<String, Role>,
    pub(crate) publications: Vec<Publication>,
    pub(crate) subscriptions: Vec<Subscription>,
    pub(crate) slots: Vec<Slot>,
    pub(crate) transactions: Vec<Transaction>,
    /// None where it is not made yet.
    pub(crate) heartbeat: Option<Heartbeat>,
}

impl Catalog {
    /// The publications that the other side's subscriptions take in; without subscriptions all of them.
    pub(crate) fn published_for<'a>(&'a self, subscriber: &Self) -> Vec<&'a Publication> {
        let wanted: Vec<_> = subscriber
            .subscriptions
            .iter()
            .flat_map(|it| &it.publications)
            .collect();
        let all = self.publications.iter();
        all.filter(|it| wanted.is_empty() || wanted.contains(&&it.name))
            .collect()
    }
}
