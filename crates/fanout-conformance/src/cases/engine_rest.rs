//! The engine: what becomes of sends in flight at the verdict, and of a send that is dropped.

use std::sync::Arc;

use fanout::policy::{self, Reason, Rest, Verdict};
use fanout::{Effect, ErrorKind};
use futures_util::poll;

use super::engine::{
    EngineCase, Stage, catalogue, engine_case, entry, expect_effect, expect_outcome,
    expect_requests, expect_time, expect_verdict, fails, hello, ms, takes,
};
use super::scene::{tasks, tasks_down_to};
use crate::fakes::{Answer, ScriptedSink};
use crate::plan::Plan;
use crate::suite::{Outcome, ensure};

pub(super) const CASES: &[EngineCase] = &[
    engine_case!(
        cancel_records,
        "engine/cancel_records_losers",
        "with `Cancel` every loser is recorded as cancelled when the report is there, and no task is left"
    ),
    engine_case!(
        cancelled_effect,
        "engine/cancelled_effect_is_by_phase",
        "a loser that had sent nothing has effect `None`; one that had sent, or said nothing, `Maybe`"
    ),
    engine_case!(
        drain,
        "engine/drain_runs_to_the_end",
        "with `Drain` sinks in flight at the verdict run to their own end, and the report has their outcomes"
    ),
    engine_case!(
        detach,
        "engine/detach_answers_at_the_verdict",
        "with `Detach` the caller has the verdict at once, and the rest still completes and is reported"
    ),
    engine_case!(
        verdict_stays,
        "engine/verdict_stays",
        "the verdict is decided once: what settles after it does not change it"
    ),
    engine_case!(
        bounded,
        "engine/detach_is_bounded",
        "above 1,024 detached sends the next one drains instead, and a counter moves"
    ),
    engine_case!(
        panics,
        "engine/panic_is_contained",
        "a sink that panics has failed with `Panic`; the others are unaffected, under every policy"
    ),
    engine_case!(
        dropped,
        "engine/dropped_send_leaves_nothing",
        "dropping a send drops every delivery in flight and leaves no task behind"
    ),
];

async fn cancel_records(stage: Stage) -> Outcome {
    let before = tasks();
    let (b, c) = (takes(1000), ScriptedSink::never_answers());
    let plan =
        Plan::new(policy::first()).sink("a", takes(10)).sink("b", b.clone()).sink("c", c.clone());
    let engine = stage.build(plan)?;
    let report = engine.send(hello()).await;
    expect_verdict(&report, Verdict::Satisfied)?;
    expect_time("the report", Some(report.elapsed()), 10)?;
    for (name, sink) in [("b", b), ("c", c)] {
        expect_outcome(&report, name, "cancelled")?;
        let counts = sink.counts();
        ensure!(counts.dropped == 1, "{name} was not dropped before the report: {counts:?}");
    }
    ensure!(engine.detached() == 0, "{} sends are detached", engine.detached());
    let after = tasks_down_to(before).await;
    ensure!(after <= before, "{} tasks are left", after - before);
    Ok(())
}

async fn cancelled_effect(stage: Stage) -> Outcome {
    let stuck = |effect| ScriptedSink::playing(Answer::stall().stubborn().tells(effect));
    let plan = Plan::new(policy::first())
        .rest(Rest::Cancel)
        .sink("winner", takes(10))
        .sink("unsent", stuck(Effect::None))
        .sink("sent", stuck(Effect::Maybe))
        .sink("silent", ScriptedSink::never_answers());
    let report = stage.send(plan).await?;
    expect_verdict(&report, Verdict::Satisfied)?;
    expect_effect(&report, "unsent", Effect::None)?;
    expect_effect(&report, "sent", Effect::Maybe)?;
    expect_effect(&report, "silent", Effect::Maybe)
}

async fn drain(stage: Stage) -> Outcome {
    let plan = Plan::new(policy::all().fail_fast())
        .rest(Rest::Drain)
        .sink("a", fails(10, Effect::None))
        .sink("b", takes(50))
        .sink("c", fails(80, Effect::Maybe));
    let report = stage.send(plan).await?;
    expect_verdict(&report, Verdict::Unsatisfied(Reason::SinkFailed))?;
    expect_outcome(&report, "b", "delivered")?;
    expect_outcome(&report, "c", "failed")?;
    expect_time("the report", Some(report.elapsed()), 80)
}

