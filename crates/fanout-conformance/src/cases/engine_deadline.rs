//! The engine: the deadline of a fan-out.

use fanout::policy::{self, Reason, Verdict};
use fanout::{
    Attempt, BuildError, Effect, Error, ErrorKind, Message, Outcome as Ended, Receipt, Report,
    SkipReason, TimeoutScope, sink_fn,
};
use tokio::time::Instant;

use super::engine::{
    EngineCase, Stage, engine_case, entry, expect_effect, expect_outcome, expect_requests,
    expect_time, expect_verdict, ms, takes,
};
use crate::fakes::{Answer, ScriptedSink};
use crate::plan::Plan;
use crate::suite::{Outcome, ensure};

pub(super) const CASES: &[EngineCase] = &[
    engine_case!(
        keeps,
        "engine/deadline_keeps_what_is_done",
        "at the deadline the report keeps the successes, and what is in flight has failed with a timeout of \
         the fan-out, whether the sink keeps its deadline or not"
    ),
    engine_case!(
        skips,
        "engine/deadline_skips_what_waits",
        "at the deadline what waits is skipped for it, and never started"
    ),
    engine_case!(
        effect,
        "engine/deadline_effect_is_by_phase",
        "what the deadline cut has the effect that it had reached"
    ),
    engine_case!(
        detached,
        "engine/deadline_ends_detached_sends",
        "a detached send has ended by the deadline too"
    ),
    engine_case!(
        asked,
        "engine/deadline_asks_the_policy",
        "at the deadline the policy is asked once more: one that holds by then is satisfied"
    ),
    engine_case!(
        handed_down,
        "engine/deadline_is_handed_down",
        "each attempt is given the deadline of its send"
    ),
    engine_case!(
        default,
        "engine/deadline_by_default",
        "a send that was given no deadline ends after 35 s"
    ),
    engine_case!(
        zero,
        "engine/zero_deadline_is_a_build_error",
        "a deadline of zero is refused when the fan-out is built"
    ),
];

async fn keeps(stage: Stage) -> Outcome {
    for cut in [Answer::stall(), Answer::stall().stubborn()] {
        let plan = Plan::new(policy::all())
            .sink("a", takes(10))
            .sink("b", takes(20))
            .sink("c", ScriptedSink::playing(cut))
            .deadline(ms(1000));
        let report = stage.send(plan).await?;
        expect_outcome(&report, "a", "delivered")?;
        expect_outcome(&report, "b", "delivered")?;
        expect_time("the report", Some(report.elapsed()), 1000)?;
        timed_out(&report, "c")?;
        ensure!(!report.is_satisfied(), "it is satisfied without c");
    }
    Ok(())
}

fn timed_out(report: &Report, name: &str) -> Outcome {
    let error = entry(report, name)?.error();
    let (kind, scope) = (error.map(Error::kind), error.and_then(Error::scope));
    ensure!(
        kind == Some(ErrorKind::Timeout) && scope == Some(TimeoutScope::FanOut),
        "{name} failed with {kind:?} of {scope:?}, not with a timeout of the fan-out"
    );
    Ok(())
}

async fn skips(stage: Stage) -> Outcome {
    let b = takes(1);
    let plan = Plan::new(policy::sequential())
        .sink("a", ScriptedSink::never_answers())
        .sink("b", b.clone())
        .deadline(ms(100));
    let report = stage.send(plan).await?;
    expect_verdict(&report, Verdict::Unsatisfied(Reason::Deadline))?;
    timed_out(&report, "a")?;
    let outcome = entry(&report, "b")?.outcome();
    let for_it = matches!(outcome, Ended::Skipped(SkipReason::Deadline));
    ensure!(for_it, "b is {}, not skipped for the deadline", outcome.as_str());
    expect_requests("b", &b, 0)
}

async fn effect(stage: Stage) -> Outcome {
    let stuck = |effect| ScriptedSink::playing(Answer::stall().stubborn().tells(effect));
    let plan = Plan::new(policy::all())
        .sink("unsent", stuck(Effect::None))
        .sink("sent", stuck(Effect::Maybe))
        .sink("silent", ScriptedSink::never_answers())
        .deadline(ms(100));
    let report = stage.send(plan).await?;
    expect_effect(&report, "unsent", Effect::None)?;
    expect_effect(&report, "sent", Effect::Maybe)?;
    expect_effect(&report, "silent", Effect::Maybe)
}

async fn detached(stage: Stage) -> Outcome {
    let plan = Plan::new(policy::quorum(1))
        .sink("a", takes(10))
        .sink("b", ScriptedSink::never_answers())
        .deadline(ms(1000));
    let report = stage.send(plan).await?;
    expect_outcome(&report, "b", "pending")?;
    let began = Instant::now();
    let settled = report.settled().await;
    expect_time("the end of the detached send", Some(began.elapsed() + ms(10)), 1000)?;
    timed_out(&settled, "b")
}

async fn asked(stage: Stage) -> Outcome {
    let plan = Plan::new(policy::all_settled().min_success(1))
        .sink("a", takes(10))
        .sink("b", ScriptedSink::never_answers())
        .deadline(ms(1000));
    let report = stage.send(plan).await?;
    expect_verdict(&report, Verdict::Satisfied)?;
    timed_out(&report, "b")
}

async fn handed_down(stage: Stage) -> Outcome {
    // Refuses unless its attempt must end exactly one second after the send began.
    let began = Instant::now();
    let strict = sink_fn(move |_: Message, attempt: Attempt| async move {
        let after = attempt.deadline().map(|deadline| deadline - began);
        match after {
            Some(after) if after == ms(1000) => Ok(Receipt::new()),
            _ => Err(Error::new(ErrorKind::Rejected, format!("the deadline is {after:?} away"))),
        }
    });
    let plan = Plan::new(policy::all()).sink("a", strict).deadline(ms(1000));
    let report = stage.send(plan).await?;
    let error = entry(&report, "a")?.error().map(ToString::to_string);
    ensure!(error.is_none(), "the sink was told: {}", error.unwrap_or_default());
    Ok(())
}

async fn default(stage: Stage) -> Outcome {
    let plan = Plan::new(policy::all()).sink("a", ScriptedSink::never_answers());
    let report = stage.send(plan).await?;
    expect_time("the report", Some(report.elapsed()), 35_000)
}

async fn zero(stage: Stage) -> Outcome {
    let plan = Plan::new(policy::all()).sink("a", takes(1)).deadline(ms(0));
    match stage.try_build(plan) {
        Err(BuildError::ZeroDuration { .. }) => Ok(()),
        Err(error) => {
            ensure!(false, "it was refused for another reason: {error}");
            Ok(())
        }
        Ok(_) => {
            ensure!(false, "it was built");
            Ok(())
        }
    }
}
