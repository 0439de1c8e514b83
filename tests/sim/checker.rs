//! What always holds, checked after every decision and every effect against the world's own bookkeeping.
//!
//! The checker never asks the core what is true: it keeps its own count of observed time and of finished
//! requests, replays the journal from the disk's bytes, and knows which faults the world is under.

mod entries;
mod evidence;
mod gates;
mod way_back;

use std::{collections::BTreeMap, fmt, time::Duration};

use changeover::{
    cutover::{
        Answer, Bake, Change, Context, Coverage, Decision, Effect, Entry, Event, HoldCause,
        Observation, Position, Progress, Ramp, State, WayBack,
    },
    plan::Plan,
    split::{Assignment, Cause, SplitTable},
    units::{Generation, PerSide, Side, Timestamp},
};

use crate::{
    disk::Disk,
    environment::Environment,
    lag::Held,
    traffic::{Counted, sides_of},
};

/// Clients whose sides are compared from table to table.
const SAMPLE: u32 = 100;

/// A rule that did not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Violation(String);

impl Violation {
    pub(crate) fn new(what: impl Into<String>) -> Self {
        Self(what.into())
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// `Err` with the rule unless it holds.
pub(crate) fn must(holds: bool, rule: &str) -> Result<(), Violation> {
    match holds {
        true => Ok(()),
        false => Err(Violation::new(rule)),
    }
}

/// One decision with all that it was made from.
pub(crate) struct Case<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) before: &'a State,
    pub(crate) event: &'a Event,
    /// As the world knows it, whatever the core was told.
    pub(crate) observation: &'a Observation<'a>,
    pub(crate) context: Context,
    pub(crate) decision: &'a Decision,
    pub(crate) disk: &'a Disk,
    pub(crate) sides: &'a PerSide<Environment>,
    /// The true time, by which the environments' modes are dated.
    pub(crate) true_time: Timestamp,
}

/// Which bake is meant: the entry that began it, by number and time.
type BakeKey = (u64, Timestamp);

/// What the world itself observed of a bake.
#[derive(Clone, Copy, Debug, Default)]
struct Observed {
    time: Duration,
    requests: u64,
}

/// Finished requests that evidence may rest on.
#[derive(Clone, Copy, Debug, Default)]
struct Samples {
    all: u64,
    drawn: u64,
}

/// The world's own bookkeeping.
#[derive(Default)]
pub(crate) struct Checker {
    observed: BTreeMap<BakeKey, Observed>,
    /// What was observed at a step when its drill began.
    before_drill: Option<Observed>,
    /// How long what gates ask for has held.
    held: Held,
    /// What the journal said of gates.
    told: gates::Told,
    /// Since the position changed, or the process began.
    samples: PerSide<Samples>,
    /// The process's last turn.
    turned_at: Option<Timestamp>,
    /// The last change of position within this process.
    changed_at: Option<Timestamp>,
    /// When the wall clock last jumped within this process.
    jumped_at: Option<Timestamp>,
    wall_offset: Option<i64>,
    /// What is being recorded and not in force.
    outstanding: Option<Entry>,
    /// What is in force and, as far as the process was told, not recorded.
    unrecorded: Vec<Entry>,
    /// An entry that the process found in the marker only: the store's thread records it before anything else.
    from_marker: Option<u64>,
    /// The journal's position, and the one without its last entry.
    durable: Option<Position>,
    durable_before: Option<Position>,
    /// Who is on which side, by the table in force.
    sides: Vec<Side>,
    /// Rollbacks that the shell could call durable.
    kept_rollback: Option<u64>,
    /// Since when new has been so bad that a trigger must have tripped.
    hopeless_since: Option<Timestamp>,
    /// Requests that new failed since then.
    hopeless_requests: u64,
}

