//! The pipeline in a fan-out: retries, timeouts, the budget, and what the report says.

use std::sync::Arc;
use std::time::Duration;

use fanout::resilience::{Resilience, Resilient};
use fanout::{
    Delivery, Effect, ErrorKind, FanOut, FanOutBuilder, Outcome, Report, RetryAdvice, Sink,
    SinkExt, StopReason, TimeoutScope, policy,
};
use tokio::time::Instant;

use crate::endpoint::{Endpoint, Step};
use crate::support::{hello, ms};

pub(crate) fn settings() -> Resilience {
    Resilience::default().seed(7)
}

pub(crate) fn resilient(endpoint: &Endpoint, settings: Resilience) -> Arc<Resilient<Endpoint>> {
    Arc::new(endpoint.clone().resilient(settings).unwrap())
}

/// A fan-out to this sink alone, named `a`.
pub(crate) fn only(sink: impl Sink + 'static) -> FanOutBuilder {
    FanOut::builder(policy::all()).sink("a", sink).no_deadline()
}

async fn send(endpoint: &Endpoint, settings: Resilience) -> Report {
    only(resilient(endpoint, settings)).build().unwrap().send(hello()).await
}

fn a(report: &Report) -> &Delivery {
    report.get("a").unwrap()
}

fn stopped(report: &Report) -> (u32, StopReason) {
    (a(report).attempts(), a(report).stop_reason().unwrap())
}

#[tokio::test(start_paused = true)]
async fn what_fails_without_effect_is_tried_three_times_and_its_last_error_stays() {
    let endpoint = Endpoint::always(Step::refuse());
    let report = send(&endpoint, settings()).await;
    assert_eq!(stopped(&report), (3, StopReason::AttemptsExhausted));
    let error = a(&report).error().unwrap();
    assert_eq!((error.kind(), error.message()), (ErrorKind::Connect, "call 2"));
    assert_eq!(endpoint.calls().iter().map(|call| call.number).collect::<Vec<_>>(), [1, 2, 3]);
}

#[tokio::test(start_paused = true)]
async fn a_retry_that_succeeds_delivers_and_the_pauses_are_in_the_report() {
    let endpoint = Endpoint::plays([Step::refuse(), Step::refuse().after(ms(20))]);
    let report = send(&endpoint, settings()).await;
    assert!(a(&report).is_delivered());
    assert_eq!(stopped(&report), (3, StopReason::Succeeded));
    assert_eq!(a(&report).delay() + ms(20), a(&report).elapsed());
    assert!(a(&report).delay() > Duration::ZERO && a(&report).delay() <= ms(152));
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_may_have_been_applied_is_tried_once_and_says_why() {
    let endpoint = Endpoint::always(Step::break_down());
    let report = send(&endpoint, settings()).await;
    assert_eq!(stopped(&report), (1, StopReason::AmbiguousNotIdempotent));
    let text = a(&report).error().unwrap().to_string();
    assert!(text.contains("hint: not retried: it may have been applied"), "{text}");
    assert!(report.to_string().contains("set idempotency = key or always"), "{report}");

    let repeatable = Endpoint::always(Step::break_down()).repeatable();
    let report = send(&repeatable, settings()).await;
    assert_eq!(stopped(&report), (3, StopReason::AttemptsExhausted));
    assert!(!a(&report).error().unwrap().to_string().contains("hint"));
}

#[tokio::test(start_paused = true)]
async fn attempts_share_a_key_that_no_other_sink_has() {
    let (one, two) = (Endpoint::always(Step::refuse()), Endpoint::always(Step::refuse()));
    let fan_out = FanOut::builder(policy::all())
        .sink("one", resilient(&one, settings()))
        .sink("two", resilient(&two, settings()))
        .build()
        .unwrap();
    let report = fan_out.send(hello()).await;
    for (endpoint, name) in [(&one, "one"), (&two, "two")] {
        let key = report.get(name).unwrap().idempotency_key();
        assert_eq!(endpoint.calls().iter().filter(|call| call.key == key).count(), 3);
    }
    assert_ne!(one.calls()[0].key, two.calls()[0].key);
}

#[tokio::test(start_paused = true)]
async fn the_effect_is_the_worst_of_all_attempts() {
    let lost = Step::fail(ErrorKind::Interrupted, Effect::Maybe, RetryAdvice::Backoff);
    let endpoint = Endpoint::plays([lost, Step::refuse(), Step::refuse()]).repeatable();
    let report = send(&endpoint, settings()).await;
    assert_eq!(stopped(&report), (3, StopReason::AttemptsExhausted));
    assert_eq!(a(&report).effect(), Effect::Maybe);
    let error = a(&report).error().unwrap();
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Connect, Effect::Maybe));
    let earlier: Vec<_> = endpoint.calls().iter().map(|call| call.earlier).collect();
    assert_eq!(earlier, [Effect::None, Effect::Maybe, Effect::Maybe]);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_ends_after_its_timeout_and_its_effect_is_what_it_had_reached() {
    for (told, attempts, reason, effect) in [
        (Effect::None, 3, StopReason::AttemptsExhausted, Effect::None),
        (Effect::Maybe, 1, StopReason::AmbiguousNotIdempotent, Effect::Maybe),
        (Effect::Done, 1, StopReason::NotRetryable, Effect::Done),
    ] {
        let endpoint = Endpoint::always(Step::hang().telling(told));
        let report = send(&endpoint, settings().attempt_timeout(ms(1_000))).await;
        assert_eq!(stopped(&report), (attempts, reason), "{told}");
        assert_eq!(a(&report).effect(), effect);
        let error = a(&report).error().unwrap();
        assert_eq!(error.scope(), Some(TimeoutScope::Attempt));
        assert_eq!(a(&report).elapsed() - a(&report).delay(), ms(1_000) * attempts);
        assert_eq!(endpoint.in_flight(), 0);
        assert!(endpoint.calls().iter().all(|call| call.time_left == Some(ms(1_000))));
    }
}

