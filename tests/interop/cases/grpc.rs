//! gRPC: encoded payloads, JSON by reflection, codes, deadlines, metadata, TLS.

use std::time::Duration;

use fanout::{Attempt, Effect, Error, ErrorKind, Message, Receipt, Sink, TimeoutScope};
use fanout_grpc::{GrpcSink, Schema};
use fanout_net::HttpVersion;
use prost::Message as _;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{client, hex, send};
use crate::servers::certificates::Certificates;
use crate::servers::front::{Front, Via};
use crate::servers::script::Script;

/// `interop.v1.Order` of `orders.proto`, as far as a case needs it.
#[derive(Clone, PartialEq, prost::Message)]
struct Order {
    #[prost(string, tag = "1")]
    id: String,
    #[prost(int64, tag = "2")]
    cents: i64,
}

/// `interop.v1.Placed` of `orders.proto`.
#[derive(Clone, PartialEq, prost::Message)]
struct Placed {
    #[prost(string, tag = "1")]
    order_id: String,
    #[prost(int64, tag = "2")]
    total_cents: i64,
}

pub(crate) async fn an_encoded_payload_arrives_once() {
    let mut server = Script::grpcio(None).await;
    let order = Order { id: "A-17".to_owned(), cents: 1999 }.encode_to_vec();
    let receipt = send(&encoded(&server), &Message::bytes(order.clone())).await;
    let receipt = receipt.expect("it is delivered");
    assert_eq!(receipt.status().map(|status| status.code()), Some(0));
    let placed = Placed::decode(receipt.body().clone()).expect("an encoded answer");
    assert_eq!(placed, Placed { order_id: "A-17".to_owned(), total_cents: 1999 });

    let seen = server.next().await;
    assert_eq!(seen["bytes"], hex(&order));
    assert_eq!((&seen["id"], &seen["cents"]), (&json!("A-17"), &json!(1999)));
    assert_eq!(server.end().await, 0, "one call");
}

pub(crate) async fn json_is_transcoded_by_reflection() {
    let mut server = Script::grpcio(None).await;
    let order = Message::json(&json!({
        "id": "A-17",
        "cents": "9007199254740993",
        "lines": [{ "sku": "x", "count": 2 }, { "sku": "y" }],
        "priority": "PRIORITY_HIGH",
    }));
    let order = order.expect("sound JSON");
    let sink = by_reflection(&server);
    for _ in 0..2 {
        let receipt = send(&sink, &order).await.expect("it is delivered");
        let answer: Value = receipt.json().expect("an answer in JSON");
        // 64-bit numbers are strings in the JSON mapping: more than a double can hold.
        assert_eq!(answer, json!({ "orderId": "A-17", "totalCents": "9007199254740993" }));
        let seen = server.next().await;
        assert_eq!(seen["cents"], json!(9_007_199_254_740_993_i64));
        assert_eq!(seen["lines"], json!([["x", 2], ["y", 0]]));
        assert_eq!(seen["priority"], "PRIORITY_HIGH");
    }
    assert_eq!(server.end().await, 0, "two calls");
}

pub(crate) async fn json_that_does_not_fit_is_not_sent() {
    let mut server = Script::grpcio(None).await;
    let sink = by_reflection(&server);
    for (order, named) in [
        (json!({ "id": "A-17", "colour": "red" }), "colour"),
        (json!({ "id": "A-17", "cents": "many" }), "cents"),
        (json!({ "id": "A-17", "priority": "PRIORITY_LOW" }), "priority"),
    ] {
        let error = send(&sink, &Message::json(&order).expect("sound JSON")).await;
        let error = error.expect_err("it does not fit");
        assert_eq!((error.kind(), error.effect()), (ErrorKind::Build, Effect::None));
        assert!(error.to_chain().contains(named), "{error:?} names {named}");
    }
    for method in ["interop.v1.Orders/Plaice", "interop.v1.Ordres/Place"] {
        let sink = GrpcSink::unary(endpoint(&server), method).schema(Schema::Reflection);
        let sink = sink.build().expect("a sound sink");
        let error = send(&sink, &Message::json(&json!({})).expect("sound JSON")).await;
        let error = error.expect_err("there is no such method");
        assert_eq!((error.kind(), error.effect()), (ErrorKind::Build, Effect::None), "{error}");
    }
    assert_eq!(server.end().await, 0, "nothing was called");
}

