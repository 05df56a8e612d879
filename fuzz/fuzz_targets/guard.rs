//! Hosts and addresses before the address guard.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fanout_net::fuzz::guard(data));
