//! Send one message to two or more APIs at once, and know exactly what happened at each.

mod attempt;
mod background;
mod build_error;
mod chain;
mod dispatch;
mod error;
mod fan_out;
mod memory;
mod message;
pub mod policy;
mod receipt;
mod report;
mod sink;

pub use async_trait::async_trait;
pub use bytes::Bytes;

pub use crate::attempt::{Attempt, Reach};
pub use crate::build_error::BuildError;
pub use crate::chain::{Chain, ChainBuilder, SoFar};
pub use crate::error::{Effect, Error, ErrorKind, RetryAdvice, TimeoutScope};
pub use crate::fan_out::{FanOut, FanOutBuilder};
pub use crate::memory::MemorySink;
pub use crate::message::{IdempotencyKey, Message, MessageId, Metadata};
pub use crate::receipt::{BodyState, Receipt, Status};
pub use crate::report::{
    Completeness, Delivery, OnConflict, Outcome, Report, Resend, Role, SkipReason, StopReason,
    Unsatisfied,
};
pub use crate::sink::{Sink, SinkFn, sink_fn};
