//! Conditions of a request (RFC 9110 section 13): they name what one side has once given, which says nothing of the other.
//!
//! Each side makes validators of its own, so that a client that old answers with 304 is answered with 200 by a new that has
//! the very same. Where old's answer came of a condition nothing is compared; where it did not, the copy goes without.

use http::StatusCode;

use crate::proxy::head::{
    Fields, Name,
    names::{IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, RANGE},
};

const CONDITIONS: [Name; 4] = [
    IF_MATCH,
    IF_NONE_MATCH,
    IF_MODIFIED_SINCE,
    IF_UNMODIFIED_SINCE,
];

/// Whether an answer came of a condition.
pub(super) fn decided(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::NOT_MODIFIED | StatusCode::PRECONDITION_FAILED
    )
}

/// Takes the conditions away of a request that was answered with `status` in spite of them.
pub(super) fn lift(fields: &mut Fields, status: StatusCode) {
    for name in CONDITIONS {
        fields.remove(name);
    }
    if fields.contains(IF_RANGE) {
        fields.remove(IF_RANGE);
        // All of it was answered since it is another one than the client has a part of.
        if status != StatusCode::PARTIAL_CONTENT {
            fields.remove(RANGE);
        }
    }
}
