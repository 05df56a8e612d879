//! Policies that break the contract, each rejected by the rule that it breaks.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use fanout::policy::{self, Decision, FanOutPolicy, Progress, Reason, Start, Verdict};
use fanout_conformance::check_policy;

use crate::rejected;

/// A policy made of a function, and of a number that no policy should have.
struct Broken {
    name: &'static str,
    decide: fn(&Progress<'_>, &AtomicUsize) -> Decision,
    state: AtomicUsize,
}

impl std::fmt::Debug for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

impl FanOutPolicy for Broken {
    fn decide(&self, progress: &Progress<'_>) -> Decision {
        (self.decide)(progress, &self.state)
    }

    fn name(&self) -> &'static str {
        self.name
    }
}

/// Starts all, waits for all, and then says `verdict`.
fn at_the_end(progress: &Progress<'_>, verdict: impl FnOnce() -> bool) -> Decision {
    if progress.waiting() > 0 {
        Decision::Start(Start::All)
    } else if progress.in_flight() > 0 {
        Decision::Wait
    } else {
        Decision::Settle(Verdict::satisfied_if(verdict(), Reason::SinkFailed))
    }
}

type Row = (&'static str, fn(&Progress<'_>, &AtomicUsize) -> Decision, &'static [&'static str]);

const BROKEN: &[Row] = &[
    (
        "counts the questions",
        |progress, asked| {
            let odd = asked.fetch_add(1, Ordering::Relaxed) % 2 == 1;
            at_the_end(progress, || odd)
        },
        &["policy/pure"],
    ),
    (
        "remembers the last send",
        |progress, last| {
            at_the_end(progress, || {
                // Each question twice, as the suite asks: the answer changes from send to send alone.
                last.fetch_add(1, Ordering::Relaxed) % 4 < 2
            })
        },
        &["policy/pure", "policy/mirrors_do_not_matter"],
    ),
    (
        "starts the first sink twice",
        |progress, _| {
            if progress.last_start().is_none() {
                return Decision::Start(Start::Positions(vec![0, 0]));
            }
            at_the_end(progress, || progress.failed() == 0)
        },
        &["policy/starts_what_waits"],
    ),
    (
        "starts a sink that is not there",
        |progress, _| {
            if progress.last_start().is_none() {
                return Decision::Start(Start::Positions(vec![0, 7]));
            }
            at_the_end(progress, || progress.failed() == 0)
        },
        &["policy/starts_what_waits"],
    ),
    (
        "waits for nothing once a sink has failed",
        |progress, _| {
            if progress.failed() > 0 {
                return Decision::Wait;
            }
            at_the_end(progress, || true)
        },
        &["policy/ends"],
    ),
    (
        "wants to be woken for ever",
        |progress, _| {
            if progress.failed() > 0 {
                return Decision::WaitUntil(progress.elapsed() + Duration::from_secs(1));
            }
            at_the_end(progress, || true)
        },
        &["policy/ends"],
    ),
    (
        "wants the first sink to settle first",
        |progress, _| {
            if progress.delivered() == 1
                && progress.last_settled().is_some_and(|sink| sink.position() > 0)
            {
                return Decision::Settle(Verdict::Unsatisfied(Reason::Other("out of order")));
            }
            at_the_end(progress, || progress.failed() == 0)
        },
        &["policy/success_in_any_order", "policy/order_does_not_matter"],
    ),
    (
        "wants exactly one success",
        |progress, _| at_the_end(progress, || progress.delivered() == 1),
        &["policy/success_never_hurts", "policy/success_in_any_order"],
    ),
    (
        "holds whatever happens",
        |progress, _| at_the_end(progress, || true),
        &["policy/no_success_no_hold", "policy/one_sink_decides"],
    ),
    (
        "never holds with one sink",
        |progress, _| at_the_end(progress, || progress.total() > 1 && progress.failed() == 0),
        &["policy/one_sink_decides"],
    ),
    (
        "panics at a failure",
        |progress, _| {
            assert_eq!(progress.failed(), 0, "the policy cannot bear it");
            at_the_end(progress, || true)
        },
        &["policy/panic_stays_inside"],
    ),
    (
        "leaves a task behind",
        |progress, _| {
            tokio::spawn(std::future::pending::<()>());
            at_the_end(progress, || progress.failed() == 0)
        },
        &["policy/cancel_leaves_nothing"],
    ),
];

#[tokio::test]
async fn every_broken_policy_is_rejected() {
    for (name, decide, rules) in BROKEN {
        for rule in *rules {
            let policy = Broken { name, decide: *decide, state: AtomicUsize::new(0) };
            rejected(name, check_policy(policy).only(rule), rule).await;
        }
    }
}

#[tokio::test]
async fn a_race_that_does_not_declare_itself_is_rejected() {
    let rule = "policy/order_does_not_matter";
    rejected("race", check_policy(policy::race()).only(rule), rule).await;
    let rule = "policy/no_success_no_hold";
    rejected("all_settled", check_policy(policy::all_settled()).only(rule), rule).await;
}

#[test]
fn every_rule_for_policies_rejects_something() {
    let broken: HashSet<_> =
        BROKEN.iter().flat_map(|(_, _, rules)| rules.iter().copied()).collect();
    let rules: HashSet<_> =
        check_policy(policy::all()).into_suite().rules().map(|rule| rule.id).collect();
    assert_eq!(rules, broken);
}
