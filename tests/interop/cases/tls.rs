//! HTTP over TLS: which version is spoken, and which certificates are refused.

use fanout::{Effect, ErrorKind, Message, RetryAdvice};
use fanout_http::HttpSink;
use fanout_net::HttpVersion;

use super::{client, hex, post, send};
use crate::servers::certificates::Certificates;
use crate::servers::front::{Front, Via};

pub(crate) async fn http2_is_negotiated(via: Via) {
    let mut front = Front::tls(via).await;
    // More than the initial window of HTTP/2, so that the server has to grant more.
    let payload: Vec<u8> = (0..=255).cycle().take(300_000).collect();
    let message = Message::bytes(payload.clone()).with_metadata("X-Tenant", "blue");
    let receipt = send(&post(&front, &front.url("/orders")), &message).await;
    receipt.expect("it is delivered");

    let seen = front.next().await;
    assert!(seen.body() == hex(&payload), "the bytes are those that were sent");
    assert_eq!(seen.header("x-tenant"), ["blue"]);
    if via == Via::Nginx {
        assert_eq!(protocol(&front).await, "HTTP/2.0");
    } else {
        assert_eq!(seen.text("version"), "HTTP/2.0");
    }
}

pub(crate) async fn http1_is_negotiated() {
    let mut front = Front::nginx_tls1().await;
    let sink = post(&front, &front.url("/"));
    send(&sink, &Message::text("hello")).await.expect("it is delivered");
    assert_eq!(front.next().await.body(), hex(b"hello"));
    assert_eq!(protocol(&front).await, "HTTP/1.1");
}

pub(crate) async fn http1_is_negotiated_without_http2() {
    let mut front = Front::tls(Via::Python).await;
    let sink = post(&front, &front.url("/"));
    send(&sink, &Message::text("hello")).await.expect("it is delivered");
    assert_eq!(front.next().await.text("version"), "HTTP/1.1");
}

pub(crate) async fn http1_can_be_demanded() {
    let front = Front::tls(Via::Nginx).await;
    let client = client(front.certificates.authority(), HttpVersion::Http1);
    let sink = HttpSink::post(front.url("/")).client(&client).build().expect("a sound sink");
    send(&sink, &Message::text("hello")).await.expect("it is delivered");
    assert_eq!(protocol(&front).await, "HTTP/1.1");
}

pub(crate) async fn another_name_is_refused(via: Via) {
    let mut front = Front::tls(via).await;
    let sink = post(&front, &front.url_of_address("/"));
    refused(&mut front, &sink).await;
}

pub(crate) async fn an_unknown_authority_is_refused(via: Via) {
    let mut front = Front::tls(via).await;
    let other = Certificates::new();
    let client = client(other.authority(), HttpVersion::Negotiate);
    let sink = HttpSink::post(front.url("/")).client(&client).build().expect("a sound sink");
    refused(&mut front, &sink).await;
}

async fn refused(front: &mut Front, sink: &HttpSink) {
    let error = send(sink, &Message::text("hello")).await.expect_err("it is refused");
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Tls, Effect::None), "{error}");
    assert_eq!(error.advice(), RetryAdvice::OtherSink);
    assert_eq!(front.script.end().await, 0, "nothing went through");
}

/// What the access log of nginx says of the one request.
async fn protocol(front: &Front) -> String {
    let accesses = front.of_nginx().accesses(1).await;
    assert_eq!(accesses.len(), 1, "one request: {accesses:?}");
    accesses[0].protocol.clone()
}
