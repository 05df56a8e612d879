//! Send one message to two or more APIs at once, and know exactly what happened at each.
//!
//! ```
//! use fanout::{Completeness, FanOut, MemorySink, Message, policy};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let orders = FanOut::builder(policy::all())
//!     .sink("billing", MemorySink::new())
//!     .sink("audit", MemorySink::new())
//!     .mirror("analytics", MemorySink::new())
//!     .build()?;
//!
//! let report = orders.send(Message::json(&serde_json::json!({ "order": 17 }))?).await;
//! println!("{report}");
//! assert!(report.is_satisfied());
//! assert_eq!(report.completeness(), Completeness::Full);
//! # Ok(())
//! # }
//! ```
//!
//! # Who each part is for
//!
//! - **To send**: [`FanOut`], [`Message`] and the policies of [`policy`]; [`Chain`] where the second call
//!   is made of the first answer. Pick a transport: `fanout-http`, `fanout-grpc`, or your own.
//! - **To read what happened**: [`Report`], one [`Delivery`] per sink. Five questions are kept apart: how a
//!   sink ended ([`Outcome`]), whether it could have applied the message ([`Effect`]), what may be tried
//!   next ([`RetryAdvice`]), whether the policy held ([`policy::Verdict`]), and where the message is now
//!   ([`Completeness`]).
//! - **To send in spite of failures**: [`SinkExt::resilient`], one decorator with timeouts, retries that are safe,
//!   a budget, a breaker and limits; [`resilience`] explains its order and its numbers, and
//!   [`safe_retries`](resilience::safe_retries) which sends are safe to retry, and why.
//! - **To write a destination**: [`Sink`], one method; `fanout-conformance` checks it.
//! - **To write a policy**: [`policy::FanOutPolicy`], one pure function; [`policy::Simulation`] tries it.
//!
//! # Which policy
//!
//! | policy | starts | satisfied when | what is still running then |
//! | --- | --- | --- | --- |
//! | [`all`](policy::all) | all at once | every sink took the message | – |
//! | [`all().fail_fast()`](policy::All::fail_fast) | all at once | the same; decides at the first failure | goes on, detached |
//! | [`all_settled`](policy::all_settled) | all at once | so many took it as asked, default none | – |
//! | [`first`](policy::first) | all at once | one took it | is cancelled |
//! | [`race`](policy::race) | all at once | the first to settle took it | is cancelled |
//! | [`quorum`](policy::quorum), [`majority`](policy::majority) | all at once, if enough are available | so many took it | goes on, detached |
//! | [`fallback`](policy::fallback) | the next when one failed and may be left | one took it | – |
//! | [`hedged`](policy::hedged) | the next after a delay or a failure | one took it | is cancelled |
//! | [`sequential`](policy::sequential) | the next when one took it | every sink took it | – |
//!
//! # Features
//!
//! None. The core depends on tokio for time and for what is detached, and names no transport.
//!
//! The oldest supported Rust is 1.89.

mod api_notice;
mod attempt;
mod attempts;
mod background;
mod build_error;
mod chain;
mod dispatch;
mod error;
mod fan_out;
mod fence;
mod idempotency;
mod memory;
mod message;
pub mod policy;
mod receipt;
mod report;
mod resend;
pub mod resilience;
mod secret;
mod sink;
mod sink_ext;

pub use async_trait::async_trait;
pub use bytes::Bytes;

pub use crate::api_notice::ApiNotice;
pub use crate::attempt::{Attempt, Reach};
pub use crate::attempts::{Attempts, Pause};
pub use crate::build_error::BuildError;
pub use crate::chain::{Chain, ChainBuilder, SoFar};
pub use crate::error::{Effect, Error, ErrorKind, RetryAdvice, TimeoutScope};
pub use crate::fan_out::{FanOut, FanOutBuilder};
pub use crate::idempotency::Idempotency;
pub use crate::memory::MemorySink;
pub use crate::message::{IdempotencyKey, Message, MessageId, Metadata};
pub use crate::receipt::{BodyState, Receipt, Status};
pub use crate::report::{
    Completeness, Delivery, OnConflict, Outcome, Report, Resend, Role, SkipReason, StopReason,
    Unsatisfied,
};
pub use crate::resend::{ResendToken, Standing};
pub use crate::secret::{Exposed, Secret};
pub use crate::sink::{Sink, SinkFn, sink_fn};
pub use crate::sink_ext::{Filter, Inspect, MapMessage, SinkExt};

/// What is shared between tasks can be.
const _: () = {
    const fn shared<T: Send + Sync>() {}
    shared::<Attempt>();
    shared::<Chain>();
    shared::<Error>();
    shared::<FanOut>();
    shared::<Message>();
    shared::<Receipt>();
    shared::<Report>();
    shared::<Secret>();
    shared::<resilience::Resilient<MemorySink>>();
};
