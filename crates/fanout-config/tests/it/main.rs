//! Files as people write them: those that work, and what is said about those that do not.

#![expect(clippy::unwrap_used, reason = "a test fails by it")]

mod broken;
mod good;
mod oauth;
mod secrets;
mod tls;
mod variables;
