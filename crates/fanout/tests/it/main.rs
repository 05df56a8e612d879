//! The engine as its users have it: scripted sinks in memory, under a paused clock.

#![allow(clippy::unwrap_used, reason = "a test may fail by it")]

mod support;

mod attempts;
mod nesting;
mod policies;
mod resend;
mod rest;
mod retry;
mod settings;
mod values;
mod verdicts;
