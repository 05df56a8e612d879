//! The gRPC sink of fanout: any unary method by its full name, without generated code.
//!
//! The payload is an encoded protobuf message, or JSON that is turned into one by a [`Schema`]: a
//! descriptor set, or what the server's own reflection service tells. With the latter, one JSON message
//! reaches an HTTP API and a gRPC API in the same fan-out.
//!
//! # Examples
//!
//! ```
//! use fanout_grpc::{GrpcSink, Schema};
//!
//! let audit = GrpcSink::unary("grpcs://audit.example.com", "audit.v1.Audit/Record")
//!     .schema(Schema::reflection())
//!     .metadata("x-tenant", "blue")
//!     .build()?;
//! # let _: &dyn fanout::Sink = &audit;
//! # Ok::<(), fanout::Error>(())
//! ```
//!
//! # Features
//!
//! - `tls-ring` (on by default): TLS with the ring provider.
//! - `tls-aws-lc`: TLS with the aws-lc-rs provider; preferred when both are on.
//!
//! # Standards
//!
//! gRPC over HTTP/2; the gRPC status codes; gRFC A6 (pushback, previous attempts); the protobuf JSON
//! mapping; `grpc.reflection.v1` and `v1alpha`.

mod answer;
mod any;
pub mod classify;
mod codec;
mod config;
mod explain;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzz;
mod health;
mod nearest;
mod prove;
mod reflection;
mod request;
mod schema;
mod sink;
mod tls;
mod transcode;
mod wire;

pub use fanout::Idempotency;
pub use fanout_net::auth;
pub use fanout_net::{Client, ClientBuilder, Guard, HttpVersion, Proxy, Resolve, TlsVersion};

pub use crate::config::{Compression, GrpcSinkBuilder};
pub use crate::health::Health;
pub use crate::schema::{Descriptors, Schema};
pub use crate::sink::GrpcSink;
