//! What the user of a sink says, against what the table says.

use std::time::Duration;

use http::HeaderValue;

use super::*;

fn codes(text: &str) -> Codes {
    Codes::parse("codes", &[text.to_owned()]).unwrap()
}

fn class(rules: &Rules, code: u16) -> Class {
    rules.class(code, &HeaderMap::new(), Hints::default())
}

fn advice(class: Class) -> RetryAdvice {
    match class {
        Class::Failed { advice, .. } => advice,
        other => panic!("{other:?}"),
    }
}

#[test]
fn without_a_word_of_the_user_it_is_the_table() {
    for code in 100..=999 {
        let expected = match (code, classify(code, Hints::default())) {
            // Once with a fresh credential, and this sink has none to fetch.
            (401 | 407, refused) => refused.with_advice(RetryAdvice::Never),
            (_, class) => class,
        };
        assert_eq!(class(&Rules::default(), code), expected, "{code}");
    }
}

#[test]
fn named_codes_change_the_advice_and_leave_the_effect_alone() {
    let rules = Rules { retry_on: codes("400-599"), ..Rules::default() };
    for code in 400..=599 {
        let Class::Failed { kind, effect, .. } = classify(code, Hints::default()) else { panic!() };
        let got = class(&rules, code);
        assert!(
            matches!(got, Class::Failed { kind: k, effect: e, .. } if (k, e) == (kind, effect))
        );
        let expected = if code == 421 { RetryAdvice::Once } else { RetryAdvice::Backoff };
        assert_eq!(advice(got), expected, "{code}");
    }
    let week = Duration::from_secs(7 * 24 * 60 * 60);
    let hints = Hints { retry_after: Some(week), ..Hints::default() };
    let got = rules.class(404, &HeaderMap::new(), hints);
    assert_eq!(advice(got), RetryAdvice::After(week));
    assert_eq!(class(&rules, 204), Class::Delivered);
}

#[test]
fn never_outweighs_retry_and_success_outweighs_both() {
    let rules = Rules {
        retry_on: codes("5xx"),
        never_on: codes("503"),
        success_on: codes("409"),
        ..Rules::default()
    };
    assert_eq!(advice(class(&rules, 502)), RetryAdvice::Backoff);
    assert_eq!(advice(class(&rules, 503)), RetryAdvice::Never);
    assert_eq!(class(&rules, 409), Class::Delivered);
    let rules = Rules { never_on: codes("409"), ..rules };
    assert_eq!(class(&rules, 409), Class::Delivered);
}

#[test]
fn a_trusted_503_had_no_effect() {
    let rules = Rules { trust_503: true, ..Rules::default() };
    let expected = Class::failed(ErrorKind::Unavailable)
        .with_effect(Effect::None)
        .with_advice(RetryAdvice::Backoff);
    assert_eq!(class(&rules, 503), expected);
    assert_eq!(class(&rules, 502), classify(502, Hints::default()));
}

#[test]
fn classifiers_see_what_was_said_and_take_its_place() {
    let rules = Rules {
        classifiers: vec![
            Arc::new(|answer| {
                assert_eq!(answer.class(), classify(answer.code(), answer.hints()));
                match answer.header("X-Busy") {
                    Some(_) => Opinion::Means(Class::failed(ErrorKind::Throttled)),
                    None => Opinion::Pass,
                }
            }),
            Arc::new(|answer| match answer.class() {
                Class::Failed { kind: ErrorKind::Throttled, .. } => {
                    let hour = RetryAdvice::After(Duration::from_secs(3_600));
                    Opinion::Means(answer.class().with_advice(hour))
                }
                _ => Opinion::Pass,
            }),
        ],
        ..Rules::default()
    };
    let mut headers = HeaderMap::new();
    headers.insert("x-busy", HeaderValue::from_static("1"));
    let got = rules.class(403, &headers, Hints::default());
    assert_eq!(advice(got), RetryAdvice::After(Duration::from_secs(3_600)));
    assert_eq!(class(&rules, 403), classify(403, Hints::default()));
}

#[test]
fn what_one_link_forbids_the_next_cannot_allow() {
    let again: Classifier = Arc::new(|_| {
        Opinion::Means(Class::failed(ErrorKind::Unavailable).with_advice(RetryAdvice::Backoff))
    });
    let forbid: Classifier = Arc::new(|_| Opinion::Forbid);
    for classifiers in [[&again, &forbid], [&forbid, &again]] {
        let classifiers = classifiers.into_iter().map(Arc::clone).collect();
        let rules = Rules { classifiers, ..Rules::default() };
        assert_eq!(advice(class(&rules, 503)), RetryAdvice::Never);
    }
    let rules = Rules { never_on: codes("503"), classifiers: vec![again], ..Rules::default() };
    assert_eq!(advice(class(&rules, 503)), RetryAdvice::Never);
    // What was delivered needs no further attempt anyway.
    let rules = Rules { classifiers: vec![forbid], ..Rules::default() };
    assert_eq!(class(&rules, 200), Class::Delivered);
}

#[test]
fn quotas_are_read_when_asked_for_and_after_retry_after() {
    let mut headers = HeaderMap::new();
    headers.insert("ratelimit", HeaderValue::from_static(r#""day";r=0;t=30"#));
    let now = SystemTime::UNIX_EPOCH;
    assert_eq!(Rules::default().hints(&headers, now), Hints::default());
    let rules = Rules { rate_limit: true, vendor_codes: true, ..Rules::default() };
    let after = |seconds| RetryAdvice::After(Duration::from_secs(seconds));
    let quota = |code, headers: &HeaderMap| rules.class(code, headers, rules.hints(headers, now));
    assert_eq!(advice(quota(429, &headers)), after(30));
    assert_eq!(advice(quota(529, &headers)), after(30));
    // A quota says when to come back, not that nothing was applied.
    assert_eq!(quota(503, &headers), classify(503, Hints::default()).with_advice(after(30)));
    assert_eq!(quota(500, &headers), classify(500, Hints::default()));
    assert_eq!(quota(413, &headers), classify(413, Hints::default()));
    headers.insert("retry-after", HeaderValue::from_static("7"));
    assert_eq!(advice(quota(429, &headers)), after(7));
}
