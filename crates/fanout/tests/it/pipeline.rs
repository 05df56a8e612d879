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
