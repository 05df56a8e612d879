//! The numbers: their defaults, what is refused, and how a file says them.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use fanout::policy::all;
use fanout::resilience::{Breaker, Health, Jitter, Resilience, RetryMaybe, counts_for_breaker};
use fanout::{
    BuildError, Effect, Error, ErrorKind, FanOut, MemorySink, Message, RetryAdvice, Sink, SinkExt,
    TimeoutScope, sink_fn,
};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// The rows of the table in the guide whose first column is called `first`, without their head.
fn table(first: &str) -> Vec<Vec<String>> {
    table_of(include_str!("../../docs/resilience.md"), first)
}

fn table_of(guide: &str, first: &str) -> Vec<Vec<String>> {
    let head = format!("| {first} |");
    let rows = guide.lines().skip_while(|line| !line.starts_with(&head)).skip(2);
    rows.take_while(|line| line.starts_with('|'))
        .map(|line| {
            let cells = line.trim_matches('|').split('|');
            cells.map(|cell| cell.trim().replace('`', "")).collect()
        })
        .collect()
}

#[test]
fn the_defaults_are_those_of_the_guide() {
    let written = serde_json::to_value(Resilience::default()).unwrap();
    let rows = table("setting");
    let mut told: Vec<_> = rows.iter().map(|row| row[0].as_str()).collect();
    told.sort_unstable();
    let mut kept: Vec<_> = written.as_object().unwrap().keys().map(String::as_str).collect();
    kept.sort_unstable();
    assert_eq!(told, kept, "every setting has a row and every row a setting");
    for row in &rows {
        let (value, told) = (&written[&row[0]], row[1].as_str());
        let same = match value {
            Value::Null => told == "none",
            Value::String(text) => told == text,
            number => told.parse().ok() == number.as_f64(),
        };
        assert!(same, "{}: the guide says {told}, the code {value}", row[0]);
    }
    assert_eq!(Resilience::default().validate(), Ok(()));
}

#[tokio::test(start_paused = true)]
async fn the_fixed_numbers_are_those_of_the_guide() {
    let rows = table("number");
    assert_eq!(rows.len(), 6);
    for row in rows {
        let found = match row[0].as_str() {
            "transparent repeats" => {
                let calls = Arc::new(AtomicU32::new(0));
                let counter = Arc::clone(&calls);
                let sink = sink_fn(move |_message, _attempt| {
                    counter.fetch_add(1, Ordering::Relaxed);
                    let error = Error::new(ErrorKind::Unavailable, "refused unprocessed");
                    let error = error.with_effect(Effect::None).with_advice(RetryAdvice::Once);
                    async { Err(error) }
                });
                let sink = sink.resilient(Resilience::default()).unwrap();
                let fan_out = FanOut::builder(all()).sink("one", sink).build().unwrap();
                let report = fan_out.send(Message::text("hello")).await;
                assert_eq!(report.get("one").unwrap().attempts(), 1, "not counted: {report}");
                f64::from(calls.load(Ordering::Relaxed) - 1)
            }
            "probes" => {
                let breaker = Breaker::new(&Resilience::default());
                let mut now = Instant::now();
                let failed = Err(Error::new(ErrorKind::Connect, "refused"));
                while let Ok(lease) = breaker.reserve(now) {
                    lease.record(Health::of(&failed), now);
                }
                now += s(3600);
                let probes: Vec<_> = (0..9).map_while(|_| breaker.reserve(now).ok()).collect();
                probes.len() as f64
            }
            "jitter of delays" => {
                let above = |number| Jitter::seeded(7, number).above(s(1)).as_secs_f64();
                let most = (0..10_000).map(above).fold(0.0, f64::max) - 1.0;
                assert!(most <= 0.5, "{most}");
                (most * 100.0).round() / 100.0
            }
            "fan-out deadline" => {
                let start = Instant::now();
                let silent = sink_fn(|_message, _attempt| pending());
                let fan_out = FanOut::builder(all()).sink("one", silent).build().unwrap();
                let report = fan_out.send(Message::text("hello")).await;
                assert!(!report.is_satisfied());
                start.elapsed().as_secs_f64().round()
            }
            "mirror timeout" => {
                let report = with_a_silent_mirror().send(Message::text("hello")).await;
                report.settled().await.get("copy").unwrap().elapsed().as_secs_f64()
            }
            "mirror sends" => {
                let fan_out = with_a_silent_mirror();
                let mut running = 0;
                while {
                    let report = fan_out.send(Message::text("hello")).await;
                    report.get("copy").unwrap().error().is_none()
                } {
                    running += 1;
                }
                f64::from(running)
            }
            other => panic!("{other}"),
        };
        assert_eq!(row[1].parse::<f64>().unwrap(), found, "{}", row[0]);
    }
}

