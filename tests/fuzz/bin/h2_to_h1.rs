//! Feeds `h2_to_h1` to libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| changeover_fuzz::h2_to_h1::run(data));
