//! What stands in the way of replication, of the cutover, and of the way back: two catalogs in, findings out.
//!
//! Pure, and true before anything is set up. Each question has at least one finding: what is wrong, or that nothing is.
//! Whatever loses rows, stops replication, or breaks the application on new is a `Fail`; what a person should look at
//! is a `Warn`.

mod access;
mod rows;
mod schema;
mod sequence;
mod server;
mod setup;
mod text;
mod transaction;
mod trigger;

#[cfg(test)]
pub(crate) mod tests;

pub(crate) use crate::units::finding::{Answer, Fault, Finding};

use crate::{replication::catalog::Catalog, units::PerSide};

/// One question, and what is said where it finds no fault.
struct Question {
    name: &'static str,
    pass: &'static str,
    ask: fn(&PerSide<Catalog>) -> Vec<Fault>,
}

const QUESTIONS: &[Question] = &[
    Question {
        name: "versions",
        pass: "both are supported, and new is not the older one",
        ask: server::versions,
    },
    Question {
        name: "recovery",
        pass: "both accept writes",
        ask: server::recovery,
    },
    Question {
        name: "wal level",
        pass: "logical on both sides",
        ask: server::wal_level,
    },
    Question {
        name: "slots",
        pass: "enough are free on both sides",
        ask: server::slots,
    },
    Question {
        name: "senders",
        pass: "enough are free on both sides",
        ask: server::senders,
    },
    Question {
        name: "workers",
        pass: "enough on both sides",
        ask: server::workers,
    },
    Question {
        name: "visibility",
        pass: "the roles see all that is asked for",
        ask: access::visibility,
    },
    Question {
        name: "encoding",
        pass: "the same on both sides",
        ask: text::encoding,
    },
    Question {
        name: "collation",
        pass: "text sorts alike on both sides",
        ask: text::collation,
    },
    Question {
        name: "extensions",
        pass: "new has all of old's, in the same versions",
        ask: schema::extensions,
    },
    Question {
        name: "types",
        pass: "the same on both sides",
        ask: schema::types,
    },
    Question {
        name: "tables",
        pass: "the same on both sides",
        ask: schema::tables,
    },
    Question {
        name: "columns",
        pass: "the same on both sides",
        ask: schema::columns,
    },
    Question {
        name: "constraints",
        pass: "the same on both sides",
        ask: schema::constraints,
    },
    Question {
        name: "indexes",
        pass: "the same on both sides, and valid",
        ask: schema::indexes,
    },
    Question {
        name: "views, routines",
        pass: "new has all of old's",
        ask: schema::routines,
    },
    Question {
        name: "replica identity",
        pass: "every table has one on both sides",
        ask: rows::replica_identity,
    },
    Question {
        name: "unlogged tables",
        pass: "none",
        ask: rows::unlogged,
    },
    Question {
        name: "not replicated",
        pass: "no large objects, no foreign tables, no materialized views",
        ask: rows::not_replicated,
    },
    Question {
        name: "sequences",
        pass: "new stands at or past old everywhere",
        ask: sequence::sequences,
    },
    Question {
        name: "triggers",
        pass: "none fires on replicated rows, and new has all of old's",
        ask: trigger::triggers,
    },
    Question {
        name: "roles",
        pass: "new has all that old's objects name",
        ask: access::roles,
    },
    Question {
        name: "grants",
        pass: "new grants all that old grants",
        ask: access::grants,
    },
    Question {
        name: "transactions",
        pass: "none that a new slot would wait for",
        ask: transaction::transactions,
    },
    Question {
        name: "publications",
        pass: "every table is published",
        ask: setup::publications,
    },
    Question {
        name: "subscriptions",
        pass: "all apply, and every table is ready",
        ask: setup::subscriptions,
    },
    Question {
        name: "way back",
        pass: "reverse replication can be set up",
        ask: setup::way_back,
    },
];

/// Asks every question, in an order in which the answers can be worked through.
pub(crate) fn check(sides: &PerSide<Catalog>) -> Vec<Finding> {
    let ask = |question: &Question| {
        let mut faults = (question.ask)(sides);
        if faults.is_empty() {
            faults.push(Fault::pass(question.pass));
        }
        let findings = faults.into_iter().map(|fault| fault.of(question.name));
        findings.collect::<Vec<_>>()
    };
    QUESTIONS.iter().flat_map(ask).collect()
}
