//! A policy driven by hand: no runtime, no clock, every order of events.

use std::time::Duration;

use crate::{Delivery, Error, Outcome, Receipt, Role, StopReason};

use super::ledger::{Ledger, Step};
use super::{FanOutPolicy, SinkState, Verdict};

/// Drives a policy through a scripted order of events with the engine's own books, without a runtime.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use fanout::policy::{Reason, Simulation, Verdict, quorum};
/// use fanout::{Error, ErrorKind};
///
/// let policy = quorum(2);
/// let mut send = Simulation::new(&policy, 3);
/// assert_eq!(send.in_flight(), [0, 1, 2]);
/// send.settle(2, Err(Error::new(ErrorKind::Rejected, "no")), Duration::from_millis(1));
/// send.settle(0, Err(Error::new(ErrorKind::Rejected, "no")), Duration::from_millis(2));
/// assert_eq!(send.verdict(), Some(Verdict::Unsatisfied(Reason::Impossible)));
/// ```
#[derive(Debug)]
pub struct Simulation<'p> {
    policy: &'p dyn FanOutPolicy,
    ledger: Ledger,
    available: Vec<bool>,
    wake: Option<Duration>,
}

impl<'p> Simulation<'p> {
    /// Begins a send to `sinks` required sinks named `"0"`, `"1"` and so on, all available.
    pub fn new(policy: &'p dyn FanOutPolicy, sinks: usize) -> Self {
        Self::with_availability(policy, &vec![true; sinks])
    }

    /// Begins a send to one required sink per entry, available or not as it says.
    pub fn with_availability(policy: &'p dyn FanOutPolicy, available: &[bool]) -> Self {
        let deliveries = (0..available.len())
            .map(|position| Delivery::waiting(position.to_string().into(), Role::Required, 0))
            .collect();
        let ledger = Ledger::new(deliveries, available.len());
        let mut send = Self { policy, ledger, available: available.to_vec(), wake: None };
        send.step(Duration::ZERO);
        send
    }

    /// Lets the sink at `position` settle at `elapsed`, and asks the policy.
    ///
    /// # Panics
    ///
    /// When that sink is not in flight.
    pub fn settle(&mut self, position: usize, result: Result<Receipt, Error>, elapsed: Duration) {
        assert!(self.in_flight().contains(&position), "sink {position} is not in flight");
        let (outcome, effect, stop) = match result {
            Ok(receipt) => {
                (Outcome::Delivered(receipt), crate::Effect::Done, StopReason::Succeeded)
            }
            Err(error) => {
                let effect = error.effect();
                (Outcome::Failed(error), effect, StopReason::AttemptsExhausted)
            }
        };
        self.ledger.settle(position, outcome, effect, stop, elapsed);
        self.step(elapsed);
    }

    /// Lets the time come to `elapsed` without an event, and asks the policy if it wanted that.
    pub fn wake(&mut self, elapsed: Duration) {
        if self.wake.is_some_and(|wake| wake <= elapsed) {
            self.step(elapsed);
        }
    }

    /// Returns when the policy wants to be asked again without an event.
    pub fn next_wake(&self) -> Option<Duration> {
        self.wake
    }

    /// Returns the positions that are in flight, in configured order.
    pub fn in_flight(&self) -> Vec<usize> {
        self.positions(SinkState::InFlight)
    }

    /// Returns the positions that were never started, in configured order.
    pub fn never_started(&self) -> Vec<usize> {
        let deliveries = self.ledger.deliveries().iter().enumerate();
        deliveries.filter(|(_, d)| d.started().is_none()).map(|(position, _)| position).collect()
    }

    /// Returns the verdict, once there is one.
    pub fn verdict(&self) -> Option<Verdict> {
        self.ledger.verdict()
    }

    /// Returns the deliveries so far.
    pub fn deliveries(&self) -> &[Delivery] {
        self.ledger.deliveries()
    }

    fn positions(&self, state: SinkState) -> Vec<usize> {
        let progress = self.ledger.progress(Duration::ZERO, &|_| true);
        progress.sinks().filter(|s| s.state() == state).map(|s| s.position()).collect()
    }

    fn step(&mut self, elapsed: Duration) {
        let available = |position: usize| self.available[position];
        self.wake = match self.ledger.step(self.policy, elapsed, &available, |_, _| {}) {
            Step::Wait(wake) => wake,
            Step::Decided(_) => None,
        };
    }
}
