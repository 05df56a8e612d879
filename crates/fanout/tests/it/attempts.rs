//! What a decorator tells about the attempts that it makes, and what the report says then.

use std::sync::{Arc, Mutex};

use fanout::{
    Attempt, Effect, Error, ErrorKind, FanOut, Outcome, Reach, Receipt, RetryAdvice, StopReason,
    policy, sink_fn,
};
use tokio::time::{sleep, timeout};

use crate::support::{failure, hello, ms};

/// What became of the only sink, `send`, when the fan-out had `deadline` milliseconds.
async fn delivery_of<F, Fut>(send: F, deadline: u64) -> fanout::Report
where
    F: Fn(fanout::Message, Attempt) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Receipt, Error>> + Send + 'static,
{
    let fan_out = FanOut::builder(policy::all())
        .sink("a", sink_fn(send))
        .deadline(ms(deadline))
        .build()
        .unwrap();
    let report = fan_out.send(hello()).await;
    // What the sinks below assert, they assert inside of the engine's fence.
    let error = report.get("a").unwrap().error();
    assert!(error.is_none_or(|error| error.kind() != ErrorKind::Panic), "{report}");
    report
}

#[tokio::test(start_paused = true)]
async fn a_decorator_that_sends_nothing_shows_no_attempt() {
    let send = async |_, attempt: Attempt| {
        let attempts = attempt.take_over();
        attempts.stopped(StopReason::CircuitOpen);
        Err(Error::new(ErrorKind::CircuitOpen, "open"))
    };
    let report = delivery_of(move |m, a| async move { send(m, a).await }, 100).await;
    let delivery = report.get("a").unwrap();
    assert_eq!((delivery.attempts(), delivery.effect()), (0, Effect::None));
    assert_eq!(delivery.stop_reason(), Some(StopReason::CircuitOpen));
    assert!(report.nothing_sent());
}

