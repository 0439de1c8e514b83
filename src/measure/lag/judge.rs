//! From signals to a reading: three of them have to be there and to agree.

use std::{collections::VecDeque, time::Duration};

use crate::{
    measure::{Lag, LagReading, STALE_AFTER},
    units::Timestamp,
};

/// Heartbeats that are remembered while they have not arrived: more than an hour of them.
const BEATS_MAX: usize = 4096;

/// Apply errors are no more than past after this: a worker that fails tries again every few seconds.
const ERRORS_QUIET: Duration = Duration::from_secs(30);

/// A slot that has not confirmed what arrived this long ago is not the one that carried it. Targets confirm every ten seconds
/// by default, and sources ask them after thirty.
const CONFIRM_WITHIN: Duration = Duration::from_secs(90);

/// How far back the rate is looked at at which WAL is written.
const RATE_OVER: Duration = Duration::from_secs(60);

/// One heartbeat, written on the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Beat {
    /// What it says: microseconds of the source's own clock.
    pub written: i64,
    /// Just before it was written.
    pub begun: Timestamp,
    /// The source's `pg_current_wal_insert_lsn()`, after its commit.
    pub insert: i64,
}

/// What was read of one direction, in this order: heartbeat and slot on the source, then subscription and heartbeat on the
/// target. What was not there is `None`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signals {
    /// The heartbeat just written.
    pub beat: Beat,
    /// The slot on the source.
    pub slot: Option<Slot>,
    /// The subscription on the target.
    pub subscription: Option<Subscription>,
    /// What the heartbeat on the target says.
    pub seen: Option<i64>,
    /// When that was read.
    pub seen_at: Timestamp,
}

/// A replication slot on the source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Whether somebody takes its changes.
    pub is_active: bool,
    /// PostgreSQL's `wal_status`.
    pub wal_status: Option<String>,
    /// Up to where the target has confirmed.
    pub confirmed: Option<i64>,
    /// Bytes that may still be written before its WAL is removed; `None` where nothing limits it.
    pub safe_bytes: Option<i64>,
}

/// A subscription on the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// Whether it is enabled.
    pub is_enabled: bool,
    /// Whether its apply worker is there.
    pub has_worker: bool,
    /// Tables that it carries.
    pub relations: i64,
    /// Those of them whose copy is not complete.
    pub unready: i64,
    /// Errors of applying and copying so far; `None` where the version does not count them.
    pub errors: Option<i64>,
}

/// Judges one direction, from one sample to the next.
#[derive(Clone, Debug, Default)]
pub struct Judge {
    /// What the last heartbeat said, and where WAL was inserted after it.
    written: Option<(i64, i64)>,
    /// Whether the target had a heartbeat since this began that is not from the future of the source's clock. One that is was
    /// written before that clock was set back, or by another server, and says nothing about what is written since.
    agrees: bool,
    /// Those that have not arrived, the oldest first.
    beats: VecDeque<Beat>,
    /// The newest one that has arrived.
    arrived: Option<Arrived>,
    /// One that has arrived and that the slot has not confirmed, and since when.
    unconfirmed: Option<(Beat, Timestamp)>,
    /// Errors at the last sample, and when they last grew.
    errors: Option<i64>,
    errors_grew_at: Option<Timestamp>,
    /// Where WAL was inserted, a minute back.
    inserts: VecDeque<(Timestamp, i64)>,
}

#[derive(Clone, Copy, Debug)]
struct Arrived {
    beat: Beat,
    took: Duration,
}

impl Judge {
    /// A heartbeat was written of whose target nothing is known. Once something is, its age says how far that trails.
    pub fn wrote(&mut self, beat: Beat) {
        // A source whose clock was set back, or that another one took the place of, begins anew.
        let before = self.written.replace((beat.written, beat.insert));
        if before.is_some_and(|(written, insert)| written >= beat.written || insert > beat.insert) {
            *self = Self {
                written: self.written,
                errors: self.errors,
                errors_grew_at: self.errors_grew_at,
                ..Self::default()
            };
        }
        if self.beats.len() == BEATS_MAX {
            // The oldest one says how old what is missing is; what came just after it says no more.
            self.beats.remove(1);
        }
        self.beats.push_back(beat);
    }

    /// What the signals say together.
    pub fn judge(&mut self, signals: &Signals) -> LagReading {
        self.remember(signals);
        match self.look(signals) {
            Ok(lag) => LagReading::Known(lag),
            Err(why) => LagReading::Unknown { why },
        }
    }

    /// When the newest heartbeat that has arrived was begun: everything that was committed before is there.
    #[must_use]
    pub fn passed(&self) -> Option<Timestamp> {
        self.arrived.map(|it| it.beat.begun)
    }

