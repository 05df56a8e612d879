//! The breaker, alone and in the pipeline.

use std::sync::Arc;
use std::time::Duration;

use fanout::resilience::{Breaker, Health, Resilience, counts_for_breaker};
use fanout::{
    Attempt, Effect, Error, ErrorKind, FanOut, Receipt, RetryAdvice, Sink, StopReason,
    TimeoutScope, policy,
};
use tokio::sync::Notify;
use tokio::time::{Instant, advance, sleep, timeout};

use crate::endpoint::{Endpoint, Step};
use crate::pipeline::{only, resilient, settings};
use crate::support::{hello, ms};

fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Makes so many calls that end so, at once.
fn call(breaker: &Breaker, times: usize, health: Health, now: Instant) {
    for _ in 0..times {
        breaker.reserve(now).expect("it lets pass").record(health, now);
    }
}

fn breaker() -> (Breaker, Instant) {
    (Breaker::new(&Resilience::default().seed(1)), Instant::now())
}

/// How long it stays open from `now` on.
fn open_for(breaker: &Breaker, now: Instant) -> Duration {
    breaker.peek(now).expect_err("it is open").until().expect("not half-open") - now
}

#[test]
fn five_failures_in_a_row_open_it_however_slowly_they_come() {
    let (breaker, start) = breaker();
    for number in 0..5 {
        let now = start + s(10) * number;
        assert!(breaker.peek(now).is_ok(), "{number}");
        call(&breaker, 1, Health::Failing, now);
    }
    assert_eq!(open_for(&breaker, start + s(40)), s(5));
}

#[test]
fn a_success_between_begins_the_row_anew_and_an_unknown_does_not() {
    let (breaker, now) = breaker();
    call(&breaker, 4, Health::Failing, now);
    call(&breaker, 1, Health::Working, now);
    call(&breaker, 4, Health::Failing, now);
    call(&breaker, 3, Health::Unknown, now);
    assert!(breaker.peek(now).is_ok());
    call(&breaker, 1, Health::Failing, now);
    assert!(breaker.peek(now).is_err());
}

#[test]
fn half_of_twenty_calls_in_thirty_seconds_open_it_and_nineteen_do_not() {
    let (breaker, now) = breaker();
    for _ in 0..3 {
        call(&breaker, 3, Health::Failing, now);
        call(&breaker, 3, Health::Working, now);
    }
    call(&breaker, 1, Health::Failing, now);
    assert!(breaker.peek(now).is_ok(), "nineteen calls");
    call(&breaker, 1, Health::Working, now);
    assert!(breaker.peek(now).is_err(), "ten of twenty");

    let (breaker, now) = self::breaker();
    call(&breaker, 11, Health::Working, now);
    for _ in 0..3 {
        call(&breaker, 3, Health::Failing, now);
        call(&breaker, 1, Health::Working, now);
    }
    assert!(breaker.peek(now).is_ok(), "nine of twenty-three");
}

#[test]
fn what_is_older_than_the_window_does_not_count() {
    let (breaker, now) = breaker();
    for _ in 0..3 {
        call(&breaker, 3, Health::Failing, now);
        call(&breaker, 3, Health::Working, now);
    }
    let later = now + s(31);
    call(&breaker, 2, Health::Failing, later);
    assert!(breaker.peek(later).is_ok());
}

#[test]
fn the_open_time_doubles_with_equal_jitter_up_to_a_minute() {
    let mut least = [Duration::MAX; 7];
    let mut most = [Duration::ZERO; 7];
    for seed in 0..500 {
        let breaker = Breaker::new(&Resilience::default().seed(seed));
        let mut now = Instant::now();
        call(&breaker, 5, Health::Failing, now);
        for time in 0..7 {
            let open = open_for(&breaker, now);
            (least[time], most[time]) = (least[time].min(open), most[time].max(open));
            now += open;
            assert!(breaker.peek(now - ms(1)).is_err());
            call(&breaker, 1, Health::Failing, now);
        }
    }
    assert_eq!((least[0], most[0]), (s(5), s(5)));
    for (time, bound) in [(1, 10), (2, 20), (3, 40), (4, 60), (5, 60), (6, 60)] {
        let (least, most) = (least[time].as_secs_f64(), most[time].as_secs_f64());
        let bound = f64::from(bound);
        assert!(least >= bound / 2.0 && least < bound * 0.53, "{time}: {least}");
        assert!(most <= bound && most > bound * 0.97, "{time}: {most}");
    }
}

