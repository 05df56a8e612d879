//! The circumstances of one attempt, and the track that it shares with the engine.

use std::fmt;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::{Attempts, Effect, IdempotencyKey, Message, Report, StopReason};

/// The circumstances of one attempt: which sink, which number, until when.
///
/// A clone is the same attempt. What an attempt learns about its own effect it tells through
/// [`reached`](Self::reached), so that the report is right even when the send is dropped half-way.
#[derive(Clone)]
pub struct Attempt {
    tracks: Arc<[Track]>,
    index: u32,
    number: u32,
    /// Which of all attempts on the track this is; those that are not counted included.
    serial: u32,
    deadline: Option<Instant>,
}

/// Whether an attempt may go on.
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reach {
    /// The attempt stands; what was told is on record.
    Proceed,
    /// The send was dropped, or has ended, before this was told: nothing more may be written.
    Abandoned,
}

impl Attempt {
    /// Makes the first attempt at the sink `name` to deliver `message`, without a deadline: to call a
    /// [`Sink`](crate::Sink) by hand, as tests do.
    ///
    /// Inside a fan-out the engine makes the attempts.
    pub fn first(name: impl AsRef<str>, message: &Message) -> Self {
        let track = Track::new(name.as_ref().into(), message.id().as_u128(), Effect::None, false);
        let attempt = Self::of(Arc::new([track]), 0, None);
        attempt.track().polled();
        attempt
    }

    /// The first attempt on the track at `index`.
    pub(crate) fn of(tracks: Arc<[Track]>, index: usize, deadline: Option<Instant>) -> Self {
        let index = u32::try_from(index).expect("a fan-out has fewer than 2^32 sinks");
        Self { tracks, index, number: 1, serial: 1, deadline }
    }

    /// Another attempt on the same track.
    pub(crate) fn another(&self, number: u32, serial: u32) -> Self {
        Self { tracks: Arc::clone(&self.tracks), number, serial, ..*self }
    }

    /// Sets the time by which the attempt must have ended, unless an earlier one is set.
    #[must_use]
    pub fn with_deadline(mut self, deadline: Instant) -> Self {
        self.deadline = Some(self.deadline.map_or(deadline, |earlier| earlier.min(deadline)));
        self
    }

    /// Returns the name of the sink in its fan-out.
    pub fn sink(&self) -> &str {
        &self.track().name
    }

    /// Returns the number of the attempt; the first is 1. One that repeats an attempt which surely never
    /// reached the sink has the number of that one.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// Returns the time by which the attempt must have ended, on tokio's clock.
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Returns the time that is left until the deadline, zero when it has passed.
    pub fn remaining(&self) -> Option<Duration> {
        self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()))
    }

    /// Returns whether the message is to be offered once and no more, so that no decorator may retry: at
    /// a mirror, and in whatever is nested there.
    pub fn is_single(&self) -> bool {
        self.track().single
    }

    /// Returns the idempotency key: the same on every attempt, another for every sink.
    pub fn idempotency_key(&self) -> IdempotencyKey {
        self.track().idempotency_key()
    }

    /// Returns the worst effect of the attempts before this one.
    pub fn earlier_effect(&self) -> Effect {
        self.track().earlier()
    }

    /// Puts on record how far this attempt has come, and learns whether it may go on.
    ///
    /// A sink that is never polled has had no effect. One that is polled and silent counts as
    /// [`Effect::Maybe`] until it returns. One that tells is believed: call [`entered`](Self::entered)
    /// first, and tell [`Effect::Maybe`] right before the first byte that could be acted on leaves. The record
    /// never goes back.
    ///
    /// The answer is [`Reach::Abandoned`] when the send was dropped first. Whoever is about to write
    /// on behalf of the attempt must then not write: the report already says that nothing was sent.
    #[must_use = "an abandoned attempt must not write any more"]
    pub fn reached(&self, effect: Effect) -> Reach {
        self.track().reached(self.serial, effect)
    }

    /// Says, on entry, that nothing has been reached yet and that this sink will tell: short for
    /// [`reached`](Self::reached) with [`Effect::None`], for those whose first write comes later.
    ///
    /// A [`FanOut`](crate::FanOut) or a [`Chain`](crate::Chain) that is handed an attempt says it too. A
    /// sink that did something of its own before it handed the attempt on tells [`Effect::Maybe`] first.
    pub fn entered(&self) {
        self.track().reached(self.serial, Effect::None);
    }

    /// Takes over the making and the counting of attempts: for a decorator that retries, or that may
    /// decide to send nothing.
    ///
    /// From here on the report counts the attempts that [`Attempts`] begins, none so far, and this
    /// attempt itself has ended without effect: do not give it to a sink any more.
    ///
    /// # Examples
    ///
    /// ```
    /// use fanout::{Attempt, Effect, Error, Message, Receipt, RetryAdvice, Sink, StopReason, async_trait};
    ///
    /// /// Tries twice when it is certain that the first attempt was not applied.
    /// struct Twice<S>(S);
    ///
    /// #[async_trait]
    /// impl<S: Sink> Sink for Twice<S> {
    ///     async fn send(&self, message: &Message, attempt: &Attempt) -> Result<Receipt, Error> {
    ///         let attempts = attempt.take_over();
    ///         let first = match self.0.send(message, &attempts.begin()).await {
    ///             Ok(receipt) => return Ok(receipt),
    ///             Err(error) => error,
    ///         };
    ///         attempts.ended(first.effect());
    ///         if first.effect() != Effect::None || first.advice() == RetryAdvice::Never {
    ///             attempts.stopped(StopReason::NotRetryable);
    ///             return Err(first);
    ///         }
    ///         self.0.send(message, &attempts.begin()).await.map_err(|error| {
    ///             attempts.ended(error.effect());
    ///             attempts.stopped(StopReason::AttemptsExhausted);
    ///             error.with_effect(attempts.effect())
    ///         })
    ///     }
    /// }
    /// ```
    pub fn take_over(&self) -> Attempts {
        self.track().take_over(self.serial);
        Attempts::of(self.clone())
    }

    /// Says what a nested fan-out had reached when it was dropped, and how.
    pub(crate) fn left(&self, report: Report) {
        self.track().reached(self.serial, report.effect());
        self.track().keep_inner(report);
    }

    pub(crate) fn track(&self) -> &Track {
        &self.tracks[self.index as usize]
    }
}

