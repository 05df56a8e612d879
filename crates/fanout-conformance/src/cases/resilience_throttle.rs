//! Resilience: a sink that asks to be sent less, and a rate limit of our own.

use std::time::Duration;

use fanout::{Effect, Error, ErrorKind, FanOut, RetryAdvice, StopReason, policy};
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::engine::{hello, ms};
use super::resilience::{
    Bench, ResilienceCase, a, expect_calls, expect_stop, expect_within, resilience_case, s,
    send_all, settings, unbroken,
};
use super::resilience_destination::{Destination, refused, takes, throttled};
use crate::fakes::Script;
use crate::suite::{Outcome, Stop, ensure};

pub(super) const CASES: &[ResilienceCase] = &[
    resilience_case!(
        for_all,
        "resilience/throttle_holds_back_all_sends",
        "after one throttle no new attempt of any send reaches that sink before the delay is over, and \
         other sinks are untouched"
    ),
    resilience_case!(
        slowly,
        "resilience/throttle_begins_slowly",
        "after the pause one attempt passes, then, as they are answered, two, then four"
    ),
    resilience_case!(
        no_time,
        "resilience/throttle_beyond_the_deadline_ends_at_once",
        "a send that could not begin before its deadline for the pause ends at once, without an attempt"
    ),
    resilience_case!(
        rate,
        "resilience/rate_limit_holds_for_retries",
        "a rate limit bounds all attempts, retries included: a second's worth at once, and then the rate"
    ),
];

/// Fifty sends are in flight; the first is throttled, and fifty more come meanwhile.
async fn throttle_one_of_fifty(bench: &Bench) -> Result<(Vec<Duration>, Destination), Stop> {
    let asks = throttled(RetryAdvice::After(s(7))).late(ms(100));
    let slow = Destination::playing(Script::given([asks, takes().late(ms(500))]));
    let other = Destination::playing(takes());
    let built = FanOut::builder(policy::all())
        .sink("slow", bench.wrap(slow.clone(), settings().max_in_flight(50))?)
        .sink("other", bench.wrap(other.clone(), settings())?)
        .build();
    let fan_out = built.map_err(|error| Stop::Failed(error.to_string()))?;
    let mut sends = JoinSet::new();
    for number in 0..100 {
        let fan_out = fan_out.clone();
        sends.spawn(async move {
            if number >= 80 {
                sleep(s(1)).await;
            }
            fan_out.send(hello()).await
        });
    }
    for report in sends.join_all().await {
        ensure!(report.is_satisfied(), "a send failed though the sink recovers\n{report}");
    }
    Ok((slow.times(), other))
}

async fn for_all(bench: Bench) -> Outcome {
    let (times, other) = throttle_one_of_fifty(&bench).await?;
    ensure!(times.len() == 101, "100 sends and a retry made {} attempts", times.len());
    for time in times {
        let outside = time < ms(100) || time >= ms(7_100);
        ensure!(outside, "an attempt began at {time:?}, in the pause until 7.1 s");
    }
    let latest = other.times().into_iter().max().unwrap_or_default();
    ensure!(latest <= ms(1_003), "the other sink was held back until {latest:?}");
    Ok(())
}

async fn slowly(bench: Bench) -> Outcome {
    let (times, _) = throttle_one_of_fifty(&bench).await?;
    let later: Vec<_> = times.into_iter().filter(|time| *time >= s(1)).collect();
    let first = later.iter().min().copied().unwrap_or_default();
    let width = |round: u32| {
        let from = first + ms(500) * round;
        later.iter().filter(|time| **time >= from && **time < from + ms(400)).count()
    };
    let widths = [width(0), width(1), width(2)];
    ensure!(widths == [1, 2, 4], "after the pause, so many passed together: {widths:?}");
    Ok(())
}

async fn no_time(bench: Bench) -> Outcome {
    let destination = Destination::first([throttled(RetryAdvice::After(s(50)))]);
    let fan_out = bench.fan_out(&destination, settings())?;
    expect_stop(&fan_out.send(hello()).await, 1, StopReason::DeadlineWouldPass)?;
    let report = fan_out.send(hello()).await;
    expect_stop(&report, 0, StopReason::DeadlineWouldPass)?;
    let a = a(&report)?;
    ensure!(a.elapsed().is_zero(), "it took {:?}", a.elapsed());
    ensure!(a.effect() == Effect::None, "it had effect {}", a.effect());
    let kind = a.error().map(Error::kind);
    ensure!(kind == Some(ErrorKind::LocalRateLimit), "it failed with {kind:?}");
    expect_calls(&destination, 1)
}

async fn rate(bench: Bench) -> Outcome {
    let destination = Destination::playing(refused());
    let fan_out = bench.fan_out(&destination, unbroken().rate_limit(10.0).total_timeout(s(600)))?;
    drop(send_all(&fan_out, 50).await);
    expect_calls(&destination, 150)?;
    let times = destination.times();
    for (number, time) in times.iter().enumerate() {
        let within = times.iter().filter(|at| **at + s(1) > *time && **at <= *time).count();
        ensure!(within <= 20, "{within} attempts in the second before attempt {number}");
    }
    let last = times.last().copied().unwrap_or_default();
    expect_within("150 attempts at 10 a second", last, ms(13_995), s(15))
}
