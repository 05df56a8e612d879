//! The numbers: their defaults, what is refused, and how a file says them.

use std::time::Duration;

use fanout::BuildError;
use fanout::resilience::{Resilience, RetryMaybe};
use serde_json::{Value, json};

const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn the_defaults_are_these() {
    let written = serde_json::to_value(Resilience::default()).unwrap();
    let expected = json!({
        "attempt_timeout": 10.0,
        "total_timeout": 30.0,
        "max_attempts": 3,
        "retry_maybe": "if_repeatable",
        "backoff_base": 0.05,
        "throttle_base": 1.0,
        "backoff_max": 20.0,
        "max_server_delay": 60.0,
        "budget_ratio": 0.2,
        "budget_floor": 10.0,
        "budget_ttl": 10.0,
        "breaker_consecutive": 5,
        "breaker_ratio": 0.5,
        "breaker_min_calls": 20,
        "breaker_window": 30.0,
        "breaker_open": 5.0,
        "breaker_open_max": 60.0,
        "max_in_flight": 64,
        "max_waiting": 256,
        "rate_limit": null,
        "seed": null,
    });
    assert_eq!(written, expected);
    assert_eq!(Resilience::default().validate(), Ok(()));
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
