//! URLs that a sink sends to.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fanout_net::fuzz::endpoint(data));