/// A fan-out whose sink takes everything at once, and whose mirror never answers.
fn with_a_silent_mirror() -> FanOut {
    let silent = sink_fn(|_message, _attempt| pending());
    let builder = FanOut::builder(all()).sink("one", MemorySink::new()).mirror("copy", silent);
    builder.build().unwrap()
}

#[tokio::test(start_paused = true)]
async fn the_timeouts_are_those_of_the_chapter() {
    let rows = table_of(include_str!("../../docs/safe-retries.md"), "timeout");
    assert_eq!(rows.len(), 3);
    for row in rows {
        let silent = sink_fn(|_message, _attempt| pending());
        let numbers = Resilience::default();
        let (timeout, sink): (_, Arc<dyn Sink>) = match row[0].as_str() {
            "attempt" => (TimeoutScope::Attempt, Arc::new(silent.resilient(numbers).unwrap())),
            "total" => {
                let slow = sink_fn(|_message, _attempt| async {
                    sleep(s(9)).await;
                    Err(Error::new(ErrorKind::Connect, "no route"))
                });
                let numbers = numbers.max_attempts(10);
                (TimeoutScope::Total, Arc::new(slow.resilient(numbers).unwrap()))
            }
            "fan-out" => (TimeoutScope::FanOut, Arc::new(silent)),
            other => panic!("{other}"),
        };
        let start = Instant::now();
        let fan_out = FanOut::builder(all()).sink("one", sink).build().unwrap();
        let report = fan_out.send(Message::text("hello")).await;
        let seconds: u64 = row[1].strip_suffix(" s").unwrap().parse().unwrap();
        assert_eq!(start.elapsed().as_secs(), seconds, "{}: {report}", row[0]);
        let error = report.get("one").unwrap().error().unwrap();
        assert_eq!(error.scope(), Some(timeout), "{}", row[0]);
    }
}

#[test]
fn the_kinds_are_those_of_the_guide() {
    let kinds = [
        ErrorKind::Build,
        ErrorKind::Rejected,
        ErrorKind::Unauthenticated,
        ErrorKind::Forbidden,
        ErrorKind::NotFound,
        ErrorKind::Conflict,
        ErrorKind::TooLarge,
        ErrorKind::Unsupported,
        ErrorKind::Redirected,
        ErrorKind::Throttled,
        ErrorKind::Unavailable,
        ErrorKind::Upstream,
        ErrorKind::Connect,
        ErrorKind::Tls,
        ErrorKind::Interrupted,
        ErrorKind::Protocol,
        ErrorKind::CircuitOpen,
        ErrorKind::LocalRateLimit,
        ErrorKind::QueueFull,
        ErrorKind::Cancelled,
        ErrorKind::DataLoss,
        ErrorKind::Panic,
        ErrorKind::Unsatisfied,
    ];
    let scopes = [
        TimeoutScope::Connect,
        TimeoutScope::Queue,
        TimeoutScope::Attempt,
        TimeoutScope::Total,
        TimeoutScope::FanOut,
    ];
    let mut errors: Vec<(String, Error)> = kinds
        .into_iter()
        .map(|kind| (kind.to_string(), Error::new(kind, "scripted")))
        .chain(
            scopes
                .into_iter()
                .map(|scope| (format!("timeout ({scope})"), Error::timeout(scope, "scripted"))),
        )
        .collect();
    for row in table("kind") {
        let place = errors.iter().position(|(name, _)| *name == row[0]).expect(&row[0]);
        let (name, error) = errors.remove(place);
        assert_eq!(error.effect().as_str(), row[1], "{name}");
        assert_eq!(error.advice().to_string(), row[2], "{name}");
        let counts = counts_for_breaker(&error);
        let told = match Health::of(&Err(error)) {
            Health::Working => "no: proves that the sink works",
            Health::Failing => "yes",
            Health::Unknown => "no",
        };
        assert_eq!((counts, told), (row[3] == "yes", row[3].as_str()), "{name}");
    }
    assert!(errors.is_empty(), "not in the guide: {errors:?}");
}

