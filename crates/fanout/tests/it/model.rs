//! The whole pipeline against endpoints that behave at random: what must hold whatever comes.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fanout::resilience::{Resilience, Resilient};
use fanout::{
    Attempt, Effect, Error, ErrorKind, FanOut, Message, MessageId, Outcome, Receipt, Report,
    RetryAdvice, Sink, SinkExt, StopReason, async_trait, policy,
};
use proptest::prelude::*;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::support::{ms, paused};

/// Everything that is drawn.
#[derive(Clone, Debug)]
struct Scene {
    settings: Resilience,
    repeatable: bool,
    behaviour: Vec<Behaviour>,
    senders: Vec<Sender>,
}

/// What the endpoint does with one call: how far it tells to have come, how long it takes, its answer.
#[derive(Clone, Copy, Debug)]
struct Behaviour {
    told: Option<Effect>,
    after: u64,
    answer: Option<Result<(), (ErrorKind, Effect, RetryAdvice)>>,
}

/// When one message is sent, and after which time its sender loses patience.
#[derive(Clone, Copy, Debug)]
struct Sender {
    start: u64,
    patience: Option<u64>,
}

/// What the endpoint saw, and what it found wrong about it.
#[derive(Default)]
struct Observed {
    calls: Vec<(u128, u32, Duration)>,
    in_flight: usize,
    peak: usize,
    delivered: HashSet<u128>,
    ambiguous: HashSet<u128>,
    leave_alone_until: Option<Instant>,
    wrong: Vec<String>,
}

struct Endpoint {
    scene: Scene,
    origin: Instant,
    observed: Arc<Mutex<Observed>>,
}

struct InFlight(Arc<Mutex<Observed>>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.lock().unwrap().in_flight -= 1;
    }
}

#[async_trait]
impl Sink for Endpoint {
    async fn send(&self, message: &Message, attempt: &Attempt) -> Result<Receipt, Error> {
        let (message, now) = (message.id().as_u128(), Instant::now());
        let behaviour = {
            let mut seen = self.observed.lock().unwrap();
            let limits = &self.scene.settings;
            let mut wrong = Vec::new();
            if seen.delivered.contains(&message) {
                wrong.push("a message was sent again that was delivered");
            }
            if seen.ambiguous.contains(&message) && !self.scene.repeatable {
                wrong.push("a message was sent again that may have been applied");
            }
            if seen.leave_alone_until.is_some_and(|until| now < until) {
                wrong.push("an attempt started though the sink had asked for a pause");
            }
            let left = attempt.remaining().unwrap();
            if left.is_zero() || left > timeout_of(limits) {
                wrong.push("an attempt started with no time, or too much");
            }
            let wrong = wrong.into_iter().map(|what| format!("{what}: {message:x} at {now:?}"));
            seen.wrong.extend(wrong);
            seen.in_flight += 1;
            seen.peak = seen.peak.max(seen.in_flight);
            seen.calls.push((message, attempt.number(), now - self.origin));
            self.scene.behaviour[(seen.calls.len() - 1) % self.scene.behaviour.len()]
        };
        let _in_flight = InFlight(Arc::clone(&self.observed));
        if let Some(effect) = behaviour.told {
            assert_eq!(attempt.reached(effect), fanout::Reach::Proceed);
        }
        let ambiguous = |effect| {
            if effect != Effect::None {
                self.observed.lock().unwrap().ambiguous.insert(message);
            }
        };
        // Until it answers, silence is what it told.
        ambiguous(behaviour.told.unwrap_or(Effect::Maybe));
        sleep(ms(behaviour.after)).await;
        let mut seen = self.observed.lock().unwrap();
        match behaviour.answer {
            Some(Ok(())) => {
                seen.delivered.insert(message);
                Ok(Receipt::new())
            }
            Some(Err((kind, effect, advice))) => {
                if effect == Effect::None {
                    seen.ambiguous.remove(&message);
                } else {
                    seen.ambiguous.insert(message);
                }
                if let (ErrorKind::Throttled, RetryAdvice::After(pause)) = (kind, advice) {
                    let until = Instant::now() + pause;
                    seen.leave_alone_until = seen.leave_alone_until.max(Some(until));
                }
                Err(Error::new(kind, "scripted").with_effect(effect).with_advice(advice))
            }
            None => {
                drop(seen);
                std::future::pending().await
            }
        }
    }

