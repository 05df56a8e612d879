//! The engine: what is sent to whom, what the report says of it, and the end of a fan-out.

use std::sync::Arc;

use fanout::policy::{self, Reason, Verdict};
use fanout::{Effect, ErrorKind, Outcome as Ended, SkipReason};

use super::engine::{
    EngineCase, Stage, catalogue, engine_case, entry, expect_effect, expect_outcome,
    expect_requests, expect_time, expect_verdict, fails, hello, ms, takes,
};
use super::scene::{tasks, tasks_down_to};
use crate::fakes::{Answer, Received, Script, ScriptedSink};
use crate::plan::Plan;
use crate::suite::{Outcome, Stop, ensure};

pub(super) const CASES: &[EngineCase] = &[
    engine_case!(
        concurrent,
        "engine/latency_is_the_slowest_sink_s",
        "sinks that start together run together: a send takes as long as the slowest, not as all"
    ),
    engine_case!(
        once_each,
        "engine/one_request_each",
        "one send is at most one call of each sink, also when another one fails"
    ),
    engine_case!(
        exact,
        "engine/payload_is_shared_as_it_is",
        "every sink gets the exact bytes of the payload"
    ),
    engine_case!(
        report_order,
        "engine/report_is_in_configured_order",
        "the report has one entry per sink, mirrors too, in configured order"
    ),
    engine_case!(
        keys,
        "engine/keys_are_stable",
        "a sink has the same idempotency key for every send of one message, and no two sinks share one"
    ),
    engine_case!(
        undelivered,
        "engine/resend_view_has_what_is_missing",
        "the resend view lists what was not delivered, the sure ones apart from the ambiguous"
    ),
    engine_case!(
        resend,
        "engine/resend_starts_what_is_missing",
        "a resend starts the sinks that do not have the message and no other, with the keys they had, and \
         keeps the worst effect"
    ),
    engine_case!(
        each_its_own,
        "engine/each_its_own_message",
        "each sink gets its own message; when the names are not exactly those of the required sinks, nothing \
         is sent"
    ),
    engine_case!(
        nested,
        "engine/nested_effect_is_the_worst",
        "a nested fan-out that did not hold has the worst effect of its sinks, and carries its report"
    ),
    engine_case!(
        nested_detach,
        "engine/nested_detach_drains",
        "a nested fan-out leaves no work behind, as no sink does: its `Detach` acts as `Drain`"
    ),
    engine_case!(
        shutdown,
        "engine/shutdown_waits_then_cuts",
        "shutdown waits for detached sends as long as it may, then cuts them and says how many those were"
    ),
    engine_case!(
        closed,
        "engine/nothing_after_shutdown",
        "after shutdown every sink of a send is skipped, and nothing is started"
    ),
];

async fn concurrent(stage: Stage) -> Outcome {
    let plan =
        Plan::new(policy::all()).sink("a", takes(20)).sink("b", takes(50)).sink("c", takes(30));
    let report = stage.send(plan).await?;
    expect_time("the report", Some(report.elapsed()), 50)
}

async fn once_each(stage: Stage) -> Outcome {
    for policy in catalogue() {
        let sinks = [
            takes(5),
            ScriptedSink::playing(Answer::fail(ErrorKind::Unavailable).late(ms(1))),
            fails(1, Effect::None),
        ];
        let mut plan = Plan::new(Arc::clone(&policy));
        for (name, sink) in ["a", "b", "c"].into_iter().zip(&sinks) {
            plan = plan.sink(name, sink.clone());
        }
        let report = stage.send(plan).await?.settled().await;
        for (name, sink) in ["a", "b", "c"].into_iter().zip(&sinks) {
            let started = usize::from(entry(&report, name)?.started().is_some());
            expect_requests(name, sink, started)?;
        }
    }
    Ok(())
}

async fn exact(stage: Stage) -> Outcome {
    let sinks = [takes(0), takes(1)];
    let plan = Plan::new(policy::all()).sink("a", sinks[0].clone()).sink("b", sinks[1].clone());
    let message = fanout::Message::bytes(&b"\x00exact \xff bytes"[..]);
    let report = stage.build(plan)?.send(message.clone()).await;
    expect_verdict(&report, Verdict::Satisfied)?;
    for sink in sinks {
        let received = sink.received();
        let same = received.len() == 1 && received[0].payload == *message.payload();
        ensure!(same, "another payload arrived");
    }
    Ok(())
}