#[test]
fn what_a_file_leaves_out_is_the_default_and_what_it_misspells_an_error() {
    let read = |value: Value| serde_json::from_value::<Resilience>(value);
    assert_eq!(read(json!({})).unwrap(), Resilience::default());
    let some = read(json!({ "attempt_timeout": 0.25, "rate_limit": 2.5, "total_timeout": 7 }));
    let expected = Resilience::default()
        .attempt_timeout(Duration::from_millis(250))
        .total_timeout(s(7))
        .rate_limit(2.5);
    assert_eq!(some.unwrap(), expected);
    let whole = serde_json::to_value(&expected).unwrap();
    assert_eq!(read(whole).unwrap(), expected, "it reads what it writes");
    assert!(read(json!({ "max_retries": 3 })).is_err());
    for wrong in [json!(-1), json!("10s"), json!(1e300), json!(null)] {
        assert!(read(json!({ "total_timeout": wrong })).is_err(), "{wrong}");
    }
}

#[test]
fn impossible_numbers_are_refused_by_name() {
    let refused = |settings: Resilience, name: &str| {
        let error = settings.validate().expect_err(name);
        assert!(error.to_string().starts_with(name), "{error}");
        error
    };
    let base = Resilience::default;
    let error = refused(base().attempt_timeout(s(31)).breaker_window(s(90)), "total_timeout");
    assert!(matches!(error, BuildError::TooShort { inner: "attempt_timeout", .. }));
    refused(base().attempt_timeout(s(16)), "breaker_window");
    assert_eq!(base().attempt_timeout(s(15)).validate(), Ok(()), "exactly twice is enough");
    refused(base().backoff_max(Duration::from_millis(40)).throttle_base(s(1)), "backoff_max");
    refused(base().throttle_base(s(21)), "backoff_max");
    refused(base().breaker_open_max(s(4)), "breaker_open_max");
    for (settings, name) in [
        (base().attempt_timeout(s(0)), "attempt_timeout"),
        (base().total_timeout(s(0)), "total_timeout"),
        (base().backoff_base(s(0)), "backoff_base"),
        (base().throttle_base(s(0)), "throttle_base"),
        (base().backoff_max(s(0)), "backoff_max"),
        (base().max_server_delay(s(0)), "max_server_delay"),
        (base().budget_ttl(s(0)), "budget_ttl"),
        (base().breaker_window(s(0)), "breaker_window"),
        (base().breaker_open(s(0)), "breaker_open"),
        (base().breaker_open_max(s(0)), "breaker_open_max"),
    ] {
        assert!(matches!(refused(settings, name), BuildError::ZeroDuration { .. }));
    }
    for (settings, name) in [
        (base().max_attempts(0), "max_attempts"),
        (base().breaker_consecutive(0), "breaker_consecutive"),
        (base().breaker_min_calls(0), "breaker_min_calls"),
        (base().max_in_flight(0), "max_in_flight"),
    ] {
        assert!(matches!(refused(settings, name), BuildError::ZeroCount { .. }));
    }
    for wrong in [f64::NAN, 0.0, -0.1, 1.1, f64::INFINITY] {
        refused(base().budget_ratio(wrong), "budget_ratio");
        refused(base().breaker_ratio(wrong), "breaker_ratio");
    }
    for wrong in [f64::NAN, 0.0, -1.0, f64::INFINITY] {
        refused(base().rate_limit(wrong), "rate_limit");
    }
    for wrong in [f64::NAN, -1.0, f64::INFINITY] {
        refused(base().budget_floor(wrong), "budget_floor");
    }
    refused(base().max_in_flight(usize::MAX), "max_in_flight");
    refused(base().max_waiting(usize::MAX), "max_waiting");
    let edges = base().budget_ratio(1.0).budget_floor(0.0).breaker_ratio(1.0).max_waiting(0);
    assert_eq!(edges.validate(), Ok(()));
}

#[test]
fn profiles_differ_from_the_defaults_in_these() {
    let base = Resilience::default;
    assert_eq!(Resilience::webhook(), base());
    let llm = base().attempt_timeout(s(120)).total_timeout(s(300)).breaker_window(s(240));
    assert_eq!(Resilience::llm(), llm);
    assert_eq!(Resilience::strict(), base().retry_maybe(RetryMaybe::Never));
    for profile in [Resilience::webhook(), Resilience::llm(), Resilience::strict()] {
        assert_eq!(profile.validate(), Ok(()));
    }
}
