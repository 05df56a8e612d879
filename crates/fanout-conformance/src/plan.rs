//! A fan-out as the engine cases want it, and the engine that builds and runs it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use fanout::policy::{FanOutPolicy, Rest};
use fanout::{BuildError, Error, FanOut, Message, Report, Role, Sink, async_trait};

/// What an engine case wants to be built.
#[non_exhaustive]
pub struct Plan {
    /// The policy.
    pub policy: Arc<dyn FanOutPolicy>,
    /// The sinks, in configured order.
    pub sinks: Vec<PlannedSink>,
    /// What becomes of sends in flight at the verdict; `None`: what the policy says.
    pub rest: Option<Rest>,
    /// The deadline of a send; `None`: the engine's own.
    pub deadline: Option<Duration>,
}

/// One sink of a [`Plan`].
#[derive(Clone)]
#[non_exhaustive]
pub struct PlannedSink {
    /// The name.
    pub name: &'static str,
    /// The role.
    pub role: Role,
    /// The sink.
    pub sink: Arc<dyn Sink>,
}

/// A fan-out as the engine cases drive it. [`FanOut`] is one; what gets in its way can be judged too.
#[async_trait]
pub trait Engine: Send + Sync {
    /// Returns the fan-out inside.
    fn fan_out(&self) -> &FanOut;

    /// Sends `message`. Default: as [`FanOut::send`].
    async fn send(&self, message: Message) -> Report {
        self.fan_out().send(message).await
    }

    /// Sends each sink its own message. Default: as [`FanOut::send_each`].
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Build`](fanout::ErrorKind::Build) when the names are not those of the sinks.
    async fn send_each(&self, messages: Vec<(&'static str, Message)>) -> Result<Report, Error> {
        self.fan_out().send_each(messages).await
    }

    /// Sends again what `report` says is missing. Default: as [`FanOut::resend`].
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Build`](fanout::ErrorKind::Build) when the report is of another message.
    async fn resend(&self, message: Message, report: Report) -> Result<Report, Error> {
        self.fan_out().resend(message, report).await
    }

    /// Shuts down, and returns how many deliveries were cut. Default: as [`FanOut::shutdown`].
    async fn shutdown(&self, grace: Duration) -> usize {
        self.fan_out().shutdown(grace).await
    }

    /// Returns how many sends are detached now. Default: as [`FanOut::detached`].
    fn detached(&self) -> usize {
        self.fan_out().detached()
    }

    /// Returns how many sends drained because too many were detached. Default: as
    /// [`FanOut::detach_overflows`].
    fn detach_overflows(&self) -> u64 {
        self.fan_out().detach_overflows()
    }
}

impl Engine for FanOut {
    fn fan_out(&self) -> &FanOut {
        self
    }
}

impl Plan {
    pub(crate) fn new(policy: impl FanOutPolicy + 'static) -> Self {
        Self { policy: Arc::new(policy), sinks: Vec::new(), rest: None, deadline: None }
    }

    pub(crate) fn sink(self, name: &'static str, sink: impl Sink + 'static) -> Self {
        self.add(name, Role::Required, Arc::new(sink))
    }

    pub(crate) fn mirror(self, name: &'static str, sink: impl Sink + 'static) -> Self {
        self.add(name, Role::Mirror, Arc::new(sink))
    }

    pub(crate) fn rest(mut self, rest: Rest) -> Self {
        self.rest = Some(rest);
        self
    }

    pub(crate) fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
        self
    }

    fn add(mut self, name: &'static str, role: Role, sink: Arc<dyn Sink>) -> Self {
        self.sinks.push(PlannedSink { name, role, sink });
        self
    }

    /// Builds what the plan says, as a [`FanOut`].
    ///
    /// # Errors
    ///
    /// As [`FanOutBuilder::build`](fanout::FanOutBuilder::build).
    pub fn build(self) -> Result<FanOut, BuildError> {
        let mut builder = FanOut::builder(self.policy);
        for PlannedSink { name, role, sink } in self.sinks {
            builder = match role {
                Role::Mirror => builder.mirror(name, sink),
                _ => builder.sink(name, sink),
            };
        }
        if let Some(rest) = self.rest {
            builder = builder.rest(rest);
        }
        if let Some(deadline) = self.deadline {
            builder = builder.deadline(deadline);
        }
        builder.build()
    }
}

impl fmt::Debug for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plan")
            .field("policy", &self.policy)
            .field("sinks", &self.sinks)
            .field("rest", &self.rest)
            .field("deadline", &self.deadline)
            .finish()
    }
}

impl fmt::Debug for PlannedSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PlannedSink")
            .field("name", &self.name)
            .field("role", &self.role)
            .finish_non_exhaustive()
    }
}
