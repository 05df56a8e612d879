//! Sinks: what they do with a message that is taken, and what they are before one is sent.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use fanout::{BodyState, Error, ErrorKind, FanOut, Receipt, Sink, policy};
use tokio::time::Instant;

use super::scene::{Scene, shown};
use super::{SinkCase, sink_case};
use crate::arena::{Clock, panic_text};
use crate::capability::Capability;
use crate::fakes::{Answer, Script, Stage, Watch};
use crate::harness::{Harness, SECRET, UnderTest};
use crate::suite::{Outcome, Stop, ensure};

pub(super) const CASES: &[SinkCase] = &[
    sink_case!(delivers, "sink/delivers", [], "a message that the destination takes is delivered"),
    sink_case!(
        payload,
        "sink/payload_is_exact",
        [Payload],
        "the destination receives the exact bytes of the payload"
    ),
    sink_case!(
        body,
        "sink/receipt_has_the_answer",
        [Body],
        "the receipt holds what the destination answered, whole, and says so"
    ),
    sink_case!(
        late,
        "sink/late_is_not_failed",
        [],
        "an answer that comes late, but before the deadline, is a delivery"
    ),
    sink_case!(
        concurrent,
        "sink/concurrent_calls",
        [],
        "`send` may be called any number of times at once, from any task"
    ),
    sink_case!(
        one_request,
        "sink/one_call_one_request",
        [],
        "one call of `send` is one request at the destination"
    ),
    sink_case!(
        deadline,
        "sink/deadline_is_kept",
        [Deadline],
        "an attempt ends by its deadline, whether the head or the body of the answer is missing"
    ),
    sink_case!(
        past_deadline,
        "sink/past_deadline_ends",
        [Deadline],
        "an attempt whose deadline has passed ends at once"
    ),
    sink_case!(
        offline,
        "sink/offline_construction",
        [],
        "making a sink does no I/O and needs no runtime, nor does asking whether it is available"
    ),
    sink_case!(
        secrets,
        "sink/no_secrets",
        [],
        "no credential or metadata value is seen in an error, a receipt, a report or `Debug`"
    ),
];

async fn delivers(harness: Arc<dyn Harness>) -> Outcome {
    let scene = Scene::set(&harness, Answer::respond("")).await?;
    let result = scene.send().await;
    ensure!(result.is_ok(), "the message was taken, and the sink returned {}", shown(&result));
    Ok(())
}

async fn payload(harness: Arc<dyn Harness>) -> Outcome {
    let script = Script::from(Answer::respond("")).watch(Watch::Received);
    let scene = Scene::set(&harness, script).await?;
    let result = scene.send().await;
    ensure!(result.is_ok(), "the message was taken, and the sink returned {}", shown(&result));
    let received = scene.endpoint.received();
    ensure!(received.len() == 1, "{} requests arrived", received.len());
    let (sent, arrived) = (scene.message.payload(), &received[0].payload);
    ensure!(
        arrived == sent,
        "{} bytes were sent and {} other bytes arrived",
        sent.len(),
        arrived.len()
    );
    Ok(())
}

async fn body(harness: Arc<dyn Harness>) -> Outcome {
    let scene = Scene::set(&harness, Answer::respond("taken as number 17")).await?;
    let result = scene.send().await;
    let Ok(receipt) = &result else {
        return Err(Stop::Failed(format!("it returned {}", shown(&result))));
    };
    ensure!(
        receipt.body().as_ref() == b"taken as number 17",
        "18 bytes were answered, and the receipt holds {} others",
        receipt.body().len()
    );
    let state = receipt.body_state();
    ensure!(state == BodyState::Complete, "the answer was whole, the receipt says {state:?}");
    Ok(())
}

async fn late(harness: Arc<dyn Harness>) -> Outcome {
    let late = Answer::respond("").late(Duration::from_millis(50));
    let scene = Scene::set(&harness, late).await?;
    let attempt = scene.attempt().with_deadline(Instant::now() + Duration::from_secs(10));
    let result = scene.sink().send(&scene.message, &attempt).await;
    ensure!(result.is_ok(), "50 ms late of 10 s, and it returned {}", shown(&result));
    Ok(())
}

async fn concurrent(harness: Arc<dyn Harness>) -> Outcome {
    // Late answers keep all calls in flight at once, where the endpoint can be told to be late.
    let late = Answer::respond("").late(Duration::from_millis(20));
    let scene = match Scene::set(&harness, late).await {
        Ok(scene) => scene,
        Err(_) => Scene::set(&harness, Answer::respond("")).await?,
    };
    let calls: Vec<_> = (0..16)
        .map(|_| {
            let (sink, message, attempt) = (scene.sink(), scene.message.clone(), scene.attempt());
            tokio::spawn(async move { sink.send(&message, &attempt).await })
        })
        .collect();
    for (number, call) in calls.into_iter().enumerate() {
        match call.await {
            Ok(result) => {
                ensure!(result.is_ok(), "call {} of 16 returned {}", number + 1, shown(&result));
            }
            Err(error) => {
                let panic = error.try_into_panic().map(|panic| panic_text(panic.as_ref()));
                let panic = panic.unwrap_or_default();
                return Err(Stop::Failed(format!("call {} of 16 panicked: {panic}", number + 1)));
            }
        }
    }
    Ok(())
}

async fn one_request(harness: Arc<dyn Harness>) -> Outcome {
    let script = Script::from(Answer::respond("")).watch(Watch::Requests);
    let scene = Scene::set(&harness, script).await?;
    for calls in 1..=3 {
        let result = scene.send().await;
        ensure!(result.is_ok(), "the message was taken, and the sink returned {}", shown(&result));
        let requests = scene.endpoint.counts().requests;
        ensure!(requests == calls, "{calls} calls made {requests} requests");
    }
    Ok(())
}