pub(crate) async fn codes_are_classified() {
    let mut server = Script::grpcio(None).await;
    let sink = encoded(&server);
    for (name, code, kind, effect) in [
        ("CANCELLED", 1, ErrorKind::Cancelled, Effect::Maybe),
        ("UNKNOWN", 2, ErrorKind::Upstream, Effect::Maybe),
        ("INVALID_ARGUMENT", 3, ErrorKind::Rejected, Effect::None),
        ("DEADLINE_EXCEEDED", 4, ErrorKind::Timeout, Effect::Maybe),
        ("NOT_FOUND", 5, ErrorKind::NotFound, Effect::None),
        ("ALREADY_EXISTS", 6, ErrorKind::Conflict, Effect::None),
        ("PERMISSION_DENIED", 7, ErrorKind::Forbidden, Effect::None),
        ("RESOURCE_EXHAUSTED", 8, ErrorKind::Throttled, Effect::None),
        ("FAILED_PRECONDITION", 9, ErrorKind::Conflict, Effect::None),
        ("ABORTED", 10, ErrorKind::Conflict, Effect::None),
        ("OUT_OF_RANGE", 11, ErrorKind::Rejected, Effect::None),
        ("UNIMPLEMENTED", 12, ErrorKind::Unsupported, Effect::None),
        ("INTERNAL", 13, ErrorKind::Upstream, Effect::Maybe),
        ("UNAVAILABLE", 14, ErrorKind::Unavailable, Effect::Maybe),
        ("DATA_LOSS", 15, ErrorKind::DataLoss, Effect::Maybe),
        ("UNAUTHENTICATED", 16, ErrorKind::Unauthenticated, Effect::None),
    ] {
        let message = Message::bytes("").with_metadata("x-abort", name);
        let error = send(&sink, &message).await.expect_err("it is refused");
        assert_eq!((error.kind(), error.effect()), (kind, effect), "{name}: {error:?}");
        assert_eq!(error.status().map(|status| status.code()), Some(code), "{name}");
        let text = format!("{} {}", error.to_chain(), error.excerpt().unwrap_or_default());
        assert!(text.contains("the caller asked for it"), "{name}: {text}");
        server.next().await;
    }
    assert_eq!(server.end().await, 0, "one call each");
}

pub(crate) async fn an_unknown_method_is_unsupported() {
    let server = Script::grpcio(None).await;
    let sink = GrpcSink::unary(endpoint(&server), "interop.v1.Orders/Plaice").build();
    let error = send(&sink.expect("a sound sink"), &Message::bytes("")).await;
    let error = error.expect_err("there is no such method");
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Unsupported, Effect::None));
    assert_eq!(error.status().map(|status| status.code()), Some(12));
}

/// The server learns the deadline, and that the client has given up.
pub(crate) async fn the_deadline_travels_and_ends_the_call() {
    let mut server = Script::grpcio(None).await;
    let sink = encoded(&server);
    // A first call, so that connecting takes no part of the time.
    send(&sink, &Message::bytes("")).await.expect("it is delivered");
    server.next().await;

    let message = Message::bytes("").with_metadata("x-hang", "1");
    let start = Instant::now();
    let limit = Duration::from_millis(300);
    let attempt = Attempt::first("sink", &message).with_deadline(start + limit);
    let error = sink.send(&message, &attempt).await.expect_err("the server says nothing");
    assert!(start.elapsed() >= limit, "not before its time: {:?}", start.elapsed());
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Timeout, Effect::Maybe), "{error:?}");
    assert_eq!(error.scope(), Some(TimeoutScope::Attempt));

    let left = server.next().await["seconds_left"].as_f64().expect("a deadline");
    assert!(left > 0.0 && left <= limit.as_secs_f64(), "{left} s were left");
    assert_eq!(server.next().await, json!({ "terminated": true }));
}

