//! What goes wrong on plain connections, and how it reads.

use std::time::Duration;

use fanout::{Effect, ErrorKind, RetryAdvice, TimeoutScope};
use fanout_net::{Client, HttpVersion, OutBody, Proxy};
use http::Request;
use tokio::time::Instant;

use crate::server::{OK, Server};
use crate::{client, failure, get, post};

#[tokio::test]
async fn a_refused_connection_says_so_and_where() {
    let addr = {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap()
    };
    let error = failure(client().send(post(&format!("http://{addr}/a?token=s3cret"), "x")).await);
    assert_eq!(error.kind(), ErrorKind::Connect);
    assert_eq!(error.effect(), Effect::None);
    assert_eq!(error.advice(), RetryAdvice::Backoff);
    assert_eq!(error.to_chain(), format!("connection refused (endpoint: {addr})"));
}

#[tokio::test]
async fn an_unknown_host_is_a_failed_connect() {
    let error = failure(client().send(get("http://does-not-exist.invalid/")).await);
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Connect, Effect::None));
    // A machine without name servers says that it cannot tell.
    let known = ["no such host", "name resolution failed"];
    assert!(known.iter().any(|text| error.message().starts_with(text)), "{error}");
    assert!(error.to_chain().ends_with("(endpoint: does-not-exist.invalid:80)"), "{error}");
}

// RFC 6761 section 6.3: plain text may go there, so nobody else may say where it is.
#[tokio::test]
async fn localhost_is_this_machine_without_asking() {
    let server = Server::answering(OK).await;
    let port = server.addr.port();
    for host in ["localhost", "LOCALHOST.", "no.such.name.localhost"] {
        let answer = client().send(get(&format!("http://{host}:{port}/"))).await.unwrap();
        assert_eq!(answer.status(), 200, "{host}");
    }
}

#[tokio::test]
async fn closed_after_the_request_is_interrupted_and_maybe() {
    let server = Server::start(|mut conn| async move {
        conn.request().await;
    })
    .await;
    for request in [post(&server.url("/"), "x"), get(&server.url("/"))] {
        let error = failure(client().send(request).await);
        assert_eq!(error.kind(), ErrorKind::Interrupted, "{error}");
        assert_eq!(error.effect(), Effect::Maybe, "{error}");
        assert_eq!(error.advice(), RetryAdvice::Backoff);
        assert!(error.message().starts_with("connection closed before the answer"), "{error}");
    }
}

#[tokio::test]
async fn closed_in_the_head_of_the_answer_is_interrupted_and_maybe() {
    let server = Server::start(|mut conn| async move {
        conn.request().await;
        conn.write("HTTP/1.1 200 OK\r\ncontent-le").await;
    })
    .await;
    let error = failure(client().send(post(&server.url("/"), "x")).await);
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Interrupted, Effect::Maybe), "{error}");
}

#[tokio::test]
async fn what_is_not_http_is_a_protocol_error() {
    for garbage in ["SSH-2.0-OpenSSH_9.6\r\n", "\0\0\0", "HTTP/1.1 banana\r\n\r\n", "220 smtp\r\n"]
    {
        let server = Server::start(move |mut conn| async move {
            conn.request().await;
            conn.write(garbage).await;
            conn.closed().await;
        })
        .await;
        let error = failure(client().send(post(&server.url("/"), "x")).await);
        assert_eq!((error.kind(), error.effect()), (ErrorKind::Protocol, Effect::Maybe), "{error}");
        assert!(error.message().starts_with("the answer is not valid HTTP: "), "{error}");
    }
}

#[tokio::test]
async fn a_deadline_knows_whether_the_request_left() {
    let limit = Duration::from_millis(150);
    let silent = Server::start(|mut conn| async move { conn.closed().await }).await;
    // Silence before the handshake is over: nothing was sent.
    let url = format!("https://{}/", silent.addr);
    let error = failure(client().send_by(post(&url, "x"), Some(Instant::now() + limit)).await);
    assert_eq!(error.scope(), Some(TimeoutScope::Attempt));
    assert_eq!(error.effect(), Effect::None);
    assert!(error.message().starts_with("no connection after 1"), "{error}");
    // Silence after the request: it may have been taken.
    for request in [post(&silent.url("/"), "x"), get(&silent.url("/"))] {
        let error = failure(client().send_by(request, Some(Instant::now() + limit)).await);
        assert_eq!(error.scope(), Some(TimeoutScope::Attempt));
        assert_eq!(error.effect(), Effect::Maybe);
        assert!(error.message().starts_with("no answer after 1"), "{error}");
    }
}

#[tokio::test]
async fn a_handshake_that_hangs_runs_into_the_connect_timeout() {
    let silent = Server::start(|mut conn| async move { conn.closed().await }).await;
    let limit = Duration::from_millis(100);
    let client = Client::builder().proxy(Proxy::none()).connect_timeout(limit).build().unwrap();
    let error = failure(client.send(post(&format!("https://{}/", silent.addr), "x")).await);
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Timeout, Effect::None));
    assert_eq!(error.scope(), Some(TimeoutScope::Connect));
    assert!(error.message().contains("100 ms: the TLS handshake did not end"), "{error}");
}

#[tokio::test]
async fn a_body_that_fails_leaves_the_request_incomplete() {
    let server = Server::start(|mut conn| async move {
        conn.request().await;
        conn.closed().await;
    })
    .await;
    let body = OutBody::stream(Failing);
    let request = Request::post(server.url("/")).body(body).unwrap();
    let error = failure(client().send(request).await);
    assert_eq!(error.kind(), ErrorKind::Interrupted, "{error}");
    assert!(error.message().contains("the body of the request failed: out of paper"), "{error}");
    assert!(server.log.whole().is_empty());
}

struct Failing;

impl http_body::Body for Failing {
    type Data = bytes::Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<bytes::Bytes>, std::io::Error>>> {
        std::task::Poll::Ready(Some(Err(std::io::Error::other("out of paper"))))
    }
}

#[tokio::test]
async fn a_relative_or_foreign_url_is_refused_before_anything_is_sent() {
    for url in ["/path", "ftp://h/", "http://user:s3cret@h/"] {
        let error = failure(client().send(get(url)).await);
        assert_eq!(error.kind(), ErrorKind::Build, "{url}");
        assert!(!format!("{error:?} {error}").contains("s3cret"));
    }
}

#[test]
fn impossible_settings_are_refused() {
    let check = |builder: fanout_net::ClientBuilder, expected: &str| {
        let error = builder.build().map(|_| ()).expect_err(expected);
        assert_eq!(error.kind(), ErrorKind::Build);
        assert!(error.message().contains(expected), "{error}");
    };
    check(Client::builder().connect_timeout(Duration::ZERO), "connect_timeout");
    check(Client::builder().pool_idle_timeout(Duration::ZERO), "pool_idle_timeout");
    check(Client::builder().http2_keep_alive(Duration::ZERO), "http2_keep_alive");
    check(Client::builder().root_certificates("nothing"), "no PEM certificate");
    check(Client::builder().client_identity("nothing", "s3cret"), "no PEM certificate");
    // Making one needs no runtime: it does no I/O.
    let client = Client::builder().http_version(HttpVersion::Http2).build().unwrap();
    assert_eq!(format!("{client:?}"), "Client { version: Http2, .. }");
}
