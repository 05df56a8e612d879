//! An endpoint that plays a script, call by call, and writes down what it saw.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fanout::{
    Attempt, Effect, Error, ErrorKind, IdempotencyKey, Message, Reach, Receipt, RetryAdvice, Sink,
    async_trait,
};
use tokio::time::{Instant, sleep};

type Script = Arc<dyn Fn(usize) -> Step + Send + Sync>;

/// What the endpoint does with one call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    pub(crate) told: Option<Effect>,
    pub(crate) after: Duration,
    pub(crate) answer: Answer,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Answer {
    Take,
    Fail(ErrorKind, Effect, RetryAdvice),
    Hang,
    Panic,
}

#[derive(Clone)]
pub(crate) struct Endpoint {
    script: Script,
    repeatable: bool,
    log: Arc<Log>,
}

struct Log {
    origin: Instant,
    calls: Mutex<Vec<Call>>,
    in_flight: AtomicUsize,
    peak: AtomicUsize,
    delivered: AtomicUsize,
}

/// A call as the endpoint saw it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Call {
    pub(crate) at: Duration,
    pub(crate) message: u128,
    pub(crate) number: u32,
    pub(crate) key: IdempotencyKey,
    pub(crate) earlier: Effect,
    pub(crate) time_left: Option<Duration>,
}

impl Step {
    pub(crate) fn take() -> Self {
        Self { told: None, after: Duration::ZERO, answer: Answer::Take }
    }

    pub(crate) fn fail(kind: ErrorKind, effect: Effect, advice: RetryAdvice) -> Self {
        Self { answer: Answer::Fail(kind, effect, advice), ..Self::take() }
    }

    /// Connection refused.
    pub(crate) fn refuse() -> Self {
        Self::fail(ErrorKind::Connect, Effect::None, RetryAdvice::Backoff)
    }

    /// HTTP 500.
    pub(crate) fn break_down() -> Self {
        Self::fail(ErrorKind::Upstream, Effect::Maybe, RetryAdvice::Backoff)
    }

    /// HTTP 400.
    pub(crate) fn reject() -> Self {
        Self::fail(ErrorKind::Rejected, Effect::None, RetryAdvice::Never)
    }

    /// HTTP 429.
    pub(crate) fn throttle(advice: RetryAdvice) -> Self {
        Self::fail(ErrorKind::Throttled, Effect::None, advice)
    }

    pub(crate) fn hang() -> Self {
        Self { answer: Answer::Hang, ..Self::take() }
    }

    pub(crate) fn panic() -> Self {
        Self { answer: Answer::Panic, ..Self::take() }
    }

    pub(crate) fn after(self, after: Duration) -> Self {
        Self { after, ..self }
    }

    pub(crate) fn telling(self, effect: Effect) -> Self {
        Self { told: Some(effect), ..self }
    }
}

impl Endpoint {
    /// Does with call number `n`, counted from 0, what `script(n)` says.
    pub(crate) fn new(script: impl Fn(usize) -> Step + Send + Sync + 'static) -> Self {
        let log = Log {
            origin: Instant::now(),
            calls: Mutex::default(),
            in_flight: AtomicUsize::new(0),
            peak: AtomicUsize::new(0),
            delivered: AtomicUsize::new(0),
        };
        Self { script: Arc::new(script), repeatable: false, log: Arc::new(log) }
    }

    /// Does these, one after the other, and then takes everything.
    pub(crate) fn plays<const N: usize>(steps: [Step; N]) -> Self {
        Self::new(move |call| steps.get(call).copied().unwrap_or_else(Step::take))
    }

    /// Does the same with every call.
    pub(crate) fn always(step: Step) -> Self {
        Self::new(move |_| step)
    }

    /// Says that applying a message twice is harmless.
    pub(crate) fn repeatable(mut self) -> Self {
        self.repeatable = true;
        self
    }

    pub(crate) fn calls(&self) -> Vec<Call> {
        self.log.calls.lock().unwrap().clone()
    }

    pub(crate) fn count(&self) -> usize {
        self.log.calls.lock().unwrap().len()
    }

    /// When the calls came, in milliseconds since the endpoint was made.
    pub(crate) fn times(&self) -> Vec<u128> {
        self.calls().iter().map(|call| call.at.as_millis()).collect()
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.log.in_flight.load(Ordering::SeqCst)
    }

    pub(crate) fn peak(&self) -> usize {
        self.log.peak.load(Ordering::SeqCst)
    }

    pub(crate) fn delivered(&self) -> usize {
        self.log.delivered.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl Sink for Endpoint {
    async fn send(&self, message: &Message, attempt: &Attempt) -> Result<Receipt, Error> {
        let call = {
            let mut calls = self.log.calls.lock().unwrap();
            calls.push(Call {
                at: self.log.origin.elapsed(),
                message: message.id().as_u128(),
                number: attempt.number(),
                key: attempt.idempotency_key(),
                earlier: attempt.earlier_effect(),
                time_left: attempt.remaining(),
            });
            calls.len() - 1
        };
        let _under_way = UnderWay::begin(&self.log);
        let step = (self.script)(call);
        if let Some(effect) = step.told {
            assert_eq!(attempt.reached(effect), Reach::Proceed, "an attempt that is alive");
        }
        if !step.after.is_zero() {
            sleep(step.after).await;
        }
        match step.answer {
            Answer::Take => {
                self.log.delivered.fetch_add(1, Ordering::SeqCst);
                Ok(Receipt::new())
            }
            Answer::Fail(kind, effect, advice) => Err(Error::new(kind, format!("call {call}"))
                .with_effect(effect)
                .with_advice(advice)),
            Answer::Hang => std::future::pending().await,
            Answer::Panic => panic!("scripted"),
        }
    }

    fn is_repeatable(&self) -> bool {
        self.repeatable
    }
}

struct UnderWay<'a>(&'a Log);

impl<'a> UnderWay<'a> {
    fn begin(log: &'a Log) -> Self {
        let now = log.in_flight.fetch_add(1, Ordering::SeqCst) + 1;
        log.peak.fetch_max(now, Ordering::SeqCst);
        Self(log)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::SeqCst);
    }
}
