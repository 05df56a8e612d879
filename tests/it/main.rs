//! The crates together, as a user has them.

mod conformance;
mod fuzz;
mod readme;
