//! Which sends are safe to retry, and why: a chapter to read, without code.
//!
#![doc = include_str!("../../docs/safe-retries.md")]
