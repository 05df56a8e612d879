//! HTTP/1.1 in clear text: what arrives, and what the answers mean.

use fanout::{BodyState, Effect, ErrorKind, Message};
use fanout_http::HttpSink;
use fanout_net::HttpVersion;
use serde_json::{Value, json};

use super::{client, hex, post, send};
use crate::servers::front::{Front, Via};
use crate::servers::script::Script;

pub(crate) async fn a_post_arrives_once_with_its_bytes_and_headers(via: Via) {
    let mut front = Front::clear(via).await;
    // Every byte, and more than servers keep in memory or take in one read.
    let payload: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    let message = Message::bytes(payload.clone())
        .with_content_type("application/x-order")
        .with_metadata("x-tenant", "blue")
        .with_metadata("x-tag", "a")
        .with_metadata("x-tag", "b");
    let sink = post(&front, &front.url("/orders?region=eu"));
    let receipt = send(&sink, &message).await.expect("it is delivered");

    assert_eq!(receipt.status().map(|status| status.code()), Some(200));
    let answer: Value = receipt.json().expect("an answer in JSON");
    assert_eq!(answer, json!({ "taken": 100_000 }));
    let answered_by = receipt.metadata().get("x-answered-by");
    assert_eq!(answered_by, Some(if via == Via::Node { "node" } else { "python" }));

    let seen = front.next().await;
    assert_eq!(seen.text("method"), "POST");
    assert_eq!(seen.text("target"), "/orders?region=eu");
    assert_eq!(seen.header("content-type"), ["application/x-order"]);
    assert_eq!(seen.header("content-length"), ["100000"]);
    assert_eq!(seen.header("x-tenant"), ["blue"]);
    assert_eq!(seen.header("x-tag"), ["a", "b"]);
    assert!(seen.body() == hex(&payload), "the bytes are those that were sent");
    assert_eq!(front.script.end().await, 0, "one request");
}

pub(crate) async fn statuses_are_classified(via: Via) {
    let mut front = Front::clear(via).await;
    for (status, kind, effect) in [
        (400, ErrorKind::Rejected, Effect::None),
        (401, ErrorKind::Unauthenticated, Effect::None),
        (403, ErrorKind::Forbidden, Effect::None),
        (404, ErrorKind::NotFound, Effect::None),
        (405, ErrorKind::Unsupported, Effect::None),
        (409, ErrorKind::Conflict, Effect::None),
        (429, ErrorKind::Throttled, Effect::None),
        (500, ErrorKind::Upstream, Effect::Maybe),
        (501, ErrorKind::Unsupported, Effect::None),
        (502, ErrorKind::Upstream, Effect::Maybe),
        (503, ErrorKind::Unavailable, Effect::Maybe),
        (504, ErrorKind::Upstream, Effect::Maybe),
    ] {
        let sink = post(&front, &front.url(&format!("/status/{status}")));
        let error = send(&sink, &Message::text("hello")).await.expect_err("it is refused");
        assert_eq!((error.kind(), error.effect()), (kind, effect), "{status}: {error}");
        assert_eq!(error.status().map(|status| status.code()), Some(status));
        let page = if via == Via::Node { "taken" } else { "Error response" };
        let excerpt = error.excerpt().unwrap_or_default();
        assert!(excerpt.contains(page), "{status}: the page of the server: {excerpt}");
        assert_eq!(front.next().await.body(), hex(b"hello"));
    }
}

pub(crate) async fn an_unknown_method_is_unsupported() {
    let mut front = Front::clear(Via::Python).await;
    let sink = HttpSink::request("PATCH", front.url("/")).build().expect("a sound sink");
    let error = send(&sink, &Message::text("hello")).await.expect_err("it is refused");
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Unsupported, Effect::None));
    assert_eq!(error.status().map(|status| status.code()), Some(501));

    let sink = HttpSink::request("PUT", front.url("/")).build().expect("a sound sink");
    send(&sink, &Message::text("hello")).await.expect("it is delivered");
    assert_eq!(front.next().await.text("method"), "PUT");
}

