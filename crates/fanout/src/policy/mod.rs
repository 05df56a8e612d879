//! When a fan-out is settled: the policy trait, what a policy sees, what it says, and the catalogue.

mod all;
mod fallback;
mod first;
mod hedged;
mod ledger;
mod progress;
mod quorum;
mod race;
mod sequential;
mod simulation;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::BuildError;

pub use self::all::{All, all, all_settled};
pub use self::fallback::{Fallback, OnAmbiguous, fallback};
pub use self::first::{First, first};
pub use self::hedged::{Hedged, hedged};
pub(crate) use self::ledger::{Ledger, Step};
pub use self::progress::{Progress, SinkProgress, SinkState};
pub use self::quorum::{Quorum, majority, quorum};
pub use self::race::{Race, race};
pub use self::sequential::{Sequential, sequential};
pub use self::simulation::Simulation;

/// Decides, from what is known so far, what a fan-out does next.
///
/// # Contract
///
/// - **Pure**: the same progress gives the same decision. No clock, no I/O, no interior state, so one
///   policy value serves any number of sends at once, and a test needs no runtime ([`Simulation`]).
/// - **Cheap**: it is asked before the first start and after every event, so a decision should take
///   constant time; the counters of [`Progress`] are there for that.
///
/// The engine guarantees the rest, whatever a policy says: the verdict is decided exactly once; no sink
/// is started after it, and none twice; every sink gets one terminal outcome; a policy that waits while
/// nothing is in flight and no wake-up is due ends as [`Reason::Stalled`] instead of hanging; the
/// deadline ends everything.
///
/// # Examples
///
/// A policy that wants two answers, started one at a time:
///
/// ```
/// use fanout::policy::{Decision, FanOutPolicy, Progress, Reason, Start, Verdict};
///
/// #[derive(Debug)]
/// struct TwoInTurn;
///
/// impl FanOutPolicy for TwoInTurn {
///     fn decide(&self, progress: &Progress<'_>) -> Decision {
///         if progress.delivered() == 2 {
///             Decision::Settle(Verdict::Satisfied)
///         } else if progress.in_flight() > 0 {
///             Decision::Wait
///         } else if progress.waiting() > 0 {
///             Decision::Start(Start::Next(1))
///         } else {
///             Decision::Settle(Verdict::Unsatisfied(Reason::TooFewDelivered))
///         }
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a fan-out policy",
    note = "take one of `fanout::policy`, or implement `FanOutPolicy`"
)]
pub trait FanOutPolicy: Send + Sync + fmt::Debug {
    /// Judges what is known so far.
    fn decide(&self, progress: &Progress<'_>) -> Decision;

    /// Returns what becomes of the sends that are in flight at the verdict.
    ///
    /// Default: [`Rest::Drain`]. A fan-out may override it.
    fn rest(&self) -> Rest {
        Rest::Drain
    }

    /// Returns the name that reports, logs and metrics use.
    ///
    /// Default: `"custom"`.
    fn name(&self) -> &'static str {
        "custom"
    }

    /// Checks whether the policy makes sense for this many required sinks, when a fan-out is built.
    ///
    /// Default: it does.
    ///
    /// # Errors
    ///
    /// [`BuildError::Policy`] when it can never be satisfied, or never fail.
    fn validate(&self, required: usize) -> Result<(), BuildError> {
        let _ = required;
        Ok(())
    }
}

#[deny(clippy::missing_trait_methods)]
impl<P: FanOutPolicy + ?Sized> FanOutPolicy for Arc<P> {
    fn decide(&self, progress: &Progress<'_>) -> Decision {
        (**self).decide(progress)
    }

    fn rest(&self) -> Rest {
        (**self).rest()
    }

    fn name(&self) -> &'static str {
        (**self).name()
    }

    fn validate(&self, required: usize) -> Result<(), BuildError> {
        (**self).validate(required)
    }
}