async fn report_order(stage: Stage) -> Outcome {
    let plan = Plan::new(policy::all())
        .sink("d", takes(30))
        .mirror("c", takes(1))
        .sink("b", fails(10, Effect::None))
        .mirror("a", takes(2))
        .sink("e", takes(0));
    let report = stage.send(plan).await?;
    let names: Vec<_> = report.deliveries().iter().map(fanout::Delivery::sink).collect();
    ensure!(names == ["d", "c", "b", "a", "e"], "the report lists {names:?}");
    Ok(())
}

async fn keys(stage: Stage) -> Outcome {
    let sinks = [takes(1), fails(1, Effect::Maybe)];
    let plan = Plan::new(policy::all()).sink("a", sinks[0].clone()).sink("b", sinks[1].clone());
    let engine = stage.build(plan)?;
    let message = hello();
    let reports = [engine.send(message.clone()).await, engine.send(message).await];
    let mut seen = Vec::new();
    for (name, sink) in ["a", "b"].into_iter().zip(&sinks) {
        let key = entry(&reports[0], name)?.idempotency_key().to_string();
        let again = entry(&reports[1], name)?.idempotency_key().to_string();
        ensure!(key == again, "the key of {name} changed between two sends of one message");
        for request in sink.received() {
            let sent = request.get("idempotency-key");
            ensure!(sent == Some(&*key), "{name} was given another key than the report says");
        }
        ensure!(!seen.contains(&key), "two sinks share a key");
        seen.push(key);
    }
    Ok(())
}

async fn undelivered(stage: Stage) -> Outcome {
    let plan = Plan::new(policy::all_settled())
        .sink("delivered", takes(1))
        .sink("refused", fails(1, Effect::None))
        .sink("lost", fails(1, Effect::Maybe))
        .sink("applied", fails(1, Effect::Done));
    let report = stage.send(plan).await?;
    let names = |deliveries: &[&fanout::Delivery]| -> Vec<String> {
        deliveries.iter().map(|delivery| delivery.sink().to_owned()).collect()
    };
    let resend = report.resend();
    let (unsent, ambiguous) = (names(&resend.unsent), names(&resend.ambiguous));
    ensure!(unsent == ["refused"], "surely unsent: {unsent:?}");
    ensure!(ambiguous == ["lost"], "ambiguous: {ambiguous:?}");
    Ok(())
}

async fn resend(stage: Stage) -> Outcome {
    let sinks = [
        takes(1),
        ScriptedSink::playing(Script::given([
            Answer::fail(ErrorKind::Interrupted),
            Answer::fail(ErrorKind::Connect),
        ])),
        ScriptedSink::playing(Script::given([
            Answer::fail(ErrorKind::Rejected),
            Answer::respond(""),
        ])),
    ];
    let mut plan = Plan::new(policy::all());
    for (name, sink) in ["a", "b", "c"].into_iter().zip(&sinks) {
        plan = plan.sink(name, sink.clone());
    }
    let engine = stage.build(plan)?;
    let message = hello();
    let report = engine.send(message.clone()).await;
    let again = engine.resend(message, report).await;
    let report = again.map_err(|error| Stop::Failed(format!("it was refused: {error}")))?;
    for ((name, sink), requests) in ["a", "b", "c"].into_iter().zip(&sinks).zip([1, 2, 2]) {
        expect_requests(name, sink, requests)?;
        let key = entry(&report, name)?.idempotency_key().to_string();
        let same = |request: &Received| request.get("idempotency-key") == Some(&*key);
        ensure!(sink.received().iter().all(same), "{name} was given another key the second time");
    }
    expect_outcome(&report, "a", "delivered")?;
    expect_outcome(&report, "c", "delivered")?;
    // Refused now, and perhaps applied the first time.
    expect_effect(&report, "b", Effect::Maybe)
}

