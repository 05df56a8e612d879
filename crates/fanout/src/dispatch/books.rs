//! What is known of one send, and the report made of it.

use std::future::Future;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::attempt::Track;
use crate::fan_out::{Entry, Plan};
use crate::fence::fenced;
use crate::policy::{Decision, Ledger, Reason, Rest, Verdict};
use crate::{
    Attempt, Delivery, Effect, Error, ErrorKind, Message, MessageId, Outcome, Report, RetryAdvice,
    Role, SkipReason, SoFar, StopReason, TimeoutScope,
};

use super::flight::{Landed, fly_mirror};
use super::{Messages, Order, Will};

/// The ledger of one send with all that its entries need.
///
/// When the books are dropped unreported, every attempt is abandoned, so that nothing is written on
/// their behalf any more, and the fan-out around this one learns what had been reached.
pub(super) struct Books {
    pub(super) plan: Arc<Plan>,
    pub(super) ledger: Ledger,
    pub(super) tracks: Arc<[Track]>,
    pub(super) messages: Messages,
    pub(super) began: Instant,
    /// The time of the last event: one reading of the clock serves all that follows from it.
    pub(super) elapsed: Duration,
    pub(super) deadline: Option<Instant>,
    /// The deadline as time since the send began.
    limit: Option<Duration>,
    message_id: MessageId,
    parent: Option<Attempt>,
    will: Option<Will>,
    /// Whether all that waits starts before the policy is asked.
    pub(super) all_first: bool,
}

impl Books {
    pub(super) fn open(plan: Arc<Plan>, order: Order) -> Self {
        let Order { messages, parent, earlier, all_first, will } = order;
        let all_first = all_first && plan.starts_all_at_once();
        let began = Instant::now();
        let deadline = plan.deadline.and_then(|duration| began.checked_add(duration));
        let outer = parent.as_ref().and_then(Attempt::deadline);
        let deadline = match (deadline, outer) {
            (Some(own), Some(outer)) => Some(own.min(outer)),
            (one, other) => one.or(other),
        };
        let limit = deadline.map(|deadline| deadline.saturating_duration_since(began));
        // Inside another fan-out, the keys derive from the key of the sink that this one is there.
        let namespace = parent.as_ref().map(|attempt| attempt.idempotency_key().as_u128());
        let namespace_of = |position| namespace.unwrap_or(messages.id(position).as_u128());
        let deliveries = match earlier {
            Some(earlier) => earlier,
            None => fresh(&plan, &messages, namespace_of),
        };
        // What hangs on a mirror is sent to once, however deep.
        let mirrored = parent.as_ref().is_some_and(Attempt::is_single);
        let tracks = deliveries
            .iter()
            .map(|delivery| {
                let single = mirrored || delivery.role == Role::Mirror;
                Track::new(Arc::clone(&delivery.sink), delivery.namespace, delivery.effect, single)
            })
            .collect();
        let message_id = messages.id(0);
        let ledger = Ledger::new(deliveries, plan.required);
        Self {
            plan,
            ledger,
            tracks,
            messages,
            began,
            elapsed: Duration::ZERO,
            deadline,
            limit,
            message_id,
            parent,
            will,
            all_first,
        }
    }

    /// Reads the clock: an event has come.
    pub(super) fn read_clock(&mut self) {
        self.elapsed = self.began.elapsed();
    }

    pub(super) fn is_expired(&self) -> bool {
        self.limit.is_some_and(|limit| limit <= self.elapsed)
    }

    /// What becomes of the rest. A nested fan-out leaves no work behind, as no sink does.
    pub(super) fn rest(&self) -> Rest {
        match self.plan.rest {
            Rest::Detach if self.parent.is_some() => Rest::Drain,
            rest => rest,
        }
    }

    /// Begins the delivery to the mirror at `position`, if it has a place left.
    pub(super) fn launch_mirror(
        &mut self,
        position: usize,
    ) -> Result<impl Future<Output = Landed> + Send + use<>, Error> {
        self.ledger.start_mirror(position, self.elapsed);
        let entry = &self.plan.entries[position];
        let limit = self.began + self.elapsed + MIRROR_TIMEOUT;
        let limit = self.deadline.map_or(limit, |deadline| deadline.min(limit));
        let attempt = Attempt::of(Arc::clone(&self.tracks), position, Some(limit));
        let message = self.messages.of(position, entry, &[])?;
        let permit = entry.mirror_permit()?;
        Ok(fly_mirror(position, Arc::clone(&entry.sink), message, attempt, limit, permit))
    }

