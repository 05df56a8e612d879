//! The circumstances of one attempt, and the track that it shares with the engine.

use std::fmt;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::{Effect, IdempotencyKey, Message, Report};

/// The circumstances of one attempt: which sink, which number, until when.
///
/// A clone is the same attempt. What an attempt learns about its own effect it tells through
/// [`reached`](Self::reached), so that the report is right even when the send is dropped half-way.
#[derive(Clone)]
pub struct Attempt {
    tracks: Arc<[Track]>,
    index: u32,
    number: u32,
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
        let track = Track::new(name.as_ref().into(), message.id().as_u128(), Effect::None);
        let attempt = Self::of(Arc::new([track]), 0, None);
        attempt.track().polled();
        attempt
    }

    /// The first attempt on the track at `index`.
    pub(crate) fn of(tracks: Arc<[Track]>, index: usize, deadline: Option<Instant>) -> Self {
        let index = u32::try_from(index).expect("a fan-out has fewer than 2^32 sinks");
        Self { tracks, index, number: 1, deadline }
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

    /// Returns the number of the attempt; the first is 1.
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
        self.track().reached(self.number, effect)
    }

    /// Says, on entry, that nothing has been reached yet and that this sink will tell: short for
    /// [`reached`](Self::reached) with [`Effect::None`], for those whose first write comes later.
    ///
    /// A [`FanOut`](crate::FanOut) or a [`Chain`](crate::Chain) that is handed an attempt says it too. A
    /// sink that did something of its own before it handed the attempt on tells [`Effect::Maybe`] first.
    pub fn entered(&self) {
        self.track().reached(self.number, Effect::None);
    }

    /// Says what a nested fan-out had reached when it was dropped, and how.
    pub(crate) fn left(&self, report: Report) {
        self.track().reached(self.number, report.effect());
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
    /// The current attempt: its number above, its phase in the lowest byte. One word, so that telling
    /// and abandoning cannot miss each other.
    current: AtomicU64,
    /// The worst effect of the attempts that ended.
    earlier: AtomicU8,
    attempts: AtomicU32,
    inner: Mutex<Option<Box<Report>>>,
}

impl Track {
    pub(crate) fn new(name: Arc<str>, namespace: u128, earlier: Effect) -> Self {
        Self {
            name,
            namespace,
            current: AtomicU64::new(word(1, UNTOUCHED)),
            earlier: AtomicU8::new(earlier as u8),
            attempts: AtomicU32::new(0),
            inner: Mutex::new(None),
        }
    }

    pub(crate) fn idempotency_key(&self) -> IdempotencyKey {
        IdempotencyKey::derive(self.namespace, &self.name)
    }

    /// The sink is about to be polled for the first time: from here on, silence means `Maybe`.
    pub(crate) fn polled(&self) {
        self.attempts.store(1, Ordering::Relaxed);
        self.current.store(word(1, SILENT), Ordering::Relaxed);
    }

    fn reached(&self, number: u32, effect: Effect) -> Reach {
        let told = TOLD + effect as u64;
        let step = self.current.fetch_update(Ordering::AcqRel, Ordering::Acquire, |current| {
            let open = current >> 8 == u64::from(number) && current & CLOSED == 0;
            open.then(|| word(number, (current & PHASE).max(told)))
        });
        if step.is_ok() { Reach::Proceed } else { Reach::Abandoned }
    }

    /// Ends the current attempt with what its result says, and returns the worst effect of all.
    pub(crate) fn ended(&self, effect: Effect) -> Effect {
        self.current.fetch_or(CLOSED, Ordering::AcqRel);
        self.worst(effect)
    }

    /// Abandons the current attempt: nothing may be written any more. Returns the worst effect of all.
    pub(crate) fn abandon(&self) -> Effect {
        let before = self.current.fetch_or(CLOSED, Ordering::AcqRel);
        let effect = match before & PHASE {
            // Closed before: its effect is among the earlier ones.
            _ if before & CLOSED != 0 => Effect::None,
            UNTOUCHED => Effect::None,
            phase if phase == TOLD + Effect::None as u64 => Effect::None,
            phase if phase == TOLD + Effect::Done as u64 => Effect::Done,
            _ => Effect::Maybe,
        };
        self.worst(effect)
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

fn word(number: u32, phase: u64) -> u64 {
    u64::from(number) << 8 | phase
}

const UNTOUCHED: u64 = 0;
const SILENT: u64 = 1;
/// Plus the effect that was told.
const TOLD: u64 = 2;
const PHASE: u64 = 0x7f;
const CLOSED: u64 = 0x80;
