//! The engine: verdicts, policy by policy.

use std::sync::Arc;

use fanout::policy::{self, Reason, Rest, Verdict};
use fanout::{BuildError, Completeness, Effect, ErrorKind};

use super::engine::{
    EngineCase, ORDERS, Stage, catalogue, engine_case, entry, expect_outcome, expect_requests,
    expect_time, expect_verdict, fails, hello, ms, takes,
};
use crate::fakes::{Answer, ScriptedSink};
use crate::plan::Plan;
use crate::suite::{Outcome, ensure};

pub(super) const CASES: &[EngineCase] = &[
    engine_case!(
        any_order,
        "engine/any_completion_order",
        "three sinks that succeed give the same verdict and the same order in the report, in whatever \
         order they do"
    ),
    engine_case!(
        one_sink,
        "engine/one_sink_makes_policies_equal",
        "with one sink, every policy gives the same verdict, effect and completeness"
    ),
    engine_case!(
        zero_sinks,
        "engine/zero_sinks_is_a_build_error",
        "without a required sink a fan-out is not built: never an empty success, never a hang"
    ),
    engine_case!(
        fast_error,
        "engine/first_ignores_a_fast_error",
        "under `first` a fast error never wins over a slower success"
    ),
    engine_case!(
        all_errors,
        "engine/first_lists_all_errors",
        "under `first`, when all fail, the report has every error, and the headline is the first \
         configured sink's whatever the order"
    ),
    engine_case!(
        impossible,
        "engine/quorum_ends_when_impossible",
        "`quorum(2)` of three is decided at the second failure, without waiting for the third sink"
    ),
    engine_case!(
        precheck,
        "engine/quorum_checks_before_it_sends",
        "`quorum(2)` of three with two unavailable sends nothing and starts nobody"
    ),
    engine_case!(
        settled_none,
        "engine/all_settled_says_none",
        "under `all_settled`, when every sink fails, the completeness is `None`"
    ),
    engine_case!(
        mirrors,
        "engine/mirrors_never_matter",
        "a mirror that hangs, panics or fails leaves the verdict and its time as they are"
    ),
    engine_case!(
        mirrors_bounded,
        "engine/mirrors_are_bounded",
        "a send to a mirror ends after 5 s, and while 100 of them run, the next one fails as `QueueFull`"
    ),
];

const NAMES: [&str; 3] = ["a", "b", "c"];

async fn any_order(stage: Stage) -> Outcome {
    for policy in catalogue() {
        for order in ORDERS {
            let mut plan = Plan::new(Arc::clone(&policy)).rest(Rest::Drain);
            for (name, place) in NAMES.into_iter().zip(order) {
                plan = plan.sink(name, takes(10 * (place + 1)));
            }
            let report = stage.send(plan).await?;
            expect_verdict(&report, Verdict::Satisfied)?;
            let names: Vec<_> = report.deliveries().iter().map(fanout::Delivery::sink).collect();
            ensure!(names == NAMES, "the report of {} lists {names:?}", policy.name());
        }
    }
    Ok(())
}

async fn one_sink(stage: Stage) -> Outcome {
    let fates: [fn() -> ScriptedSink; 5] = [
        || takes(5),
        || fails(5, Effect::None),
        || fails(5, Effect::Maybe),
        || fails(5, Effect::Done),
        ScriptedSink::panics,
    ];
    for fate in fates {
        let mut seen = None;
        for policy in catalogue() {
            let name = policy.name();
            let report = stage.send(Plan::new(policy).sink("only", fate())).await?;
            let this =
                (report.is_satisfied(), entry(&report, "only")?.effect(), report.completeness());
            let first = *seen.get_or_insert(this);
            ensure!(this == first, "{name} gives {this:?}, others {first:?}");
        }
    }
    Ok(())
}

async fn zero_sinks(stage: Stage) -> Outcome {
    for policy in catalogue() {
        let plans = [
            Plan::new(Arc::clone(&policy)),
            Plan::new(Arc::clone(&policy)).mirror("mirror", takes(0)),
        ];
        for plan in plans {
            let name = policy.name();
            match stage.try_build(plan) {
                Err(BuildError::NoRequiredSinks) => {}
                Err(error) => ensure!(false, "{name} was refused for another reason: {error}"),
                Ok(_) => ensure!(false, "{name} was built without a required sink"),
            }
        }
    }
    Ok(())
}

async fn fast_error(stage: Stage) -> Outcome {
    let plan = Plan::new(policy::first()).sink("a", fails(1, Effect::None)).sink("b", takes(50));
    let report = stage.send(plan).await?;
    expect_verdict(&report, Verdict::Satisfied)?;
    let winner = report.winner().map(fanout::Delivery::sink);
    ensure!(winner == Some("b"), "the winner is {winner:?}");
    expect_outcome(&report, "a", "failed")
}

