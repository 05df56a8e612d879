//! The engine as its users have it: scripted sinks in memory, under a paused clock.

mod support;

mod nesting;
mod policies;
mod rest;
mod values;
mod verdicts;
