//! `Retry-After`, and `Date` beside it.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fanout_http::fuzz::retry_after(data));