#[tokio::test(start_paused = true)]
async fn attempts_share_the_key_and_know_what_came_before() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&seen);
    let send = move |_, attempt: Attempt| {
        let told = Arc::clone(&told);
        async move {
            let key = attempt.idempotency_key();
            let attempts = attempt.take_over();
            for effect in [Effect::None, Effect::Maybe, Effect::None] {
                let next = attempts.begin();
                assert_eq!(next.idempotency_key(), key);
                assert_eq!(next.deadline(), attempt.deadline());
                told.lock().unwrap().push((next.number(), next.earlier_effect()));
                attempts.ended(effect);
                assert_eq!(next.reached(Effect::Maybe), Reach::Abandoned, "it has ended");
            }
            attempts.stopped(StopReason::AttemptsExhausted);
            Err(failure(Effect::None))
        }
    };
    let report = delivery_of(send, 100).await;
    let delivery = report.get("a").unwrap();
    assert_eq!(*seen.lock().unwrap(), [(1, Effect::None), (2, Effect::None), (3, Effect::Maybe)]);
    assert_eq!((delivery.attempts(), delivery.effect()), (3, Effect::Maybe), "the worst of all");
    assert_eq!(delivery.stop_reason(), Some(StopReason::AttemptsExhausted));
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_begins_again_is_not_counted_and_the_first_cannot_write() {
    let send = |_, attempt: Attempt| async move {
        let attempts = attempt.take_over();
        let first = attempts.begin();
        first.entered();
        assert_eq!(attempts.abandoned(), Effect::None);
        let second = attempts.begin_again();
        assert_eq!((second.number(), attempts.count()), (1, 1));
        assert_eq!(first.reached(Effect::Maybe), Reach::Abandoned);
        assert_eq!(second.reached(Effect::Maybe), Reach::Proceed);
        Ok(Receipt::new())
    };
    assert_eq!(delivery_of(send, 100).await.get("a").unwrap().attempts(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_was_told_survives_the_drop_in_a_pause() {
    let send = |_, attempt: Attempt| async move {
        let attempts = attempt.take_over();
        assert_eq!(attempts.begin().reached(Effect::Maybe), Reach::Proceed);
        attempts.ended(Effect::Maybe);
        let _pause = attempts.pause();
        sleep(ms(1_000)).await;
        Ok(Receipt::new())
    };
    let report = delivery_of(send, 300).await;
    let delivery = report.get("a").unwrap();
    assert!(matches!(delivery.outcome(), Outcome::Failed(_)));
    assert_eq!((delivery.attempts(), delivery.effect()), (1, Effect::Maybe));
    assert_eq!(delivery.delay(), ms(300), "as long as it lasted");
    assert_eq!(delivery.stop_reason(), Some(StopReason::DeadlineWouldPass));
}

#[tokio::test(start_paused = true)]
async fn a_silent_attempt_that_is_followed_by_another_was_maybe_applied() {
    let send = |_, attempt: Attempt| async move {
        let attempts = attempt.take_over();
        drop(attempts.begin());
        assert_eq!(attempts.begin().earlier_effect(), Effect::Maybe);
        attempts.ended(Effect::None);
        Err(failure(Effect::None))
    };
    assert_eq!(delivery_of(send, 100).await.get("a").unwrap().effect(), Effect::Maybe);
}

#[tokio::test(start_paused = true)]
async fn nothing_begins_once_the_send_has_ended() {
    let leaked = Arc::new(Mutex::new(None));
    let keep = Arc::clone(&leaked);
    let send = move |_, attempt: Attempt| {
        *keep.lock().unwrap() = Some(attempt.take_over());
        std::future::pending()
    };
    let report = delivery_of(send, 10).await;
    let attempts = leaked.lock().unwrap().take().unwrap();
    assert_eq!(attempts.begin().reached(Effect::Maybe), Reach::Abandoned);
    assert_eq!(report.get("a").unwrap().effect(), Effect::None);
}

#[tokio::test(start_paused = true)]
async fn decorators_nest_and_the_count_goes_on() {
    let send = |_, attempt: Attempt| async move {
        let outer = attempt.take_over();
        for _ in 0..2 {
            let inner = outer.begin().take_over();
            for _ in 0..2 {
                inner.begin();
                inner.ended(Effect::None);
            }
            inner.stopped(StopReason::AttemptsExhausted);
            outer.ended(Effect::None);
        }
        let last = outer.begin();
        assert_eq!(last.number(), 5);
        let hanging = timeout(ms(5), async {
            let inner = last.take_over().begin();
            assert_eq!(inner.reached(Effect::Maybe), Reach::Proceed);
            std::future::pending::<()>().await;
        });
        assert!(hanging.await.is_err());
        assert_eq!(outer.abandoned(), Effect::Maybe, "what the inner one had reached");
        Err(failure(Effect::None).with_advice(RetryAdvice::Forbidden))
    };
    let report = delivery_of(send, 100).await;
    let delivery = report.get("a").unwrap();
    assert_eq!((delivery.attempts(), delivery.effect()), (5, Effect::Maybe));
    assert_eq!(delivery.stop_reason(), Some(StopReason::ServerForbids), "an attempt takes it back");
}

#[tokio::test(start_paused = true)]
async fn what_was_not_counted_is_not_taken_back_when_it_is_taken_over() {
    let send = |_, attempt: Attempt| async move {
        let outer = attempt.take_over();
        // Nothing is sent the first time, nor when it is tried again, twice.
        drop(outer.begin().take_over());
        drop(outer.begin_again().take_over());
        drop(outer.begin_again().take_over());
        assert_eq!(outer.count(), 0);
        // Now something is, and then something again on behalf of the same attempt.
        outer.begin();
        outer.ended(Effect::None);
        let again = outer.begin_again();
        again.entered();
        drop(again.take_over());
        assert_eq!(outer.count(), 1, "the one before was made");
        let told = outer.begin();
        told.entered();
        drop(told.take_over());
        assert_eq!(outer.count(), 1, "what was told changes nothing");
        Err(failure(Effect::None))
    };
    assert_eq!(delivery_of(send, 100).await.get("a").unwrap().attempts(), 1);
}