#[deny(clippy::missing_trait_methods)]
impl<P: FanOutPolicy + ?Sized> FanOutPolicy for Box<P> {
    fn decide(&self, progress: &Progress<'_>) -> Decision {
        (**self).decide(progress)
    }

    fn rest(&self) -> Rest {
        (**self).rest()
    }

    fn name(&self) -> &'static str {
        (**self).name()
    }

    fn validate(&self, required: usize) -> Result<(), BuildError> {
        (**self).validate(required)
    }
}

/// What a policy says.
#[must_use]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Start these sinks now, then ask again. One that is not waiting is passed over.
    Start(Start),
    /// Ask again when a sink has settled.
    Wait,
    /// Ask again when a sink has settled, and at this time since the send began at the latest.
    WaitUntil(Duration),
    /// It is decided.
    Settle(Verdict),
}

/// Which sinks to start.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start {
    /// All that wait.
    All,
    /// The next so many that wait, in configured order.
    Next(usize),
    /// Those at these positions among the required sinks.
    Positions(Vec<usize>),
}

/// Whether the policy held, decided exactly once.
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// It held.
    Satisfied,
    /// It did not, for this reason.
    Unsatisfied(Reason),
}

/// Why a policy did not hold.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// A sink failed that had to succeed.
    SinkFailed,
    /// Fewer sinks took the message than were needed.
    TooFewDelivered,
    /// Every sink failed.
    AllFailed,
    /// So many failed that the needed number was out of reach.
    Impossible,
    /// Fewer sinks than needed were available, so nothing was sent.
    NotEnoughAvailable,
    /// A sink may have applied the message, or has, and going on to another would risk a duplicate.
    Ambiguous,
    /// The deadline of the fan-out came first.
    Deadline,
    /// The policy waited while nothing was in flight.
    Stalled,
    /// The fan-out was shut down.
    Shutdown,
    /// The send was called off before there was a verdict.
    Cancelled,
    /// The reason of a policy that is not of this crate.
    Other(&'static str),
}

/// What becomes of required sends that are in flight at the verdict.
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rest {
    /// They go on, and the caller gets the report when everything has settled.
    Drain,
    /// They go on, supervised by the fan-out; the caller gets the report at the verdict, and
    /// [`Report::settled`](crate::Report::settled) gives the final one.
    Detach,
    /// They are dropped at once, and are in the report as cancelled, each with its effect.
    ///
    /// Cancelling is not undoing: a sink that was sent to may still apply the message.
    Cancel,
}

impl Verdict {
    /// Returns `Satisfied` if `held`, else `Unsatisfied` with `reason`.
    pub fn satisfied_if(held: bool, reason: Reason) -> Self {
        if held { Self::Satisfied } else { Self::Unsatisfied(reason) }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Satisfied => f.write_str("satisfied"),
            Self::Unsatisfied(reason) => write!(f, "unsatisfied, {reason}"),
        }
    }
}

impl Reason {
    /// Returns the name that JSON, logs and metrics use: `sink_failed`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SinkFailed => "sink_failed",
            Self::TooFewDelivered => "too_few_delivered",
            Self::AllFailed => "all_failed",
            Self::Impossible => "impossible",
            Self::NotEnoughAvailable => "not_enough_available",
            Self::Ambiguous => "ambiguous",
            Self::Deadline => "deadline",
            Self::Stalled => "stalled",
            Self::Shutdown => "shutdown",
            Self::Cancelled => "cancelled",
            Self::Other(reason) => reason,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SinkFailed => "a sink failed",
            Self::TooFewDelivered => "too few sinks took the message",
            Self::AllFailed => "every sink failed",
            Self::Impossible => "too many sinks failed",
            Self::NotEnoughAvailable => "too few sinks were available, nothing was sent",
            Self::Ambiguous => "a sink may have applied the message",
            Self::Deadline => "the deadline came first",
            Self::Stalled => "the policy waited for nothing",
            Self::Shutdown => "the fan-out was shut down",
            Self::Cancelled => "the send was called off",
            Self::Other(reason) => reason,
        })
    }
}
