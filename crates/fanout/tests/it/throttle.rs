//! The gate that the sink's wishes close, and the rate limit.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use fanout::resilience::{Gate, RateLimit};
use fanout::{Effect, ErrorKind, FanOut, RetryAdvice, StopReason, policy};
use tokio::task::JoinSet;
use tokio::time::{Instant, advance, sleep, timeout};

use crate::endpoint::{Endpoint, Step};
use crate::pipeline::{only, resilient, settings};
use crate::support::{hello, ms};

#[tokio::test(start_paused = true)]
async fn a_closed_gate_lets_nobody_pass_and_then_one_two_and_four() {
    let gate = Gate::new(8);
    let start = Instant::now();
    assert!(gate.enter(start).is_some(), "it is open");
    gate.pause(start, ms(1_000));
    gate.pause(start, ms(10));
    assert_eq!(gate.paused_until(start), Some(start + ms(1_000)), "the longer pause counts");
    assert!(gate.enter(start + ms(999)).is_none());
    gate.wait(None).await.unwrap();
    assert_eq!(start.elapsed(), ms(1_000));
    for width in [1, 2, 4] {
        let now = Instant::now();
        let out: Vec<_> = std::iter::from_fn(|| gate.enter(now)).take(100).collect();
        assert_eq!(out.len(), width);
        assert!(timeout(ms(5), gate.wait(None)).await.is_err(), "all are out");
        out.into_iter().for_each(fanout::resilience::Pass::answered);
    }
    assert_eq!((0..100).filter(|_| gate.enter(Instant::now()).is_some()).count(), 100);
}

