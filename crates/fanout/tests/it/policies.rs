//! Every policy over every order of events, without a runtime; and the laws between them.

use std::time::Duration;

use fanout::policy::{
    self, Decision, FanOutPolicy, OnAmbiguous, Progress, Reason, Rest, Simulation, Start, Verdict,
};
use fanout::{Effect, Error, Receipt};
use proptest::prelude::*;

use crate::support::{Scripted, failure, fan_out, hello, ms};

/// How a sink ends: it takes the message, or fails with an effect.
type End = Result<(), Effect>;

const ENDS: [End; 4] = [Ok(()), Err(Effect::None), Err(Effect::Maybe), Err(Effect::Done)];

/// What one order of events came to.
#[derive(Debug)]
struct Run {
    verdict: Verdict,
    /// The sinks in the order in which they settled before the verdict.
    settled: Vec<usize>,
    never_started: Vec<usize>,
}

/// Settles the sinks that are in flight in the order that `choices` picks, until there is a verdict.
/// A choice one past those in flight lets the policy's wake-up come instead. Returns how many options
/// there were at each step too.
fn run(policy: &dyn FanOutPolicy, ends: &[End], choices: &[usize]) -> (Run, Vec<usize>) {
    let mut send = Simulation::new(policy, ends.len());
    let (mut settled, mut options, mut now) = (Vec::new(), Vec::new(), Duration::ZERO);
    while send.verdict().is_none() {
        let in_flight = send.in_flight();
        let wakes = usize::from(send.next_wake().is_some());
        assert!(in_flight.len() + wakes > 0, "{policy:?} waits for nothing");
        let choice = choices.get(options.len()).copied().unwrap_or(0);
        options.push(in_flight.len() + wakes);
        match in_flight.get(choice) {
            Some(&position) => {
                now += ms(1);
                let result = ends[position].map(|()| Receipt::new()).map_err(failure);
                settled.push(position);
                send.settle(position, result, now);
            }
            None => {
                now = send.next_wake().expect("the last choice is the wake-up");
                send.wake(now);
            }
        }
    }
    let verdict = send.verdict().expect("the loop ends at the verdict");
    let never_started = send.never_started();
    // What is still in flight settles after the verdict, and changes nothing.
    for position in send.in_flight() {
        now += ms(1);
        send.settle(position, ends[position].map(|()| Receipt::new()).map_err(failure), now);
    }
    assert_eq!(send.verdict(), Some(verdict), "{policy:?} decided twice");
    assert_eq!(send.never_started(), never_started, "{policy:?} started after the verdict");
    (Run { verdict, settled, never_started }, options)
}

/// Calls `check` for every way in which up to four sinks can end, in every order of events.
fn every_order(policy: &dyn FanOutPolicy, min: usize, check: impl Fn(&[End], &Run)) {
    for sinks in min..=4 {
        for code in 0..4usize.pow(sinks as u32) {
            let ends: Vec<_> = (0..sinks).map(|i| ENDS[code / 4usize.pow(i as u32) % 4]).collect();
            let mut choices = Vec::new();
            loop {
                let (outcome, options) = run(policy, &ends, &choices);
                check(&ends, &outcome);
                // The next order: the last choice that can still grow does, those behind it restart.
                choices.resize(options.len(), 0);
                let Some(last) = (0..options.len()).rev().find(|&i| choices[i] + 1 < options[i])
                else {
                    break;
                };
                choices.truncate(last + 1);
                choices[last] += 1;
            }
        }
    }
}

fn successes(ends: &[End], among: &[usize]) -> usize {
    among.iter().filter(|&&position| ends[position].is_ok()).count()
}

fn verdict(held: bool, reason: Reason) -> Verdict {
    Verdict::satisfied_if(held, reason)
}

#[test]
fn all_decides_when_all_have_settled() {
    every_order(&policy::all(), 1, |ends, run| {
        assert_eq!(run.settled.len(), ends.len());
        assert_eq!(run.verdict, verdict(ends.iter().all(Result::is_ok), Reason::SinkFailed));
    });
}

#[test]
fn all_with_fail_fast_decides_at_the_first_failure() {
    every_order(&policy::all().fail_fast(), 1, |ends, run| {
        let failed = run.settled.iter().position(|&position| ends[position].is_err());
        assert_eq!(run.settled.len(), failed.map_or(ends.len(), |at| at + 1));
        assert_eq!(run.verdict, verdict(failed.is_none(), Reason::SinkFailed));
    });
}

#[test]
fn all_settled_counts_its_successes() {
    for min in 0..=2 {
        every_order(&policy::all_settled().min_success(min), min.max(1), |ends, run| {
            assert_eq!(run.settled.len(), ends.len());
            let held = successes(ends, &run.settled) >= min;
            assert_eq!(run.verdict, verdict(held, Reason::TooFewDelivered));
        });
    }
}

