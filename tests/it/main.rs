//! The crates together, as a user has them.

mod canary;
mod conformance;
mod fuzz;
mod readme;
