//! The decision to try again: every reason to stop, in the order in which they count.

use std::time::Duration;

use fanout::resilience::{Decision, Jitter, Resilience, RetryMaybe, RetryRule, SoFar};
use fanout::{Effect, Error, ErrorKind, RetryAdvice, StopReason, TimeoutScope};
use proptest::prelude::*;

use crate::support::ms;

/// A failure in a situation; the fields are what the tests vary.
struct Case {
    error: Error,
    attempts: u32,
    repeatable: bool,
    remaining: Option<Duration>,
    budget: bool,
    settings: Resilience,
}

impl Case {
    fn of(kind: ErrorKind, effect: Effect, advice: RetryAdvice) -> Self {
        Self {
            error: Error::new(kind, "scripted").with_effect(effect).with_advice(advice),
            attempts: 1,
            repeatable: false,
            remaining: Some(ms(30_000)),
            budget: true,
            settings: Resilience::default(),
        }
    }

    fn decide(&self) -> Decision {
        let mut so_far = SoFar::default();
        (0..self.attempts).for_each(|_| so_far.began());
        self.decide_after(&so_far)
    }

    fn decide_after(&self, so_far: &SoFar) -> Decision {
        let rule = RetryRule::new(&self.settings);
        let jitter = &mut Jitter::seeded(1, 1);
        let budget = || self.budget;
        rule.decide(&self.error, so_far, self.repeatable, self.remaining, jitter, budget)
    }
}

fn refused() -> Case {
    Case::of(ErrorKind::Connect, Effect::None, RetryAdvice::Backoff)
}

fn ambiguous() -> Case {
    Case::of(ErrorKind::Upstream, Effect::Maybe, RetryAdvice::Backoff)
}

#[track_caller]
fn stops(case: &Case, reason: StopReason) {
    assert_eq!(case.decide(), Decision::Stop(reason));
}

#[track_caller]
fn retries(case: &Case, least: u64, most: u64) {
    let Decision::Retry { delay, transparent: false } = case.decide() else {
        panic!("{:?}", case.decide());
    };
    assert!((ms(least)..=ms(most)).contains(&delay), "{delay:?}");
}

#[test]
fn what_surely_was_not_applied_is_retried_whatever_the_sink() {
    retries(&refused(), 0, 50);
    retries(&Case { repeatable: true, ..refused() }, 0, 50);
}

#[test]
fn what_may_have_been_applied_is_retried_only_where_that_is_harmless() {
    stops(&ambiguous(), StopReason::AmbiguousNotIdempotent);
    retries(&Case { repeatable: true, ..ambiguous() }, 0, 50);
    let settings = Resilience::default().retry_maybe(RetryMaybe::Never);
    let strict = Case { repeatable: true, settings, ..ambiguous() };
    stops(&strict, StopReason::AmbiguousNotIdempotent);
}

#[test]
fn what_was_applied_is_never_offered_again() {
    let done = Case::of(ErrorKind::Protocol, Effect::Done, RetryAdvice::Backoff);
    stops(&Case { repeatable: true, ..done }, StopReason::NotRetryable);
}

#[test]
fn advice_that_says_no_is_obeyed_whatever_the_kind() {
    for advice in [RetryAdvice::Never, RetryAdvice::HigherLevel, RetryAdvice::OtherSink] {
        let case = Case::of(ErrorKind::Unavailable, Effect::None, advice);
        stops(&case, StopReason::NotRetryable);
    }
    let forbidden = Case::of(ErrorKind::Unavailable, Effect::None, RetryAdvice::Forbidden);
    stops(&forbidden, StopReason::ServerForbids);
}

#[test]
fn three_attempts_are_made_by_default() {
    retries(&Case { attempts: 2, ..refused() }, 0, 50);
    stops(&Case { attempts: 3, ..refused() }, StopReason::AttemptsExhausted);
}

#[test]
fn pauses_start_at_50_ms_and_at_a_second_for_a_throttle_and_double() {
    let throttled = || Case::of(ErrorKind::Throttled, Effect::None, RetryAdvice::Backoff);
    for (make, base) in [(refused as fn() -> Case, 50), (throttled as fn() -> Case, 1_000)] {
        let case = make();
        let mut so_far = SoFar::default();
        for step in 0..10 {
            let longest = (0..2_000)
                .map(|seed| {
                    let rule = RetryRule::new(&case.settings);
                    let jitter = &mut Jitter::seeded(seed, step);
                    match rule.decide(&case.error, &so_far, false, None, jitter, || true) {
                        Decision::Retry { delay, .. } => delay,
                        Decision::Stop(reason) => panic!("{reason}"),
                    }
                })
                .max();
            let bound = ms((base << step).min(20_000));
            assert!(longest <= Some(bound) && longest > Some(bound * 95 / 100), "{step}");
            so_far.retried(&case.error, false);
        }
    }
}

