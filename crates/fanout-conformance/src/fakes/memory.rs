//! A sink in memory that plays a script.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use fanout::{
    Attempt, BodyState, Effect, Error, ErrorKind, Message, Metadata, Reach, Receipt, RetryAdvice,
    Sink, TimeoutScope, async_trait,
};

use super::script::{Answer, Cut, Reply, Script, Stage, Unplayable};
use super::{Counters, Counts, Received};

/// A sink in memory that plays a [`Script`]: for tests of policies, decorators and whole fan-outs.
///
/// Time is tokio's, so a paused clock drives it. A clone is the same sink and shares the counters.
///
/// # Examples
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// use fanout::{Attempt, ErrorKind, Message, Sink};
/// use fanout_conformance::fakes::{Answer, ScriptedSink};
///
/// let sink = ScriptedSink::new(Answer::fail(ErrorKind::Throttled))?;
/// let message = Message::text("hello");
/// let error = sink.send(&message, &Attempt::first("billing", &message)).await.unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::Throttled);
/// assert_eq!(sink.counts().requests, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct ScriptedSink {
    script: Arc<Script>,
    calls: Arc<AtomicUsize>,
    counters: Counters,
}

impl ScriptedSink {
    /// Makes a sink that plays `script`.
    ///
    /// # Errors
    ///
    /// [`Unplayable`] when the script answers with a status of a wire protocol.
    pub fn new(script: impl Into<Script>) -> Result<Self, Unplayable> {
        let script = script.into();
        let of_the_wire =
            |answer: &Answer| matches!(answer.reply, Reply::Status(_) | Reply::Page(_));
        if script.answers.iter().any(of_the_wire) {
            let what = "a status of a wire protocol".to_owned();
            return Err(Unplayable { fake: "the sink in memory", what });
        }
        Ok(Self { script: Arc::new(script), calls: Arc::default(), counters: Counters::new() })
    }

    /// Makes a sink that takes every message, at once.
    pub fn delivers() -> Self {
        Self::playing(Answer::respond(""))
    }

    /// Makes a sink that fails every call with the usual effect and advice of `kind`, at once.
    pub fn fails(kind: ErrorKind) -> Self {
        Self::playing(Answer::fail(kind))
    }

    /// Makes a sink that never answers and keeps no deadline.
    pub fn never_answers() -> Self {
        Self::playing(Answer::stall().stubborn())
    }

    /// Makes a sink that panics at every call.
    pub fn panics() -> Self {
        Self::playing(Answer::panic())
    }

    /// Makes a sink that says it is not available, and fails with `CircuitOpen` when sent to.
    pub fn unavailable() -> Self {
        Self::playing(Script::unavailable())
    }

    pub(crate) fn playing(script: impl Into<Script>) -> Self {
        Self::new(script).expect("nothing here names a status of a wire protocol")
    }

    /// Returns the counts as they are now.
    pub fn counts(&self) -> Counts {
        self.counters.now()
    }

    /// Returns what was received, in order of arrival.
    pub fn received(&self) -> Vec<Received> {
        self.counters.received()
    }

    /// Returns the counters, to wait on.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    async fn play(&self, answer: &Answer, attempt: &Attempt) -> Result<Receipt, Error> {
        if let Some(effect) = answer.tells
            && attempt.reached(effect) == Reach::Abandoned
        {
            return Err(Error::new(ErrorKind::Cancelled, "abandoned before it began"));
        }
        if answer.delay > Duration::ZERO {
            tokio::time::sleep(answer.delay).await;
        }
        let half = || answer.body.slice(..answer.body.len() / 2);
        match answer.cut {
            Some((Cut::Stall, _)) => std::future::pending::<()>().await,
            Some((_, Stage::HalfBody | Stage::End)) if answer.reply == Reply::Take => {
                return Ok(Receipt::new().with_body(half()).with_body_state(BodyState::Broken));
            }
            Some((_, Stage::HalfBody | Stage::End)) | None => {}
            Some((Cut::Close, _)) => {
                return Err(Error::new(ErrorKind::Interrupted, "the connection was closed"));
            }
            Some((Cut::Reset, _)) => {
                return Err(Error::new(ErrorKind::Interrupted, "the connection was reset"));
            }
        }
        match &answer.reply {
            Reply::Take | Reply::Status(_) | Reply::Page(_) => {
                let metadata: Metadata = answer.metadata.iter().map(|(n, v)| (n, v)).collect();
                Ok(Receipt::new().with_body(answer.body.clone()).with_metadata(metadata))
            }
            Reply::Refuse(kind) => {
                let error = Error::new(*kind, "the script says so").with_excerpt(&answer.body);
                let error = match answer.effect {
                    Some(Effect::Done) => {
                        error.with_effect(Effect::Done).with_advice(RetryAdvice::Never)
                    }
                    Some(effect) => error.with_effect(effect),
                    None => error,
                };
                Err(match answer.advice {
                    Some(advice) => error.with_advice(advice),
                    None => error,
                })
            }
            Reply::Garbage => Err(Error::new(ErrorKind::Protocol, "the answer is garbage")),
            Reply::Panic => panic!("the script says so"),
        }
    }
}

#[async_trait]
impl Sink for ScriptedSink {
    async fn send(&self, message: &Message, attempt: &Attempt) -> Result<Receipt, Error> {
        let number = self.calls.fetch_add(1, Ordering::Relaxed);
        let answer = self.script.answer(number);
        let mut request = Received::new(attempt.sink(), message.payload().clone())
            .with_metadata("idempotency-key", &attempt.idempotency_key().to_string())
            .with_metadata("attempt", &attempt.number().to_string());
        for (name, value) in message.metadata().iter() {
            request = request.with_metadata(name, value);
        }
        let call = self.counters.begin(request);
        let result = match attempt.deadline() {
            Some(deadline) if !answer.stubborn => {
                let played = tokio::time::timeout_at(deadline, self.play(answer, attempt)).await;
                played.unwrap_or_else(|_| Err(out_of_time(answer)))
            }
            _ => self.play(answer, attempt).await,
        };
        call.complete();
        result
    }

    fn is_available(&self) -> bool {
        self.script.available
    }
}

fn out_of_time(answer: &Answer) -> Error {
    let effect = answer.tells.unwrap_or(Effect::Maybe);
    Error::timeout(TimeoutScope::Attempt, "no answer by the deadline").with_effect(effect)
}
