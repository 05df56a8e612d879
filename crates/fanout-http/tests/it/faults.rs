//! Servers that break off, stall, or speak nonsense, at every point.

use std::time::{Duration, Instant};

use fanout::{Attempt, BodyState, Effect, ErrorKind, Message, Sink, TimeoutScope};

use crate::server::Server;
use crate::{post, refusal, send};

const SOON: Duration = Duration::from_millis(150);

/// Far more than `SOON`, far less than any default.
const LATE: Duration = Duration::from_secs(2);

#[tokio::test]
async fn silence_after_the_request_is_a_timeout_that_may_have_had_an_effect() {
    let server = Server::start(|mut conn| async move {
        conn.request().await;
        conn.closed().await;
    })
    .await;
    for payload in ["", "payload"] {
        let started = Instant::now();
        let sink = post(server.url("/")).timeout(SOON).build().unwrap();
        let error = refusal(&sink, &Message::text(payload)).await;
        assert_eq!(error.kind(), ErrorKind::Timeout);
        assert_eq!(error.scope(), Some(TimeoutScope::Attempt));
        assert_eq!(error.effect(), Effect::Maybe);
        assert!(started.elapsed() < LATE);
    }
}

#[tokio::test]
async fn silence_while_connecting_is_a_timeout_without_effect() {
    let server = Server::start(|mut conn| async move { conn.closed().await }).await;
    let url = format!("https://{}/", server.addr);
    let error =
        refusal(&post(url.clone()).timeout(SOON).build().unwrap(), &Message::text("x")).await;
    assert_eq!(error.scope(), Some(TimeoutScope::Attempt));
    assert_eq!(error.effect(), Effect::None);

    let own = fanout_http::HttpSink::post(url).connect_timeout(SOON).build().unwrap();
    let error = refusal(&own, &Message::text("x")).await;
    assert_eq!(error.scope(), Some(TimeoutScope::Connect));
    assert_eq!(error.effect(), Effect::None);
}

#[tokio::test]
async fn an_earlier_deadline_of_the_attempt_counts() {
    let server = Server::start(|mut conn| async move { conn.closed().await }).await;
    let sink = post(server.url("/")).build().unwrap();
    let message = Message::text("x");
    let deadline = tokio::time::Instant::now() + SOON;
    let attempt = Attempt::first("sink", &message).with_deadline(deadline);
    let started = Instant::now();
    let error = sink.send(&message, &attempt).await.unwrap_err();
    assert_eq!(error.scope(), Some(TimeoutScope::Attempt));
    assert!(started.elapsed() < LATE);
}

#[tokio::test]
async fn a_body_that_stalls_or_breaks_after_success_is_delivered_and_incomplete() {
    for stall in [true, false] {
        let server = Server::start(move |mut conn| async move {
            conn.request().await;
            conn.write("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf").await;
            if stall {
                conn.closed().await;
            }
        })
        .await;
        let started = Instant::now();
        let sink = post(server.url("/")).timeout(SOON).build().unwrap();
        let receipt = send(&sink, &Message::text("x")).await.unwrap();
        assert_eq!(receipt.body_state(), BodyState::Broken);
        assert_eq!(receipt.body(), "half");
        assert!(started.elapsed() < LATE);
        let error = receipt.json::<String>().unwrap_err();
        assert_eq!((error.kind(), error.effect()), (ErrorKind::Protocol, Effect::Done));
    }
}

#[tokio::test]
async fn a_body_that_breaks_after_a_refusal_changes_nothing() {
    let server = Server::start(|mut conn| async move {
        conn.request().await;
        conn.write("HTTP/1.1 422 No\r\ncontent-length: 100\r\n\r\nthe total is").await;
    })
    .await;
    let error = refusal(&post(server.url("/")).build().unwrap(), &Message::text("x")).await;
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Rejected, Effect::None));
    assert_eq!(error.excerpt(), Some("the total is"));
}

#[tokio::test]
async fn a_connection_that_ends_before_the_answer_is_interrupted() {
    for reset in [true, false] {
        for head in
            ["", "HTTP/1.1", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\ncontent-length: 1\r\n"]
        {
            let server = Server::start(move |mut conn| async move {
                conn.request().await;
                conn.write(head).await;
                if reset {
                    conn.reset();
                }
            })
            .await;
            let error = refusal(&post(server.url("/")).build().unwrap(), &Message::text("x")).await;
            let got = (error.kind(), error.effect());
            assert_eq!(got, (ErrorKind::Interrupted, Effect::Maybe), "{head:?} {reset}: {error}");
            assert_eq!(server.requests().len(), 1, "no hidden retry");
        }
    }
}

#[tokio::test]
async fn nonsense_is_a_protocol_error() {
    for nonsense in ["hello\r\n\r\n", "HTTP/9.9 200 OK\r\n\r\n", "HTTP/1.1 20 OK\r\n\r\n"] {
        let server = Server::answering(nonsense).await;
        let error = refusal(&post(server.url("/")).build().unwrap(), &Message::text("x")).await;
        let got = (error.kind(), error.effect());
        assert_eq!(got, (ErrorKind::Protocol, Effect::Maybe), "{nonsense:?}: {error}");
    }
}

#[tokio::test]
async fn an_endless_body_is_left_at_the_limit() {
    let server = Server::start(|mut conn| async move {
        conn.request().await;
        conn.write("HTTP/1.1 200 OK\r\n\r\n").await;
        let chunk = "x".repeat(8_192);
        for _ in 0..1_000_000 {
            conn.write(&chunk).await;
            tokio::task::yield_now().await;
        }
    })
    .await;
    let sink = post(server.url("/")).max_receipt_body(1_000).build().unwrap();
    let receipt = send(&sink, &Message::text("x")).await.unwrap();
    assert_eq!((receipt.body().len(), receipt.body_state()), (1_000, BodyState::Cut));
}

#[tokio::test]
async fn nobody_there_is_a_failed_connect_that_names_the_place() {
    let addr = {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap()
    };
    let sink = post(format!("http://{addr}/a?key=s3cret")).build().unwrap();
    let error = refusal(&sink, &Message::text("x")).await;
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Connect, Effect::None));
    assert_eq!(error.to_chain(), format!("connection refused (endpoint: {addr})"));
}

#[tokio::test]
async fn a_timeout_beyond_the_clock_is_no_reason_to_panic() {
    let server = Server::start(|mut conn| async move {
        conn.request().await;
        conn.write("HTTP/1.1 204 No Content\r\n\r\n").await;
        conn.closed().await;
    })
    .await;
    let sink = post(server.url("/")).timeout(Duration::MAX).build().unwrap();
    send(&sink, &Message::text("x")).await.unwrap();
}

#[tokio::test]
async fn a_refusal_does_not_wait_long_for_its_body() {
    let server = Server::start(|mut conn| async move {
        conn.request().await;
        conn.write("HTTP/1.1 404 Not Found\r\ncontent-length: 9\r\n\r\nno").await;
        conn.closed().await;
    })
    .await;
    let started = Instant::now();
    let error = refusal(&post(server.url("/")).build().unwrap(), &Message::text("x")).await;
    assert_eq!((error.kind(), error.excerpt()), (ErrorKind::NotFound, Some("no")));
    // The timeout of the attempt is 10 s.
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
}
