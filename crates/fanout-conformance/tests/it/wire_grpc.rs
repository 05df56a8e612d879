//! `GrpcSink` keeps the contract, and each gRPC rule rejects a broken sink.

use std::collections::HashSet;

use fanout::{Effect, Error, ErrorKind, Receipt, RetryAdvice};
use fanout_conformance::fakes::GrpcFake;
use fanout_conformance::{Capability, Endpoint, SECRET, UnderTest, sink_suite};
use fanout_grpc::GrpcSink;
use futures_util::future::FutureExt;

use crate::rejected;
use crate::wire::{Wire, bare, changed, twice};

fn sink(endpoint: &Endpoint) -> GrpcSink {
    GrpcSink::unary(format!("grpc://{}", endpoint.address()), "conformance.v1.Any/Call")
        .metadata("authorization", format!("Bearer {SECRET}"))
        .build()
        .expect("the address and the method are in order")
}

fn wire(make: fn(&Endpoint) -> UnderTest) -> Wire {
    Wire {
        name: "grpc",
        protocol: Capability::Grpc,
        start: |script| GrpcFake::start(script).boxed(),
        make,
        keyed: None,
    }
}

type Row = (&'static str, fn(&Endpoint) -> UnderTest, &'static [&'static str]);

const BROKEN: &[Row] = &[
    (
        "calls every code unknown",
        |endpoint| {
            changed(sink(endpoint), |result| {
                result.map_err(|_| Error::new(ErrorKind::Upstream, "something went wrong"))
            })
        },
        &["grpc/code_table", "grpc/reset_stream_is_interrupted", "grpc/page_is_not_garbage"],
    ),
    (
        "knows better when to come back",
        |endpoint| {
            changed(sink(endpoint), |result| {
                result.map_err(|error| error.with_advice(RetryAdvice::Backoff))
            })
        },
        &["grpc/pushback_is_advice", "grpc/retry_info_is_advice"],
    ),
    (
        "does not mind missing trailers",
        |endpoint| changed(sink(endpoint), |result| result.or_else(|_| Ok(Receipt::new()))),
        &["grpc/missing_trailers_are_protocol"],
    ),
    (
        "calls its own timeout cancelled",
        |endpoint| {
            changed(sink(endpoint), |result| {
                result.map_err(|error| match error.kind() {
                    ErrorKind::Timeout => {
                        Error::new(ErrorKind::Cancelled, "the call was cancelled")
                            .with_effect(Effect::Maybe)
                    }
                    _ => error,
                })
            })
        },
        &["grpc/own_timeout_is_a_timeout"],
    ),
    (
        "sends the payload alone",
        |endpoint| bare(sink(endpoint)),
        &[
            "grpc/deadline_is_told",
            "grpc/metadata_goes_both_ways",
            "grpc/bad_metadata_is_a_build_error",
        ],
    ),
    ("sends twice", |endpoint| twice(sink(endpoint)), &["grpc/closed_connection_is_replaced"]),
];

#[tokio::test]
async fn the_grpc_sink_passes() {
    let result = sink_suite(wire(|endpoint| UnderTest::with_debug(sink(endpoint)))).await;
    println!("{result}");
    result.assert_passed();
    assert_eq!(result.counts().2, 1, "only the pool's own tasks are not claimed:\n{result}");
}

#[tokio::test]
async fn every_broken_grpc_sink_is_rejected() {
    for (name, make, rules) in BROKEN {
        for rule in *rules {
            rejected(name, sink_suite(wire(*make)).only(rule), rule).await;
        }
    }
}

#[test]
fn every_rule_for_grpc_rejects_something() {
    let broken: HashSet<_> =
        BROKEN.iter().flat_map(|(_, _, rules)| rules.iter().copied()).collect();
    let suite = sink_suite(wire(|endpoint| UnderTest::new(sink(endpoint)))).only("grpc/");
    let rules: HashSet<_> = suite.rules().map(|rule| rule.id).collect();
    assert_eq!(rules, broken);
}
