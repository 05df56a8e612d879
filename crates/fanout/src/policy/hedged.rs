//! A second one is started when the first is slow.

use std::time::Duration;

use super::{Decision, FanOutPolicy, Progress, Reason, Rest, Start, Verdict};

/// Made by [`hedged`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Hedged {
    delay: Duration,
}

/// The next sink is started when those before have not answered within `delay`, or at once when one of
/// them fails.
///
/// Starts the first sink. Satisfied at the first success; unsatisfied when all have failed.
/// Rest: [`Rest::Cancel`]. A delay of zero starts all at once.
///
/// **The message may be applied by several sinks.** It buys a short tail of latency for some extra
/// sends; use it where applying twice is harmless, as with reads.
pub fn hedged(delay: Duration) -> Hedged {
    Hedged { delay }
}

impl FanOutPolicy for Hedged {
    fn decide(&self, progress: &Progress<'_>) -> Decision {
        if progress.delivered() > 0 {
            return Decision::Settle(Verdict::Satisfied);
        }
        if progress.waiting() == 0 {
            return if progress.in_flight() > 0 {
                Decision::Wait
            } else {
                Decision::Settle(Verdict::Unsatisfied(Reason::AllFailed))
            };
        }
        match progress.last_start() {
            Some(last) if progress.in_flight() > 0 && progress.failed_since_last_start() == 0 => {
                match last.checked_add(self.delay) {
                    Some(due) if due > progress.elapsed() => Decision::WaitUntil(due),
                    Some(_) => Decision::Start(Start::Next(1)),
                    // So far away that it never comes.
                    None => Decision::Wait,
                }
            }
            _ => Decision::Start(Start::Next(1)),
        }
    }

    fn rest(&self) -> Rest {
        Rest::Cancel
    }

    fn name(&self) -> &'static str {
        "hedged"
    }
}