#[test]
fn the_pause_that_the_sink_asks_for_is_a_floor() {
    let after =
        |millis| Case::of(ErrorKind::Unavailable, Effect::None, RetryAdvice::After(ms(millis)));
    retries(&after(7_000), 7_000, 10_500);
    retries(&after(0), 0, 50);
    stops(&after(60_001), StopReason::ServerDelayTooLong);
    stops(&after(60_000), StopReason::DeadlineWouldPass);
    retries(&Case { remaining: None, ..after(60_000) }, 60_000, 90_000);
}

#[test]
fn pushback_is_exact_and_begins_the_pauses_anew() {
    let pushback =
        |millis| Case::of(ErrorKind::Unavailable, Effect::None, RetryAdvice::Exactly(ms(millis)));
    retries(&pushback(250), 250, 250);
    retries(&pushback(0), 0, 0);
    stops(&pushback(60_001), StopReason::ServerDelayTooLong);
    let mut so_far = SoFar::default();
    (0..8).for_each(|_| so_far.retried(&refused().error, false));
    so_far.retried(&pushback(250).error, false);
    let Decision::Retry { delay, .. } = refused().decide_after(&so_far) else { panic!() };
    assert!(delay <= ms(50), "{delay:?}");
}

#[test]
fn nobody_sleeps_into_the_wall() {
    let exactly = Case::of(ErrorKind::Upstream, Effect::None, RetryAdvice::Exactly(ms(300)));
    stops(&Case { remaining: Some(ms(300)), ..exactly }, StopReason::DeadlineWouldPass);
    let exactly = Case::of(ErrorKind::Upstream, Effect::None, RetryAdvice::Exactly(ms(300)));
    retries(&Case { remaining: Some(ms(301)), ..exactly }, 300, 300);
    stops(&Case { remaining: Some(ms(0)), ..refused() }, StopReason::DeadlineWouldPass);
}

#[test]
fn an_empty_budget_stops_a_retry_and_is_asked_last() {
    stops(&Case { budget: false, ..refused() }, StopReason::BudgetExhausted);
    for case in [
        ambiguous(),
        Case { attempts: 3, ..refused() },
        Case { remaining: Some(ms(0)), ..refused() },
        Case::of(ErrorKind::Rejected, Effect::None, RetryAdvice::Never),
    ] {
        let rule = RetryRule::new(&case.settings);
        let mut so_far = SoFar::default();
        (0..case.attempts).for_each(|_| so_far.began());
        let jitter = &mut Jitter::seeded(1, 1);
        let asked = || panic!("the budget was asked though {:?} stops the retry", case.error);
        rule.decide(&case.error, &so_far, false, case.remaining, jitter, asked);
    }
}

#[test]
fn once_is_at_once_free_and_twice_at_most() {
    let again = Decision::Retry { delay: Duration::ZERO, transparent: true };
    let unsent = Case {
        budget: false,
        attempts: 3,
        ..Case::of(ErrorKind::Unavailable, Effect::None, RetryAdvice::Once)
    };
    assert_eq!(unsent.decide(), again, "neither counted nor charged");
    let mut so_far = SoFar::default();
    so_far.retried(&unsent.error, true);
    assert_eq!(unsent.decide_after(&so_far), again);
    so_far.retried(&unsent.error, true);
    assert_eq!(unsent.decide_after(&so_far), Decision::Stop(StopReason::AttemptsExhausted));
}

#[test]
fn a_credential_is_refreshed_once() {
    let expired = Case::of(ErrorKind::Unauthenticated, Effect::None, RetryAdvice::Once);
    let again = Decision::Retry { delay: Duration::ZERO, transparent: true };
    assert_eq!(expired.decide(), again);
    let mut so_far = SoFar::default();
    so_far.retried(&expired.error, true);
    assert_eq!(expired.decide_after(&so_far), Decision::Stop(StopReason::AttemptsExhausted));
}

