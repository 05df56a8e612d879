//! The one way out to the network for fanout's transports.
//!
//! Transports such as `fanout-http` and `fanout-grpc` send requests through a [`Client`]; nothing else
//! in fanout opens a socket. It is one pool over HTTP/1.1 and HTTP/2 with TLS and proxies, its
//! failures arrive classified as [`fanout::Error`], and an [`OutBody`] makes sure that a send which
//! was dropped early leaves nothing behind that the report denies.
//!
//! Users of the transports meet [`Client`], [`HttpVersion`], [`Proxy`], [`Guard`] and [`Resolve`], to
//! share a pool or to set roots, certificates, proxies, and where it may connect to, and the credentials of
//! [`auth`]; the rest is for authors of transports.
//!
//! # Features
//!
//! - `tls-ring` (on by default): TLS by rustls with the ring provider.
//! - `tls-aws-lc`: TLS by rustls with the aws-lc-rs provider; preferred when both are on.
//!
//! Without either, `https` URLs fail as [`Build`](fanout::ErrorKind::Build) and nothing is sent.
#![doc = ""]
#![doc = include_str!("../docs/events.md")]

pub mod auth;
mod body;
mod classify;
mod client;
mod config;
mod connect;
mod downgrade;
mod endpoint;
mod event;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzz;
mod gate;
mod guard;
mod header_room;
mod interim;
mod plaintext;
mod proxy;
mod read;
mod resolve;
mod sniff;
mod stream;
mod tls;

pub use crate::body::{InBody, OutBody};
pub use crate::classify::classify_foreign;
pub use crate::client::Client;
pub use crate::config::{ClientBuilder, HttpVersion};
pub use crate::endpoint::Endpoint;
pub use crate::guard::{Guard, Guarding};
pub use crate::header_room::{MAX_REQUEST_HEADERS, header_room};
pub use crate::proxy::Proxy;
pub use crate::read::{read_to_limit, read_to_limit_by};
pub use crate::resolve::Resolve;
pub use crate::tls::{PeerCertificate, TlsVersion};

/// What a body may fail with.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;
