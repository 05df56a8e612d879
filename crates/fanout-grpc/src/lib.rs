//! The gRPC sink of fanout: any unary method by its full name, without generated code.

pub mod classify;
mod explain;
mod nearest;
mod request;
mod schema;
mod transcode;

pub use crate::schema::{Descriptors, Schema};
