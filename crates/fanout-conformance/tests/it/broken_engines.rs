//! Engines that break the contract, each rejected by the rules that it breaks.
//!
//! A report can only be made by fanout itself, so a broken engine is fanout's with a plan that was
//! tampered with, or with a wrapper that gets in the way.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use fanout::policy::{
    self, Decision, FanOutPolicy, OnAmbiguous, Progress, Reason, Rest, Start, Verdict,
};
use fanout::{
    Attempt, BuildError, Effect, Error, FanOut, Message, Receipt, Report, Role, Sink, async_trait,
    sink_fn,
};
use fanout_conformance::{Engine, Plan, engine_suite, fanout_engine};
use futures_util::future::FutureExt;

use crate::rejected;

type Build = fn(Plan) -> Result<Box<dyn Engine>, BuildError>;

struct Row {
    name: &'static str,
    build: Build,
    rules: &'static [&'static str],
}

/// Puts another policy in the place of the one that is shown so.
fn swap(mut plan: Plan, shown: &str, policy: impl FanOutPolicy + 'static) -> Plan {
    if format!("{:?}", plan.policy).contains(shown) {
        plan.policy = Arc::new(policy);
    }
    plan
}

/// Puts something between the engine and every sink.
fn wrap<S: Sink + 'static>(mut plan: Plan, wrap: impl Fn(Arc<dyn Sink>) -> S) -> Plan {
    for planned in &mut plan.sinks {
        planned.sink = Arc::new(wrap(Arc::clone(&planned.sink)));
    }
    plan
}

fn with_rest(mut plan: Plan, rest: Rest) -> Plan {
    plan.rest = Some(rest);
    plan
}

/// Changes what every sink answers.
fn change(
    plan: Plan,
    change: fn(Result<Receipt, Error>) -> Result<Receipt, Error>,
) -> Result<Box<dyn Engine>, BuildError> {
    let changed = wrap(plan, |inner| {
        sink_fn(move |message: Message, attempt: Attempt| {
            let inner = Arc::clone(&inner);
            async move { change(inner.send(&message, &attempt).await) }
        })
    });
    fanout_engine(changed)
}

