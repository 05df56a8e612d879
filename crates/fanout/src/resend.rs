//! Sending again by what was kept of an earlier send: the token, and the deliveries made of it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::dispatch::Messages;
use crate::fan_out::{FanOut, Plan};
use crate::policy::{Decision, FanOutPolicy, Ledger, Progress, Rest, Start};
use crate::{
    Delivery, Effect, Error, ErrorKind, Message, MessageId, Outcome, Receipt, Report, RetryAdvice,
    Role, SkipReason, StopReason,
};

/// Where every required sink stands after a send, in a form that can be kept: what a later
/// [`FanOut::resend_by`] needs, in this process or another.
///
/// It holds the id of the message and the names of the sinks; no payload, no address, no key: those
/// [derive](crate::IdempotencyKey) from the id and the name, and are the same when the message is
/// sent again.
///
/// # Examples
///
/// ```
/// use fanout::{FanOut, MemorySink, Message, ResendToken, policy};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let orders = FanOut::builder(policy::all()).sink("billing", MemorySink::new()).build()?;
/// let message = Message::text("order 17");
/// let report = orders.send(&message).await;
/// let kept = serde_json::to_string(&report.resend_token())?;
///
/// let token: ResendToken = serde_json::from_str(&kept)?;
/// let again = message.with_id(token.message_id());
/// assert!(orders.resend_by(again, &token).await?.is_satisfied());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResendToken {
    #[serde(serialize_with = "write_id", deserialize_with = "read_id")]
    message_id: MessageId,
    sinks: Vec<Place>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Place {
    sink: String,
    standing: Standing,
}

/// Where one sink stands after a send.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// It took the message.
    Delivered,
    /// It is known to have applied the message, although its answer was lost.
    Applied,
    /// It misses the message for sure: sending again is always safe.
    Unsent,
    /// It may have the message: sending again is safe when it honours the idempotency key, or when
    /// applying the message twice is harmless.
    Ambiguous,
    /// As `Ambiguous`, and it is not to be sent to again.
    Held,
    /// The policy went on without it.
    LeftOut,
}

impl Standing {
    /// Returns whether a resend sends to such a sink.
    pub fn is_missing(self) -> bool {
        matches!(self, Self::Unsent | Self::Ambiguous)
    }
}

impl ResendToken {
    /// Returns the id of the message; of the first sink's message when each sink got its own.
    pub fn message_id(&self) -> MessageId {
        self.message_id
    }

    /// Returns the required sinks in configured order, each with where it stands.
    pub fn sinks(&self) -> impl Iterator<Item = (&str, Standing)> {
        self.sinks.iter().map(|place| (&*place.sink, place.standing))
    }

    /// Returns the sinks that a resend sends to.
    pub fn missing(&self) -> impl Iterator<Item = &str> {
        self.sinks().filter(|(_, standing)| standing.is_missing()).map(|(sink, _)| sink)
    }

    /// Keeps a resend from the sinks that may have the message and for which `keep` says so.
    #[must_use]
    pub fn hold_ambiguous(mut self, mut keep: impl FnMut(&str) -> bool) -> Self {
        for place in &mut self.sinks {
            if place.standing == Standing::Ambiguous && keep(&place.sink) {
                place.standing = Standing::Held;
            }
        }
        self
    }
}

impl Report {
    /// Returns what a later [`FanOut::resend_by`] needs to know of this send.
    ///
    /// The sinks that it sends to are those of [`resend`](Self::resend). One that is still being sent
    /// to may have the message.
    pub fn resend_token(&self) -> ResendToken {
        let left = self.resend();
        let missing = |delivery: &Delivery| {
            left.unsent.iter().chain(&left.ambiguous).any(|other| std::ptr::eq(*other, delivery))
        };
        let standing = |delivery: &Delivery| match (delivery.outcome(), delivery.effect()) {
            (Outcome::Delivered(_), _) => Standing::Delivered,
            (Outcome::Pending, _) => Standing::Ambiguous,
            (_, Effect::Done) => Standing::Applied,
            _ if !missing(delivery) => Standing::LeftOut,
            (_, Effect::Maybe) => Standing::Ambiguous,
            (_, Effect::None) => Standing::Unsent,
        };
        let sinks = self
            .required()
            .map(|delivery| Place {
                sink: delivery.sink().to_owned(),
                standing: standing(delivery),
            })
            .collect();
        ResendToken { message_id: self.message_id(), sinks }
    }
}

impl FanOut {
    /// Sends `message` again to the sinks that miss it by `token`, and to no other.
    ///
    /// As [`resend`](Self::resend), for where the report is no more: `token` was kept of it. Every sink
    /// that is started gets the idempotency key that it had before, and its effect is the worst over
    /// both sends. Mirrors are skipped. A policy that sends to all at once does so with all that miss the
    /// message, even where it held without them; the others go on where they were.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Build`] when the token is of another message or other sinks. Nothing was sent then.
    ///
    /// # Cancel safety
    ///
    /// As for [`send`](Self::send).
    ///
    /// # Panics
    ///
    /// As for [`send`](Self::send).
    pub async fn resend_by(
        &self,
        message: impl Into<Message>,
        token: &ResendToken,
    ) -> Result<Report, Error> {
        let never = std::future::pending();
        self.resend_by_until(message, token, never).await
    }