    pub(super) fn land(&mut self, landed: Landed) {
        self.read_clock();
        match landed.result {
            Ok(receipt) => {
                self.tracks[landed.position].ended(Effect::Done);
                let outcome = Outcome::Delivered(receipt);
                self.settle(landed.position, outcome, Effect::Done, StopReason::Succeeded);
            }
            Err(error) => self.land_failed(landed.position, error),
        }
    }

    pub(super) fn land_failed(&mut self, position: usize, error: Error) {
        let track = &self.tracks[position];
        let effect = match track.attempts() {
            // Nothing was tried, so nothing new can have come of it.
            0 => track.abandon(),
            _ => track.ended(error.effect()),
        };
        let (error, stop_reason) = if self.is_expired() && error.kind() == ErrorKind::Timeout {
            // The sink kept the deadline itself; it was the deadline of the fan-out.
            let timeout = fan_out_timeout(error.effect()).with_source(error);
            (timeout, StopReason::DeadlineWouldPass)
        } else {
            let stop_reason = track.stop_reason().unwrap_or_else(|| stop_reason(&error));
            (error, stop_reason)
        };
        self.settle(position, Outcome::Failed(error), effect, stop_reason);
    }

    /// The deadline has come: what is in flight has failed, what waits is skipped, and the policy is
    /// asked for the last time.
    pub(super) fn expire(&mut self) {
        self.read_clock();
        for position in 0..self.plan.entries.len() {
            if self.ledger.deliveries()[position].is_in_flight() {
                let effect = self.tracks[position].abandon();
                let outcome = Outcome::Failed(fan_out_timeout(effect));
                self.settle(position, outcome, effect, StopReason::DeadlineWouldPass);
            }
        }
        self.ledger.skip_waiting(SkipReason::Deadline);
        if self.ledger.verdict().is_none() {
            let progress = self.ledger.progress(self.elapsed, &|_| false);
            let verdict = match self.plan.policy.decide(&progress) {
                Decision::Settle(Verdict::Satisfied) => Verdict::Satisfied,
                _ => Verdict::Unsatisfied(Reason::Deadline),
            };
            self.ledger.decide(verdict);
        }
    }

    /// Books what is in flight among `positions` as cancelled. Returns how many those were.
    pub(super) fn cancel(&mut self, positions: Range<usize>, why: StopReason) -> usize {
        self.read_clock();
        let mut cancelled = 0;
        for position in positions {
            if self.ledger.deliveries()[position].is_in_flight() {
                let effect = self.tracks[position].abandon();
                self.settle(position, Outcome::Cancelled, effect, why);
                cancelled += 1;
            }
        }
        cancelled
    }

    /// Closes the books: everything has settled.
    pub(super) fn report(&mut self) -> Report {
        let deliveries = self.ledger.take_deliveries();
        self.parent = None;
        self.report_of(deliveries)
    }

    /// Gives the report of what has settled, and the positions of what has not, which stays in the
    /// books as it is.
    pub(super) fn split(&mut self) -> (Report, Vec<usize>) {
        let mut pending = Vec::new();
        let mut deliveries = Vec::with_capacity(self.plan.entries.len());
        for (position, delivery) in self.ledger.deliveries_mut().iter_mut().enumerate() {
            deliveries.push(if delivery.is_in_flight() {
                pending.push(position);
                let mut copy = delivery.stub();
                copy.started = delivery.started;
                copy.attempts = self.tracks[position].attempts();
                copy.delay = self.tracks[position].delay();
                copy.effect = Effect::Maybe;
                copy
            } else {
                let mut stub = delivery.stub();
                stub.outcome = Outcome::Skipped(SkipReason::NotNeeded);
                std::mem::replace(delivery, stub)
            });
        }
        // The fan-out around this one has its answer; what goes on is not its business any more.
        self.parent = None;
        self.will = None;
        (self.report_of(deliveries), pending)
    }

    /// The deliveries that landed late, each with its place in the report.
    pub(super) fn late(&mut self, positions: &[usize]) -> Vec<(usize, Delivery)> {
        let mut deliveries: Vec<_> = self.ledger.take_deliveries().into_iter().map(Some).collect();
        let late = positions.iter().filter_map(|&position| {
            Some((self.plan.configured(position), deliveries.get_mut(position)?.take()?))
        });
        late.collect()
    }