#[test]
fn first_decides_at_the_first_success_or_the_last_failure() {
    every_order(&policy::first(), 1, |ends, run| {
        let won = run.settled.iter().position(|&position| ends[position].is_ok());
        assert_eq!(run.settled.len(), won.map_or(ends.len(), |at| at + 1));
        assert_eq!(run.verdict, verdict(won.is_some(), Reason::AllFailed));
        assert!(run.never_started.is_empty());
    });
}

#[test]
fn race_decides_at_the_first_to_settle() {
    every_order(&policy::race(), 1, |ends, run| {
        assert_eq!(run.settled.len(), 1);
        assert_eq!(run.verdict, verdict(ends[run.settled[0]].is_ok(), Reason::SinkFailed));
    });
}

#[test]
fn quorum_decides_at_the_needed_success_or_when_it_is_impossible() {
    for needed in 1..=4 {
        every_order(&policy::quorum(needed), needed, |ends, run| {
            let delivered = successes(ends, &run.settled);
            let failed = run.settled.len() - delivered;
            assert_eq!(run.verdict, verdict(delivered == needed, Reason::Impossible));
            // Not one event later than needed.
            assert!(delivered == needed || failed == ends.len() - needed + 1);
            assert!(delivered <= needed && failed <= ends.len() - needed + 1);
        });
    }
    every_order(&policy::majority(), 1, |ends, run| {
        let held = successes(ends, &run.settled) > ends.len() / 2;
        assert_eq!(run.verdict, verdict(held, Reason::Impossible));
    });
}

#[test]
fn quorum_sends_nothing_when_too_few_are_available() {
    let policy = policy::quorum(2);
    let send = Simulation::with_availability(&policy, &[true, false, false]);
    assert_eq!(send.verdict(), Some(Verdict::Unsatisfied(Reason::NotEnoughAvailable)));
    assert_eq!(send.never_started(), [0, 1, 2]);
    let send = Simulation::with_availability(&policy, &[true, false, true]);
    assert_eq!(send.in_flight(), [0, 1, 2]);
}

#[test]
fn fallback_goes_on_only_where_the_failed_sink_may_be_left() {
    for on_ambiguous in [OnAmbiguous::Stop, OnAmbiguous::Proceed] {
        every_order(&policy::fallback(on_ambiguous), 1, |ends, run| {
            let stays = |end: &End| match end {
                Ok(()) => true,
                Err(Effect::None) => false,
                Err(Effect::Maybe) => on_ambiguous == OnAmbiguous::Stop,
                Err(Effect::Done) => true,
            };
            let last = ends.iter().position(stays).unwrap_or(ends.len() - 1);
            let in_order: Vec<_> = (0..=last).collect();
            assert_eq!(run.settled, in_order, "one after the other, and not beyond");
            let expected = match ends[last] {
                Ok(()) => Verdict::Satisfied,
                // There is nowhere left to go: no step was forbidden.
                Err(_) if last == ends.len() - 1 => Verdict::Unsatisfied(Reason::AllFailed),
                Err(_) => Verdict::Unsatisfied(Reason::Ambiguous),
            };
            assert_eq!(run.verdict, expected);
        });
    }
}

#[test]
fn hedged_has_the_verdict_of_first_and_starts_in_order() {
    every_order(&policy::hedged(ms(500)), 1, |ends, run| {
        assert_eq!(run.verdict, verdict(ends_in_success(ends, run), Reason::AllFailed));
        let started = ends.len() - run.never_started.len();
        assert!(run.never_started.iter().all(|&position| position >= started));
    });
}

fn ends_in_success(ends: &[End], run: &Run) -> bool {
    ends[*run.settled.last().expect("something settled")].is_ok()
}

#[test]
fn hedged_starts_one_more_for_each_failure_and_each_delay() {
    let policy = policy::hedged(ms(500));
    let mut send = Simulation::new(&policy, 4);
    assert_eq!((send.in_flight(), send.next_wake()), (vec![0], Some(ms(500))));
    send.wake(ms(499));
    assert_eq!(send.in_flight(), [0]);
    send.wake(ms(500));
    assert_eq!((send.in_flight(), send.next_wake()), (vec![0, 1], Some(ms(1_000))));
    send.settle(0, Err(failure(Effect::None)), ms(510));
    assert_eq!((send.in_flight(), send.next_wake()), (vec![1, 2], Some(ms(1_010))));
    send.settle(2, Err(failure(Effect::Maybe)), ms(520));
    assert_eq!((send.in_flight(), send.next_wake()), (vec![1, 3], None));
    send.settle(1, Ok(Receipt::new()), ms(530));
    assert_eq!(send.verdict(), Some(Verdict::Satisfied));
}

