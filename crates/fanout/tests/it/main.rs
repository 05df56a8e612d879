//! The engine as its users have it: scripted sinks in memory, under a paused clock.

#![allow(clippy::unwrap_used, reason = "a test may fail by it")]

mod endpoint;
mod support;

mod api_notices;
mod attempts;
mod breaker;
mod bulkhead;
mod chains;
mod mirrors;
mod model;
mod nesting;
mod pipeline;
mod policies;
mod resend;
mod resend_by;
mod rest;
mod retry;
mod settings;
mod sink_ext;
mod storm;
mod throttle;
mod values;
mod verdicts;
