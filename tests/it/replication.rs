//! Databases that replicate, watched by the real binary: real clusters, real load, and what goes wrong with them.

mod checking;
mod commands;
mod connecting;
mod faults;
mod lag;
mod leaks;
mod own_writes;
mod page;
mod setting_up;
mod traps;
mod verifying;
