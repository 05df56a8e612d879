//! Sinks: what is left when a send, or the sink, is dropped.

use std::future::Future;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use fanout::{Effect, FanOut, Message, Receipt, Sink, policy, sink_fn};
use futures_util::future::poll_immediate;
use futures_util::poll;

use super::scene::{Scene, shown, tasks, tasks_down_to};
use super::{SinkCase, sink_case};
use crate::fakes::{Answer, Script, Watch};
use crate::harness::Harness;
use crate::suite::{Outcome, Stop, ensure};

pub(super) const CASES: &[SinkCase] = &[
    sink_case!(
        unpolled,
        "sink/unpolled_does_nothing",
        [],
        "a send that was never polled has sent nothing"
    ),
    sink_case!(
        drop_ends,
        "sink/drop_ends_the_call",
        [],
        "dropping the future abandons the attempt: the destination sees that the call is over"
    ),
    sink_case!(
        drop_no_task,
        "sink/drop_leaves_no_task",
        [NoTasks],
        "dropping the future leaves no background work behind"
    ),
    sink_case!(
        gone_no_task,
        "sink/gone_leaves_no_task",
        [],
        "a sink that is gone has left no background work behind"
    ),
    sink_case!(
        cancelled,
        "sink/cancelled_is_maybe",
        [],
        "a send that was cancelled after the destination had the request never counts as effect `None`"
    ),
    sink_case!(
        unsent,
        "sink/unsent_is_none",
        [Reach],
        "a send that was cancelled before anything could be sent counts as effect `None`"
    ),
];

async fn unpolled(harness: Arc<dyn Harness>) -> Outcome {
    let script = Script::from(Answer::respond("")).watch(Watch::Requests);
    let scene = Scene::set(&harness, script).await?;
    let (sink, attempt) = (scene.sink(), scene.attempt());
    drop(sink.send(&scene.message, &attempt));
    // A send that is made after it would overtake nothing: what had left would be counted by now.
    let result = scene.send().await;
    ensure!(result.is_ok(), "the message was taken, and the sink returned {}", shown(&result));
    let requests = scene.endpoint.counts().requests;
    ensure!(requests == 1, "one send was polled, and {requests} requests were made");
    Ok(())
}

async fn drop_ends(harness: Arc<dyn Harness>) -> Outcome {
    let script = Script::from(Answer::stall()).watch(Watch::Calls);
    let scene = Scene::set(&harness, script).await?;
    abandon(&scene, true).await?;
    // The case's own limit ends this when the call is never given up.
    let over = scene.endpoint.until(|counts| counts.in_flight == 0);
    let counts = tokio::time::timeout(Duration::from_secs(5), over).await;
    let Ok(counts) = counts else {
        return Err(Stop::Failed("the send was dropped, and the call went on for 5 s".to_owned()));
    };
    ensure!(counts.dropped == 1, "the call was not given up but completed");
    Ok(())
}

async fn drop_no_task(harness: Arc<dyn Harness>) -> Outcome {
    let (scene, stalls) = stalling(&harness).await?;
    let before = tasks();
    abandon(&scene, stalls).await?;
    let after = tasks_down_to(before).await;
    ensure!(after <= before, "{} tasks outlived the send", after - before);
    Ok(())
}

async fn gone_no_task(harness: Arc<dyn Harness>) -> Outcome {
    let before = tasks();
    let (scene, stalls) = stalling(&harness).await?;
    abandon(&scene, stalls).await?;
    let Scene { endpoint, under_test, message: _ } = scene;
    drop(under_test);
    let after = tasks_down_to(before).await;
    ensure!(after <= before, "{} tasks outlived the sink", after - before);
    drop(endpoint);
    Ok(())
}

async fn cancelled(harness: Arc<dyn Harness>) -> Outcome {
    let Scene { endpoint, under_test, message } =
        Scene::set(&harness, Script::from(Answer::stall()).watch(Watch::Calls)).await?;
    let endpoint = Arc::new(endpoint);
    let arrived = move || {
        let endpoint = Arc::clone(&endpoint);
        async move {
            endpoint.until(|counts| counts.in_flight > 0).await;
        }
    };
    let effect = effect_when_cancelled(under_test.sink(), message, arrived).await?;
    ensure!(effect >= Effect::Maybe, "the request had arrived, and the effect is {effect}");
    Ok(())
}

async fn unsent(harness: Arc<dyn Harness>) -> Outcome {
    let scene = Scene::set(&harness, Script::never_connects()).await?;
    let soon = || tokio::time::sleep(Duration::from_millis(200));
    let sink = scene.sink();
    let effect = effect_when_cancelled(sink, scene.message.clone(), soon).await?;
    ensure!(effect == Effect::None, "no connection came about, and the effect is {effect}");
    Ok(())
}

/// Puts the sink into a fan-out that cancels it when `due` is over, and returns its effect.
async fn effect_when_cancelled<F, Fut>(
    sink: Arc<dyn Sink>,
    message: Message,
    due: F,
) -> Result<Effect, Stop>
where
    F: Fn() -> Fut + Send + Sync + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    let winner = sink_fn(move |_, _| {
        let due = due();
        async move {
            due.await;
            Ok(Receipt::new())
        }
    });
    let fan_out = FanOut::builder(policy::first()).sink("under-test", sink).sink("winner", winner);
    let built = fan_out.build().map_err(|error| Stop::Failed(error.to_string()))?;
    let report = built.send(message).await;
    let delivery = report.get("under-test").expect("every sink is in the report");
    let outcome = delivery.outcome().as_str();
    ensure!(outcome == "cancelled", "it was to be cancelled, and is {outcome}:\n{report}");
    Ok(delivery.effect())
}

/// An endpoint that stalls, where it can be told to; whether it does.
async fn stalling(harness: &Arc<dyn Harness>) -> Result<(Scene, bool), Stop> {
    match Scene::set(harness, Script::from(Answer::stall()).watch(Watch::Calls)).await {
        Ok(scene) => Ok((scene, true)),
        Err(_) => Ok((Scene::set(harness, Answer::respond("")).await?, false)),
    }
}

/// Begins a send and drops it: once the endpoint has the request when it stalls, else after the first
/// poll.
async fn abandon(scene: &Scene, stalls: bool) -> Outcome {
    let (sink, attempt) = (scene.sink(), scene.attempt());
    let mut send = sink.send(&scene.message, &attempt);
    if stalls {
        tokio::select! {
            result = &mut send => {
                let what = format!("nothing was answered, and it returned {}", shown(&result));
                return Err(Stop::Failed(what));
            }
            _ = scene.endpoint.until(|counts| counts.in_flight > 0) => {}
        }
        ensure!(matches!(poll!(&mut send), Poll::Pending), "nothing was answered, and it returned");
    } else {
        drop(poll_immediate(&mut send).await);
    }
    Ok(())
}