impl Checker {
    /// A process begins from what the disk holds.
    pub(crate) fn began(
        &mut self,
        decision: &Decision,
        disk: &Disk,
        table: &SplitTable,
    ) -> Result<(), Violation> {
        let position = &decision.state.position;
        let found = disk.recover().expect("a process begins with a journal");
        self.held.begin(&decision.state);
        self.turned_at = None;
        self.changed_at = None;
        self.jumped_at = None;
        self.wall_offset = None;
        self.outstanding = None;
        self.from_marker = found.unrecorded.as_ref().map(|it| it.seq);
        self.unrecorded = found.unrecorded.into_iter().collect();
        self.samples = PerSide::default();
        self.hopeless_since = None;
        self.sides = sides_of(table, SAMPLE);
        self.durable = Position::replay(&disk.entries()).ok();
        self.durable_before = self.durable.clone();
        if let Some(seq) = self.kept_rollback {
            let is_kept = matches!(position.ramp, Ramp::RolledBack { .. }) || position.seq > seq;
            must(
                is_kept,
                "a rollback that was marked or recorded survives a kill",
            )?;
        }
        let mut held = None;
        for effect in &decision.effects {
            match effect {
                Effect::RecordAfter(entry) => held = Some(entry.clone()),
                _other => return Err(Violation::new("a start only holds")),
            }
        }
        match held {
            None => must(
                *position == found.position,
                "a restart goes on where it was",
            )?,
            Some(entry) => {
                let is_hold = matches!(
                    entry.change,
                    Change::Held {
                        cause: HoldCause::PlanChanged | HoldCause::WeightSet,
                        ..
                    }
                );
                must(is_hold, "a start under another plan holds")?;
                must(
                    entry.weight == found.position.weight,
                    "a start under another plan stays at the weight in force",
                )?;
                self.unrecorded.push(entry);
            }
        }
        self.observed.entry(key(position)).or_default();
        self.bake_is_true(&decision.state)
    }

    /// The process ended, by a kill or in order.
    pub(crate) fn ended(&mut self) {
        self.outstanding = None;
        self.unrecorded.clear();
        self.hopeless_since = None;
    }

    /// Something finished, as the clients see it.
    pub(crate) fn counted(&mut self, counted: &[Counted], position: &Position) {
        for it in counted {
            if it.assignment.side == Side::New && it.is_since(position.generation) {
                self.observed.entry(key(position)).or_default().requests += 1;
            }
            if it.assignment.side == Side::New && it.is_since(Generation::ZERO) && it.is_error {
                self.hopeless_requests += 1;
            }
        }
    }

    /// The workers told the process that these finished.
    pub(crate) fn handed_over(&mut self, finished: &[Assignment]) {
        for it in finished.iter().filter(|it| it.cause != Cause::Forced) {
            let samples = &mut self.samples[it.side];
            samples.all += 1;
            samples.drawn += u64::from(it.cause == Cause::Weighted);
        }
    }

    /// The store's thread made an entry durable.
    pub(crate) fn appended(&mut self, entry: &Entry) -> Result<(), Violation> {
        let entry: Entry = serde_json::to_string(entry)
            .and_then(|text| serde_json::from_str(&text))
            .map_err(|error| Violation::new(format!("an entry is JSON: {error}")))?;
        self.told.appended(&entry)?;
        let next = match &self.durable {
            None => Position::began(&entry),
            Some(position) => {
                must(entry.seq > position.seq, "numbers rise in the journal")?;
                must(
                    entry.generation >= position.generation,
                    "generations rise in the journal",
                )?;
                Some(position.apply(&entry))
            }
        };
        self.durable_before = std::mem::replace(&mut self.durable, next);
        Ok(())
    }

    /// A snapshot is saved.
    pub(crate) fn saved(&self, progress: &Progress, disk: &Disk) -> Result<(), Violation> {
        must(
            disk.holds(progress.seq),
            "a snapshot is about an entry on disk",
        )?;
        let observed = self.observed.get(&(progress.seq, progress.at));
        let observed = observed.copied().unwrap_or_default();
        must(
            progress.baked <= observed.time,
            "a snapshot is never ahead of the truth",
        )
    }

    /// A rollback is in the marker, or in the journal.
    pub(crate) fn rollback_kept(&mut self, seq: u64) {
        self.kept_rollback = self.kept_rollback.max(Some(seq));
    }

    /// The rules for one decision.
    pub(crate) fn decided(&mut self, case: &Case<'_>) -> Result<(), Violation> {
        self.note_clock(case);
        self.note_time(case);
        let Decision {
            state,
            effects,
            answer,
        } = case.decision;
        let is_asked = matches!(
            case.event,
            Event::Command { .. }
                | Event::Reload(_)
                | Event::Upgrade(_)
                | Event::DatabaseStep(_)
                | Event::Dns(_)
        );
        must(
            is_asked == answer.is_some(),
            "whoever asks is answered, and nobody else",
        )?;
        self.reloads_as_it_must(case)?;
        self.way_back(case)?;
        self.trips_as_it_must(case)?;
        let (before, after) = (&case.before.position, &state.position);
        if before != after {
            let entry = self.entry_in_force(case)?;
            self.moves_as_it_may(case, &entry)?;
            self.gate_is_as_told(case, &entry)?;
            self.changed(case, &entry);
        }
        for effect in effects {
            match effect {
                Effect::RecordFirst(entry) => {
                    must(self.outstanding.is_none(), "one entry at a time is pending")?;
                    self.may_record_first(case, entry)?;
                    self.outstanding = Some(entry.clone());
                }
                Effect::RecordAfter(entry) => self.unrecorded.push(entry.clone()),
                Effect::Snapshot(progress) => {
                    must(*progress == state.progress, "a snapshot is the progress")?;
                }
                Effect::Publish { .. }
                | Effect::RestartEvidence(_)
                | Effect::Inject(_)
                | Effect::TakeUpEvidence(_)
                | Effect::Answered { .. }
                | Effect::Page { .. } => (),
            }
        }
        self.bake_is_true(state)?;
        must(
            self.held.covers(state),
            "what a gate asks for counts while it is seen to hold",
        )?;
        self.replay_gives(state)
    }

