//! Resilience: how long it waits before the next attempt, and how many there may be in all.

use std::time::Duration;

use fanout::resilience::Resilience;
use fanout::{ErrorKind, FanOut, MessageId, RetryAdvice, StopReason, policy};
use futures_util::future::join_all;

use super::engine::{expect_outcome, hello, ms};
use super::resilience::{
    Bench, ResilienceCase, a, expect_calls, expect_stop, expect_within, resilience_case, s,
    settings, unbroken,
};
use super::resilience_destination::{Destination, busy, refused, takes, throttled};
use crate::fakes::Script;
use crate::suite::{Outcome, Stop, ensure};

pub(super) const CASES: &[ResilienceCase] = &[
    resilience_case!(
        jitter,
        "resilience/jitter_is_full",
        "pauses fill the whole of [0, step]: of 10 000, the least is below 5 % and the most above 95 % of \
         it, and none is above"
    ),
    resilience_case!(
        growth,
        "resilience/pauses_grow_to_the_cap",
        "the step doubles with every retry up to the cap, and does not overflow"
    ),
    resilience_case!(
        seed,
        "resilience/seed_gives_the_same_pauses",
        "the same seed and message give the same pauses, and another seed gives others"
    ),
    resilience_case!(
        floor,
        "resilience/server_delay_is_a_floor",
        "a delay that the sink asks for is a floor with up to half of it on top; none at all is ordinary \
         backoff"
    ),
    resilience_case!(
        pushback,
        "resilience/pushback_is_exact",
        "pushback is kept exactly, and the steps begin anew after it"
    ),
    resilience_case!(
        too_long,
        "resilience/server_delay_too_long",
        "a delay above what is allowed ends the send at once, and its error says how long it was"
    ),
    resilience_case!(
        throttle_base,
        "resilience/throttle_has_its_own_step",
        "a sink that asks to be sent less without saying when is left alone for longer than one that broke"
    ),
    resilience_case!(
        budget,
        "resilience/budget_bounds_retries",
        "retries are bounded in relation to first attempts, over all sends to a sink"
    ),
    resilience_case!(
        empty,
        "resilience/empty_budget_ends_at_once",
        "an empty budget ends a send before any pause, with the error of its attempt"
    ),
    resilience_case!(
        hedge,
        "resilience/empty_budget_cuts_nothing",
        "an empty budget stops the next attempt, and not what is in flight: a hedge may still win"
    ),
];

/// When the second attempt came, for each of these seeds.
async fn second_attempts(
    bench: &Bench,
    seeds: std::ops::RangeInclusive<u64>,
    answer: impl Fn() -> crate::fakes::Answer,
    settings: Resilience,
) -> Result<Vec<Duration>, Stop> {
    let mut destinations = Vec::new();
    let mut sends = Vec::new();
    for seed in seeds {
        let destination = Destination::first([answer()]);
        let fan_out = bench.fan_out(&destination, settings.clone().seed(seed))?;
        destinations.push(destination);
        sends.push(async move { fan_out.send(hello()).await });
    }
    for report in join_all(sends).await {
        ensure!(report.is_satisfied(), "the second attempt was not made\n{report}");
    }
    let second = destinations.iter().map(|destination| destination.times()[1]);
    Ok(second.collect())
}

fn range(times: &[Duration]) -> (Duration, Duration) {
    let least = times.iter().min().copied().unwrap_or_default();
    (least, times.iter().max().copied().unwrap_or_default())
}

async fn jitter(bench: Bench) -> Outcome {
    let settings = settings().backoff_base(s(1));
    let (least, most) = range(&second_attempts(&bench, 1..=10_000, refused, settings).await?);
    ensure!(least < ms(50), "the shortest of 10 000 pauses in a step of 1 s is {least:?}");
    ensure!(most > ms(950), "the longest of 10 000 pauses in a step of 1 s is {most:?}");
    ensure!(most <= ms(1_003), "a pause in a step of 1 s is {most:?}");
    Ok(())
}

async fn growth(bench: Bench) -> Outcome {
    let mut longest = [Duration::ZERO; 70];
    for seed in 0..50 {
        let destination = Destination::playing(refused());
        let settings = unbroken().seed(seed).max_attempts(71).total_timeout(s(100_000));
        let report = bench.send(&destination, settings).await?;
        expect_stop(&report, 71, StopReason::AttemptsExhausted)?;
        for (step, pair) in destination.times().windows(2).enumerate() {
            longest[step] = longest[step].max(pair[1] - pair[0]);
        }
    }
    for (step, longest) in longest.into_iter().enumerate() {
        let doubled = 1_u32.checked_shl(step as u32).and_then(|by| ms(50).checked_mul(by));
        let bound = doubled.map_or(s(20), |bound| bound.min(s(20)));
        ensure!(longest <= bound + ms(3), "pause {step} was {longest:?}, above {bound:?}");
        ensure!(longest >= bound / 2, "of 50, the longest pause {step} was {longest:?}");
    }
    Ok(())
}

