//! Sending in spite of failures: the suite, and the words that its cases share.

use std::sync::Arc;
use std::time::Duration;

use fanout::resilience::Resilience;
use fanout::{BuildError, Delivery, Error, FanOut, Report, Sink, SinkExt, StopReason, policy};
use futures_util::future::LocalBoxFuture;
use tokio::task::JoinSet;

use super::engine::{entry, hello, ms};
use super::resilience_destination::Destination;
use super::{
    resilience_breaker, resilience_deadline, resilience_lifecycle, resilience_limits,
    resilience_retry, resilience_retry_when, resilience_throttle,
};
use crate::arena::Clock;
use crate::harness::SECRET;
use crate::suite::{Case, Outcome, Rule, Stop, Suite, ensure};

/// Judges a decorator that sends in spite of failures: its retries, deadlines, budget, breaker and limits,
/// and that it leaves nothing behind. Await the result.
///
/// `make` puts the decorator around a sink; [`fanout_resilience`] makes the one that fanout has. All
/// sinks are scripted, the jitter is seeded, and the clock is paused.
///
/// # Examples
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// use fanout_conformance::{fanout_resilience, resilience_suite};
///
/// resilience_suite(fanout_resilience).only("breaker").await.assert_passed();
/// # });
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn resilience_suite(
    make: impl Fn(Arc<dyn Sink>, Resilience) -> Result<Arc<dyn Sink>, BuildError>
    + Send
    + Sync
    + 'static,
) -> Suite {
    let bench = Bench::new(make);
    let cases = [
        resilience_deadline::CASES,
        resilience_retry::CASES,
        resilience_retry_when::CASES,
        resilience_breaker::CASES,
        resilience_throttle::CASES,
        resilience_limits::CASES,
        resilience_lifecycle::CASES,
    ];
    let bound = cases.into_iter().flatten().map(|case| {
        let (run, bench) = (case.run, bench.clone());
        Case {
            rule: case.rule,
            clock: Clock::Paused,
            waived: None,
            start: Box::new(move || run(bench)),
        }
    });
    Suite::new("resilience", bound.collect())
}

/// Puts fanout's own pipeline around a sink, for [`resilience_suite`].
///
/// # Errors
///
/// As [`SinkExt::resilient`].
pub fn fanout_resilience(
    sink: Arc<dyn Sink>,
    resilience: Resilience,
) -> Result<Arc<dyn Sink>, BuildError> {
    sink.resilient(resilience).map(|sink| Arc::new(sink) as Arc<dyn Sink>)
}

pub(crate) struct ResilienceCase {
    pub(crate) rule: Rule,
    pub(crate) run: fn(Bench) -> LocalBoxFuture<'static, Outcome>,
}

/// Makes a row of a table of cases.
macro_rules! resilience_case {
    ($run:ident, $id:literal, $rule:literal) => {
        $crate::cases::resilience::ResilienceCase {
            rule: $crate::suite::Rule { id: $id, text: $rule },
            run: |bench| Box::pin($run(bench)),
        }
    };
}
pub(crate) use resilience_case;

/// Makes decorators.
#[derive(Clone)]
pub(crate) struct Bench(Arc<MakeResilient>);

pub(crate) type MakeResilient =
    dyn Fn(Arc<dyn Sink>, Resilience) -> Result<Arc<dyn Sink>, BuildError> + Send + Sync;

impl Bench {
    pub(crate) fn new(
        make: impl Fn(Arc<dyn Sink>, Resilience) -> Result<Arc<dyn Sink>, BuildError>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        Self(Arc::new(make))
    }

    pub(crate) fn try_wrap(
        &self,
        sink: impl Sink + 'static,
        settings: Resilience,
    ) -> Result<Arc<dyn Sink>, BuildError> {
        (self.0)(Arc::new(sink), settings)
    }

    pub(crate) fn wrap(
        &self,
        sink: impl Sink + 'static,
        settings: Resilience,
    ) -> Result<Arc<dyn Sink>, Stop> {
        let shown = format!("{settings:?}");
        self.try_wrap(sink, settings)
            .map_err(|error| Stop::Failed(format!("it was not built: {error}, for {shown}")))
    }

    /// A fan-out to this destination alone, behind a decorator of its own.
    pub(crate) fn fan_out(
        &self,
        destination: &Destination,
        settings: Resilience,
    ) -> Result<FanOut, Stop> {
        alone(self.wrap(destination.clone(), settings)?)
    }

    /// Sends one message through a decorator of its own.
    pub(crate) async fn send(
        &self,
        destination: &Destination,
        settings: Resilience,
    ) -> Result<Report, Stop> {
        Ok(self.fan_out(destination, settings)?.send(hello()).await)
    }
}

/// A fan-out to this sink alone, named `a`, without a deadline.
pub(crate) fn alone(sink: Arc<dyn Sink>) -> Result<FanOut, Stop> {
    let built = FanOut::builder(policy::all()).sink("a", sink).no_deadline().build();
    built.map_err(|error| Stop::Failed(error.to_string()))
}

/// The numbers that most cases begin with: the defaults, and a seed.
pub(crate) fn settings() -> Resilience {
    Resilience::default().seed(7)
}

/// The same with a breaker that never opens, for cases about something else.
pub(crate) fn unbroken() -> Resilience {
    settings().breaker_consecutive(1_000_000).breaker_min_calls(1_000_000)
}

pub(crate) fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// The entry of the one sink.
pub(crate) fn a(report: &Report) -> Result<&Delivery, Stop> {
    entry(report, "a")
}

pub(crate) fn expect_stop(report: &Report, attempts: u32, reason: StopReason) -> Outcome {
    let a = a(report)?;
    let seen = (a.attempts(), a.stop_reason());
    ensure!(
        seen == (attempts, Some(reason)),
        "{} attempts and then {:?}, not {attempts} and {reason:?}\n{report}",
        seen.0,
        seen.1
    );
    Ok(())
}

pub(crate) fn expect_calls(destination: &Destination, wanted: usize) -> Outcome {
    let calls = destination.counts().requests;
    ensure!(calls == wanted, "the sink was reached {calls} times, not {wanted}");
    Ok(())
}

/// A timer ticks in milliseconds, so it may be late by a few.
pub(crate) fn expect_within(
    what: &str,
    time: Duration,
    least: Duration,
    most: Duration,
) -> Outcome {
    let within = time >= least && time <= most + ms(3);
    ensure!(within, "{what} took {time:?}, not {least:?} to {most:?}");
    Ok(())
}

/// Sends so many messages at once, and returns their reports in no particular order.
pub(crate) async fn send_all(fan_out: &FanOut, sends: usize) -> Vec<Report> {
    let mut all = JoinSet::new();
    for _ in 0..sends {
        let fan_out = fan_out.clone();
        all.spawn(async move { fan_out.send(hello()).await });
    }
    all.join_all().await
}

/// Looks for the secret in all that is told of a send to `a`.
pub(crate) fn no_secret(what: &str, report: &Report) -> Outcome {
    let chain = a(report)?.error().map(Error::to_chain).unwrap_or_default();
    let json = serde_json::to_string(report).unwrap_or_default();
    for (place, text) in [
        ("the error", chain),
        ("the report", report.to_string()),
        ("the report's `Debug`", format!("{report:?}")),
        ("the report's JSON", json),
    ] {
        ensure!(!text.contains(SECRET), "after {what}, the secret is in {place}");
    }
    Ok(())
}
