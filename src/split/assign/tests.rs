//! Properties of the assignment: monotone, the share asked for, weight 0 and 100 %, and the rank of the rules.

use std::sync::Arc;

use http::{HeaderName, Method};
use proptest::prelude::*;

use super::*;
use crate::{
    plan::{RoutePlan, SplitPlan, Sticky},
    split::RouteTable,
};

fn table(weight: Weight, writes: Writes) -> SplitTable {
    let pinned = |name: &str, side| RoutePlan {
        name: name.to_owned(),
        host: None,
        path: format!("/{name}"),
        methods: vec![Method::GET],
        pin: Some(side),
        writes: None,
        copied: None,
    };
    SplitTable {
        generation: Generation::new(7),
        weight,
        salt: Salt::new([3; 16]),
        edition: 0,
        split: Arc::new(SplitPlan {
            sticky: Sticky::Header(HeaderName::from_static("x-tenant")),
            writes,
            read_your_writes: None,
            reveals_side: false,
            force: None,
        }),
        routes: Arc::new(RouteTable::new(&[
            pinned("old", Side::Old),
            pinned("new", Side::New),
        ])),
        withdrawal: None,
    }
}

fn facts(slot: Slot) -> Facts {
    Facts {
        route: RouteId::REST,
        intent: Intent::Read,
        forced: None,
        slot,
        is_kept: false,
    }
}

#[test]
fn reads_of_who_has_just_written_are_kept_on_old_and_apart() {
    let kept = |facts: Facts| Facts {
        is_kept: true,
        ..facts
    };
    let got = |weight, writes, facts| {
        let assignment = assign(&table(weight, writes), facts);
        (assignment.side, assignment.cause)
    };
    for slot in [0, 5_000, 9_999].map(Slot::from_hash) {
        for weight in [Weight::NONE, Weight::FULL] {
            let reads = got(weight, Writes::Old, kept(facts(slot)));
            assert_eq!(reads, (Side::Old, Cause::Kept));
        }
        // A pin and a tester's override are stronger.
        let pinned = Facts {
            route: RouteId(1),
            ..facts(slot)
        };
        let pinned = got(Weight::FULL, Writes::Old, kept(pinned));
        assert_eq!(pinned, (Side::New, Cause::Pinned));
        let forced = Facts {
            forced: Some(Side::New),
            ..facts(slot)
        };
        let forced = got(Weight::FULL, Writes::Old, kept(forced));
        assert_eq!(forced, (Side::New, Cause::Forced));
    }
}

fn any_weight() -> impl Strategy<Value = Weight> {
    (0..=10_000_u16).prop_map(|it| Weight::from_basis_points(it).expect("in range"))
}

proptest! {
    #[test]
    fn a_higher_weight_keeps_everybody_on_new(key: [u8; 16], a in any_weight(), b in any_weight()) {
        let (low, high) = (a.min(b), a.max(b));
        let slot = slot_of(&Salt::new([1; 16]), ClientKey(&key));
        let side = |weight| assign(&table(weight, Writes::Split), facts(slot)).side;
        prop_assert!(side(low) == Side::Old || side(high) == Side::New);
    }

    #[test]
    fn weight_0_is_none_and_100_is_all(draw: u64) {
        let slot = Draw(draw).slot();
        for writes in [Writes::Old, Writes::Split, Writes::New] {
            let given = assign(&table(Weight::NONE, writes), facts(slot));
            prop_assert_eq!(given.side, Side::Old);
        }
        let given = assign(&table(Weight::FULL, Writes::Split), facts(slot));
        prop_assert_eq!(given.side, Side::New);
    }
}

#[test]
fn the_share_of_keys_is_the_weight() {
    let salt = Salt::new([9; 16]);
    let weight = Weight::from_basis_points(500).expect("in range");
    let on_new = (0..200_000_u32)
        .filter(|key| weight.includes(slot_of(&salt, ClientKey(&key.to_be_bytes()))))
        .count();
    // 10,000 expected; the standard deviation of 200,000 draws at 5 % is 97.
    assert!((9_700..=10_300).contains(&on_new), "{on_new} of 200,000");
}

#[test]
fn the_slot_is_the_published_function_of_salt_and_key() {
    // SipHash-2-4's reference vector: key 00..0f, message 00..0e.
    let salt = Salt::new(std::array::from_fn(|i| u8::try_from(i).expect("below 16")));
    let message: [u8; 15] = std::array::from_fn(|i| u8::try_from(i).expect("below 15"));
    let expected = 0xa129_ca61_49be_45e5_u64 % 10_000;
    assert_eq!(
        u64::from(slot_of(&salt, ClientKey(&message)).number()),
        expected
    );
}

#[test]
fn rules_have_a_rank() {
    let half = Weight::from_basis_points(5_000).expect("in range");
    let (low, high) = (Slot::from_hash(10), Slot::from_hash(9_999));
    let check = |weight, writes, facts: Facts, side, cause| {
        let given = assign(&table(weight, writes), facts);
        assert_eq!((given.side, given.cause), (side, cause), "{facts:?}");
        assert_eq!(given.generation, Generation::new(7));
    };
    let write = |slot| Facts {
        intent: Intent::Write,
        ..facts(slot)
    };
    let pinned = |route, slot| Facts {
        route: RouteId(route),
        ..facts(slot)
    };
    let forced = |side| Facts {
        forced: Some(side),
        ..facts(high)
    };
    check(half, Writes::Old, facts(low), Side::New, Cause::Weighted);
    check(half, Writes::Old, facts(high), Side::Old, Cause::Weighted);
    check(half, Writes::Old, write(low), Side::Old, Cause::Writes);
    check(half, Writes::New, write(high), Side::New, Cause::Writes);
    check(half, Writes::Split, write(low), Side::New, Cause::Weighted);
    check(half, Writes::Old, pinned(0, low), Side::Old, Cause::Pinned);
    check(half, Writes::Old, pinned(1, high), Side::New, Cause::Pinned);
    check(
        half,
        Writes::Old,
        forced(Side::New),
        Side::New,
        Cause::Forced,
    );
    let none = Weight::NONE;
    check(none, Writes::New, write(low), Side::Old, Cause::Writes);
    check(none, Writes::Old, pinned(1, low), Side::Old, Cause::Pinned);
    check(
        none,
        Writes::Old,
        forced(Side::New),
        Side::New,
        Cause::Forced,
    );
    check(none, Writes::Old, facts(low), Side::Old, Cause::Weighted);
}
