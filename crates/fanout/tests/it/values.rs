//! Messages, errors and reports as people and programs read them.

use std::error::Error as _;
use std::sync::{Arc, Mutex};

use fanout::policy;
use fanout::{
    Attempt, BodyState, Completeness, Effect, Error, ErrorKind, FanOut, MemorySink, Message,
    MessageId, Metadata, OnConflict, Reach, Receipt, RetryAdvice, Sink, Status, TimeoutScope,
    sink_fn,
};
use serde_json::json;

use crate::support::{Scripted, hello, ms};

#[test]
fn a_payload_is_shared_and_never_copied() {
    let message = Message::bytes(vec![1, 2, 3]);
    let copy = message.clone();
    assert_eq!(message.payload().as_ptr(), copy.payload().as_ptr());
    assert_eq!(message.id(), copy.id());
    assert_eq!(Message::from(&message).id(), message.id());
}

#[test]
fn ids_are_of_version_seven_and_survive_text() {
    let id = MessageId::new();
    assert_eq!(id.as_u128() >> 76 & 0xf, 7);
    assert_eq!(id.to_string().parse::<MessageId>().unwrap(), id);
    assert_eq!(MessageId::from_u128(id.as_u128()), id);
    assert_eq!("order-17".parse::<MessageId>().unwrap_err().kind(), ErrorKind::Build);
}

#[test]
fn debug_shows_no_payload_and_no_metadata_value() {
    let message = Message::text("canary-payload").with_metadata("authorization", "canary-token");
    let receipt = Receipt::new()
        .with_body("canary-body")
        .with_metadata(Metadata::from_iter([("set-cookie", "canary-cookie")]));
    let shown = format!("{message:?} {receipt:?} {:?}", message.metadata());
    assert!(!shown.contains("canary"), "{shown}");
    assert!(shown.contains("authorization") && shown.contains("14 bytes"), "{shown}");
}

#[test]
fn metadata_keeps_its_order_and_ignores_case() {
    let message =
        hello().with_metadata("X-A", "1").with_metadata("x-b", "2").with_metadata("x-a", "3");
    let pairs: Vec<_> = message.metadata().iter().collect();
    assert_eq!(pairs, [("X-A", "1"), ("x-b", "2"), ("x-a", "3")]);
    assert_eq!(message.metadata().get("x-A"), Some("1"));
    assert_eq!((message.metadata().len(), Metadata::default().is_empty()), (3, true));
}

#[test]
fn a_value_that_is_no_json_is_refused() {
    let keys = std::collections::HashMap::from([(vec![1u8], 1)]);
    assert_eq!(Message::json(&keys).unwrap_err().kind(), ErrorKind::Build);
}

#[test]
fn an_error_tells_its_level_and_leaves_the_cause_to_its_source() {
    let error = Error::new(ErrorKind::Connect, "connection refused")
        .with_context("endpoint", "http://127.0.0.1:9")
        .with_context("attempt", "1")
        .with_source(std::io::Error::other("os error 111"));
    assert_eq!(error.to_string(), "connection refused (endpoint: http://127.0.0.1:9, attempt: 1)");
    assert_eq!(error.source().unwrap().to_string(), "os error 111");
    assert_eq!(
        error.to_chain(),
        "connection refused (endpoint: http://127.0.0.1:9, attempt: 1): os error 111"
    );
    assert_eq!(Error::new(ErrorKind::Build, "no host").to_string(), "no host");
    assert_eq!(size_of::<Error>(), size_of::<usize>());
}

#[test]
fn a_cause_that_was_told_already_is_not_repeated() {
    let cause = std::io::Error::other("no such host");
    let error =
        Error::new(ErrorKind::Connect, "connecting failed: no such host").with_source(cause);
    assert_eq!(error.to_chain(), "connecting failed: no such host");
}

