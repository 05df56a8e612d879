//! One short program per situation, beside this file: `cargo run --example two_apis`.