async fn deadline(harness: Arc<dyn Harness>) -> Outcome {
    // The real clock has to allow for a busy machine.
    let (limit, slack) = match harness.capabilities().clock() {
        Clock::Paused => (Duration::from_secs(5), Duration::from_millis(10)),
        Clock::Real => (Duration::from_millis(150), Duration::from_secs(3)),
    };
    let silent = Scene::set(&harness, Answer::stall()).await?;
    let result = ended_by(&silent, limit, slack).await?;
    let Err(error) = &result else {
        return Err(Stop::Failed("there was no answer, and it returned a receipt".to_owned()));
    };
    let kind = error.kind();
    let has_its_own = harness.capabilities().reason_against(Capability::Kinds).is_some();
    ensure!(
        kind == ErrorKind::Timeout || has_its_own,
        "the deadline came, and the error says {kind}"
    );
    if let Ok(half) = Scene::set(&harness, Answer::respond("half").stalls(Stage::HalfBody)).await {
        // Half an answer may be a receipt that says so, or a failure.
        drop(ended_by(&half, limit, slack).await?);
    }
    Ok(())
}

/// Sends with a deadline that must end the attempt.
async fn ended_by(
    scene: &Scene,
    limit: Duration,
    slack: Duration,
) -> Result<Result<Receipt, Error>, Stop> {
    let attempt = scene.attempt().with_deadline(Instant::now() + limit);
    let (sink, began) = (scene.sink(), Instant::now());
    let send = sink.send(&scene.message, &attempt);
    match tokio::time::timeout(limit + slack, send).await {
        Ok(result) => Ok(result),
        Err(_) => Err(Stop::Failed(format!(
            "the deadline was {limit:?} away, and the attempt still went on after {:?}",
            began.elapsed()
        ))),
    }
}

async fn past_deadline(harness: Arc<dyn Harness>) -> Outcome {
    let scene = match Scene::set(&harness, Answer::stall()).await {
        Ok(scene) => scene,
        Err(_) => Scene::set(&harness, Answer::respond("")).await?,
    };
    ended_by(&scene, Duration::ZERO, Duration::from_secs(3)).await.map(drop)
}

async fn offline(harness: Arc<dyn Harness>) -> Outcome {
    let script = Script::from(Answer::respond(""));
    // Connections are counted where the endpoint can count them.
    let endpoint = match harness.endpoint(script.clone().watch(Watch::Calls)).await {
        Ok(endpoint) => endpoint,
        Err(_) => harness.endpoint(script).await?,
    };
    let (made, endpoint) = outside_of_a_runtime(move || {
        let under_test = harness.sink(&endpoint);
        under_test.sink().is_available();
        (under_test, endpoint)
    })?;
    // An I/O that was only begun would show now.
    tokio::time::sleep(Duration::from_millis(20)).await;
    let counts = endpoint.counts();
    ensure!(counts.connections == 0, "{} connections were opened", counts.connections);
    ensure!(counts.requests == 0, "{} requests were sent", counts.requests);
    drop(made);
    Ok(())
}

/// Runs `make` on a thread that has no runtime, where a task, a timer or a socket of tokio panics.
fn outside_of_a_runtime<T: Send>(make: impl FnOnce() -> T + Send) -> Result<T, Stop> {
    thread::scope(|scope| scope.spawn(make).join()).map_err(|panic| {
        let text = panic_text(panic.as_ref());
        Stop::Failed(format!("outside of a runtime it panicked: {text}"))
    })
}

async fn secrets(harness: Arc<dyn Harness>) -> Outcome {
    let scripts = [
        Script::from(Answer::respond("")),
        Script::from(Answer::fail(ErrorKind::Rejected)),
        Script::from(Answer::fail(ErrorKind::Unauthenticated)),
        Script::from(Answer::fail(ErrorKind::Upstream)),
        Script::from(Answer::respond("").closes(Stage::Requested)),
        Script::from(Answer::garbage()),
        Script::nobody_listens(),
    ];
    for script in scripts {
        // An endpoint that cannot fail in one way fails in another.
        let Ok(mut scene) = Scene::set(&harness, script).await else { continue };
        no_secret_in("the sink's `Debug`", scene.under_test.debug().unwrap_or_default())?;
        scene.message = scene.message.with_metadata("x-canary", SECRET);
        match scene.send().await {
            Ok(receipt) => no_secret_in("the receipt's `Debug`", &format!("{receipt:?}"))?,
            Err(error) => {
                no_secret_in("the error's `Display`", &error.to_string())?;
                no_secret_in("the error's causes", &error.to_chain())?;
                no_secret_in("the error's `Debug`", &format!("{error:?} {error:#?}"))?;
                let json = serde_json::to_string(&error).unwrap_or_default();
                no_secret_in("the error's JSON", &json)?;
            }
        }
        let all = FanOut::builder(policy::all()).sink("under-test", scene.sink()).build();
        let all = all.map_err(|error| Stop::Failed(error.to_string()))?;
        let report = all.send(scene.message.clone()).await;
        no_secret_in("the report's table", &report.to_string())?;
        no_secret_in("the report's JSON", &serde_json::to_string(&report).unwrap_or_default())?;
        no_secret_in("the report's `Debug`", &format!("{report:?}"))?;
    }
    Ok(())
}

fn no_secret_in(place: &str, text: &str) -> Outcome {
    ensure!(!text.contains(SECRET), "the secret is in {place}");
    Ok(())
}

// `UnderTest` crosses the thread on which it was made.
const _: fn() = || {
    fn crosses<T: Send>() {}
    crosses::<UnderTest>();
};
