//! The `Location` of a redirect.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fanout_http::fuzz::location(data));
