//! Compares the rows of both databases while both go on living.
//!
//! A table is read in ranges of its key. For each range both sides give a count and a checksum; only ranges that differ
//! are looked at row by row. How it is made sure that both are of the same moment:
//!
//! 1. A range is read where changes come from, in one snapshot. After that a marker is written into that server's log.
//! 2. Once the subscription has confirmed the marker (`confirmed_flush_lsn` of its slot), everything that the snapshot
//!    showed is committed on the other side. Then the range is read there.
//! 3. Rows that differ may have changed meanwhile. Each is looked at again: read where changes come from, marker, read
//!    where they go to, read where they come from once more. If the first and the last of these are the same version of
//!    the row (`xmin` and content), the row stood still, and the other side had to hold just this. Only what differs so
//!    twice in a row is a difference. Rows that never stand still for that are counted apart.
//!
//! Nothing is written but markers, which belong to no table. What is left out is named, never silently passed.

mod flow;
mod marker;
mod progress;
mod range;
mod row;
mod run;
mod settle;
mod subject;
mod throttle;

pub(crate) use flow::Flow;
use progress::ProgressError;
pub(crate) use progress::{Difference, Kind, Progress, TableProgress};
pub(crate) use run::{Request, VerifyError, verify};
pub(crate) use subject::{Skipped, subjects};
