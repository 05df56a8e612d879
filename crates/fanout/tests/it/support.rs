//! Scripted sinks, and short words for what the tests say often.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use fanout::policy::FanOutPolicy;
use fanout::{
    Attempt, Effect, Error, ErrorKind, FanOut, FanOutBuilder, Message, Receipt, RetryAdvice, Sink,
    async_trait,
};
use tokio::time::sleep;

/// Answers after a time, and counts what goes on.
#[derive(Clone, Default)]
pub(crate) struct Scripted {
    answer: Answer,
    after: Duration,
    told: Option<Effect>,
    pub(crate) counts: Arc<Counts>,
}

#[derive(Default)]
pub(crate) struct Counts {
    pub(crate) started: AtomicUsize,
    pub(crate) completed: AtomicUsize,
    pub(crate) dropped: AtomicUsize,
}

#[derive(Clone, Copy, Default)]
enum Answer {
    #[default]
    Take,
    Fail(Effect),
    Panic,
    Hang,
}

impl Scripted {
    pub(crate) fn takes() -> Self {
        Self::default()
    }

    pub(crate) fn fails(effect: Effect) -> Self {
        Self { answer: Answer::Fail(effect), ..Self::default() }
    }

    pub(crate) fn panics() -> Self {
        Self { answer: Answer::Panic, ..Self::default() }
    }

    pub(crate) fn hangs() -> Self {
        Self { answer: Answer::Hang, ..Self::default() }
    }

    pub(crate) fn after(mut self, millis: u64) -> Self {
        self.after = Duration::from_millis(millis);
        self
    }

    /// Tells on entry how far it has come.
    pub(crate) fn telling(mut self, effect: Effect) -> Self {
        self.told = Some(effect);
        self
    }

    pub(crate) fn started(&self) -> usize {
        self.counts.started.load(Ordering::SeqCst)
    }

    pub(crate) fn completed(&self) -> usize {
        self.counts.completed.load(Ordering::SeqCst)
    }

    pub(crate) fn dropped(&self) -> usize {
        self.counts.dropped.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl Sink for Scripted {
    async fn send(&self, message: &Message, attempt: &Attempt) -> Result<Receipt, Error> {
        self.counts.started.fetch_add(1, Ordering::SeqCst);
        let mut under_way = UnderWay { counts: &self.counts, ended: false };
        if let Some(effect) = self.told {
            assert_eq!(attempt.reached(effect), fanout::Reach::Proceed);
        }
        if !self.after.is_zero() {
            sleep(self.after).await;
        }
        let result = match self.answer {
            Answer::Take => Ok(Receipt::new().with_body(message.payload().clone())),
            Answer::Fail(effect) => Err(failure(effect)),
            Answer::Panic => {
                under_way.ended = true;
                panic!("scripted");
            }
            Answer::Hang => std::future::pending().await,
        };
        under_way.ended = true;
        self.counts.completed.fetch_add(1, Ordering::SeqCst);
        result
    }
}

struct UnderWay<'a> {
    counts: &'a Counts,
    ended: bool,
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.counts.dropped.fetch_add(1, Ordering::SeqCst);
        }
    }
}

/// A failure whose message tells its effect.
pub(crate) fn failure(effect: Effect) -> Error {
    Error::new(ErrorKind::Rejected, format!("refused with effect {effect}"))
        .with_effect(effect)
        .with_advice(RetryAdvice::Never)
}

/// A fan-out to sinks named `a`, `b`, `c` and so on.
pub(crate) fn fan_out(policy: impl FanOutPolicy + 'static, sinks: &[&Scripted]) -> FanOutBuilder {
    let names = ["a", "b", "c", "d", "e"];
    sinks
        .iter()
        .zip(names)
        .fold(FanOut::builder(policy), |builder, (sink, name)| builder.sink(name, (*sink).clone()))
}

/// Any message.
pub(crate) fn hello() -> Message {
    Message::text("hello")
}

pub(crate) fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A runtime with a paused clock, for tests that make their own.
pub(crate) fn paused() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_time().start_paused(true).build().unwrap()
}

/// A sink that cannot be reached, and says so.
pub(crate) struct Unavailable;

#[async_trait]
impl Sink for Unavailable {
    async fn send(&self, _: &Message, _: &Attempt) -> Result<Receipt, Error> {
        Err(Error::new(ErrorKind::CircuitOpen, "open"))
    }

    fn is_available(&self) -> bool {
        false
    }
}