    /// All effects of a decision were carried out.
    pub(crate) fn settled(&self, state: &State, table: &SplitTable) -> Result<(), Violation> {
        let position = &state.position;
        must(
            table.generation == position.generation && table.weight == position.weight,
            "the table in force is the position's",
        )?;
        must(
            table.salt == position.salt,
            "the table in force is the position's",
        )
    }

    /// A table is put in force: nobody crosses against the weight.
    pub(crate) fn published(
        &mut self,
        before: &SplitTable,
        after: &SplitTable,
    ) -> Result<(), Violation> {
        must(after.generation > before.generation, "generations rise")?;
        let sides = sides_of(after, SAMPLE);
        let is_new_salt = before.salt != after.salt;
        must(
            !is_new_salt || sides.iter().all(|it| *it == Side::Old),
            "the salt changes only where everybody is on old",
        )?;
        let crosses = |from: Side, to: Side| {
            let pairs = self.sides.iter().zip(&sides);
            pairs
                .filter(|(was, is)| **was == from && **is == to)
                .count()
        };
        if after.weight >= before.weight {
            must(
                crosses(Side::New, Side::Old) == 0,
                "as the weight rises nobody goes back",
            )?;
        }
        if after.weight <= before.weight {
            must(
                crosses(Side::Old, Side::New) == 0,
                "as it falls nobody goes to new",
            )?;
        }
        self.sides = sides;
        Ok(())
    }

    fn changed(&mut self, case: &Case<'_>, entry: &Entry) {
        let keeps = match &entry.change {
            Change::Held { cause, .. } => {
                matches!(
                    cause,
                    HoldCause::Operator
                        | HoldCause::BothBad(_)
                        | HoldCause::Evidence(_)
                        | HoldCause::Split
                )
            }
            Change::Resumed { bake, .. } => *bake == Bake::GoesOn,
            Change::Reloaded
            | Change::Upgraded { .. }
            | Change::DatabaseStep { .. }
            | Change::GateSatisfied { .. }
            | Change::GateBroken { .. }
            | Change::DnsOrdered { .. }
            | Change::DrillStarted { .. }
            | Change::DrillEnded { .. }
            | Change::DnsServed { .. }
            | Change::DnsQuiet
            | Change::DnsStopped { .. } => true,
            _other => false,
        };
        let (before, position) = (&case.before.position, &case.decision.state.position);
        let was = self.observed.get(&key(before)).copied();
        if matches!(entry.change, Change::DrillStarted { .. }) {
            self.before_drill = was;
        }
        // What was observed during a drill is no part of the bake.
        let has_drilled = before.drilling().is_some() && position.drilling().is_none();
        let was = if has_drilled { self.before_drill } else { was };
        let observed = was.filter(|_| keeps).unwrap_or_default();
        self.observed.insert(key(position), observed);
        if !entry.change.leaves_all_as_it_is() {
            self.changed_at = Some(case.context.now);
            self.samples = PerSide::default();
        }
    }

    /// Time passed that every worker reported of.
    fn note_time(&mut self, case: &Case<'_>) {
        if *case.event != Event::Turn {
            return;
        }
        let now = case.context.now;
        self.held.look(case.plan, case.observation, now);
        let turned_at = self.turned_at.replace(now);
        let counts = match &case.before.position.ramp {
            Ramp::Baking { .. } => true,
            Ramp::Complete { way_back, .. } => *way_back == WayBack::Open,
            Ramp::Idle | Ramp::Holding { .. } | Ramp::RolledBack { .. } => false,
        };
        let Some(turned_at) = turned_at.filter(|_| counts) else {
            return;
        };
        let from = self.changed_at.map_or(turned_at, |it| it.max(turned_at));
        let passed = now.since(from);
        if case.observation.coverage == Coverage::Full && passed <= Duration::from_secs(1) {
            let observed = self.observed.entry(key(&case.before.position)).or_default();
            observed.time += passed;
        }
    }

