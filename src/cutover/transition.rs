//! One decision in the making: the state as it changes, and the effects as they add up.
//!
//! There are two ways into force. What gives new more traffic, or takes away a way back, is recorded first and
//! changes nothing until that is acknowledged. What is safe is in force at once, overtakes whatever is being
//! recorded, and is recorded after.

use std::time::Duration;

use crate::{
    cutover::{
        Actor, Answer, Bake, Change, ConnectRun, Context, Decision, Effect, Entry, Explanation,
        Observation, Progress, Ramp, Refusal, State, TriggerReading, dns,
        drill::DrillWatch,
        trigger::{self, View},
    },
    plan::{Plan, Trigger},
    units::{Side, Timestamp, Weight},
};

/// A decision in the making.
pub(super) struct Transition<'a> {
    pub(super) plan: &'a Plan,
    pub(super) observation: &'a Observation<'a>,
    pub(super) context: Context,
    pub(super) state: State,
    before: &'a State,
    effects: Vec<Effect>,
    /// Kept apart, so that nothing comes before a publication.
    pages: Vec<String>,
    answer: Option<Answer>,
}

/// What an entry shall say, before it gets its numbers.
pub(super) struct Draft {
    pub(super) change: Change,
    /// The weight after it.
    pub(super) weight: Weight,
    pub(super) actor: Actor,
    pub(super) reason: String,
    pub(super) explanation: Option<Explanation>,
}

impl<'a> Transition<'a> {
    pub(super) fn new(
        plan: &'a Plan,
        before: &'a State,
        observation: &'a Observation<'a>,
        context: Context,
    ) -> Self {
        Self {
            plan,
            observation,
            context,
            state: before.clone(),
            before,
            effects: Vec::new(),
            pages: Vec::new(),
            answer: None,
        }
    }

    /// Looks at every trigger.
    pub(super) fn evaluate(&mut self) {
        let view = self.view();
        let evaluations = self.plan.triggers.iter();
        let evaluations = evaluations.map(|it| trigger::evaluate(it, view)).collect();
        self.state.watch.evaluations = evaluations;
    }

    /// Has the entry recorded; it changes nothing before [`Transition::acknowledged`].
    pub(super) fn record_first(&mut self, draft: Draft) -> u64 {
        assert!(
            self.state.watch.pending.is_none(),
            "one entry at a time waits to be recorded"
        );
        let entry = self.entry(draft);
        let seq = entry.seq;
        self.state.watch.pending = Some(entry.clone());
        self.effects.push(Effect::RecordFirst(entry));
        seq
    }

    /// Puts the entry in force now and has it recorded after; what was being recorded is overtaken.
    pub(super) fn put_in_force(&mut self, draft: Draft, reaction_ms: Option<f64>) -> u64 {
        let mut entry = self.entry(draft);
        entry.reaction_ms = reaction_ms;
        entry.overtakes = self.state.watch.pending.as_ref().map(|it| it.seq);
        let seq = entry.seq;
        let overtaken = self.state.watch.pending.take();
        self.state.watch.unrecorded.insert(seq);
        self.apply(&entry);
        self.effects.push(Effect::RecordAfter(entry));
        if let Some(overtaken) = overtaken {
            self.answer_pending(&overtaken, Err(Refusal::Overtaken));
        }
        seq
    }

    /// The pending entry is recorded: puts it in force.
    pub(super) fn acknowledged(&mut self) {
        let Some(entry) = self.state.watch.pending.take() else {
            return;
        };
        self.apply(&entry);
        self.answer_pending(&entry, Ok(()));
    }

    /// The pending entry could not be recorded: nothing changes.
    pub(super) fn failed(&mut self, refusal: Refusal) {
        if let Some(entry) = self.state.watch.pending.take() {
            self.answer_pending(&entry, Err(refusal));
        }
    }

    pub(super) fn answer(&mut self, answer: Answer) {
        self.answer = Some(answer);
    }

