//! Policies: every order of events for up to four sinks.

use std::fmt;
use std::future::IntoFuture;
use std::sync::Arc;
use std::time::Duration;

use fanout::Effect;
use fanout::policy::{self, FanOutPolicy, OnAmbiguous, Verdict};
use futures_util::future::LocalBoxFuture;

use super::explore::{Fate, Fault, Listening, Trace, assignments, explore, fates, is_stalled};
use super::policy_engine;
use crate::arena::Clock;
use crate::suite::{Case, Outcome, Rule, Stop, Suite, ensure};

/// Judges a policy by its contract and by the laws that all policies keep. Await the result.
///
/// The pure cases drive it through every order of events, and every mix of successes and failures, for
/// one to four sinks (those numbers that [`FanOutPolicy::validate`] accepts). The others put it into a
/// real fan-out over scripted sinks, under a paused clock.
///
/// # Examples
///
/// ```
/// use fanout::policy;
/// use fanout_conformance::check_policy;
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// check_policy(policy::majority()).await.assert_passed();
/// // What a policy does not claim, it declares, with the reason.
/// check_policy(policy::race()).order_matters("the first sink to settle decides").await.assert_passed();
/// # });
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn check_policy(policy: impl FanOutPolicy + 'static) -> PolicyCheck {
    PolicyCheck {
        subject: Subject { policy: Arc::new(policy), order_matters: None, needs_no_success: None },
    }
}

/// Judges every policy of fanout's catalogue, each with what it declares.
pub fn policy_suites() -> Vec<Suite> {
    let delay = Duration::from_millis(500);
    vec![
        check_policy(policy::all()).into_suite(),
        check_policy(policy::all().fail_fast()).into_suite().named("all, fail_fast"),
        check_policy(policy::all_settled())
            .needs_no_success("it reports, and leaves the judgement to the caller")
            .into_suite(),
        check_policy(policy::all_settled().min_success(1)).into_suite().named("all_settled(1)"),
        check_policy(policy::first()).into_suite(),
        check_policy(policy::race()).order_matters("the first sink to settle decides").into_suite(),
        check_policy(policy::quorum(1)).into_suite().named("quorum(1)"),
        check_policy(policy::quorum(2)).into_suite().named("quorum(2)"),
        check_policy(policy::quorum(3)).into_suite().named("quorum(3)"),
        check_policy(policy::majority()).into_suite(),
        check_policy(policy::fallback(OnAmbiguous::Stop)).into_suite().named("fallback, stop"),
        check_policy(policy::fallback(OnAmbiguous::Proceed))
            .into_suite()
            .named("fallback, proceed"),
        check_policy(policy::hedged(delay)).into_suite(),
        check_policy(policy::sequential()).into_suite(),
    ]
}

/// A check of a policy that is about to run: await it.
#[derive(Debug)]
#[must_use = "a check runs when it is awaited"]
pub struct PolicyCheck {
    subject: Subject,
}

#[derive(Clone)]
pub(crate) struct Subject {
    pub(crate) policy: Arc<dyn FanOutPolicy>,
    order_matters: Option<String>,
    needs_no_success: Option<String>,
}

impl PolicyCheck {
    /// Declares that the verdict depends on who settles first, and why that is wanted. A failure that
    /// becomes a success may then end a send in another way, too.
    pub fn order_matters(mut self, reason: impl Into<String>) -> Self {
        self.subject.order_matters = Some(reason.into());
        self
    }

    /// Declares that the policy can hold without a single success, and why that is wanted.
    pub fn needs_no_success(mut self, reason: impl Into<String>) -> Self {
        self.subject.needs_no_success = Some(reason.into());
        self
    }

    /// Keeps the cases whose name contains `part`, and gives the suite.
    pub fn only(self, part: &str) -> Suite {
        self.into_suite().only(part)
    }

    /// Gives the suite, to be filtered or joined with others.
    pub fn into_suite(self) -> Suite {
        let name = self.subject.policy.name();
        let bind = |case: &PolicyCase| {
            let (run, subject) = (case.run, self.subject.clone());
            Case {
                rule: case.rule,
                clock: Clock::Paused,
                waived: match case.waiver {
                    Waiver::Never => None,
                    Waiver::OrderMatters => self.subject.order_matters.clone(),
                    Waiver::NeedsNoSuccess => self.subject.needs_no_success.clone(),
                },
                start: Box::new(move || run(subject)),
            }
        };
        let cases = CASES.iter().chain(policy_engine::CASES).map(bind);
        Suite::new(name, cases.collect())
    }
}

