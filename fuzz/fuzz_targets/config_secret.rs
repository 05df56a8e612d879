//! A configuration file with a secret in one of its places.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fanout_config::fuzz::secret(data));
