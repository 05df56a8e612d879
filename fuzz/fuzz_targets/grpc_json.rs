//! JSON to protobuf.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fanout_grpc::fuzz::json(data));
