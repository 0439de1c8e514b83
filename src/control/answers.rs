//! Commands that wait for their answer.

use std::time::Duration;

use tokio::{sync::oneshot, time::Instant};

use crate::{
    control::{CommandError, Done},
    cutover::Refusal,
    units::Generation,
};

/// How long a command that is in force waits to hear that its entry is on disk.
pub(super) const DURABLE_WITHIN: Duration = Duration::from_secs(2);

/// Where the answer to a command goes.
pub(super) type Reply = oneshot::Sender<Result<Done, CommandError>>;

/// Every command that waits, and what is known to be on disk.
#[derive(Debug, Default)]
pub(super) struct Answers {
    /// Changes that wait for their entry; the core has one of them at a time.
    recording: Vec<(u64, Reply)>,
    /// Changes in force whose entry is being recorded, each for [`DURABLE_WITHIN`] at most.
    in_force: Vec<(u64, Instant, Reply)>,
    /// The highest number that the journal holds.
    recorded: u64,
    /// The rollback that the marker holds.
    marked: Option<u64>,
    /// Answers that are known, and given once the status shows what they say.
    known: Vec<(Reply, Result<Done, CommandError>)>,
}

impl Answers {
    /// Refuses a command.
    pub(super) fn refuse(&mut self, reply: Reply, refusal: Refusal) {
        self.known.push((reply, Err(refusal.into())));
    }

    /// The command is answered when the core says so.
    pub(super) fn on_recorded(&mut self, seq: u64, reply: Reply) {
        self.recording.push((seq, reply));
    }

    /// The command is in force; it is answered when its entry is on disk, or after a while without.
    pub(super) fn in_force(
        &mut self,
        seq: u64,
        reply: Reply,
        generation: Generation,
        now: Instant,
    ) {
        self.in_force.push((seq, now + DURABLE_WITHIN, reply));
        self.settle(generation, now);
    }

    /// The core's answer to a command that waited for its entry.
    pub(super) fn answered(
        &mut self,
        seq: u64,
        result: &Result<(), Refusal>,
        generation: Generation,
    ) {
        for (_, reply) in self.recording.extract_if(.., |(waits, _)| *waits == seq) {
            let result = result.clone().map_err(CommandError::from);
            let result = result.map(|()| done(generation, true));
            self.known.push((reply, result));
        }
    }

    /// Entries up to `seq` are in the journal.
    pub(super) fn recorded(&mut self, seq: u64, generation: Generation, now: Instant) {
        self.recorded = self.recorded.max(seq);
        self.settle(generation, now);
    }

    /// The rollback is in the marker. That it is in the journal a moment later is worth the wait, since whoever is
    /// answered may ask for the next change, which needs a journal without a backlog.
    pub(super) const fn marked(&mut self, seq: u64) {
        self.marked = Some(seq);
    }

    /// The journal cannot be written: what the marker holds is as safe as it gets.
    pub(super) fn journal_fails(&mut self, generation: Generation) {
        let marked = self.marked;
        let safe = self
            .in_force
            .extract_if(.., |(seq, ..)| Some(*seq) == marked);
        for (_, _, reply) in safe {
            self.known.push((reply, Ok(done(generation, true))));
        }
    }

    /// Answers whoever waited for long enough.
    pub(super) fn settle(&mut self, generation: Generation, now: Instant) {
        let (recorded, marked) = (self.recorded, self.marked);
        let over = self
            .in_force
            .extract_if(.., |(seq, until, _)| *seq <= recorded || *until <= now);
        for (seq, _, reply) in over {
            let result = Ok(done(generation, seq <= recorded || Some(seq) == marked));
            self.known.push((reply, result));
        }
    }

    /// Whether an answer is known and not given.
    pub(super) const fn has_known(&self) -> bool {
        !self.known.is_empty()
    }

    /// Gives every answer that is known. Whoever gets one finds it in the status.
    pub(super) fn give(&mut self) {
        for (reply, result) in self.known.drain(..) {
            if reply.send(result).is_err() {
                tracing::debug!("whoever asked for a command did not wait for its answer");
            }
        }
    }

    /// When [`Answers::settle`] has something to do next, should nothing be heard of the store.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.in_force.iter().map(|(_, until, _)| *until).min()
    }
}

const fn done(generation: Generation, recorded: bool) -> Done {
    Done {
        generation: generation.number(),
        recorded,
    }
}
