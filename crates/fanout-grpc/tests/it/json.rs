//! JSON payloads, by the types of a descriptor set.

use fanout::{Effect, ErrorKind, Message, RetryAdvice};
use fanout_grpc::{GrpcSink, Schema};
use serde_json::json;

use crate::server::{Server, always, descriptor_set, frame, raw, send};

fn sink(server: &Server) -> GrpcSink {
    let schema = Schema::descriptor_set(descriptor_set()).expect("a schema");
    server.place().schema(schema).build().expect("a sink")
}

#[tokio::test]
async fn json_goes_out_as_protobuf_and_the_reply_comes_back_as_json() {
    let server = Server::echo().await;
    let message = Message::json(&json!({ "order_id": "a", "total": 9_007_199_254_740_993_i64 }));
    let receipt = send(&sink(&server), &message.unwrap()).await.unwrap();
    let reply: serde_json::Value = receipt.json().unwrap();
    // 64-bit numbers come back as strings: no double holds this one.
    assert_eq!(reply["number"], "9007199254740993");
    assert_eq!(reply["order"], json!({ "orderId": "a", "total": "9007199254740993" }));
    let types: Vec<_> =
        receipt.metadata().iter().filter(|(name, _)| *name == "content-type").collect();
    assert_eq!(types, [("content-type", "application/json")]);
}

#[tokio::test]
async fn the_content_type_of_the_message_says_nothing() {
    let server = Server::echo().await;
    let sink = sink(&server);
    for message in [
        Message::text(r#"{"total":1}"#),
        Message::bytes(r#"{"total":"1"}"#),
        Message::bytes(r#"{"total":1}"#).with_content_type("application/x-protobuf"),
    ] {
        let reply: serde_json::Value = send(&sink, &message).await.unwrap().json().unwrap();
        assert_eq!(reply["number"], "1");
    }
}

#[tokio::test]
async fn json_that_does_not_fit_is_refused_and_nothing_is_sent() {
    let server = Server::echo().await;
    let sink = sink(&server);
    for (payload, expected) in [
        (r#"{"order_idd":"s3cret"}"#, "unknown field `order_idd`"),
        (r#"{"items":[{"sku":"a"},{"quantity":"s3cret"}]}"#, "`items[1].quantity`"),
        (r#"{"total":"s3cret"}"#, "`total`"),
        ("[]", "must be an object"),
        ("s3cret", "not JSON"),
        ("", "empty"),
    ] {
        let error = send(&sink, &Message::bytes(payload)).await.expect_err(payload);
        assert_eq!((error.kind(), error.effect()), (ErrorKind::Build, Effect::None), "{payload}");
        assert_eq!(error.advice(), RetryAdvice::Never);
        let text = format!("{} {error:?}", error.to_chain());
        assert!(text.contains(expected) && !text.contains("s3cret"), "{text}");
    }
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn a_reply_of_another_type_was_applied_but_the_answer_is_lost() {
    let server = always(|| raw(&[], frame(b"\x0a\xff"), &[("grpc-status", "0")])).await;
    let error = send(&sink(&server), &Message::bytes("{}")).await.expect_err("no reply");
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Protocol, Effect::Done));
    assert_eq!(error.advice(), RetryAdvice::Never);
    assert_eq!(error.status().map(fanout::Status::code), Some(0));
}

#[tokio::test]
async fn a_descriptor_set_may_come_from_a_file() {
    let server = Server::echo().await;
    let file = std::env::temp_dir().join(format!("fanout-grpc-{}.bin", std::process::id()));
    std::fs::write(&file, descriptor_set()).unwrap();
    let schema = Schema::descriptor_set_file(&file);
    std::fs::remove_file(&file).unwrap();
    let sink = server.place().schema(schema.unwrap()).build().unwrap();
    send(&sink, &Message::bytes("{}")).await.unwrap();
}
