//! Pushback, and the `RetryInfo` in `grpc-status-details-bin`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fanout_grpc::fuzz::hints(data));