/// `python -m http.server` answers on HTTP/1.0, closes after each answer, and takes no POST.
pub(crate) async fn http_1_0_is_understood() {
    let server = Script::python_as_it_comes().await;
    let url = |path: &str| format!("http://127.0.0.1:{}{path}", server.port());

    let sink = HttpSink::post(url("/")).build().expect("a sound sink");
    for _ in 0..2 {
        let error = send(&sink, &Message::text("hello")).await.expect_err("it is refused");
        assert_eq!((error.kind(), error.effect()), (ErrorKind::Unsupported, Effect::None));
    }
    let sink = HttpSink::request("GET", url("/orders.proto")).build().expect("a sound sink");
    let receipt = send(&sink, &Message::bytes("")).await.expect("it is delivered");
    assert!(receipt.body().starts_with(b"// What the gRPC server"), "the file");
    let sink = HttpSink::request("GET", url("/missing")).build().expect("a sound sink");
    let error = send(&sink, &Message::bytes("")).await.expect_err("it is not there");
    assert_eq!((error.kind(), error.effect()), (ErrorKind::NotFound, Effect::None));
}

pub(crate) async fn a_big_answer_is_cut(via: Via) {
    let mut front = Front::clear(via).await;
    let client = client(front.certificates.authority(), HttpVersion::Negotiate);
    let sink = |path| HttpSink::post(front.url(path)).client(&client).build();
    let (big, other) = (sink("/big/5000000"), sink("/"));
    let big = big.expect("a sound sink");
    let receipt = send(&big, &Message::text("hello")).await.expect("it is delivered");
    assert_eq!(receipt.body_state(), BodyState::Cut);
    assert_eq!(receipt.body().len(), 64 * 1024);
    // The rest was not read, and the next send of the same client is not disturbed by it.
    let receipt = send(&other.expect("a sound sink"), &Message::text("hello")).await;
    let answer: Value = receipt.expect("it is delivered").json().expect("an answer in JSON");
    assert_eq!(answer, json!({ "taken": 5 }));
    front.next().await;
    assert_eq!(front.next().await.text("target"), "/");
    assert_eq!(front.script.end().await, 0, "two requests");
}

pub(crate) async fn a_close_without_an_answer_is_ambiguous() {
    let mut front = Front::clear(Via::Python).await;
    let sink = post(&front, &front.url("/closed"));
    let error = send(&sink, &Message::text("hello")).await.expect_err("there is no answer");
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Interrupted, Effect::Maybe), "{error}");
    front.next().await;
    assert_eq!(front.script.end().await, 0, "it was not sent again");
}

pub(crate) async fn an_answer_that_breaks_off_is_delivered() {
    let mut front = Front::clear(Via::Python).await;
    let sink = post(&front, &front.url("/short"));
    let receipt = send(&sink, &Message::text("hello")).await.expect("the head says 200");
    assert_eq!(receipt.body_state(), BodyState::Broken);
    assert_eq!(receipt.body().as_ref(), b"{\"taken\":");
    front.next().await;
    assert_eq!(front.script.end().await, 0, "it was not sent again");
}

/// nginx answers for what is behind it: 403, 413 before it has read the whole body, 502.
pub(crate) async fn a_proxy_that_refuses_by_itself_is_classified() {
    let mut front = Front::clear(Via::Nginx).await;
    let large = "x".repeat(500_000);
    for (path, body, status, kind, effect) in [
        ("/forbidden", "hello", 403, ErrorKind::Forbidden, Effect::None),
        ("/small", large.as_str(), 413, ErrorKind::TooLarge, Effect::None),
        ("/unreachable", "hello", 502, ErrorKind::Upstream, Effect::Maybe),
    ] {
        let sink = post(&front, &front.url(path));
        let error = send(&sink, &Message::text(body)).await.expect_err("it is refused");
        assert_eq!((error.kind(), error.effect()), (kind, effect), "{path}: {error}");
        assert_eq!(error.status().map(|status| status.code()), Some(status), "{path}");
        assert!(error.excerpt().unwrap_or_default().contains("nginx"), "{path}: {error:?}");
    }
    assert_eq!(front.script.end().await, 0, "nothing went through");
}

pub(crate) async fn a_redirect_is_reported_and_not_followed() {
    let mut front = Front::clear(Via::Nginx).await;
    let sink = post(&front, &front.url("/moved"));
    let error = send(&sink, &Message::text("hello")).await.expect_err("it is not followed");
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Redirected, Effect::None));
    let mut context = error.context();
    assert!(context.any(|(_, value)| value.contains("/elsewhere")), "{error}");
    assert_eq!(front.script.end().await, 0, "nothing went through");
}
