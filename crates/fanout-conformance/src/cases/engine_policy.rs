//! The engine: what it promises whatever a policy says.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use fanout::policy::{Decision, FanOutPolicy, Progress, Reason, Start, Verdict};
use fanout::{Outcome as Ended, SkipReason};

use super::engine::{
    EngineCase, Stage, catalogue, engine_case, entry, expect_outcome, expect_requests, expect_time,
    expect_verdict, fails, takes,
};
use super::explore::{Fate, assignments, fates, verdict_in_order};
use crate::plan::Plan;
use crate::suite::{Outcome, ensure};

pub(super) const CASES: &[EngineCase] = &[
    engine_case!(
        every_order,
        "engine/one_outcome_in_every_order",
        "in every order of events for up to four sinks, the engine gives the policy's verdict, and every \
         sink one terminal outcome"
    ),
    engine_case!(
        stalls,
        "engine/stall_is_ended",
        "a policy that waits while nothing is in flight ends as `Stalled` instead of hanging"
    ),
    engine_case!(
        twice,
        "engine/no_sink_twice",
        "no sink is started twice, whatever the policy says"
    ),
    engine_case!(
        after_verdict,
        "engine/no_start_after_the_verdict",
        "no sink is started after the verdict"
    ),
];

async fn every_order(stage: Stage) -> Outcome {
    const NAMES: [&str; 4] = ["a", "b", "c", "d"];
    for policy in catalogue() {
        for sinks in 1..=4 {
            let fates = if sinks < 4 { fates(sinks) } else { &fates(4)[..2] };
            for assigned in assignments(sinks, fates) {
                for order in permutations(sinks) {
                    let wanted = verdict_in_order(&*policy, &assigned, &order);
                    let mut plan = Plan::new(Arc::clone(&policy));
                    for (position, fate) in assigned.iter().enumerate() {
                        let place = order.iter().position(|other| *other == position);
                        let after = 5 + 5 * place.unwrap_or_default() as u64;
                        let sink = match fate {
                            Fate::Succeeds => takes(after),
                            Fate::Fails(effect) => fails(after, *effect),
                        };
                        plan = plan.sink(NAMES[position], sink);
                    }
                    let report = stage.send(plan).await?;
                    let verdict = Some(report.verdict());
                    let name = policy.name();
                    ensure!(
                        verdict == wanted,
                        "{name} says {wanted:?} to {assigned:?} in the order {order:?}, the engine {verdict:?}"
                    );
                    let settled = report.settled().await;
                    let pending =
                        |delivery: &&fanout::Delivery| matches!(delivery.outcome(), Ended::Pending);
                    let left = settled.deliveries().iter().filter(pending).count();
                    ensure!(
                        left == 0,
                        "{name} left {left} sinks of {assigned:?} without an outcome"
                    );
                }
            }
        }
    }
    Ok(())
}

/// Every order of so many positions.
fn permutations(count: usize) -> Vec<Vec<usize>> {
    (0..count).fold(vec![Vec::new()], |orders, next| {
        let insert = |order: &Vec<usize>, place| {
            let mut longer = order.clone();
            longer.insert(place, next);
            longer
        };
        let longer = |order: &Vec<usize>| -> Vec<_> {
            (0..=order.len()).map(|place| insert(order, place)).collect()
        };
        orders.iter().flat_map(longer).collect()
    })
}

async fn stalls(stage: Stage) -> Outcome {
    #[derive(Debug)]
    struct Waits;

    impl FanOutPolicy for Waits {
        fn decide(&self, _: &Progress<'_>) -> Decision {
            Decision::Wait
        }
    }

    let a = takes(1);
    let report = stage.send(Plan::new(Waits).sink("a", a.clone())).await?;
    expect_verdict(&report, Verdict::Unsatisfied(Reason::Stalled))?;
    expect_time("the report", Some(report.elapsed()), 0)?;
    expect_requests("a", &a, 0)
}

async fn twice(stage: Stage) -> Outcome {
    /// Starts the first sink whenever it is asked.
    #[derive(Debug)]
    struct Again;

    impl FanOutPolicy for Again {
        fn decide(&self, progress: &Progress<'_>) -> Decision {
            if progress.delivered() == progress.total() {
                Decision::Settle(Verdict::Satisfied)
            } else if progress.in_flight() == 0 {
                Decision::Start(Start::Positions(vec![0, 0, 1, 0, 9]))
            } else {
                Decision::Start(Start::Positions(vec![0]))
            }
        }
    }

    let (a, b) = (takes(10), takes(20));
    let plan = Plan::new(Again).sink("a", a.clone()).sink("b", b.clone());
    let report = stage.send(plan).await?;
    expect_verdict(&report, Verdict::Satisfied)?;
    expect_requests("a", &a, 1)?;
    expect_requests("b", &b, 1)
}

async fn after_verdict(stage: Stage) -> Outcome {
    /// Settles at the first success, and would start more when it were asked again.
    #[derive(Debug, Default)]
    struct Late(AtomicBool);

    impl FanOutPolicy for Late {
        fn decide(&self, progress: &Progress<'_>) -> Decision {
            if self.0.load(Ordering::Relaxed) {
                return Decision::Start(Start::All);
            }
            if progress.delivered() > 0 {
                self.0.store(true, Ordering::Relaxed);
                return Decision::Settle(Verdict::Satisfied);
            }
            if progress.last_start().is_none() {
                return Decision::Start(Start::Next(2));
            }
            Decision::Wait
        }
    }

    let c = takes(1);
    let plan =
        Plan::new(Late::default()).sink("a", takes(10)).sink("b", takes(20)).sink("c", c.clone());
    let report = stage.send(plan).await?;
    expect_verdict(&report, Verdict::Satisfied)?;
    expect_outcome(&report, "b", "delivered")?;
    expect_requests("c", &c, 0)?;
    let outcome = entry(&report, "c")?.outcome();
    let not_needed = matches!(outcome, Ended::Skipped(SkipReason::NotNeeded));
    ensure!(not_needed, "c is {}, not skipped as not needed", outcome.as_str());
    Ok(())
}
