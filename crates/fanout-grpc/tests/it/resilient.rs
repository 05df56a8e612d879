//! The sink below the pipeline: pushback, keys, and what is tried again over real streams.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fanout::policy::all;
use fanout::resilience::Resilience;
use fanout::{Delivery, Effect, ErrorKind, FanOut, Report, RetryAdvice, SinkExt as _, StopReason};
use fanout_grpc::{GrpcSink, GrpcSinkBuilder, Idempotency};
use http::Response;
use http_body_util::BodyExt as _;
use tokio::net::TcpListener;
use tokio::time::Instant;
use tonic::body::Body;

use crate::server::{Server, frame, order, raw};

/// Pauses of a few milliseconds, so that a test need not wait for those between attempts.
fn quick() -> Resilience {
    let ms = Duration::from_millis;
    Resilience::default().backoff_base(ms(1)).throttle_base(ms(1)).backoff_max(ms(5)).seed(7)
}

async fn one(sink: GrpcSinkBuilder) -> Report {
    let sink = sink.build().unwrap().resilient(quick()).unwrap();
    let fan_out = FanOut::builder(all()).sink("one", sink).build().unwrap();
    fan_out.send(order("a", 1)).await
}

fn only(report: &Report) -> &Delivery {
    report.get("one").unwrap()
}

/// When the requests came whole.
type Times = Arc<Mutex<Vec<Instant>>>;

/// Answers the first request so, and the others with an empty reply.
async fn first(answer: impl Fn() -> Response<Body> + Send + Sync + 'static) -> (Server, Times) {
    let times = Times::default();
    let (seen, answer) = (Arc::clone(&times), Arc::new(answer));
    let server = Server::start(move |request| {
        let (seen, answer) = (Arc::clone(&seen), Arc::clone(&answer));
        Box::pin(async move {
            drop(request.into_body().collect().await);
            let number = {
                let mut seen = seen.lock().unwrap();
                seen.push(Instant::now());
                seen.len()
            };
            if number == 1 { answer() } else { raw(&[], frame(b""), &[("grpc-status", "0")]) }
        })
    })
    .await;
    (server, times)
}

fn status(code: &str, more: &[(&'static str, &str)]) -> Response<Body> {
    let mut all = vec![("grpc-status", code)];
    all.extend_from_slice(more);
    raw(&all, "", &[])
}

// gRFC A6
#[tokio::test]
async fn a_pushback_is_waited_for_exactly_and_needs_no_repeatable_method() {
    let (server, times) = first(|| status("14", &[("grpc-retry-pushback-ms", "250")])).await;
    let asked = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&asked);
    let sink = server.place().build().unwrap().inspect(move |_, attempt, result| {
        let advice = result.as_ref().err().map(fanout::Error::advice);
        seen.lock().unwrap().push((attempt.number(), advice));
    });
    let sink = sink.resilient(quick()).unwrap();
    let fan_out = FanOut::builder(all()).sink("one", sink).build().unwrap();
    let report = fan_out.send(order("a", 1)).await;
    let delivery = only(&report);
    assert!(delivery.is_delivered(), "{report}");
    assert_eq!(delivery.attempts(), 2);
    // That nothing is added is shown under a paused clock, by the tests of the pipeline.
    let exactly = RetryAdvice::Exactly(Duration::from_millis(250));
    assert_eq!(*asked.lock().unwrap(), [(1, Some(exactly)), (2, None)]);
    {
        let times = times.lock().unwrap();
        assert_eq!(times.len(), 2);
        assert!(times[1] - times[0] >= Duration::from_millis(250), "{times:?}");
    }
    let requests = server.requests();
    assert!(!requests[0].1.contains_key("grpc-previous-rpc-attempts"));
    assert_eq!(requests[1].1["grpc-previous-rpc-attempts"], "1");
}

#[tokio::test]
async fn a_pushback_that_forbids_ends_the_send() {
    for value in ["-1", "abc"] {
        for code in ["14", "8"] {
            let (server, _) =
                first(move || status(code, &[("grpc-retry-pushback-ms", value)])).await;
            let report = one(server.place().idempotency(Idempotency::Always)).await;
            assert_eq!(only(&report).stop_reason(), Some(StopReason::ServerForbids), "{value}");
            assert_eq!(server.requests().len(), 1);
        }
    }
}

#[tokio::test]
async fn an_unclear_failure_is_tried_again_only_where_that_is_harmless() {
    for (mode, method, attempts) in [
        (Idempotency::Method, "Place", 1),
        (Idempotency::Method, "Find", 1),
        (Idempotency::Never, "Place", 1),
        (Idempotency::Always, "Place", 3),
        (Idempotency::Key, "Place", 3),
    ] {
        let server = crate::server::always(|| status("14", &[])).await;
        let sink = server.method(&format!("shop.v1.Orders/{method}")).idempotency(mode);
        let report = one(sink).await;
        let delivery = only(&report);
        assert_eq!((delivery.attempts(), delivery.effect()), (attempts, Effect::Maybe), "{mode}");
        let reason = if attempts == 1 {
            StopReason::AmbiguousNotIdempotent
        } else {
            StopReason::AttemptsExhausted
        };
        assert_eq!(delivery.stop_reason(), Some(reason), "{mode}");
        let requests = server.requests();
        assert_eq!(requests.len(), attempts as usize);
        let expected = format!("\"{}\"", delivery.idempotency_key());
        for (_, headers) in &requests {
            let key = headers.get("idempotency-key").map(|key| key.to_str().unwrap());
            assert_eq!(key, (mode == Idempotency::Key).then_some(&*expected), "{mode}");
        }
    }
}

#[tokio::test]
async fn an_order_that_exists_after_a_lost_answer_may_be_our_own() {
    let count = Arc::new(AtomicUsize::new(0));
    let server = Server::start(move |request| {
        let number = count.fetch_add(1, Ordering::SeqCst);
        Box::pin(async move {
            drop(request.into_body().collect().await);
            // No status: the order was taken, and nobody says so.
            if number == 0 { raw(&[], "", &[]) } else { status("6", &[]) }
        })
    })
    .await;
    let report = one(server.place().idempotency(Idempotency::Always)).await;
    let delivery = only(&report);
    let error = delivery.error().unwrap();
    assert_eq!((error.kind(), error.possibly_done()), (ErrorKind::Conflict, true));
    assert_eq!((delivery.attempts(), delivery.effect()), (2, Effect::Maybe));
}

#[tokio::test]
async fn nobody_there_is_tried_again_whatever_the_method_is() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let report = one(GrpcSink::unary(format!("grpc://{address}"), "a.B/C")).await;
    let delivery = only(&report);
    assert_eq!((delivery.attempts(), delivery.effect()), (3, Effect::None));
    assert_eq!(delivery.stop_reason(), Some(StopReason::AttemptsExhausted));
}
