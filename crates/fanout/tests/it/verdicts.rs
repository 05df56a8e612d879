//! What each policy makes of what happens.

use fanout::policy::{self, OnAmbiguous, Reason, Verdict};
use fanout::{
    Completeness, Effect, Error, ErrorKind, FanOut, Outcome, RetryAdvice, SkipReason, StopReason,
    sink_fn,
};

use crate::support::{Scripted, fan_out, hello, ms};

#[tokio::test(start_paused = true)]
async fn all_takes_as_long_as_the_slowest_sink() {
    let (a, b) = (Scripted::takes().after(20), Scripted::takes().after(50));
    let report = fan_out(policy::all(), &[&a, &b]).build().unwrap().send(hello()).await;
    assert_eq!(report.verdict(), Verdict::Satisfied);
    assert_eq!(report.completeness(), Completeness::Full);
    assert_eq!(report.elapsed(), ms(50));
    let order: Vec<_> = report.completion_order().iter().map(|d| d.sink().to_owned()).collect();
    assert_eq!(order, ["a", "b"]);
}

#[tokio::test(start_paused = true)]
async fn first_does_not_let_a_fast_error_win() {
    let (a, b) = (Scripted::fails(Effect::None).after(1), Scripted::takes().after(50));
    let report = fan_out(policy::first(), &[&a, &b]).build().unwrap().send(hello()).await;
    assert_eq!(report.verdict(), Verdict::Satisfied);
    assert_eq!(report.winner().unwrap().sink(), "b");
}

#[tokio::test(start_paused = true)]
async fn first_names_the_first_configured_error_whatever_the_order() {
    for (slow, fast) in [(5, 1), (1, 5)] {
        let a = Scripted::fails(Effect::Maybe).after(slow);
        let b = Scripted::fails(Effect::None).after(fast);
        let report = fan_out(policy::first(), &[&a, &b]).build().unwrap().send(hello()).await;
        assert_eq!(report.verdict(), Verdict::Unsatisfied(Reason::AllFailed));
        assert_eq!(report.headline().unwrap().effect(), Effect::Maybe);
        assert_eq!(report.deliveries().iter().filter(|d| d.error().is_some()).count(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn fallback_stops_where_the_message_may_be_applied() {
    let (a, b) = (Scripted::fails(Effect::Maybe), Scripted::takes());
    let send = fan_out(policy::fallback(OnAmbiguous::Stop), &[&a, &b]).build().unwrap();
    let report = send.send(hello()).await;
    assert_eq!(report.verdict(), Verdict::Unsatisfied(Reason::Ambiguous));
    assert!(matches!(report.get("b").unwrap().outcome(), Outcome::Skipped(SkipReason::Ambiguous)));
    assert_eq!(report.get("a").unwrap().stop_reason(), Some(StopReason::NotRetryable));
    assert_eq!(b.started(), 0);
    assert_eq!(report.completeness(), Completeness::Unknown);
}

#[tokio::test]
async fn a_failure_says_why_there_was_no_further_attempt() {
    for (kind, advice, expected) in [
        (ErrorKind::Upstream, RetryAdvice::Backoff, StopReason::AttemptsExhausted),
        (ErrorKind::Throttled, RetryAdvice::After(ms(5)), StopReason::AttemptsExhausted),
        (ErrorKind::Unauthenticated, RetryAdvice::Once, StopReason::AttemptsExhausted),
        (ErrorKind::Rejected, RetryAdvice::Never, StopReason::NotRetryable),
        (ErrorKind::Tls, RetryAdvice::OtherSink, StopReason::NotRetryable),
        (ErrorKind::Conflict, RetryAdvice::HigherLevel, StopReason::NotRetryable),
        (ErrorKind::CircuitOpen, RetryAdvice::OtherSink, StopReason::CircuitOpen),
    ] {
        let sink =
            sink_fn(move |_, _| async move { Err(Error::new(kind, "x").with_advice(advice)) });
        let send = FanOut::builder(policy::all()).sink("a", sink).build().unwrap();
        let report = send.send(hello()).await;
        assert_eq!(report.get("a").unwrap().stop_reason(), Some(expected), "{kind}");
    }
}

#[tokio::test]
async fn a_panic_has_the_effect_that_was_told_before_it() {
    for told in [Effect::None, Effect::Maybe, Effect::Done] {
        let sink = Scripted::panics().telling(told);
        let report = fan_out(policy::all(), &[&sink]).build().unwrap().send(hello()).await;
        let delivery = report.get("a").unwrap();
        assert_eq!((delivery.effect(), delivery.error().unwrap().effect()), (told, told));
    }
}

#[tokio::test(start_paused = true)]
async fn the_time_of_a_sink_counts_from_its_own_start() {
    let (a, b) = (Scripted::takes().after(10), Scripted::takes().after(20));
    let report = fan_out(policy::sequential(), &[&a, &b]).build().unwrap().send(hello()).await;
    let second = report.get("b").unwrap();
    assert_eq!((second.started(), second.elapsed()), (Some(ms(10)), ms(20)));
    assert_eq!(report.elapsed(), ms(30));
}

#[tokio::test(start_paused = true)]
async fn what_the_policy_does_not_need_is_not_started() {
    let (a, b) = (Scripted::fails(Effect::None), Scripted::takes());
    let c = Scripted::takes();
    let send = fan_out(policy::fallback(OnAmbiguous::Stop), &[&a, &b, &c]).build().unwrap();
    let report = send.send(hello()).await;
    assert_eq!((report.verdict(), report.winner().unwrap().sink()), (Verdict::Satisfied, "b"));
    let skipped = report.get("c").unwrap();
    assert!(matches!(skipped.outcome(), Outcome::Skipped(SkipReason::NotNeeded)));
    assert_eq!((skipped.stop_reason(), skipped.started()), (Some(StopReason::PolicyDecided), None));
    assert_eq!(c.started(), 0);
}

#[tokio::test(start_paused = true)]
async fn hedged_starts_the_next_at_once_when_one_fails() {
    let (a, b) = (Scripted::fails(Effect::None).after(10), Scripted::takes().after(5));
    let report = fan_out(policy::hedged(ms(500)), &[&a, &b]).build().unwrap().send(hello()).await;
    assert_eq!(report.verdict(), Verdict::Satisfied);
    assert_eq!(report.get("b").unwrap().started(), Some(ms(10)));
    assert_eq!(report.elapsed(), ms(15));
}

#[tokio::test(start_paused = true)]
async fn hedged_starts_the_next_after_the_delay() {
    let (a, b) = (Scripted::takes().after(900), Scripted::takes().after(50));
    let report = fan_out(policy::hedged(ms(500)), &[&a, &b]).build().unwrap().send(hello()).await;
    assert_eq!(report.winner().unwrap().sink(), "b");
    assert_eq!(report.elapsed(), ms(550));
    assert!(matches!(report.get("a").unwrap().outcome(), Outcome::Cancelled));
    assert_eq!(a.dropped(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_panic_stays_inside_its_sink() {
    let (a, b) = (Scripted::panics(), Scripted::takes().after(5));
    let report = fan_out(policy::all_settled(), &[&a, &b]).build().unwrap().send(hello()).await;
    assert_eq!(report.get("a").unwrap().error().unwrap().kind(), ErrorKind::Panic);
    assert!(report.get("b").unwrap().is_delivered());
    assert_eq!(report.completeness(), Completeness::Unknown);
}
