//! Retries in step with what a server asks for, by the clock and the counters of the server.

use std::collections::BTreeMap;
use std::time::Duration;

use fanout::policy::all;
use fanout::resilience::Resilience;
use fanout::{ErrorKind, FanOut, Idempotency, Message, Sink, SinkExt, StopReason};
use fanout_grpc::{GrpcSink, Schema};
use futures_util::future::join_all;
use serde_json::json;

use super::{post, send};
use crate::servers::front::{Front, Via};
use crate::servers::script::Script;

/// `limit_req` of nginx with 429 and `Retry-After: 1`. A POST, so nothing but the answer makes it safe.
pub(crate) async fn a_retry_after_is_waited_for() {
    let mut front = Front::clear(Via::Nginx).await;
    let sink = post(&front, &front.url("/limited"));
    send(&sink, &Message::text("the one of this second")).await.expect("it is delivered");
    let report = resilient(sink).send(Message::text("one too many")).await;

    assert!(report.is_satisfied(), "{report}");
    let delivery = report.get("one").expect("every sink has an entry");
    assert_eq!(delivery.attempts(), 2, "{report}");
    assert!(delivery.delay() >= Duration::from_secs(1), "{:?}", delivery.delay());

    let accesses = front.of_nginx().accesses(3).await;
    let statuses: Vec<_> = accesses.iter().map(|access| access.status).collect();
    assert_eq!(statuses, [200, 429, 200]);
    // nginx writes thousandths of a second.
    let pause = accesses[2].at - accesses[1].at;
    assert!((0.99..10.0).contains(&pause), "{pause} s between the attempts");
    front.next().await;
    front.next().await;
    assert_eq!(front.script.end().await, 0, "two requests went through");
}

/// Not a little more, as with other delays: several are told the same, and come at the same time.
pub(crate) async fn a_pushback_is_kept_exactly() {
    let mut server = Script::grpcio(None).await;
    let fan_out = resilient(place(&server));
    // So that connecting and reflection take no part of the time.
    assert!(fan_out.send(order("first", None)).await.is_satisfied());
    server.next().await;

    // One more failure in a row, and the breaker would open.
    let names = ["a", "b", "c", "d"];
    let reports = join_all(names.map(|name| fan_out.send(order(name, Some("1000"))))).await;
    for report in &reports {
        assert!(report.is_satisfied(), "{report}");
        let delivery = report.get("one").expect("every sink has an entry");
        assert_eq!(delivery.attempts(), 2, "{report}");
        let delay = delivery.delay().as_secs_f64();
        assert!((1.0..1.2).contains(&delay), "it asked for 1 s and got {delay} s");
    }

    let mut calls = BTreeMap::<_, Vec<_>>::new();
    for _ in 0..2 * names.len() {
        let seen = server.next().await;
        let at = seen["at"].as_f64().expect("a time");
        calls.entry(seen["id"].as_str().expect("an id").to_owned()).or_default().push(at);
    }
    for (id, times) in &calls {
        assert_eq!(times.len(), 2, "two calls for {id}");
        let pause = times[1] - times[0];
        assert!((1.0..10.0).contains(&pause), "{id}: {pause} s between the calls");
    }
    assert_eq!(calls.len(), names.len());
    assert_eq!(server.end().await, 0, "two calls each");
}

pub(crate) async fn a_negative_pushback_forbids_the_retry() {
    let mut server = Script::grpcio(None).await;
    // The method is repeatable: the server would have to take it.
    let report = resilient(place(&server)).send(order("a", Some("-1"))).await;

    let delivery = report.get("one").expect("every sink has an entry");
    assert_eq!(delivery.attempts(), 1, "{report}");
    assert_eq!(delivery.stop_reason(), Some(StopReason::ServerForbids), "{report}");
    let error = delivery.error().expect("it failed");
    assert_eq!(error.kind(), ErrorKind::Unavailable, "the original error is kept: {error:?}");
    assert_eq!(server.next().await["id"], "a");
    assert_eq!(server.end().await, 0, "one call");
}

fn resilient(sink: impl Sink + 'static) -> FanOut {
    let sink = sink.resilient(Resilience::default()).expect("sound numbers");
    FanOut::builder(all()).sink("one", sink).build().expect("a sound fan-out")
}

fn place(server: &Script) -> GrpcSink {
    let endpoint = format!("http://127.0.0.1:{}", server.port());
    let sink = GrpcSink::unary(endpoint, "interop.v1.Orders/Place").schema(Schema::Reflection);
    sink.idempotency(Idempotency::Always).build().expect("a sound sink")
}

fn order(id: &str, pushback: Option<&str>) -> Message {
    let message = Message::json(&json!({ "id": id })).expect("sound JSON");
    match pushback {
        Some(ms) => message.with_metadata("x-pushback", ms),
        None => message,
    }
}