#[test]
fn a_hedge_that_is_due_for_ever_or_at_once_is_no_trouble() {
    let never = policy::hedged(Duration::MAX);
    let mut send = Simulation::new(&never, 2);
    assert_eq!((send.in_flight(), send.next_wake()), (vec![0], Some(Duration::MAX)));
    send.settle(0, Err(failure(Effect::None)), ms(1));
    assert_eq!((send.in_flight(), send.next_wake()), (vec![1], None));
    let at_once = policy::hedged(Duration::ZERO);
    assert_eq!(Simulation::new(&at_once, 3).in_flight(), [0, 1, 2]);
}

#[test]
fn sequential_goes_in_order_to_the_first_failure() {
    every_order(&policy::sequential(), 1, |ends, run| {
        let failed = ends.iter().position(Result::is_err);
        let in_order: Vec<_> = (0..=failed.unwrap_or(ends.len() - 1)).collect();
        assert_eq!(run.settled, in_order);
        assert_eq!(run.verdict, verdict(failed.is_none(), Reason::SinkFailed));
    });
}

#[test]
fn one_sink_makes_every_policy_equal() {
    for policy in catalogue(1) {
        for end in ENDS {
            let (run, _) = run(&*policy, &[end], &[]);
            assert_eq!(run.verdict == Verdict::Satisfied, end.is_ok(), "{policy:?}");
            assert_eq!(run.settled, [0], "{policy:?}");
        }
    }
}

#[test]
fn each_policy_has_its_rest() {
    let rests = |policy: &dyn FanOutPolicy| (policy.name(), policy.rest());
    assert_eq!(rests(&policy::all()), ("all", Rest::Drain));
    assert_eq!(rests(&policy::all().fail_fast()), ("all", Rest::Detach));
    assert_eq!(rests(&policy::all_settled()), ("all_settled", Rest::Drain));
    assert_eq!(rests(&policy::first()), ("first", Rest::Cancel));
    assert_eq!(rests(&policy::race()), ("race", Rest::Cancel));
    assert_eq!(rests(&policy::quorum(1)), ("quorum", Rest::Detach));
    assert_eq!(rests(&policy::majority()), ("majority", Rest::Detach));
    assert_eq!(rests(&policy::fallback(OnAmbiguous::Stop)), ("fallback", Rest::Cancel));
    assert_eq!(rests(&policy::hedged(ms(1))), ("hedged", Rest::Cancel));
    assert_eq!(rests(&policy::sequential()), ("sequential", Rest::Drain));
    // Behind a pointer it is the same policy.
    let shared = std::sync::Arc::new(policy::quorum(3));
    assert_eq!((rests(&shared), shared.validate(2).is_err()), (("quorum", Rest::Detach), true));
}

#[tokio::test(start_paused = true)]
async fn one_sink_makes_every_report_equal() {
    for end in ENDS {
        let ended = move || match end {
            Ok(()) => Scripted::takes(),
            Err(effect) => Scripted::fails(effect),
        };
        for sink in [&ended as &dyn Fn() -> Scripted, &Scripted::panics, &Scripted::hangs] {
            let mut seen: Vec<_> = Vec::new();
            for policy in catalogue(1) {
                let report = fan_out(policy, &[&sink()]).build().unwrap().send(hello()).await;
                let report = report.settled().await;
                let kind = report.headline().map(Error::kind);
                seen.push((report.is_satisfied(), report.effect(), report.completeness(), kind));
            }
            assert!(seen.iter().all(|one| *one == seen[0]), "{seen:?}");
        }
    }
}

/// Every policy of the catalogue that makes sense for this many sinks, in several settings.
fn catalogue(sinks: usize) -> Vec<Box<dyn FanOutPolicy>> {
    let mut policies: Vec<Box<dyn FanOutPolicy>> = vec![
        Box::new(policy::all()),
        Box::new(policy::all().fail_fast()),
        Box::new(policy::all_settled().min_success(1)),
        Box::new(policy::all_settled().min_success(1).fail_fast()),
        Box::new(policy::first()),
        Box::new(policy::race()),
        Box::new(policy::majority()),
        Box::new(policy::fallback(OnAmbiguous::Stop)),
        Box::new(policy::fallback(OnAmbiguous::Proceed)),
        Box::new(policy::hedged(ms(500))),
        Box::new(policy::sequential()),
    ];
    policies.extend((1..=sinks).map(|k| Box::new(policy::quorum(k)) as Box<dyn FanOutPolicy>));
    policies
}

fn an_end() -> impl Strategy<Value = End> {
    proptest::sample::select(&ENDS[..])
}

