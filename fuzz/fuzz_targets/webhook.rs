//! Webhooks before their verifier.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fanout_webhook::fuzz::webhook(data));
