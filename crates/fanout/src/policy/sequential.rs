//! One after the other, each only when the one before took it.

use super::{Decision, FanOutPolicy, Progress, Reason, Start, Verdict};

/// Made by [`sequential`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Sequential;

/// Each sink is started when the one before has taken the message; the first failure ends it.
///
/// Satisfied when all took the message; what comes after a failure is skipped.
/// Rest: [`Rest::Drain`](super::Rest::Drain).
///
/// Where the second message is made of the first answer, use a [`Chain`](crate::Chain).
pub fn sequential() -> Sequential {
    Sequential
}

impl FanOutPolicy for Sequential {
    fn decide(&self, progress: &Progress<'_>) -> Decision {
        if progress.failed() > 0 {
            Decision::Settle(Verdict::Unsatisfied(Reason::SinkFailed))
        } else if progress.in_flight() > 0 {
            Decision::Wait
        } else if progress.waiting() > 0 {
            Decision::Start(Start::Next(1))
        } else {
            let held = progress.delivered() == progress.total();
            Decision::Settle(Verdict::satisfied_if(held, Reason::SinkFailed))
        }
    }

    fn name(&self) -> &'static str {
        "sequential"
    }
}
