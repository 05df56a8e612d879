//! The gRPC sink against servers in this process: tonic's, and raw ones for what tonic would not do.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up should panic")]

mod auth;
mod bounds;
mod calls;
mod failures;
mod fan_out;
mod guard;
mod health;
mod injection;
mod json;
mod limits;
mod oauth;
mod reflection;
mod resilient;
mod server;
mod statuses;
mod table;
mod tls;
