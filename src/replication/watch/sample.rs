//! One sample of one direction: what is written and read for it, in an order that makes contradictions visible.
//!
//! The heartbeat is written on the source, then the slot is read there, then subscription and heartbeat on the target. So
//! what the slot says to be confirmed must be seen on the target.

use std::time::Duration;

use tokio_postgres::{
    Row,
    types::{FromSql, ToSql, Type},
};

use crate::{
    clock::Clock,
    measure::{Beat, Signals, Slot, Subscription},
    plan::ChannelPlan,
    replication::{QueryError, Session, causes::with_causes},
    units::{Direction, Side},
};

/// How long a heartbeat is waited for within one sample, so that short lags are read exactly; less than from one to the next.
const ARRIVAL_MOST: Duration = Duration::from_millis(850);

/// Between two looks whether it has arrived; the last one again and again.
const ARRIVAL_PAUSES: [Duration; 4] = [
    Duration::from_millis(10),
    Duration::from_millis(20),
    Duration::from_millis(50),
    Duration::from_millis(120),
];

const WRITE_BEAT: &str =
    "UPDATE changeover.heartbeat SET beat_at = clock_timestamp() WHERE direction = $1
    RETURNING (extract(epoch FROM beat_at) * 1000000)::int8";

const READ_SLOT: &str =
    "SELECT (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::int8, s.active, s.wal_status,
        (s.confirmed_flush_lsn - '0/0'::pg_lsn)::int8, s.safe_wal_size
    FROM (SELECT) AS one
    LEFT JOIN pg_replication_slots AS s ON s.slot_name = $1 AND s.database = current_database()";

const READ_BEAT: &str = "SELECT (extract(epoch FROM beat_at) * 1000000)::int8
    FROM changeover.heartbeat WHERE direction = $1";

const READ_SUBSCRIPTION: &str = "SELECT s.subenabled, s.subslotname::text,
        EXISTS (SELECT FROM pg_stat_subscription AS w
            WHERE w.subid = s.oid AND w.relid IS NULL AND w.pid IS NOT NULL),
        (SELECT count(*) FROM pg_subscription_rel AS r WHERE r.srsubid = s.oid),
        (SELECT count(*) FROM pg_subscription_rel AS r WHERE r.srsubid = s.oid AND r.srsubstate <> 'r')
    FROM pg_subscription AS s JOIN pg_database AS d ON d.oid = s.subdbid
    WHERE s.subname = $1 AND d.datname = current_database()";

const READ_ERRORS: &str = "SELECT sum(apply_error_count + sync_error_count)::int8
    FROM pg_stat_subscription_stats WHERE subname = $1";

/// The version that counts errors of subscriptions.
const COUNTS_ERRORS: i32 = 150_000;

/// What carries one direction.
#[derive(Clone, Debug)]
pub(super) struct Channel {
    direction: Direction,
    subscription: String,
    /// As the subscription says; until that is read, it has the same name.
    slot: String,
}

/// Why a sample was not completed.
#[derive(Debug)]
pub(super) struct SampleError {
    /// Where.
    pub(super) side: Side,
    /// Why, in words.
    pub(super) why: String,
    /// The statement that failed, if it was one.
    pub(super) error: Option<QueryError>,
}

impl SampleError {
    /// Nobody was asked.
    pub(super) fn without_session(side: Side, why: &str) -> Self {
        Self {
            side,
            why: why.to_owned(),
            error: None,
        }
    }
}

impl Channel {
    pub(super) fn new(direction: Direction, plan: &ChannelPlan) -> Self {
        Self {
            direction,
            subscription: plan.subscription.clone(),
            slot: plan.subscription.clone(),
        }
    }

    /// Whether the target has the subscription.
    pub(super) async fn is_set_up(&self, target: &Session) -> Result<bool, QueryError> {
        let parameters: &[(&(dyn ToSql + Sync), Type)] = &[(&self.subscription, Type::TEXT)];
        let rows = target.rows("read the subscription", READ_SUBSCRIPTION, parameters);
        Ok(!rows.await?.is_empty())
    }

    /// Writes a heartbeat on the source, and reads the slot there.
    pub(super) async fn beat(
        &self,
        source: &Session,
        clock: Clock,
    ) -> Result<(Beat, Option<Slot>), SampleError> {
        let from = self.direction.source();
        let begun = clock.timestamp();
        let written = self.write_beat(source).await.map_err(|it| it.at(from))?;
        let (insert, slot) = self.read_slot(source).await.map_err(|it| it.at(from))?;
        let beat = Beat {
            written,
            begun,
            insert,
        };
        Ok((beat, slot))
    }

