//! The pure half of the engine: who started, who settled, what the policy says to it.

use std::time::Duration;

use crate::{Delivery, Effect, Outcome, SkipReason, StopReason};

use super::{Decision, FanOutPolicy, Progress, Reason, Start, Verdict};

/// The books of one send. Required sinks come first, mirrors behind them.
///
/// The verdict is written once; after it nothing starts.
#[derive(Debug)]
pub(crate) struct Ledger {
    deliveries: Vec<Delivery>,
    required: usize,
    counts: Counts,
    cursor: usize,
    last_start: Option<Duration>,
    failed_since_start: usize,
    last_settled: Option<usize>,
    settled: u32,
    verdict: Option<Verdict>,
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) waiting: usize,
    pub(super) in_flight: usize,
    pub(super) delivered: usize,
    pub(super) failed: usize,
}

/// What remains to be done once the policy has been heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Wait for the next sink to settle, and until this time since the send began at the latest.
    Wait(Option<Duration>),
    /// It is decided.
    Decided(Verdict),
}

impl Ledger {
    /// Opens the books. A delivery that is `Pending` waits; any other has settled before.
    pub(crate) fn new(deliveries: Vec<Delivery>, required: usize) -> Self {
        let mut counts = Counts::default();
        for delivery in &deliveries[..required] {
            match delivery.outcome {
                Outcome::Pending => counts.waiting += 1,
                Outcome::Delivered(_) => counts.delivered += 1,
                Outcome::Failed(_) => counts.failed += 1,
                Outcome::Cancelled | Outcome::Skipped(_) => {}
            }
        }
        let ranks = deliveries.iter().filter_map(|delivery| delivery.rank);
        let settled = ranks.max().map_or(0, |last| last + 1);
        Self {
            deliveries,
            required,
            counts,
            cursor: 0,
            last_start: None,
            failed_since_start: 0,
            last_settled: None,
            // What an earlier send settled came before everything of this one.
            settled,
            verdict: None,
        }
    }

    /// Asks the policy until it waits or settles. `start` is called for each position that starts.
    pub(crate) fn step(
        &mut self,
        policy: &dyn FanOutPolicy,
        elapsed: Duration,
        available: &dyn Fn(usize) -> bool,
        mut start: impl FnMut(usize, &[Delivery]),
    ) -> Step {
        loop {
            if let Some(verdict) = self.verdict {
                return Step::Decided(verdict);
            }
            let wait = match policy.decide(&self.progress(elapsed, available)) {
                Decision::Settle(verdict) => {
                    self.decide(verdict);
                    continue;
                }
                Decision::Start(which) => {
                    if self.start(which, elapsed, &mut start) {
                        continue;
                    }
                    // It asked for nothing that could be done: the same question would get the same
                    // answer for ever.
                    None
                }
                Decision::Wait => None,
                Decision::WaitUntil(time) => (time > elapsed).then_some(time),
            };
            if self.counts.in_flight == 0 && wait.is_none_or(|time| time > NEVER) {
                self.decide(Verdict::Unsatisfied(Reason::Stalled));
                continue;
            }
            return Step::Wait(wait);
        }
    }

    /// Writes the verdict, and skips what still waits.
    pub(crate) fn decide(&mut self, verdict: Verdict) {
        debug_assert!(self.verdict.is_none(), "the verdict is decided once");
        self.verdict = Some(verdict);
        self.skip_waiting(skip_reason(verdict));
    }

    /// Gives every sink that waits this terminal outcome.
    pub(crate) fn skip_waiting(&mut self, reason: SkipReason) {
        // Mirrors start with the first sink: once one has, those that wait are about to.
        let end = if self.last_start.is_some() { self.required } else { self.deliveries.len() };
        for delivery in self.deliveries[..end].iter_mut().filter(|d| d.is_waiting()) {
            delivery.outcome = Outcome::Skipped(reason);
            delivery.stop_reason = Some(match reason {
                SkipReason::Deadline => StopReason::DeadlineWouldPass,
                SkipReason::Shutdown => StopReason::Shutdown,
                SkipReason::Cancelled => StopReason::CallerCancelled,
                _ => StopReason::PolicyDecided,
            });
        }
        self.counts.waiting = 0;
    }

