//! The fan-out: named sinks, a policy, a deadline, and the calls that send.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::background::Background;
use crate::dispatch::{Messages, Order, dispatch};
use crate::fence::fenced;
use crate::policy::{FanOutPolicy, Rest};
use crate::report::Late;
use crate::{
    Attempt, BuildError, Delivery, Effect, Error, ErrorKind, Message, Outcome, Receipt, Report,
    RetryAdvice, Role, Sink, SkipReason, SoFar,
};

/// Named sinks and the policy that says when a send to them is settled.
///
/// A handle: clones are cheap and share the sinks and the sends that were detached. It is itself a
/// [`Sink`], so fan-outs nest.
///
/// Needs a tokio runtime with time enabled where it waits.
///
/// # Examples
///
/// ```
/// use fanout::{FanOut, MemorySink, Message, policy};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let billing = MemorySink::new();
/// let audit = MemorySink::new();
/// let orders = FanOut::builder(policy::all())
///     .sink("billing", billing.clone())
///     .sink("audit", audit.clone())
///     .build()?;
///
/// let report = orders.send(Message::json(&serde_json::json!({ "order": 17 }))?).await;
/// assert!(report.is_satisfied());
/// assert_eq!(billing.received().len() + audit.received().len(), 2);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct FanOut(Arc<Plan>);

/// Builds a [`FanOut`].
#[must_use = "a builder does nothing until it is built"]
pub struct FanOutBuilder {
    policy: Box<dyn FanOutPolicy>,
    name: Option<Arc<str>>,
    rest: Option<Rest>,
    deadline: Option<Duration>,
    entries: Vec<Entry>,
}

/// Everything that is the same for every send. Required sinks come first, mirrors behind them.
pub(crate) struct Plan {
    pub(crate) name: Option<Arc<str>>,
    pub(crate) policy: Box<dyn FanOutPolicy>,
    pub(crate) rest: Rest,
    pub(crate) deadline: Option<Duration>,
    pub(crate) entries: Vec<Entry>,
    pub(crate) required: usize,
    pub(crate) background: Arc<Background>,
    /// Where each entry stands in the configured order; `None` when that is the order of the entries.
    configured: Option<Vec<usize>>,
}

/// A sink with its name and its role.
pub(crate) struct Entry {
    pub(crate) name: Arc<str>,
    pub(crate) role: Role,
    pub(crate) sink: Arc<dyn Sink>,
    /// How a step of a chain makes its message; `None`: the message as it is.
    pub(crate) build: Option<BuildMessage>,
    places: Option<Arc<Semaphore>>,
}