impl fmt::Debug for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attempt")
            .field("sink", &self.sink())
            .field("number", &self.number)
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}

/// What the engine and the attempts at one sink share: written as things happen, read at the end.
///
/// The report's entries are built from it, so they survive a future that was dropped and could return
/// nothing.
pub(crate) struct Track {
    name: Arc<str>,
    namespace: u128,
    /// Whether there is to be one attempt only.
    single: bool,
    /// The current attempt: its serial above, its phase in the lowest byte. One word, so that telling
    /// and abandoning cannot miss each other.
    current: AtomicU64,
    /// The worst effect of the attempts that ended.
    earlier: AtomicU8,
    attempts: AtomicU32,
    /// Nanoseconds in pauses between attempts.
    delay: AtomicU64,
    /// Why a decorator made no further attempt; zero when none has said.
    stop_reason: AtomicU8,
    inner: Mutex<Option<Box<Report>>>,
}

impl Track {
    pub(crate) fn new(name: Arc<str>, namespace: u128, earlier: Effect, single: bool) -> Self {
        Self {
            name,
            namespace,
            single,
            current: AtomicU64::new(word(1, UNTOUCHED)),
            earlier: AtomicU8::new(earlier as u8),
            attempts: AtomicU32::new(0),
            delay: AtomicU64::new(0),
            stop_reason: AtomicU8::new(0),
            inner: Mutex::new(None),
        }
    }

    pub(crate) fn idempotency_key(&self) -> IdempotencyKey {
        IdempotencyKey::derive(self.namespace, &self.name)
    }

    /// The sink is about to be polled for the first time: from here on, silence means `Maybe`.
    pub(crate) fn polled(&self) {
        self.attempts.store(1, Ordering::Relaxed);
        self.current.store(word(1, SILENT | COUNTED), Ordering::Relaxed);
    }

