//! The digest changes with everything that a running ramp depends on, and with nothing else.

use std::time::Duration;

use super::bench::{percent, plan, share};
use crate::{
    cutover::plan_digest,
    plan::{BothBad, Gate, GateCondition, Limit, Plan, Reading, StartMode, Writes},
    units::{Factor, Side},
};

#[test]
fn it_is_the_same_in_every_version() {
    // A change of this value makes every running ramp hold when the program is replaced.
    assert_eq!(plan_digest(&plan()), "d508bba505f138d6");
}

#[test]
fn it_changes_with_what_a_ramp_depends_on() {
    let changes: [fn(&mut Plan); 13] = [
        |it| it.ramp.steps[0].weight = percent(6),
        |it| it.ramp.steps[0].bake += Duration::from_micros(1),
        |it| it.ramp.steps[0].requests += 1,
        |it| it.ramp.steps.truncate(2),
        |it| it.triggers[0].name.push('!'),
        |it| it.triggers[0].reading = Reading::ConnectFailures,
        |it| it.triggers[0].limit = Limit::Share(share(3)),
        |it| it.triggers[0].limit = Limit::TimesOld(Factor::from_thousandths(20_000)),
        |it| it.triggers[0].window *= 2,
        |it| it.triggers[0].requests += 1,
        |it| it.rollback.both_bad = BothBad::Rollback,
        |it| it.rollback.window *= 2,
        |it| {
            it.gates.push(Gate {
                above_weight: percent(5),
                condition: GateCondition::Healthy(vec![Side::New]),
            });
        },
    ];
    let mut digests = vec![plan_digest(&plan())];
    for change in changes {
        let mut other = plan();
        change(&mut other);
        digests.push(plan_digest(&other));
    }
    let count = digests.len();
    digests.sort();
    digests.dedup();
    assert_eq!(digests.len(), count, "each is another digest");
}

#[test]
fn it_does_not_change_with_anything_else() {
    let changes: [fn(&mut Plan); 3] = [
        |it| it.ramp.start = StartMode::Automatic,
        |it| it.split.writes = Writes::Old,
        |it| it.name.push('!'),
    ];
    for change in changes {
        let mut other = plan();
        change(&mut other);
        assert_eq!(plan_digest(&other), plan_digest(&plan()));
    }
}
