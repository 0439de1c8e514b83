//! The vocabulary that every module shares: sides, weights, slots, generations, time and shares.
//!
//! Units live in these types, so that a bare integer is always a count. Whatever decides anything is an
//! integer; floats are for display.

mod direction;
pub mod finding;
mod generation;
mod percentile;
mod salt;
mod share;
mod side;
mod slot;
mod timestamp;
mod weight;

pub use direction::Direction;
pub use generation::Generation;
pub use percentile::Percentile;
pub use salt::Salt;
pub use share::{Factor, Share};
pub use side::{PerSide, Side};
pub use slot::{SLOTS, Slot};
pub use timestamp::Timestamp;
pub use weight::{ParseWeightError, Weight};
