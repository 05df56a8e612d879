//! Small decorators for sinks, as methods.

use std::fmt;

use async_trait::async_trait;

use crate::resilience::{Resilience, Resilient};
use crate::{Attempt, BuildError, Effect, Error, Message, Receipt, Sink, StopReason};

/// Decorates any [`Sink`].
///
/// # Examples
///
/// ```
/// use fanout::resilience::Resilience;
/// use fanout::{MemorySink, SinkExt};
///
/// # fn main() -> Result<(), fanout::BuildError> {
/// let sink = MemorySink::new()
///     .map_message(|message| Ok(message.clone().with_metadata("source", "shop")))
///     .inspect(|message, attempt, result| {
///         println!("{} of {}: {}", attempt.number(), message.id(), result.is_ok());
///     })
///     .resilient(Resilience::default())?;
/// # let _: &dyn fanout::Sink = &sink;
/// # Ok(())
/// # }
/// ```
pub trait SinkExt: Sink + Sized {
    /// Retries, within bounds: timeouts, a budget, a breaker, limits. See [`Resilient`].
    ///
    /// # Errors
    ///
    /// [`BuildError`] when the numbers are impossible; see [`Resilience::validate`].
    fn resilient(self, resilience: Resilience) -> Result<Resilient<Self>, BuildError> {
        Resilient::new(self, resilience)
    }

    /// Sends what `map` makes of the message.
    ///
    /// The idempotency key does not depend on what it makes. An error that it returns fails the send;
    /// nothing was attempted then, so its effect becomes [`Effect::None`].
    fn map_message<F>(self, map: F) -> MapMessage<Self, F>
    where
        F: Fn(&Message) -> Result<Message, Error> + Send + Sync,
    {
        MapMessage { sink: self, map }
    }

    /// Sends only those messages that pass `predicate`.
    ///
    /// For one that does not, the sink has nothing to do, and the send succeeds: the delivery counts as
    /// delivered, with an empty receipt whose notice says so, and with *no* attempt. So `all` holds
    /// when every sink took its messages. Under `first`, `fallback`, `hedged` and `quorum` a filtered
    /// sink would win: put the filter around the whole fan-out there.
    fn filter<P>(self, predicate: P) -> Filter<Self, P>
    where
        P: Fn(&Message) -> bool + Send + Sync,
    {
        Filter { sink: self, predicate }
    }

    /// Shows every result to `look`: inside of [`resilient`](Self::resilient) that of every attempt, outside
    /// that of the send.
    fn inspect<F>(self, look: F) -> Inspect<Self, F>
    where
        F: Fn(&Message, &Attempt, &Result<Receipt, Error>) + Send + Sync,
    {
        Inspect { sink: self, look }
    }
}

impl<S: Sink> SinkExt for S {}

/// A sink that is sent something else; made by [`SinkExt::map_message`].
#[derive(Clone)]
pub struct MapMessage<S, F> {
    sink: S,
    map: F,
}

/// A sink that is sent some messages only; made by [`SinkExt::filter`].
#[derive(Clone)]
pub struct Filter<S, P> {
    sink: S,
    predicate: P,
}

/// A sink whose results are looked at; made by [`SinkExt::inspect`].
#[derive(Clone)]
pub struct Inspect<S, F> {
    sink: S,
    look: F,
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<S, F> Sink for MapMessage<S, F>
where
    S: Sink,
    F: Fn(&Message) -> Result<Message, Error> + Send + Sync,
{
    async fn send(&self, message: &Message, attempt: &Attempt) -> Result<Receipt, Error> {
        match (self.map)(message) {
            Ok(message) => self.sink.send(&message, attempt).await,
            Err(error) => {
                attempt.take_over().stopped(StopReason::NotRetryable);
                // Nothing went out, so whatever the kind usually means cannot have happened.
                Err(error.with_effect(Effect::None))
            }
        }
    }

    fn is_available(&self) -> bool {
        self.sink.is_available()
    }

    fn is_repeatable(&self) -> bool {
        self.sink.is_repeatable()
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<S, P> Sink for Filter<S, P>
where
    S: Sink,
    P: Fn(&Message) -> bool + Send + Sync,
{
    async fn send(&self, message: &Message, attempt: &Attempt) -> Result<Receipt, Error> {
        if (self.predicate)(message) {
            return self.sink.send(message, attempt).await;
        }
        attempt.take_over();
        Ok(Receipt::new().with_notice("not sent: the message did not pass the filter"))
    }

    fn is_available(&self) -> bool {
        self.sink.is_available()
    }

    fn is_repeatable(&self) -> bool {
        self.sink.is_repeatable()
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<S, F> Sink for Inspect<S, F>
where
    S: Sink,
    F: Fn(&Message, &Attempt, &Result<Receipt, Error>) + Send + Sync,
{
    async fn send(&self, message: &Message, attempt: &Attempt) -> Result<Receipt, Error> {
        let result = self.sink.send(message, attempt).await;
        (self.look)(message, attempt, &result);
        result
    }

    fn is_available(&self) -> bool {
        self.sink.is_available()
    }

    fn is_repeatable(&self) -> bool {
        self.sink.is_repeatable()
    }
}

impl<S: fmt::Debug, F> fmt::Debug for MapMessage<S, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MapMessage").field("sink", &self.sink).finish_non_exhaustive()
    }
}

impl<S: fmt::Debug, P> fmt::Debug for Filter<S, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Filter").field("sink", &self.sink).finish_non_exhaustive()
    }
}

impl<S: fmt::Debug, F> fmt::Debug for Inspect<S, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inspect").field("sink", &self.sink).finish_non_exhaustive()
    }
}
