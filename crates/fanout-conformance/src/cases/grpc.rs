//! gRPC sinks: what codes, pushback and broken streams mean.

use std::sync::Arc;
use std::time::Duration;

use fanout::{Effect, Error, ErrorKind, RetryAdvice};
use tokio::time::Instant;

use super::http::{bad_metadata_is_refused, sends_after_an_idle_close};
use super::http_status::{Advice, check_row};
use super::scene::{Scene, shown};
use super::{SinkCase, sink_case};
use crate::fakes::{Answer, Script, Stage, Watch};
use crate::harness::Harness;
use crate::suite::{Outcome, Stop, ensure};

pub(super) const CASES: &[SinkCase] = &[
    sink_case!(
        codes,
        "grpc/code_table",
        [Grpc],
        "each of the 17 codes has its kind, effect and advice; unknown ones are as `UNKNOWN`"
    ),
    sink_case!(
        pushback,
        "grpc/pushback_is_advice",
        [Grpc],
        "`grpc-retry-pushback-ms` is the advice to come back after exactly that time; a negative or \
         unreadable one forbids it (gRPC A6)"
    ),
    sink_case!(
        retry_info,
        "grpc/retry_info_is_advice",
        [Grpc],
        "`RESOURCE_EXHAUSTED` with `RetryInfo` is the advice to come back after that time"
    ),
    sink_case!(
        no_trailers,
        "grpc/missing_trailers_are_protocol",
        [Grpc],
        "a stream that ends without trailers is `Protocol`, effect `Maybe`"
    ),
    sink_case!(
        page,
        "grpc/page_is_not_garbage",
        [Grpc],
        "a page of HTML from a proxy is classified by its HTTP status, as gRPC maps it"
    ),
    sink_case!(
        reset,
        "grpc/reset_stream_is_interrupted",
        [Grpc],
        "a stream that is reset with INTERNAL_ERROR is `Interrupted`, effect `Maybe` \
         (RFC 9113 section 7)"
    ),
    sink_case!(
        own_timeout,
        "grpc/own_timeout_is_a_timeout",
        [Grpc],
        "a deadline that passes on this side is a `Timeout`, never `Cancelled`"
    ),
    sink_case!(
        timeout_header,
        "grpc/deadline_is_told",
        [Grpc],
        "the time that an attempt has is told to the server as `grpc-timeout`"
    ),
    sink_case!(
        idle_close,
        "grpc/closed_connection_is_replaced",
        [Grpc],
        "when the server has closed the connection between two sends, the next one is not disturbed"
    ),
    sink_case!(
        metadata,
        "grpc/metadata_goes_both_ways",
        [Grpc],
        "metadata of a message is metadata of the call, and leading and trailing metadata of the answer \
         are in the receipt"
    ),
    sink_case!(
        bad_metadata,
        "grpc/bad_metadata_is_a_build_error",
        [Grpc],
        "metadata that gRPC cannot carry is a `Build` error, and nothing is sent"
    ),
];

/// Kind, effect and advice that are due to a code that the server sent.
fn due(code: u16) -> Option<(ErrorKind, Effect, Advice)> {
    use Advice::{AfterOrBackoff, Backoff, HigherLevel, Never, OnceOrNever};
    use Effect::{Maybe, None as No};
    use ErrorKind as K;
    Some(match code {
        0 => return None,
        1 => (K::Cancelled, Maybe, Never),
        3 | 11 => (K::Rejected, No, Never),
        4 => (K::Timeout, Maybe, Backoff),
        5 => (K::NotFound, No, Never),
        6 | 9 => (K::Conflict, No, Never),
        7 => (K::Forbidden, No, Never),
        8 => (K::Throttled, No, AfterOrBackoff),
        10 => (K::Conflict, No, HigherLevel),
        12 => (K::Unsupported, No, Never),
        14 => (K::Unavailable, Maybe, Backoff),
        15 => (K::DataLoss, Maybe, Never),
        16 => (K::Unauthenticated, No, OnceOrNever),
        // 2, 13, and whatever does not exist.
        _ => (K::Upstream, Maybe, Never),
    })
}

async fn codes(harness: Arc<dyn Harness>) -> Outcome {
    let codes: Vec<u16> = (0..=17).chain([99]).collect();
    let script = Script::given(codes.iter().map(|code| Answer::status(*code)));
    let scene = Scene::set(&harness, script).await?;
    for code in codes {
        let result = scene.send().await;
        check_row(&format!("code {code}"), &result, due(code))?;
    }
    Ok(())
}

async fn pushback(harness: Arc<dyn Harness>) -> Outcome {
    let exact = RetryAdvice::Exactly(Duration::from_millis(250));
    let forbidden = RetryAdvice::Forbidden;
    for (value, wanted) in [("250", exact), ("-1", forbidden), ("abc", forbidden)] {
        let answer = Answer::status(14).with_trailer("grpc-retry-pushback-ms", value);
        let result = Scene::set(&harness, answer).await?.send().await;
        let advice = result.as_ref().err().map(Error::advice);
        ensure!(advice == Some(wanted), "pushback {value} gave the advice {advice:?}");
    }
    Ok(())
}

