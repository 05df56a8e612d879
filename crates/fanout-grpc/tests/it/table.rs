//! Holds `docs/grpc-status.md` against the code, row by row.

use std::time::Duration;

use fanout::{Effect, Error, RetryAdvice};
use fanout_grpc::classify::{
    Hints, LocalFailure, Pushback, classify_http, classify_local, classify_status, status_name,
};

const DOC: &str = include_str!("../../docs/grpc-status.md");

/// The rows of the table under a heading, cell by cell.
fn rows(heading: &str) -> Vec<Vec<String>> {
    let section = DOC.split("\n## ").find(|section| section.starts_with(heading));
    let table = section.expect(heading).lines().filter(|line| line.starts_with('|'));
    let cells = |line: &str| {
        line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>()
    };
    table.skip(2).map(cells).collect()
}

fn check(error: &Error, expected: &[String], row: &[String]) {
    let found = [error.kind().to_string(), error.effect().to_string(), error.advice().to_string()];
    assert_eq!(found, expected[..3], "{row:?}");
}

#[test]
fn every_status_of_a_server_is_as_documented() {
    let rows = rows("From the server");
    assert_eq!(rows.len(), 19);
    for row in &rows {
        let code: u16 = row[0].parse().unwrap();
        assert_eq!(status_name(code), row[1]);
        match classify_status(code, &Hints::new()) {
            None => assert_eq!(row[2..5], ["delivered", "-", "-"]),
            Some(error) => {
                check(&error, &row[2..5], row);
                let status = error.status().unwrap();
                assert_eq!((status.code(), status.name()), (code, row[1].as_str()));
            }
        }
    }
    let codes: Vec<u16> = rows.iter().map(|row| row[0].parse().unwrap()).collect();
    assert_eq!(codes, (0..=17).chain([99]).collect::<Vec<_>>());
}

#[test]
fn every_code_that_is_not_defined_is_unknown() {
    let unknown = classify_status(2, &Hints::new()).unwrap();
    for code in 17..=u16::MAX {
        let error = classify_status(code, &Hints::new()).unwrap();
        assert_eq!(error.kind(), unknown.kind());
        assert_eq!((error.effect(), error.advice()), (unknown.effect(), unknown.advice()));
    }
}

#[test]
fn a_delay_replaces_backoff_and_no_other_advice() {
    let second = Duration::from_secs(1);
    for row in rows("From the server").iter().skip(1) {
        let code: u16 = row[0].parse().unwrap();
        for (hints, delayed) in [
            (Hints::new().with_retry_info(second), "after 1000 ms"),
            (Hints::new().with_pushback(Pushback::After(second)), "exactly 1000 ms"),
        ] {
            let error = classify_status(code, &hints).unwrap();
            let expected = if row[4] == "backoff" { delayed } else { &row[4] };
            assert_eq!(error.advice().to_string(), expected, "{row:?}");
            let effect = if row[5].contains("effect none") { "none" } else { &row[3] };
            assert_eq!(error.effect().as_str(), effect, "{row:?}");
        }
        let hints = Hints::new().with_pushback(Pushback::Forbidden);
        let error = classify_status(code, &hints).unwrap();
        assert_eq!(error.advice(), RetryAdvice::Forbidden, "{row:?}");
        assert_eq!(error.effect().as_str(), row[3], "{row:?}");
    }
}

#[test]
fn only_already_exists_is_possibly_done_and_only_after_a_doubt() {
    for code in 1..=17 {
        for earlier in [Effect::None, Effect::Maybe, Effect::Done] {
            let hints = Hints::new().with_earlier_effect(earlier);
            let error = classify_status(code, &hints).unwrap();
            assert_eq!(error.possibly_done(), code == 6 && earlier != Effect::None, "{code}");
        }
    }
}

#[test]
fn every_http_status_is_as_documented() {
    let rows = rows("From something else");
    let (other, known) = rows.split_last().unwrap();
    assert_eq!(other[0], "other");
    for status in 0..=999_u16 {
        let row = known.iter().find(|row| row[0] == status.to_string()).unwrap_or(other);
        let error = classify_http(status, None);
        check(&error, &row[2..5], row);
        assert_eq!(error.status().unwrap().name(), row[1], "{row:?}");
        let error = classify_http(status, Some(Duration::from_secs(1)));
        let advice = if row[5].contains("after it") { "after 1000 ms" } else { &row[4] };
        assert_eq!(error.advice().to_string(), advice, "{row:?}");
        let effect = if row[5].contains("effect none") { "none" } else { &row[3] };
        assert_eq!(error.effect().as_str(), effect, "{row:?}");
    }
}

#[test]
fn every_failure_of_our_own_is_as_documented() {
    let rows = rows("From our own side");
    let failure = |name: &str| match name {
        "no status" => Some(LocalFailure::NoStatus),
        "not gRPC" => Some(LocalFailure::NotGrpc),
        "bad frame" => Some(LocalFailure::BadFrame),
        "bad reply" => Some(LocalFailure::BadReply),
        "reply too large" => Some(LocalFailure::ReplyTooLarge),
        "request too large" => Some(LocalFailure::RequestTooLarge),
        // Judged by fanout-net, and shown by the tests of failures here.
        "timeout, connecting" | "timeout, sent" => None,
        other => panic!("{other}"),
    };
    for row in &rows {
        if let Some(failure) = failure(&row[0]) {
            check(&classify_local(failure), &row[1..4], row);
        }
    }
    assert_eq!(rows.len(), 8);
}
