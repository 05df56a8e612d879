//! The `fanout` binary as people run it: whole output and exit code, one snapshot for each case.
//!
//! `INSTA_UPDATE=always cargo test -p fanout-cli` writes the snapshots anew.

#![expect(clippy::unwrap_used, reason = "a test fails by it")]

mod bulk;
mod bulk_stop;
mod check;
mod config;
mod demo;
mod errors;
mod harness;
mod help;
mod sandbox;
mod send;
mod shell;
