//! Resilience: what is tried again, and what is not.

use fanout::resilience::RetryMaybe;
use fanout::{Attempt, Effect, ErrorKind, FanOut, RetryAdvice, StopReason, policy};

use super::engine::{entry, hello};
use super::resilience::{
    Bench, ResilienceCase, a, expect_calls, expect_stop, resilience_case, settings,
};
use super::resilience_destination::{Destination, broke_down, busy, refused, takes};
use crate::fakes::Answer;
use crate::suite::{Outcome, Stop, ensure};

pub(super) const CASES: &[ResilienceCase] = &[
    resilience_case!(
        unsent,
        "resilience/unsent_is_retried",
        "what surely was not applied is tried again, whatever the sink says of repeating"
    ),
    resilience_case!(
        ambiguous,
        "resilience/ambiguous_is_not_retried",
        "what may have been applied is not sent again to a sink where that may do harm, and the error has \
         a hint that says why"
    ),
    resilience_case!(
        repeatable,
        "resilience/repeatable_is_retried",
        "what may have been applied is sent again where applying it twice is harmless"
    ),
    resilience_case!(
        strict,
        "resilience/retry_maybe_never",
        "with `retry_maybe` at `never`, what may have been applied is not sent again to any sink"
    ),
    resilience_case!(
        done,
        "resilience/applied_is_not_retried",
        "what was applied is never sent again, whatever the advice"
    ),
    resilience_case!(
        forbidden,
        "resilience/advice_against_is_obeyed",
        "advice against another attempt is obeyed, whatever the kind and the effect"
    ),
    resilience_case!(
        delivered,
        "resilience/delivered_is_not_sent_again",
        "a sink that took the message is not sent it again because another failed"
    ),
    resilience_case!(
        transparent,
        "resilience/never_written_is_repeated_free",
        "a request that surely was never written is repeated at once and not counted, at most twice"
    ),
    resilience_case!(
        refreshed,
        "resilience/refused_credential_is_renewed_once",
        "after a refusal of a credential that can be renewed, the message is sent once more, at once and not \
         counted; a second refusal ends the send"
    ),
    resilience_case!(
        key,
        "resilience/key_is_the_same_on_every_attempt",
        "all attempts to a sink have one idempotency key, and every sink has another"
    ),
    resilience_case!(
        effect,
        "resilience/effect_is_the_worst",
        "what is said of a send is the worst effect of all its attempts"
    ),
    resilience_case!(
        record,
        "resilience/attempts_are_on_record",
        "the report has the attempts, the time in pauses, and the error of the last attempt"
    ),
];

async fn unsent(bench: Bench) -> Outcome {
    for destination in
        [Destination::playing(refused()), Destination::playing(refused()).repeatable()]
    {
        let report = bench.send(&destination, settings()).await?;
        expect_stop(&report, 3, StopReason::AttemptsExhausted)?;
        expect_calls(&destination, 3)?;
    }
    let destination = Destination::first([refused(), refused()]);
    let report = bench.send(&destination, settings()).await?;
    expect_stop(&report, 3, StopReason::Succeeded)
}

async fn ambiguous(bench: Bench) -> Outcome {
    for answer in [broke_down(), Answer::fail(ErrorKind::Interrupted)] {
        let destination = Destination::playing(answer);
        let report = bench.send(&destination, settings()).await?;
        expect_stop(&report, 1, StopReason::AmbiguousNotIdempotent)?;
        expect_calls(&destination, 1)?;
        let hinted = a(&report)?.error().is_some_and(|e| e.context().any(|(k, _)| k == "hint"));
        ensure!(hinted, "the error has no hint\n{report}");
    }
    Ok(())
}

async fn repeatable(bench: Bench) -> Outcome {
    let destination = Destination::playing(broke_down()).repeatable();
    let report = bench.send(&destination, settings()).await?;
    expect_stop(&report, 3, StopReason::AttemptsExhausted)?;
    expect_calls(&destination, 3)
}

async fn strict(bench: Bench) -> Outcome {
    let destination = Destination::playing(broke_down()).repeatable();
    let report = bench.send(&destination, settings().retry_maybe(RetryMaybe::Never)).await?;
    expect_stop(&report, 1, StopReason::AmbiguousNotIdempotent)?;
    expect_calls(&destination, 1)
}

async fn done(bench: Bench) -> Outcome {
    let answer = Answer::fail(ErrorKind::Protocol).with_effect(Effect::Done);
    let destination = Destination::playing(answer.with_advice(RetryAdvice::Backoff)).repeatable();
    let report = bench.send(&destination, settings()).await?;
    expect_stop(&report, 1, StopReason::NotRetryable)?;
    expect_calls(&destination, 1)
}

async fn forbidden(bench: Bench) -> Outcome {
    for (advice, reason) in [
        (RetryAdvice::Never, StopReason::NotRetryable),
        (RetryAdvice::HigherLevel, StopReason::NotRetryable),
        (RetryAdvice::OtherSink, StopReason::NotRetryable),
        (RetryAdvice::Forbidden, StopReason::ServerForbids),
    ] {
        let destination = Destination::playing(busy(advice)).repeatable();
        let report = bench.send(&destination, settings()).await?;
        expect_stop(&report, 1, reason)?;
        expect_calls(&destination, 1)?;
    }
    Ok(())
}

