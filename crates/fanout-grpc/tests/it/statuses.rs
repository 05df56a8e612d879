//! Statuses that a server sends, by tonic and raw, and what they advise.

use std::time::Duration;

use fanout::{Effect, ErrorKind, RetryAdvice};
use tonic::{Code, Status};

use crate::server::{Server, always, by_tonic, failure, frame, raw};

#[tokio::test]
async fn every_code_of_a_tonic_server_means_what_the_table_says() {
    let server = Server::start(|request| {
        Box::pin(by_tonic(request, |order| {
            Err(Status::new(Code::from_i32(i32::try_from(order.total).unwrap()), "why so"))
        }))
    })
    .await;
    let sink = server.place().build().unwrap();
    for code in 1..=16_u16 {
        let message = crate::server::order("a", code.into());
        let error = crate::server::send(&sink, &message).await.expect_err("a status");
        let expected = fanout_grpc::classify::classify_status(code, &Default::default()).unwrap();
        assert_eq!(error.kind(), expected.kind(), "{code}");
        assert_eq!(error.effect(), expected.effect(), "{code}");
        // The table says once with a fresh credential, and this sink has none to fetch.
        let advice = if code == 16 { RetryAdvice::Never } else { expected.advice() };
        assert_eq!(error.advice(), advice, "{code}");
        assert_eq!(error.scope(), expected.scope(), "{code}");
        assert_eq!(error.status(), expected.status(), "{code}");
        assert_eq!(error.excerpt(), Some("why so"), "{code}");
        assert!(!error.possibly_done(), "{code}");
        let text = error.to_string();
        assert!(text.contains("shop.v1.Orders/Place") && text.contains("127.0.0.1"), "{text}");
        assert!(!text.contains("why so"), "what the server says is an excerpt: {text}");
    }
}

#[tokio::test]
async fn codes_that_are_not_defined_are_unknown_and_keep_their_number() {
    for (sent, code) in [("17", 17), ("99", 99), ("65535", 65_535), ("70000", 2), ("abc", 2)] {
        // With the head alone, and behind a body.
        for trailing in [false, true] {
            let server = always(move || match trailing {
                true => raw(&[], "", &[("grpc-status", sent), ("grpc-message", "a%20b")]),
                false => raw(&[("grpc-status", sent), ("grpc-message", "a%20b")], "", &[]),
            })
            .await;
            let error = failure(server.place()).await;
            assert_eq!((error.kind(), error.effect()), (ErrorKind::Upstream, Effect::Maybe));
            assert_eq!(error.advice(), RetryAdvice::Never);
            let status = error.status().unwrap();
            assert_eq!((status.code(), status.name()), (code, "UNKNOWN"));
            assert_eq!(error.excerpt(), Some("a b"));
        }
    }
}

#[tokio::test]
async fn a_status_behind_a_message_counts() {
    let server = always(|| raw(&[], frame(b""), &[("grpc-status", "5")])).await;
    assert_eq!(failure(server.place()).await.kind(), ErrorKind::NotFound);
}

async fn advice(
    code: &'static str,
    name: &'static str,
    value: &'static str,
) -> (Effect, RetryAdvice) {
    let server = always(move || raw(&[("grpc-status", code), (name, value)], "", &[])).await;
    let error = failure(server.place()).await;
    (error.effect(), error.advice())
}

#[tokio::test]
async fn a_credential_that_was_refused_is_not_offered_again() {
    assert_eq!(advice("16", "x-any", "any").await, (Effect::None, RetryAdvice::Never));
}

#[tokio::test]
async fn pushback_and_retry_info_reach_the_advice() {
    let exactly = |ms| RetryAdvice::Exactly(Duration::from_millis(ms));
    assert_eq!(advice("8", "grpc-retry-pushback-ms", "250").await, (Effect::None, exactly(250)));
    assert_eq!(advice("14", "grpc-retry-pushback-ms", "250").await, (Effect::None, exactly(250)));
    assert_eq!(advice("14", "x-other", "250").await, (Effect::Maybe, RetryAdvice::Backoff));
    assert_eq!(advice("4", "grpc-retry-pushback-ms", "9").await, (Effect::Maybe, exactly(9)));
    for forbidding in ["-1", "abc", ""] {
        let (_, advice) = advice("14", "grpc-retry-pushback-ms", forbidding).await;
        assert_eq!(advice, RetryAdvice::Forbidden, "{forbidding:?}");
    }
    let info = retry_info(3);
    let server =
        always(move || raw(&[], "", &[("grpc-status", "8"), ("grpc-status-details-bin", &info)]))
            .await;
    let advice = failure(server.place()).await.advice();
    assert_eq!(advice, RetryAdvice::After(Duration::from_secs(3)));
}

/// `google.rpc.Status` with a `RetryInfo`, written by hand so that it shares no code with the reader.
fn retry_info(seconds: u8) -> String {
    let url = b"type.googleapis.com/google.rpc.RetryInfo";
    let duration = [0x08, seconds];
    let info = [&[0x0a, duration.len() as u8][..], &duration].concat();
    let any = [&[0x0a, url.len() as u8][..], url, &[0x12, info.len() as u8], &info].concat();
    let status = [&[0x08, 8, 0x1a, any.len() as u8][..], &any].concat();
    base64(&status)
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let bits = group.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte))
            << (8 * (3 - group.len()));
        for digit in 0..=group.len() {
            text.push(DIGITS[(bits >> (18 - 6 * digit) & 63) as usize] as char);
        }
    }
    text
}