    pub(super) fn page(&mut self, message: String) {
        self.pages.push(message);
    }

    /// Saves what was observed; see [`Effect::Snapshot`].
    pub(super) fn snapshot(&mut self) {
        self.state.watch.snapshot_at = Some(self.context.now);
        let progress = self.state.progress.clone();
        self.effects.push(Effect::Snapshot(progress));
    }

    pub(super) fn finish(mut self) -> Decision {
        let injection = self.state.position.injection();
        if injection != self.before.position.injection() {
            self.effects.push(Effect::Inject(injection));
        }
        let pages = self.pages.into_iter();
        self.effects
            .extend(pages.map(|message| Effect::Page { message }));
        let decision = Decision {
            state: self.state,
            effects: self.effects,
            answer: self.answer,
        };
        decision.check_invariants(self.plan, self.before);
        decision
    }

    /// New's failures to connect in a row, less those that were there before the evidence began: a dead side
    /// gets no connection that could end its run while nothing is sent to it.
    pub(super) fn connects_on_new(&self) -> ConnectRun {
        let run = self.observation.connects[Side::New];
        let before = self.state.watch.connects_before;
        let is_same_run = run.since == before.since && run.failures >= before.failures;
        if before.failures == 0 || !is_same_run {
            return run;
        }
        ConnectRun {
            failures: run.failures - before.failures,
            since: self.state.position.at,
        }
    }

