//! The first to settle decides, success or not.

use super::{Decision, FanOutPolicy, Progress, Reason, Rest, Start, Verdict};

/// Made by [`race`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Race;

/// The first sink to settle decides (`Promise.race`): **a fast error wins**.
///
/// Starts all at once. Rest: [`Rest::Cancel`]. The message may be applied by several sinks.
///
/// Seldom what is wanted: [`first`](super::first) waits for a success.
pub fn race() -> Race {
    Race
}

impl FanOutPolicy for Race {
    fn decide(&self, progress: &Progress<'_>) -> Decision {
        if progress.delivered() + progress.failed() > 0 {
            let won = progress.delivered() > 0;
            Decision::Settle(Verdict::satisfied_if(won, Reason::SinkFailed))
        } else if progress.waiting() > 0 {
            Decision::Start(Start::All)
        } else {
            Decision::Wait
        }
    }

    fn rest(&self) -> Rest {
        Rest::Cancel
    }

    fn name(&self) -> &'static str {
        "race"
    }
}
