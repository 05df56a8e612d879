//! Steps in order, each built from the answers before it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::dispatch::Messages;
use crate::fan_out::{BuildMessage, FanOut, FanOutBuilder, into_sink_result};
use crate::policy::sequential;
use crate::{Attempt, BuildError, Delivery, Error, Message, Receipt, Report, Role, Sink};

/// Sinks in order, each step's message built from the receipts before it: authenticate, then send the
/// user's data with the token that came back.
///
/// Ends at the first step that fails; what comes after is skipped. A chain is itself a [`Sink`], so it
/// can be one destination of a fan-out; its receipt is that of the last step, with the report of all
/// steps behind [`Receipt::report`].
///
/// # Examples
///
/// ```
/// use fanout::{Chain, MemorySink, Message};
/// use serde_json::{Value, json};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let login = MemorySink::answering(br#"{"token":"t-17"}"#);
/// let users = MemorySink::new();
/// let chain = Chain::builder()
///     .step_with("login", login, |_| Message::json(&json!({ "user": "ada", "password": "…" })))
///     .step_with("users", users.clone(), |so_far| {
///         let answer: Value = so_far.receipt().json()?;
///         let token = answer["token"].as_str().unwrap_or_default();
///         Ok(so_far.message().clone().with_metadata("authorization", format!("Bearer {token}")))
///     })
///     .build()?;
///
/// let report = chain.send(Message::json(&json!({ "city": "London" }))?).await;
/// assert!(report.is_satisfied());
/// assert_eq!(users.received()[0].metadata().get("authorization"), Some("Bearer t-17"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Chain(FanOut);

/// Builds a [`Chain`].
#[derive(Debug)]
#[must_use = "a builder does nothing until it is built"]
pub struct ChainBuilder(FanOutBuilder);

/// What a step knows when it builds its message: the message of the chain and the receipts so far.
#[derive(Clone, Copy)]
pub struct SoFar<'a> {
    message: &'a Message,
    deliveries: &'a [Delivery],
    position: usize,
}

impl Chain {
    /// Begins a chain.
    pub fn builder() -> ChainBuilder {
        ChainBuilder(FanOut::builder(sequential()))
    }

    /// Goes through the steps, and reports what happened at each.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the step that is in flight; the next ones never start.
    ///
    /// # Panics
    ///
    /// When it has to wait and there is no tokio runtime with time enabled.
    #[must_use = "the report says which sinks did not get the message"]
    pub async fn send(&self, message: impl Into<Message>) -> Report {
        self.0.send(message).await
    }
}

#[async_trait]
impl Sink for Chain {
    /// Goes through the steps. The receipt is that of the last step; a failure is of kind
    /// [`Unsatisfied`](crate::ErrorKind::Unsatisfied), with effect `Done` once a step was delivered.
    async fn send(&self, message: &Message, attempt: &Attempt) -> Result<Receipt, Error> {
        let messages = Messages::Same(message.clone());
        let report = self.0.dispatch(messages, Some(attempt.clone()), None).await;
        into_sink_result(report, |report| report.deliveries().last()?.receipt())
    }

    fn is_available(&self) -> bool {
        self.0.is_first_available()
    }

    fn is_repeatable(&self) -> bool {
        self.0.is_repeatable()
    }
}

impl ChainBuilder {
    /// Adds a step that sends the message of the chain as it is.
    pub fn step(self, name: impl Into<Arc<str>>, sink: impl Sink + 'static) -> Self {
        self.add(name.into(), Arc::new(sink), None)
    }

    /// Adds a step that sends the message that `build` makes.
    ///
    /// It is asked when the step before was delivered. An error that it returns, and a panic, fails
    /// the step, and nothing is sent.
    pub fn step_with(
        self,
        name: impl Into<Arc<str>>,
        sink: impl Sink + 'static,
        build: impl Fn(&SoFar<'_>) -> Result<Message, Error> + Send + Sync + 'static,
    ) -> Self {
        self.add(name.into(), Arc::new(sink), Some(Box::new(build)))
    }

    /// Sets the name of the chain, for reports, logs and metrics. Default: none.
    pub fn name(self, name: impl Into<Arc<str>>) -> Self {
        Self(self.0.name(name))
    }

    /// Sets the longest time all steps together may take. Default: 35 s.
    pub fn deadline(self, deadline: Duration) -> Self {
        Self(self.0.deadline(deadline))
    }

    /// Lifts the deadline.
    pub fn no_deadline(self) -> Self {
        Self(self.0.no_deadline())
    }

    /// Checks everything and builds the chain. Does no I/O.
    ///
    /// # Errors
    ///
    /// [`BuildError`] when there is no step, a name is empty or used twice, or the deadline is zero.
    pub fn build(self) -> Result<Chain, BuildError> {
        self.0.build().map(Chain)
    }

    fn add(self, name: Arc<str>, sink: Arc<dyn Sink>, build: Option<BuildMessage>) -> Self {
        Self(self.0.entry(name, Role::Required, sink, build))
    }
}

impl<'a> SoFar<'a> {
    pub(crate) fn new(message: &'a Message, deliveries: &'a [Delivery], position: usize) -> Self {
        Self { message, deliveries, position }
    }

    /// Returns the message that the chain was sent.
    pub fn message(&self) -> &'a Message {
        self.message
    }

    /// Returns the receipt of the step before this one; for the first step, an empty receipt.
    pub fn receipt(&self) -> &'a Receipt {
        static NONE: std::sync::LazyLock<Receipt> = std::sync::LazyLock::new(Receipt::new);
        let before = self.position.checked_sub(1);
        before.and_then(|position| self.deliveries[position].receipt()).unwrap_or(&NONE)
    }

    /// Returns the receipt of the step `name`, if it was delivered.
    pub fn get(&self, name: &str) -> Option<&'a Receipt> {
        self.deliveries.iter().find(|delivery| delivery.sink() == name)?.receipt()
    }
}

impl fmt::Debug for SoFar<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SoFar").field("message", self.message).finish_non_exhaustive()
    }
}