    pub(super) fn view(&self) -> View<'a> {
        View {
            observation: self.observation,
            connects_on_new: self.connects_on_new(),
            reach: self.reach(),
            now: self.context.now,
        }
    }

    /// A trigger with its last reading, for the one that is asked about.
    pub(super) fn breaching(&self) -> impl Iterator<Item = (&'a Trigger, &TriggerReading)> {
        let judged = self.plan.triggers.iter().zip(&self.state.watch.evaluations);
        let bad = judged.filter(|(_, it)| it.is_breach());
        bad.map(|(trigger, it)| (trigger, &it.reading))
    }

    /// How far back an advance may look: to the step's beginning, and only once nothing but its triggers is
    /// left of the bake, since reaching back costs more than a window.
    fn reach(&self) -> Option<Timestamp> {
        let Ramp::Baking { step, since } = self.state.position.ramp else {
            return None;
        };
        // While another plan is taken in, the step may be none of its steps.
        let step = self.plan.ramp.steps.get(step)?;
        let progress = &self.state.progress;
        let is_baked = progress.baked >= step.bake && progress.requests >= step.requests;
        // The step began when it came into force, a little after it was decided.
        let begun = self.state.watch.counting_since;
        is_baked.then_some(begun.map_or(since, |it| it.max(since)))
    }

    fn entry(&mut self, draft: Draft) -> Entry {
        let position = &self.state.position;
        let watch = &mut self.state.watch;
        let opens = position.weight == Weight::NONE && draft.weight > Weight::NONE;
        let is_rollback = matches!(draft.change, Change::RolledBack { .. });
        // What was measured during a drill is no evidence after it.
        let is_drilling = position.injection().is_some();
        let ends_drill = is_drilling && !draft.change.leaves_all_as_it_is();
        // An entry that overtakes one must come after it in the journal, should both be recorded.
        let is_new =
            draft.change.takes_generation() || watch.pending.is_some() || ends_drill || opens;
        let generation = if is_new {
            watch.generation = watch.generation.next();
            watch.generation
        } else {
            position.generation
        };
        watch.seq += 1;
        Entry {
            seq: watch.seq,
            at: self.context.now,
            generation,
            weight: draft.weight,
            evidence_since: if opens || is_rollback || ends_drill {
                generation
            } else {
                position.evidence_since
            },
            plan: watch.plan.clone(),
            change: draft.change,
            actor: draft.actor,
            reason: draft.reason,
            readings: self.state.readings().cloned().collect(),
            reaction_ms: None,
            overtakes: None,
            explanation: draft.explanation.map(Box::new),
        }
    }

    /// The one place where the position changes.
    fn apply(&mut self, entry: &Entry) {
        let state = &mut self.state;
        let next = state.position.apply(entry);
        let before = std::mem::replace(&mut state.position, next);
        let position = &state.position;
        let is_rollback = matches!(entry.change, Change::RolledBack { .. });
        if position.generation > before.generation {
            self.effects.push(Effect::Publish {
                generation: position.generation,
                weight: position.weight,
                salt: position.salt,
                // Those that a drill does not touch go on.
                tunnels: (position.weight == Weight::NONE && position.drilling().is_none())
                    .then_some(self.plan.rollback.tunnels),
            });
        }
        let keeps = entry.change.keeps_bake();
        let was_drilling = before.drilling().filter(|_| position.drilling().is_none());
        let (baked, requests) = match was_drilling {
            // What was observed meanwhile is no part of the bake.
            Some(drill) if keeps => (drill.baked, drill.requests),
            None if keeps => (state.progress.baked, state.progress.requests),
            Some(_) | None => (Duration::ZERO, 0),
        };
        let mut stretches = std::mem::take(&mut state.progress.stretches);
        if let Change::DnsOrdered { order } = &entry.change
            && order.purpose.begins_ttl()
        {
            stretches.remove(dns::TTL);
        }
        state.progress = Progress {
            stretches,
            seq: entry.seq,
            at: entry.at,
            baked,
            requests,
        };
        let watch = &mut state.watch;
        if matches!(entry.change, Change::DrillStarted { .. }) {
            watch.drill = Some(DrillWatch {
                since: self.context.now,
                touched_before: self.observation.drilled,
            });
        }
        let is_published = position.generation > before.generation;
        if !keeps || is_published {
            watch.requests_before = requests;
            // A publication begins the count anew; where there is none, it goes on.
            watch.requests_skipped = match is_published {
                true => 0,
                false => self.observation.requests_on_new,
            };
        }
        if !entry.change.leaves_all_as_it_is() {
            watch.counting_since = Some(self.context.now);
        }
        watch.snapshot_at = None;
        if position.evidence_since > before.evidence_since {
            watch.connects_before = self.observation.connects[Side::New];
            // A rollback keeps the numbers that it rested on in sight.
            if !is_rollback {
                let since = position.evidence_since;
                let is_returning = before.returning().is_some() && entry.change.keeps_bake();
                let is_drill = before.injection().is_some() || is_returning;
                self.effects
                    .push(match is_drill && position.weight > Weight::NONE {
                        true => Effect::TakeUpEvidence(since),
                        false => Effect::RestartEvidence(since),
                    });
            }
        }
    }

    fn answer_pending(&mut self, entry: &Entry, result: Result<(), Refusal>) {
        match entry.actor {
            Actor::Plan => (),
            Actor::Operator(_) => {
                let seq = entry.seq;
                self.effects.push(Effect::Answered { seq, result });
            }
        }
    }
}

impl Change {
    /// Whether it puts another table in force, or counts requests from zero.
    const fn takes_generation(&self) -> bool {
        match self {
            Self::Began { .. }
            | Self::Started { .. }
            | Self::Advanced { .. }
            | Self::WeightSet { .. }
            | Self::RolledBack { .. }
            | Self::DrillEnded { .. }
            | Self::Resumed {
                bake: Bake::Anew, ..
            } => true,
            Self::Held { .. }
            | Self::Completed
            | Self::WayBackClosed
            | Self::DrillStarted { .. }
            | Self::Reloaded
            | Self::Upgraded { .. }
            | Self::DatabaseStep { .. }
            | Self::GateSatisfied { .. }
            | Self::GateBroken { .. }
            | Self::DnsOrdered { .. }
            | Self::DnsServed { .. }
            | Self::DnsQuiet
            | Self::DnsStopped { .. }
            | Self::Resumed {
                bake: Bake::GoesOn, ..
            } => false,
        }
    }
}