pub(crate) async fn a_crash_during_the_call_is_ambiguous() {
    let mut server = Script::grpcio(None).await;
    let sink = encoded(&server);
    let message = Message::bytes("").with_metadata("x-hang", "1");
    let (result, ()) = tokio::join!(send(&sink, &message), async {
        server.next().await;
        server.kill();
    });
    let error = result.expect_err("the server is gone");
    assert_eq!(
        (error.kind(), error.effect()),
        (ErrorKind::Interrupted, Effect::Maybe),
        "{error:?}"
    );

    // Now nobody listens there, and it is certain that nothing happened.
    let error = send(&sink, &message).await.expect_err("the server is gone");
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Connect, Effect::None), "{error:?}");
}

pub(crate) async fn metadata_goes_both_ways() {
    let mut server = Script::grpcio(None).await;
    let message = Message::bytes("")
        .with_metadata("x-echo", "blue")
        .with_metadata("X-Tag", "a")
        .with_metadata("x-tag", "b")
        .with_metadata("x-trace-bin", "AAH/");
    let receipt = send(&encoded(&server), &message).await.expect("it is delivered");
    assert_eq!(receipt.metadata().get("x-echo"), Some("blue"));
    assert_eq!(receipt.metadata().get("x-echo-trailer"), Some("blue"));

    let seen = server.next().await;
    let pairs = seen["metadata"].as_array().expect("a list of metadata");
    for pair in [["x-echo", "blue"], ["x-tag", "a"], ["x-tag", "b"], ["x-trace-bin", "0001ff"]] {
        assert!(pairs.contains(&json!(pair)), "{pair:?} in {pairs:?}");
    }
}

pub(crate) async fn tls_is_spoken_and_another_name_refused() {
    let certificates = Certificates::new();
    let mut server = Script::grpcio(Some(&certificates)).await;
    let call = async |host: &str| -> Result<Receipt, Error> {
        let endpoint = format!("https://{host}:{}", server.port());
        let client = client(certificates.authority(), HttpVersion::Negotiate);
        let sink = GrpcSink::unary(endpoint, PLACE).client(&client).schema(Schema::Reflection);
        let order = Message::json(&json!({ "id": "A-17" })).expect("sound JSON");
        send(&sink.build().expect("a sound sink"), &order).await
    };
    let error = call("127.0.0.1").await.expect_err("the name is another");
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Tls, Effect::None), "{error:?}");
    call("localhost").await.expect("it is delivered");
    assert_eq!(server.next().await["id"], "A-17");
}

/// What a wrong port or a load balancer answers: pages, over HTTP/2, without a gRPC status.
pub(crate) async fn a_web_server_is_not_mistaken_for_grpc() {
    let front = Front::tls(Via::Nginx).await;
    let client = client(front.certificates.authority(), HttpVersion::Negotiate);
    let sink = GrpcSink::unary(front.url(""), PLACE).client(&client).build();
    let error = send(&sink.expect("a sound sink"), &Message::bytes("")).await;
    // 200 with JSON from the upstream: no gRPC, and whether it was applied is anyone's guess.
    let error = error.expect_err("it is no gRPC answer");
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Protocol, Effect::Maybe), "{error:?}");
}

const PLACE: &str = "interop.v1.Orders/Place";

fn endpoint(server: &Script) -> String {
    format!("http://127.0.0.1:{}", server.port())
}

fn encoded(server: &Script) -> GrpcSink {
    GrpcSink::unary(endpoint(server), PLACE).build().expect("a sound sink")
}

fn by_reflection(server: &Script) -> GrpcSink {
    let sink = GrpcSink::unary(endpoint(server), PLACE).schema(Schema::Reflection);
    sink.build().expect("a sound sink")
}
