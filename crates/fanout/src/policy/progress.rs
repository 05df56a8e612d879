//! What a policy sees: counters, and one line per required sink.

use std::fmt;
use std::time::Duration;

use crate::{Delivery, Outcome};

use super::ledger::Counts;

/// What is known so far about one send, over its required sinks. Mirrors are no part of it.
#[derive(Clone, Copy)]
pub struct Progress<'a> {
    pub(super) deliveries: &'a [Delivery],
    pub(super) counts: Counts,
    pub(super) cursor: usize,
    pub(super) available: &'a dyn Fn(usize) -> bool,
    pub(super) elapsed: Duration,
    pub(super) last_start: Option<Duration>,
    pub(super) failed_since_start: usize,
    pub(super) last_settled: Option<usize>,
}

/// One required sink, as a policy sees it.
#[derive(Clone, Copy)]
pub struct SinkProgress<'a> {
    position: usize,
    delivery: &'a Delivery,
    available: &'a dyn Fn(usize) -> bool,
}

/// Where a sink stands.
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SinkState {
    /// Not started.
    Waiting,
    /// Started, not settled.
    InFlight,
    /// It took the message.
    Delivered,
    /// It did not.
    Failed,
    /// It will not be started, or was called off.
    Out,
}

impl<'a> Progress<'a> {
    /// Returns the number of required sinks.
    pub fn total(&self) -> usize {
        self.deliveries.len()
    }

    /// Returns how many are not started.
    pub fn waiting(&self) -> usize {
        self.counts.waiting
    }

    /// Returns how many are started and not settled.
    pub fn in_flight(&self) -> usize {
        self.counts.in_flight
    }

    /// Returns how many took the message.
    pub fn delivered(&self) -> usize {
        self.counts.delivered
    }

    /// Returns how many failed.
    pub fn failed(&self) -> usize {
        self.counts.failed
    }

    /// Returns the time since the send began.
    pub fn elapsed(&self) -> Duration {
        self.elapsed
    }

    /// Returns when a sink was last started, as time since the send began; `None` if none was yet.
    pub fn last_start(&self) -> Option<Duration> {
        self.last_start
    }

    /// Returns how many failed since a sink was last started.
    pub fn failed_since_last_start(&self) -> usize {
        self.failed_since_start
    }

    /// Returns the sink that settled last.
    pub fn last_settled(&self) -> Option<SinkProgress<'a>> {
        self.last_settled.map(|position| self.sink(position))
    }

    /// Returns the first sink that waits, in configured order.
    pub fn next_waiting(&self) -> Option<SinkProgress<'a>> {
        (self.cursor..self.total())
            .map(|position| self.sink(position))
            .find(|sink| sink.state() == SinkState::Waiting)
    }

    /// Returns the sinks in configured order. Walking all of them on every event is quadratic.
    pub fn sinks(&self) -> impl ExactSizeIterator<Item = SinkProgress<'a>> + use<'a> {
        let progress = *self;
        (0..self.total()).map(move |position| progress.sink(position))
    }

    /// Returns how many of the sinks that wait are available or already have the message. Asks each.
    pub fn available(&self) -> usize {
        self.sinks()
            .filter(|sink| match sink.state() {
                SinkState::Waiting => sink.is_available(),
                SinkState::InFlight | SinkState::Delivered => true,
                SinkState::Failed | SinkState::Out => false,
            })
            .count()
    }

    fn sink(&self, position: usize) -> SinkProgress<'a> {
        SinkProgress { position, delivery: &self.deliveries[position], available: self.available }
    }
}

impl fmt::Debug for Progress<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Progress")
            .field("counts", &self.counts)
            .field("elapsed", &self.elapsed)
            .field("last_start", &self.last_start)
            .finish_non_exhaustive()
    }
}

impl<'a> SinkProgress<'a> {
    /// Returns the position among the required sinks, from 0.
    pub fn position(&self) -> usize {
        self.position
    }

    /// Returns the name.
    pub fn name(&self) -> &'a str {
        self.delivery.sink()
    }

    /// Returns where it stands.
    pub fn state(&self) -> SinkState {
        match self.delivery.outcome() {
            Outcome::Pending if self.delivery.started.is_none() => SinkState::Waiting,
            Outcome::Pending => SinkState::InFlight,
            Outcome::Delivered(_) => SinkState::Delivered,
            Outcome::Failed(_) => SinkState::Failed,
            Outcome::Cancelled | Outcome::Skipped(_) => SinkState::Out,
        }
    }

    /// Returns the delivery so far: outcome, effect, attempts.
    pub fn delivery(&self) -> &'a Delivery {
        self.delivery
    }

    /// Returns whether a send that started now could reach it: an open circuit says no.
    pub fn is_available(&self) -> bool {
        (self.available)(self.position)
    }
}

impl fmt::Debug for SinkProgress<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SinkProgress")
            .field("name", &self.name())
            .field("state", &self.state())
            .finish_non_exhaustive()
    }
}