    fn is_repeatable(&self) -> bool {
        self.scene.repeatable
    }
}

/// What one run gave.
#[derive(Debug, PartialEq)]
struct Trace {
    calls: Vec<(u128, u32, Duration)>,
    reports: Vec<Option<String>>,
}

/// Plays the scene, checks what must hold, and gives the trace.
fn play(scene: &Scene) -> Trace {
    paused().block_on(async {
        let observed = Arc::new(Mutex::new(Observed::default()));
        let origin = Instant::now();
        let endpoint = Endpoint { scene: scene.clone(), origin, observed: Arc::clone(&observed) };
        let sink = Arc::new(endpoint.resilient(scene.settings.clone()).unwrap());
        let fan_out = FanOut::builder(policy::all()).sink("a", Arc::clone(&sink)).build().unwrap();
        let mut sends = JoinSet::new();
        for (number, sender) in scene.senders.iter().copied().enumerate() {
            let fan_out = fan_out.clone();
            sends.spawn(async move {
                sleep(ms(sender.start)).await;
                let id = MessageId::from_u128(number as u128);
                let send = fan_out.send(Message::text("hello").with_id(id));
                let patience = ms(sender.patience.unwrap_or(1_000_000));
                (number, timeout(patience, send).await.ok())
            });
        }
        let mut reports = sends.join_all().await;
        reports.sort_by_key(|(number, _)| *number);
        check(scene, &sink, &observed.lock().unwrap(), &reports);
        let texts = reports.iter().map(|(_, report)| {
            report.as_ref().map(|report| serde_json::to_string(report).unwrap())
        });
        Trace { reports: texts.collect(), calls: observed.lock().unwrap().calls.clone() }
    })
}

fn check(
    scene: &Scene,
    sink: &Resilient<Endpoint>,
    seen: &Observed,
    reports: &[(usize, Option<Report>)],
) {
    assert!(seen.wrong.is_empty(), "{:#?}", seen.wrong);
    // Nothing is held any more, and never more than may be.
    assert_eq!((sink.bulkhead().in_flight(), sink.bulkhead().admitted()), (0, 0));
    assert_eq!(seen.in_flight, 0);
    let numbers = serde_json::to_value(&scene.settings).unwrap();
    let whole = |name: &str| numbers[name].as_u64().unwrap();
    assert!(seen.peak as u64 <= whole("max_in_flight"));
    // No message had more attempts than may be, nor all together more than the budget.
    let mut by_message: HashMap<u128, Vec<u32>> = HashMap::new();
    for (message, number, _) in &seen.calls {
        by_message.entry(*message).or_default().push(*number);
    }
    let mut retries = 0;
    for (message, attempts) in &by_message {
        let counted: HashSet<_> = attempts.iter().collect();
        assert!(counted.len() as u64 <= whole("max_attempts"), "{message}: {attempts:?}");
        assert!(attempts.len() <= counted.len() + 2, "{message}: {attempts:?}");
        assert!(attempts.is_sorted(), "{message}: {attempts:?}");
        retries += counted.len() - 1;
    }
    let number = |name: &str| numbers[name].as_f64().unwrap();
    let reserve = number("budget_floor") * number("budget_ttl");
    let allowed = number("budget_ratio") * by_message.len() as f64 + reserve;
    assert!(retries as f64 <= allowed + 1e-6, "{retries} retries of {allowed}");
    // No attempt started when the time of its send was over.
    for (message, _, at) in &seen.calls {
        let start = ms(scene.senders[usize::try_from(*message).unwrap()].start);
        assert!(*at < start + Duration::from_secs_f64(number("total_timeout")));
    }
    // The report tells what the endpoint saw.
    for (number, report) in reports {
        let Some(report) = report else { continue };
        let delivery = report.get("a").unwrap();
        let attempts = by_message.get(&(*number as u128)).map_or(&[][..], Vec::as_slice);
        let counted: HashSet<_> = attempts.iter().collect();
        assert_eq!(delivery.attempts() as usize, counted.len(), "{report}");
        assert_eq!(delivery.is_delivered(), seen.delivered.contains(&(*number as u128)));
        let stop = delivery.stop_reason().unwrap();
        assert_eq!(delivery.is_delivered(), stop == StopReason::Succeeded);
        if let Outcome::Failed(error) = delivery.outcome() {
            assert_ne!(error.kind(), ErrorKind::Panic, "an assertion of the endpoint");
            assert!(error.effect() <= delivery.effect());
            let local = [ErrorKind::CircuitOpen, ErrorKind::QueueFull, ErrorKind::LocalRateLimit];
            assert!(counted.is_empty() || !local.contains(&error.kind()), "{report}");
        }
        let ambiguous = seen.ambiguous.contains(&(*number as u128));
        assert!(!ambiguous || delivery.effect() != Effect::None, "{report}");
        assert!(
            delivery.elapsed()
                <= Duration::from_secs_f64(numbers["total_timeout"].as_f64().unwrap())
        );
    }
}

