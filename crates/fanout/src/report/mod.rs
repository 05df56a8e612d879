//! What happened: one delivery per sink, the verdict on the whole, and what is left to do.

mod aggregate;
mod delivery;
pub(crate) mod serialize;
mod table;

use std::fmt;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::policy::Verdict;
use crate::{ApiNotice, Effect, Error, MessageId, Receipt};

pub use self::aggregate::OnConflict;
pub use self::delivery::{Delivery, Outcome, Role, SkipReason, StopReason};

/// What happened to one message: exactly one [`Delivery`] per configured sink, in configured order,
/// and the verdict of the policy.
///
/// It serialises to stable JSON and prints as a table.
pub struct Report {
    pub(crate) message_id: MessageId,
    pub(crate) fan_out: Option<std::sync::Arc<str>>,
    pub(crate) policy: &'static str,
    pub(crate) verdict: Verdict,
    pub(crate) nothing_sent: bool,
    /// Whether each sink got a message of its own.
    pub(crate) own_messages: bool,
    pub(crate) deliveries: Vec<Delivery>,
    pub(crate) elapsed: Duration,
    /// Where the deliveries that still go on will be told, each with its place in the report: at most
    /// one of this send, and one of an earlier send whose mirrors go on.
    pub(crate) detached: Vec<Late>,
}

pub(crate) type Late = oneshot::Receiver<Vec<(usize, Delivery)>>;

/// Where the message is now, counted over the required sinks.
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Completeness {
    /// Every required sink has it.
    Full,
    /// Some have it, the others surely do not.
    Partial,
    /// Surely none has it.
    None,
    /// At least one may have it or not, or is still being sent to.
    Unknown,
}

/// A send whose policy did not hold. It contains the whole report.
#[derive(Debug, thiserror::Error)]
#[error("the fan-out did not hold: {}", .report.verdict())]
#[non_exhaustive]
pub struct Unsatisfied {
    /// What happened at each sink.
    pub report: Report,
}

/// What is left to send: the sinks that do not have the message, those that surely do not apart from
/// those that may.
#[derive(Debug)]
#[non_exhaustive]
pub struct Resend<'a> {
    /// Sinks that surely do not have the message: sending again is always safe.
    pub unsent: Vec<&'a Delivery>,
    /// Sinks that may have the message: sending again is safe when they honour the idempotency key, or
    /// when applying it twice is harmless.
    pub ambiguous: Vec<&'a Delivery>,
}

impl Report {
    /// Returns the id of the message; of the first sink's message when each sink got its own.
    pub fn message_id(&self) -> MessageId {
        self.message_id
    }

    /// Returns the name that was given to the fan-out.
    pub fn fan_out(&self) -> Option<&str> {
        self.fan_out.as_deref()
    }

