//! The `RateLimit` field.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fanout_http::fuzz::rate_limit(data));