#[tokio::test(start_paused = true)]
async fn the_total_bounds_all_attempts() {
    let endpoint = Endpoint::always(Step::hang().telling(Effect::None));
    let settings = settings().attempt_timeout(ms(1_000)).total_timeout(ms(1_500));
    let report = send(&endpoint, settings).await;
    assert_eq!(a(&report).elapsed(), ms(1_500));
    assert_eq!(stopped(&report), (2, StopReason::DeadlineWouldPass));
    assert_eq!(a(&report).error().unwrap().scope(), Some(TimeoutScope::Total));
}

#[tokio::test(start_paused = true)]
async fn a_pause_that_would_outlast_the_total_ends_the_send_at_once() {
    let fail = Step::fail(ErrorKind::Upstream, Effect::None, RetryAdvice::Exactly(ms(300)));
    let endpoint = Endpoint::always(fail.after(ms(900)));
    let settings = settings().attempt_timeout(ms(1_000)).total_timeout(ms(1_000));
    let report = send(&endpoint, settings).await;
    assert_eq!(stopped(&report), (1, StopReason::DeadlineWouldPass));
    assert_eq!(a(&report).elapsed(), ms(900), "not the 1 s that it would have had");
    assert_eq!(a(&report).error().unwrap().kind(), ErrorKind::Upstream, "the original error");
}

#[tokio::test(start_paused = true)]
async fn the_deadline_of_the_fan_out_counts_when_it_is_earlier() {
    let fail = Step::fail(ErrorKind::Upstream, Effect::None, RetryAdvice::Exactly(ms(300)));
    let endpoint = Endpoint::always(fail.after(ms(900)));
    let fan_out = only(resilient(&endpoint, settings())).deadline(ms(1_000)).build().unwrap();
    let report = fan_out.send(hello()).await;
    assert_eq!(stopped(&report), (1, StopReason::DeadlineWouldPass));
    assert_eq!(report.elapsed(), ms(900));

    let hanging = Endpoint::always(Step::hang().telling(Effect::None));
    let fan_out = only(resilient(&hanging, settings())).deadline(ms(1_000)).build().unwrap();
    let report = fan_out.send(hello()).await;
    assert_eq!(stopped(&report), (1, StopReason::DeadlineWouldPass));
    assert_eq!(a(&report).error().unwrap().scope(), Some(TimeoutScope::FanOut));
    assert_eq!(a(&report).effect(), Effect::None);
}

#[tokio::test(start_paused = true)]
async fn retry_after_is_a_floor_with_up_to_half_as_much_jitter() {
    let mut pauses = Vec::new();
    for seed in 0..200 {
        let endpoint = Endpoint::plays([Step::throttle(RetryAdvice::After(ms(7_000)))]);
        let report = send(&endpoint, settings().seed(seed)).await;
        assert!(a(&report).is_delivered());
        pauses.push(endpoint.times()[1]);
    }
    let (least, most) = (pauses.iter().min().unwrap(), pauses.iter().max().unwrap());
    assert!((7_000..7_200).contains(least) && (10_300..=10_501).contains(most), "{least} {most}");
}

