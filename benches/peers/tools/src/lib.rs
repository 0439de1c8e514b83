//! Origins and load generators for measuring proxies side by side. Each program below `bin/` is one of them; what two of
//! them need stands here.

pub mod answer;
pub mod cookies;
pub mod counters;
pub mod request;
