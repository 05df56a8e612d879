//! What goes wrong without a status: time, pages, broken streams, nobody there.

use std::time::Duration;

use fanout::{Attempt, Effect, ErrorKind, RetryAdvice, Sink as _, TimeoutScope};
use fanout_grpc::GrpcSink;
use http_body_util::{BodyExt as _, StreamBody};
use tokio::net::TcpListener;
use tokio::time::Instant;
use tonic::body::Body;

use crate::server::{Server, always, failure, frame, order, page, raw};

#[tokio::test]
async fn a_server_that_says_nothing_is_a_timeout_and_the_effect_is_open() {
    let server = Server::start(|_| Box::pin(std::future::pending())).await;
    let error = failure(server.place().timeout(Duration::from_millis(500))).await;
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert_eq!(error.scope(), Some(TimeoutScope::Attempt));
    assert_eq!((error.effect(), error.advice()), (Effect::Maybe, RetryAdvice::Backoff));
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn a_deadline_of_the_attempt_counts_when_it_is_earlier() {
    let server = Server::start(|_| Box::pin(std::future::pending())).await;
    let sink = server.place().build().unwrap();
    let message = order("a", 1);
    let started = Instant::now();
    let attempt = Attempt::first("s", &message).with_deadline(started + Duration::from_millis(500));
    let error = sink.send(&message, &attempt).await.expect_err("a timeout");
    assert_eq!(error.scope(), Some(TimeoutScope::Attempt));
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn a_server_that_never_shakes_hands_is_a_timeout_without_effect() {
    // The system accepts the connection; nobody answers the TLS handshake.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("grpcs://{}", listener.local_addr().unwrap());
    let sink = GrpcSink::unary(url, "a.B/C").timeout(Duration::from_millis(500));
    let error = failure(sink).await;
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert_eq!(error.effect(), Effect::None);
}

#[tokio::test]
async fn an_answer_that_stalls_in_its_body_is_a_timeout() {
    let server = Server::start(|_| {
        Box::pin(async {
            let head = futures_util::stream::once(async {
                Ok::<_, tonic::Status>(http_body::Frame::data(frame(b"")))
            });
            let stalled = futures_util::StreamExt::chain(head, futures_util::stream::pending());
            raw(&[], "", &[]).map(|_| Body::new(StreamBody::new(stalled)))
        })
    })
    .await;
    let error = failure(server.place().timeout(Duration::from_millis(500))).await;
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Timeout, Effect::Maybe));
    assert_eq!(error.scope(), Some(TimeoutScope::Attempt));
}

#[tokio::test]
async fn nobody_there_is_a_connect_error() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let error = failure(GrpcSink::unary(format!("grpc://{address}"), "a.B/C")).await;
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Connect, Effect::None));
    assert_eq!(error.advice(), RetryAdvice::Backoff);
    assert!(error.to_string().contains(&address.to_string()), "{error}");
}

#[tokio::test]
async fn a_stream_without_trailers_is_a_protocol_error() {
    for body in [frame(b""), bytes::Bytes::new(), frame(b"abc").slice(..6)] {
        let server = always(move || raw(&[], body.clone(), &[])).await;
        let error = failure(server.place()).await;
        assert_eq!((error.kind(), error.effect()), (ErrorKind::Protocol, Effect::Maybe));
        assert_eq!(error.advice(), RetryAdvice::Backoff);
    }
}

#[tokio::test]
async fn a_stream_that_is_reset_is_interrupted() {
    let server = Server::start(|request| {
        Box::pin(async {
            drop(request.into_body().collect().await);
            let broken = futures_util::stream::once(async {
                Err::<http_body::Frame<bytes::Bytes>, _>(tonic::Status::internal("broken"))
            });
            raw(&[], "", &[]).map(|_| Body::new(StreamBody::new(broken)))
        })
    })
    .await;
    let error = failure(server.place()).await;
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Interrupted, Effect::Maybe));
}

#[tokio::test]
async fn ok_without_a_reply_was_applied_but_the_answer_is_lost() {
    for trailing in [true, false] {
        let server = always(move || match trailing {
            true => raw(&[], "", &[("grpc-status", "0")]),
            false => raw(&[("grpc-status", "0")], "", &[]),
        })
        .await;
        let error = failure(server.place()).await;
        assert_eq!((error.kind(), error.effect()), (ErrorKind::Protocol, Effect::Done));
        assert_eq!(error.advice(), RetryAdvice::Never);
    }
}

#[tokio::test]
async fn an_error_page_of_a_proxy_is_judged_by_its_http_status() {
    use ErrorKind::{Forbidden, NotFound, Protocol, Unauthenticated, Unavailable};
    let html = "<html>\n<h1>busy</h1>";
    for (status, kind, effect) in [
        (503, Unavailable, Effect::Maybe),
        (502, Unavailable, Effect::Maybe),
        (429, Unavailable, Effect::None),
        (404, NotFound, Effect::None),
        (403, Forbidden, Effect::None),
        (401, Unauthenticated, Effect::None),
        (400, Protocol, Effect::Maybe),
        (500, Protocol, Effect::Maybe),
        (302, Protocol, Effect::Maybe),
        (200, Protocol, Effect::Maybe),
    ] {
        let server = always(move || page(status, &[], html)).await;
        let error = failure(server.place()).await;
        assert_eq!((error.kind(), error.effect()), (kind, effect), "{status}");
        assert_eq!(error.excerpt(), Some("<html> <h1>busy</h1>"), "{status}");
    }
    let server = always(move || page(503, &[("retry-after", "7")], html)).await;
    let error = failure(server.place()).await;
    assert_eq!(error.advice(), RetryAdvice::After(Duration::from_secs(7)));
    assert_eq!(error.effect(), Effect::None);
}

#[tokio::test]
async fn an_error_page_with_a_status_of_grpc_is_grpc() {
    let server = always(|| page(503, &[("grpc-status", "8")], "")).await;
    assert_eq!(failure(server.place()).await.kind(), ErrorKind::Throttled);
}

#[tokio::test]
async fn metadata_that_cannot_be_sent_is_refused_before_anything_is() {
    let server = Server::echo().await;
    let sink = server.place().build().unwrap();
    for (name, value) in [("grpc-timeout", "1S"), ("a b", "x"), ("x-bin", "%%"), ("x", "é")] {
        let message = order("a", 1).with_metadata(name, value);
        let error = crate::server::send(&sink, &message).await.expect_err(name);
        assert_eq!((error.kind(), error.effect()), (ErrorKind::Build, Effect::None), "{name}");
    }
    assert!(server.requests().is_empty());
}