#[tokio::test(start_paused = true)]
async fn pushback_is_exact_and_a_forbidden_retry_is_none() {
    let pushback = |advice| Step::fail(ErrorKind::Unavailable, Effect::None, advice);
    let exactly = pushback(RetryAdvice::Exactly(ms(250)));
    let endpoint = Endpoint::plays([exactly, exactly]);
    assert!(a(&send(&endpoint, settings()).await).is_delivered());
    assert_eq!(endpoint.times(), [0, 250, 500]);

    let endpoint = Endpoint::always(pushback(RetryAdvice::Forbidden));
    let report = send(&endpoint, settings()).await;
    assert_eq!(stopped(&report), (1, StopReason::ServerForbids));
}

#[tokio::test(start_paused = true)]
async fn a_longer_pause_than_is_allowed_ends_the_send_at_once_and_the_error_says_how_long() {
    let after = RetryAdvice::After(ms(61_000));
    let endpoint = Endpoint::always(Step::fail(ErrorKind::Unavailable, Effect::None, after));
    let report = send(&endpoint, settings().total_timeout(ms(600_000))).await;
    assert_eq!(stopped(&report), (1, StopReason::ServerDelayTooLong));
    assert_eq!((a(&report).elapsed(), a(&report).error().unwrap().advice()), (ms(0), after));
}

#[tokio::test(start_paused = true)]
async fn what_was_never_sent_is_repeated_at_once_and_counts_as_one_attempt() {
    let unsent = Step::fail(ErrorKind::Unavailable, Effect::None, RetryAdvice::Once);
    let endpoint = Endpoint::plays([unsent, unsent]);
    let report = send(&endpoint, settings().max_attempts(1)).await;
    assert!(a(&report).is_delivered());
    assert_eq!((a(&report).attempts(), endpoint.times()), (1, vec![0, 0, 0]));
    assert_eq!(endpoint.calls().iter().map(|call| call.number).collect::<Vec<_>>(), [1, 1, 1]);

    let endpoint = Endpoint::always(unsent);
    let report = send(&endpoint, settings()).await;
    assert_eq!(stopped(&report), (1, StopReason::AttemptsExhausted));
    assert_eq!(endpoint.count(), 3, "at most twice");
}

