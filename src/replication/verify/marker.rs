//! A position that one side has passed for certain.

use std::time::Duration;

use tokio_postgres::Client;

use crate::{
    clock,
    replication::verify::{Flow, VerifyError},
};

/// How often the slots are looked at.
const LOOK: Duration = Duration::from_millis(50);

/// Writes a marker into the log where changes come from, and waits until it is confirmed where they go to. What was
/// visible there before the call is then committed here. Returns the position.
///
/// The marker is a message that belongs to no table: subscriptions do not apply it. Being a transaction, it also forces
/// out of the server what waits in its buffers, so that an idle database confirms it too.
pub(super) async fn pass(
    from: &Client,
    flow: &Flow,
    patience: Duration,
) -> Result<String, VerifyError> {
    let query = VerifyError::on(flow.from, "write a marker");
    let mark = "SELECT pg_logical_emit_message(true, 'changeover', 'verify')::text";
    let row = from.query_one(mark, &[]).await.map_err(query)?;
    let position: String = row
        .try_get(0)
        .map_err(VerifyError::on(flow.from, "write a marker"))?;
    let started = clock::now();
    loop {
        let look = "SELECT count(*), bool_and(confirmed_flush_lsn >= $1::text::pg_lsn) \
            FROM pg_replication_slots WHERE slot_name = ANY($2)";
        let row = from.query_one(look, &[&position, &flow.slots]).await;
        let row = row.map_err(VerifyError::on(flow.from, "look at the slots"))?;
        let count: i64 = row
            .try_get(0)
            .map_err(VerifyError::on(flow.from, "look at the slots"))?;
        let passed: Option<bool> = row
            .try_get(1)
            .map_err(VerifyError::on(flow.from, "look at the slots"))?;
        if usize::try_from(count) != Ok(flow.slots.len()) {
            return Err(VerifyError::SlotGone { side: flow.from });
        }
        if passed == Some(true) {
            return Ok(position);
        }
        if clock::now().saturating_duration_since(started) >= patience {
            return Err(VerifyError::Behind {
                to: flow.to,
                position,
                patience,
            });
        }
        tokio::time::sleep(LOOK).await;
    }
}
