//! Tests of single decisions. What holds over long runs, and through faults and kills, is `tests/sim`'s.

mod bench;
mod databases;
mod digesting;
mod drilling;
mod evidence;
mod explaining;
mod gating;
mod naming;
mod replaying;
mod restoring;
mod steering;
mod tripping;
mod waiting;