#[tokio::test(start_paused = true)]
async fn an_empty_budget_stops_before_the_pause() {
    let endpoint = Endpoint::always(Step::refuse());
    let settings = settings().budget_floor(0.0).budget_ratio(0.2).breaker_consecutive(1_000);
    let fan_out = only(resilient(&endpoint, settings)).build().unwrap();
    for sent in 1..=4 {
        let report = fan_out.send(hello()).await;
        assert_eq!(stopped(&report), (1, StopReason::BudgetExhausted), "{sent}");
        assert_eq!((a(&report).delay(), a(&report).elapsed()), (ms(0), ms(0)));
        assert_eq!(a(&report).error().unwrap().kind(), ErrorKind::Connect, "the original error");
    }
    let report = fan_out.send(hello()).await;
    assert_eq!(stopped(&report), (2, StopReason::BudgetExhausted), "a fifth of five");
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_took_the_message_is_not_sent_it_again_for_anothers_sake() {
    let (a, b) = (Endpoint::always(Step::take()), Endpoint::plays([Step::refuse()]));
    let fan_out = FanOut::builder(policy::all())
        .sink("a", resilient(&a, settings()))
        .sink("b", resilient(&b, settings()))
        .build()
        .unwrap();
    assert!(fan_out.send(hello()).await.is_satisfied());
    assert_eq!((a.count(), b.count()), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_send_keeps_its_attempts_its_pause_and_its_effect() {
    let loser = Endpoint::always(Step::fail(
        ErrorKind::Unavailable,
        Effect::Maybe,
        RetryAdvice::Exactly(ms(5_000)),
    ));
    let winner = Endpoint::always(Step::take().after(ms(1_000)));
    let fan_out = FanOut::builder(policy::first())
        .sink("loser", resilient(&loser.repeatable(), settings()))
        .sink("winner", resilient(&winner, settings()))
        .build()
        .unwrap();
    let report = fan_out.send(hello()).await;
    let loser = report.get("loser").unwrap();
    assert!(matches!(loser.outcome(), Outcome::Cancelled));
    assert_eq!(loser.stop_reason(), Some(StopReason::PolicyDecided));
    assert_eq!((loser.attempts(), loser.effect(), loser.delay()), (1, Effect::Maybe, ms(1_000)));
}

#[tokio::test(start_paused = true)]
async fn a_panic_passes_through_and_gives_everything_back() {
    let endpoint = Endpoint::always(Step::panic());
    let sink = resilient(&endpoint, settings().max_in_flight(1));
    let fan_out = only(Arc::clone(&sink)).build().unwrap();
    for _ in 0..20 {
        let report = fan_out.send(hello()).await;
        assert_eq!(a(&report).error().unwrap().kind(), ErrorKind::Panic);
        assert_eq!((a(&report).attempts(), a(&report).effect()), (1, Effect::Maybe));
        assert_eq!((sink.bulkhead().in_flight(), sink.bulkhead().admitted()), (0, 0));
    }
    assert!(sink.is_available(), "a bug of ours says nothing about the sink");
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_gives_the_same_pauses_and_another_one_others() {
    let times = |seed| async move {
        let endpoint = Endpoint::always(Step::refuse());
        let sink = resilient(&endpoint, settings().seed(seed).max_attempts(8));
        let message = hello().with_id(fanout::MessageId::from_u128(17));
        let began = Instant::now();
        let report = only(sink).build().unwrap().send(message).await;
        (
            endpoint.calls().iter().map(|c| c.at).collect::<Vec<_>>(),
            a(&report).delay(),
            began.elapsed(),
        )
    };
    let (first, second, other) = (times(1).await, times(1).await, times(2).await);
    assert_eq!((&first.0, first.1), (&second.0, second.1));
    assert_ne!(first.0, other.0);
}

#[test]
fn impossible_numbers_are_an_error_of_building() {
    let endpoint = Endpoint::always(Step::take());
    let refused = endpoint.resilient(Resilience::default().max_attempts(0));
    assert!(matches!(refused, Err(fanout::BuildError::ZeroCount { setting: "max_attempts" })));
}

#[tokio::test(start_paused = true)]
async fn around_a_fan_out_the_effect_of_a_dropped_attempt_is_what_its_sinks_reached() {
    for (told, attempts) in [(Effect::None, 3), (Effect::Maybe, 1)] {
        let endpoint = Endpoint::always(Step::hang().telling(told));
        let inner = FanOut::builder(policy::all()).sink("inner", endpoint.clone()).build().unwrap();
        let settings = settings().attempt_timeout(ms(100));
        let fan_out = only(inner.resilient(settings).unwrap()).build().unwrap();
        let report = fan_out.send(hello()).await;
        assert_eq!((a(&report).attempts(), a(&report).effect()), (attempts, told), "{report}");
        let keys: std::collections::HashSet<_> =
            endpoint.calls().iter().map(|call| call.key.as_u128()).collect();
        assert_eq!((endpoint.count(), keys.len()), (attempts as usize, 1));
        let inner = a(&report).report().expect("the report of the last attempt");
        assert_eq!(inner.get("inner").unwrap().attempts(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn one_pipeline_inside_of_another_counts_every_attempt_once() {
    let endpoint = Endpoint::always(Step::refuse());
    let inner = endpoint.clone().resilient(settings().max_attempts(2)).unwrap();
    let outer = inner.resilient(settings().max_attempts(2)).unwrap();
    let report = only(outer).build().unwrap().send(hello()).await;
    assert_eq!(stopped(&report), (4, StopReason::AttemptsExhausted));
    let numbers: Vec<_> = endpoint.calls().iter().map(|call| call.number).collect();
    assert_eq!(numbers, [1, 2, 3, 4]);
}

#[tokio::test(start_paused = true)]
async fn a_resend_tries_anew_and_keeps_the_key_and_the_worst_effect() {
    let endpoint = Endpoint::plays([Step::break_down(), Step::refuse()]);
    let fan_out = only(resilient(&endpoint, settings())).build().unwrap();
    let message = hello();
    let report = fan_out.send(&message).await;
    assert_eq!(stopped(&report), (1, StopReason::AmbiguousNotIdempotent));
    let report = fan_out.resend(&message, report).await.unwrap();
    assert!(a(&report).is_delivered());
    assert_eq!(stopped(&report), (2, StopReason::Succeeded));
    let calls = endpoint.calls();
    assert!(calls.iter().all(|call| call.key == calls[0].key));
    assert_eq!(calls[1].earlier, Effect::Maybe);
}

#[tokio::test(start_paused = true)]
async fn it_works_without_a_fan_out_too() {
    let endpoint = Endpoint::plays([Step::refuse()]);
    let sink = resilient(&endpoint, settings());
    let message = hello();
    let attempt = fanout::Attempt::first("a", &message);
    assert!(sink.send(&message, &attempt).await.is_ok());
    assert_eq!(endpoint.count(), 2);
}

#[test]
fn a_sink_that_answers_at_once_needs_no_runtime() {
    let endpoint = Endpoint::always(Step::take());
    let sink = resilient(&endpoint, settings().rate_limit(10.0));
    let message = hello();
    let attempt = fanout::Attempt::first("a", &message);
    let sending = sink.send(&message, &attempt);
    assert!(futures_util::FutureExt::now_or_never(sending).unwrap().is_ok());
}

/// A sink that keeps the deadline of its attempt itself, as transports do.
fn keeps_its_deadline() -> impl Sink {
    fanout::sink_fn(|_, attempt: fanout::Attempt| async move {
        assert_eq!(attempt.reached(Effect::Maybe), fanout::Reach::Proceed);
        tokio::time::sleep_until(attempt.deadline().unwrap()).await;
        Err(fanout::Error::timeout(TimeoutScope::Attempt, "no answer"))
    })
}

#[tokio::test(start_paused = true)]
async fn whose_time_ran_out_is_said_though_the_sink_keeps_the_deadline_itself() {
    let times = |attempt, total| settings().attempt_timeout(ms(attempt)).total_timeout(ms(total));
    let send = |settings, deadline| async move {
        let sink = keeps_its_deadline().resilient(settings).unwrap();
        only(sink).deadline(ms(deadline)).build().unwrap().send(hello()).await
    };
    let report = send(times(100, 200), 1_000).await;
    assert_eq!(stopped(&report), (1, StopReason::AmbiguousNotIdempotent));
    assert_eq!(a(&report).error().unwrap().scope(), Some(TimeoutScope::Attempt));
    assert_eq!(a(&report).error().unwrap().message(), "no answer", "its own words");

    let report = send(times(100, 100).max_in_flight(1), 1_000).await;
    assert_eq!(stopped(&report), (1, StopReason::AmbiguousNotIdempotent), "the same instant");

    let report = send(times(100, 200), 50).await;
    assert_eq!(stopped(&report), (1, StopReason::DeadlineWouldPass));
    assert_eq!(a(&report).error().unwrap().scope(), Some(TimeoutScope::FanOut));
    assert_eq!((a(&report).effect(), a(&report).elapsed()), (Effect::Maybe, ms(50)));
}

#[tokio::test(start_paused = true)]
async fn an_attempt_cut_short_by_the_total_says_so_and_does_not_count_for_the_breaker() {
    let calls = std::sync::atomic::AtomicUsize::new(0);
    let sink = fanout::sink_fn(move |_, attempt: fanout::Attempt| {
        let first = calls.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 0;
        async move {
            attempt.entered();
            if first {
                let error = fanout::Error::new(ErrorKind::Unavailable, "busy");
                let advice = RetryAdvice::Exactly(ms(80));
                return Err(error.with_effect(Effect::None).with_advice(advice));
            }
            tokio::time::sleep_until(attempt.deadline().unwrap()).await;
            Err(fanout::Error::timeout(TimeoutScope::Attempt, "no answer")
                .with_effect(Effect::None))
        }
    });
    let settings = settings().attempt_timeout(ms(100)).total_timeout(ms(150));
    let sink = Arc::new(sink.resilient(settings.breaker_consecutive(2)).unwrap());
    let report = only(Arc::clone(&sink)).build().unwrap().send(hello()).await;
    assert_eq!(stopped(&report), (2, StopReason::DeadlineWouldPass));
    assert_eq!(a(&report).error().unwrap().scope(), Some(TimeoutScope::Total));
    assert!(sink.is_available(), "the sink had only 70 ms");
}

#[tokio::test(start_paused = true)]
async fn fallback_stays_where_an_earlier_attempt_may_have_been_applied() {
    let lost = Step::fail(ErrorKind::Interrupted, Effect::Maybe, RetryAdvice::Backoff);
    let first = Endpoint::plays([lost, Step::reject()]).repeatable();
    let second = Endpoint::always(Step::take());
    let fan_out = FanOut::builder(policy::fallback(policy::OnAmbiguous::Stop))
        .sink("a", resilient(&first, settings()))
        .sink("b", resilient(&second, settings()))
        .build()
        .unwrap();
    let report = fan_out.send(hello()).await;
    assert_eq!(report.verdict(), policy::Verdict::Unsatisfied(policy::Reason::Ambiguous));
    assert_eq!(stopped(&report), (2, StopReason::NotRetryable), "its own reason");
    assert_eq!(a(&report).error().unwrap().kind(), ErrorKind::Rejected);
    let b = report.get("b").unwrap();
    assert!(matches!(b.outcome(), Outcome::Skipped(fanout::SkipReason::Ambiguous)));
    assert_eq!((second.count(), report.completeness()), (0, fanout::Completeness::Unknown));
}

#[tokio::test(start_paused = true)]
async fn what_goes_on_after_the_verdict_keeps_retrying_and_tells_in_the_end() {
    let slow = Endpoint::plays([Step::throttle(RetryAdvice::Exactly(ms(500)))]);
    let fan_out = FanOut::builder(policy::quorum(1))
        .sink("a", resilient(&slow, settings()))
        .sink("b", Endpoint::always(Step::take().after(ms(100))))
        .build()
        .unwrap();
    let report = fan_out.send(hello()).await;
    assert!(report.is_satisfied() && matches!(a(&report).outcome(), Outcome::Pending));
    assert_eq!((a(&report).attempts(), report.elapsed()), (1, ms(100)));
    let report = report.settled().await;
    assert!(a(&report).is_delivered());
    assert_eq!((a(&report).attempts(), a(&report).delay()), (2, ms(500)));
}

#[tokio::test(start_paused = true)]
async fn a_mirror_is_tried_once_whatever_its_settings_say() {
    let (flaky, asked, deep) = (
        Endpoint::always(Step::refuse()),
        Endpoint::always(Step::throttle(RetryAdvice::Exactly(ms(1)))),
        Endpoint::always(Step::refuse()),
    );
    let inner = FanOut::builder(policy::all()).sink("deep", resilient(&deep, settings())).build();
    let fan_out = only(Endpoint::always(Step::take()))
        .mirror("m", resilient(&flaky, settings()))
        .mirror("n", resilient(&asked, settings()))
        .mirror("o", inner.unwrap())
        .build()
        .unwrap();
    let report = fan_out.send(hello()).await.settled().await;
    for name in ["m", "n"] {
        let mirror = report.get(name).unwrap();
        let stop = mirror.stop_reason();
        assert_eq!((mirror.attempts(), stop), (1, Some(StopReason::AttemptsExhausted)), "{name}");
    }
    assert_eq!([flaky.count(), asked.count(), deep.count()], [1, 1, 1]);
    assert!(report.is_satisfied());
}

#[tokio::test(start_paused = true)]
async fn what_a_mirror_is_may_be_retried_where_it_is_required() {
    let endpoint = Endpoint::plays([Step::refuse(), Step::refuse()]);
    let sink = resilient(&endpoint, settings());
    let fan_out = only(Arc::clone(&sink)).mirror("m", Endpoint::always(Step::refuse())).build();
    let report = fan_out.unwrap().send(hello()).await;
    assert_eq!((a(&report).attempts(), endpoint.count()), (3, 3));
}

#[tokio::test(start_paused = true)]
async fn a_mirror_that_hangs_opens_its_breaker() {
    let endpoint = Endpoint::always(Step::hang());
    let sink = resilient(&endpoint, settings());
    let fan_out = only(Endpoint::always(Step::take())).mirror("m", Arc::clone(&sink)).build();
    let fan_out = fan_out.unwrap();
    for _ in 0..5 {
        let report = fan_out.send(hello()).await.settled().await;
        let m = report.get("m").unwrap();
        assert_eq!((m.attempts(), m.elapsed()), (1, ms(5_000)));
        assert_eq!(m.error().unwrap().scope(), Some(TimeoutScope::Attempt));
    }
    let report = fan_out.send(hello()).await.settled().await;
    assert_eq!(report.get("m").unwrap().error().unwrap().kind(), ErrorKind::CircuitOpen);
    assert_eq!(endpoint.count(), 5);
}
