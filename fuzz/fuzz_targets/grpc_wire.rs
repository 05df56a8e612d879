//! Protobuf to JSON: what a server answers.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fanout_grpc::fuzz::wire(data));
