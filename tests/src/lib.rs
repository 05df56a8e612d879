//! What the programs and tests of this package share.

pub mod bindings;
pub mod table;

/// The programs of the README, compiled as documentation tests.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