    /// As [`resend_by`](Self::resend_by), until `stop` is ready: see
    /// [`send_until`](Self::send_until).
    ///
    /// # Errors
    ///
    /// As for [`resend_by`](Self::resend_by).
    ///
    /// # Panics
    ///
    /// As for [`send`](Self::send).
    pub async fn resend_by_until(
        &self,
        message: impl Into<Message>,
        token: &ResendToken,
        stop: impl Future<Output = ()>,
    ) -> Result<Report, Error> {
        let message = message.into();
        let earlier = self.plan().stand(&message, token)?;
        Ok(self.dispatch_until(Messages::Same(message), Some(earlier), true, stop).await)
    }

    /// Returns whether offering a message again to the sink `name` is harmless when it may have it
    /// already; `None` when there is no such sink.
    ///
    /// See [`Sink::is_repeatable`](crate::Sink::is_repeatable).
    pub fn is_sink_repeatable(&self, name: &str) -> Option<bool> {
        let entry = self.plan().entries.iter().find(|entry| &*entry.name == name)?;
        Some(entry.sink.is_repeatable())
    }

    /// Returns what the sink `name` means to this fan-out; `None` when there is no such sink.
    pub fn sink_role(&self, name: &str) -> Option<Role> {
        let entry = self.plan().entries.iter().find(|entry| &*entry.name == name)?;
        Some(entry.role)
    }
}

impl Plan {
    /// Makes the deliveries of a resend, in the plan's order.
    fn stand(&self, message: &Message, token: &ResendToken) -> Result<Vec<Delivery>, Error> {
        let refuse = |what: &'static str| Error::new(ErrorKind::Build, what);
        if token.message_id != message.id() {
            return Err(refuse("the token is of another message")
                .with_context("message", message.id().to_string())
                .with_context("token", token.message_id.to_string()));
        }
        let mut places: Vec<_> = token.sinks.iter().map(Some).collect();
        let mut deliveries = Vec::with_capacity(self.entries.len());
        for entry in &self.entries {
            let name = Arc::clone(&entry.name);
            let mut delivery = Delivery::waiting(name, entry.role, message.id().as_u128());
            if entry.role == Role::Mirror {
                delivery.outcome = Outcome::Skipped(SkipReason::NotNeeded);
                delivery.stop_reason = Some(StopReason::PolicyDecided);
            } else {
                let place = places
                    .iter_mut()
                    .find_map(|place| place.take_if(|place| *place.sink == *entry.name))
                    .ok_or_else(|| {
                        refuse("the token is of other sinks").with_context("sink", &*entry.name)
                    })?;
                place.standing.settle(&mut delivery);
            }
            deliveries.push(delivery);
        }
        match places.into_iter().flatten().next() {
            Some(more) => {
                Err(refuse("the token is of other sinks").with_context("sink", more.sink.clone()))
            }
            None => Ok(deliveries),
        }
    }

    /// Whether the policy begins by sending to every sink.
    pub(crate) fn starts_all_at_once(&self) -> bool {
        let entries = self.entries[..self.required].iter();
        let fresh = entries.map(|entry| Delivery::waiting(Arc::clone(&entry.name), entry.role, 0));
        let ledger = Ledger::new(fresh.collect(), self.required);
        let decision = self.policy.decide(&ledger.progress(Duration::ZERO, &|_| true));
        decision == Decision::Start(Start::All)
    }
}

impl Standing {
    /// Writes into a delivery that waits what is known of it.
    fn settle(self, delivery: &mut Delivery) {
        let failed = |effect| {
            let error =
                Error::new(ErrorKind::Interrupted, "an earlier send ended without an answer");
            Outcome::Failed(error.with_effect(effect).with_advice(RetryAdvice::Never))
        };
        let (outcome, effect, stop_reason) = match self {
            Self::Unsent => return,
            Self::Ambiguous => {
                delivery.effect = Effect::Maybe;
                return;
            }
            Self::Delivered => {
                let receipt = Receipt::new().with_notice("taken by an earlier send");
                (Outcome::Delivered(receipt), Effect::Done, StopReason::Succeeded)
            }
            Self::Applied => (failed(Effect::Done), Effect::Done, StopReason::NotRetryable),
            Self::Held => {
                (failed(Effect::Maybe), Effect::Maybe, StopReason::AmbiguousNotIdempotent)
            }
            Self::LeftOut => {
                let outcome = Outcome::Skipped(SkipReason::NotNeeded);
                (outcome, Effect::None, StopReason::PolicyDecided)
            }
        };
        delivery.outcome = outcome;
        delivery.effect = effect;
        delivery.stop_reason = Some(stop_reason);
    }
}

/// Starts all that wait, and asks the policy inside from then on.
#[derive(Debug)]
pub(crate) struct AllFirst<'a>(pub(crate) &'a dyn FanOutPolicy);

impl FanOutPolicy for AllFirst<'_> {
    fn decide(&self, progress: &Progress<'_>) -> Decision {
        match progress.waiting() {
            0 => self.0.decide(progress),
            _ => Decision::Start(Start::All),
        }
    }

    fn rest(&self) -> Rest {
        self.0.rest()
    }

    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn validate(&self, required: usize) -> Result<(), crate::BuildError> {
        self.0.validate(required)
    }
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Delivered => "delivered",
            Self::Applied => "applied",
            Self::Unsent => "unsent",
            Self::Ambiguous => "ambiguous",
            Self::Held => "held",
            Self::LeftOut => "left_out",
        })
    }
}

fn write_id<S: Serializer>(id: &MessageId, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(id)
}

fn read_id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<MessageId, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(|error: Error| serde::de::Error::custom(error.message()))
}
