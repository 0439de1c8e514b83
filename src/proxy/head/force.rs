//! The signed override by which a tester chooses a side.

use http::HeaderMap;

use crate::{
    plan::{ForcePlan, Secret},
    units::{Side, Timestamp},
};

/// Makes the header's value: `<side>;exp=<unix seconds>;sig=<hex HMAC-SHA256 of "<side>;exp=<unix seconds>">`.
#[must_use]
pub fn force_token(_secret: &Secret, _side: Side, _expires: Timestamp) -> String {
    todo!()
}

/// Removes the header, whatever it holds, and returns the side that a valid one names.
pub fn take_force(_headers: &mut HeaderMap, _plan: &ForcePlan, _now: Timestamp) -> Option<Side> {
    todo!()
}
