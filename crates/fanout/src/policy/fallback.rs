//! One after the other until one takes it.

use crate::Effect;

use super::{
    Decision, FanOutPolicy, Progress, Reason, Rest, SinkProgress, SinkState, Start, Verdict,
};

/// Made by [`fallback`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fallback {
    on_ambiguous: OnAmbiguous,
}

/// What [`fallback`] does when the failed sink may have applied the message.
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OnAmbiguous {
    /// Do not go on: the verdict is [`Reason::Ambiguous`]. For an SMS, a payment, an order.
    Stop,
    /// Go on to the next sink: the message may then be applied twice. For reads, or where both sinks
    /// lead to the same deduplicating store.
    Proceed,
}

/// The next sink is tried when the one before failed and may be left.
///
/// Starts the first sink; each further one when the previous terminally failed. Satisfied at the first
/// success; unsatisfied when the last one failed. Rest: [`Rest::Cancel`].
///
/// # The duplicate risk
///
/// A timeout after the request was written does not mean that nothing happened: the text message may be
/// on its way, the card charged. Going on to another provider then does it twice. So there is no
/// default, and `on_ambiguous` says what is right for *this* message:
///
/// - effect `None` (surely not applied): the next sink is always tried;
/// - effect `Maybe`: only with [`OnAmbiguous::Proceed`]; with [`OnAmbiguous::Stop`] the verdict is
///   [`Reason::Ambiguous`] and the next sinks are skipped;
/// - effect `Done` (applied, the answer was lost): never; the verdict is [`Reason::Ambiguous`] too.
pub fn fallback(on_ambiguous: OnAmbiguous) -> Fallback {
    Fallback { on_ambiguous }
}

impl Fallback {
    fn may_leave(self, sink: SinkProgress<'_>) -> bool {
        match sink.delivery().effect() {
            Effect::None => true,
            Effect::Maybe => self.on_ambiguous == OnAmbiguous::Proceed,
            Effect::Done => false,
        }
    }

    /// Starts the first sink. In a resend, the one that may have the message comes before those that
    /// surely do not: it could not be left for them the first time, and cannot be now.
    fn begin(self, progress: &Progress<'_>) -> Decision {
        let held = || progress.sinks().filter(|sink| !self.may_leave(*sink));
        if held().any(|sink| sink.state() != SinkState::Waiting) {
            return Decision::Settle(Verdict::Unsatisfied(Reason::Ambiguous));
        }
        Decision::Start(match held().next() {
            Some(sink) => Start::Positions(vec![sink.position()]),
            None => Start::Next(1),
        })
    }
}

impl FanOutPolicy for Fallback {
    fn decide(&self, progress: &Progress<'_>) -> Decision {
        if progress.delivered() > 0 {
            return Decision::Settle(Verdict::Satisfied);
        }
        if progress.in_flight() > 0 {
            return Decision::Wait;
        }
        if progress.waiting() == 0 {
            return Decision::Settle(Verdict::Unsatisfied(Reason::AllFailed));
        }
        match progress.last_settled() {
            None => self.begin(progress),
            Some(last) if self.may_leave(last) => Decision::Start(Start::Next(1)),
            Some(_) => Decision::Settle(Verdict::Unsatisfied(Reason::Ambiguous)),
        }
    }

    fn rest(&self) -> Rest {
        Rest::Cancel
    }

    fn name(&self) -> &'static str {
        "fallback"
    }
}