    /// Books that the sink at `position` ended at `elapsed` with this outcome and effect.
    pub(crate) fn settle(
        &mut self,
        position: usize,
        outcome: Outcome,
        effect: Effect,
        stop_reason: StopReason,
        elapsed: Duration,
    ) {
        let delivery = &mut self.deliveries[position];
        debug_assert!(delivery.is_in_flight(), "a sink settles once");
        if position < self.required {
            self.counts.in_flight -= 1;
            match outcome {
                Outcome::Delivered(_) => self.counts.delivered += 1,
                Outcome::Failed(_) => {
                    self.counts.failed += 1;
                    self.failed_since_start += 1;
                }
                Outcome::Cancelled | Outcome::Skipped(_) | Outcome::Pending => {}
            }
            self.last_settled = Some(position);
        }
        delivery.outcome = outcome;
        delivery.effect = effect;
        delivery.stop_reason = Some(stop_reason);
        delivery.elapsed = elapsed.saturating_sub(delivery.started.unwrap_or_default());
        delivery.rank = Some(self.settled);
        self.settled += 1;
    }

    /// Marks the mirror at `position` as started.
    pub(crate) fn start_mirror(&mut self, position: usize, elapsed: Duration) {
        debug_assert!(position >= self.required, "required sinks are started by the policy");
        self.deliveries[position].begin(elapsed);
    }

    pub(crate) fn progress<'a>(
        &'a self,
        elapsed: Duration,
        available: &'a dyn Fn(usize) -> bool,
    ) -> Progress<'a> {
        Progress {
            deliveries: &self.deliveries[..self.required],
            counts: self.counts,
            cursor: self.cursor,
            available,
            elapsed,
            last_start: self.last_start,
            failed_since_start: self.failed_since_start,
            last_settled: self.last_settled,
        }
    }

    pub(crate) fn verdict(&self) -> Option<Verdict> {
        self.verdict
    }

    /// How many required sinks are in flight.
    pub(crate) fn in_flight(&self) -> usize {
        self.counts.in_flight
    }

    pub(crate) fn deliveries(&self) -> &[Delivery] {
        &self.deliveries
    }

    pub(crate) fn deliveries_mut(&mut self) -> &mut [Delivery] {
        &mut self.deliveries
    }

    /// Takes the deliveries out; the books are closed.
    pub(crate) fn take_deliveries(&mut self) -> Vec<Delivery> {
        std::mem::take(&mut self.deliveries)
    }

    /// Starts what waits among `which`. Returns whether anything did.
    fn start(
        &mut self,
        which: Start,
        elapsed: Duration,
        start: &mut impl FnMut(usize, &[Delivery]),
    ) -> bool {
        let before = self.counts.waiting;
        match which {
            Start::All => self.start_next(usize::MAX, elapsed, start),
            Start::Next(count) => self.start_next(count, elapsed, start),
            Start::Positions(positions) => {
                for position in positions {
                    if position < self.required && self.deliveries[position].is_waiting() {
                        self.begin(position, elapsed);
                        start(position, &self.deliveries);
                    }
                }
                // So that the next one that waits is found without walking over all that started.
                while self.cursor < self.required && !self.deliveries[self.cursor].is_waiting() {
                    self.cursor += 1;
                }
            }
        }
        self.counts.waiting < before
    }

    fn start_next(
        &mut self,
        mut count: usize,
        elapsed: Duration,
        start: &mut impl FnMut(usize, &[Delivery]),
    ) {
        while self.cursor < self.required && count > 0 {
            if self.deliveries[self.cursor].is_waiting() {
                count -= 1;
                self.begin(self.cursor, elapsed);
                start(self.cursor, &self.deliveries);
            }
            self.cursor += 1;
        }
    }

    fn begin(&mut self, position: usize, elapsed: Duration) {
        self.deliveries[position].begin(elapsed);
        self.counts.waiting -= 1;
        self.counts.in_flight += 1;
        self.last_start = Some(elapsed);
        self.failed_since_start = 0;
    }
}

/// No process waits a thousand years, and not every clock can count beyond.
const NEVER: Duration = Duration::from_secs(1_000 * 365 * 24 * 60 * 60);

/// Why a sink was never started follows from the verdict.
fn skip_reason(verdict: Verdict) -> SkipReason {
    match verdict {
        Verdict::Satisfied => SkipReason::NotNeeded,
        Verdict::Unsatisfied(Reason::NotEnoughAvailable) => SkipReason::Unavailable,
        Verdict::Unsatisfied(Reason::Ambiguous) => SkipReason::Ambiguous,
        Verdict::Unsatisfied(Reason::Deadline) => SkipReason::Deadline,
        Verdict::Unsatisfied(Reason::Stalled) => SkipReason::Stalled,
        Verdict::Unsatisfied(Reason::Shutdown) => SkipReason::Shutdown,
        Verdict::Unsatisfied(Reason::Cancelled) => SkipReason::Cancelled,
        Verdict::Unsatisfied(_) => SkipReason::PreviousFailed,
    }
}
