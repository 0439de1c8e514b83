//! Rules for the way back: at once, whatever else goes on, and only on evidence or by a named operator.

use std::time::Duration;

use changeover::{
    cutover::{
        Answer, Change, Command, Effect, Event, HoldCause, REASON_CHARS_MAX, Ramp, RollbackCause,
        TriggerReading, Verdict, WayBack,
    },
    evidence::Finding,
    measure::Population,
    plan::{BothBad, Limit, Reading, Trigger, TripAction},
    units::{Side, Timestamp, Weight},
};

use crate::{
    checker::{Case, Checker, Violation, must},
    environment::Mode,
    lag,
    traffic::CONNECT_MAX,
};

/// Longer than any window of a simulated plan: old was fine for as long as anybody can tell.
const LONG: Duration = Duration::from_secs(12);

impl Checker {
    /// An operator's rollback goes through, and whatever rolls back publishes first.
    pub(super) fn way_back(&self, case: &Case<'_>) -> Result<(), Violation> {
        if let Event::Command {
            command: Command::Rollback { reason },
            ..
        } = case.event
        {
            let is_asked = !reason.trim().is_empty() && reason.chars().count() <= REASON_CHARS_MAX;
            if is_asked && is_armed(&case.before.position.ramp) {
                must(
                    case.rolls_back(),
                    "an operator's rollback publishes weight 0 at once",
                )?;
                let answer = case.decision.answer.as_ref();
                let is_done = matches!(answer, Some(Answer::InForce(_)));
                must(is_done, "an operator's rollback is done")?;
            } else if !is_asked {
                must(case.is_refused(), "a rollback needs a reason")?;
            }
        }
        let (before, after) = (
            &case.before.position.ramp,
            &case.decision.state.position.ramp,
        );
        let stays = matches!(before, Ramp::RolledBack { .. })
            && !case.rolls_back()
            && case.before.position.drilling().is_some();
        let is_rollback = matches!(after, Ramp::RolledBack { .. }) && before != after;
        // A drill may end without going back to new.
        if !is_rollback || stays {
            return Ok(());
        }
        must(
            case.rolls_back(),
            "a rollback publishes first and records second",
        )?;
        let entry = case.decision.effects.iter().find_map(|it| match it {
            Effect::RecordAfter(entry) => Some(entry),
            _other => None,
        });
        let Some(Change::RolledBack { cause, .. }) = entry.map(|it| &it.change) else {
            return Err(Violation::new("a rollback has its entry"));
        };
        match (cause, case.event) {
            (RollbackCause::Operator(name), Event::Command { actor, .. }) => {
                must(*name == actor.to_string(), "a rollback names its operator")
            }
            (RollbackCause::Trigger(name), Event::Turn | Event::Recorded { .. }) => {
                by_trigger(case, name)
            }
            (RollbackCause::Evidence(name), Event::Turn | Event::Recorded { .. }) => {
                by_evidence(case, name)
            }
            (
                RollbackCause::Operator(_) | RollbackCause::Trigger(_) | RollbackCause::Evidence(_),
                _,
            ) => Err(Violation::new("a rollback has a cause")),
        }
    }

    /// A breach leads to weight 0 in the same turn, unless old is no better place to be.
    pub(super) fn trips_as_it_must(&mut self, case: &Case<'_>) -> Result<(), Violation> {
        let before = &case.before.position;
        if *case.event != Event::Turn || !is_armed(&before.ramp) {
            self.hopeless_since = None;
            return Ok(());
        }
        let readings = case.decision.state.readings();
        let judged = case.plan.triggers.iter().zip(readings);
        let mut breaching = judged.filter(|(trigger, reading)| {
            trigger.action == TripAction::Rollback
                && !trigger.is_blind_at(before.weight)
                && reading.verdict == Verdict::Breach
        });
        let trails = lag::calls_for_rollback(case.plan, case.observation);
        must(
            !trails || case.rolls_back() || !is_old_well(case),
            "a lag above its limit rolls back while old is well",
        )?;
        if breaching.next().is_some() {
            let after = &case.decision.state.position;
            let is_held = matches!(
                &after.ramp,
                Ramp::Holding {
                    cause: HoldCause::BothBad(_) | HoldCause::Evidence(_) | HoldCause::Split,
                    ..
                }
            );
            let stays = (after.weight, &after.ramp) == (before.weight, &before.ramp) || is_held;
            must(case.rolls_back() || stays, "a trip rolls back or holds")?;
            must(
                case.rolls_back() || !is_old_well(case),
                "a trip rolls back in the same turn while old is well",
            )?;
        }
        let mut tripped = case
            .observation
            .evidence
            .findings()
            .filter(Finding::is_trip);
        if let Some(finding) = tripped.next() {
            let after = &case.decision.state.position.ramp;
            let stays = matches!(after, Ramp::Holding { .. } | Ramp::Complete { .. });
            must(
                case.rolls_back() || stays,
                "evidence that trips rolls back or holds",
            )?;
            must(
                case.rolls_back() || !(finding.is_old_better() && is_old_well(case)),
                "evidence that trips rolls back in the same turn while old is well",
            )?;
        }
        self.notices_what_is_hopeless(case)
    }

