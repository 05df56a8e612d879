//! Resilience: when a sink is not tried at all, and how it is found out that it is back.

use std::sync::Arc;
use std::time::Duration;

use fanout::policy::{self, OnAmbiguous, Reason, Verdict};
use fanout::{Effect, Error, ErrorKind, FanOut, RetryAdvice, Sink, StopReason};
use tokio::time::{Instant, sleep, timeout};

use super::engine::{expect_outcome, expect_verdict, hello, ms};
use super::resilience::{
    Bench, ResilienceCase, a, alone, expect_calls, expect_stop, expect_within, resilience_case, s,
    send_all, settings,
};
use super::resilience_destination::{Destination, hangs, refused, takes, throttled};
use crate::fakes::{Answer, ScriptedSink};
use crate::suite::{Outcome, Stop, ensure};

pub(super) const CASES: &[ResilienceCase] = &[
    resilience_case!(
        slow_traffic,
        "resilience/breaker_opens_at_low_traffic",
        "five failures in a row open the breaker, however slowly they come"
    ),
    resilience_case!(
        at_once,
        "resilience/open_breaker_ends_at_once",
        "an open breaker ends a send at once, without an attempt, and says for how long"
    ),
    resilience_case!(
        available,
        "resilience/open_breaker_is_not_available",
        "policies see an open breaker: a quorum that cannot come about starts nothing, a fallback moves on \
         without delay"
    ),
    resilience_case!(
        one_probe,
        "resilience/half_open_lets_one_pass",
        "of a hundred sends to a half-open breaker, one reaches the sink, and its success closes the breaker"
    ),
    resilience_case!(
        dropped_probe,
        "resilience/dropped_probe_wedges_nothing",
        "a probe whose send is dropped gives its place back"
    ),
    resilience_case!(
        doubling,
        "resilience/breaker_stays_open_longer",
        "a probe that fails opens the breaker for longer than before"
    ),
    resilience_case!(
        refusals,
        "resilience/refusals_do_not_open",
        "a sink that refuses or throttles works: a hundred such answers leave the breaker closed"
    ),
    resilience_case!(
        timeouts,
        "resilience/timeouts_open_the_breaker",
        "attempts that got no answer in time count against the sink"
    ),
    resilience_case!(
        abandoned,
        "resilience/abandoned_calls_are_neutral",
        "sends that were dropped say nothing about the sink: a hundred leave the breaker closed"
    ),
];

/// Makes a decorator whose breaker five failures have opened, around a sink that goes on with `then`.
async fn opened(
    bench: &Bench,
    then: impl IntoIterator<Item = Answer>,
) -> Result<(Arc<dyn Sink>, Destination), Stop> {
    let five = std::iter::repeat_with(refused).take(5);
    let destination = Destination::first(five.chain(then));
    let sink = bench.wrap(destination.clone(), settings().max_attempts(1))?;
    let fan_out = alone(Arc::clone(&sink))?;
    for _ in 0..5 {
        drop(fan_out.send(hello()).await);
    }
    expect_calls(&destination, 5)?;
    ensure!(!sink.is_available(), "five failures did not open the breaker");
    Ok((sink, destination))
}

async fn slow_traffic(bench: Bench) -> Outcome {
    let destination = Destination::playing(refused());
    let sink = bench.wrap(destination.clone(), settings().max_attempts(1))?;
    let fan_out = alone(Arc::clone(&sink))?;
    for failures in 0..5 {
        ensure!(sink.is_available(), "the breaker is open after {failures} failures");
        drop(fan_out.send(hello()).await);
        if failures < 4 {
            sleep(s(10)).await;
        }
    }
    ensure!(!sink.is_available(), "five failures did not open the breaker");
    drop(fan_out.send(hello()).await);
    expect_calls(&destination, 5)
}

async fn at_once(bench: Bench) -> Outcome {
    let (sink, destination) = opened(&bench, []).await?;
    let report = alone(sink)?.send(hello()).await;
    expect_stop(&report, 0, StopReason::CircuitOpen)?;
    expect_calls(&destination, 5)?;
    let a = a(&report)?;
    ensure!(a.elapsed().is_zero(), "it took {:?}", a.elapsed());
    ensure!(a.effect() == Effect::None, "it had effect {}", a.effect());
    let (kind, advice) = (a.error().map(Error::kind), a.error().map(Error::advice));
    ensure!(kind == Some(ErrorKind::CircuitOpen), "it failed with {kind:?}");
    ensure!(advice == Some(RetryAdvice::After(s(5))), "it has the advice {advice:?}");
    Ok(())
}

