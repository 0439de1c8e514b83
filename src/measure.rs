//! What happened to requests: recorded on one core without a lock, handed over ten times a second, and summed
//! into rolling windows.
//!
//! A worker owns a [`Recorder`]; each request holds a [`Ticket`] from assignment to outcome. The control loop
//! takes an [`Interval`] from every worker each 100 ms and feeds it to [`Windows`] (what triggers read) and
//! [`Totals`] (what status and metrics show). Everything is counted by the generation and side at which the
//! request was sent, never by the clock alone. [`Connects`] and [`Board`] are the two shared views of how
//! endpoints are: failures in a row, and who is in choice.

mod arrivals;
mod board;
mod buckets;
mod class;
mod connects;
mod interval;
mod lag;
mod latencies;
mod pause;
mod recorder;
mod resolved;
mod tally;
mod totals;
mod wait_mark;
mod windows;
mod zone;

pub use arrivals::{Arrivals, Arrived, CLIENTS_MAX, Count, Decay, Minute, NoDecay, Visitor};
pub use board::{Board, Standing};
pub use buckets::Buckets;
pub use class::{Class, Fault, Rejection};
pub use connects::Connects;
pub use interval::{Finished, Head, Interval, Measurement, Overdue, Waiting, WorkerId};
pub use lag::{
    Beat, Judge, Lag, LagBoard, LagReading, LagView, STALE_AFTER, Signals, Slot, Subscription,
};
pub use latencies::{LATENCY_MAX, Latencies};
pub use pause::Pause;
pub use recorder::{Outcome, PauseTicket, Recorder, Ticket, TunnelTicket};
pub use resolved::{NameFailure, Resolved};
pub use tally::Tally;
pub use totals::{PartTotals, SideTotals, Totals};
pub use wait_mark::WaitMark;
pub use windows::{Population, Windows};
pub use zone::{ResolverLook, ServerLook, ZoneBoard, ZoneLook};