async fn delivered(bench: Bench) -> Outcome {
    let (one, other) = (Destination::playing(takes()), Destination::first([refused(), refused()]));
    let fan_out = both(&bench, &one, &other)?;
    let report = fan_out.send(hello()).await;
    ensure!(report.is_satisfied(), "it failed though b recovers\n{report}");
    expect_calls(&one, 1)?;
    expect_calls(&other, 3)
}

async fn transparent(bench: Bench) -> Outcome {
    let unsent = || busy(RetryAdvice::Once);
    let destination = Destination::first([unsent(), unsent()]);
    let report = bench.send(&destination, settings().max_attempts(1)).await?;
    expect_stop(&report, 1, StopReason::Succeeded)?;
    let numbers: Vec<_> = destination.calls().iter().map(|call| call.number).collect();
    ensure!(numbers == [1, 1, 1], "the attempts are numbered {numbers:?}");
    let elapsed = a(&report)?.elapsed();
    ensure!(elapsed.is_zero(), "it was repeated only after {elapsed:?}");

    let destination = Destination::playing(unsent());
    let report = bench.send(&destination, settings()).await?;
    expect_calls(&destination, 3)?;
    expect_stop(&report, 1, StopReason::AttemptsExhausted)
}

async fn refreshed(bench: Bench) -> Outcome {
    let refused = || {
        Answer::fail(ErrorKind::Unauthenticated)
            .with_effect(Effect::None)
            .with_advice(RetryAdvice::Once)
    };
    let destination = Destination::first([refused()]);
    let report = bench.send(&destination, settings().max_attempts(1)).await?;
    expect_stop(&report, 1, StopReason::Succeeded)?;
    let elapsed = a(&report)?.elapsed();
    ensure!(elapsed.is_zero(), "it was sent again only after {elapsed:?}");

    let destination = Destination::playing(refused());
    let report = bench.send(&destination, settings()).await?;
    expect_calls(&destination, 2)?;
    expect_stop(&report, 1, StopReason::AttemptsExhausted)?;
    // Another failure between the two makes no difference.
    let destination =
        Destination::first([refused(), busy(RetryAdvice::Backoff), refused(), refused()]);
    let report = bench.send(&destination, settings()).await?;
    expect_calls(&destination, 3)?;
    expect_stop(&report, 2, StopReason::AttemptsExhausted)
}

async fn key(bench: Bench) -> Outcome {
    let failing = || Destination::playing(broke_down()).repeatable();
    let (one, other) = (failing(), failing());
    let report = both(&bench, &one, &other)?.send(hello()).await;
    let mut keys = Vec::new();
    for (name, destination) in [("a", &one), ("b", &other)] {
        expect_calls(destination, 3)?;
        let key = entry(&report, name)?.idempotency_key();
        let same = destination.calls().iter().all(|call| call.key == key);
        ensure!(same, "the attempts to {name} have keys of their own");
        keys.push(key);
    }
    ensure!(keys[0] != keys[1], "a and b have the same key");
    Ok(())
}

async fn effect(bench: Bench) -> Outcome {
    let destination = Destination::playing(crate::fakes::Script::given([broke_down(), refused()]));
    let destination = destination.repeatable();
    let sink = bench.wrap(destination.clone(), settings())?;
    let message = hello();
    let Err(error) = sink.send(&message, &Attempt::first("a", &message)).await else {
        return Err(Stop::Failed("it was delivered by a sink that fails".to_owned()));
    };
    ensure!(error.kind() == ErrorKind::Connect, "it ended as {}", error.kind());
    ensure!(error.effect() == Effect::Maybe, "the send has effect {}", error.effect());
    let earlier: Vec<_> = destination.calls().iter().map(|call| call.earlier).collect();
    let told = earlier == [Effect::None, Effect::Maybe, Effect::Maybe];
    ensure!(told, "the attempts were told of earlier effects {earlier:?}");
    Ok(())
}

async fn record(bench: Bench) -> Outcome {
    let destination = Destination::playing(crate::fakes::Script::given([
        refused(),
        busy(RetryAdvice::Backoff),
        refused(),
    ]));
    let report = bench.send(&destination, settings()).await?;
    expect_stop(&report, 3, StopReason::AttemptsExhausted)?;
    let a = a(&report)?;
    let numbers: Vec<_> = destination.calls().iter().map(|call| call.number).collect();
    ensure!(numbers == [1, 2, 3], "the attempts are numbered {numbers:?}");
    let (delay, elapsed) = (a.delay(), a.elapsed());
    ensure!(delay == elapsed, "{delay:?} of {elapsed:?} are said to be pauses, and all were");
    let kind = a.error().map(fanout::Error::kind);
    ensure!(kind == Some(ErrorKind::Connect), "the last attempt's error became {kind:?}");
    Ok(())
}

fn both(bench: &Bench, one: &Destination, other: &Destination) -> Result<FanOut, Stop> {
    let built = FanOut::builder(policy::all())
        .sink("a", bench.wrap(one.clone(), settings())?)
        .sink("b", bench.wrap(other.clone(), settings())?)
        .build();
    built.map_err(|error| Stop::Failed(error.to_string()))
}
