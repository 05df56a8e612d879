//! The pipeline around `HttpSink` and `GrpcSink` keeps every rule, and each rejects a broken decorator.

use std::collections::HashSet;
use std::future::IntoFuture;
use std::sync::Arc;

use fanout::resilience::Resilience;
use fanout::{Attempt, Effect, Error, ErrorKind, Idempotency, RetryAdvice, Sink};
use fanout_conformance::fakes::{GrpcFake, RawHttpFake};
use fanout_conformance::{
    Capability, Endpoint, SECRET, UnderTest, fanout_resilience, resilient_sink_suite,
};
use fanout_grpc::{GrpcSink, GrpcSinkBuilder};
use fanout_http::{HttpSink, HttpSinkBuilder};
use futures_util::future::FutureExt;

use crate::broken_resilience::{Made, around, claims, misread, outside, seconds};
use crate::rejected;
use crate::wire::Wire;

fn post(endpoint: &Endpoint) -> HttpSinkBuilder {
    HttpSink::post(format!("http://{}/orders", endpoint.address()))
        .header("authorization", format!("Bearer {SECRET}"))
}

fn unary(endpoint: &Endpoint) -> GrpcSinkBuilder {
    GrpcSink::unary(format!("http://{}", endpoint.address()), "conformance.v1.Any/Call")
        .metadata("authorization", format!("Bearer {SECRET}"))
}

fn http() -> Wire {
    Wire {
        name: "http, raw",
        protocol: Capability::Http,
        start: |script| RawHttpFake::start(script).boxed(),
        make: |endpoint| UnderTest::new(post(endpoint).build().expect("a sound sink")),
        keyed: Some(|endpoint| {
            let sink = post(endpoint).idempotency(Idempotency::Key).build();
            UnderTest::new(sink.expect("a sound sink"))
        }),
    }
}

fn grpc() -> Wire {
    Wire {
        name: "grpc",
        protocol: Capability::Grpc,
        start: |script| GrpcFake::start(script).boxed(),
        make: |endpoint| UnderTest::new(unary(endpoint).build().expect("a sound sink")),
        keyed: Some(|endpoint| {
            let sink = unary(endpoint).idempotency(Idempotency::Key).build();
            UnderTest::new(sink.expect("a sound sink"))
        }),
    }
}

type Row = (&'static str, fn(Arc<dyn Sink>, Resilience) -> Made, &'static [&'static str]);

const BROKEN: &[Row] = &[
    (
        "tries once",
        |sink, settings| fanout_resilience(sink, settings.max_attempts(1)),
        &["resilience/wire_refused_is_retried", "resilience/wire_server_delay_is_kept"],
    ),
    (
        "takes every sink for a repeatable one",
        |sink, settings| claims(sink, settings, true),
        &["resilience/wire_ambiguous_is_sent_once"],
    ),
    (
        "makes up a key for each attempt",
        |sink, settings| {
            let made_up = around(sink, |sink, message, attempt| async move {
                let own = Attempt::first(attempt.number().to_string(), &message);
                sink.send(&message, &own).await
            });
            fanout_resilience(Arc::new(made_up), settings)
        },
        &["resilience/wire_key_is_the_same"],
    ),
    (
        "knows better when to come back",
        |sink, settings| misread(sink, settings, |error| error.with_advice(RetryAdvice::Backoff)),
        &["resilience/wire_server_delay_is_kept", "resilience/wire_throttle_holds_back_all_sends"],
    ),
    (
        "lets only the throttled send pause",
        |sink, settings| {
            misread(sink, settings, |error| match error.kind() {
                ErrorKind::Throttled => {
                    Error::new(ErrorKind::Rejected, "busy").with_effect(Effect::None)
                }
                _ => error,
            })
        },
        &["resilience/wire_throttle_holds_back_all_sends"],
    ),
    (
        "sends twice to be sure",
        |sink, settings| {
            outside(sink, settings, |sink, message, attempt| async move {
                drop(sink.send(&message, &attempt).await);
                sink.send(&message, &attempt).await
            })
        },
        &["resilience/wire_delivered_is_not_sent_again"],
    ),
    (
        "lets an attempt take as long as the total",
        |sink, settings| {
            let total = seconds(&settings, "total_timeout");
            fanout_resilience(sink, settings.attempt_timeout(total))
        },
        &["resilience/wire_attempt_timeout"],
    ),
    (
        "wants a hundred calls before it judges",
        |sink, settings| {
            fanout_resilience(sink, settings.breaker_consecutive(100).breaker_min_calls(100))
        },
        &["resilience/wire_open_breaker_sends_nothing"],
    ),
    (
        "has as many permits as anybody wants",
        |sink, settings| fanout_resilience(sink, settings.max_in_flight(1_000)),
        &["resilience/wire_permits_bound_requests"],
    ),
    (
        "quotes the credential in its errors",
        |sink, settings| {
            misread(sink, settings, |error| error.with_context("authorization", SECRET))
        },
        &["resilience/wire_no_secrets"],
    ),
];

#[tokio::test]
async fn the_pipeline_passes_around_each_transport() {
    let (http, grpc) = tokio::join!(
        resilient_sink_suite(http(), fanout_resilience).into_future(),
        resilient_sink_suite(grpc(), fanout_resilience).into_future(),
    );
    for result in [http, grpc] {
        println!("{result}");
        result.assert_passed();
        assert_eq!(result.counts().2, 0, "both transports can play every case");
    }
}

#[tokio::test]
async fn every_broken_decorator_is_rejected_over_the_wire() {
    for (name, make, rules) in BROKEN {
        for rule in *rules {
            rejected(name, resilient_sink_suite(http(), make).only(rule), rule).await;
            rejected(name, resilient_sink_suite(grpc(), make).only(rule), rule).await;
        }
    }
}

#[test]
fn every_rule_of_resilience_over_the_wire_rejects_something() {
    let broken: HashSet<_> =
        BROKEN.iter().flat_map(|(_, _, rules)| rules.iter().copied()).collect();
    let suite = resilient_sink_suite(http(), fanout_resilience);
    let rules: HashSet<_> = suite.rules().map(|rule| rule.id).collect();
    assert_eq!(rules, broken);
}
