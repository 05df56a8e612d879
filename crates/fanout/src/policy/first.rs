//! The first success wins.

use super::{Decision, FanOutPolicy, Progress, Reason, Rest, Start, Verdict};

/// Made by [`first`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct First;

/// The first sink to take the message wins (`Promise.any`): a fast error never does.
///
/// Starts all at once. The verdict is decided at the first success, or when all have failed.
/// Rest: [`Rest::Cancel`].
///
/// **The message may be applied by several sinks**: all are started, and a loser that is cancelled may
/// have applied it already. Use it where that is harmless, as with reads.
pub fn first() -> First {
    First
}

impl FanOutPolicy for First {
    fn decide(&self, progress: &Progress<'_>) -> Decision {
        if progress.delivered() > 0 {
            Decision::Settle(Verdict::Satisfied)
        } else if progress.waiting() > 0 {
            Decision::Start(Start::All)
        } else if progress.in_flight() > 0 {
            Decision::Wait
        } else {
            Decision::Settle(Verdict::Unsatisfied(Reason::AllFailed))
        }
    }

    fn rest(&self) -> Rest {
        Rest::Cancel
    }

    fn name(&self) -> &'static str {
        "first"
    }
}
