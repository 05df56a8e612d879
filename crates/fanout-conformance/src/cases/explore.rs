//! Every order of events that a policy can meet, for a few sinks: no runtime, no clock.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use fanout::policy::{
    Decision, FanOutPolicy, Progress, Reason, Simulation, SinkState, Start, Verdict,
};
use fanout::{BuildError, Effect, Error, ErrorKind, Receipt};

/// How one sink will end when it is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Succeeds,
    Fails(Effect),
}

impl Fate {
    pub(crate) fn result(self) -> Result<Receipt, Error> {
        match self {
            Self::Succeeds => Ok(Receipt::new()),
            Self::Fails(effect) => {
                Err(Error::new(ErrorKind::Rejected, "the fate of this sink").with_effect(effect))
            }
        }
    }
}

/// One run of a policy to its end.
#[derive(Clone, Debug)]
pub(crate) struct Trace {
    /// `None`: the policy asks to be woken again and again, and nothing ever happens.
    pub(crate) verdict: Option<Verdict>,
    pub(crate) events: Vec<Event>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    Settled(usize),
    Woken,
}

impl Trace {
    pub(crate) fn is_satisfied(&self) -> bool {
        self.verdict == Some(Verdict::Satisfied)
    }
}

/// The verdict for sinks that settle one after the other in `order`, those that the policy started.
pub(crate) fn verdict_in_order(
    policy: &dyn FanOutPolicy,
    fates: &[Fate],
    order: &[usize],
) -> Option<Verdict> {
    let mut run = Running::new(policy, fates.len());
    while run.send.verdict().is_none() {
        let in_flight = run.send.in_flight();
        let next = order.iter().find(|position| in_flight.contains(position))?;
        run.apply(Event::Settled(*next), fates);
    }
    run.send.verdict()
}

/// Every assignment of these fates to `sinks` sinks.
pub(crate) fn assignments(sinks: usize, fates: &[Fate]) -> Vec<Vec<Fate>> {
    (0..sinks).fold(vec![Vec::new()], |assigned, _| {
        let longer = |short: &Vec<Fate>, fate: &Fate| {
            let mut long = short.clone();
            long.push(*fate);
            long
        };
        assigned.iter().flat_map(|short| fates.iter().map(|fate| longer(short, fate))).collect()
    })
}

/// The fates to try for so many sinks: all of them, but for four sinks, where `Done` is left out.
pub(crate) fn fates(sinks: usize) -> &'static [Fate] {
    const ALL: [Fate; 4] = [
        Fate::Succeeds,
        Fate::Fails(Effect::None),
        Fate::Fails(Effect::Maybe),
        Fate::Fails(Effect::Done),
    ];
    if sinks < 4 { &ALL } else { &ALL[..3] }
}

/// Runs the policy through every order in which sinks of these fates can settle, and wake-ups come.
pub(crate) fn explore(policy: &dyn FanOutPolicy, fates: &[Fate], visit: &mut dyn FnMut(&Trace)) {
    let mut path = Vec::new();
    descend(policy, fates, &mut path, visit);
}

fn descend(
    policy: &dyn FanOutPolicy,
    fates: &[Fate],
    path: &mut Vec<Event>,
    visit: &mut dyn FnMut(&Trace),
) {
    let mut run = Running::new(policy, fates.len());
    for event in &*path {
        run.apply(*event, fates);
    }
    let choices = run.choices();
    let woken = path.iter().rev().take_while(|event| **event == Event::Woken).count();
    if run.send.verdict().is_some() || choices.is_empty() || woken > MAX_WAKES {
        visit(&Trace { verdict: run.send.verdict(), events: path.clone() });
        return;
    }
    for choice in choices {
        path.push(choice);
        descend(policy, fates, path, visit);
        path.pop();
    }
}

struct Running<'p> {
    send: Simulation<'p>,
    now: Duration,
}

impl<'p> Running<'p> {
    fn new(policy: &'p dyn FanOutPolicy, sinks: usize) -> Self {
        Self { send: Simulation::new(policy, sinks), now: Duration::ZERO }
    }

    fn choices(&self) -> Vec<Event> {
        let settle = self.send.in_flight().into_iter().map(Event::Settled);
        settle.chain(self.send.next_wake().map(|_| Event::Woken)).collect()
    }

    fn apply(&mut self, event: Event, fates: &[Fate]) {
        match event {
            Event::Settled(position) => {
                // So little that every wake-up can still come after it.
                self.now += Duration::from_nanos(1);
                self.send.settle(position, fates[position].result(), self.now);
            }
            Event::Woken => {
                self.now = self.now.max(self.send.next_wake().unwrap_or_default());
                self.send.wake(self.now);
            }
        }
    }
}

/// Listens to a policy, and notes what it must not say.
#[derive(Debug)]
pub(crate) struct Listening<'p> {
    policy: &'p dyn FanOutPolicy,
    faults: Mutex<Vec<(Fault, String)>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It gave two answers to one question.
    Impure,
    /// It wanted a sink started that was not waiting.
    StartedTwice,
}

impl<'p> Listening<'p> {
    pub(crate) fn new(policy: &'p dyn FanOutPolicy) -> Self {
        Self { policy, faults: Mutex::default() }
    }

    pub(crate) fn fault(&self, wanted: Fault) -> Option<String> {
        let faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
        faults.iter().find(|(fault, _)| *fault == wanted).map(|(_, what)| what.clone())
    }

    fn note(&self, fault: Fault, what: String) {
        let mut faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
        if faults.len() < 64 {
            faults.push((fault, what));
        }
    }
}

impl FanOutPolicy for Listening<'_> {
    fn decide(&self, progress: &Progress<'_>) -> Decision {
        let decision = self.policy.decide(progress);
        let again = self.policy.decide(progress);
        if again != decision {
            self.note(Fault::Impure, format!("asked twice, it said {decision:?} and {again:?}"));
        }
        if let Decision::Start(start) = &decision
            && let Some(what) = wrong_start(start, progress)
        {
            self.note(Fault::StartedTwice, what);
        }
        decision
    }

    fn name(&self) -> &'static str {
        self.policy.name()
    }

    fn validate(&self, required: usize) -> Result<(), BuildError> {
        self.policy.validate(required)
    }
}

fn wrong_start(start: &Start, progress: &Progress<'_>) -> Option<String> {
    match start {
        Start::Positions(positions) => {
            let mut seen = vec![false; progress.total()];
            for position in positions {
                let Some(sink) = progress.sinks().nth(*position) else {
                    return Some(format!("it started sink {position} of {}", progress.total()));
                };
                let state = sink.state();
                if state != SinkState::Waiting || seen[*position] {
                    return Some(format!("it started sink {position}, which was {state:?}"));
                }
                seen[*position] = true;
            }
            None
        }
        _ if progress.waiting() == 0 => Some("it started sinks when none was waiting".to_owned()),
        _ => None,
    }
}

/// True for the verdict of an engine that had to stop a policy.
pub(crate) fn is_stalled(verdict: Option<Verdict>) -> bool {
    matches!(verdict, None | Some(Verdict::Unsatisfied(Reason::Stalled)))
}

/// More wake-ups in a row, without any sink settling, than a policy can have a use for.
const MAX_WAKES: usize = 12;