#[test]
fn each_kind_has_its_usual_effect_and_advice() {
    use ErrorKind::*;
    for (kind, effect, advice) in [
        (Build, Effect::None, RetryAdvice::Never),
        (Rejected, Effect::None, RetryAdvice::Never),
        (Throttled, Effect::None, RetryAdvice::Backoff),
        (Upstream, Effect::Maybe, RetryAdvice::Backoff),
        (Connect, Effect::None, RetryAdvice::Backoff),
        (Tls, Effect::None, RetryAdvice::OtherSink),
        (Interrupted, Effect::Maybe, RetryAdvice::Backoff),
        (CircuitOpen, Effect::None, RetryAdvice::OtherSink),
        (DataLoss, Effect::Maybe, RetryAdvice::Never),
        (Panic, Effect::Maybe, RetryAdvice::Never),
    ] {
        let error = Error::new(kind, "x");
        assert_eq!((error.effect(), error.advice()), (effect, advice), "{kind}");
    }
    for (scope, effect, advice) in [
        (TimeoutScope::Connect, Effect::None, RetryAdvice::Backoff),
        (TimeoutScope::Attempt, Effect::Maybe, RetryAdvice::Backoff),
        (TimeoutScope::Total, Effect::Maybe, RetryAdvice::Never),
        (TimeoutScope::FanOut, Effect::Maybe, RetryAdvice::Never),
    ] {
        let error = Error::timeout(scope, "x");
        assert_eq!((error.kind(), error.scope()), (Timeout, Some(scope)));
        assert_eq!((error.effect(), error.advice()), (effect, advice), "{scope}");
    }
}

#[test]
fn the_advice_is_a_stable_word_and_its_delay_a_number() {
    let error = Error::new(ErrorKind::Throttled, "x")
        .with_advice(RetryAdvice::After(std::time::Duration::from_millis(1_500)));
    let shown = serde_json::to_value(&error).unwrap();
    assert_eq!((&shown["advice"], &shown["after_ms"]), (&json!("after"), &json!(1_500.0)));
    assert_eq!(error.advice().to_string(), "after 1500 ms");
}

#[test]
fn an_excerpt_is_one_short_line() {
    let said = |body: &[u8]| {
        let error = Error::new(ErrorKind::Rejected, "x").with_excerpt(body);
        error.excerpt().map(str::to_owned)
    };
    assert_eq!(said(b"no\r\n\x1b[31mred\xff").unwrap(), "no   [31mred\u{fffd}");
    assert_eq!((said(b""), said(b" \n ")), (None, None));
    let long = said("é".repeat(400).as_bytes()).unwrap();
    assert!(long.ends_with("é…") && long.chars().count() == 257, "{long}");
    // The cut is inside a character.
    let odd = said(format!("x{}", "é".repeat(400)).as_bytes()).unwrap();
    assert!(odd.ends_with("é…") && odd.chars().count() == 257, "{odd}");
}

#[tokio::test]
async fn an_attempt_made_by_hand_tells_and_ends() {
    let message = hello();
    let attempt = Attempt::first("a", &message);
    assert_eq!((attempt.sink(), attempt.number(), attempt.deadline()), ("a", 1, None));
    let now = tokio::time::Instant::now();
    let attempt = attempt.with_deadline(now + ms(50)).with_deadline(now + ms(90));
    assert_eq!(attempt.deadline(), Some(now + ms(50)));
    assert_eq!(attempt.reached(Effect::Maybe), Reach::Proceed);
    assert_eq!(attempt.earlier_effect(), Effect::None);
    assert!(Scripted::takes().send(&message, &attempt).await.is_ok());
}

#[tokio::test]
async fn a_memory_sink_keeps_nothing_of_an_attempt_that_has_ended() {
    let message = hello();
    let kept = Arc::new(Mutex::new(None));
    let sink = {
        let kept = Arc::clone(&kept);
        sink_fn(move |_, attempt| {
            *kept.lock().unwrap() = Some(attempt);
            std::future::ready(Ok(Receipt::new()))
        })
    };
    let send = FanOut::builder(policy::all()).sink("a", sink).build().unwrap();
    assert!(send.send(&message).await.is_satisfied());
    let attempt = kept.lock().unwrap().take().unwrap();
    let memory = MemorySink::new();
    let error = memory.send(&message, &attempt).await.unwrap_err();
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Cancelled, Effect::None));
    assert!(memory.received().is_empty());
}

