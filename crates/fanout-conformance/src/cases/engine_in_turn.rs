//! The engine: verdicts of the policies that start one sink after the other.

use fanout::policy::{self, OnAmbiguous, Reason, Verdict};
use fanout::{Effect, ErrorKind, SkipReason, StopReason};

use super::engine::{
    EngineCase, Stage, engine_case, entry, expect_effect, expect_requests, expect_time,
    expect_verdict, fails, ms, takes,
};
use crate::fakes::{Answer, ScriptedSink};
use crate::plan::Plan;
use crate::suite::{Outcome, ensure};

pub(super) const CASES: &[EngineCase] = &[
    engine_case!(
        fallback_once,
        "engine/fallback_starts_the_next_once",
        "under `fallback` the next sink starts once, after the outcome of the one before, whose error \
         is in the report"
    ),
    engine_case!(
        fallback_stops,
        "engine/fallback_stops_where_ambiguous",
        "`fallback` with `Stop` does not leave a sink that may have applied the message"
    ),
    engine_case!(
        fallback_proceeds,
        "engine/fallback_proceeds_when_told",
        "`fallback` with `Proceed` leaves a sink that may have applied the message, but not one that has"
    ),
    engine_case!(
        fallback_open,
        "engine/fallback_leaves_an_open_circuit",
        "under `fallback` a sink whose circuit is open is left at once"
    ),
    engine_case!(
        hedge_at_failure,
        "engine/hedge_starts_at_a_failure",
        "under `hedged` the next sink starts when one fails, and does not wait for the delay"
    ),
    engine_case!(
        hedge_at_delay,
        "engine/hedge_starts_after_the_delay",
        "under `hedged` the next sink starts when the delay has passed without an answer, and may win"
    ),
    engine_case!(
        hedge_error,
        "engine/hedge_error_is_the_primary_s",
        "under `hedged`, when all fail, the headline is the first sink's error, and the others are listed"
    ),
    engine_case!(
        sequential,
        "engine/sequential_stops_at_a_failure",
        "under `sequential` what comes after a failure is skipped and never started"
    ),
];

async fn fallback_once(stage: Stage) -> Outcome {
    let b = takes(5);
    let plan = Plan::new(policy::fallback(OnAmbiguous::Stop))
        .sink("a", fails(30, Effect::None))
        .sink("b", b.clone());
    let report = stage.send(plan).await?;
    expect_verdict(&report, Verdict::Satisfied)?;
    expect_requests("b", &b, 1)?;
    expect_time("the start of b", entry(&report, "b")?.started(), 30)?;
    let reason = entry(&report, "a")?.error().map(fanout::Error::kind);
    ensure!(reason == Some(ErrorKind::Rejected), "the report names {reason:?} as the error of a");
    Ok(())
}

async fn fallback_stops(stage: Stage) -> Outcome {
    // The body was written, and then the time ran out.
    let lost = Answer::fail(ErrorKind::Timeout).tells(Effect::Maybe).late(ms(30));
    let b = takes(5);
    let plan = Plan::new(policy::fallback(OnAmbiguous::Stop))
        .sink("a", ScriptedSink::playing(lost))
        .sink("b", b.clone());
    let report = stage.send(plan).await?;
    expect_verdict(&report, Verdict::Unsatisfied(Reason::Ambiguous))?;
    expect_requests("b", &b, 0)?;
    let skipped = entry(&report, "b")?.outcome();
    let ambiguous = matches!(skipped, fanout::Outcome::Skipped(SkipReason::Ambiguous));
    ensure!(ambiguous, "b is {}, not skipped as ambiguous", skipped.as_str());
    let stop = entry(&report, "a")?.stop_reason();
    let own = !matches!(stop, None | Some(StopReason::PolicyDecided));
    ensure!(own, "a has the stop reason {stop:?}, not its own");
    expect_effect(&report, "a", Effect::Maybe)
}

async fn fallback_proceeds(stage: Stage) -> Outcome {
    for (effect, wanted) in [(Effect::Maybe, 1), (Effect::Done, 0)] {
        let b = takes(5);
        let plan = Plan::new(policy::fallback(OnAmbiguous::Proceed))
            .sink("a", fails(5, effect))
            .sink("b", b.clone());
        let report = stage.send(plan).await?;
        expect_requests("b", &b, wanted)?;
        ensure!(
            report.is_satisfied() == (wanted == 1),
            "after effect {effect} the verdict is {}",
            report.verdict()
        );
    }
    Ok(())
}

async fn fallback_open(stage: Stage) -> Outcome {
    let plan = Plan::new(policy::fallback(OnAmbiguous::Stop))
        .sink("a", ScriptedSink::unavailable())
        .sink("b", takes(5));
    let report = stage.send(plan).await?;
    expect_verdict(&report, Verdict::Satisfied)?;
    expect_time("the start of b", entry(&report, "b")?.started(), 0)?;
    let stop = entry(&report, "a")?.stop_reason();
    ensure!(stop == Some(StopReason::CircuitOpen), "a has the stop reason {stop:?}");
    expect_effect(&report, "a", Effect::None)
}

async fn hedge_at_failure(stage: Stage) -> Outcome {
    let plan =
        Plan::new(policy::hedged(ms(500))).sink("a", fails(10, Effect::None)).sink("b", takes(5));
    let report = stage.send(plan).await?;
    expect_verdict(&report, Verdict::Satisfied)?;
    expect_time("the start of b", entry(&report, "b")?.started(), 10)
}

async fn hedge_at_delay(stage: Stage) -> Outcome {
    let c = takes(1);
    let plan = Plan::new(policy::hedged(ms(500)))
        .sink("a", takes(5000))
        .sink("b", takes(100))
        .sink("c", c.clone());
    let report = stage.send(plan).await?;
    expect_verdict(&report, Verdict::Satisfied)?;
    expect_time("the start of b", entry(&report, "b")?.started(), 500)?;
    let winner = report.winner().map(fanout::Delivery::sink);
    ensure!(winner == Some("b"), "the winner is {winner:?}");
    expect_requests("c", &c, 0)
}

async fn hedge_error(stage: Stage) -> Outcome {
    let failing = |kind, after| ScriptedSink::playing(Answer::fail(kind).late(ms(after)));
    let plan = Plan::new(policy::hedged(ms(10)))
        .sink("a", failing(ErrorKind::Upstream, 100))
        .sink("b", failing(ErrorKind::Forbidden, 20));
    let report = stage.send(plan).await?;
    expect_verdict(&report, Verdict::Unsatisfied(Reason::AllFailed))?;
    let headline = report.headline().map(fanout::Error::kind);
    ensure!(headline == Some(ErrorKind::Upstream), "the headline is {headline:?}");
    let listed = entry(&report, "b")?.error().map(fanout::Error::kind);
    ensure!(listed == Some(ErrorKind::Forbidden), "the hedge is listed with {listed:?}");
    Ok(())
}

async fn sequential(stage: Stage) -> Outcome {
    let c = takes(5);
    let plan = Plan::new(policy::sequential())
        .sink("a", takes(5))
        .sink("b", fails(5, Effect::None))
        .sink("c", c.clone());
    let report = stage.send(plan).await?;
    expect_verdict(&report, Verdict::Unsatisfied(Reason::SinkFailed))?;
    expect_requests("c", &c, 0)?;
    let skipped = entry(&report, "c")?.outcome();
    let previous = matches!(skipped, fanout::Outcome::Skipped(SkipReason::PreviousFailed));
    ensure!(previous, "c is {}, not skipped for the failure before it", skipped.as_str());
    Ok(())
}
