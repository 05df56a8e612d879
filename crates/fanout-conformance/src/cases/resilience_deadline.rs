//! Resilience: how long an attempt may take, and a send in all.

use std::time::Duration;

use fanout::resilience::Resilience;
use fanout::{Attempt, Effect, ErrorKind, Report, RetryAdvice, StopReason, TimeoutScope};
use tokio::time::Instant;

use super::engine::{hello, ms};
use super::resilience::{
    Bench, ResilienceCase, a, expect_calls, expect_stop, expect_within, resilience_case, s,
    send_all, settings,
};
use super::resilience_destination::{Destination, busy, hangs, takes};
use crate::suite::{Outcome, Stop, ensure};

pub(super) const CASES: &[ResilienceCase] = &[
    resilience_case!(
        attempt,
        "resilience/attempt_timeout",
        "an attempt that gets no answer ends after its timeout, with the effect that it had reached"
    ),
    resilience_case!(
        queueing,
        "resilience/queueing_is_no_attempt",
        "the time of an attempt begins when it may start: waiting for a permit is not the sink's fault"
    ),
    resilience_case!(
        total,
        "resilience/total_timeout",
        "the total bounds all attempts and pauses together, and the error says that it was the total"
    ),
    resilience_case!(
        wall,
        "resilience/no_sleep_into_the_wall",
        "a pause that would not end before the total does ends the send at once"
    ),
    resilience_case!(
        outer,
        "resilience/outer_deadline_is_kept",
        "an earlier deadline of the fan-out is kept and handed to the attempts, and none starts after it"
    ),
    resilience_case!(
        numbers,
        "resilience/impossible_numbers_are_build_errors",
        "numbers that cannot work together are refused when the sink is built: an attempt longer than \
         the total, no attempt at all, a share that is not a number"
    ),
];

fn timeout_scope(report: &Report) -> Result<Option<TimeoutScope>, Stop> {
    Ok(a(report)?.error().and_then(fanout::Error::scope))
}

async fn attempt(bench: Bench) -> Outcome {
    for (told, attempts, reason) in [
        (Effect::None, 3, StopReason::AttemptsExhausted),
        (Effect::Maybe, 1, StopReason::AmbiguousNotIdempotent),
    ] {
        let destination = Destination::playing(hangs(told));
        let report = bench.send(&destination, settings().attempt_timeout(s(1))).await?;
        expect_stop(&report, attempts, reason)?;
        let (scope, effect) = (timeout_scope(&report)?, a(&report)?.effect());
        ensure!(scope == Some(TimeoutScope::Attempt), "it failed with a timeout of {scope:?}");
        ensure!(effect == told, "it had reached {told}, and the report says {effect}");
        let spent = a(&report)?.elapsed() - a(&report)?.delay();
        expect_within("what was no pause", spent, s(1) * attempts, s(1) * attempts)?;
        let in_flight = destination.counts().in_flight;
        ensure!(in_flight == 0, "{in_flight} attempts go on after their time");
    }
    Ok(())
}

async fn queueing(bench: Bench) -> Outcome {
    let destination = Destination::playing(takes().late(ms(800)));
    let settings = settings().max_in_flight(1).attempt_timeout(s(1));
    let fan_out = bench.fan_out(&destination, settings)?;
    for report in send_all(&fan_out, 4).await {
        ensure!(report.is_satisfied(), "one of four sends in turn failed\n{report}");
    }
    Ok(())
}

async fn total(bench: Bench) -> Outcome {
    let destination = Destination::playing(hangs(Effect::None));
    let settings = settings().attempt_timeout(s(1)).total_timeout(ms(1_500));
    let report = bench.send(&destination, settings).await?;
    expect_within("the send", a(&report)?.elapsed(), ms(1_500), ms(1_500))?;
    expect_stop(&report, 2, StopReason::DeadlineWouldPass)?;
    let scope = timeout_scope(&report)?;
    ensure!(scope == Some(TimeoutScope::Total), "it failed with a timeout of {scope:?}");
    Ok(())
}

async fn wall(bench: Bench) -> Outcome {
    let destination = Destination::playing(busy(RetryAdvice::Exactly(ms(300))).late(ms(900)));
    let settings = settings().attempt_timeout(s(1)).total_timeout(s(1));
    let report = bench.send(&destination, settings).await?;
    expect_within("the send", a(&report)?.elapsed(), ms(900), ms(900))?;
    expect_stop(&report, 1, StopReason::DeadlineWouldPass)?;
    let kind = a(&report)?.error().map(fanout::Error::kind);
    ensure!(kind == Some(ErrorKind::Unavailable), "the error of the attempt became {kind:?}");
    Ok(())
}

async fn outer(bench: Bench) -> Outcome {
    let began = Instant::now();
    let late = began + ms(500);
    let destination = Destination::playing(busy(RetryAdvice::Exactly(ms(200))).late(ms(200)));
    let sink = bench.wrap(destination.clone(), settings().max_attempts(100))?;
    let message = hello();
    let attempt = Attempt::first("a", &message).with_deadline(late);
    let result = sink.send(&message, &attempt).await;
    ensure!(result.is_err(), "it was delivered by a sink that fails");
    ensure!(began.elapsed() <= ms(500 + 3), "it ended only after {:?}", began.elapsed());
    expect_calls(&destination, 2)?;
    for call in destination.calls() {
        let ends = call.time_left.map(|left| call.at + left);
        let kept = ends.is_some_and(|ends| ends <= ms(500));
        ensure!(kept, "an attempt at {:?} was told to end at {ends:?}", call.at);
    }
    Ok(())
}

async fn numbers(bench: Bench) -> Outcome {
    let default = Resilience::default;
    let impossible = [
        ("an attempt longer than the total", default().total_timeout(s(9))),
        ("no attempt", default().max_attempts(0)),
        ("no permit", default().max_in_flight(0)),
        ("a budget that is not a number", default().budget_ratio(f64::NAN)),
        ("a share above one", default().breaker_ratio(1.1)),
        ("a pause of no length", default().backoff_base(Duration::ZERO)),
        ("a breaker that sees less than two attempts", default().breaker_window(s(19))),
    ];
    for (what, settings) in impossible {
        let built = bench.try_wrap(Destination::playing(takes()), settings);
        ensure!(built.is_err(), "it was built with {what}");
    }
    Ok(())
}
