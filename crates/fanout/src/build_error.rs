//! What can be wrong with a fan-out or its parts before anything is sent.

use std::time::Duration;

use crate::{Error, ErrorKind};

/// Why a fan-out, a chain or a resilient sink could not be built.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    /// There is no required sink: nothing could ever decide the verdict.
    #[error("a fan-out needs at least one required sink")]
    NoRequiredSinks,
    /// The name of a sink is empty or has control characters, so no report could show it.
    #[error("the sink name {name:?} is empty or has control characters")]
    BadName {
        /// The name.
        name: String,
    },
    /// Two sinks have the same name.
    #[error("two sinks are named {name:?}; names must be unique")]
    DuplicateName {
        /// The name.
        name: String,
    },
    /// The policy cannot work with this many required sinks.
    #[error(
        "{policy} needs {needed} successes of {required} required sinks, which it can never judge"
    )]
    Policy {
        /// The name of the policy.
        policy: &'static str,
        /// How many successes it needs.
        needed: usize,
        /// How many required sinks there are.
        required: usize,
    },
    /// A duration that must not be zero is zero.
    #[error("{setting} must be longer than zero")]
    ZeroDuration {
        /// The setting.
        setting: &'static str,
    },
    /// A count that must not be zero is zero.
    #[error("{setting} must be at least 1")]
    ZeroCount {
        /// The setting.
        setting: &'static str,
    },
    /// A number is outside of its range, or not a number.
    #[error("{setting} is {value}; it must be in {range}")]
    OutOfRange {
        /// The setting.
        setting: &'static str,
        /// What it is.
        value: String,
        /// What it may be.
        range: &'static str,
    },
    /// A duration leaves no room for the one that it must contain.
    #[error("{setting} is {value:?}, shorter than {inner} ({least:?})")]
    TooShort {
        /// The setting.
        setting: &'static str,
        /// What it is.
        value: Duration,
        /// What it must contain.
        inner: &'static str,
        /// How long that is.
        least: Duration,
    },
}

impl From<BuildError> for Error {
    fn from(error: BuildError) -> Self {
        Self::new(ErrorKind::Build, error.to_string())
    }
}