#[test]
fn one_probe_passes_and_its_success_closes_and_forgets() {
    let (breaker, start) = breaker();
    call(&breaker, 5, Health::Failing, start);
    let now = start + s(5);
    let probe = breaker.reserve(now).unwrap();
    assert!(probe.is_probe());
    assert_eq!(breaker.peek(now).unwrap_err().until(), None);
    assert_eq!(breaker.reserve(now).unwrap_err().until(), None);
    probe.record(Health::Working, now);
    call(&breaker, 4, Health::Failing, now);
    assert!(breaker.peek(now).is_ok(), "what was before is forgotten");
    call(&breaker, 1, Health::Failing, now);
    assert_eq!(open_for(&breaker, now), s(5), "the doubling too");
}

#[test]
fn a_probe_that_is_dropped_or_says_nothing_gives_its_place_back() {
    let (breaker, start) = breaker();
    call(&breaker, 5, Health::Failing, start);
    let now = start + s(5);
    for _ in 0..100 {
        drop(breaker.reserve(now).expect("the place is free again"));
        call(&breaker, 1, Health::Unknown, now);
    }
    call(&breaker, 1, Health::Working, now);
    assert!(breaker.peek(now).is_ok());
}

#[test]
fn what_began_before_it_opened_is_not_counted_afterwards() {
    let (breaker, start) = breaker();
    let (early, late) = (breaker.reserve(start).unwrap(), breaker.reserve(start).unwrap());
    call(&breaker, 5, Health::Failing, start);
    early.record(Health::Working, start);
    assert!(breaker.peek(start).is_err(), "an old success does not close it");
    let now = start + s(5);
    let probe = breaker.reserve(now).unwrap();
    late.record(Health::Failing, now);
    probe.record(Health::Working, now);
    assert!(breaker.peek(now).is_ok(), "an old failure does not open it");

    let (breaker, start) = self::breaker();
    let old: Vec<_> = (0..10).map(|_| breaker.reserve(start).unwrap()).collect();
    call(&breaker, 5, Health::Failing, start);
    let now = start + s(5);
    call(&breaker, 1, Health::Working, now);
    old.into_iter().for_each(|lease| lease.record(Health::Failing, now));
    assert!(breaker.peek(now).is_ok(), "nor when it was closed again since");
}

#[test]
fn only_what_the_sink_or_the_network_did_counts() {
    let table = [
        (ErrorKind::Build, false, Health::Unknown),
        (ErrorKind::Rejected, false, Health::Working),
        (ErrorKind::Unauthenticated, false, Health::Working),
        (ErrorKind::Forbidden, false, Health::Working),
        (ErrorKind::NotFound, false, Health::Working),
        (ErrorKind::Conflict, false, Health::Working),
        (ErrorKind::TooLarge, false, Health::Unknown),
        (ErrorKind::Unsupported, false, Health::Working),
        (ErrorKind::Redirected, false, Health::Working),
        (ErrorKind::Throttled, false, Health::Unknown),
        (ErrorKind::Unavailable, true, Health::Failing),
        (ErrorKind::Upstream, true, Health::Failing),
        (ErrorKind::Connect, true, Health::Failing),
        (ErrorKind::Tls, false, Health::Unknown),
        (ErrorKind::Interrupted, true, Health::Failing),
        (ErrorKind::Protocol, true, Health::Failing),
        (ErrorKind::CircuitOpen, false, Health::Unknown),
        (ErrorKind::LocalRateLimit, false, Health::Unknown),
        (ErrorKind::QueueFull, false, Health::Unknown),
        (ErrorKind::Cancelled, false, Health::Unknown),
        (ErrorKind::DataLoss, true, Health::Failing),
        (ErrorKind::Panic, false, Health::Unknown),
        (ErrorKind::Unsatisfied, false, Health::Unknown),
    ];
    for (kind, counts, health) in table {
        let error = Error::new(kind, "scripted");
        assert_eq!(counts_for_breaker(&error), counts, "{kind}");
        assert_eq!(Health::of(&Err(error)), health, "{kind}");
    }
    let scopes = [
        (TimeoutScope::Connect, true),
        (TimeoutScope::Queue, false),
        (TimeoutScope::Attempt, true),
        (TimeoutScope::Total, false),
        (TimeoutScope::FanOut, false),
    ];
    for (scope, counts) in scopes {
        assert_eq!(counts_for_breaker(&Error::timeout(scope, "scripted")), counts, "{scope}");
    }
    assert_eq!(Health::of(&Ok(Receipt::new())), Health::Working);
}