/// How each of a few sinks ends, and an order of events.
fn a_send() -> impl Strategy<Value = (Vec<End>, Vec<usize>)> {
    (1usize..=8).prop_flat_map(|sinks| {
        (proptest::collection::vec(an_end(), sinks), proptest::collection::vec(0usize..9, 32))
    })
}

fn held(policy: &dyn FanOutPolicy, ends: &[End], choices: &[usize]) -> bool {
    // A choice beyond the options wraps, so that every list of numbers is an order.
    let mut picked = Vec::new();
    loop {
        let (outcome, options) = run(policy, ends, &picked);
        match options.get(picked.len()) {
            Some(&count) if picked.len() < choices.len() => {
                picked.push(choices[picked.len()] % count);
            }
            _ => return outcome.verdict == Verdict::Satisfied,
        }
    }
}

proptest! {
    #[test]
    fn a_quorum_of_one_is_first_and_a_quorum_of_all_is_all((ends, order) in a_send()) {
        let sinks = ends.len();
        prop_assert_eq!(
            held(&policy::quorum(1), &ends, &order),
            held(&policy::first(), &ends, &order)
        );
        prop_assert_eq!(
            held(&policy::quorum(sinks), &ends, &order),
            held(&policy::all().fail_fast(), &ends, &order)
        );
    }

    #[test]
    fn policies_of_one_family_share_their_success_condition((ends, order) in a_send()) {
        let all = ends.iter().all(Result::is_ok);
        prop_assert_eq!(held(&policy::all(), &ends, &order), all);
        prop_assert_eq!(held(&policy::sequential(), &ends, &order), all);
        prop_assert_eq!(
            held(&policy::all_settled().min_success(ends.len()), &ends, &order), all
        );
        let any = ends.iter().any(Result::is_ok);
        prop_assert_eq!(held(&policy::first(), &ends, &order), any);
        prop_assert_eq!(held(&policy::hedged(ms(500)), &ends, &order), any);
        let left: Vec<End> = ends.iter().map(|end| end.map_err(|_| Effect::None)).collect();
        prop_assert_eq!(held(&policy::fallback(OnAmbiguous::Stop), &left, &order), any);
    }

    #[test]
    fn a_failure_turned_into_a_success_never_hurts(
        (ends, order) in a_send(),
        turned in any::<proptest::sample::Index>(),
    ) {
        let mut better = ends.clone();
        better[turned.index(ends.len())] = Ok(());
        for policy in catalogue(ends.len()) {
            // The order of events may decide a race; it is the one policy without this law.
            if policy.name() != "race" && held(&*policy, &ends, &order) {
                prop_assert!(held(&*policy, &better, &order), "{:?}", policy);
            }
        }
    }
}

/// Says what its list says, again and again.
#[derive(Debug)]
struct Stubborn(Decision);

impl FanOutPolicy for Stubborn {
    fn decide(&self, _: &Progress<'_>) -> Decision {
        self.0.clone()
    }
}

#[test]
fn a_policy_that_waits_for_nothing_is_stopped() {
    for decision in [
        Decision::Wait,
        Decision::WaitUntil(Duration::ZERO),
        // No clock counts so far: it would hang.
        Decision::WaitUntil(Duration::MAX),
        Decision::Start(Start::Next(0)),
        Decision::Start(Start::Positions(vec![])),
        Decision::Start(Start::Positions(vec![7, usize::MAX])),
    ] {
        let policy = Stubborn(decision);
        let send = Simulation::new(&policy, 2);
        assert_eq!(send.verdict(), Some(Verdict::Unsatisfied(Reason::Stalled)), "{policy:?}");
    }
}

#[test]
fn a_policy_that_starts_a_sink_again_and_again_starts_it_once() {
    let policy = Stubborn(Decision::Start(Start::Positions(vec![1, 1, 1])));
    let mut send = Simulation::new(&policy, 2);
    assert_eq!(send.in_flight(), [1]);
    send.settle(1, Ok(Receipt::new()), ms(1));
    assert_eq!(send.verdict(), Some(Verdict::Unsatisfied(Reason::Stalled)));
    assert_eq!(send.never_started(), [0]);
}

#[test]
fn positions_out_of_order_do_not_hide_the_sinks_between() {
    /// Starts the last sink first, then the others in order.
    #[derive(Debug)]
    struct LastFirst;
    impl FanOutPolicy for LastFirst {
        fn decide(&self, progress: &Progress<'_>) -> Decision {
            if progress.last_start().is_none() {
                return Decision::Start(Start::Positions(vec![progress.total() - 1]));
            }
            match progress.next_waiting() {
                Some(sink) => Decision::Start(Start::Positions(vec![sink.position()])),
                None => Decision::Wait,
            }
        }
    }
    assert_eq!(Simulation::new(&LastFirst, 3).in_flight(), [0, 1, 2]);
}