async fn all_errors(stage: Stage) -> Outcome {
    const KINDS: [ErrorKind; 3] = [ErrorKind::Rejected, ErrorKind::Forbidden, ErrorKind::NotFound];
    for order in ORDERS {
        let mut plan = Plan::new(policy::first());
        for ((name, place), kind) in NAMES.into_iter().zip(order).zip(KINDS) {
            let answer = Answer::fail(kind).late(ms(10 * (place + 1)));
            plan = plan.sink(name, ScriptedSink::playing(answer));
        }
        let report = stage.send(plan).await?;
        expect_verdict(&report, Verdict::Unsatisfied(Reason::AllFailed))?;
        for (name, kind) in NAMES.into_iter().zip(KINDS) {
            let listed = entry(&report, name)?.error().map(fanout::Error::kind);
            ensure!(listed == Some(kind), "{name} failed with {kind}, the report says {listed:?}");
        }
        let headline = report.headline().map(fanout::Error::kind);
        ensure!(headline == Some(KINDS[0]), "the headline is {headline:?}, not the first sink's");
    }
    Ok(())
}

async fn impossible(stage: Stage) -> Outcome {
    let plan = Plan::new(policy::quorum(2))
        .sink("a", fails(10, Effect::None))
        .sink("b", fails(20, Effect::None))
        .sink("c", takes(1000));
    let report = stage.send(plan).await?;
    expect_verdict(&report, Verdict::Unsatisfied(Reason::Impossible))?;
    expect_time("the verdict", Some(report.elapsed()), 20)
}

async fn precheck(stage: Stage) -> Outcome {
    let sinks = [ScriptedSink::unavailable(), ScriptedSink::unavailable(), takes(1)];
    let mut plan = Plan::new(policy::quorum(2));
    for (name, sink) in NAMES.into_iter().zip(&sinks) {
        plan = plan.sink(name, sink.clone());
    }
    let mirror = takes(1);
    let report = stage.send(plan.mirror("mirror", mirror.clone())).await?;
    expect_verdict(&report, Verdict::Unsatisfied(Reason::NotEnoughAvailable))?;
    expect_requests("the mirror", &mirror, 0)?;
    ensure!(report.nothing_sent(), "the report does not say that nothing was sent");
    for (name, sink) in NAMES.into_iter().zip(&sinks) {
        expect_requests(name, sink, 0)?;
    }
    Ok(())
}

async fn settled_none(stage: Stage) -> Outcome {
    for (policy, held) in
        [(policy::all_settled(), true), (policy::all_settled().min_success(1), false)]
    {
        let plan =
            Plan::new(policy).sink("a", fails(5, Effect::None)).sink("b", fails(10, Effect::None));
        let report = stage.send(plan).await?;
        let completeness = report.completeness();
        ensure!(completeness == Completeness::None, "the completeness is {completeness}");
        ensure!(report.is_satisfied() == held, "the verdict is {}", report.verdict());
    }
    Ok(())
}

async fn mirrors(stage: Stage) -> Outcome {
    let mirrors: [fn() -> ScriptedSink; 4] = [
        ScriptedSink::never_answers,
        ScriptedSink::panics,
        || fails(1, Effect::None),
        || fails(100, Effect::Maybe),
    ];
    for policy in catalogue() {
        let plan = || Plan::new(Arc::clone(&policy)).sink("a", takes(20));
        let alone = stage.send(plan()).await?;
        expect_time("the verdict without a mirror", Some(alone.elapsed()), 20)?;
        for mirror in mirrors {
            let mirror = mirror();
            let report = stage.send(plan().mirror("mirror", mirror.clone())).await?;
            expect_verdict(&report, Verdict::Satisfied)?;
            expect_time("the verdict with a mirror", Some(report.elapsed()), 20)?;
            expect_requests("the mirror", &mirror, 1)?;
        }
    }
    Ok(())
}

async fn mirrors_bounded(stage: Stage) -> Outcome {
    let mirror = ScriptedSink::never_answers();
    let plan = Plan::new(policy::all()).sink("a", takes(0)).mirror("mirror", mirror.clone());
    let engine = stage.build(plan)?;
    let first = engine.send(hello()).await;
    expect_outcome(&first, "mirror", "pending")?;
    for _ in 1..100 {
        expect_outcome(&engine.send(hello()).await, "mirror", "pending")?;
    }
    let full = engine.send(hello()).await;
    expect_verdict(&full, Verdict::Satisfied)?;
    let kind = entry(&full, "mirror")?.error().map(fanout::Error::kind);
    ensure!(kind == Some(ErrorKind::QueueFull), "the mirror beyond the limit failed with {kind:?}");
    expect_requests("the mirror", &mirror, 100)?;
    let settled = first.settled().await;
    let kind = entry(&settled, "mirror")?.error().map(fanout::Error::kind);
    ensure!(kind == Some(ErrorKind::Timeout), "a mirror that hangs failed with {kind:?}");
    expect_time("the end of the mirror", Some(entry(&settled, "mirror")?.elapsed()), 5_000)
}