    fn note_clock(&mut self, case: &Case<'_>) {
        if *case.event != Event::Turn {
            return;
        }
        let offset = case.context.wall.micros() - case.context.now.micros();
        let before = self.wall_offset.replace(offset).unwrap_or(0);
        if (offset - before).abs() > 2_000_000 {
            self.jumped_at = Some(case.context.now);
        }
    }

    /// The core never says that more was observed than was.
    fn bake_is_true(&self, state: &State) -> Result<(), Violation> {
        let observed = self.observed_at(&state.position);
        must(
            state.progress.baked <= observed.time,
            "a bake counts observed time only",
        )?;
        match &state.position.ramp {
            // After these holds the bake starts anew, so what is counted meanwhile is none.
            Ramp::Holding {
                cause: HoldCause::PlanChanged | HoldCause::WeightSet,
                ..
            } => Ok(()),
            Ramp::Baking { .. } | Ramp::Holding { .. } => must(
                state.progress.requests <= observed.requests,
                "a bake counts finished requests only",
            ),
            Ramp::Idle | Ramp::RolledBack { .. } | Ramp::Complete { .. } => Ok(()),
        }
    }

    /// The journal, and what is in force but not in it, gives the position.
    fn replay_gives(&self, state: &State) -> Result<(), Violation> {
        let Some(durable) = &self.durable else {
            return Err(Violation::new("there is a journal"));
        };
        let is_ahead = self
            .outstanding
            .as_ref()
            .is_some_and(|it| it.seq == durable.seq);
        let base = match is_ahead {
            true => self.durable_before.as_ref().unwrap_or(durable),
            false => durable,
        };
        let later = self.unrecorded.iter().filter(|it| it.seq > base.seq);
        let replayed = later.fold(base.clone(), |position, entry| position.apply(entry));
        must(
            replayed == state.position,
            "replaying the journal gives the position",
        )
    }

    fn observed_at(&self, position: &Position) -> Observed {
        self.observed
            .get(&key(position))
            .copied()
            .unwrap_or_default()
    }

    /// The entry by which a decision changed the position.
    fn entry_in_force(&mut self, case: &Case<'_>) -> Result<Entry, Violation> {
        let after = &case.decision.state.position;
        let at_once = case.decision.effects.iter().find_map(|it| match it {
            Effect::RecordAfter(entry) => Some(entry.clone()),
            _other => None,
        });
        if let Some(entry) = at_once {
            // It overtakes whatever was being recorded.
            self.outstanding = None;
            must(entry.seq == after.seq, "every change has its entry")?;
            return Ok(entry);
        }
        let Event::Recorded { seq } = case.event else {
            return Err(Violation::new("every change has its entry"));
        };
        must(
            case.disk.holds(*seq),
            "what is recorded first is on disk first",
        )?;
        let entry = self.outstanding.take().filter(|it| it.seq == *seq);
        let entry = entry.ok_or_else(|| Violation::new("every change has its entry"))?;
        must(entry.seq == after.seq, "every change has its entry")?;
        Ok(entry)
    }

    /// The process was told what became of an entry.
    pub(crate) fn reported(&mut self, event: &Event) {
        match event {
            Event::Recorded { seq } => {
                self.unrecorded.retain(|it| it.seq != *seq);
            }
            Event::RecordFailed { seq, .. } => {
                self.unrecorded.retain(|it| it.seq != *seq);
                self.outstanding.take_if(|it| it.seq == *seq);
            }
            Event::Turn
            | Event::Command { .. }
            | Event::Reload(_)
            | Event::Upgrade(_)
            | Event::DatabaseStep(_)
            | Event::Dns(_) => (),
        }
    }
}

impl Case<'_> {
    /// Whether the decision put weight 0 in force first of all, and had it recorded next.
    fn rolls_back(&self) -> bool {
        let mut effects = self.decision.effects.iter();
        let published = matches!(
            effects.next(),
            Some(Effect::Publish { weight, tunnels, .. })
                if *weight == changeover::units::Weight::NONE
                    && tunnels.is_none() == self.decision.state.position.drilling().is_some()
        );
        let recorded = matches!(
            effects.next(),
            Some(Effect::RecordAfter(entry)) if matches!(entry.change, Change::RolledBack { .. })
        );
        published && recorded
    }

    fn is_refused(&self) -> bool {
        matches!(self.decision.answer, Some(Answer::Refused(_)))
    }
}

fn key(position: &Position) -> BakeKey {
    (position.seq, position.at)
}