fn timeout_of(settings: &Resilience) -> Duration {
    let numbers = serde_json::to_value(settings).unwrap();
    Duration::from_secs_f64(numbers["attempt_timeout"].as_f64().unwrap())
}

fn behaviours() -> impl Strategy<Value = Behaviour> {
    let effect =
        || prop_oneof![4 => Just(Effect::None), 3 => Just(Effect::Maybe), 1 => Just(Effect::Done)];
    let advice = prop_oneof![
        1 => Just(RetryAdvice::Never),
        2 => Just(RetryAdvice::Once),
        6 => Just(RetryAdvice::Backoff),
        2 => (0_u64..400).prop_map(|pause| RetryAdvice::After(ms(pause))),
        1 => Just(RetryAdvice::After(ms(70_000))),
        2 => (0_u64..400).prop_map(|pause| RetryAdvice::Exactly(ms(pause))),
        1 => Just(RetryAdvice::Forbidden),
        1 => Just(RetryAdvice::OtherSink),
    ];
    let kind = prop::sample::select(vec![
        ErrorKind::Connect,
        ErrorKind::Upstream,
        ErrorKind::Unavailable,
        ErrorKind::Throttled,
        ErrorKind::Throttled,
        ErrorKind::Interrupted,
        ErrorKind::Rejected,
        ErrorKind::Unauthenticated,
    ]);
    let answer = prop_oneof![
        3 => Just(Some(Ok(()))),
        6 => (kind, effect(), advice).prop_map(|failure| Some(Err(failure))),
        1 => Just(None),
    ];
    let told = prop_oneof![1 => Just(None), 3 => effect().prop_map(Some)];
    (told, 0_u64..120, answer).prop_map(|(told, after, answer)| Behaviour { told, after, answer })
}

fn scenes() -> impl Strategy<Value = Scene> {
    let senders = (0_u64..3_000, prop::option::weighted(0.2, 0_u64..1_500))
        .prop_map(|(start, patience)| Sender { start, patience });
    let limits = (1_u32..5, 20_u64..300, 1_u64..6, 1_usize..4, 0_usize..5, any::<u64>());
    let guards = (1_u32..6, 10_u64..400, 0_u32..4, prop::option::of(5.0_f64..100.0));
    (
        limits,
        guards,
        any::<bool>(),
        prop::collection::vec(behaviours(), 1..12),
        prop::collection::vec(senders, 1..25),
    )
        .prop_map(|(limits, guards, repeatable, behaviour, senders)| {
            let (attempts, timeout, totals, in_flight, waiting, seed) = limits;
            let (in_a_row, open, reserve, rate) = guards;
            let settings = Resilience::default()
                .max_attempts(attempts)
                .attempt_timeout(ms(timeout))
                .total_timeout(ms(timeout * totals))
                .max_in_flight(in_flight)
                .max_waiting(waiting)
                .seed(seed)
                // So long that nothing is forgotten while the scene plays.
                .budget_ttl(Duration::from_secs(1_000))
                .budget_floor(f64::from(reserve) / 1_000.0)
                .breaker_consecutive(in_a_row)
                .breaker_open(ms(open))
                .rate_limit(rate);
            Scene { settings, repeatable, behaviour, senders }
        })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn whatever_the_endpoint_does_the_pipeline_keeps_its_word(scene in scenes()) {
        let first = play(&scene);
        prop_assert_eq!(first, play(&scene), "the same seed gives the same trace");
    }
}
