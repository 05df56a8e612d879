//! So many must take it: `quorum` and `majority`.

use crate::BuildError;

use super::{Decision, FanOutPolicy, Progress, Reason, Rest, Start, Verdict};

/// Made by [`quorum`] and [`majority`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Quorum {
    /// `None`: more than half.
    needed: Option<usize>,
}

/// So many sinks must take the message.
///
/// Before anything is sent it asks every sink whether it is available; with fewer than `needed`, the
/// verdict is [`Reason::NotEnoughAvailable`] and nothing was sent. Otherwise it starts all at once. The
/// verdict is decided at the `needed`-th success, or as soon as so many failed that it is out of reach.
/// Rest: [`Rest::Detach`].
///
/// Zero, or more than there are required sinks, is refused at build.
pub fn quorum(needed: usize) -> Quorum {
    Quorum { needed: Some(needed) }
}

/// More than half of the sinks must take the message: a [`quorum`] of ⌊n/2⌋ + 1.
pub fn majority() -> Quorum {
    Quorum { needed: None }
}

impl Quorum {
    fn needed(self, total: usize) -> usize {
        self.needed.unwrap_or(total / 2 + 1)
    }
}

impl FanOutPolicy for Quorum {
    fn decide(&self, progress: &Progress<'_>) -> Decision {
        let needed = self.needed(progress.total());
        if progress.delivered() >= needed {
            Decision::Settle(Verdict::Satisfied)
        } else if progress.last_start().is_none() && progress.available() < needed {
            Decision::Settle(Verdict::Unsatisfied(Reason::NotEnoughAvailable))
        } else if progress.delivered() + progress.waiting() + progress.in_flight() < needed {
            Decision::Settle(Verdict::Unsatisfied(Reason::Impossible))
        } else if progress.waiting() > 0 {
            Decision::Start(Start::All)
        } else {
            Decision::Wait
        }
    }

    fn rest(&self) -> Rest {
        Rest::Detach
    }

    fn name(&self) -> &'static str {
        match self.needed {
            Some(_) => "quorum",
            None => "majority",
        }
    }

    fn validate(&self, required: usize) -> Result<(), BuildError> {
        let needed = self.needed(required);
        if needed == 0 || needed > required {
            return Err(BuildError::Policy { policy: self.name(), needed, required });
        }
        Ok(())
    }
}
