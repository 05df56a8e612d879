//! Everyone gets it: `all`, `all` with `fail_fast`, and `all_settled`.

use crate::BuildError;

use super::{Decision, FanOutPolicy, Progress, Reason, Rest, Start, Verdict};

/// Starts every sink at once and is satisfied when enough of them took the message.
///
/// Made by [`all`] (every one must) and [`all_settled`] (none must, unless
/// [`min_success`](Self::min_success) says so): they differ in that number alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct All {
    min_success: Option<usize>,
    fail_fast: bool,
}

/// Every sink must take the message (`Promise.all`, without its haste).
///
/// Starts all at once. The verdict is decided when all have settled, and is satisfied when all took the
/// message. Rest: [`Rest::Drain`]; with [`fail_fast`](All::fail_fast), [`Rest::Detach`].
pub fn all() -> All {
    All { min_success: None, fail_fast: false }
}

/// Every sink is sent to and reported on (`Promise.allSettled`).
///
/// Starts all at once. The verdict is decided when all have settled, or at the deadline, and is
/// satisfied when [`min_success`](All::min_success) took the message. Default: 0, so it is always
/// satisfied, and [`Report::completeness`](crate::Report::completeness) tells the rest.
/// Rest: [`Rest::Drain`].
pub fn all_settled() -> All {
    All { min_success: Some(0), fail_fast: false }
}

impl All {
    /// Sets how many sinks must take the message. More than there are is refused at build.
    #[must_use]
    pub fn min_success(mut self, count: usize) -> Self {
        self.min_success = Some(count);
        self
    }

    /// Decides at the first failure that rules out success, instead of when all have settled.
    ///
    /// What is still in flight then goes on, detached, and is `Pending` in the report until
    /// [`Report::settled`](crate::Report::settled).
    #[must_use]
    pub fn fail_fast(mut self) -> Self {
        self.fail_fast = true;
        self
    }

    fn reason(self) -> Reason {
        match self.min_success {
            None => Reason::SinkFailed,
            Some(_) => Reason::TooFewDelivered,
        }
    }
}

impl FanOutPolicy for All {
    fn decide(&self, progress: &Progress<'_>) -> Decision {
        let needed = self.min_success.unwrap_or(progress.total());
        let lost = progress.failed() > progress.total().saturating_sub(needed);
        if self.fail_fast && lost {
            Decision::Settle(Verdict::Unsatisfied(self.reason()))
        } else if progress.waiting() > 0 {
            Decision::Start(Start::All)
        } else if progress.in_flight() > 0 {
            Decision::Wait
        } else {
            Decision::Settle(Verdict::satisfied_if(progress.delivered() >= needed, self.reason()))
        }
    }

    fn rest(&self) -> Rest {
        if self.fail_fast { Rest::Detach } else { Rest::Drain }
    }

    fn name(&self) -> &'static str {
        match self.min_success {
            None => "all",
            Some(_) => "all_settled",
        }
    }

    fn validate(&self, required: usize) -> Result<(), BuildError> {
        match self.min_success {
            Some(needed) if needed > required => {
                Err(BuildError::Policy { policy: self.name(), needed, required })
            }
            _ => Ok(()),
        }
    }
}
