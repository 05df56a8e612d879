//! Resilience: from being made to being dropped, and what is left behind: nothing.

use std::thread;

use fanout::resilience::Resilience;
use fanout::{Effect, Error, ErrorKind, FanOut, RetryAdvice, policy};
use tokio::time::{Instant, sleep, timeout};

use super::engine::{entry, expect_outcome, hello, ms};
use super::resilience::{
    Bench, ResilienceCase, a, expect_calls, expect_within, no_secret, resilience_case, s, send_all,
    settings,
};
use super::resilience_destination::{
    Destination, broke_down, busy, hangs, refused, takes, throttled,
};
use super::scene::{tasks, tasks_down_to};
use crate::fakes::Answer;
use crate::harness::SECRET;
use crate::suite::{Outcome, Stop, ensure};

pub(super) const CASES: &[ResilienceCase] = &[
    resilience_case!(
        offline,
        "resilience/offline_construction",
        "making it does no I/O, starts no task, and needs no runtime"
    ),
    resilience_case!(
        dropped,
        "resilience/dropped_send_gives_everything_back",
        "a send that is dropped ends its attempt, gives back what it held, and leaves no task"
    ),
    resilience_case!(
        dropped_pause,
        "resilience/dropped_pause_sends_nothing",
        "after a send that was dropped in a pause no further attempt is made"
    ),
    resilience_case!(
        panics,
        "resilience/panic_gives_everything_back",
        "a panic of the sink passes through, and what the send held comes back"
    ),
    resilience_case!(
        resend,
        "resilience/resend_keeps_the_key",
        "a re-send reaches only what was not delivered, with the key it had, and knows the earlier effect"
    ),
    resilience_case!(
        shutdown,
        "resilience/shutdown_ends_pauses",
        "a shutdown waits for detached sends, pauses and all, for its grace; then it cuts them, says how \
         many, and no further attempt is made"
    ),
    resilience_case!(
        secrets,
        "resilience/no_secrets",
        "neither payload nor metadata is in an error or a report, however the send ended"
    ),
];

async fn offline(bench: Bench) -> Outcome {
    let (before, destination) = (tasks(), Destination::playing(takes()));
    let (inner, making) = (destination.clone(), bench.clone());
    let outside = thread::spawn(move || making.wrap(inner, settings()).map(drop)).join();
    outside.map_err(|_| Stop::Failed("it panicked without a runtime".to_owned()))??;
    let _inside = bench.wrap(destination.clone(), settings())?;
    sleep(s(1)).await;
    expect_calls(&destination, 0)?;
    let started = tasks() - before;
    ensure!(started == 0, "{started} tasks were started");
    Ok(())
}

async fn dropped(bench: Bench) -> Outcome {
    let before = tasks();
    let destination = Destination::first([hangs(Effect::Maybe), hangs(Effect::Maybe)]);
    let fan_out = bench.fan_out(&destination, settings().max_in_flight(2).max_waiting(2))?;
    {
        let sends = (0..4).map(|_| fan_out.send(hello()));
        let sends = timeout(ms(10), futures_util::future::join_all(sends)).await;
        ensure!(sends.is_err(), "sends to a sink that never answers ended");
    }
    let left = tasks_down_to(before).await;
    ensure!(left <= before, "{} tasks were left behind", left - before);
    let counts = destination.counts();
    ensure!(counts.in_flight == 0, "{} attempts go on", counts.in_flight);
    ensure!(counts.dropped == 2, "{} attempts were dropped, not two", counts.dropped);
    for report in send_all(&fan_out, 4).await {
        ensure!(report.is_satisfied(), "what the dropped sends held is lost\n{report}");
    }
    Ok(())
}

async fn dropped_pause(bench: Bench) -> Outcome {
    let destination = Destination::first([busy(RetryAdvice::Exactly(s(5)))]);
    let fan_out = bench.fan_out(&destination, settings())?;
    let send = timeout(ms(10), fan_out.send(hello())).await;
    ensure!(send.is_err(), "a pause of 5 s was over after 10 ms");
    sleep(s(60)).await;
    expect_calls(&destination, 1)
}

