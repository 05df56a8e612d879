//! Sizes: of the request, of the reply, and of what a receipt keeps.

use fanout::{BodyState, Effect, ErrorKind, Message, RetryAdvice};
use fanout_grpc::Schema;

use crate::server::{Server, descriptor_set, failure, order, send};

#[tokio::test]
async fn a_request_over_the_limit_is_not_sent() {
    let server = Server::echo().await;
    let error = failure(server.place().max_request(4)).await;
    assert_eq!((error.kind(), error.effect()), (ErrorKind::TooLarge, Effect::None));
    assert_eq!(error.advice(), RetryAdvice::Never);
    assert!(error.to_string().contains("limit: 4 bytes"), "{error}");
    assert!(server.requests().is_empty());
    // The limit is inclusive: id and total take five bytes.
    let sink = server.place().max_request(5).build().unwrap();
    send(&sink, &order("a", 1)).await.unwrap();
    // With a schema the JSON counts as it is given, and what is made of it, too.
    let json = r#"{"orderId":"a","total":"1"}"#;
    let sink = |limit| {
        let schema = Schema::descriptor_set(descriptor_set()).unwrap();
        server.place().max_request(limit).schema(schema)
    };
    send(&sink(json.len()).build().unwrap(), &Message::text(json)).await.unwrap();
    let small = sink(json.len() - 1).build().unwrap();
    let error = send(&small, &Message::text(json)).await.unwrap_err();
    assert_eq!((error.kind(), error.effect()), (ErrorKind::TooLarge, Effect::None));
    assert!(error.to_string().contains("max_request"), "{error}");
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn a_reply_over_the_limit_is_too_large() {
    let server = Server::echo().await;
    for id in ["a".repeat(2_000), random(2_000)] {
        let sink = server.place().max_response(1_000).build().unwrap();
        let error = send(&sink, &order(&id, 1)).await.expect_err("too large");
        assert_eq!((error.kind(), error.effect()), (ErrorKind::TooLarge, Effect::Maybe), "{error}");
        assert_eq!(error.advice(), RetryAdvice::Never);
        let sink = server.place().max_response(5_000).build().unwrap();
        send(&sink, &order(&id, 1)).await.unwrap();
    }
}

#[tokio::test]
async fn a_receipt_keeps_64_kib_and_says_that_it_was_cut() {
    let server = Server::echo().await;
    let message = order(&"a".repeat(100_000), 1);
    let receipt = send(&server.place().build().unwrap(), &message).await.unwrap();
    assert_eq!((receipt.body().len(), receipt.body_state()), (64 * 1024, BodyState::Cut));

    let schema = Schema::descriptor_set(descriptor_set()).unwrap();
    let sink = server.place().schema(schema).build().unwrap();
    let message = Message::json(&serde_json::json!({ "orderId": "a".repeat(100_000) })).unwrap();
    let receipt = send(&sink, &message).await.unwrap();
    assert_eq!((receipt.body().len(), receipt.body_state()), (64 * 1024, BodyState::Cut));
    let error = receipt.json::<serde_json::Value>().expect_err("cut");
    assert_eq!(error.effect(), Effect::Done);
}

/// Text that gzip cannot make short.
fn random(length: usize) -> String {
    let mut state = 1u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        char::from(b'0' + (state >> 24) as u8 % 75)
    };
    (0..length).map(|_| next()).collect()
}
