//! Signed requests, verified as a receiver does: what is signed, when it is signed again, what is refused.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fanout::policy::all;
use fanout::resilience::Resilience;
use fanout::{Effect, ErrorKind, FanOut, Idempotency, Message, SinkExt};
use fanout_http::{Compression, HttpSink, Redirects, Signer};
use fanout_webhook::{Verified, Verifier, VerifyError};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use crate::server::{OK, Server};
use crate::{client, post, refusal, send};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const OTHER: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

/// Signs at 1000 s after 1970 first, and ten minutes later each time.
fn signer() -> Signer {
    let times = Arc::new(AtomicU64::new(1_000));
    Signer::new(SECRET).unwrap().clock(move || at(times.fetch_add(600, Ordering::SeqCst)))
}

async fn answering(statuses: &[u16]) -> MockServer {
    let server = MockServer::start().await;
    let (last, first) = statuses.split_last().unwrap();
    for status in first {
        let answer = ResponseTemplate::new(*status);
        Mock::given(any()).respond_with(answer).up_to_n_times(1).mount(&server).await;
    }
    Mock::given(any()).respond_with(ResponseTemplate::new(*last)).mount(&server).await;
    server
}

async fn requests(server: &MockServer) -> Vec<Request> {
    server.received_requests().await.unwrap()
}

fn verified(request: &Request, now: u64) -> Result<Verified, VerifyError> {
    Verifier::new(SECRET).unwrap().verify_at(&request.headers, &request.body, at(now))
}

#[tokio::test]
async fn each_attempt_is_signed_again_under_the_same_id() {
    let server = answering(&[500, 503, 200]).await;
    let sink = post(server.uri()).sign(signer()).idempotency(Idempotency::Key).build().unwrap();
    let quick = Resilience::default().backoff_base(Duration::from_millis(1));
    let hooks = FanOut::builder(all()).sink("hook", sink.resilient(quick).unwrap());
    let message = Message::text("paid");
    let report = hooks.build().unwrap().send(&message).await;
    assert!(report.is_satisfied(), "{report}");

    let requests = requests(&server).await;
    assert_eq!(requests.len(), 3);
    for (request, time) in requests.iter().zip([1_000, 1_600, 2_200]) {
        let verified = verified(request, time).unwrap();
        assert_eq!(verified.id(), format!("msg_{}", message.id()));
        assert_eq!(verified.time(), at(time));
    }
}

#[tokio::test]
async fn by_the_system_clock_it_is_now() {
    let server = answering(&[200]).await;
    let sink = post(server.uri()).sign(Signer::new(SECRET).unwrap()).build().unwrap();
    send(&sink, &Message::text("x")).await.unwrap();
    let requests = requests(&server).await;
    let verifier = Verifier::new(SECRET).unwrap();
    verifier.verify(&requests[0].headers, &requests[0].body).unwrap();
}

#[tokio::test]
async fn the_very_bytes_of_the_body_are_signed() {
    let server = answering(&[200]).await;
    let all_bytes: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    for (method, payload) in [
        ("POST", &b""[..]),
        ("GET", b""),
        ("DELETE", b""),
        ("POST", b"{ \"b\": 1,  \"a\": 1.0 }"),
        ("PUT", &all_bytes),
    ] {
        let sink = HttpSink::request(method, server.uri()).client(&client());
        let sink = sink.sign(signer()).build().unwrap();
        send(&sink, &Message::bytes(payload.to_vec())).await.unwrap();
        let request = requests(&server).await.pop().unwrap();
        assert_eq!(request.body, payload);
        verified(&request, 1_000).unwrap();
    }
}

#[tokio::test]
async fn all_sinks_tell_the_same_id_and_each_signs_with_its_own_keys() {
    let server = answering(&[200]).await;
    let sink = |keys: &str| {
        let signer = Signer::new(keys).unwrap().clock(|| at(1_000));
        post(server.uri()).sign(signer).build().unwrap()
    };
    let hooks = FanOut::builder(all())
        .sink("one", sink(SECRET))
        .sink("other", sink(OTHER))
        .sink("both", sink(&format!("{OTHER} {SECRET}")))
        .build()
        .unwrap();
    assert!(hooks.send(Message::text("x")).await.is_satisfied());
    let requests = requests(&server).await;
    let header = |request: &Request, name| request.headers[name].to_str().unwrap().to_owned();
    let ids: Vec<_> = requests.iter().map(|request| header(request, "webhook-id")).collect();
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    assert_eq!(requests.iter().filter(|request| verified(request, 1_000).is_ok()).count(), 2);
    let mut counts: Vec<_> = requests
        .iter()
        .map(|request| header(request, "webhook-signature").split(' ').count())
        .collect();
    counts.sort_unstable();
    assert_eq!(counts, [1, 1, 2]);
}

