//! What answers announce about the life of their API.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fanout_http::fuzz::announcement(data));
