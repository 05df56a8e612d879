//! What comes back, status by status.

use std::time::Duration;

use fanout::{BodyState, Effect, ErrorKind, Message, RetryAdvice};
use fanout_http::{Class, Hints, classify};

use crate::server::{OK, Server};
use crate::{post, refusal, send};

/// Answers with the status that the path names.
async fn statuses() -> Server {
    Server::start(|mut conn| async move {
        while let Some(request) = conn.request().await {
            let code = request.split(['/', ' ']).nth(2).unwrap();
            conn.write(&format!("HTTP/1.1 {code} Words\r\ncontent-length: 0\r\n\r\n")).await;
        }
    })
    .await
}

#[tokio::test]
async fn every_status_arrives_as_the_table_says() {
    let server = statuses().await;
    let client = crate::client();
    let message = Message::text("x");
    for code in (200..=620).chain([999]) {
        let sink = post(server.url(&format!("/{code}"))).client(&client).build().unwrap();
        let got = send(&sink, &message).await;
        match (classify(code, Hints::default()), got) {
            (Class::Delivered, Ok(receipt)) => assert!(!receipt.is_accepted(), "{code}"),
            (Class::Accepted, Ok(receipt)) => assert!(receipt.is_accepted(), "{code}"),
            (Class::Failed { kind, effect, advice, .. }, Err(error)) => {
                let got = (error.kind(), error.effect(), error.advice());
                // The table says once with a fresh credential, and this sink has none to fetch.
                let advice = if matches!(code, 401 | 407) { RetryAdvice::Never } else { advice };
                assert_eq!(got, (kind, effect, advice), "{code}");
                assert_eq!(error.status().unwrap().code(), code);
                assert!(error.message().contains(&code.to_string()), "{error}");
            }
            (class, got) => panic!("{code}: {class:?}, {got:?}"),
        }
    }
    // Another one after 408, and after 421.
    assert_eq!(server.connections(), 3);
}

#[tokio::test]
async fn a_refusal_is_quoted_and_reads_well() {
    let answer = "HTTP/1.1 401 Nope\r\ncontent-length: 13\r\n\r\ntoken expired";
    let server = Server::answering(answer).await;
    let sink = post(server.url("/a?key=s3cret")).header("authorization", "s3cret").build().unwrap();
    let error = refusal(&sink, &Message::text("s3cret")).await;
    let expected = format!(
        "the server answered 401 Unauthorized: credentials are missing or not accepted \
         (endpoint: {})",
        server.addr
    );
    assert_eq!(error.to_chain(), expected);
    assert_eq!(error.excerpt(), Some("token expired"));
    assert!(!format!("{error:?}").contains("s3cret"));
}

#[tokio::test]
async fn redirects_are_reported_and_not_followed() {
    let other = Server::answering(OK).await;
    for code in [301, 302, 303, 307, 308] {
        let location = other.url("/login?next=s3cret");
        let server = Server::answering(format!(
            "HTTP/1.1 {code} Moved\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n"
        ))
        .await;
        let sink = post(server.url("/")).header("authorization", "s3cret").build().unwrap();
        let error = refusal(&sink, &Message::text("x")).await;
        assert_eq!((error.kind(), error.effect()), (ErrorKind::Redirected, Effect::None));
        let told = error.context().find(|(key, _)| *key == "location").unwrap().1.to_owned();
        assert_eq!(told, other.url("/login"));
    }
    assert_eq!(other.connections(), 0);
}

#[tokio::test]
async fn a_server_that_says_when_is_believed() {
    let answer = "HTTP/1.1 503 Busy\r\nretry-after: 7\r\ncontent-length: 0\r\n\r\n";
    let server = Server::answering(answer).await;
    let error = refusal(&post(server.url("/")).build().unwrap(), &Message::text("x")).await;
    assert_eq!(error.advice(), RetryAdvice::After(Duration::from_secs(7)));
    assert_eq!(error.effect(), Effect::None);
}

#[tokio::test]
async fn informational_answers_are_waited_through() {
    let hints = "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n";
    let server = Server::answering(format!("HTTP/1.1 102 Processing\r\n\r\n{hints}{OK}")).await;
    let receipt = send(&post(server.url("/")).build().unwrap(), &Message::text("x")).await.unwrap();
    assert_eq!(receipt.status().unwrap().code(), 200);
}

#[tokio::test]
async fn notices_tell_what_is_odd() {
    let partial = Server::answering("HTTP/1.1 206 Partial\r\ncontent-length: 0\r\n\r\n").await;
    let sink = post(partial.url("/")).build().unwrap();
    let receipt = send(&sink, &Message::text("x")).await.unwrap();
    assert!(receipt.notices().any(|notice| notice.contains("206")));
}

#[tokio::test]
async fn a_long_answer_is_cut_at_the_limit() {
    let body = "x".repeat(100_000);
    let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    let server = Server::answering(answer).await;
    let message = Message::text("x");
    for (limit, kept, state) in [
        (None, 65_536, BodyState::Cut),
        (Some(100_000), 100_000, BodyState::Complete),
        (Some(99_999), 99_999, BodyState::Cut),
        (Some(0), 0, BodyState::Cut),
    ] {
        let builder = post(server.url("/"));
        let builder = match limit {
            Some(limit) => builder.max_receipt_body(limit),
            None => builder,
        };
        let receipt = send(&builder.build().unwrap(), &message).await.unwrap();
        assert_eq!((receipt.body().len(), receipt.body_state()), (kept, state));
    }
}