pub(crate) type BuildMessage = Box<dyn Fn(&SoFar<'_>) -> Result<Message, Error> + Send + Sync>;

/// What an earlier send of the same message left.
struct Earlier {
    /// In the plan's order.
    deliveries: Vec<Delivery>,
    /// The mirrors that still go on, each with its place in the report.
    mirrors: Vec<(usize, Delivery)>,
    /// Where those will be told.
    detached: Vec<Late>,
}

impl FanOut {
    /// Begins a fan-out under `policy`.
    pub fn builder(policy: impl FanOutPolicy + 'static) -> FanOutBuilder {
        FanOutBuilder {
            policy: Box::new(policy),
            name: None,
            rest: None,
            deadline: Some(DEADLINE),
            entries: Vec::new(),
        }
    }

    /// Sends `message` to the sinks, and reports what happened at each.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops every delivery in flight and leaves no task behind. Sinks that were
    /// written to may still apply the message.
    ///
    /// # Panics
    ///
    /// When it has to wait and there is no tokio runtime with time enabled.
    #[must_use = "the report says which sinks did not get the message"]
    pub async fn send(&self, message: impl Into<Message>) -> Report {
        self.dispatch(Messages::Same(message.into()), None, None).await
    }

    /// Sends each required sink its own message. Mirrors get none, and are skipped.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Build`] when the names are not exactly those of the required sinks, each once.
    /// Nothing was sent then.
    ///
    /// # Cancel safety
    ///
    /// As for [`send`](Self::send).
    ///
    /// # Panics
    ///
    /// As for [`send`](Self::send).
    ///
    /// # Examples
    ///
    /// ```
    /// # use fanout::{FanOut, MemorySink, Message, policy};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sign_up = FanOut::builder(policy::all())
    /// #     .sink("auth", MemorySink::new()).sink("profile", MemorySink::new()).build()?;
    /// let report = sign_up
    ///     .send_each([
    ///         ("auth", Message::json(&serde_json::json!({ "user": "ada", "password": "…" }))?),
    ///         ("profile", Message::json(&serde_json::json!({ "user": "ada", "city": "London" }))?),
    ///     ])
    ///     .await?;
    /// # assert!(report.is_satisfied());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn send_each<N: AsRef<str>>(
        &self,
        messages: impl IntoIterator<Item = (N, Message)>,
    ) -> Result<Report, Error> {
        let messages = self.0.assign(messages)?;
        Ok(self.dispatch(Messages::Each(messages), None, None).await)
    }

    /// Sends `message` again to the sinks that do not have it, and to no other.
    ///
    /// `report` is what an earlier send of the same message to this fan-out gave. What was delivered
    /// then, or is known to be applied, stays as it is and counts for the policy; mirrors stay as they
    /// are. Every sink that is started gets the idempotency key that it had before, and its effect is
    /// the worst over both sends.
    ///
    /// [`Report::resend`] tells beforehand which sinks may have the message already: sending to those
    /// again is safe when they honour the key, or when applying the message twice is harmless.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Build`] when the report is of another message or other sinks, when each sink got its
    /// own message ([`send_each`](Self::send_each)), or when a required sink is still being sent to
    /// ([`Report::settled`] waits for it). Nothing was sent then.
    ///
    /// # Cancel safety
    ///
    /// As for [`send`](Self::send).
    ///
    /// # Panics
    ///
    /// As for [`send`](Self::send).
    pub async fn resend(
        &self,
        message: impl Into<Message>,
        report: Report,
    ) -> Result<Report, Error> {
        let message = message.into();
        let Earlier { deliveries, mirrors, detached } = self.0.left_over(&message, report)?;
        let mut report = self.dispatch(Messages::Same(message), None, Some(deliveries)).await;
        for (index, mirror) in mirrors {
            report.deliveries[index] = mirror;
        }
        report.detached.extend(detached);
        Ok(report)
    }

    /// Stops taking messages, waits up to `grace` for the sends that were detached, cuts those that
    /// are left, and returns how many deliveries were cut, by this call and those before it.
    ///
    /// Fan-outs and chains among the sinks are not shut down with it. A send that comes later is reported with every sink skipped. Sends whose callers still wait are
    /// their callers' own: they go on, and what they would detach after the grace is cut at once. The
    /// usual grace is 20 s.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the fan-out closed and the detached sends running; call it again to
    /// go on waiting.
    pub async fn shutdown(&self, grace: Duration) -> usize {
        self.0.background.shutdown(grace).await
    }

    /// Returns the name, if one was given.
    pub fn name(&self) -> Option<&str> {
        self.0.name.as_deref()
    }

    /// Returns the names of the sinks in configured order, mirrors included.
    pub fn sinks(&self) -> Vec<&str> {
        let mut names = vec![""; self.0.entries.len()];
        for (position, entry) in self.0.entries.iter().enumerate() {
            names[self.0.configured(position)] = &entry.name;
        }
        names
    }

    /// Returns how many sends are detached now, at most 1,024 and those with mirrors alone.
    pub fn detached(&self) -> usize {
        self.0.background.len()
    }

    /// Returns how many sends drained because 1,024 were detached already.
    pub fn detach_overflows(&self) -> u64 {
        self.0.background.overflowed()
    }

    pub(crate) fn is_first_available(&self) -> bool {
        !self.0.background.is_closed() && self.0.entries[0].is_available()
    }

    pub(crate) fn dispatch(
        &self,
        messages: Messages,
        parent: Option<Attempt>,
        earlier: Option<Vec<Delivery>>,
    ) -> impl Future<Output = Report> + Send + use<> {
        self.dispatch_order(Order { messages, parent, earlier, all_first: false, will: None })
    }

    pub(crate) fn dispatch_order(
        &self,
        order: Order,
    ) -> impl Future<Output = Report> + Send + use<> {
        dispatch(Arc::clone(&self.0), order)
    }

    pub(crate) fn plan(&self) -> &Plan {
        &self.0
    }
}

