//! Descriptor sets, and methods named in them.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fanout_grpc::fuzz::descriptors(data));