#[tokio::test(start_paused = true)]
async fn an_open_breaker_fails_the_send_at_once_without_an_attempt() {
    let endpoint = Endpoint::always(Step::refuse());
    let sink = resilient(&endpoint, settings().max_attempts(1));
    let fan_out = only(Arc::clone(&sink)).build().unwrap();
    for _ in 0..5 {
        assert!(sink.is_available());
        assert_eq!(fan_out.send(hello()).await.get("a").unwrap().attempts(), 1);
    }
    assert!(!sink.is_available());
    let report = fan_out.send(hello()).await;
    let a = report.get("a").unwrap();
    assert_eq!((a.attempts(), a.effect(), a.elapsed()), (0, Effect::None, ms(0)));
    assert_eq!(a.stop_reason(), Some(StopReason::CircuitOpen));
    assert_eq!(a.error().unwrap().kind(), ErrorKind::CircuitOpen);
    assert_eq!(a.error().unwrap().advice(), RetryAdvice::After(s(5)));
    assert!(report.nothing_sent() && endpoint.count() == 5);
    advance(s(5)).await;
    assert!(sink.is_available(), "a probe could reach it");
}

#[tokio::test(start_paused = true)]
async fn policies_move_on_or_do_not_begin_when_it_is_open() {
    let broken = Endpoint::always(Step::refuse());
    let sink = resilient(&broken, settings().breaker_consecutive(1).max_attempts(1));
    assert!(!only(Arc::clone(&sink)).build().unwrap().send(hello()).await.is_satisfied());
    let spare = Endpoint::always(Step::take());
    let fallback = FanOut::builder(policy::fallback(policy::OnAmbiguous::Stop))
        .sink("a", Arc::clone(&sink))
        .sink("b", spare.clone())
        .build()
        .unwrap();
    let report = fallback.send(hello()).await;
    assert!(report.is_satisfied() && report.elapsed().is_zero());
    assert_eq!(report.get("a").unwrap().attempts(), 0);

    let hedged = FanOut::builder(policy::hedged(s(1)))
        .sink("a", Arc::clone(&sink))
        .sink("b", spare.clone())
        .build()
        .unwrap();
    let report = hedged.send(hello()).await;
    assert!(report.is_satisfied() && report.elapsed().is_zero(), "not after the delay");

    let untouched = Endpoint::always(Step::take());
    let quorum = FanOut::builder(policy::quorum(2))
        .sink("a", Arc::clone(&sink))
        .sink("b", Arc::clone(&sink))
        .sink("c", untouched.clone())
        .build()
        .unwrap();
    let report = quorum.send(hello()).await;
    assert!(report.nothing_sent() && !report.is_satisfied());
    assert_eq!((untouched.count(), broken.count()), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn a_send_that_opened_it_waits_when_there_is_time_and_keeps_its_error_when_not() {
    let endpoint = Endpoint::plays([Step::refuse(), Step::refuse()]);
    let sink = resilient(&endpoint, settings().breaker_consecutive(2));
    let report = only(sink).build().unwrap().send(hello()).await;
    assert!(report.is_satisfied());
    let times = endpoint.times();
    assert_eq!(times.len(), 3);
    assert_eq!(times[2] - times[1], 5_000, "at the end of the open time");
    assert_eq!(report.get("a").unwrap().delay().as_millis(), times[2]);

    let endpoint = Endpoint::always(Step::refuse());
    let settings = settings().breaker_consecutive(2).total_timeout(ms(4_000));
    let settings = settings.attempt_timeout(ms(1_000));
    let sink = resilient(&endpoint, settings);
    let report = only(Arc::clone(&sink)).build().unwrap().send(hello()).await;
    let a = report.get("a").unwrap();
    assert_eq!((a.attempts(), a.stop_reason()), (2, Some(StopReason::CircuitOpen)));
    assert_eq!(a.error().unwrap().kind(), ErrorKind::Connect, "the original error");
    assert!(a.elapsed() <= ms(100), "at once: {:?}", a.elapsed());
    assert_eq!(sink.budget().left(Instant::now()), 99, "only the retry that was made is charged");
}

#[tokio::test(start_paused = true)]
async fn who_waited_for_a_permit_while_it_opened_does_not_try_any_more() {
    let endpoint = Endpoint::always(Step::refuse().after(ms(100)));
    let settings = settings().max_in_flight(1).max_attempts(1).breaker_consecutive(1);
    let fan_out = only(resilient(&endpoint, settings)).build().unwrap();
    let (first, second) = tokio::join!(fan_out.send(hello()), fan_out.send(hello()));
    assert_eq!(first.get("a").unwrap().attempts(), 1);
    let a = second.get("a").unwrap();
    assert_eq!((a.attempts(), a.stop_reason()), (0, Some(StopReason::CircuitOpen)));
    assert_eq!((endpoint.count(), a.elapsed()), (1, ms(100)));
}

#[tokio::test(start_paused = true)]
async fn refusals_and_throttles_do_not_open_it() {
    for step in [Step::reject(), Step::throttle(RetryAdvice::After(ms(1)))] {
        let endpoint = Endpoint::always(step);
        let sink = resilient(&endpoint, settings().max_attempts(1));
        let fan_out = only(Arc::clone(&sink)).build().unwrap();
        for _ in 0..100 {
            assert!(!fan_out.send(hello()).await.is_satisfied());
        }
        assert_eq!(endpoint.count(), 100);
        assert!(sink.is_available());
    }
}

#[tokio::test(start_paused = true)]
async fn attempts_that_time_out_open_it() {
    let endpoint = Endpoint::always(Step::hang().telling(Effect::None));
    let settings = settings().attempt_timeout(ms(100)).total_timeout(ms(4_000));
    let sink = resilient(&endpoint, settings);
    let fan_out = only(Arc::clone(&sink)).build().unwrap();
    assert!(!fan_out.send(hello()).await.is_satisfied());
    assert!(!fan_out.send(hello()).await.is_satisfied());
    assert!(!sink.is_available());
    assert_eq!(endpoint.count(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_probe_whose_send_is_dropped_wedges_nothing() {
    // Five refusals, then a sink that hangs for a while, then one that works.
    let endpoint = Endpoint::new(|call| match call {
        0..5 => Step::refuse(),
        5..15 => Step::hang(),
        _ => Step::take(),
    });
    let sink = resilient(&endpoint, settings().max_attempts(1));
    let message = hello();
    let attempt = Attempt::first("a", &message);
    for _ in 0..5 {
        assert!(sink.send(&message, &attempt).await.is_err());
    }
    sleep(s(5)).await;
    for _ in 0..10 {
        assert!(sink.is_available());
        assert!(timeout(ms(10), sink.send(&message, &attempt)).await.is_err(), "it hangs");
    }
    assert!(sink.send(&message, &attempt).await.is_ok());
    assert_eq!((endpoint.count(), sink.bulkhead().in_flight()), (16, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_a_hundred_simultaneous_sends_one_probes() {
    let (gate, refused) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let reached = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let (open, count) = (Arc::clone(&gate), Arc::clone(&reached));
    let sink = fanout::sink_fn(move |_, _| {
        let (open, count) = (Arc::clone(&open), Arc::clone(&count));
        async move {
            if count.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 0 {
                return Err(Error::new(ErrorKind::Connect, "refused"));
            }
            open.notified().await;
            Ok(Receipt::new())
        }
    });
    let settings = Resilience::default()
        .max_attempts(1)
        .breaker_consecutive(1)
        .breaker_open(Duration::from_nanos(1));
    let sink = Arc::new(fanout::SinkExt::resilient(sink, settings).unwrap());
    let message = hello();
    assert!(sink.send(&message, &Attempt::first("a", &message)).await.is_err());
    let left = Arc::new(std::sync::atomic::AtomicUsize::new(99));
    let mut sends = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let (sink, left, refused) = (Arc::clone(&sink), Arc::clone(&left), Arc::clone(&refused));
        sends.spawn(async move {
            let message = hello();
            let result = sink.send(&message, &Attempt::first("a", &message)).await;
            if result.is_err() && left.fetch_sub(1, std::sync::atomic::Ordering::SeqCst) == 1 {
                refused.notify_one();
            }
            result.map_err(|error| error.kind())
        });
    }
    refused.notified().await;
    gate.notify_one();
    let results = sends.join_all().await;
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
    assert_eq!(results.iter().filter(|r| matches!(r, Err(ErrorKind::CircuitOpen))).count(), 99);
    assert_eq!(reached.load(std::sync::atomic::Ordering::SeqCst), 2, "the failure and the probe");
}
