//! One TOML file for fanout: named sinks, and routes that send to them.
//!
//! ```no_run
//! use fanout::Message;
//! use fanout_config::Config;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let orders = Config::load("fanout.toml")?.route("orders")?;
//! let report = orders.send(Message::text("hello")).await;
//! println!("{report}");
//! # Ok(())
//! # }
//! ```
//!
//! # A complete file
//!
//! Every key is in it. Only the address of a sink and the sinks of a route must be there, and what some
//! policies ask for.
//!
//! ```toml
#![doc = include_str!("../docs/fanout.toml")]
//! ```
//!
//! A time is a number with its unit: `500ms`, `10s`, `1m 30s`. A time that leaves no room for one
//! inside of it is an error where somebody asked for that one: an attempt fits into the send, two of
//! them into the window of the breaker (which grows by itself where it is not written), a send into the
//! deadline of its route. `timeout` is the `attempt_timeout` of the resilience by a shorter name.
//!
//! A sink is resilient by the [default numbers](fanout::resilience::Resilience) unless it says
//! otherwise. The profile `webhook` also sets `idempotency = "key"` where nothing is written. A sink
//! that is nothing but a mirror is not retried unless its `resilience` is written.
//!
//! # Variables
//!
//! Any text may hold `${VAR}`, which becomes what the environment holds under that name, or
//! `${VAR:-default}`, which becomes the default where that is not set or empty. `$${` is a literal `${`;
//! every other `$` is just that. A number, `true` or `false` may come from a variable too, in quotes:
//! `max_attempts = "${ATTEMPTS:-3}"`. Names of keys are never replaced, and nothing is replaced twice.
//!
//! A variable that is not set is an error. All that is missing in a file is told at once, by
//! [`ConfigError::others`], and no error shows what a variable holds: it shows what is written.
//! [`Config::parse_with`] takes variables from elsewhere.
//!
//! Files that are named in the file are looked for beside it.
//!
//! # Secrets
//!
//! Where a secret is expected it is `{ env = "VARIABLE" }`, `{ file = "PATH" }`, or a text. A file is read
//! again when it has changed; line ends behind it are no part of the secret. A secret that stands in the
//! file itself works, and is one of the [warnings](Config::warnings). None is ever shown, and all that are
//! missing are told at once. Headers, pairs of the query and metadata may be secrets too.
//!
//! # Errors
//!
//! A [`ConfigError`] names file, line and key, says what is there and what may be there, and guesses what
//! was meant:
//!
//! ```
//! use fanout_config::Config;
//!
//! let file = "[sinks.billing]\nhttp = \"https://api.example.com\"\ntimout = \"10s\"\n";
//! let error = Config::parse("fanout.toml", file).unwrap_err();
//! assert!(error.to_string().starts_with(
//!     "fanout.toml:3: sinks.billing.timout: there is no such key; did you mean timeout?"
//! ));
//! ```
//!
//! # Who each part is for
//!
//! [`Config`] is for programs that let their operators say where messages go; the `fanout` command is
//! one of them.
//!
//! # Features
//!
//! None. The oldest supported Rust is 1.89.

mod check;
mod clients;
mod config;
mod error;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzz;
mod keys;
mod reader;
mod resilience;
mod route;
mod sink;
mod words;

pub use crate::check::{Finding, Level, Target, Twice};
pub use crate::config::Config;
pub use crate::error::ConfigError;
