//! The small decorators.

use std::sync::{Arc, Mutex};

use fanout::{
    Effect, Error, ErrorKind, FanOut, MemorySink, RetryAdvice, SinkExt, StopReason, policy,
};

use crate::endpoint::{Endpoint, Step};
use crate::pipeline::settings;
use crate::support::hello;

#[tokio::test(start_paused = true)]
async fn a_mapped_message_is_what_arrives_and_the_key_stays() {
    let sink = MemorySink::new();
    let mapped =
        sink.clone().map_message(|message| Ok(message.clone().with_metadata("source", "shop")));
    let fan_out =
        FanOut::builder(policy::all()).sink("a", mapped).sink("b", sink.clone()).build().unwrap();
    let report = fan_out.send(hello()).await;
    assert!(report.is_satisfied());
    let sources: Vec<_> = sink.received().iter().map(|m| m.metadata().len()).collect();
    assert_eq!(sources, [1, 0]);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_cannot_be_mapped_is_not_attempted() {
    let endpoint = Endpoint::always(Step::take());
    let broken = endpoint
        .clone()
        .map_message(|_| Err(Error::new(ErrorKind::Build, "no order number")))
        .resilient(settings())
        .unwrap();
    let fan_out = FanOut::builder(policy::all()).sink("a", broken).build().unwrap();
    let report = fan_out.send(hello()).await;
    let a = report.get("a").unwrap();
    assert_eq!((a.attempts(), a.effect(), endpoint.count()), (0, Effect::None, 0));
    assert_eq!(a.stop_reason(), Some(StopReason::NotRetryable));
}

#[tokio::test(start_paused = true)]
async fn a_filtered_message_is_delivered_without_an_attempt_and_says_so() {
    let sink = MemorySink::new();
    let filtered = sink.clone().filter(|message| message.payload().len() > 5);
    let fan_out = FanOut::builder(policy::all()).sink("a", filtered).build().unwrap();
    let report = fan_out.send(hello()).await;
    assert!(report.is_satisfied() && report.nothing_sent());
    let a = report.get("a").unwrap();
    assert_eq!((a.attempts(), sink.received().len()), (0, 0));
    assert!(a.receipt().unwrap().notices().any(|notice| notice.contains("filter")));
    assert!(fan_out.send(fanout::Message::text("hello, world")).await.is_satisfied());
    assert_eq!(sink.received().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn inspect_sees_every_attempt_inside_and_the_send_outside() {
    let looks = Arc::new(Mutex::new((Vec::new(), 0)));
    let (inside, outside) = (Arc::clone(&looks), Arc::clone(&looks));
    let sink = Endpoint::plays([Step::refuse(), Step::refuse()])
        .inspect(move |_, attempt, result| {
            inside.lock().unwrap().0.push((attempt.number(), result.is_ok()));
        })
        .resilient(settings())
        .unwrap()
        .inspect(move |_, _, result| {
            assert!(result.is_ok());
            outside.lock().unwrap().1 += 1;
        });
    let fan_out = FanOut::builder(policy::all()).sink("a", sink).build().unwrap();
    assert!(fan_out.send(hello()).await.is_satisfied());
    let looks = looks.lock().unwrap();
    assert_eq!(*looks, (vec![(1, false), (2, false), (3, true)], 1));
}

#[tokio::test(start_paused = true)]
async fn a_map_that_asks_to_be_tried_again_shows_no_attempt_and_no_effect() {
    for (kind, advice) in [
        (ErrorKind::Unauthenticated, RetryAdvice::Once),
        (ErrorKind::Unavailable, RetryAdvice::Once),
        (ErrorKind::Upstream, RetryAdvice::Backoff),
    ] {
        let endpoint = Endpoint::always(Step::take());
        let broken = endpoint
            .clone()
            .map_message(move |_| Err(Error::new(kind, "no token").with_advice(advice)))
            .resilient(settings())
            .unwrap();
        let fan_out = FanOut::builder(policy::all()).sink("a", broken).build().unwrap();
        let report = fan_out.send(hello()).await;
        let a = report.get("a").unwrap();
        assert_eq!((a.attempts(), a.effect(), endpoint.count()), (0, Effect::None, 0), "{kind:?}");
        assert_eq!(a.stop_reason(), Some(StopReason::AttemptsExhausted));
    }
}