#[async_trait]
impl Sink for FanOut {
    /// Sends to the inner sinks. The receipt or the error carries the inner
    /// [`Report`](Receipt::report).
    ///
    /// The receipt is that of the inner sink when exactly one took the message. A failure is of kind
    /// [`ErrorKind::Unsatisfied`]; its effect is the worst over the inner sinks (a delivered one counts
    /// as `Done`), and its advice is `Never` unless nothing at all could have been applied.
    async fn send(&self, message: &Message, attempt: &Attempt) -> Result<Receipt, Error> {
        let messages = Messages::Same(message.clone());
        let report = self.dispatch(messages, Some(attempt.clone()), None).await;
        into_sink_result(report, Report::only_receipt)
    }

    fn is_available(&self) -> bool {
        let mut required = self.0.entries[..self.0.required].iter();
        !self.0.background.is_closed() && required.any(Entry::is_available)
    }

    fn is_repeatable(&self) -> bool {
        self.0.entries[..self.0.required].iter().all(|entry| entry.sink.is_repeatable())
    }
}

/// What a report means to the fan-out around. `answer` picks the inner receipt that speaks for all.
pub(crate) fn into_sink_result(
    report: Report,
    answer: impl FnOnce(&Report) -> Option<&Receipt>,
) -> Result<Receipt, Error> {
    if report.is_satisfied() {
        let mut receipt = Receipt::new();
        if let Some(inner) = answer(&report) {
            receipt = receipt
                .with_metadata(inner.metadata().clone())
                .with_body(inner.body().clone())
                .with_body_state(inner.body_state());
            if let Some(status) = inner.status() {
                receipt = receipt.with_status(status.clone());
            }
            if let Some(api) = inner.api() {
                receipt = receipt.with_api(api.clone());
            }
            for notice in inner.notices() {
                receipt = receipt.with_notice(notice.to_owned());
            }
        }
        if report.required().filter_map(Delivery::receipt).any(Receipt::is_accepted) {
            receipt = receipt.with_accepted();
        }
        return Ok(receipt.with_report(report));
    }
    let effect = report.effect();
    let advice = match report.headline() {
        _ if effect != Effect::None => RetryAdvice::Never,
        Some(error) => error.advice(),
        None => RetryAdvice::OtherSink,
    };
    let mut message = format!("the inner {} did not hold, {}", report.policy(), report.verdict());
    // The refusal's own words stay in the inner report.
    let failed = report.required().find_map(|delivery| Some((delivery.sink(), delivery.error()?)));
    if let Some((sink, error)) = failed {
        message = format!("{message}; {sink}: {}", error.to_chain());
    }
    Err(Error::new(ErrorKind::Unsatisfied, message)
        .with_effect(effect)
        .with_advice(advice)
        .with_report(report))
}

impl fmt::Debug for FanOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FanOut")
            .field("name", &self.0.name)
            .field("policy", &self.0.policy)
            .field("sinks", &self.sinks())
            .field("rest", &self.0.rest)
            .field("deadline", &self.0.deadline)
            .finish_non_exhaustive()
    }
}

impl FanOutBuilder {
    /// Adds a sink that counts for the verdict. The name is what reports, logs and metrics say.
    pub fn sink(self, name: impl Into<Arc<str>>, sink: impl Sink + 'static) -> Self {
        self.entry(name.into(), Role::Required, Arc::new(sink), None)
    }

