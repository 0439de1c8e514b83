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
    for index in (0..count).filter_map(|it| u16::try_from(it).ok()) {
        let other = EndpointId {
            side: id.side,
            index,
        };
        match board.standing(other, now) {
            Standing::Usable if index != id.index => others_usable += 1,
            Standing::Ejected(_) => ejected += 1,
            Standing::Usable | Standing::Unhealthy => (),
        }
    }
    let total = u64::try_from(count).unwrap_or(u64::MAX);
    let fits = ejected == 0 || !plan.share_max.is_exceeded_by(ejected + 1, total);
    others_usable > 0 && fits
}
