//! Policies in a real fan-out: what the engine promises whatever the policy says.

use std::sync::Arc;
use std::time::Duration;

use fanout::policy::Rest;
use fanout::{ErrorKind, Message, Outcome as Ended, Report};

use super::policy::{PolicyCase, Subject, policy_case};
use super::scene::{tasks, tasks_down_to};
use crate::fakes::{Answer, ScriptedSink};
use crate::plan::Plan;
use crate::suite::{Outcome, Stop, ensure};

pub(super) const CASES: &[PolicyCase] = &[
    policy_case!(
        panic_is_contained,
        "policy/panic_stays_inside",
        Never,
        "a sink that panics has failed with `Panic`, and the send ends as with any other failure"
    ),
    policy_case!(
        mirrors,
        "policy/mirrors_do_not_matter",
        Never,
        "a mirror that hangs, panics or fails changes neither the verdict nor its time"
    ),
    policy_case!(
        cancels,
        "policy/cancel_leaves_nothing",
        Never,
        "with `Rest::Cancel` nothing is in flight once the report is there"
    ),
];

/// A fan-out of three such sinks, or as many as the policy takes.
fn plan(subject: &Subject, sinks: &[ScriptedSink]) -> Result<Plan, Stop> {
    const NAMES: [&str; 4] = ["a", "b", "c", "d"];
    let count = [3, 2, 4, 1].into_iter().find(|n| subject.policy.validate(*n).is_ok());
    let count = count.ok_or_else(|| Stop::NotSupported("it takes no such number".to_owned()))?;
    let mut plan = Plan::new(Arc::clone(&subject.policy));
    for (position, name) in NAMES.into_iter().take(count).enumerate() {
        plan = plan.sink(name, sinks[position % sinks.len()].clone());
    }
    Ok(plan)
}

async fn send(plan: Plan) -> Result<Report, Stop> {
    let built = plan.build().map_err(|error| Stop::Failed(error.to_string()))?;
    Ok(built.send(Message::text("hello")).await)
}

async fn panic_is_contained(subject: Subject) -> Outcome {
    let sinks = [ScriptedSink::panics(), ScriptedSink::delivers(), ScriptedSink::delivers()];
    let report = send(plan(&subject, &sinks)?).await?;
    let first = &report.deliveries()[0];
    let started = sinks[0].counts().requests > 0;
    let panicked = first.error().is_some_and(|error| error.kind() == ErrorKind::Panic);
    ensure!(
        panicked == started,
        "the sink that panicked is reported as {}",
        first.outcome().as_str()
    );
    Ok(())
}

async fn mirrors(subject: Subject) -> Outcome {
    let steady = || [ScriptedSink::playing(Answer::respond("").late(Duration::from_millis(20)))];
    let alone = send(plan(&subject, &steady())?).await?;
    for (how, mirror) in [
        ("hangs", ScriptedSink::never_answers()),
        ("panics", ScriptedSink::panics()),
        ("fails", ScriptedSink::fails(ErrorKind::Upstream)),
    ] {
        let report = send(plan(&subject, &steady())?.mirror("mirror", mirror)).await?;
        let (verdict, without) = (report.verdict(), alone.verdict());
        ensure!(verdict == without, "{without} became {verdict} with a mirror that {how}");
        let (elapsed, without) = (report.elapsed(), alone.elapsed());
        ensure!(
            elapsed <= without + Duration::from_millis(5),
            "{without:?} became {elapsed:?} with a mirror that {how}"
        );
    }
    Ok(())
}

async fn cancels(subject: Subject) -> Outcome {
    let before = tasks();
    let quick = ScriptedSink::delivers();
    let slow = ScriptedSink::playing(Answer::stall());
    let sinks = [slow, quick.clone(), quick];
    let deadline = Duration::from_secs(2);
    let plan = plan(&subject, &sinks)?.rest(Rest::Cancel).deadline(deadline);
    let report = send(plan).await?;
    let pending = |delivery: &&fanout::Delivery| matches!(delivery.outcome(), Ended::Pending);
    let left = report.deliveries().iter().filter(pending).count();
    ensure!(left == 0, "{left} deliveries are still pending in the report");
    let in_flight: usize = sinks[..2].iter().map(|sink| sink.counts().in_flight).sum();
    ensure!(in_flight == 0, "{in_flight} sends are still in flight");
    let after = tasks_down_to(before).await;
    ensure!(after <= before, "{} tasks were left behind", after - before);
    Ok(())
}