    fn remember(&mut self, signals: &Signals) {
        self.wrote(signals.beat);
        self.agrees |= signals.seen.is_some_and(|it| it <= signals.beat.written);
        let seen = signals.seen.filter(|_| self.agrees);
        while let Some(beat) = self.beats.front().copied()
            && seen.is_some_and(|seen| beat.written <= seen)
        {
            self.beats.pop_front();
            let took = signals.seen_at.since(beat.begun);
            self.arrived = Some(Arrived { beat, took });
        }
        let confirmed = signals.slot.as_ref().and_then(|it| it.confirmed);
        let is_confirmed = |beat: Beat| confirmed.is_some_and(|it| it >= beat.insert);
        self.unconfirmed = self.unconfirmed.filter(|(beat, _)| !is_confirmed(*beat));
        let arrived = self.arrived.map(|it| it.beat);
        if let (None, Some(beat)) = (self.unconfirmed, arrived)
            && !is_confirmed(beat)
        {
            self.unconfirmed = Some((beat, signals.seen_at));
        }
        self.inserts
            .push_back((signals.seen_at, signals.beat.insert));
        while let Some((at, _)) = self.inserts.front()
            && signals.seen_at.since(*at) > RATE_OVER
        {
            self.inserts.pop_front();
        }
        let errors = signals.subscription.and_then(|it| it.errors);
        if let (Some(before), Some(errors)) = (self.errors, errors)
            && errors > before
        {
            self.errors_grew_at = Some(signals.seen_at);
        }
        self.errors = errors.or(self.errors);
    }

    fn look(&self, signals: &Signals) -> Result<Lag, String> {
        let slot = signals.slot.as_ref().ok_or("the slot is not there")?;
        keeps_wal(slot)?;
        let subscription = signals
            .subscription
            .ok_or("the subscription is not there")?;
        self.works(subscription, signals.seen_at)?;
        // Why nobody takes changes from the slot, the subscription knows better.
        let confirmed = taken(slot)?;
        signals.seen.ok_or("the heartbeat is not on the target")?;
        let bytes = u64::try_from(signals.beat.insert.saturating_sub(confirmed))
            .map_err(|_negative| "the slot has confirmed more than was written")?;
        let arrived = self.arrived.ok_or("no heartbeat has arrived yet")?;
        // What is confirmed was applied before, and the heartbeat was looked at after.
        if self.beats.iter().any(|it| it.insert <= confirmed) {
            return Err("the slot has confirmed a heartbeat that is not on the target: is its table published?".into());
        }
        let waits = self
            .unconfirmed
            .map(|(_, since)| signals.seen_at.since(since));
        if waits.is_some_and(|it| it > CONFIRM_WITHIN) {
            return Err("heartbeats arrive that the slot does not confirm: which subscription carries them?".into());
        }
        let span = self.span(arrived, signals.seen_at)?;
        Ok(Lag {
            span,
            bytes,
            wal_lasts: self.wal_lasts(slot),
        })
    }

    /// What is missing was written after the newest heartbeat that has arrived and before the oldest that has not: in the
    /// middle of that, for all that is known.
    fn span(&self, arrived: Arrived, now: Timestamp) -> Result<Duration, String> {
        let Some(waiting) = self.beats.front() else {
            return Ok(arrived.took);
        };
        let between = waiting.begun.since(arrived.beat.begun);
        if between > STALE_AFTER {
            let seconds = between.as_secs();
            return Err(format!(
                "no heartbeat was written for {seconds} s, and none since then has arrived"
            ));
        }
        Ok(now.since(waiting.begun) + between / 2)
    }

    fn works(&self, subscription: Subscription, now: Timestamp) -> Result<(), String> {
        if !subscription.is_enabled {
            return Err("the subscription is disabled".into());
        }
        if subscription.relations == 0 {
            return Err("the subscription carries no table".into());
        }
        if subscription.unready > 0 {
            let (unready, relations) = (subscription.unready, subscription.relations);
            return Err(format!(
                "{unready} of {relations} tables are still being copied"
            ));
        }
        let quiet = self.errors_grew_at.map(|at| now.since(at));
        if quiet.is_some_and(|it| it < ERRORS_QUIET) {
            let errors = self.errors.unwrap_or_default();
            return Err(format!(
                "changes fail to be applied: {errors} errors, and growing"
            ));
        }
        match subscription.has_worker {
            true => Ok(()),
            false => Err("the subscription's apply worker is not running".into()),
        }
    }

    /// At the rate of the last minute. An estimate, for people.
    fn wal_lasts(&self, slot: &Slot) -> Option<Duration> {
        let safe = u128::try_from(slot.safe_bytes?.max(0)).ok()?;
        let ((first_at, first), (last_at, last)) = (self.inserts.front()?, self.inserts.back()?);
        let written = u128::try_from(last.saturating_sub(*first)).ok()?;
        let span = last_at.since(*first_at).as_micros();
        let micros = (safe * span).checked_div(written)?;
        Some(Duration::from_micros(
            u64::try_from(micros).unwrap_or(u64::MAX),
        ))
    }
}

/// Whether the slot still has what the target needs.
fn keeps_wal(slot: &Slot) -> Result<(), String> {
    match slot.wal_status.as_deref() {
        Some("reserved" | "extended" | "unreserved") => Ok(()),
        Some("lost") => Err(
            "the slot is lost: its WAL was removed, and replication has to be set up anew".into(),
        ),
        Some(_) | None => Err("the slot's WAL is in an unknown state".into()),
    }
}

/// Up to where the slot is confirmed.
fn taken(slot: &Slot) -> Result<i64, String> {
    if !slot.is_active {
        return Err("nobody takes changes from the slot".into());
    }
    slot.confirmed
        .ok_or_else(|| "the slot has confirmed nothing".into())
}

#[cfg(test)]
mod tests;