async fn each_its_own(stage: Stage) -> Outcome {
    let sinks = [takes(1), takes(1)];
    let plan = || Plan::new(policy::all()).sink("a", sinks[0].clone()).sink("b", sinks[1].clone());
    let text = fanout::Message::text;
    let engine = stage.build(plan())?;
    for wrong in [
        vec![("a", text("1"))],
        vec![("a", text("1")), ("b", text("2")), ("c", text("3"))],
        vec![("a", text("1")), ("b", text("2")), ("b", text("3"))],
    ] {
        let names: Vec<_> = wrong.iter().map(|(name, _)| *name).collect();
        let kind = engine.send_each(wrong).await.err().map(|error| error.kind());
        ensure!(kind == Some(ErrorKind::Build), "messages for {names:?} gave {kind:?}");
        expect_requests("a", &sinks[0], 0)?;
        expect_requests("b", &sinks[1], 0)?;
    }
    let report = engine.send_each(vec![("b", text("for b")), ("a", text("for a"))]).await;
    let report = report.map_err(|error| Stop::Failed(format!("it was refused: {error}")))?;
    expect_verdict(&report, Verdict::Satisfied)?;
    for (sink, wanted) in sinks.iter().zip(["for a", "for b"]) {
        let received = sink.received();
        let own = received.len() == 1 && received[0].payload == wanted;
        ensure!(own, "the sink that was to get {wanted:?} got something else");
    }
    Ok(())
}

async fn nested(stage: Stage) -> Outcome {
    for (effect, wanted) in
        [(Effect::None, Effect::None), (Effect::Maybe, Effect::Maybe), (Effect::Done, Effect::Done)]
    {
        let inner =
            Plan::new(policy::all()).sink("x", fails(5, effect)).sink("y", fails(5, Effect::None));
        let inner = inner.build().map_err(|error| Stop::Failed(error.to_string()))?;
        let report = stage.send(Plan::new(policy::all()).sink("inner", inner)).await?;
        let delivery = entry(&report, "inner")?;
        let (kind, effect) = (delivery.error().map(fanout::Error::kind), delivery.effect());
        ensure!(kind == Some(ErrorKind::Unsatisfied), "the kind is {kind:?}");
        ensure!(effect == wanted, "the worst effect inside is {wanted}, outside it is {effect}");
        let inside = delivery.report().map(|report| report.deliveries().len());
        ensure!(inside == Some(2), "the inner report has {inside:?} entries");
    }
    Ok(())
}

async fn nested_detach(stage: Stage) -> Outcome {
    let before = tasks();
    let slow = takes(500);
    let inner = Plan::new(policy::quorum(1)).sink("quick", takes(10)).sink("slow", slow.clone());
    let inner = inner.build().map_err(|error| Stop::Failed(error.to_string()))?;
    let report = stage.send(Plan::new(policy::all()).sink("inner", inner)).await?;
    expect_verdict(&report, Verdict::Satisfied)?;
    expect_time("the report", Some(report.elapsed()), 500)?;
    ensure!(slow.counts().completed == 1, "the slow sink did not complete");
    let after = tasks_down_to(before).await;
    ensure!(after <= before, "{} tasks are left", after - before);
    Ok(())
}

async fn shutdown(stage: Stage) -> Outcome {
    let plan = Plan::new(policy::quorum(1))
        .sink("a", takes(1))
        .sink("soon", takes(5_000))
        .sink("never", ScriptedSink::never_answers())
        .deadline(ms(3_600_000));
    let engine = stage.build(plan)?;
    let report = engine.send(hello()).await;
    let began = tokio::time::Instant::now();
    let cut = engine.shutdown(ms(20_000)).await;
    expect_time("the end of the shutdown", Some(began.elapsed()), 20_000)?;
    ensure!(cut == 1, "one delivery had to be cut, it says {cut}");
    ensure!(engine.detached() == 0, "{} sends are still detached", engine.detached());
    let settled = report.settled().await;
    expect_outcome(&settled, "soon", "delivered")?;
    expect_outcome(&settled, "never", "cancelled")
}

async fn closed(stage: Stage) -> Outcome {
    let a = takes(1);
    let engine = stage.build(Plan::new(policy::all()).sink("a", a.clone()))?;
    let cut = engine.shutdown(ms(1000)).await;
    ensure!(cut == 0, "nothing was sent, and {cut} deliveries were cut");
    let report = engine.send(hello()).await;
    expect_verdict(&report, Verdict::Unsatisfied(Reason::Shutdown))?;
    let outcome = entry(&report, "a")?.outcome();
    let for_it = matches!(outcome, Ended::Skipped(SkipReason::Shutdown));
    ensure!(for_it, "a is {}, not skipped for the shutdown", outcome.as_str());
    expect_requests("a", &a, 0)
}