async fn retry_info(harness: Arc<dyn Harness>) -> Outcome {
    // A google.rpc.Status of code 8 with a RetryInfo of 3 s.
    const DETAILS: &str = "CAgaMAoodHlwZS5nb29nbGVhcGlzLmNvbS9nb29nbGUucnBjLlJldHJ5SW5mbxIECgIIAw";
    let answer = Answer::status(8).with_trailer("grpc-status-details-bin", DETAILS);
    let result = Scene::set(&harness, answer).await?.send().await;
    let advice = result.as_ref().err().map(Error::advice);
    let three = RetryAdvice::After(Duration::from_secs(3));
    ensure!(advice == Some(three), "a RetryInfo of 3 s gave the advice {advice:?}");
    Ok(())
}

async fn no_trailers(harness: Arc<dyn Harness>) -> Outcome {
    let answer = Answer::respond("reply").closes(Stage::End);
    let result = Scene::set(&harness, answer).await?.send().await;
    let due = Some((ErrorKind::Protocol, Effect::Maybe, Advice::Backoff));
    check_row("an answer without trailers", &result, due)
}

async fn page(harness: Arc<dyn Harness>) -> Outcome {
    for (status, kind) in [
        (401, ErrorKind::Unauthenticated),
        (403, ErrorKind::Forbidden),
        (429, ErrorKind::Unavailable),
        // `UNKNOWN` that no server said: what answered is not a gRPC server.
        (500, ErrorKind::Protocol),
        (502, ErrorKind::Unavailable),
        (503, ErrorKind::Unavailable),
        (504, ErrorKind::Unavailable),
    ] {
        let result = Scene::set(&harness, Answer::page(status)).await?.send().await;
        let said = result.as_ref().err().map(Error::kind);
        ensure!(
            said == Some(kind),
            "a page of status {status} is {kind}, it returned {}",
            shown(&result)
        );
    }
    Ok(())
}

async fn reset(harness: Arc<dyn Harness>) -> Outcome {
    let answer = Answer::respond("").resets(Stage::Requested);
    let result = Scene::set(&harness, answer).await?.send().await;
    let due = Some((ErrorKind::Interrupted, Effect::Maybe, Advice::Backoff));
    check_row("a stream that was reset", &result, due)
}

async fn own_timeout(harness: Arc<dyn Harness>) -> Outcome {
    let scene = Scene::set(&harness, Answer::stall()).await?;
    let deadline = Instant::now() + Duration::from_millis(150);
    let attempt = scene.attempt().with_deadline(deadline);
    let result = scene.sink().send(&scene.message, &attempt).await;
    let kind = result.as_ref().err().map(Error::kind);
    ensure!(kind == Some(ErrorKind::Timeout), "it returned {}", shown(&result));
    Ok(())
}

async fn timeout_header(harness: Arc<dyn Harness>) -> Outcome {
    let script = Script::from(Answer::respond("")).watch(Watch::Received);
    let scene = Scene::set(&harness, script).await?;
    let attempt = scene.attempt().with_deadline(Instant::now() + Duration::from_secs(3));
    let result = scene.sink().send(&scene.message, &attempt).await;
    ensure!(result.is_ok(), "it returned {}", shown(&result));
    let received = scene.endpoint.received();
    let told = received.first().and_then(|request| request.get("grpc-timeout"));
    let time = told.and_then(grpc_timeout);
    ensure!(
        time.is_some_and(|time| time <= Duration::from_secs(3) && time > Duration::from_secs(1)),
        "3 s are left, and the server was told {told:?}"
    );
    Ok(())
}

/// Reads a `grpc-timeout`: at most eight digits and a unit.
fn grpc_timeout(text: &str) -> Option<Duration> {
    let unit = text.chars().next_back()?;
    let digits = &text[..text.len() - unit.len_utf8()];
    let count: u32 = digits.parse().ok().filter(|_| digits.len() <= 8)?;
    Some(match unit {
        'H' => Duration::from_secs(3600) * count,
        'M' => Duration::from_secs(60) * count,
        'S' => Duration::from_secs(1) * count,
        'm' => Duration::from_millis(1) * count,
        'u' => Duration::from_micros(1) * count,
        'n' => Duration::from_nanos(1) * count,
        _ => return None,
    })
}

async fn idle_close(harness: Arc<dyn Harness>) -> Outcome {
    sends_after_an_idle_close(&harness).await
}

async fn metadata(harness: Arc<dyn Harness>) -> Outcome {
    let answer =
        Answer::respond("").with_metadata("x-leading", "one").with_trailer("x-trailing", "two");
    let mut scene = Scene::set(&harness, Script::from(answer).watch(Watch::Received)).await?;
    scene.message = scene.message.with_metadata("x-tenant", "blue");
    let result = scene.send().await;
    let Ok(receipt) = &result else {
        return Err(Stop::Failed(format!("it returned {}", shown(&result))));
    };
    let received = scene.endpoint.received();
    let tenant = received.first().and_then(|request| request.get("x-tenant"));
    ensure!(tenant == Some("blue"), "`x-tenant` arrived as {tenant:?}");
    for (name, value) in [("x-leading", "one"), ("x-trailing", "two")] {
        let told = receipt.metadata().get(name);
        ensure!(told == Some(value), "`{name}` is in the receipt as {told:?}");
    }
    Ok(())
}

async fn bad_metadata(harness: Arc<dyn Harness>) -> Outcome {
    bad_metadata_is_refused(&harness, &[("x-bad", "one\r\nx-injected: two"), ("not a name", "x")])
        .await
}