#[test]
fn json_of_a_receipt_says_why_it_is_of_no_use() {
    let receipt = |state| Receipt::new().with_body(r#"{"a":1}"#).with_body_state(state);
    let whole: serde_json::Value = receipt(BodyState::Complete).json().unwrap();
    assert_eq!(whole, json!({ "a": 1 }));
    for state in [BodyState::Cut, BodyState::Broken] {
        let error = receipt(state).json::<serde_json::Value>().unwrap_err();
        assert_eq!(
            (error.kind(), error.effect(), error.advice()),
            (ErrorKind::Protocol, Effect::Done, RetryAdvice::Never)
        );
    }
    let error = Receipt::new().with_body(r#"{"a":"canary"}"#).json::<Vec<u8>>().unwrap_err();
    assert!(!error.to_chain().contains("canary"), "{error}");
}

/// A fan-out whose sinks answer with these bodies.
async fn answers(bodies: &[&'static str]) -> fanout::Report {
    let sinks = bodies.iter().zip(["a", "b", "c"]);
    let builder = sinks.fold(FanOut::builder(policy::all()), |builder, (&body, name)| {
        builder.sink(name, sink_fn(move |_, _| async move { Ok(Receipt::new().with_body(body)) }))
    });
    builder.build().unwrap().send(hello()).await
}

#[tokio::test]
async fn answers_merge_only_as_was_asked() {
    let report = answers(&[r#"{"id":1,"x":"a"}"#, "", r#"{"id":1,"x":"c","y":2}"#]).await;
    let merged = |how| report.merge_json(how).map(serde_json::Value::Object);
    assert_eq!(merged(OnConflict::First).unwrap(), json!({ "id": 1, "x": "a", "y": 2 }));
    assert_eq!(merged(OnConflict::Last).unwrap(), json!({ "id": 1, "x": "c", "y": 2 }));
    let error = merged(OnConflict::Error).unwrap_err();
    assert_eq!(
        (error.kind(), error.to_string().as_str()),
        (ErrorKind::Conflict, "two sinks gave one key different values (key: x, sink: c)")
    );
    let report = answers(&[r#"{"id":1}"#, r#"{"id":1,"z":null}"#]).await;
    assert_eq!(report.merge_json(OnConflict::Error).unwrap().len(), 2, "equal values agree");
    let report = answers(&["[1]"]).await;
    assert_eq!(report.merge_json(OnConflict::First).unwrap_err().kind(), ErrorKind::Protocol);
    assert_eq!(report.json::<Vec<u8>>("a").unwrap(), [1]);
    assert_eq!(report.json::<Vec<u8>>("b").unwrap_err().kind(), ErrorKind::Build);
}

/// One sink of each outcome, under a paused clock.
async fn mixed() -> fanout::Report {
    let accepted = sink_fn(|_, _| async {
        tokio::time::sleep(ms(20)).await;
        Ok(Receipt::new()
            .with_status(Status::new(202, "Accepted"))
            .with_body("canary-body")
            .with_accepted()
            .with_notice("the answer is partial"))
    });
    let refused = sink_fn(|_, _| async {
        Err(Error::new(ErrorKind::Rejected, "the sink refused the message")
            .with_status(Status::new(422, "Unprocessable Content"))
            .with_excerpt(b"{\"field\":\"amount\"}"))
    });
    let send = FanOut::builder(policy::all_settled().min_success(2))
        .name("orders")
        .sink("billing", accepted)
        .sink("audit", refused)
        .sink("slow", Scripted::hangs())
        .deadline(ms(50))
        .build()
        .unwrap();
    send.send(hello().with_id(MessageId::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0001)))
        .await
}

#[tokio::test(start_paused = true)]
async fn a_report_is_stable_json() {
    let report = serde_json::to_value(mixed().await).unwrap();
    let expected = json!({
        "message_id": "01900000-0000-7000-8000-000000000001",
        "fan_out": "orders",
        "policy": "all_settled",
        "verdict": "unsatisfied",
        "reason": "deadline",
        "completeness": "unknown",
        "nothing_sent": false,
        "elapsed_ms": 50.0,
        "deliveries": [
            {
                "sink": "billing", "role": "required", "outcome": "delivered", "effect": "done",
                "attempts": 1, "started_ms": 0.0, "elapsed_ms": 20.0, "delay_ms": 0.0,
                "stop_reason": "succeeded",
                "idempotency_key": report["deliveries"][0]["idempotency_key"],
                "receipt": {
                    "status": { "code": 202, "name": "Accepted" }, "accepted": true,
                    "body_bytes": 11, "body_state": "complete",
                    "notices": ["the answer is partial"],
                },
            },
            {
                "sink": "audit", "role": "required", "outcome": "failed", "effect": "none",
                "attempts": 1, "started_ms": 0.0, "elapsed_ms": 0.0, "delay_ms": 0.0,
                "stop_reason": "not_retryable",
                "idempotency_key": report["deliveries"][1]["idempotency_key"],
                "status": { "code": 422, "name": "Unprocessable Content" },
                "error": {
                    "kind": "rejected", "effect": "none", "advice": "never",
                    "message": "the sink refused the message",
                    "excerpt": "{\"field\":\"amount\"}",
                },
            },
            {
                "sink": "slow", "role": "required", "outcome": "failed", "effect": "maybe",
                "attempts": 1, "started_ms": 0.0, "elapsed_ms": 50.0, "delay_ms": 0.0,
                "stop_reason": "deadline_would_pass",
                "idempotency_key": report["deliveries"][2]["idempotency_key"],
                "error": {
                    "kind": "timeout", "scope": "fanout", "effect": "maybe", "advice": "never",
                    "message": "the deadline of the fan-out came first",
                },
            },
        ],
        "completion_order": ["audit", "billing", "slow"],
        "resend": { "unsent": ["audit"], "ambiguous": ["slow"] },
    });
    assert_eq!(report, expected);
}

#[tokio::test(start_paused = true)]
async fn a_report_prints_as_a_table() {
    let expected = "\
orders: all_settled: unsatisfied, the deadline came first (unknown) in 50.0 ms
  sink     outcome    effect  attempts  time     detail
  billing  delivered  done    1         20.0 ms  202 Accepted; accepted, not yet done; the answer is partial
  audit    failed     none    1         0.0 ms   the sink refused the message; it said: {\"field\":\"amount\"}
  slow     failed     maybe   1         50.0 ms  the deadline of the fan-out came first";
    assert_eq!(mixed().await.to_string(), expected);
}

#[tokio::test]
async fn a_table_takes_any_length_and_no_commands() {
    let name = "n".repeat(70_000);
    let refused = sink_fn(|_, _| async {
        Err(Error::new(ErrorKind::Rejected, "no\n\x1b[2Jentry")
            .with_context("at", "x".repeat(70_000)))
    });
    let send = FanOut::builder(policy::all()).name("a\tb").sink(&*name, refused).sink("b", refused);
    let table = send.build().unwrap().send(hello()).await.to_string();
    assert_eq!(table.lines().count(), 4, "one line each");
    assert!(table.starts_with("a b: all: ") && !table.contains('\x1b'));
    let (first, second) = (table.lines().nth(2).unwrap(), table.lines().nth(3).unwrap());
    assert_eq!(first.find("failed"), second.find("failed"), "the columns stay in line");
}

#[tokio::test]
async fn a_result_carries_the_report_either_way() {
    let report = answers(&["{}"]).await.into_result().unwrap();
    assert_eq!(report.completeness(), Completeness::Full);
    let send = FanOut::builder(policy::all()).sink("a", Scripted::fails(Effect::None));
    let error = send.build().unwrap().send(hello()).await.into_result().unwrap_err();
    assert_eq!(error.to_string(), "the fan-out did not hold: unsatisfied, a sink failed");
    assert_eq!(error.report.completeness(), Completeness::None);
}
