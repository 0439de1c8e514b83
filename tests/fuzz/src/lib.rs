//! What is tried on arbitrary bytes. Each target is one function that panics where a promise is broken.
//!
//! libFuzzer calls them through `bin/`, and `tests/corpus.rs` with every file of the corpus.

pub mod announcement;
pub mod chunked_body;
pub mod configuration;
pub mod h2_to_h1;
pub mod journal;
pub mod recognition;
pub mod request;
pub mod response;
pub mod stream;
