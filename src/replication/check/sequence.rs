//! How far new's sequences would collide with what old has drawn.

use crate::{
    replication::{
        catalog::{Catalog, Sequence},
        check::Fault,
    },
    units::{PerSide, Side},
};

/// A sequence that is used up further than this has little room left for margins.
const USED_PERCENT: u64 = 80;

pub(super) fn sequences(sides: &PerSide<Catalog>) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut behind: Vec<(&str, u64)> = Vec::new();
    for (name, old) in &sides.old.sequences {
        match sides.new.sequences.get(name) {
            None => faults.push(Fault::fail("missing on new", "create it on new").about(name)),
            Some(new) if new.increment != old.increment => faults.push(
                Fault::warn(
                    format!(
                        "goes by {} on old, by {} on new",
                        old.increment, new.increment
                    ),
                    "make them the same, or state why they differ",
                )
                .about(name),
            ),
            // Without a look nothing is known, and the visibility says so.
            Some(new) if new.readable => {
                behind.extend(new.behind(old).map(|by| (name.as_str(), by)))
            }
            Some(_) => {}
        }
        faults.extend(nearly_used_up(old));
    }
    if let Some((furthest, by)) = behind.iter().max_by_key(|(_, by)| *by) {
        let (are, collide) = match behind.len() {
            1 => (
                "1 sequence of new is".to_owned(),
                format!("{furthest} by {by}"),
            ),
            many => (
                format!("{many} sequences of new are"),
                format!("at most by {by} ({furthest})"),
            ),
        };
        faults.push(Fault::warn(
            format!("{are} behind old, {collide}: so many inserts on new would collide"),
            "set them at the cutover, after the fence: `replication setup --plan` prints how",
        ));
    }
    faults
}

fn nearly_used_up(sequence: &Sequence) -> Option<Fault> {
    let used = sequence.used_percent();
    (used >= USED_PERCENT && !sequence.cycles).then(|| {
        Fault::warn(
            format!("{used} % of its numbers are used up on {}", Side::Old),
            "leave a smaller margin at the cutover, or widen it first",
        )
        .about(&sequence.name)
    })
}
