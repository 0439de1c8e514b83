//! What a finished request says to the tests.

use crate::{
    measure::{Class, Measurement},
    plan::{RouteId, Symptom},
    units::{Generation, Side, Slot},
};

/// How one drawn request ended. It belongs to the side that it was drawn for, whoever answered, and to the
/// generation at which it was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The table that it was drawn by.
    pub generation: Generation,
    /// Its slot.
    pub slot: Slot,
    /// The side that it was drawn for.
    pub side: Side,
    /// The route that it matched.
    pub route: RouteId,
    /// What it says.
    pub says: Says,
}

/// What an outcome says about its side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Says {
    /// All is well.
    Fine,
    /// Something that is watched.
    Symptom(Symptom),
    /// Nothing: the client's own fault.
    Nothing,
}

impl Outcome {
    /// The outcome that a measurement is; `None` for response heads, for requests that were not drawn, and for those
    /// that the proxy itself refused.
    #[must_use]
    pub fn of(measurement: &Measurement) -> Option<Self> {
        let Measurement::Finished(finished) = measurement else {
            return None;
        };
        if !finished.is_drawn() || finished.class == Class::Proxy {
            return None;
        }
        Some(Self {
            generation: finished.assignment.generation,
            slot: finished.slot(),
            side: finished.side(),
            route: finished.route,
            says: Says::of(finished.class, finished.status),
        })
    }
}

impl Says {
    fn of(class: Class, status: Option<u16>) -> Self {
        match (class, status) {
            (Class::Upgrade | Class::Success, _) => Self::Fine,
            (Class::Redirect, _) => Self::Symptom(Symptom::Redirect),
            (Class::ClientError, Some(401)) => Self::Symptom(Symptom::Unauthorized),
            (Class::ClientError, Some(403)) => Self::Symptom(Symptom::Forbidden),
            (Class::ClientError, Some(404)) => Self::Symptom(Symptom::NotFound),
            (Class::ClientError | Class::Proxy, _) => Self::Nothing,
            (Class::ClientAbort, _) => Self::Symptom(Symptom::Abort),
            (
                Class::ServerError | Class::Grpc | Class::Connect | Class::Timeout | Class::Reset,
                _,
            ) => Self::Symptom(Symptom::Error),
        }
    }

    /// Whether it is a request without an error, where errors are counted among requests. What is refused or missing
    /// is neither: a side that answers 404 to everything gathers no credit.
    pub(super) const fn is_fine(self) -> bool {
        matches!(self, Self::Fine | Self::Symptom(Symptom::Redirect))
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, time::Duration};

    use super::*;
    use crate::{
        evidence::Test,
        measure::Finished,
        split::{Assignment, Cause},
        units::Timestamp,
    };

    fn finished(cause: Cause, class: Class, status: Option<u16>) -> Measurement {
        Measurement::Finished(Finished {
            at: Timestamp::default(),
            assignment: Assignment {
                side: Side::New,
                cause,
                slot: Slot::from_hash(17),
                generation: Generation::new(3),
            },
            route: RouteId::REST,
            endpoint: None,
            class,
            status,
            is_failover: true,
            attempts: 1,
            duration: Duration::ZERO,
            bytes_up: 0,
            bytes_down: 0,
        })
    }

    #[test]
    fn only_what_was_drawn_is_compared() {
        let of = |cause| Outcome::of(&finished(cause, Class::Success, Some(200)));
        for cause in [Cause::Forced, Cause::Pinned, Cause::Writes, Cause::Kept] {
            assert_eq!(of(cause), None, "{cause:?}");
        }
        let outcome = of(Cause::Weighted).expect("it was drawn");
        assert_eq!(outcome.slot.number(), 17);
        // A failed-over request belongs to the side that it was drawn for.
        assert_eq!(outcome.side, Side::New);
    }

    #[test]
    fn each_class_says_what_it_is() {
        let check = |class, status, expected| {
            let outcome = Outcome::of(&finished(Cause::Weighted, class, status));
            assert_eq!(outcome.map(|it| it.says), expected, "{class:?}");
        };
        check(Class::Success, Some(200), Some(Says::Fine));
        check(
            Class::Redirect,
            Some(304),
            Some(Says::Symptom(Symptom::Redirect)),
        );
        check(Class::ClientError, Some(400), Some(Says::Nothing));
        check(
            Class::ClientError,
            Some(401),
            Some(Says::Symptom(Symptom::Unauthorized)),
        );
        check(
            Class::ClientAbort,
            None,
            Some(Says::Symptom(Symptom::Abort)),
        );
        check(Class::Proxy, Some(503), None);
        for class in Class::ALL.into_iter().filter(|it| it.is_error()) {
            check(class, None, Some(Says::Symptom(Symptom::Error)));
        }
    }

    #[test]
    fn every_symptom_has_a_place_and_every_test_a_name_of_its_own() {
        for (place, symptom) in Symptom::ALL.into_iter().enumerate() {
            assert_eq!(symptom.index(), place);
            assert_eq!(Test::ALL[place], Test::Relative(symptom));
        }
        let names: BTreeSet<_> = Test::ALL.map(Test::as_str).into();
        assert_eq!(names.len(), Test::ALL.len());
    }
}
