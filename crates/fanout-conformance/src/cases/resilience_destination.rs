//! Resilience: the sink that decorators are put around, and what it answers.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fanout::{
    Attempt, Effect, Error, ErrorKind, IdempotencyKey, Message, Receipt, RetryAdvice, Sink,
    async_trait,
};
use tokio::time::Instant;

use crate::fakes::{Answer, Counts, Script, ScriptedSink};

/// A scripted sink that writes down when it was called, and how.
#[derive(Clone, Debug)]
pub(crate) struct Destination {
    scripted: ScriptedSink,
    repeatable: bool,
    origin: Instant,
    calls: Arc<Mutex<Vec<Call>>>,
}

/// A call as the destination saw it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call {
    pub(crate) at: Duration,
    pub(crate) number: u32,
    pub(crate) key: IdempotencyKey,
    pub(crate) earlier: Effect,
    pub(crate) time_left: Option<Duration>,
}

impl Destination {
    pub(crate) fn playing(script: impl Into<Script>) -> Self {
        Self {
            scripted: ScriptedSink::playing(script),
            repeatable: false,
            origin: Instant::now(),
            calls: Arc::default(),
        }
    }

    /// Plays these, one after the other, and then takes everything.
    pub(crate) fn first(answers: impl IntoIterator<Item = Answer>) -> Self {
        Self::playing(Script::given(answers.into_iter().chain([takes()])))
    }

    /// Says that applying a message twice is harmless.
    pub(crate) fn repeatable(self) -> Self {
        Self { repeatable: true, ..self }
    }

    pub(crate) fn counts(&self) -> Counts {
        self.scripted.counts()
    }

    pub(crate) fn calls(&self) -> Vec<Call> {
        self.log().clone()
    }

    /// When the calls came, since the destination was made.
    pub(crate) fn times(&self) -> Vec<Duration> {
        self.log().iter().map(|call| call.at).collect()
    }

    fn log(&self) -> MutexGuard<'_, Vec<Call>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Sink for Destination {
    async fn send(&self, message: &Message, attempt: &Attempt) -> Result<Receipt, Error> {
        self.log().push(Call {
            at: self.origin.elapsed(),
            number: attempt.number(),
            key: attempt.idempotency_key(),
            earlier: attempt.earlier_effect(),
            time_left: attempt.remaining(),
        });
        self.scripted.send(message, attempt).await
    }

    fn is_available(&self) -> bool {
        self.scripted.is_available()
    }

    fn is_repeatable(&self) -> bool {
        self.repeatable
    }
}

pub(crate) fn takes() -> Answer {
    Answer::respond("")
}

/// As a connection that is refused: surely not applied.
pub(crate) fn refused() -> Answer {
    Answer::fail(ErrorKind::Connect)
}

/// As HTTP 500: it may have been applied.
pub(crate) fn broke_down() -> Answer {
    Answer::fail(ErrorKind::Upstream)
}

/// As HTTP 429.
pub(crate) fn throttled(advice: RetryAdvice) -> Answer {
    Answer::fail(ErrorKind::Throttled).with_advice(advice)
}

/// Surely not applied, and to be tried again as `advice` says.
pub(crate) fn busy(advice: RetryAdvice) -> Answer {
    Answer::fail(ErrorKind::Unavailable).with_effect(Effect::None).with_advice(advice)
}

/// Never answers, and keeps no deadline; says first how far it has come.
pub(crate) fn hangs(told: Effect) -> Answer {
    Answer::stall().stubborn().tells(told)
}
