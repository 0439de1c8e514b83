//! Passive ejection: connect failures in a row take an endpoint out of choice for a while.
//!
//! Each worker counts what it sees itself and writes its verdict to the board that all share. The time out doubles
//! with each ejection until a connect succeeds. A side's last usable endpoint always stays.

use std::{cell::Cell, time::Duration};

use crate::{
    measure::{Board, Standing},
    plan::{EjectionPlan, EndpointId},
    units::Timestamp,
};

/// What one worker has seen of one endpoint.
#[derive(Debug, Default)]
pub(crate) struct Ejection {
    failures: Cell<u32>,
    times: Cell<u32>,
}

impl Ejection {
    /// A connect failed at `now`. Returns for how long the endpoint was ejected, if it was.
    pub(crate) fn failed(
        &self,
        id: EndpointId,
        plan: &EjectionPlan,
        board: &Board,
        now: Timestamp,
    ) -> Option<Duration> {
        self.failures.set(self.failures.get().saturating_add(1));
        if self.failures.get() < plan.connect_failures || !may_eject(id, plan, board, now) {
            return None;
        }
        let doubled = 1_u32.checked_shl(self.times.get()).unwrap_or(u32::MAX);
        let time = plan.time.saturating_mul(doubled).min(plan.time_max);
        self.times.set(self.times.get().saturating_add(1));
        board.eject(id, now.after(time));
        Some(time)
    }

    /// A connect succeeded. Returns whether that let an ejected endpoint back in before its time.
    pub(crate) fn succeeded(&self, id: EndpointId, board: &Board, now: Timestamp) -> bool {
        self.failures.set(0);
        self.times.set(0);
        let is_ejected = matches!(board.standing(id, now), Standing::Ejected(_));
        if is_ejected {
            board.admit(id);
        }
        is_ejected
    }
}

fn may_eject(id: EndpointId, plan: &EjectionPlan, board: &Board, now: Timestamp) -> bool {
    // Failures of connects that began before the ejection say nothing new.
    if matches!(board.standing(id, now), Standing::Ejected(_)) {
        return false;
    }
    let count = board.count(id.side);
    let mut ejected = 0_u64;
    let mut others_usable = 0_u64;
    for other in board.ids(id.side) {
        match board.standing(other, now) {
            Standing::Usable if other != id => others_usable += 1,
            Standing::Ejected(_) => ejected += 1,
            Standing::Usable | Standing::Unhealthy => (),
        }
    }
    let total = u64::try_from(count).unwrap_or(u64::MAX);
    let fits = ejected == 0 || !plan.share_max.is_exceeded_by(ejected + 1, total);
    others_usable > 0 && fits
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::{PerSide, Share, Side};

    const PLAN: EjectionPlan = EjectionPlan {
        connect_failures: 2,
        time: Duration::from_secs(10),
        time_max: Duration::from_secs(60),
        share_max: match Share::from_parts_per_million(500_000) {
            Some(half) => half,
            None => Share::WHOLE,
        },
    };

    const fn id(index: u16) -> EndpointId {
        EndpointId {
            side: Side::New,
            index,
        }
    }

    fn board(count: usize) -> Board {
        Board::new(PerSide { old: 1, new: count })
    }

    const fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    #[test]
    fn the_time_out_doubles_up_to_its_limit_until_a_connect_succeeds() {
        let board = board(2);
        let ejection = Ejection::default();
        let mut now = at(1000);
        assert_eq!(ejection.failed(id(0), &PLAN, &board, now), None);
        for seconds in [10, 20, 40, 60, 60] {
            let time = ejection.failed(id(0), &PLAN, &board, now);
            assert_eq!(time, Some(Duration::from_secs(seconds)));
            let again = ejection.failed(id(0), &PLAN, &board, now);
            assert_eq!(again, None, "it is out already");
            now = now.after(Duration::from_secs(seconds));
            assert_eq!(board.standing(id(0), now), Standing::Usable);
        }
        assert!(!ejection.succeeded(id(0), &board, now));
        assert_eq!(ejection.failed(id(0), &PLAN, &board, now), None);
        let time = ejection.failed(id(0), &PLAN, &board, now);
        assert_eq!(time, Some(Duration::from_secs(10)));
        assert!(ejection.succeeded(id(0), &board, now), "before its time");
        assert_eq!(board.standing(id(0), now), Standing::Usable);
    }

    #[test]
    fn no_more_than_the_share_is_out_at_once() {
        let board = board(5);
        let out: Vec<_> = (0..5)
            .filter(|index| {
                let ejection = Ejection::default();
                let fail = || ejection.failed(id(*index), &PLAN, &board, at(0));
                (0..3).any(|_| fail().is_some())
            })
            .collect();
        assert_eq!(out, [0, 1], "two of five are not more than half, three are");
    }

    #[test]
    fn of_two_one_may_be_out_whatever_the_share_and_the_last_one_stays() {
        let plan = EjectionPlan {
            share_max: Share::from_parts_per_million(0).unwrap(),
            connect_failures: 1,
            ..PLAN
        };
        let pair = board(2);
        let fail =
            |index, board: &Board| Ejection::default().failed(id(index), &plan, board, at(0));
        assert!(fail(0, &pair).is_some());
        assert!(fail(1, &pair).is_none());
        assert!(fail(0, &board(1)).is_none(), "the only one");
        let ill = board(2);
        ill.set_healthy(id(1), false);
        assert!(fail(0, &ill).is_none(), "the only healthy one");
    }
}
