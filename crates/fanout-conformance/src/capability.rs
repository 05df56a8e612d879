//! What a sink can do, declared: a case that needs more is shown as not supported.

use crate::arena::Clock;

/// Something that not every sink can do, or that not every harness can show.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Capability {
    /// The endpoint receives the payload of the message, byte for byte.
    Payload,
    /// The receipt holds the body of the answer.
    Body,
    /// The kind of an error is the kind of failure that the endpoint played. A decorator or a nested
    /// fan-out may have kinds of its own.
    Kinds,
    /// The sink ends an attempt by [`Attempt::deadline`](fanout::Attempt::deadline) itself.
    Deadline,
    /// The sink says through [`Attempt::reached`](fanout::Attempt::reached) when nothing has left yet.
    Reach,
    /// No task outlives a send that was dropped, while the sink lives. A sink that pools connections
    /// keeps a task for each; it must still leave none when it is gone.
    NoTasks,
    /// The sink writes the idempotency key of its attempts when it is made by
    /// [`Harness::keyed`](crate::Harness::keyed).
    Key,
    /// The endpoint speaks HTTP, and the sink classifies by its status codes.
    Http,
    /// The endpoint speaks gRPC, and the sink classifies by its codes.
    Grpc,
}

/// What a sink claims. A case that needs more is not run, and its result shows the reason given here.
///
/// # Examples
///
/// ```
/// use fanout_conformance::{Capabilities, Capability, Clock};
///
/// let capabilities = Capabilities::new(Clock::Real)
///     .without(Capability::Body, "the queue answers with an offset alone");
/// assert!(capabilities.reason_against(Capability::Body).is_some());
/// assert!(capabilities.reason_against(Capability::Payload).is_none());
/// ```
#[derive(Clone, Debug)]
pub struct Capabilities {
    clock: Clock,
    missing: Vec<(Capability, String)>,
}

impl Capabilities {
    /// Claims everything but [`Key`](Capability::Key), [`Http`](Capability::Http) and
    /// [`Grpc`](Capability::Grpc).
    ///
    /// [`Clock::Paused`] is right for a sink that does no I/O, and makes the suite instant;
    /// [`Clock::Real`] is right for all others.
    pub fn new(clock: Clock) -> Self {
        let missing = vec![
            (Capability::Key, "no mode in which it writes keys is claimed".to_owned()),
            (Capability::Http, "not an HTTP sink".to_owned()),
            (Capability::Grpc, "not a gRPC sink".to_owned()),
        ];
        Self { clock, missing }
    }

    /// Claims `capability`.
    #[must_use]
    pub fn with(mut self, capability: Capability) -> Self {
        self.missing.retain(|(missing, _)| *missing != capability);
        self
    }

    /// Does not claim `capability`. The reason is shown beside each case that needs it.
    #[must_use]
    pub fn without(mut self, capability: Capability, reason: impl Into<String>) -> Self {
        self = self.with(capability);
        self.missing.push((capability, reason.into()));
        self
    }

    /// Returns the clock that the cases run under.
    pub fn clock(&self) -> Clock {
        self.clock
    }

    /// Returns why `capability` is not claimed; `None` when it is.
    pub fn reason_against(&self, capability: Capability) -> Option<&str> {
        let missing = self.missing.iter().find(|(missing, _)| *missing == capability);
        missing.map(|(_, reason)| reason.as_str())
    }
}