#[test]
fn once_after_a_maybe_is_an_ordinary_attempt_without_a_pause() {
    let case = || Case::of(ErrorKind::Interrupted, Effect::Maybe, RetryAdvice::Once);
    stops(&case(), StopReason::AmbiguousNotIdempotent);
    retries(&Case { repeatable: true, ..case() }, 0, 0);
    stops(&Case { repeatable: true, budget: false, ..case() }, StopReason::BudgetExhausted);
    stops(&Case { repeatable: true, attempts: 3, ..case() }, StopReason::AttemptsExhausted);
    let mut so_far = SoFar::default();
    so_far.retried(&case().error, false);
    let second = Case { repeatable: true, ..case() }.decide_after(&so_far);
    assert_eq!(second, Decision::Stop(StopReason::AttemptsExhausted));
}

#[test]
fn only_a_sink_that_asks_for_it_pauses_everybody() {
    let rule = RetryRule::new(&Resilience::default());
    let pause = |kind, advice| {
        let error = Error::new(kind, "scripted").with_advice(advice);
        rule.pause_for_all(&error, &SoFar::default(), &mut Jitter::seeded(1, 1))
    };
    let after = RetryAdvice::After(ms(7_000));
    assert_eq!(pause(ErrorKind::Throttled, after), Some(ms(7_000)));
    assert_eq!(pause(ErrorKind::Throttled, RetryAdvice::Exactly(ms(5))), Some(ms(5)));
    assert_eq!(
        pause(ErrorKind::Throttled, RetryAdvice::Forbidden).map(|d| d <= ms(1_000)),
        Some(true)
    );
    assert_eq!(pause(ErrorKind::Unavailable, after), Some(ms(7_000)));
    assert_eq!(pause(ErrorKind::Throttled, RetryAdvice::After(ms(3_600_000))), Some(ms(60_000)));
    // These are about the message or the call, not about the sink.
    assert_eq!(pause(ErrorKind::Conflict, after), None);
    assert_eq!(pause(ErrorKind::TooLarge, after), None);
    assert_eq!(pause(ErrorKind::Unavailable, RetryAdvice::Exactly(ms(5))), None);
    assert_eq!(pause(ErrorKind::Unavailable, RetryAdvice::Backoff), None);
    // Who is told nothing pauses as long as the one who was refused.
    let error = Error::new(ErrorKind::Throttled, "scripted");
    let (first, second) = (&mut Jitter::seeded(3, 9), &mut Jitter::seeded(3, 9));
    let so_far = SoFar::default();
    let Decision::Retry { delay, .. } = rule.decide(&error, &so_far, false, None, first, || true)
    else {
        panic!()
    };
    assert_eq!(rule.pause_for_all(&error, &so_far, second), Some(delay));
}

#[test]
fn the_whole_time_and_the_fan_out_end_a_send() {
    for scope in [TimeoutScope::Total, TimeoutScope::FanOut] {
        let case = Case {
            error: Error::timeout(scope, "scripted").with_effect(Effect::None),
            ..refused()
        };
        stops(&case, StopReason::DeadlineWouldPass);
    }
}

proptest! {
    /// Whatever comes, these hold.
    #[test]
    fn a_retry_is_always_allowed_by_every_rule(
        kind in prop::sample::select(vec![
            ErrorKind::Connect, ErrorKind::Throttled, ErrorKind::Upstream, ErrorKind::Unauthenticated,
        ]),
        effect in prop::sample::select(vec![Effect::None, Effect::Maybe, Effect::Done]),
        advice in prop::sample::select(vec![
            RetryAdvice::Never, RetryAdvice::Once, RetryAdvice::Backoff, RetryAdvice::OtherSink,
            RetryAdvice::After(ms(90_000)), RetryAdvice::After(ms(90)), RetryAdvice::Exactly(ms(9)),
            RetryAdvice::HigherLevel, RetryAdvice::Forbidden,
        ]),
        attempts in 1_u32..6,
        repeatable: bool,
        remaining in prop::option::of(0_u64..200),
        budget: bool,
    ) {
        let remaining = remaining.map(ms);
        let case = Case { attempts, repeatable, remaining, budget, ..Case::of(kind, effect, advice) };
        if let Decision::Retry { delay, transparent } = case.decide() {
            prop_assert!(effect == Effect::None || effect == Effect::Maybe && repeatable);
            prop_assert!(transparent || attempts < 3 && budget);
            prop_assert!(!transparent || advice == RetryAdvice::Once && effect == Effect::None);
            prop_assert!(remaining.is_none_or(|remaining| delay < remaining));
            prop_assert!(!matches!(
                advice,
                RetryAdvice::Never | RetryAdvice::HigherLevel | RetryAdvice::OtherSink
                    | RetryAdvice::Forbidden
            ));
            if let RetryAdvice::After(asked) | RetryAdvice::Exactly(asked) = advice {
                prop_assert!(asked <= delay && asked <= ms(60_000));
            }
        }
    }
}
