//! Sequential evidence: how surprising it is that just these units were drawn to new.
//!
//! Only the draw of the sides is taken for random. Nothing is assumed about traffic, incidents, retries or bots, so
//! that the chance of a false trip is bounded whatever they do, however often somebody looks. Here are numbers only:
//! [`Evidence`] takes in what the workers measured and says what each [`Test`] has gathered; `cutover` decides what
//! follows.
//!
//! ```text
//! intervals ─▶ outcome ─▶ ledger ─┬▶ relative: slots or requests ─▶ detector ─▶ Finding ─▶ trip
//!              answer             │   (usual says which are slow)
//!                                 ├▶ latency: slots or requests                ─▶ Finding ─▶ trip
//!                                 ├▶ absolute                   ─▶ detector ─▶ Finding ─▶ freeze
//!                                 ├▶ advance                                ─▶ Permit  ─▶ the next step
//!                                 ├▶ routes: each by itself     ─▶ detector ─▶ Finding ─▶ trip
//!                                 ├▶ split check                              ─▶ Finding ─▶ hold
//!                                 ├▶ baseline (all on old), activity
//!                                 └▶ origins (by route)         ─▶ Origin  ─▶ what is said of a decision
//! ```
//!
//! The unit of analysis is the unit of assignment: the request where each is drawn anew, else the slot, once an epoch.
//! This is the one place where floats decide: evidence is a product of thousands of small factors, kept as its
//! logarithm, and its proofs leave room for rounding.

mod absolute;
mod activity;
mod advance;
mod answer;
mod baseline;
mod budget;
mod copies;
mod detector;
mod finding;
mod forecast;
mod latency;
mod ledger;
mod origins;
mod outcome;
mod relative;
mod requests;
mod routes;
mod slot_set;
mod slots;
mod split_check;
mod stored;
mod symptoms;
mod usual;

pub use advance::Permit;
pub use answer::{Answer, Stage};
pub use baseline::Before;
pub use budget::{HORIZON, Settings, Test, Unit};
pub use copies::{Excess, Sameness};
pub use finding::{Finding, Seen};
pub use forecast::Outlook;
pub use ledger::{Drawn, Evidence, Ledger};
pub use origins::Origin;
pub use outcome::{Outcome, Says};

pub use crate::plan::Symptom;

#[cfg(test)]
mod tests;
