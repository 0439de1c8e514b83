//! Feeds `response` to libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| changeover_fuzz::response::run(data));
