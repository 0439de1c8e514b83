//! Copies of requests compared: whether new answers what old answers, before anybody is sent there.
//!
//! ```text
//! what old answered ─┐
//!                    ├─▶ compare (content, json) ──▶ tally (evidence/copies) ──▶ report ──▶ board
//! a copy's answer ───┘
//! ```
//!
//! A copy is drawn to new or to old. What differs in copies to old is noise, such as times and ids; what differs more
//! often in copies to new is a difference, named by route and place. Everything here is pure; `proxy/shadow` sends copies.

mod answer;
mod board;
mod compare;
mod content;
mod json;
mod mask;
mod place;
mod recent;
mod report;
mod tally;

pub use answer::{Answer, Kept};
pub use board::{Board, View};
pub use compare::{Comparison, Difference, compare};
pub use place::Place;
pub use report::{
    Counts, DifferenceReport, Dropped, GateReport, LatencyReport, Report, RouteReport, Sample,
    Verdict,
};
pub use tally::{Compared, Request, Tally};

#[cfg(test)]
mod tests;