    /// Adds a sink that is sent a copy, and can never matter to the verdict or its time.
    ///
    /// It starts with the first sink, has 5 s, and goes on by itself when it is still running at the
    /// verdict. It is sent to once: a [`Resilient`](crate::resilience::Resilient) sink does not retry here,
    /// whatever its settings say. While 100 sends to it are running, further ones fail as [`ErrorKind::QueueFull`].
    pub fn mirror(self, name: impl Into<Arc<str>>, sink: impl Sink + 'static) -> Self {
        self.entry(name.into(), Role::Mirror, Arc::new(sink), None)
    }

    /// Sets the name of the fan-out, for reports, logs and metrics. Default: none.
    pub fn name(mut self, name: impl Into<Arc<str>>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Sets the longest time a send may take, whatever its policy and its rest. Default: 35 s.
    ///
    /// When it has passed, what is in flight has failed with a timeout and what waits is skipped.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// Lifts the deadline: a send may then take as long as its sinks do.
    pub fn no_deadline(mut self) -> Self {
        self.deadline = None;
        self
    }

    /// Sets what becomes of sends that are in flight at the verdict. Default: what the policy says.
    pub fn rest(mut self, rest: Rest) -> Self {
        self.rest = Some(rest);
        self
    }

    /// Checks everything and builds the fan-out. Does no I/O.
    ///
    /// # Errors
    ///
    /// [`BuildError`] when there is no required sink, a name is empty or used twice, the deadline is
    /// zero, or the policy cannot work with this many sinks.
    pub fn build(self) -> Result<FanOut, BuildError> {
        let mut names = HashSet::new();
        for entry in &self.entries {
            if entry.name.trim().is_empty() || entry.name.contains(char::is_control) {
                return Err(BuildError::BadName { name: entry.name.to_string() });
            }
            if !names.insert(Arc::clone(&entry.name)) {
                return Err(BuildError::DuplicateName { name: entry.name.to_string() });
            }
        }
        if self.deadline == Some(Duration::ZERO) {
            return Err(BuildError::ZeroDuration { setting: "the deadline" });
        }
        let mut entries: Vec<_> = self.entries.into_iter().enumerate().collect();
        entries.sort_by_key(|(_, entry)| entry.role == Role::Mirror);
        let required = entries.iter().filter(|(_, entry)| entry.role == Role::Required).count();
        if required == 0 {
            return Err(BuildError::NoRequiredSinks);
        }
        self.policy.validate(required)?;
        let moved = entries.iter().enumerate().any(|(position, (index, _))| position != *index);
        let configured = moved.then(|| entries.iter().map(|(index, _)| *index).collect());
        Ok(FanOut(Arc::new(Plan {
            name: self.name,
            rest: self.rest.unwrap_or_else(|| self.policy.rest()),
            policy: self.policy,
            deadline: self.deadline,
            entries: entries.into_iter().map(|(_, entry)| entry).collect(),
            required,
            background: Arc::default(),
            configured,
        })))
    }

    pub(crate) fn entry(
        mut self,
        name: Arc<str>,
        role: Role,
        sink: Arc<dyn Sink>,
        build: Option<BuildMessage>,
    ) -> Self {
        let places = (role == Role::Mirror).then(|| Arc::new(Semaphore::new(MIRROR_PLACES)));
        self.entries.push(Entry { name, role, sink, build, places });
        self
    }
}

impl fmt::Debug for FanOutBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.entries.iter().map(|entry| &entry.name).collect();
        f.debug_struct("FanOutBuilder")
            .field("policy", &self.policy)
            .field("sinks", &names)
            .finish_non_exhaustive()
    }
}

impl Plan {
    /// Where the entry at `position` stands in the configured order.
    pub(crate) fn configured(&self, position: usize) -> usize {
        self.configured.as_ref().map_or(position, |configured| configured[position])
    }

    pub(crate) fn to_configured_order(&self, deliveries: &mut Vec<Delivery>) {
        let Some(configured) = &self.configured else {
            return;
        };
        let mut placed: Vec<_> = configured.iter().copied().zip(deliveries.drain(..)).collect();
        placed.sort_by_key(|(index, _)| *index);
        deliveries.extend(placed.into_iter().map(|(_, delivery)| delivery));
    }

