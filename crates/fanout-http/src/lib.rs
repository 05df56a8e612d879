//! The HTTP sink of fanout: any method, HTTP/1.1 and HTTP/2, honest about what happened.
//!
//! # Examples
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use fanout::policy::all;
//! use fanout::{FanOut, Message};
//! use fanout_http::HttpSink;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let billing = HttpSink::post("https://api1.example.com/v1/data")
//!     .header("authorization", "Bearer ...")
//!     .timeout(Duration::from_secs(5))
//!     .build()?;
//! let audit = HttpSink::put("https://api2.example.com/v1/audit").build()?;
//! let orders = FanOut::builder(all()).sink("billing", billing).sink("audit", audit).build()?;
//!
//! let report = orders.send(Message::json(&[1, 2, 3])?).await;
//! println!("{report}");
//! # Ok(())
//! # }
//! ```
//!
//! # Features
//!
//! - `tls-ring` (on by default): TLS with the ring provider.
//! - `tls-aws-lc`: TLS with the aws-lc-rs provider; preferred when both are on.
//! - `zstd`: request bodies compressed with Zstandard.
//! - `webhook`: requests signed as Standard Webhooks has it, by `HttpSinkBuilder::sign`; receivers verify them with
//!   the crate `fanout-webhook`.
//! - `webhook-ed25519`: signatures with Ed25519 as well.
//! - `tower`: any tower service as the sink's client, by `HttpSinkBuilder::service`.
#![doc = ""]
#![doc = include_str!("../docs/http-status.md")]
#![doc = ""]
#![doc = include_str!("../docs/api-life.md")]

mod classify;
mod codes;
mod compress;
mod config;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzz;
mod life;
mod probe;
mod prove;
mod rate_limit;
mod redirect;
mod request;
mod rules;
#[cfg(feature = "tower")]
mod service;
#[cfg(feature = "webhook")]
mod signing;
mod sink;
mod tls;
mod vendor;
mod version;

pub use fanout::Idempotency;
pub use fanout_net::auth;
pub use fanout_net::{Client, ClientBuilder, Guard, HttpVersion, Proxy, Resolve, TlsVersion};
#[cfg(feature = "webhook")]
pub use fanout_webhook::Signer;

pub use crate::classify::{Class, Hints, classify};
pub use crate::compress::Compression;
pub use crate::config::HttpSinkBuilder;
pub use crate::probe::Probe;
pub use crate::redirect::Redirects;
pub use crate::rules::{Answer, Opinion};
pub use crate::sink::HttpSink;
pub use crate::vendor::vendor_class;
pub use crate::version::ApiVersion;