async fn panics(bench: Bench) -> Outcome {
    let destination = Destination::first(std::iter::repeat_with(Answer::panic).take(10));
    let fan_out = bench.fan_out(&destination, settings().max_in_flight(1).max_waiting(1))?;
    for number in 0..10 {
        let report = fan_out.send(hello()).await;
        let kind = a(&report)?.error().map(Error::kind);
        ensure!(kind == Some(ErrorKind::Panic), "panic {number} became {kind:?}");
    }
    expect_calls(&destination, 10)?;
    for report in send_all(&fan_out, 2).await {
        ensure!(report.is_satisfied(), "what the sends held is lost\n{report}");
    }
    Ok(())
}

async fn resend(bench: Bench) -> Outcome {
    let (one, other) = (Destination::playing(takes()), Destination::first([broke_down()]));
    let built = FanOut::builder(policy::all())
        .sink("a", bench.wrap(one.clone(), settings())?)
        .sink("b", bench.wrap(other.clone(), settings())?)
        .build();
    let fan_out = built.map_err(|error| Stop::Failed(error.to_string()))?;
    let message = hello();
    let report = fan_out.send(&message).await;
    let key = entry(&report, "b")?.idempotency_key();
    let resent = fan_out.resend(&message, report).await;
    let report = resent.map_err(|error| Stop::Failed(error.to_string()))?;
    expect_outcome(&report, "b", "delivered")?;
    expect_calls(&one, 1)?;
    expect_calls(&other, 2)?;
    let calls = other.calls();
    let same = calls.iter().all(|call| call.key == key);
    ensure!(same, "the attempts had the keys {:?} and {:?}", calls[0].key, calls[1].key);
    let earlier = calls[1].earlier;
    ensure!(earlier == Effect::Maybe, "the re-send was told of an earlier effect {earlier}");
    Ok(())
}

async fn shutdown(bench: Bench) -> Outcome {
    for (grace, cut, attempts) in [(s(2), 1, 1), (s(20), 0, 2)] {
        let slow = Destination::first([busy(RetryAdvice::Exactly(s(5)))]);
        let built = FanOut::builder(policy::quorum(1))
            .sink("a", Destination::playing(takes()))
            .sink("slow", bench.wrap(slow.clone(), settings())?)
            .build();
        let fan_out = built.map_err(|error| Stop::Failed(error.to_string()))?;
        let report = fan_out.send(hello()).await;
        expect_outcome(&report, "slow", "pending")?;
        sleep(ms(1)).await;
        let began = Instant::now();
        let were_cut = fan_out.shutdown(grace).await;
        ensure!(were_cut == cut, "with a grace of {grace:?}, {were_cut} were cut, not {cut}");
        expect_within("the shutdown", began.elapsed(), s(5).min(grace) - ms(5), s(5).min(grace))?;
        sleep(s(60)).await;
        expect_calls(&slow, attempts)?;
    }
    Ok(())
}

async fn secrets(bench: Bench) -> Outcome {
    let once = settings().max_attempts(1);
    let situations: [(&str, Answer, Resilience); 6] = [
        ("a failure that is retried", refused(), settings()),
        ("an ambiguous failure", broke_down(), settings()),
        ("a timeout", hangs(Effect::None), settings()),
        ("an open breaker", refused(), once.breaker_consecutive(1)),
        ("a throttle", throttled(RetryAdvice::After(s(50))), settings()),
        ("a full queue", takes().late(s(1)), settings().max_in_flight(1).max_waiting(0)),
    ];
    for (what, answer, settings) in situations {
        let fan_out = bench.fan_out(&Destination::playing(answer), settings)?;
        let message = fanout::Message::text(SECRET).with_metadata("x-canary", SECRET);
        let sends = (0..2).map(|_| fan_out.send(message.clone()));
        let mut reports = futures_util::future::join_all(sends).await;
        reports.push(fan_out.send(message.clone()).await);
        for report in &reports {
            no_secret(what, report)?;
        }
    }
    Ok(())
}
