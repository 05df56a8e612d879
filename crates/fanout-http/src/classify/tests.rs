//! The table of the documentation, held against the code.

use std::collections::BTreeMap;

use http::HeaderValue;

use super::*;

/// The rows of the documentation: what each code, or class, means.
fn documented() -> (BTreeMap<u16, [String; 3]>, BTreeMap<String, [String; 3]>) {
    let (mut codes, mut classes) = (BTreeMap::new(), BTreeMap::new());
    let text = include_str!("../../docs/http-status.md");
    let text = text.split("\n## ").next().unwrap();
    for line in text.lines().filter(|line| line.starts_with("| ")).skip(2) {
        let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [code, kind, effect, advice, standard, _] = cells[..] else { panic!("{line}") };
        assert!(standard.contains('§'), "no standard is cited: {line}");
        let meaning = [kind, effect, advice].map(str::to_owned);
        if code.starts_with(|c: char| c.is_ascii_digit()) {
            for code in code.split(", ") {
                let before = codes.insert(code.parse().unwrap(), meaning.clone());
                assert!(before.is_none(), "twice: {code}");
            }
        } else {
            assert!(classes.insert(code.to_owned(), meaning).is_none(), "twice: {code}");
        }
    }
    (codes, classes)
}

fn said(class: Class) -> [String; 3] {
    match class {
        Class::Delivered => ["delivered", "–", "–"].map(str::to_owned),
        Class::Accepted => ["accepted", "–", "–"].map(str::to_owned),
        Class::Failed { kind, effect, advice, possibly_done } => {
            assert!(!possibly_done, "nothing went before");
            [kind.to_string(), effect.to_string(), advice.to_string()]
        }
    }
}

#[test]
fn the_code_says_what_the_documentation_says() {
    let (codes, classes) = documented();
    assert!(codes.len() > 35, "the table was not read: {codes:?}");
    for code in (100..=599).chain([0, 1, 99, 600, 999, u16::MAX]) {
        let class = match code {
            100..=599 => format!("other {}xx", code / 100),
            _ => "anything else".to_owned(),
        };
        let expected = codes.get(&code).unwrap_or_else(|| &classes[&class]);
        assert_eq!(&said(classify(code, Hints::default())), expected, "{code}");
    }
    assert!(codes.keys().all(|code| (100..=599).contains(code)));
    assert_eq!(classes.len(), 6);
}

#[test]
fn the_codes_of_vendors_mean_what_the_documentation_says() {
    let text = include_str!("../../docs/http-status.md");
    let section = text.split("\n## ").find(|section| section.starts_with("Codes of vendors"));
    let mut known = BTreeMap::new();
    for line in section.unwrap().lines().filter(|line| line.starts_with("| ")).skip(2) {
        let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [codes, kind, effect, advice, _] = cells[..] else { panic!("{line}") };
        for code in codes.split(", ") {
            known.insert(code.parse::<u16>().unwrap(), [kind, effect, advice].map(str::to_owned));
        }
    }
    assert_eq!(known.len(), 9);
    for code in 0..=999 {
        let found = crate::vendor_class(code, Hints::default()).map(said);
        assert_eq!(found.as_ref(), known.get(&code), "{code}");
    }
    let hints = Hints { retry_after: Some(Duration::from_secs(7)), ..Hints::default() };
    let after = said(crate::vendor_class(529, hints).unwrap());
    assert_eq!(after[2], "after 7000 ms");
}

#[test]
fn a_key_of_ours_makes_a_conflict_worth_waiting_for_and_changes_nothing_else() {
    let keyed = Hints::default().with_key();
    let after = |seconds| RetryAdvice::After(Duration::from_secs(seconds));
    for code in 400..=599 {
        match code {
            409 => assert_eq!(failed(code, keyed), (Effect::None, after(1), false)),
            _ => assert_eq!(failed(code, keyed), failed(code, Hints::default()), "{code}"),
        }
    }
    let hinted = |delay| Hints { retry_after: Some(Duration::from_secs(delay)), ..keyed };
    assert_eq!(failed(409, hinted(7)).1, after(7));
    assert_eq!(failed(409, hinted(0)).1, after(1));
    assert!(failed(409, keyed.with_earlier_effect(Effect::Maybe)).2, "possibly done");
    for code in [400, 409, 422] {
        assert_ne!(hint(code, true), hint(code, false), "{code}");
        assert!(hint(code, true).unwrap().contains("idempotency key"), "{code}");
    }
}

fn failed(code: u16, hints: Hints) -> (Effect, RetryAdvice, bool) {
    match classify(code, hints) {
        Class::Failed { effect, advice, possibly_done, .. } => (effect, advice, possibly_done),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_retry_after_is_heeded_where_the_table_says_so_and_nowhere_else() {
    let delay = Duration::from_secs(7);
    let hints = Hints { retry_after: Some(delay), ..Hints::default() };
    for code in 400..=599 {
        let with = failed(code, hints);
        match code {
            413 | 429 | 503 => {
                assert_eq!(with, (Effect::None, RetryAdvice::After(delay), false), "{code}");
            }
            _ => assert_eq!(with, failed(code, Hints::default()), "{code}"),
        }
    }
    // It was there, and its time has come: ordinary backoff, but the refusal was on purpose.
    let passed = Hints { retry_after: Some(Duration::ZERO), ..Hints::default() };
    assert_eq!(failed(503, passed), (Effect::None, RetryAdvice::Backoff, false));
    assert_eq!(failed(429, passed), (Effect::None, RetryAdvice::Backoff, false));
}

#[test]
fn a_conflict_after_an_unclear_attempt_is_possibly_done() {
    for earlier in [Effect::None, Effect::Maybe, Effect::Done] {
        let hints = Hints::default().with_earlier_effect(earlier);
        for code in 400..=599 {
            let expected = matches!(code, 409 | 412) && earlier >= Effect::Maybe;
            assert_eq!(failed(code, hints).2, expected, "{code} after {earlier}");
        }
    }
}

#[test]
fn retry_after_is_read_as_seconds_and_as_a_date() {
    let now = httpdate::parse_http_date("Sat, 21 Nov 2026 12:00:00 GMT").unwrap();
    let check = |value: &str, date: Option<&str>, expected: Option<u64>| {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, HeaderValue::from_str(value).unwrap());
        if let Some(date) = date {
            headers.insert(DATE, HeaderValue::from_str(date).unwrap());
        }
        let found = Hints::of(&headers, now).retry_after;
        assert_eq!(found, expected.map(Duration::from_secs), "{value} {date:?}");
    };
    check("7", None, Some(7));
    check(" 0 ", None, Some(0));
    check("99999999999999999999999", None, Some(YEAR.as_secs()));
    check("Sat, 21 Nov 2026 12:00:30 GMT", None, Some(30));
    check("Saturday, 21-Nov-26 12:00:30 GMT", None, Some(30));
    // The server's own clock counts, not ours.
    check("Sat, 21 Nov 2026 12:00:30 GMT", Some("Sat, 21 Nov 2026 12:00:20 GMT"), Some(10));
    check("Sat, 21 Nov 2026 12:00:30 GMT", Some("nonsense"), Some(30));
    check("Sat, 21 Nov 2026 11:00:00 GMT", None, Some(0));
    for malformed in ["", "-1", "+1", "1.5", "soon", "7s", "Sat, 99 Nov 2026 12:00:30 GMT"] {
        check(malformed, None, None);
    }
    assert_eq!(Hints::of(&HeaderMap::new(), now), Hints::default());
}