/// A policy whose decisions are tampered with.
#[derive(Debug)]
struct Tampered(Arc<dyn FanOutPolicy>, fn(&Progress<'_>, Decision) -> Decision);

impl FanOutPolicy for Tampered {
    fn decide(&self, progress: &Progress<'_>) -> Decision {
        (self.1)(progress, self.0.decide(progress))
    }

    fn rest(&self) -> Rest {
        self.0.rest()
    }

    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn validate(&self, required: usize) -> Result<(), BuildError> {
        self.0.validate(required)
    }
}

fn tamper(
    mut plan: Plan,
    how: fn(&Progress<'_>, Decision) -> Decision,
) -> Result<Box<dyn Engine>, BuildError> {
    plan.policy = Arc::new(Tampered(plan.policy, how));
    fanout_engine(plan)
}

/// Sends in a task of its own, as one does who wants to survive a dropped future.
struct Spawning(FanOut);

/// Takes a shutdown for a wish.
struct NeverShut(FanOut);

/// Sends everything again.
struct Resending(FanOut);

/// Sends all the first message.
struct OneForAll(FanOut);

#[async_trait]
impl Engine for Spawning {
    fn fan_out(&self) -> &FanOut {
        &self.0
    }

    async fn send(&self, message: Message) -> Report {
        let fan_out = self.0.clone();
        let sending = tokio::spawn(async move { fan_out.send(message).await });
        sending.await.expect("the task neither panics nor is aborted")
    }
}

#[async_trait]
impl Engine for NeverShut {
    fn fan_out(&self) -> &FanOut {
        &self.0
    }

    async fn shutdown(&self, _: Duration) -> usize {
        0
    }
}

#[async_trait]
impl Engine for Resending {
    fn fan_out(&self) -> &FanOut {
        &self.0
    }

    async fn resend(&self, message: Message, _: Report) -> Result<Report, Error> {
        Ok(self.0.send(message).await)
    }
}

#[async_trait]
impl Engine for OneForAll {
    fn fan_out(&self) -> &FanOut {
        &self.0
    }

    async fn send_each(&self, messages: Vec<(&'static str, Message)>) -> Result<Report, Error> {
        let (_, first) = messages.into_iter().next().expect("no case sends no message");
        Ok(self.0.send(first).await)
    }
}

const BROKEN: &[Row] = &[
    Row {
        name: "an error wins under first",
        build: |plan| fanout_engine(swap(plan, "First", policy::race())),
        rules: &["engine/first_ignores_a_fast_error", "engine/first_lists_all_errors"],
    },
    Row {
        name: "reports in another order",
        build: |mut plan| {
            plan.sinks.reverse();
            fanout_engine(plan)
        },
        rules: &["engine/any_completion_order", "engine/report_is_in_configured_order"],
    },
    Row {
        name: "a majority of nobody",
        build: |plan| fanout_engine(swap(plan, "Quorum { needed: None }", policy::all_settled())),
        rules: &["engine/one_sink_makes_policies_equal", "engine/one_outcome_in_every_order"],
    },
    Row {
        name: "builds without required sinks",
        build: |plan| {
            let required = plan.sinks.iter().any(|planned| planned.role == Role::Required);
            if required {
                return fanout_engine(plan);
            }
            let nobody = sink_fn(|_, _| async { Ok(Receipt::new()) });
            let built = FanOut::builder(plan.policy).sink("nobody", nobody).build()?;
            Ok(Box::new(built))
        },
        rules: &["engine/zero_sinks_is_a_build_error"],
    },
    Row {
        name: "a quorum that waits for everybody",
        build: |plan| {
            let settled = policy::all_settled().min_success(2);
            fanout_engine(swap(plan, "Quorum { needed: Some(2) }", settled))
        },
        rules: &[
            "engine/quorum_ends_when_impossible",
            "engine/quorum_checks_before_it_sends",
            "engine/detach_answers_at_the_verdict",
        ],
    },
    Row {
        name: "a fallback that starts all",
        build: |plan| fanout_engine(swap(plan, "Fallback", policy::first())),
        rules: &["engine/fallback_starts_the_next_once", "engine/fallback_stops_where_ambiguous"],
    },
    Row {
        name: "a fallback that proceeds where it should stop",
        build: |plan| fanout_engine(swap(plan, "Stop", policy::fallback(OnAmbiguous::Proceed))),
        rules: &["engine/fallback_stops_where_ambiguous"],
    },
    Row {
        name: "a fallback that stops where it should proceed",
        build: |plan| fanout_engine(swap(plan, "Proceed", policy::fallback(OnAmbiguous::Stop))),
        rules: &["engine/fallback_proceeds_when_told"],
    },
    Row {
        name: "waits a second for an open circuit",
        build: |plan| {
            let waiting = wrap(plan, |inner| {
                sink_fn(move |message: Message, attempt: Attempt| {
                    let inner = Arc::clone(&inner);
                    async move {
                        if !inner.is_available() {
                            tokio::time::sleep(Duration::from_secs(1)).await;
                        }
                        inner.send(&message, &attempt).await
                    }
                })
            });
            fanout_engine(waiting)
        },
        rules: &["engine/fallback_leaves_an_open_circuit", "engine/quorum_checks_before_it_sends"],
    },
    Row {
        name: "a hedge that starts by the clock alone",
        build: |plan| {
            tamper(plan, |progress, decision| {
                let waits = progress.last_start().is_some_and(|last| {
                    progress.delivered() == 0
                        && progress.elapsed() < last + Duration::from_millis(500)
                });
                let due = progress.last_start().unwrap_or_default() + Duration::from_millis(500);
                match decision {
                    Decision::Start(_) if waits => Decision::WaitUntil(due),
                    decision => decision,
                }
            })
        },
        rules: &["engine/hedge_starts_at_a_failure"],
    },
    Row {
        name: "a hedge that waits for a failure",
        build: |plan| fanout_engine(swap(plan, "Hedged", policy::fallback(OnAmbiguous::Proceed))),
        rules: &["engine/hedge_starts_after_the_delay"],
    },
    Row {
        name: "a hedge that races",
        build: |plan| fanout_engine(swap(plan, "Hedged", policy::race())),
        rules: &["engine/hedge_error_is_the_primary_s"],
    },
    Row {
        name: "a sequence that starts all",
        build: |plan| fanout_engine(swap(plan, "Sequential", policy::all())),
        rules: &["engine/sequential_stops_at_a_failure", "engine/deadline_skips_what_waits"],
    },
    Row {
        name: "one after the other",
        build: |plan| fanout_engine(swap(plan, "All", policy::sequential())),
        rules: &["engine/latency_is_the_slowest_sink_s"],
    },
    Row {
        name: "all, where some would do",
        build: |plan| fanout_engine(swap(plan, "All { min_success: Some", policy::all())),
        rules: &["engine/deadline_asks_the_policy"],
    },
    Row {
        name: "says `Maybe` to everything",
        build: |plan| change(plan, |result| result.map_err(|e| e.with_effect(Effect::Maybe))),
        rules: &["engine/all_settled_says_none", "engine/resend_view_has_what_is_missing"],
    },
    Row {
        name: "says `None` to everything",
        build: |plan| change(plan, |result| result.map_err(|e| e.with_effect(Effect::None))),
        rules: &["engine/nested_effect_is_the_worst", "engine/fallback_stops_where_ambiguous"],
    },
    Row {
        name: "mirrors count",
        build: |mut plan| {
            for planned in &mut plan.sinks {
                planned.role = Role::Required;
            }
            fanout_engine(plan)
        },
        rules: &["engine/mirrors_never_matter", "engine/mirrors_are_bounded"],
    },
    Row {
        name: "cancels by looking away",
        build: |plan| fanout_engine(with_rest(plan, Rest::Detach)),
        rules: &["engine/cancel_records_losers", "engine/cancelled_effect_is_by_phase"],
    },
    Row {
        name: "cancels what it should drain",
        build: |plan| fanout_engine(with_rest(plan, Rest::Cancel)),
        rules: &[
            "engine/drain_runs_to_the_end",
            "engine/detach_answers_at_the_verdict",
            "engine/shutdown_waits_then_cuts",
        ],
    },
    Row {
        name: "drains what it should detach",
        build: |plan| fanout_engine(with_rest(plan, Rest::Drain)),
        rules: &["engine/detach_is_bounded", "engine/deadline_ends_detached_sends"],
    },
    Row {
        name: "changes its mind",
        build: |plan| {
            fanout_engine(swap(plan, "fail_fast: true", policy::all_settled().min_success(2)))
        },
        rules: &["engine/verdict_stays"],
    },
    Row {
        name: "takes a panic for a receipt",
        build: |plan| {
            let swallowing = wrap(plan, |inner| {
                sink_fn(move |message: Message, attempt: Attempt| {
                    let inner = Arc::clone(&inner);
                    async move {
                        let send = std::panic::AssertUnwindSafe(inner.send(&message, &attempt));
                        send.catch_unwind().await.unwrap_or_else(|_| Ok(Receipt::new()))
                    }
                })
            });
            fanout_engine(swallowing)
        },
        rules: &["engine/panic_is_contained"],
    },
    Row {
        name: "sends in a task of its own",
        build: |plan| Ok(Box::new(Spawning(plan.build()?))),
        rules: &["engine/dropped_send_leaves_nothing"],
    },
    Row {
        name: "loses the deadline",
        build: |mut plan| {
            if plan.deadline.is_some_and(|deadline| !deadline.is_zero()) {
                plan.deadline = None;
            }
            fanout_engine(plan)
        },
        rules: &[
            "engine/deadline_keeps_what_is_done",
            "engine/deadline_ends_detached_sends",
            "engine/deadline_is_handed_down",
        ],
    },
    Row {
        name: "has all the time in the world",
        build: |mut plan| {
            plan.deadline = plan.deadline.or(Some(Duration::from_secs(36_000)));
            fanout_engine(plan)
        },
        rules: &["engine/deadline_by_default"],
    },
    Row {
        name: "takes zero for no deadline",
        build: |mut plan| {
            plan.deadline = plan.deadline.filter(|deadline| !deadline.is_zero());
            fanout_engine(plan)
        },
        rules: &["engine/zero_deadline_is_a_build_error"],
    },
    Row {
        name: "gives each sink an attempt of its own making",
        build: |plan| {
            let detached = wrap(plan, |inner| {
                sink_fn(move |message: Message, _| {
                    let inner = Arc::clone(&inner);
                    async move { inner.send(&message, &Attempt::first("x", &message)).await }
                })
            });
            fanout_engine(detached)
        },
        rules: &[
            "engine/keys_are_stable",
            "engine/deadline_is_handed_down",
            "engine/deadline_effect_is_by_phase",
            "engine/cancelled_effect_is_by_phase",
        ],
    },
    Row {
        name: "sends again by itself",
        build: |plan| {
            let again = wrap(plan, |inner| {
                sink_fn(move |message: Message, attempt: Attempt| {
                    let inner = Arc::clone(&inner);
                    async move {
                        drop(inner.send(&message, &attempt).await);
                        inner.send(&message, &attempt).await
                    }
                })
            });
            fanout_engine(again)
        },
        rules: &["engine/one_request_each", "engine/no_sink_twice"],
    },
    Row {
        name: "touches the payload",
        build: |plan| {
            let touching = wrap(plan, |inner| {
                sink_fn(move |message: Message, attempt: Attempt| {
                    let inner = Arc::clone(&inner);
                    let text = String::from_utf8_lossy(message.payload()).into_owned();
                    async move { inner.send(&Message::text(text), &attempt).await }
                })
            });
            fanout_engine(touching)
        },
        rules: &["engine/payload_is_shared_as_it_is"],
    },
    Row {
        name: "waits for nothing",
        build: |plan| {
            tamper(plan, |progress, decision| match decision {
                Decision::Wait if progress.in_flight() == 0 => {
                    Decision::WaitUntil(progress.elapsed() + Duration::from_secs(1))
                }
                decision => decision,
            })
        },
        rules: &["engine/stall_is_ended"],
    },
    Row {
        name: "starts what the policy did not",
        build: |plan| {
            tamper(plan, |progress, decision| match decision {
                Decision::Start(_) if progress.last_start().is_none() => {
                    Decision::Start(Start::All)
                }
                decision => decision,
            })
        },
        rules: &["engine/no_start_after_the_verdict"],
    },
    Row {
        name: "decides otherwise in some orders",
        build: |plan| {
            tamper(plan, |progress, decision| match decision {
                Decision::Settle(_)
                    if progress.last_settled().is_some_and(|s| s.position() == 3) =>
                {
                    Decision::Settle(Verdict::Unsatisfied(Reason::Other("a whim")))
                }
                decision => decision,
            })
        },
        rules: &["engine/one_outcome_in_every_order"],
    },
    Row {
        name: "goes on after shutdown",
        build: |plan| Ok(Box::new(NeverShut(plan.build()?))),
        rules: &["engine/nothing_after_shutdown", "engine/shutdown_waits_then_cuts"],
    },
    Row {
        name: "resends to everybody",
        build: |plan| Ok(Box::new(Resending(plan.build()?))),
        rules: &["engine/resend_starts_what_is_missing"],
    },
    Row {
        name: "sends the first message to all",
        build: |plan| Ok(Box::new(OneForAll(plan.build()?))),
        rules: &["engine/each_its_own_message"],
    },
    Row {
        name: "answers for a sink that is not done",
        build: |plan| {
            let hasty = wrap(plan, |inner| {
                sink_fn(move |message: Message, attempt: Attempt| {
                    let inner = Arc::clone(&inner);
                    async move {
                        let going_on = async move { inner.send(&message, &attempt).await };
                        let going_on = tokio::spawn(going_on);
                        match tokio::time::timeout(Duration::from_millis(20), going_on).await {
                            Ok(ended) => ended.expect("the task neither panics nor is aborted"),
                            Err(_) => Ok(Receipt::new()),
                        }
                    }
                })
            });
            fanout_engine(hasty)
        },
        rules: &["engine/nested_detach_drains", "engine/latency_is_the_slowest_sink_s"],
    },
];

#[tokio::test]
async fn every_broken_engine_is_rejected() {
    for Row { name, build, rules } in BROKEN {
        for rule in *rules {
            rejected(name, engine_suite(*build).only(rule), rule).await;
        }
    }
}

#[test]
fn every_rule_for_the_engine_rejects_something() {
    let broken: HashSet<_> = BROKEN.iter().flat_map(|row| row.rules.iter().copied()).collect();
    let rules: HashSet<_> = engine_suite(fanout_engine).rules().map(|rule| rule.id).collect();
    assert_eq!(rules, broken);
}
