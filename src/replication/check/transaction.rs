//! Transactions that a new slot would wait for.

use crate::{
    replication::{
        catalog::{Catalog, TransactionKind},
        check::Fault,
    },
    units::{PerSide, Side},
};

/// Open for longer than this, a transaction is no ordinary one.
const LONG_S: u64 = 300;

pub(super) fn transactions(sides: &PerSide<Catalog>) -> Vec<Fault> {
    let mut faults = Vec::new();
    for side in Side::ALL {
        for transaction in &sides[side].transactions {
            let (name, role, age) = (&transaction.name, &transaction.role, transaction.age_s);
            match transaction.kind {
                TransactionKind::Prepared => faults.push(
                    Fault::fail(
                        format!("prepared on {side} by {role} {age} s ago: a new slot waits until it ends"),
                        format!("on {side}: COMMIT PREPARED or ROLLBACK PREPARED '{name}'"),
                    )
                    .about(name),
                ),
                TransactionKind::Open if age >= LONG_S => faults.push(
                    Fault::warn(
                        format!("open on {side} by {role} for {age} s: a new slot waits until it ends"),
                        format!("let it end, or on {side}: SELECT pg_terminate_backend({name})"),
                    )
                    .about(format!("process {name}")),
                ),
                TransactionKind::Open => {}
            }
        }
    }
    faults
}