async fn detach(stage: Stage) -> Outcome {
    let c = takes(500);
    let plan =
        Plan::new(policy::quorum(2)).sink("a", takes(10)).sink("b", takes(20)).sink("c", c.clone());
    let engine = stage.build(plan)?;
    let report = engine.send(hello()).await;
    expect_verdict(&report, Verdict::Satisfied)?;
    expect_time("the report", Some(report.elapsed()), 20)?;
    expect_outcome(&report, "c", "pending")?;
    ensure!(engine.detached() == 1, "{} sends are counted as detached", engine.detached());
    let settled = report.settled().await;
    expect_outcome(&settled, "c", "delivered")?;
    ensure!(c.counts().completed == 1, "the detached send did not complete: {:?}", c.counts());
    expect_time("the end of c", Some(entry(&settled, "c")?.elapsed()), 500)
}

async fn verdict_stays(stage: Stage) -> Outcome {
    // Decided as unsatisfied; everything that comes later succeeds.
    let plan = Plan::new(policy::all().fail_fast())
        .sink("a", fails(10, Effect::None))
        .sink("b", takes(50))
        .sink("c", takes(60));
    let report = stage.send(plan).await?;
    let unsatisfied = Verdict::Unsatisfied(Reason::SinkFailed);
    expect_verdict(&report, unsatisfied)?;
    let settled = report.settled().await;
    expect_verdict(&settled, unsatisfied)?;
    // And the other way round.
    let plan = Plan::new(policy::quorum(1))
        .sink("a", takes(10))
        .sink("b", fails(50, Effect::Maybe))
        .sink("c", fails(60, Effect::Maybe));
    let report = stage.send(plan).await?;
    expect_verdict(&report, Verdict::Satisfied)?;
    let settled = report.settled().await;
    expect_verdict(&settled, Verdict::Satisfied)
}

async fn bounded(stage: Stage) -> Outcome {
    let slow = takes(10_000);
    let plan = Plan::new(policy::quorum(1)).sink("quick", takes(0)).sink("slow", slow.clone());
    let engine = stage.build(plan)?;
    let mut early = Vec::new();
    for _ in 0..LIMIT {
        early.push(engine.send(hello()).await);
    }
    ensure!(engine.detached() == LIMIT, "{} of {LIMIT} are detached", engine.detached());
    ensure!(engine.detach_overflows() == 0, "the counter moved before the limit was reached");
    let report = engine.send(hello()).await;
    ensure!(engine.detached() <= LIMIT, "{} are detached", engine.detached());
    ensure!(engine.detach_overflows() == 1, "the counter says {}", engine.detach_overflows());
    expect_outcome(&report, "slow", "delivered")
}

/// As the documentation of `FanOut` says.
const LIMIT: usize = 1_024;

async fn panics(stage: Stage) -> Outcome {
    for policy in catalogue() {
        let name = policy.name();
        let panicking = ScriptedSink::panics();
        let plan = Plan::new(Arc::clone(&policy))
            .sink("a", panicking.clone())
            .sink("b", takes(5))
            .sink("c", takes(5));
        let report = stage.send(plan).await?.settled().await;
        expect_requests("a", &panicking, 1)?;
        let kind = entry(&report, "a")?.error().map(fanout::Error::kind);
        ensure!(kind == Some(ErrorKind::Panic), "under {name}, a failed with {kind:?}");
        for other in ["b", "c"] {
            let delivery = entry(&report, other)?;
            let unaffected = delivery.error().is_none();
            ensure!(unaffected, "under {name}, {other} is {}", delivery.outcome().as_str());
        }
    }
    Ok(())
}

async fn dropped(stage: Stage) -> Outcome {
    let before = tasks();
    let (a, b) = (ScriptedSink::never_answers(), takes(50));
    let plan = Plan::new(policy::all()).sink("a", a.clone()).sink("b", b.clone());
    let engine = stage.build(plan)?;
    {
        let mut send = engine.send(hello());
        ensure!(poll!(&mut send).is_pending(), "nothing was answered, and the send ended");
        tokio::time::sleep(ms(1)).await;
        ensure!(poll!(&mut send).is_pending(), "nothing was answered, and the send ended");
    }
    for (name, sink) in [("a", a), ("b", b)] {
        let counts = sink.counts();
        ensure!(counts.dropped == 1, "{name} was not dropped with the send: {counts:?}");
    }
    let after = tasks_down_to(before).await;
    ensure!(after <= before, "{} tasks were left behind", after - before);
    Ok(())
}
