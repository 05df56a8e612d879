//! Decorators that break the contract, each rejected by the rules that it breaks.
//!
//! Most are fanout's own pipeline with numbers that were tampered with, or with something broken between
//! it and the sink, or around it.

mod inside;
mod numbers;
mod outside;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use fanout::resilience::Resilience;
use fanout::{Attempt, BuildError, Error, Message, Receipt, Sink, async_trait};
use fanout_conformance::{fanout_resilience, resilience_suite};
use futures_util::future::{BoxFuture, FutureExt};

use self::inside::INSIDE;
use self::numbers::NUMBERS;
use self::outside::OUTSIDE;
use crate::rejected;

pub(crate) type Made = Result<Arc<dyn Sink>, BuildError>;

/// A broken decorator, and the rules that must reject it.
struct Row {
    name: &'static str,
    make: fn(Arc<dyn Sink>, Resilience) -> Made,
    rules: &'static [&'static str],
}

type SendFn = dyn Fn(Arc<dyn Sink>, Message, Attempt) -> BoxFuture<'static, Result<Receipt, Error>>
    + Send
    + Sync;

/// A sink with something broken around it. What it says of itself is true.
pub(crate) struct Around {
    inner: Arc<dyn Sink>,
    send: Box<SendFn>,
    available: Option<Box<dyn Fn() -> bool + Send + Sync>>,
    repeatable: Option<bool>,
}

#[async_trait]
impl Sink for Around {
    async fn send(&self, message: &Message, attempt: &Attempt) -> Result<Receipt, Error> {
        (self.send)(Arc::clone(&self.inner), message.clone(), attempt.clone()).await
    }

    fn is_available(&self) -> bool {
        self.available.as_ref().map_or_else(|| self.inner.is_available(), |available| available())
    }

    fn is_repeatable(&self) -> bool {
        self.repeatable.unwrap_or_else(|| self.inner.is_repeatable())
    }
}

/// Puts something around a sink.
pub(crate) fn around<F, Fut>(inner: Arc<dyn Sink>, send: F) -> Around
where
    F: Fn(Arc<dyn Sink>, Message, Attempt) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Receipt, Error>> + Send + 'static,
{
    let send = move |inner, message, attempt| send(inner, message, attempt).boxed();
    Around { inner, send: Box::new(send), available: None, repeatable: None }
}

/// Passes everything on.
async fn pass(inner: Arc<dyn Sink>, message: Message, attempt: Attempt) -> Result<Receipt, Error> {
    inner.send(&message, &attempt).await
}

/// The pipeline around a sink whose errors it gets to see otherwise.
pub(crate) fn misread(
    sink: Arc<dyn Sink>,
    settings: Resilience,
    change: fn(Error) -> Error,
) -> Made {
    let changed = around(sink, move |sink, message, attempt| async move {
        sink.send(&message, &attempt).await.map_err(change)
    });
    fanout_resilience(Arc::new(changed), settings)
}

/// The pipeline around a sink that says something else of repeating.
pub(crate) fn claims(sink: Arc<dyn Sink>, settings: Resilience, repeatable: bool) -> Made {
    let claiming = Around { repeatable: Some(repeatable), ..around(sink, pass) };
    fanout_resilience(Arc::new(claiming), settings)
}

/// Something around the pipeline.
pub(crate) fn outside<F, Fut>(sink: Arc<dyn Sink>, settings: Resilience, send: F) -> Made
where
    F: Fn(Arc<dyn Sink>, Message, Attempt) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Receipt, Error>> + Send + 'static,
{
    Ok(Arc::new(around(fanout_resilience(sink, settings)?, send)))
}

/// What the settings say, in seconds or as a number.
fn number(settings: &Resilience, name: &str) -> f64 {
    let written = serde_json::to_value(settings).expect("numbers can be written");
    written[name].as_f64().unwrap_or_default()
}

pub(crate) fn seconds(settings: &Resilience, name: &str) -> Duration {
    Duration::from_secs_f64(number(settings, name))
}

fn broken() -> impl Iterator<Item = &'static Row> {
    NUMBERS.iter().chain(INSIDE).chain(OUTSIDE)
}

#[tokio::test]
async fn every_broken_decorator_is_rejected() {
    for Row { name, make, rules } in broken() {
        for rule in *rules {
            rejected(name, resilience_suite(make).only(rule), rule).await;
        }
    }
}

#[test]
fn every_rule_of_resilience_rejects_something() {
    let broken: HashSet<_> = broken().flat_map(|row| row.rules.iter().copied()).collect();
    let suite = resilience_suite(fanout_resilience);
    let rules: HashSet<_> = suite.rules().map(|rule| rule.id).collect();
    assert_eq!(rules, broken);
}
