//! Feeds `chunked_body` to libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| changeover_fuzz::chunked_body::run(data));