impl IntoFuture for PolicyCheck {
    type Output = <Suite as IntoFuture>::Output;
    type IntoFuture = <Suite as IntoFuture>::IntoFuture;

    fn into_future(self) -> Self::IntoFuture {
        self.into_suite().into_future()
    }
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.policy.fmt(f)
    }
}

pub(crate) struct PolicyCase {
    pub(crate) rule: Rule,
    pub(crate) waiver: Waiver,
    pub(crate) run: fn(Subject) -> LocalBoxFuture<'static, Outcome>,
}

/// What a policy can declare that excuses it from a case.
#[derive(Clone, Copy)]
pub(crate) enum Waiver {
    Never,
    OrderMatters,
    NeedsNoSuccess,
}

/// Makes a row of a table of policy cases.
macro_rules! policy_case {
    ($run:ident, $id:literal, $waiver:ident, $rule:literal) => {
        $crate::cases::policy::PolicyCase {
            rule: $crate::suite::Rule { id: $id, text: $rule },
            waiver: $crate::cases::policy::Waiver::$waiver,
            run: |subject| Box::pin($run(subject)),
        }
    };
}
pub(crate) use policy_case;

const CASES: &[PolicyCase] = &[
    policy_case!(
        pure,
        "policy/pure",
        Never,
        "the same progress gives the same decision: no clock, no interior state"
    ),
    policy_case!(
        no_sink_twice,
        "policy/starts_what_waits",
        Never,
        "a policy starts sinks that wait, each once"
    ),
    policy_case!(
        ends,
        "policy/ends",
        Never,
        "every send ends in a verdict of the policy: it neither stalls nor asks to be woken for ever"
    ),
    policy_case!(
        success_in_any_order,
        "policy/success_in_any_order",
        Never,
        "when every sink takes the message, in whatever order, the policy holds"
    ),
    policy_case!(
        order_independent,
        "policy/order_does_not_matter",
        OrderMatters,
        "the order in which sinks settle does not decide whether the policy holds"
    ),
    policy_case!(
        monotonic,
        "policy/success_never_hurts",
        OrderMatters,
        "turning a failure into a success never makes a policy fail that held"
    ),
    policy_case!(
        no_success,
        "policy/no_success_no_hold",
        NeedsNoSuccess,
        "a policy does not hold when every sink failed"
    ),
    policy_case!(
        single_sink,
        "policy/one_sink_decides",
        NeedsNoSuccess,
        "with one sink, every policy holds exactly when that sink took the message"
    ),
];

/// Visits every run for one to four sinks.
fn every_run(
    subject: &Subject,
    policy: &dyn FanOutPolicy,
    mut visit: impl FnMut(&[Fate], &Trace) -> Outcome,
) -> Outcome {
    for sinks in numbers(subject)? {
        for assigned in assignments(sinks, fates(sinks)) {
            let mut outcome = Ok(());
            explore(policy, &assigned, &mut |trace| {
                if outcome.is_ok() {
                    outcome = visit(&assigned, trace);
                }
            });
            outcome?;
        }
    }
    Ok(())
}

/// How many sinks the policy can be tried with.
fn numbers(subject: &Subject) -> Result<Vec<usize>, Stop> {
    let numbers: Vec<_> = (1..=4).filter(|n| subject.policy.validate(*n).is_ok()).collect();
    if numbers.is_empty() {
        return Err(Stop::NotSupported("it takes none of one to four sinks".to_owned()));
    }
    Ok(numbers)
}

async fn pure(subject: Subject) -> Outcome {
    let listening = Listening::new(&*subject.policy);
    every_run(&subject, &listening, |_, _| Ok(()))?;
    if let Some(what) = listening.fault(Fault::Impure) {
        return Err(Stop::Failed(what));
    }
    // The same questions once more, after thousands of others: nothing may have been kept.
    for sinks in numbers(&subject)? {
        for assigned in assignments(sinks, fates(sinks)) {
            let (mut once, mut again) = (Vec::new(), Vec::new());
            explore(&*subject.policy, &assigned, &mut |trace| once.push(trace.verdict));
            explore(&*subject.policy, &assigned, &mut |trace| again.push(trace.verdict));
            ensure!(once == again, "{assigned:?} ended in another way the second time");
        }
    }
    Ok(())
}