    /// What the target says after that.
    pub(super) async fn sample(
        &mut self,
        (beat, slot): (Beat, Option<Slot>),
        target: &Session,
        clock: Clock,
    ) -> Result<Signals, SampleError> {
        let to = self.direction.target();
        let subscription = self
            .read_subscription(target)
            .await
            .map_err(|it| it.at(to))?;
        let mut seen = self.read_beat(target).await.map_err(|it| it.at(to))?;
        let mut pauses = ARRIVAL_PAUSES.into_iter();
        let mut pause = Duration::ZERO;
        while seen.is_some_and(|it| it < beat.written) {
            pause = pauses.next().unwrap_or(pause);
            if clock.timestamp().since(beat.begun) + pause > ARRIVAL_MOST {
                break;
            }
            tokio::time::sleep(pause).await;
            seen = self.read_beat(target).await.map_err(|it| it.at(to))?;
        }
        Ok(Signals {
            beat,
            slot,
            subscription,
            seen,
            seen_at: clock.timestamp(),
        })
    }

    async fn write_beat(&self, source: &Session) -> Result<i64, Fault> {
        let row = one(
            source,
            "write the heartbeat",
            WRITE_BEAT,
            self.direction.as_str(),
        )
        .await?;
        let row = row.ok_or_else(|| {
            let direction = self.direction;
            Fault::Words(format!(
                "the table changeover.heartbeat has no row '{direction}'"
            ))
        })?;
        field(&row, 0)
    }

    async fn read_slot(&self, source: &Session) -> Result<(i64, Option<Slot>), Fault> {
        let row = one(source, "read the slot", READ_SLOT, &self.slot).await?;
        let row = row.ok_or_else(|| Fault::Words("no answer about the slot".to_owned()))?;
        let is_active: Option<bool> = field(&row, 1)?;
        let slot = match is_active {
            Some(is_active) => Some(Slot {
                is_active,
                wal_status: field(&row, 2)?,
                confirmed: field(&row, 3)?,
                safe_bytes: field(&row, 4)?,
            }),
            None => None,
        };
        Ok((field(&row, 0)?, slot))
    }

    async fn read_subscription(&mut self, target: &Session) -> Result<Option<Subscription>, Fault> {
        let name = self.subscription.as_str();
        let row = one(target, "read the subscription", READ_SUBSCRIPTION, name).await?;
        let Some(row) = row else {
            return Ok(None);
        };
        let errors = match target.version() >= COUNTS_ERRORS {
            true => {
                let row = one(target, "read the errors", READ_ERRORS, name).await?;
                row.map_or(Ok(None), |row| field(&row, 0))?
            }
            false => None,
        };
        let subscription = Subscription {
            is_enabled: field(&row, 0)?,
            has_worker: field(&row, 2)?,
            relations: field(&row, 3)?,
            unready: field(&row, 4)?,
            errors,
        };
        let slot: Option<String> = field(&row, 1)?;
        self.slot = slot.unwrap_or_default();
        Ok(Some(subscription))
    }

    async fn read_beat(&self, target: &Session) -> Result<Option<i64>, Fault> {
        let row = one(
            target,
            "read the heartbeat",
            READ_BEAT,
            self.direction.as_str(),
        )
        .await?;
        row.map(|row| field(&row, 0)).transpose()
    }
}

/// What went wrong, not yet where.
enum Fault {
    Query(QueryError),
    Words(String),
}

impl Fault {
    fn at(self, side: Side) -> SampleError {
        match self {
            Self::Query(error) => SampleError {
                side,
                why: with_causes(&error),
                error: Some(error),
            },
            Self::Words(why) => SampleError {
                side,
                why,
                error: None,
            },
        }
    }
}

/// The row that a statement with one text gives.
async fn one(
    session: &Session,
    what: &'static str,
    sql: &str,
    text: &str,
) -> Result<Option<Row>, Fault> {
    let rows = session.rows(what, sql, &[(&text, Type::TEXT)]).await;
    Ok(rows.map_err(Fault::Query)?.into_iter().next())
}

fn field<'a, T: FromSql<'a>>(row: &'a Row, index: usize) -> Result<T, Fault> {
    let read = row.try_get(index);
    read.map_err(|error| {
        Fault::Words(format!(
            "an answer of another kind: {}",
            with_causes(&error)
        ))
    })
}