    /// A side that fails every request is noticed within its trigger's window.
    fn notices_what_is_hopeless(&mut self, case: &Case<'_>) -> Result<(), Violation> {
        let new = &case.sides[Side::New];
        let is_hopeless = match new.mode {
            Mode::Errors(share) => share == changeover::units::Share::WHOLE,
            Mode::Refusing => true,
            Mode::Fine | Mode::Slow(_) | Mode::Hanging | Mode::OneDown | Mode::Misjudged => false,
        };
        let is_seen = case.observation.coverage == changeover::cutover::Coverage::Full;
        let stays = case.decision.state.position.weight > Weight::NONE;
        if !(is_hopeless && is_seen && stays && is_old_well(case)) {
            self.hopeless_since = None;
            return Ok(());
        }
        let now = case.context.now;
        let since = *self.hopeless_since.get_or_insert_with(|| {
            self.hopeless_requests = 0;
            now
        });
        let error_rates =
            case.plan.triggers.iter().filter(|it| {
                it.reading == Reading::ErrorRate && matches!(it.limit, Limit::Share(_))
            });
        for trigger in error_rates {
            // A bin of the window, and requests that were on their way.
            let patience = trigger.window + Duration::from_secs(1);
            let recent = now.since(since) >= patience && now.since(since) < patience * 2;
            // As evenly as they come, a window's share of them.
            let enough = trigger.requests.saturating_mul(4) + 20;
            must(
                !(recent && self.hopeless_requests >= enough),
                "a side that fails every request is noticed within the window",
            )?;
        }
        Ok(())
    }
}

/// A rollback by the trigger of this name.
fn by_trigger(case: &Case<'_>, name: &str) -> Result<(), Violation> {
    let (trigger, reading) =
        find(case, name).ok_or_else(|| Violation::new("a rollback names its trigger"))?;
    must(reading.verdict == Verdict::Breach, "only a breach trips")?;
    must(
        trigger.action == TripAction::Rollback,
        "a trigger that is to hold rolls nothing back",
    )?;
    let is_lag = matches!(trigger.reading, Reading::ReplicationLag { .. });
    must(
        !is_lag || lag::calls_for_rollback(case.plan, case.observation),
        "only a lag above its limit rolls back",
    )?;
    let is_windowed = !matches!(trigger.limit, Limit::InARow(_))
        && trigger.reading != Reading::Unhealthy
        && !is_lag;
    must(
        !is_windowed || reading.requests >= trigger.requests,
        "too few samples never trip",
    )?;
    let is_gone = is_old_gone(case);
    must(
        case.plan.rollback.both_bad == BothBad::Rollback || !is_gone,
        "nobody is moved to an old side that is gone",
    )?;
    let pages = case.decision.effects.iter();
    let is_paged = pages
        .into_iter()
        .any(|it| matches!(it, Effect::Page { .. }));
    let is_drill = case.decision.state.position.drilling().is_some();
    must(
        is_paged != is_drill,
        "a rollback by a trigger calls somebody, but for a drill",
    )
}

/// A rollback by the test of this name.
fn by_evidence(case: &Case<'_>, name: &str) -> Result<(), Violation> {
    let mut found = case.observation.evidence.findings();
    let finding = found.find(|it| it.test.as_str() == name);
    let finding = finding.ok_or_else(|| Violation::new("a rollback names its test"))?;
    must(finding.is_trip(), "only evidence enough trips")?;
    let is_asked = case.plan.rollback.both_bad == BothBad::Rollback;
    must(
        is_asked || !is_old_gone(case),
        "nobody is moved to an old side that is gone",
    )?;
    let is_idle = case.before.position.weight == Weight::FULL && finding.requests.old == 0;
    must(
        is_asked || finding.is_old_better() || is_idle,
        "a limit alone moves nobody to an old side that is no better",
    )?;
    let mut effects = case.decision.effects.iter();
    let is_drill = case.decision.state.position.drilling().is_some();
    must(
        is_drill || effects.any(|it| matches!(it, Effect::Page { .. })),
        "a rollback by evidence calls somebody, but for a drill",
    )
}

/// Whether everybody could be moved to old: it has been fine for as long as windows reach.
fn is_old_well(case: &Case<'_>) -> bool {
    let old = &case.sides[Side::Old];
    let count = case.observation.health[Side::Old];
    let for_long = |since: Timestamp| case.true_time.since(since) >= LONG;
    // A limit below what old always takes, connecting included, calls it bad for ever.
    let usual = old.latency * 2 + CONNECT_MAX;
    let is_fast = case.plan.triggers.iter().all(|it| match it.limit {
        Limit::Latency(_) if matches!(it.reading, Reading::ReplicationLag { .. }) => true,
        Limit::Latency(limit) => limit > usual,
        Limit::Share(_) | Limit::TimesOld(_) | Limit::InARow(_) => true,
    });
    let is_fine = old.mode == Mode::Fine && for_long(old.since);
    is_fine && is_fast && count.usable == count.endpoints
}

/// Whether old fails its checks and has answered nothing well for longer than any window.
fn is_old_gone(case: &Case<'_>) -> bool {
    let windows = case.observation.windows;
    let seen = windows.tally(Side::Old, Population::All, LONG);
    case.observation.health[Side::Old].usable == 0 && seen.requests() == seen.errors()
}

fn is_armed(ramp: &Ramp) -> bool {
    match ramp {
        Ramp::Baking { .. } | Ramp::Holding { .. } => true,
        Ramp::Complete { way_back, .. } => *way_back == WayBack::Open,
        Ramp::Idle | Ramp::RolledBack { .. } => false,
    }
}

fn find<'a>(case: &'a Case<'_>, name: &str) -> Option<(&'a Trigger, &'a TriggerReading)> {
    let readings = case.decision.state.readings();
    let mut judged = case.plan.triggers.iter().zip(readings);
    judged.find(|(trigger, _)| trigger.name == name)
}
