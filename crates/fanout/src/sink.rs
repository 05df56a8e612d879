//! The destination trait, and a sink made of a closure.

use std::future::Future;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::future::BoxFuture;

use crate::{Attempt, Error, Message, Receipt};

/// A destination that accepts one message at a time.
///
/// It is not `futures::Sink`: that one is a buffered stream's end with readiness and flushing; this one
/// answers every message with a [`Receipt`] or a classified [`Error`].
///
/// # Contract
///
/// - **Concurrent**: `send` may be called any number of times at once, from any task.
/// - **One call, one attempt**: no hidden retries. Retrying is a layer's work, which can then count.
/// - **Classified**: every failure has the kind, the effect and the advice that are true of it. When in
///   doubt about the effect, it is [`Effect::Maybe`](crate::Effect::Maybe).
/// - **Dropping the future abandons the attempt**: no background work is left behind, and a permit,
///   lease or connection that the attempt held is given back. Whether the destination applied the
///   message is then what [`Attempt::reached`] was told, or `Maybe`.
/// - **The deadline is kept**: the attempt ends by [`Attempt::deadline`], if there is one.
/// - **Order is not promised** among messages that are sent concurrently.
/// - **Offline construction**: making a sink does no I/O.
/// - **No secrets** in errors, receipts or `Debug`.
///
/// The `fanout-conformance` crate holds a case for each of these.
///
/// # Examples
///
/// ```
/// use fanout::{Attempt, Error, Message, Receipt, Sink, async_trait};
///
/// /// Prints what it is sent.
/// struct Console;
///
/// #[async_trait]
/// impl Sink for Console {
///     async fn send(&self, message: &Message, attempt: &Attempt) -> Result<Receipt, Error> {
///         println!("{}: {} bytes", attempt.sink(), message.payload().len());
///         Ok(Receipt::new())
///     }
/// }
/// ```
#[async_trait]
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a sink",
    note = "implement `fanout::Sink` with `#[fanout::async_trait]`, or wrap a closure with `fanout::sink_fn`"
)]
pub trait Sink: Send + Sync {
    /// Makes one attempt to deliver `message`.
    ///
    /// # Errors
    ///
    /// Every failure, classified: [`Error`] says what kind it was, whether the message could have been
    /// applied, and what may be tried next.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future abandons the attempt. See the contract of the trait.
    async fn send(&self, message: &Message, attempt: &Attempt) -> Result<Receipt, Error>;

    /// Returns whether a send that started now could reach the destination: an open circuit says no.
    ///
    /// Does no I/O and does not block. Default: true.
    fn is_available(&self) -> bool {
        true
    }

    /// Returns whether offering the same message again after [`Effect::Maybe`](crate::Effect::Maybe)
    /// is harmless.
    ///
    /// Default: false, the careful answer.
    fn is_repeatable(&self) -> bool {
        false
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<S: Sink + ?Sized> Sink for Arc<S> {
    // Written out as the macro would, so that the inner future is passed on and not boxed again.
    fn send<'s, 'm, 'a, 'f>(
        &'s self,
        message: &'m Message,
        attempt: &'a Attempt,
    ) -> BoxFuture<'f, Result<Receipt, Error>>
    where
        's: 'f,
        'm: 'f,
        'a: 'f,
        Self: 'f,
    {
        (**self).send(message, attempt)
    }

    fn is_available(&self) -> bool {
        (**self).is_available()
    }

    fn is_repeatable(&self) -> bool {
        (**self).is_repeatable()
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<S: Sink + ?Sized> Sink for Box<S> {
    // Written out as the macro would, so that the inner future is passed on and not boxed again.
    fn send<'s, 'm, 'a, 'f>(
        &'s self,
        message: &'m Message,
        attempt: &'a Attempt,
    ) -> BoxFuture<'f, Result<Receipt, Error>>
    where
        's: 'f,
        'm: 'f,
        'a: 'f,
        Self: 'f,
    {
        (**self).send(message, attempt)
    }

    fn is_available(&self) -> bool {
        (**self).is_available()
    }

    fn is_repeatable(&self) -> bool {
        (**self).is_repeatable()
    }
}

/// Makes a sink of a closure.
///
/// The closure gets the message and the attempt as its own: clones of either are cheap.
///
/// # Examples
///
/// ```
/// use fanout::{Receipt, sink_fn};
///
/// let sink = sink_fn(|message, _attempt| async move {
///     Ok(Receipt::new().with_body(message.payload().clone()))
/// });
/// # let _: &dyn fanout::Sink = &sink;
/// ```
pub fn sink_fn<F, Fut>(send: F) -> SinkFn<F>
where
    F: Fn(Message, Attempt) -> Fut + Send + Sync,
    Fut: Future<Output = Result<Receipt, Error>> + Send,
{
    SinkFn { send }
}

/// A sink made of a closure by [`sink_fn`].
#[derive(Clone, Copy)]
pub struct SinkFn<F> {
    send: F,
}

#[async_trait]
impl<F, Fut> Sink for SinkFn<F>
where
    F: Fn(Message, Attempt) -> Fut + Send + Sync,
    Fut: Future<Output = Result<Receipt, Error>> + Send,
{
    async fn send(&self, message: &Message, attempt: &Attempt) -> Result<Receipt, Error> {
        (self.send)(message.clone(), attempt.clone()).await
    }
}

impl<F> std::fmt::Debug for SinkFn<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SinkFn").finish_non_exhaustive()
    }
}