async fn seed(bench: Bench) -> Outcome {
    let mut seen = Vec::new();
    for seed in [1, 1, 2] {
        let destination = Destination::playing(refused());
        let settings = unbroken().seed(seed).max_attempts(8).backoff_base(s(1));
        let message = hello().with_id(MessageId::from_u128(17));
        drop(bench.fan_out(&destination, settings)?.send(message).await);
        seen.push(destination.times().iter().map(Duration::as_millis).collect::<Vec<_>>());
    }
    ensure!(seen[0] == seen[1], "one seed gave {:?} and {:?}", seen[0], seen[1]);
    ensure!(seen[0] != seen[2], "two seeds gave the same: {:?}", seen[0]);
    Ok(())
}

async fn floor(bench: Bench) -> Outcome {
    let after = || busy(RetryAdvice::After(s(7)));
    let (least, most) = range(&second_attempts(&bench, 1..=200, after, settings()).await?);
    expect_within("the shortest pause after 7 s", least, s(7), ms(7_400))?;
    expect_within("the longest pause after 7 s", most, ms(10_000), ms(10_500))?;
    let at_once = || busy(RetryAdvice::After(Duration::ZERO));
    let (_, most) = range(&second_attempts(&bench, 1..=200, at_once, settings()).await?);
    expect_within("the longest pause after a delay of 0", most, ms(20), ms(50))
}

async fn pushback(bench: Bench) -> Outcome {
    let exactly = || busy(RetryAdvice::Exactly(ms(250)));
    let (least, most) = range(&second_attempts(&bench, 1..=50, exactly, settings()).await?);
    expect_within("the shortest pause after a pushback of 250 ms", least, ms(250), ms(250))?;
    expect_within("the longest pause after a pushback of 250 ms", most, ms(250), ms(250))?;
    for seed in 0..20 {
        let six = std::iter::repeat_with(refused).take(6);
        let destination = Destination::first(six.chain([exactly(), refused()]));
        let settings = unbroken().seed(seed).max_attempts(9).total_timeout(s(600));
        drop(bench.send(&destination, settings).await?);
        expect_calls(&destination, 9)?;
        let times = destination.times();
        let pause = times[8] - times[7];
        expect_within("the first pause after the pushback", pause, ms(0), ms(50))?;
    }
    Ok(())
}

async fn too_long(bench: Bench) -> Outcome {
    let advice = RetryAdvice::After(s(61));
    let destination = Destination::playing(busy(advice));
    let report = bench.send(&destination, settings().total_timeout(s(600))).await?;
    expect_stop(&report, 1, StopReason::ServerDelayTooLong)?;
    let elapsed = a(&report)?.elapsed();
    ensure!(elapsed.is_zero(), "it ended only after {elapsed:?}");
    let told = a(&report)?.error().map(fanout::Error::advice);
    ensure!(told == Some(advice), "the error has the advice {told:?}");
    Ok(())
}

async fn throttle_base(bench: Bench) -> Outcome {
    let again = || throttled(RetryAdvice::Backoff);
    let (_, most) = range(&second_attempts(&bench, 1..=200, again, settings()).await?);
    expect_within("the longest pause after a throttle", most, ms(900), s(1))?;
    let (_, most) = range(&second_attempts(&bench, 1..=200, refused, settings()).await?);
    expect_within("the longest pause after a refused connection", most, ms(40), ms(50))
}

/// A budget of a fifth of the first attempts, and nothing beside.
fn a_fifth() -> Resilience {
    unbroken().budget_ratio(0.2).budget_floor(0.0)
}

async fn budget(bench: Bench) -> Outcome {
    let destination = Destination::playing(refused());
    let fan_out = bench.fan_out(&destination, a_fifth())?;
    for _ in 0..50 {
        drop(fan_out.send(hello()).await);
    }
    let requests = destination.counts().requests;
    ensure!(requests <= 60, "50 sends with a budget of a fifth made {requests} attempts");
    ensure!(requests > 50, "50 sends with a budget of a fifth made no retry");
    Ok(())
}

async fn empty(bench: Bench) -> Outcome {
    let destination = Destination::playing(refused());
    let report = bench.send(&destination, a_fifth()).await?;
    expect_stop(&report, 1, StopReason::BudgetExhausted)?;
    let elapsed = a(&report)?.elapsed();
    ensure!(elapsed.is_zero(), "it ended only after {elapsed:?}");
    let kind = a(&report)?.error().map(fanout::Error::kind);
    ensure!(kind == Some(ErrorKind::Connect), "the error of the attempt became {kind:?}");
    Ok(())
}

async fn hedge(bench: Bench) -> Outcome {
    let script = Script::given([refused().late(ms(100)), takes().late(ms(200))]);
    let sink = bench.wrap(Destination::playing(script), a_fifth())?;
    let built = FanOut::builder(policy::hedged(ms(50)))
        .sink("a", std::sync::Arc::clone(&sink))
        .sink("b", sink)
        .build();
    let report = built.map_err(|error| Stop::Failed(error.to_string()))?.send(hello()).await;
    expect_stop(&report, 1, StopReason::BudgetExhausted)?;
    expect_outcome(&report, "b", "delivered")
}