async fn available(bench: Bench) -> Outcome {
    let (sink, destination) = opened(&bench, []).await?;
    let build = |built: Result<FanOut, fanout::BuildError>| {
        built.map_err(|error| Stop::Failed(error.to_string()))
    };
    let third = ScriptedSink::delivers();
    let quorum = FanOut::builder(policy::quorum(2))
        .sink("a", Arc::clone(&sink))
        .sink("b", Arc::clone(&sink))
        .sink("c", third.clone());
    let report = build(quorum.build())?.send(hello()).await;
    expect_verdict(&report, Verdict::Unsatisfied(Reason::NotEnoughAvailable))?;
    ensure!(report.nothing_sent(), "something was sent\n{report}");
    let starts = third.counts().requests;
    ensure!(starts == 0, "the third sink was reached {starts} times");

    let fallback = FanOut::builder(policy::fallback(OnAmbiguous::Stop))
        .sink("a", sink)
        .sink("b", ScriptedSink::delivers());
    let report = build(fallback.build())?.send(hello()).await;
    expect_outcome(&report, "b", "delivered")?;
    ensure!(report.elapsed().is_zero(), "b began only after {:?}", report.elapsed());
    expect_calls(&destination, 5)
}

async fn one_probe(bench: Bench) -> Outcome {
    let (sink, destination) = opened(&bench, [takes().late(ms(10))]).await?;
    sleep(s(5)).await;
    let fan_out = alone(sink)?;
    let reports = send_all(&fan_out, 100).await;
    let delivered = reports.iter().filter(|report| report.is_satisfied()).count();
    expect_calls(&destination, 6)?;
    ensure!(delivered == 1, "{delivered} of 100 sends were delivered");
    let report = fan_out.send(hello()).await;
    ensure!(report.is_satisfied(), "the success of the probe did not close it\n{report}");
    Ok(())
}

async fn dropped_probe(bench: Bench) -> Outcome {
    let ten = std::iter::repeat_with(|| hangs(Effect::Maybe)).take(10);
    let (sink, destination) = opened(&bench, ten).await?;
    sleep(s(5)).await;
    let fan_out = alone(sink)?;
    for dropped in 0..10 {
        let probe = timeout(ms(10), fan_out.send(hello())).await;
        ensure!(probe.is_err(), "after {dropped} dropped probes no send reaches the sink");
        expect_calls(&destination, 6 + dropped)?;
    }
    let report = fan_out.send(hello()).await;
    ensure!(report.is_satisfied(), "after ten dropped probes the sink is not reached\n{report}");
    Ok(())
}

async fn doubling(bench: Bench) -> Outcome {
    let (sink, _) = opened(&bench, [refused(), refused(), refused()]).await?;
    let fan_out = alone(Arc::clone(&sink))?;
    let opens = [(s(5), s(5)), (s(5), s(10)), (s(10), s(20)), (s(20), s(40))];
    for (number, (least, most)) in opens.into_iter().enumerate() {
        let began = Instant::now();
        while !sink.is_available() && began.elapsed() < s(3_600) {
            sleep(ms(10)).await;
        }
        let what = format!("opening {} of the breaker", number + 1);
        expect_within(&what, began.elapsed(), least, most + ms(10))?;
        drop(fan_out.send(hello()).await);
    }
    Ok(())
}

async fn refusals(bench: Bench) -> Outcome {
    for answer in
        [Answer::fail(ErrorKind::Rejected), throttled(RetryAdvice::After(Duration::from_millis(1)))]
    {
        let destination = Destination::playing(answer);
        let sink = bench.wrap(destination.clone(), settings().max_attempts(1))?;
        let fan_out = alone(Arc::clone(&sink))?;
        for _ in 0..100 {
            drop(fan_out.send(hello()).await);
        }
        expect_calls(&destination, 100)?;
        ensure!(sink.is_available(), "they opened the breaker");
    }
    Ok(())
}

async fn timeouts(bench: Bench) -> Outcome {
    let destination = Destination::playing(hangs(Effect::None));
    let settings = settings().max_attempts(1).attempt_timeout(ms(100));
    let sink = bench.wrap(destination.clone(), settings)?;
    let fan_out = alone(Arc::clone(&sink))?;
    for _ in 0..5 {
        drop(fan_out.send(hello()).await);
    }
    ensure!(!sink.is_available(), "five timeouts did not open the breaker");
    expect_calls(&destination, 5)
}

async fn abandoned(bench: Bench) -> Outcome {
    let destination = Destination::playing(hangs(Effect::Maybe));
    let sink = bench.wrap(destination.clone(), settings())?;
    let fan_out = alone(Arc::clone(&sink))?;
    for _ in 0..100 {
        let send = timeout(ms(10), fan_out.send(hello())).await;
        ensure!(send.is_err(), "a send to a sink that never answers ended");
    }
    ensure!(sink.is_available(), "they opened the breaker");
    expect_calls(&destination, 100)
}