#[tokio::test(start_paused = true)]
async fn a_pass_that_is_dropped_gives_its_place_back_and_widens_nothing() {
    let gate = Arc::new(Gate::new(8));
    gate.pause(Instant::now(), ms(10));
    advance(ms(10)).await;
    for _ in 0..5 {
        let pass = gate.enter(Instant::now()).expect("one passes");
        assert!(gate.enter(Instant::now()).is_none());
        let waiting = tokio::spawn({
            let gate = Arc::clone(&gate);
            async move { gate.wait(None).await }
        });
        sleep(ms(1)).await;
        assert!(!waiting.is_finished());
        drop(pass);
        waiting.await.unwrap().unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn who_cannot_pass_in_time_learns_it_at_once() {
    let gate = Gate::new(8);
    let start = Instant::now();
    gate.pause(start, ms(1_000));
    let late = gate.wait(Some(start + ms(1_000))).await.expect_err("too late");
    assert_eq!(late.ready(), Some(start + ms(1_000)));
    assert_eq!(start.elapsed(), ms(0));
    assert!(gate.wait(Some(start + ms(1_001))).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_rate_limit_lets_a_seconds_worth_pass_and_then_one_at_a_time_in_order() {
    let limit = Arc::new(RateLimit::new(10.0));
    let start = Instant::now();
    let mut takers = JoinSet::new();
    for taker in 0..40_u64 {
        let limit = Arc::clone(&limit);
        takers.spawn(async move {
            drop(limit.take(None).await.unwrap());
            (start.elapsed(), taker)
        });
    }
    let mut taken = takers.join_all().await;
    taken.sort();
    assert!(taken.iter().map(|(_, taker)| *taker).eq(0..40), "in the order in which they came");
    for (time, taker) in taken {
        let expected = ms(100) * u32::try_from(taker.saturating_sub(9)).unwrap();
        assert!(time >= expected && time <= expected + ms(5), "{taker}: {time:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_rate_is_kept_too_and_who_would_be_late_learns_it_at_once() {
    let limit = RateLimit::new(0.5);
    let start = Instant::now();
    drop(limit.take(None).await.unwrap());
    assert!(limit.take(Some(start + ms(1_999))).await.is_err());
    assert_eq!(start.elapsed(), ms(0));
    drop(limit.take(None).await.unwrap());
    assert_eq!(start.elapsed(), ms(2_000));
    let waiting = timeout(ms(500), limit.take(None)).await;
    assert!(waiting.is_err(), "dropped while waiting");
    drop(limit.take(None).await.unwrap());
    assert_eq!(start.elapsed(), ms(4_000), "and has taken nothing");
}

#[tokio::test(start_paused = true)]
async fn one_throttled_send_holds_back_all_others_of_that_sink_and_of_no_other() {
    // Fifty are in flight; the first answer is a throttle, and later the others end well.
    let throttle = Step::throttle(RetryAdvice::After(ms(7_000)));
    let slow = Endpoint::new(move |call| match call {
        0 => throttle.after(ms(100)),
        _ => Step::take().after(ms(500)),
    });
    let other = Endpoint::always(Step::take());
    let fan_out = FanOut::builder(policy::all())
        .sink("a", resilient(&slow, settings().max_in_flight(50)))
        .sink("b", resilient(&other, settings()))
        .build()
        .unwrap();
    let mut sends = JoinSet::new();
    for number in 0..100 {
        let fan_out = fan_out.clone();
        sends.spawn(async move {
            // Fifty at once, and fifty that wait for a permit or come during the pause.
            if number >= 80 {
                sleep(ms(1_000)).await;
            }
            fan_out.send(hello()).await.is_satisfied()
        });
    }
    assert!(sends.join_all().await.iter().all(|satisfied| *satisfied));
    let times = slow.times();
    assert_eq!(times.iter().filter(|time| **time == 0).count(), 50);
    let later: Vec<_> = times.iter().filter(|time| **time > 0).copied().collect();
    assert_eq!(later.len(), 51);
    assert!(later.iter().all(|time| *time >= 7_100), "{later:?}");
    let first = later[0];
    let width = |from: u128| later.iter().filter(|time| **time == from).count();
    assert_eq!([width(first), width(first + 500), width(first + 1_000)], [1, 2, 4]);
    assert!(other.times().iter().all(|time| *time <= 1_000), "the other sink is untouched");
}

#[tokio::test(start_paused = true)]
async fn a_pause_longer_than_the_time_left_is_left_at_once() {
    let endpoint = Endpoint::plays([Step::throttle(RetryAdvice::After(ms(50_000)))]);
    let fan_out = only(resilient(&endpoint, settings())).build().unwrap();
    let report = fan_out.send(hello()).await;
    let a = report.get("a").unwrap();
    assert_eq!((a.attempts(), a.stop_reason()), (1, Some(StopReason::DeadlineWouldPass)));
    assert_eq!(a.error().unwrap().kind(), ErrorKind::Throttled);
    let report = fan_out.send(hello()).await;
    let a = report.get("a").unwrap();
    assert_eq!((a.attempts(), a.stop_reason()), (0, Some(StopReason::DeadlineWouldPass)));
    assert_eq!((a.elapsed(), a.effect()), (ms(0), Effect::None));
    let error = a.error().unwrap();
    assert_eq!(
        (error.kind(), error.advice()),
        (ErrorKind::LocalRateLimit, RetryAdvice::After(ms(50_000)),)
    );
    assert_eq!(endpoint.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_rate_limit_holds_for_retries_too() {
    let endpoint = Endpoint::always(Step::refuse());
    let settings = settings().rate_limit(10.0).breaker_consecutive(1_000).breaker_ratio(1.0);
    let settings = settings.breaker_min_calls(100_000).total_timeout(Duration::from_secs(600));
    let fan_out = only(resilient(&endpoint, settings)).build().unwrap();
    let mut sends = JoinSet::new();
    for _ in 0..50 {
        let fan_out = fan_out.clone();
        sends.spawn(async move { fan_out.send(hello()).await });
    }
    sends.join_all().await;
    let times = endpoint.times();
    assert_eq!(times.len(), 150, "each is tried three times");
    for (number, time) in times.iter().enumerate() {
        let earlier = times.iter().filter(|at| **at + 1_000 > *time && **at <= *time).count();
        assert!(earlier <= 20, "a burst and a second's worth: {earlier} before call {number}");
    }
    assert!(times[149] >= 14_000 - 5, "10 at once, and 140 at ten a second: {}", times[149]);
}

#[tokio::test(start_paused = true)]
async fn the_rate_is_kept_when_the_permits_were_what_all_waited_for() {
    // The only permit is held for five seconds, while fifty and more sends come.
    let endpoint = Endpoint::new(|call| match call {
        0 => Step::take().after(ms(5_000)),
        _ => Step::take(),
    });
    let fan_out = only(resilient(&endpoint, settings().rate_limit(10.0).max_in_flight(1)));
    let fan_out = fan_out.build().unwrap();
    let mut sends = JoinSet::new();
    for _ in 0..60 {
        let fan_out = fan_out.clone();
        sends.spawn(async move { fan_out.send(hello()).await.is_satisfied() });
    }
    assert!(sends.join_all().await.into_iter().all(|satisfied| satisfied));
    let times = endpoint.times();
    for (number, time) in times.iter().enumerate() {
        let lately = times[..=number].iter().filter(|at| **at + 1_000 > *time).count();
        assert!(lately <= 10 + 10 + 1, "{lately} in the second before call {number}");
    }
    let at_once = times.iter().filter(|time| **time == 5_000).count();
    assert_eq!(at_once, 11, "a burst, and the one whose turn it was");
}

#[test]
fn admissions_never_exceed_the_bound_on_many_threads() {
    let bulkhead = fanout::resilience::Bulkhead::new(3, 4);
    let (inside, peak) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..64 {
            scope.spawn(|| {
                for _ in 0..500 {
                    let Some(place) = bulkhead.admit() else { continue };
                    let now = inside.fetch_add(1, Ordering::SeqCst) + 1;
                    peak.fetch_max(now, Ordering::SeqCst);
                    std::thread::yield_now();
                    inside.fetch_sub(1, Ordering::SeqCst);
                    drop(place);
                }
            });
        }
    });
    assert!(peak.load(Ordering::SeqCst) <= 7);
    assert_eq!(bulkhead.admitted(), 0);
}

#[tokio::test(start_paused = true)]
async fn no_tokens_gather_while_the_sink_has_asked_for_a_pause() {
    // The first burst is out when the sink asks for five seconds; all others queue for their turn.
    let throttle = Step::throttle(RetryAdvice::After(ms(5_000)));
    let endpoint = Endpoint::new(move |call| match call {
        0 => throttle.after(ms(50)),
        _ => Step::take(),
    });
    let fan_out = only(resilient(&endpoint, settings().rate_limit(10.0))).build().unwrap();
    let mut sends = JoinSet::new();
    for _ in 0..80 {
        let fan_out = fan_out.clone();
        sends.spawn(async move { fan_out.send(hello()).await.is_satisfied() });
    }
    assert!(sends.join_all().await.into_iter().all(|satisfied| satisfied));
    let times = endpoint.times();
    assert_eq!(times.len(), 81);
    for (number, time) in times.iter().enumerate() {
        let lately = times[..=number].iter().filter(|at| **at + 1_000 > *time).count();
        assert!(lately <= 10 + 10 + 1, "{lately} in the second before call {number}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_retry_that_a_pause_for_others_bars_does_not_wait_nor_cost() {
    // The first call fails when another was told already to stay away for longer than there is time.
    let throttle = Step::throttle(RetryAdvice::After(ms(50_000)));
    let endpoint = Endpoint::new(move |call| match call {
        0 => Step::refuse().after(ms(100)),
        _ => throttle,
    });
    let long = settings().backoff_base(ms(20_000));
    let sink = resilient(&endpoint, long);
    let fan_out = only(Arc::clone(&sink)).build().unwrap();
    let (first, _) = tokio::join!(fan_out.send(hello()), fan_out.send(hello()));
    let a = first.get("a").unwrap();
    assert_eq!((a.attempts(), a.stop_reason()), (1, Some(StopReason::DeadlineWouldPass)));
    assert_eq!((a.elapsed(), a.error().unwrap().kind()), (ms(100), ErrorKind::Connect));
    assert_eq!(sink.budget().left(Instant::now()), 100, "nothing was taken");
}