    fn report_of(&self, mut deliveries: Vec<Delivery>) -> Report {
        let nothing_sent = deliveries.iter().all(|delivery| delivery.attempts == 0);
        self.plan.to_configured_order(&mut deliveries);
        Report {
            message_id: self.message_id,
            fan_out: self.plan.name.clone(),
            policy: self.plan.policy.name(),
            verdict: self.ledger.verdict().unwrap_or(Verdict::Unsatisfied(Reason::Cancelled)),
            nothing_sent,
            own_messages: matches!(self.messages, Messages::Each(_)),
            deliveries,
            elapsed: self.elapsed,
            detached: Vec::new(),
        }
    }

    fn settle(
        &mut self,
        position: usize,
        outcome: Outcome,
        effect: Effect,
        stop_reason: StopReason,
    ) {
        let track = &self.tracks[position];
        let delivery = &mut self.ledger.deliveries_mut()[position];
        delivery.attempts += track.attempts();
        delivery.delay += track.delay();
        delivery.inner = track.take_inner();
        self.ledger.settle(position, outcome, effect, stop_reason, self.elapsed);
    }
}

impl Drop for Books {
    fn drop(&mut self) {
        let all = 0..self.ledger.deliveries().len();
        if all.is_empty() {
            // Reported.
            return;
        }
        self.cancel(all, StopReason::CallerCancelled);
        let (parent, will) = (self.parent.take(), self.will.take());
        if parent.is_none() && will.is_none() {
            return;
        }
        if self.ledger.verdict().is_none() {
            self.ledger.decide(Verdict::Unsatisfied(Reason::Cancelled));
        }
        let deliveries = self.ledger.take_deliveries();
        let report = self.report_of(deliveries);
        match (parent, will) {
            (Some(parent), _) => parent.left(report),
            (None, Some(will)) => will.leave(report),
            (None, None) => {}
        }
    }
}

impl Messages {
    /// The message of the sink at `position`.
    pub(super) fn of(
        &self,
        position: usize,
        entry: &Entry,
        deliveries: &[Delivery],
    ) -> Result<Message, Error> {
        let message = match self {
            Self::Same(message) => message,
            Self::Each(messages) => {
                messages[position].as_ref().expect("a sink without a message is never started")
            }
        };
        let Some(build) = &entry.build else {
            return Ok(message.clone());
        };
        let so_far = SoFar::new(message, deliveries, position);
        fenced(|| build(&so_far)).unwrap_or_else(|| {
            Err(Error::new(ErrorKind::Panic, "the step panicked while it built its message")
                .with_effect(Effect::None))
        })
    }

    fn id(&self, position: usize) -> MessageId {
        match self {
            Self::Same(message) => message.id(),
            Self::Each(messages) => {
                let own = messages[position].as_ref();
                own.or(messages[0].as_ref()).expect("the first sink has a message").id()
            }
        }
    }
}

/// Deliveries that wait, but for the mirrors that have no message.
fn fresh(plan: &Plan, messages: &Messages, namespace_of: impl Fn(usize) -> u128) -> Vec<Delivery> {
    let entries = plan.entries.iter().enumerate();
    entries
        .map(|(position, entry)| {
            let name = Arc::clone(&entry.name);
            let mut delivery = Delivery::waiting(name, entry.role, namespace_of(position));
            if let Messages::Each(messages) = messages
                && messages[position].is_none()
            {
                delivery.outcome = Outcome::Skipped(SkipReason::NotNeeded);
                delivery.stop_reason = Some(StopReason::PolicyDecided);
            }
            delivery
        })
        .collect()
}

fn fan_out_timeout(effect: Effect) -> Error {
    Error::timeout(TimeoutScope::FanOut, "the deadline of the fan-out came first")
        .with_effect(effect)
}

/// Why a sink that answered for itself was not tried again.
fn stop_reason(error: &Error) -> StopReason {
    match (error.kind(), error.advice()) {
        (ErrorKind::CircuitOpen, _) => StopReason::CircuitOpen,
        (_, RetryAdvice::Never | RetryAdvice::HigherLevel | RetryAdvice::OtherSink) => {
            StopReason::NotRetryable
        }
        (_, RetryAdvice::Forbidden) => StopReason::ServerForbids,
        (
            _,
            RetryAdvice::Once
            | RetryAdvice::Backoff
            | RetryAdvice::After(_)
            | RetryAdvice::Exactly(_),
        ) => StopReason::AttemptsExhausted,
    }
}

/// A mirror must not hold a message, a connection and a place for as long as a real sink may.
const MIRROR_TIMEOUT: Duration = Duration::from_secs(5);