async fn no_sink_twice(subject: Subject) -> Outcome {
    let listening = Listening::new(&*subject.policy);
    every_run(&subject, &listening, |_, _| Ok(()))?;
    listening.fault(Fault::StartedTwice).map_or(Ok(()), |what| Err(Stop::Failed(what)))
}

async fn ends(subject: Subject) -> Outcome {
    every_run(&subject, &*subject.policy, |fates, trace| {
        ensure!(
            !is_stalled(trace.verdict),
            "with {fates:?} it waited for nothing after {:?}",
            trace.events
        );
        Ok(())
    })
}

async fn success_in_any_order(subject: Subject) -> Outcome {
    for sinks in numbers(&subject)? {
        let mut outcome = Ok(());
        explore(&*subject.policy, &vec![Fate::Succeeds; sinks], &mut |trace| {
            if !trace.is_satisfied() {
                let (verdict, events) = (trace.verdict, &trace.events);
                let what =
                    format!("{sinks} of {sinks} succeeded, {events:?}, and it said {verdict:?}");
                outcome = Err(Stop::Failed(what));
            }
        });
        outcome?;
    }
    Ok(())
}

async fn order_independent(subject: Subject) -> Outcome {
    for sinks in numbers(&subject)? {
        for assigned in assignments(sinks, fates(sinks)) {
            let mut traces: Vec<Trace> = Vec::new();
            explore(&*subject.policy, &assigned, &mut |trace| traces.push(trace.clone()));
            let held: Vec<_> = traces.iter().map(Trace::is_satisfied).collect();
            if let Some(other) = held.iter().position(|held_there| *held_there != held[0]) {
                return Err(Stop::Failed(format!(
                    "with {assigned:?}, {:?} gave {:?} and {:?} gave {:?}",
                    traces[0].events,
                    traces[0].verdict,
                    traces[other].events,
                    traces[other].verdict,
                )));
            }
        }
    }
    Ok(())
}

async fn monotonic(subject: Subject) -> Outcome {
    for sinks in numbers(&subject)? {
        for assigned in assignments(sinks, fates(sinks)) {
            if !holds_always(&subject, &assigned) {
                continue;
            }
            for position in 0..sinks {
                let mut better = assigned.clone();
                better[position] = Fate::Succeeds;
                ensure!(
                    holds_always(&subject, &better),
                    "it held with {assigned:?}, and does not with {better:?}"
                );
            }
        }
    }
    Ok(())
}

fn holds_always(subject: &Subject, assigned: &[Fate]) -> bool {
    let mut holds = true;
    explore(&*subject.policy, assigned, &mut |trace| holds &= trace.is_satisfied());
    holds
}

async fn no_success(subject: Subject) -> Outcome {
    let is_failure = |fate: &Fate| *fate != Fate::Succeeds;
    every_run(&subject, &*subject.policy, |fates, trace| {
        ensure!(
            !(fates.iter().all(is_failure) && trace.is_satisfied()),
            "with {fates:?} it held after {:?}",
            trace.events
        );
        Ok(())
    })
}

async fn single_sink(subject: Subject) -> Outcome {
    if subject.policy.validate(1).is_err() {
        return Err(Stop::NotSupported("it does not take one sink alone".to_owned()));
    }
    for (fate, wanted) in [
        (Fate::Succeeds, true),
        (Fate::Fails(Effect::None), false),
        (Fate::Fails(Effect::Maybe), false),
        (Fate::Fails(Effect::Done), false),
    ] {
        let mut verdicts = Vec::new();
        explore(&*subject.policy, &[fate], &mut |trace| verdicts.push(trace.verdict));
        let as_wanted =
            |verdict: &Option<Verdict>| (*verdict == Some(Verdict::Satisfied)) == wanted;
        ensure!(verdicts.iter().all(as_wanted), "{fate:?} gave {verdicts:?}");
    }
    Ok(())
}
