//! Permits and places: how many, for how long, and that they always come back.

use std::sync::Arc;

use fanout::resilience::Bulkhead;
use fanout::{Attempt, Effect, ErrorKind, RetryAdvice, Sink, StopReason, TimeoutScope};
use proptest::prelude::*;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use crate::endpoint::{Endpoint, Step};
use crate::pipeline::{only, resilient, settings};
use crate::support::{hello, ms, paused};

#[tokio::test(start_paused = true)]
async fn places_are_refused_at_once_and_permits_are_waited_for_in_order() {
    let bulkhead = Arc::new(Bulkhead::new(1, 2));
    let places: Vec<_> = std::iter::from_fn(|| bulkhead.admit()).take(10).collect();
    assert_eq!((places.len(), bulkhead.admitted()), (3, 3));
    drop(places);
    assert_eq!(bulkhead.admitted(), 0);

    let permit = bulkhead.permit(None).await.unwrap();
    assert_eq!(bulkhead.in_flight(), 1);
    let soon = Instant::now() + ms(10);
    assert!(bulkhead.permit(Some(soon)).await.is_err());
    assert_eq!(Instant::now(), soon);
    drop(permit);
    assert_eq!(bulkhead.in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_fails_a_send_at_once_without_an_attempt() {
    let endpoint = Endpoint::always(Step::take().after(ms(1_000)));
    let sink = resilient(&endpoint, settings());
    let fan_out = only(Arc::clone(&sink)).build().unwrap();
    let mut sends = JoinSet::new();
    for _ in 0..321 {
        let fan_out = fan_out.clone();
        sends.spawn(async move { fan_out.send(hello()).await });
    }
    let reports = sends.join_all().await;
    let full: Vec<_> = reports.iter().filter(|report| !report.is_satisfied()).collect();
    assert_eq!(full.len(), 1, "64 in flight and 256 that wait");
    let a = full[0].get("a").unwrap();
    assert_eq!(a.error().unwrap().kind(), ErrorKind::QueueFull);
    assert_eq!((a.attempts(), a.effect(), a.elapsed()), (0, Effect::None, ms(0)));
    assert_eq!(a.stop_reason(), Some(StopReason::NotRetryable));
    assert_eq!((endpoint.peak(), endpoint.delivered()), (64, 320));
    assert_eq!((sink.bulkhead().in_flight(), sink.bulkhead().admitted()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn no_permit_is_held_during_a_pause() {
    let pause = RetryAdvice::Exactly(ms(5_000));
    let fail = Step::fail(ErrorKind::Upstream, Effect::None, pause);
    let endpoint = Endpoint::new(move |call| match call {
        0..50 => fail.after(ms(10)),
        _ => Step::take().after(ms(10)),
    });
    let settings = settings().max_in_flight(2).breaker_consecutive(1_000).breaker_min_calls(1_000);
    let sink = resilient(&endpoint, settings);
    let fan_out = only(Arc::clone(&sink)).build().unwrap();
    let mut sends = JoinSet::new();
    for _ in 0..50 {
        let fan_out = fan_out.clone();
        sends.spawn(async move { fan_out.send(hello()).await.is_satisfied() });
    }
    // The first fifty attempts take 25 turns of 10 ms: no pause holds one up.
    tokio::time::sleep(ms(1_000)).await;
    assert_eq!((endpoint.count(), sink.bulkhead().in_flight()), (50, 0));
    assert_eq!(sink.bulkhead().admitted(), 50, "those that pause wait in their places");
    assert!(sends.join_all().await.into_iter().all(|satisfied| satisfied));
    assert_eq!(endpoint.peak(), 2);
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_a_permit_in_vain_has_not_tried() {
    let endpoint = Endpoint::always(Step::hang().telling(Effect::Maybe));
    let settings = settings().max_in_flight(1);
    let fan_out = only(resilient(&endpoint, settings.total_timeout(ms(10_000)))).build().unwrap();
    let first = tokio::spawn({
        let fan_out = fan_out.clone();
        async move { fan_out.send(hello()).await }
    });
    tokio::task::yield_now().await;
    let second = timeout(ms(11_000), fan_out.send(hello())).await.unwrap();
    let first = first.await.unwrap();
    assert_eq!(first.get("a").unwrap().error().unwrap().scope(), Some(TimeoutScope::Attempt));
    let a = second.get("a").unwrap();
    assert_eq!((a.attempts(), a.effect()), (0, Effect::None));
    assert_eq!(a.error().unwrap().scope(), Some(TimeoutScope::Queue));
    assert_eq!(a.stop_reason(), Some(StopReason::DeadlineWouldPass));
}

#[tokio::test(start_paused = true)]
async fn a_permit_that_comes_at_the_deadline_comes_too_late() {
    let endpoint = Endpoint::always(Step::take().after(ms(1_000)));
    let settings = settings().max_in_flight(1).attempt_timeout(ms(2_000));
    let sink = resilient(&endpoint, settings.total_timeout(ms(2_000)));
    let first = only(Arc::clone(&sink)).build().unwrap();
    let second = only(sink).deadline(ms(1_000)).build().unwrap();
    let (first, second) = tokio::join!(first.send(hello()), async {
        tokio::task::yield_now().await;
        second.send(hello()).await
    });
    assert!(first.is_satisfied());
    assert!(!second.is_satisfied());
    assert_eq!((endpoint.count(), second.get("a").unwrap().attempts()), (1, 0));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Wherever a send is dropped, what it held comes back, and its successors are served.
    #[test]
    fn everything_comes_back_wherever_a_send_is_dropped(
        drops in prop::collection::vec(0_u64..400, 1..12),
        after in 0_u64..60,
        throttled: bool,
    ) {
        paused().block_on(async move {
            let endpoint = Endpoint::new(move |call| match call % 3 {
                0 if throttled => Step::throttle(RetryAdvice::After(ms(40))).after(ms(after)),
                0 => Step::refuse().after(ms(after)),
                1 => Step::hang(),
                _ => Step::take().after(ms(after)),
            });
            let settings = settings().max_in_flight(2).max_waiting(3).rate_limit(50.0);
            let settings = settings.breaker_consecutive(2).breaker_open(ms(30));
            let sink = resilient(&endpoint, settings);
            let mut sends = JoinSet::new();
            for millis in drops {
                let sink = Arc::clone(&sink);
                sends.spawn(async move {
                    let message = hello();
                    let attempt = Attempt::first("a", &message);
                    timeout(ms(millis), sink.send(&message, &attempt)).await.ok();
                });
            }
            sends.join_all().await;
            assert_eq!((sink.bulkhead().in_flight(), sink.bulkhead().admitted()), (0, 0));
            assert_eq!(endpoint.in_flight(), 0);
            // Neither the gate nor the breaker is wedged: after a while a send goes through.
            tokio::time::sleep(ms(70_000)).await;
            let mut reached = endpoint.count();
            for _ in 0..3 {
                let message = hello();
                let attempt = Attempt::first("a", &message);
                timeout(ms(1_000), sink.send(&message, &attempt)).await.ok();
                assert!(endpoint.count() > reached, "nobody reaches the sink any more");
                reached = endpoint.count();
                tokio::time::sleep(ms(70_000)).await;
            }
        });
    }
}
