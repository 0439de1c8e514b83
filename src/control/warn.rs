//! What an operator should know, each with what to do.

use crate::{
    control::{apply::PAGE_SHOWN, describe::Scene, observe::SILENT_AFTER},
    cutover::{HoldCause, Ramp, StoreState},
    measure::Pause,
    units::Side,
};

/// Why a loop that fails is not ready.
pub(super) const FAULT: &str = "the control loop fails by a fault of this program";

/// What to do about it.
pub(super) const FAULT_WARNING: &str = "the control loop failed by a fault of this program: traffic goes on at the \
    weight in force, triggers may not be watched, and this status may be out of date. Roll back, and report what \
    the log says.";

/// Every warning, the worst first.
pub(super) fn warnings(scene: &Scene<'_>) -> Vec<String> {
    let mut found = Vec::new();
    if scene.is_faulty {
        found.push(FAULT_WARNING.to_owned());
    }
    found.extend(no_better(scene));
    found.extend(old_unwell(scene));
    found.extend(store(scene));
    found.extend(Side::ALL.iter().flat_map(|side| unresolved(scene, *side)));
    found.extend(
        silent(scene)
            .map(|it| format!("{it}: the ramp waits. Restart the program if it stays so.")),
    );
    found.extend(paused(scene));
    found.extend(too_much(scene));
    if scene.observer.totals.lost > 0 {
        found.push(format!(
            "{} measurements were lost since start: a worker measured more than the control loop took. The ramp \
             waited meanwhile.",
            scene.observer.totals.lost
        ));
    }
    found.extend(scene.recorder.fault().map(|why| {
        format!("What decisions rest on is not recorded, and they cannot be replayed: {why}.")
    }));
    let pages = scene.hands.pages.iter();
    let recent = pages.filter(|(at, _)| scene.now - *at < PAGE_SHOWN);
    found.extend(recent.map(|(_, message)| message.clone()));
    found
}

/// Why `/readyz` says no.
pub(super) fn not_ready(scene: &Scene<'_>) -> Vec<String> {
    let mut found = Vec::new();
    if let StoreState::Failing { error } = &scene.observer.store {
        found.push(format!("the journal cannot be written: {error}"));
    }
    if scene.is_faulty {
        found.push(FAULT.to_owned());
    }
    found.extend(silent(scene));
    found
}

fn silent<'a>(scene: &'a Scene<'_>) -> impl Iterator<Item = String> + 'a {
    let silent = scene.observer.silent(scene.now);
    silent.map(|(worker, silence)| {
        format!(
            "worker {worker} has not reported for {:.1} s",
            silence.as_secs_f64()
        )
    })
}

fn no_better(scene: &Scene<'_>) -> Option<String> {
    let Ramp::Holding { cause, .. } = &scene.state.position.ramp else {
        return None;
    };
    let what = match cause {
        HoldCause::BothBad(trigger) => {
            format!("trigger \"{trigger}\" tripped while old was bad as well")
        }
        HoldCause::Evidence(test) => {
            format!(
                "there is evidence of \"{test}\" against new, but old is not known to be better"
            )
        }
        HoldCause::Split => "requests are not split as they should be".to_owned(),
        HoldCause::Operator | HoldCause::WeightSet | HoldCause::PlanChanged => return None,
    };
    Some(format!(
        "{what}, so that nothing was rolled back. Look at both sides, then roll back or resume by hand."
    ))
}

fn old_unwell(scene: &Scene<'_>) -> Option<String> {
    let health = scene.observer.health(Side::Old, scene.at);
    (health.usable < health.endpoints).then(|| {
        format!(
            "{} of old's {} endpoints can be used, and a rollback needs old to take all of the traffic. Bring old \
             back before the ramp goes on.",
            health.usable, health.endpoints
        )
    })
}

fn paused<'a>(scene: &'a Scene<'_>) -> impl Iterator<Item = String> + 'a {
    let now = Pause::ALL
        .into_iter()
        .filter(|it| scene.observer.totals.is_paused(*it));
    now.map(|cause| {
        match cause {
            Pause::Connections => {
                "there are as many client connections as there may be, and further clients wait to be accepted. See who \
                 holds them, or raise [limits] connections and the process's limit on open files."
            }
            Pause::Descriptors => {
                "the system gives no further file descriptors, and clients wait to be accepted. Raise the limit on open \
                 files, or lower [limits] connections."
            }
        }
        .to_owned()
    })
}

/// More waits than may.
fn too_much(scene: &Scene<'_>) -> Option<String> {
    let (held, most) = (
        scene.observer.totals.buffered(),
        scene.edition.plan().limits.buffered_bytes,
    );
    let is_over = usize::try_from(held).map_or(true, |it| it > most);
    is_over.then(|| {
        format!(
            "{held} bytes wait for their other end, more than [limits] buffered_bytes ({most}), and requests are answered with \
             503. See which clients or endpoints do not take what they are sent, or raise the limit if there is memory."
        )
    })
}

fn unresolved<'a>(scene: &'a Scene<'_>, side: Side) -> impl Iterator<Item = String> + 'a {
    scene.edition.endpoints(side).filter_map(move |(id, endpoint)| {
        let resolved = scene.observer.board.resolved(id);
        let failure = resolved.failure.as_ref()?;
        let seconds = scene.at.since(failure.since).as_secs();
        let meanwhile = if resolved.addresses.is_empty() {
            "it has no address, and gets no request"
        } else {
            "its last addresses are used"
        };
        Some(format!(
            "the name of {side}'s endpoint {endpoint} cannot be resolved for {seconds} s ({}): {meanwhile}. Look at the \
             resolver.",
            failure.reason
        ))
    })
}

fn store(scene: &Scene<'_>) -> Option<String> {
    if let StoreState::Failing { error } = &scene.observer.store {
        return Some(format!(
            "the journal cannot be written ({error}): the ramp waits, traffic goes on, a rollback works. Make room \
             on the disk of {}, or make it writable; it is tried again all the time.",
            scene.plan().store.display()
        ));
    }
    let (oldest, _) = scene.hands.recording.values().next()?;
    let waits = scene.now - *oldest;
    (waits > SILENT_AFTER).then(|| {
        format!(
            "the journal has not answered for {:.1} s: the change waits for it. Look at the disk of {}.",
            waits.as_secs_f64(),
            scene.plan().store.display()
        )
    })
}