    /// Returns the name of the policy.
    pub fn policy(&self) -> &'static str {
        self.policy
    }

    /// Returns whether the policy held, decided exactly once.
    pub fn verdict(&self) -> Verdict {
        self.verdict
    }

    /// Returns true when the policy held.
    pub fn is_satisfied(&self) -> bool {
        self.verdict == Verdict::Satisfied
    }

    /// Returns true when no sink was started at all.
    pub fn nothing_sent(&self) -> bool {
        self.nothing_sent
    }

    /// Returns the time from the call of `send` to the report.
    pub fn elapsed(&self) -> Duration {
        self.elapsed
    }

    /// Returns the deliveries, one per configured sink, in configured order.
    pub fn deliveries(&self) -> &[Delivery] {
        &self.deliveries
    }

    /// Returns the delivery of the sink `name`.
    pub fn get(&self, name: &str) -> Option<&Delivery> {
        self.deliveries.iter().find(|delivery| delivery.sink() == name)
    }

    /// Returns the deliveries that settled, in the order in which they did.
    pub fn completion_order(&self) -> Vec<&Delivery> {
        let mut settled: Vec<_> = self.deliveries.iter().filter(|d| d.rank.is_some()).collect();
        settled.sort_by_key(|delivery| delivery.rank);
        settled
    }

    /// Returns where the message is now, counted over the required sinks.
    pub fn completeness(&self) -> Completeness {
        let (mut all, mut none) = (true, true);
        for delivery in self.required() {
            match (delivery.outcome(), delivery.effect()) {
                (Outcome::Pending, _) | (_, Effect::Maybe) => return Completeness::Unknown,
                (_, Effect::Done) => none = false,
                (_, Effect::None) => all = false,
            }
        }
        match (all, none) {
            (true, _) => Completeness::Full,
            (false, true) => Completeness::None,
            (false, false) => Completeness::Partial,
        }
    }

    /// Returns the worst effect over all required sinks; a delivered one counts as `Done`.
    pub fn effect(&self) -> Effect {
        self.required().map(Delivery::effect).max().unwrap_or_default()
    }

    /// Returns the deliveries that are neither delivered nor known to be applied, mirrors excepted.
    pub fn undelivered(&self) -> impl Iterator<Item = &Delivery> {
        self.required().filter(|delivery| delivery.effect() != Effect::Done)
    }

    /// Returns what is left to send, with the idempotency keys that a resend will carry.
    ///
    /// Not part of it are the sinks that the policy did not need (the losers of a send that held), those
    /// that it did not go on to because another one may have the message, and sends that still go on.
    pub fn resend(&self) -> Resend<'_> {
        let (unsent, ambiguous) = self
            .undelivered()
            .filter(|delivery| match delivery.outcome() {
                Outcome::Pending
                | Outcome::Skipped(SkipReason::NotNeeded | SkipReason::Ambiguous) => false,
                Outcome::Cancelled => {
                    !self.is_satisfied() || delivery.stop_reason != Some(StopReason::PolicyDecided)
                }
                _ => true,
            })
            .partition(|delivery| delivery.effect() == Effect::None);
        Resend { unsent, ambiguous }
    }

    /// Returns the error to show first when the policy did not hold: that of the first configured
    /// required sink that failed, whatever the order in which they did.
    pub fn headline(&self) -> Option<&Error> {
        self.required().find_map(Delivery::error)
    }

    /// Returns what the APIs announced about their lives, each with the name of its sink: an API that
    /// is deprecated, or comes to its end. Mirrors are among them.
    pub fn api_notices(&self) -> impl Iterator<Item = (&str, &ApiNotice)> {
        self.deliveries.iter().filter_map(|delivery| Some((delivery.sink(), delivery.api()?)))
    }

    /// Waits for the sends that went on after the verdict, and returns the final report.
    ///
    /// Returns at once when there are none. The verdict stays what it was.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses the report, not the sends: they go on and stay supervised.
    #[must_use = "the report says which sinks did not get the message"]
    pub async fn settled(mut self) -> Self {
        for detached in std::mem::take(&mut self.detached) {
            // The task that sends cannot end without answering, unless its runtime was shut down; the
            // entries then stay `Pending`, which is the truth.
            for (index, delivery) in detached.await.unwrap_or_default() {
                self.deliveries[index] = delivery;
            }
        }
        self
    }

    /// Turns the report into a result, for callers who want `?`.
    ///
    /// # Errors
    ///
    /// [`Unsatisfied`], with this report inside, when the policy did not hold.
    #[expect(clippy::result_large_err, reason = "the error is the report, as large as the success")]
    pub fn into_result(self) -> Result<Self, Unsatisfied> {
        if self.is_satisfied() { Ok(self) } else { Err(Unsatisfied { report: self }) }
    }

    pub(crate) fn required(&self) -> impl Iterator<Item = &Delivery> {
        self.deliveries.iter().filter(|delivery| delivery.role() == Role::Required)
    }

    /// The only delivered required sink's receipt, if it is the only one.
    pub(crate) fn only_receipt(&self) -> Option<&Receipt> {
        let mut receipts = self.required().filter_map(Delivery::receipt);
        receipts.next().filter(|_| receipts.next().is_none())
    }
}

impl Completeness {
    /// Returns the name that JSON uses: `full`, `partial`, `none`, `unknown`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Partial => "partial",
            Self::None => "none",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for Completeness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Report")
            .field("message_id", &self.message_id)
            .field("fan_out", &self.fan_out)
            .field("policy", &self.policy)
            .field("verdict", &self.verdict)
            .field("deliveries", &self.deliveries)
            .field("elapsed", &self.elapsed)
            .finish_non_exhaustive()
    }
}
