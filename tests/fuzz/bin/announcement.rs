//! Feeds `announcement` to libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| changeover_fuzz::announcement::run(data));
