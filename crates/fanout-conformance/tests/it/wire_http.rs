//! `HttpSink` keeps the contract, and each HTTP rule rejects a broken sink.

use std::collections::HashSet;
use std::sync::Arc;

use fanout::{
    Attempt, BodyState, Effect, Error, ErrorKind, Message, Receipt, RetryAdvice, Sink, sink_fn,
};
use fanout_conformance::fakes::{RawHttpFake, WiremockFake};
use fanout_conformance::{Capability, Endpoint, SECRET, UnderTest, sink_suite};
use fanout_http::HttpSink;
use futures_util::future::FutureExt;

use crate::rejected;
use crate::wire::{Wire, bare, changed, twice};

fn sink(endpoint: &Endpoint) -> HttpSink {
    to(&format!("http://{}/orders", endpoint.address()))
}

fn to(url: &str) -> HttpSink {
    HttpSink::post(url)
        .header("authorization", format!("Bearer {SECRET}"))
        .build()
        .expect("the address is in order")
}

fn raw(make: fn(&Endpoint) -> UnderTest) -> Wire {
    Wire {
        name: "http, raw",
        protocol: Capability::Http,
        start: |script| RawHttpFake::start(script).boxed(),
        make,
        keyed: None,
    }
}

fn wiremock(make: fn(&Endpoint) -> UnderTest) -> Wire {
    Wire {
        name: "http, wiremock",
        protocol: Capability::Http,
        start: |script| WiremockFake::start(script).boxed(),
        make,
        keyed: None,
    }
}

/// Goes where a redirect points, token and all.
fn following(endpoint: &Endpoint) -> UnderTest {
    let first = Arc::new(sink(endpoint));
    UnderTest::new(sink_fn(move |message: Message, attempt: Attempt| {
        let first = Arc::clone(&first);
        async move {
            let result = first.send(&message, &attempt).await;
            let Err(error) = &result else { return result };
            let chain = error.to_chain();
            let target = chain.rmatch_indices("http://").map(|(start, _)| &chain[start..]);
            let mut target = target.filter(|url| url.contains("/elsewhere"));
            let Some(url) = target.next().and_then(|rest| rest.split([',', ')', ' ', '"']).next())
            else {
                return result;
            };
            to(url).send(&message, &attempt).await
        }
        .boxed()
    }))
}

type Row = (&'static str, fn(&Endpoint) -> UnderTest, &'static [&'static str]);

const BROKEN: &[Row] = &[
    (
        "calls every status a bad request",
        |endpoint| {
            changed(sink(endpoint), |result| {
                result.map_err(|_| Error::new(ErrorKind::Rejected, "something went wrong"))
            })
        },
        &[
            "http/status_table",
            "http/impossible_status",
            "http/broken_body_of_a_refusal",
            "http/interrupted_before_the_head",
            "http/deprecation_of_a_refusal",
        ],
    ),
    (
        "knows better when to come back",
        |endpoint| {
            changed(sink(endpoint), |result| {
                result.map_err(|error| error.with_advice(RetryAdvice::Backoff))
            })
        },
        &["http/retry_after"],
    ),
    (
        "says `None` where it cannot know",
        |endpoint| {
            changed(sink(endpoint), |result| {
                result.map_err(|error| error.with_effect(Effect::None))
            })
        },
        &["http/status_table", "http/interrupted_before_the_head"],
    ),
    (
        "makes receipts of its own",
        |endpoint| changed(sink(endpoint), |result| result.map(|_| Receipt::new())),
        &[
            "http/accepted_is_success",
            "http/broken_body_of_a_success",
            "http/deprecation_is_noticed",
            "http/successor_is_named",
        ],
    ),
    (
        "warns every time",
        |endpoint| {
            changed(sink(endpoint), |result| {
                let again = "this API is deprecated";
                result.map(|r| r.with_notice(again)).map_err(|e| e.with_notice(again))
            })
        },
        &["http/deprecation_is_noticed", "http/deprecation_of_a_refusal"],
    ),
    (
        "makes errors of its own",
        |endpoint| {
            changed(sink(endpoint), |result| {
                result.map_err(|error| {
                    Error::new(error.kind(), "the server refused it")
                        .with_effect(error.effect())
                        .with_advice(error.advice())
                })
            })
        },
        &["http/deprecation_of_a_refusal", "http/gone_after_its_sunset"],
    ),
    (
        "shows what it was told as it was told",
        |endpoint| {
            changed(sink(endpoint), |result| {
                result.map(|receipt| {
                    let link = receipt.metadata().get("link").unwrap_or_default().to_owned();
                    receipt.with_notice(link)
                })
            })
        },
        &["http/hostile_announcement"],
    ),
    (
        "tells word for word what the server said",
        |endpoint| {
            changed(sink(endpoint), |result| {
                let words = format!("you sent {SECRET}");
                result.map_err(|error| error.with_excerpt(words.as_bytes()))
            })
        },
        &["http/credential_that_is_repeated"],
    ),
    ("follows redirects", following, &["http/redirect_is_not_followed"]),
    (
        "sends twice",
        |endpoint| twice(sink(endpoint)),
        &["http/idle_close_is_transparent", "http/interrupted_before_the_head"],
    ),
    (
        "keeps whatever it is answered",
        |endpoint| {
            changed(sink(endpoint), |result| {
                result.map(|receipt| {
                    let whole = vec![b'x'; 8 << 20];
                    receipt.with_body(whole).with_body_state(BodyState::Complete)
                })
            })
        },
        &["http/long_body_is_cut", "http/broken_body_of_a_success"],
    ),
    (
        "sends the payload alone",
        |endpoint| bare(sink(endpoint)),
        &["http/metadata_is_headers", "http/bad_metadata_is_a_build_error"],
    ),
];

#[tokio::test]
async fn the_http_sink_passes() {
    let result = sink_suite(raw(|endpoint| UnderTest::with_debug(sink(endpoint)))).await;
    println!("{result}");
    result.assert_passed();
    assert_eq!(result.counts().2, 1, "only the pool's own tasks are not claimed:\n{result}");
}

#[tokio::test]
async fn the_http_sink_passes_with_wiremock_what_wiremock_can_play() {
    let result = sink_suite(wiremock(|endpoint| UnderTest::with_debug(sink(endpoint)))).await;
    println!("{result}");
    result.assert_passed();
    assert!(result.to_string().contains("not supported: wiremock cannot play"), "{result}");
}

#[tokio::test]
async fn every_broken_http_sink_is_rejected() {
    for (name, make, rules) in BROKEN {
        for rule in *rules {
            rejected(name, sink_suite(raw(*make)).only(rule), rule).await;
        }
    }
}

#[test]
fn every_rule_for_http_rejects_something() {
    let broken: HashSet<_> =
        BROKEN.iter().flat_map(|(_, _, rules)| rules.iter().copied()).collect();
    let suite = sink_suite(raw(|endpoint| UnderTest::new(sink(endpoint)))).only("http/");
    let rules: HashSet<_> = suite.rules().map(|rule| rule.id).collect();
    assert_eq!(rules, broken);
}
