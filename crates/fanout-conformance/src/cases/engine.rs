//! The engine: the suite, and the words that its cases share.

use std::sync::Arc;
use std::time::Duration;

use fanout::policy::{self, FanOutPolicy, OnAmbiguous, Verdict};
use fanout::{BuildError, Delivery, Effect, ErrorKind, Message, Report};
use futures_util::future::LocalBoxFuture;

use super::{
    engine_deadline, engine_in_turn, engine_policy, engine_rest, engine_send, engine_verdict,
};
use crate::arena::Clock;
use crate::fakes::{Answer, ScriptedSink};
use crate::plan::{Engine, Plan};
use crate::suite::{Case, Outcome, Rule, Stop, Suite, ensure};

/// Judges the engine itself: what a fan-out does under every policy of the catalogue. Await the result.
///
/// `build` makes a running fan-out of a [`Plan`]; [`fanout_engine`] is the one that fanout has. All sinks
/// are scripted, and the clock is paused.
///
/// # Examples
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// use fanout_conformance::{engine_suite, fanout_engine};
///
/// engine_suite(fanout_engine).only("fallback").await.assert_passed();
/// # });
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn engine_suite(
    build: impl Fn(Plan) -> Result<Box<dyn Engine>, BuildError> + Send + Sync + 'static,
) -> Suite {
    let stage = Stage(Arc::new(build));
    let cases = [
        engine_verdict::CASES,
        engine_in_turn::CASES,
        engine_policy::CASES,
        engine_rest::CASES,
        engine_deadline::CASES,
        engine_send::CASES,
    ];
    let bound = cases.into_iter().flatten().map(|case| {
        let (run, stage) = (case.run, stage.clone());
        Case {
            rule: case.rule,
            clock: Clock::Paused,
            waived: None,
            start: Box::new(move || run(stage)),
        }
    });
    Suite::new("engine", bound.collect())
}

/// Builds the fan-out of a plan with fanout's own engine, for [`engine_suite`].
///
/// # Errors
///
/// As [`Plan::build`].
pub fn fanout_engine(plan: Plan) -> Result<Box<dyn Engine>, BuildError> {
    plan.build().map(|fan_out| Box::new(fan_out) as Box<dyn Engine>)
}

pub(crate) struct EngineCase {
    pub(crate) rule: Rule,
    pub(crate) run: fn(Stage) -> LocalBoxFuture<'static, Outcome>,
}

/// Makes a row of a table of engine cases.
macro_rules! engine_case {
    ($run:ident, $id:literal, $rule:literal) => {
        $crate::cases::engine::EngineCase {
            rule: $crate::suite::Rule { id: $id, text: $rule },
            run: |stage| Box::pin($run(stage)),
        }
    };
}
pub(crate) use engine_case;

#[derive(Clone)]
pub(crate) struct Stage(Arc<BuildEngine>);

type BuildEngine = dyn Fn(Plan) -> Result<Box<dyn Engine>, BuildError> + Send + Sync;

impl Stage {
    pub(crate) fn try_build(&self, plan: Plan) -> Result<Box<dyn Engine>, BuildError> {
        (self.0)(plan)
    }

    pub(crate) fn build(&self, plan: Plan) -> Result<Box<dyn Engine>, Stop> {
        let shown = format!("{plan:?}");
        self.try_build(plan).map_err(|error| Stop::Failed(format!("{error}, for {shown}")))
    }

    pub(crate) async fn send(&self, plan: Plan) -> Result<Report, Stop> {
        Ok(self.build(plan)?.send(hello()).await)
    }
}

/// The catalogue, with what makes each equal to the others for one sink.
pub(crate) fn catalogue() -> Vec<Arc<dyn FanOutPolicy>> {
    vec![
        Arc::new(policy::all()),
        Arc::new(policy::all().fail_fast()),
        Arc::new(policy::all_settled().min_success(1)),
        Arc::new(policy::first()),
        Arc::new(policy::race()),
        Arc::new(policy::quorum(1)),
        Arc::new(policy::majority()),
        Arc::new(policy::fallback(OnAmbiguous::Stop)),
        Arc::new(policy::fallback(OnAmbiguous::Proceed)),
        Arc::new(policy::hedged(Duration::from_millis(500))),
        Arc::new(policy::sequential()),
    ]
}

pub(crate) fn hello() -> Message {
    Message::text("hello")
}

pub(crate) fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub(crate) fn takes(after: u64) -> ScriptedSink {
    ScriptedSink::playing(Answer::respond("").late(ms(after)))
}

pub(crate) fn fails(after: u64, effect: Effect) -> ScriptedSink {
    let kind = if effect == Effect::None { ErrorKind::Rejected } else { ErrorKind::Interrupted };
    ScriptedSink::playing(Answer::fail(kind).with_effect(effect).late(ms(after)))
}

/// Orders of 0, 1 and 2.
pub(crate) const ORDERS: [[u64; 3]; 6] =
    [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];

pub(crate) fn entry<'r>(report: &'r Report, name: &str) -> Result<&'r Delivery, Stop> {
    report.get(name).ok_or_else(|| Stop::Failed(format!("the report has no entry for {name:?}")))
}

pub(crate) fn expect_verdict(report: &Report, wanted: Verdict) -> Outcome {
    let verdict = report.verdict();
    ensure!(verdict == wanted, "the verdict is {verdict:?}, not {wanted:?}\n{report}");
    Ok(())
}

pub(crate) fn expect_outcome(report: &Report, name: &str, wanted: &str) -> Outcome {
    let outcome = entry(report, name)?.outcome().as_str();
    ensure!(outcome == wanted, "{name} is {outcome}, not {wanted}\n{report}");
    Ok(())
}

pub(crate) fn expect_effect(report: &Report, name: &str, wanted: Effect) -> Outcome {
    let effect = entry(report, name)?.effect();
    ensure!(effect == wanted, "{name} has effect {effect}, not {wanted}\n{report}");
    Ok(())
}

/// A timer ticks in milliseconds, so it may be late by a few.
pub(crate) fn expect_time(what: &str, time: Option<Duration>, wanted: u64) -> Outcome {
    let wanted = ms(wanted);
    let near = time.is_some_and(|time| time >= wanted && time <= wanted + ms(3));
    ensure!(near, "{what} came at {time:?}, not at {wanted:?}");
    Ok(())
}

pub(crate) fn expect_requests(name: &str, sink: &ScriptedSink, wanted: usize) -> Outcome {
    let requests = sink.counts().requests;
    ensure!(requests == wanted, "{name} was sent to {requests} times, not {wanted}");
    Ok(())
}