    /// Gives each required entry its message.
    fn assign<N: AsRef<str>>(
        &self,
        messages: impl IntoIterator<Item = (N, Message)>,
    ) -> Result<Vec<Option<Message>>, Error> {
        let refuse = |what: &'static str, name: &str| {
            Error::new(ErrorKind::Build, what).with_context("sink", name)
        };
        let entries = self.entries.iter().enumerate();
        let positions: HashMap<_, _> =
            entries.map(|(position, entry)| (&*entry.name, position)).collect();
        let mut assigned: Vec<Option<Message>> = vec![None; self.entries.len()];
        for (name, message) in messages {
            let name = name.as_ref();
            let position = positions.get(name).copied();
            let position = position.ok_or_else(|| refuse("there is no sink of this name", name))?;
            if self.entries[position].role == Role::Mirror {
                return Err(refuse("a mirror gets no message of its own", name));
            }
            if assigned[position].replace(message).is_some() {
                return Err(refuse("two messages were given for this sink", name));
            }
        }
        let missing = assigned[..self.required].iter().position(Option::is_none);
        match missing {
            Some(position) => {
                Err(refuse("no message was given for this sink", &self.entries[position].name))
            }
            None => Ok(assigned),
        }
    }

    /// Makes the deliveries of a resend out of the report of the send before.
    fn left_over(&self, message: &Message, report: Report) -> Result<Earlier, Error> {
        let refuse = |what: &'static str| Error::new(ErrorKind::Build, what);
        if report.message_id() != message.id() {
            return Err(refuse("the report is of another message")
                .with_context("message", message.id().to_string())
                .with_context("report", report.message_id().to_string()));
        }
        if report.own_messages {
            // One of them, for all: some sink would get what was meant for another.
            return Err(refuse("each sink got a message of its own"));
        }
        if let Some(more) = report.deliveries.get(self.entries.len()) {
            return Err(refuse("the report is of other sinks").with_context("sink", more.sink()));
        }
        let mut earlier: Vec<_> = report.deliveries.into_iter().map(Some).collect();
        let mut deliveries = Vec::with_capacity(self.entries.len());
        let mut mirrors = Vec::new();
        for (position, entry) in self.entries.iter().enumerate() {
            let index = self.configured(position);
            let delivery = earlier
                .get_mut(index)
                .and_then(Option::take)
                .filter(|delivery| delivery.sink == entry.name && delivery.role == entry.role)
                .ok_or_else(|| {
                    refuse("the report is of other sinks").with_context("sink", &*entry.name)
                })?;
            deliveries.push(match delivery.outcome {
                Outcome::Pending if delivery.role == Role::Mirror => {
                    // It goes on as the mirror of the earlier send, and is no business of this one.
                    let mut place = delivery.stub();
                    place.outcome = Outcome::Skipped(SkipReason::NotNeeded);
                    mirrors.push((index, delivery));
                    place
                }
                _ if delivery.role == Role::Mirror || delivery.effect == Effect::Done => delivery,
                Outcome::Pending => {
                    return Err(refuse("a send still goes on; wait for `Report::settled` first")
                        .with_context("sink", &*entry.name));
                }
                _ => {
                    let mut again = delivery.stub();
                    again.effect = delivery.effect;
                    again
                }
            });
        }
        Ok(Earlier { deliveries, mirrors, detached: report.detached })
    }
}

impl Entry {
    /// Whether the sink says that it can be reached. One that panics over the question cannot.
    pub(crate) fn is_available(&self) -> bool {
        fenced(|| self.sink.is_available()).unwrap_or(false)
    }

    /// Takes a place among the sends that run to this mirror.
    pub(crate) fn mirror_permit(&self) -> Result<OwnedSemaphorePermit, Error> {
        let places = self.places.as_ref().expect("a mirror has places");
        Arc::clone(places).try_acquire_owned().map_err(|_| {
            Error::new(ErrorKind::QueueFull, "100 sends to this mirror are running already")
        })
    }
}

/// A send must always have one finite end.
const DEADLINE: Duration = Duration::from_secs(35);

/// How many sends to one mirror may run at once.
const MIRROR_PLACES: usize = 100;