#[tokio::test]
async fn a_message_that_brings_headers_of_a_signature_is_not_sent() {
    let server = Server::answering(OK).await;
    let sink = post(server.url("/")).sign(signer()).build().unwrap();
    for name in ["webhook-id", "Webhook-Timestamp", "WEBHOOK-SIGNATURE"] {
        let message = Message::text("x").with_metadata(name, "s3cret");
        let error = refusal(&sink, &message).await;
        assert_eq!((error.kind(), error.effect()), (ErrorKind::Build, Effect::None));
        let text = format!("{} {error:?}", error.to_chain());
        assert!(text.contains(&name.to_lowercase()) && !text.contains("s3cret"), "{text}");
    }
    assert_eq!(server.connections(), 0);
    // Without a signer they are headers as any other.
    let sink = post(server.url("/")).build().unwrap();
    send(&sink, &Message::text("x").with_metadata("webhook-id", "msg_1")).await.unwrap();
    assert!(server.requests()[0].contains("webhook-id: msg_1\r\n"));
}

#[tokio::test]
async fn a_clock_that_is_wrong_by_decades_sends_nothing() {
    let server = Server::answering(OK).await;
    let signer = Signer::new(SECRET).unwrap().clock(|| UNIX_EPOCH - Duration::from_secs(1));
    let sink = post(server.url("/")).sign(signer).build().unwrap();
    let error = refusal(&sink, &Message::text("x")).await;
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Build, Effect::None));
    assert!(error.to_chain().contains("before 1970"), "{}", error.to_chain());
    assert_eq!(server.connections(), 0);
}

#[test]
fn what_does_not_go_with_signatures_is_refused_when_the_sink_is_built() {
    for (builder, expected) in [
        (HttpSink::post("https://h").header("Webhook-Id", "s3cret"), "header: webhook-id"),
        (HttpSink::post("https://h").header("webhook-signature", "s3cret"), "webhook-signature"),
        (HttpSink::post("https://h").compression(Compression::Gzip), "not compressed"),
    ] {
        let builder = builder.sign(signer());
        let shown = format!("{builder:?}");
        let error = builder.build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Build);
        let text = format!("{} {error:?} {shown}", error.to_chain());
        assert!(text.contains(expected) && !text.contains("s3cret"), "{text}");
    }
    let sink = HttpSink::post("https://h").sign(signer()).build().unwrap();
    let shown = format!("{sink:?}");
    assert!(!shown.contains("MfKQ") && !shown.contains("whsec"), "{shown}");
}

#[tokio::test]
async fn a_redirect_takes_the_signature_along_at_the_same_origin_only() {
    let other = Server::answering(OK).await;
    let to = |location: String| {
        format!("HTTP/1.1 307 Elsewhere\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n")
    };
    let away = Server::answering(to(other.url("/v2"))).await;
    let sink = post(away.url("/")).sign(signer()).redirects(Redirects::any_origin());
    send(&sink.build().unwrap(), &Message::text("x")).await.unwrap();
    assert!(away.requests()[0].contains("webhook-signature: v1,"));
    let there = &other.requests()[0];
    assert!(there.ends_with("\r\n\r\nx") && !there.contains("webhook-"), "{there}");

    let near = Server::start_numbered(move |mut conn, count| {
        let moved = to("/v2".to_owned());
        async move {
            while conn.request().await.is_some() {
                let first = count.fetch_add(1, Ordering::SeqCst) == 0;
                conn.write(if first { &moved } else { OK }).await;
            }
        }
    })
    .await;
    let sink = post(near.url("/")).sign(signer()).redirects(Redirects::same_origin());
    send(&sink.build().unwrap(), &Message::text("x")).await.unwrap();
    let lines = |request: &str| {
        let lines: Vec<_> = request.lines().filter(|line| line.starts_with("webhook-")).collect();
        lines.join("\n")
    };
    let requests = near.requests();
    assert_eq!(requests.len(), 2);
    assert_eq!(lines(&requests[0]).lines().count(), 3);
    assert_eq!(lines(&requests[0]), lines(&requests[1]));
}

#[cfg(feature = "tower")]
#[tokio::test]
async fn a_tower_service_gets_signed_requests() {
    use http_body_util::{BodyExt as _, Full};

    let service = tower::service_fn(|request: http::Request<Full<bytes::Bytes>>| async move {
        let (head, body) = request.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let verifier = Verifier::new(SECRET).unwrap();
        let found = verifier
            .verify_at(&head.headers, &body, at(1_000))
            .map(|found| Full::new(bytes::Bytes::from(found.id().to_owned())));
        found.map(http::Response::new)
    });
    let sink = HttpSink::post("https://h/").sign(signer()).service(service).build().unwrap();
    let message = Message::text("hello");
    let receipt = send(&sink, &message).await.unwrap();
    assert_eq!(receipt.body(), &format!("msg_{}", message.id()));
}