    /// A decorator makes the attempts from here on: this one was none, and is taken back if it was counted.
    fn take_over(&self, serial: u32) {
        let ours = |current: u64| current >> 8 == u64::from(serial) && current & CLOSED == 0;
        let step = self.current.fetch_update(Ordering::AcqRel, Ordering::Acquire, |current| {
            ours(current).then_some(current | CLOSED)
        });
        if step.is_ok_and(|current| current & COUNTED != 0) {
            self.attempts.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Begins another attempt, and returns its number and its serial. The attempt before is abandoned if
    /// nobody ended it. Once the send has ended nothing begins: that serial is never current.
    pub(crate) fn begin(&self, counted: bool) -> (u32, u32) {
        let step = self.current.fetch_update(Ordering::AcqRel, Ordering::Acquire, |current| {
            let phase = if counted { SILENT | COUNTED } else { SILENT };
            (current & SEALED == 0).then(|| word((current >> 8) as u32 + 1, phase))
        });
        let Ok(before) = step else {
            return (self.attempts() + 1, NEVER);
        };
        self.worst(reached(before));
        self.stop_reason.store(0, Ordering::Relaxed);
        let number = match counted {
            true => self.attempts.fetch_add(1, Ordering::Relaxed) + 1,
            false => self.attempts().max(1),
        };
        (number, (before >> 8) as u32 + 1)
    }

    fn reached(&self, serial: u32, effect: Effect) -> Reach {
        let told = TOLD + effect as u64;
        let step = self.current.fetch_update(Ordering::AcqRel, Ordering::Acquire, |current| {
            let open = current >> 8 == u64::from(serial) && current & CLOSED == 0;
            open.then(|| word(serial, (current & PHASE).max(told) | current & COUNTED))
        });
        if step.is_ok() { Reach::Proceed } else { Reach::Abandoned }
    }

    /// Ends the current attempt with what its result says; others may follow.
    pub(crate) fn close(&self, effect: Effect) {
        self.current.fetch_or(CLOSED, Ordering::AcqRel);
        self.worst(effect);
    }

    /// Ends the current attempt, which gave no result, and returns its own effect; others may follow.
    pub(crate) fn close_abandoned(&self) -> Effect {
        self.abandoned(CLOSED)
    }

    /// Ends the send with what its result says, and returns the worst effect of all.
    pub(crate) fn ended(&self, effect: Effect) -> Effect {
        self.current.fetch_or(CLOSED | SEALED, Ordering::AcqRel);
        self.worst(effect)
    }

    /// Abandons the send: nothing may be written any more. Returns the worst effect of all.
    pub(crate) fn abandon(&self) -> Effect {
        self.abandoned(CLOSED | SEALED);
        self.earlier()
    }

    /// Closes the current attempt as `how` says, books what it had reached, and returns that.
    fn abandoned(&self, how: u64) -> Effect {
        let effect = reached(self.current.fetch_or(how, Ordering::AcqRel));
        self.worst(effect);
        effect
    }

    pub(crate) fn earlier(&self) -> Effect {
        match self.earlier.load(Ordering::Relaxed) {
            0 => Effect::None,
            1 => Effect::Maybe,
            _ => Effect::Done,
        }
    }

    pub(crate) fn attempts(&self) -> u32 {
        self.attempts.load(Ordering::Relaxed)
    }

    pub(crate) fn add_delay(&self, delay: Duration) {
        let nanos = u64::try_from(delay.as_nanos()).unwrap_or(u64::MAX);
        self.delay.fetch_add(nanos, Ordering::Relaxed);
    }

    pub(crate) fn delay(&self) -> Duration {
        Duration::from_nanos(self.delay.load(Ordering::Relaxed))
    }

    pub(crate) fn stopped(&self, reason: StopReason) {
        self.stop_reason.store(reason as u8 + 1, Ordering::Relaxed);
    }

    pub(crate) fn stop_reason(&self) -> Option<StopReason> {
        let told = self.stop_reason.load(Ordering::Relaxed);
        StopReason::ALL.into_iter().find(|reason| *reason as u8 + 1 == told)
    }

    /// Keeps the report of what went on inside a sink whose future was dropped.
    fn keep_inner(&self, report: Report) {
        *self.inner.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(report));
    }

    pub(crate) fn take_inner(&self) -> Option<Box<Report>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn worst(&self, effect: Effect) -> Effect {
        self.earlier.fetch_max(effect as u8, Ordering::Relaxed);
        self.earlier()
    }
}

fn word(serial: u32, phase: u64) -> u64 {
    u64::from(serial) << 8 | phase
}

/// What an attempt had reached that gave no result.
fn reached(word: u64) -> Effect {
    match word & PHASE {
        // Closed before: its effect is among the earlier ones.
        _ if word & CLOSED != 0 => Effect::None,
        UNTOUCHED => Effect::None,
        phase if phase == TOLD + Effect::None as u64 => Effect::None,
        phase if phase == TOLD + Effect::Done as u64 => Effect::Done,
        _ => Effect::Maybe,
    }
}

/// The serial of an attempt that began when the send had ended.
const NEVER: u32 = 0;

const UNTOUCHED: u64 = 0;
const SILENT: u64 = 1;
/// Plus the effect that was told.
const TOLD: u64 = 2;
const PHASE: u64 = 0x1f;
/// The attempt is among those that are counted.
const COUNTED: u64 = 0x20;
/// The whole send has ended; no attempt may follow.
const SEALED: u64 = 0x40;
/// The attempt has ended.
const CLOSED: u64 = 0x80;
