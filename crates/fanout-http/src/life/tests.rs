//! Fields in, notices out; and what a sink remembers.

use std::time::{Duration, UNIX_EPOCH};

use fanout::ErrorKind;
use http::{HeaderName, HeaderValue};
use proptest::prelude::*;

use super::*;

fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
        headers.append(HeaderName::from_static(name), value);
    }
    headers
}

fn read(lines: &[(&'static str, &str)]) -> Option<ApiNotice> {
    fields::read(&headers(lines), &endpoint("https://api.example/v1/orders"))
}

fn endpoint(url: &str) -> Endpoint {
    Endpoint::parse(url).unwrap()
}

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

/// 30 June 2026, the last second.
const END: &str = "Tue, 30 Jun 2026 23:59:59 GMT";
const END_SECONDS: u64 = 1_782_863_999;

#[test]
fn deprecation_is_a_structured_date_or_what_the_drafts_had() {
    let check = |value: &str, expected: Option<Option<u64>>| {
        let found = read(&[("deprecation", value)]);
        let found = found.map(|notice| {
            assert!(notice.is_deprecated() && notice.sunset().is_none(), "{value:?}");
            notice.deprecated_since()
        });
        assert_eq!(found, expected.map(|since| since.map(at)), "{value:?}");
    };
    check("@1688169599", Some(Some(1_688_169_599)));
    check(" @0;x=1 ", Some(Some(0)));
    check("Sun, 06 Nov 1994 08:49:37 GMT", Some(Some(784_111_777)));
    check("true", Some(None));
    check("True", Some(None));
    check("?1", Some(None));
    // Nobody lives then, so only the fact is kept.
    check("@999999999999999", Some(None));
    for junk in [
        "",
        "false",
        "?0",
        "1688169599",
        "@",
        "@-1",
        "@1.5",
        "@1 @2",
        "@x",
        "yes",
        "2026-01-01",
        "version=\"v1\"",
        "@1688169599, @1688169600",
        "@99999999999999999999",
        "\"true\"",
        "Sun, 06 Nov 94",
        "tr\u{fc}e",
    ] {
        check(junk, None);
    }
}

#[test]
fn sunset_is_an_http_date_and_the_other_form_is_taken_too() {
    let check = |value: &str, expected: Option<u64>| {
        let found = read(&[("sunset", value)]);
        assert!(found.as_ref().is_none_or(|notice| !notice.is_deprecated()), "{value:?}");
        assert_eq!(found.and_then(|notice| notice.sunset()), expected.map(at), "{value:?}");
    };
    check(END, Some(END_SECONDS));
    check("Sunday, 06-Nov-94 08:49:37 GMT", Some(784_111_777));
    check("Sun Nov  6 08:49:37 1994", Some(784_111_777));
    check("@1782863999", Some(END_SECONDS));
    // Written by hand: it was a Tuesday.
    check("Fri, 30 Jun 2026 23:59:59 GMT", Some(END_SECONDS));
    for junk in [
        "",
        "true",
        "?1",
        "2026-06-30",
        "2026-06-30T23:59:59Z",
        "Tue, 30 Jun 2026",
        "soon",
        "Tue, 99 Jun 2026 23:59:59 GMT",
        "@999999999999999",
    ] {
        check(junk, None);
    }
}

#[test]
fn of_several_lines_the_first_that_can_be_read_counts() {
    let lines =
        [("deprecation", "junk"), ("deprecation", "@7"), ("deprecation", "@8"), ("sunset", "x")];
    let notice = read(&lines).unwrap();
    assert_eq!((notice.deprecated_since(), notice.sunset()), (Some(at(7)), None));
}

#[test]
fn links_name_the_successor_and_the_documentation_and_announce_nothing_alone() {
    let check = |lines: &[&str], successor: Option<&str>, documentation: Option<&str>| {
        let links: Vec<_> = lines.iter().map(|line| ("link", *line)).collect();
        assert_eq!(read(&links), None, "{lines:?}");
        let notice = read(&[&links[..], &[("deprecation", "true")]].concat()).unwrap();
        assert_eq!(
            (notice.successor(), notice.documentation()),
            (successor, documentation),
            "{lines:?}"
        );
    };
    let v2 = Some("https://api.example/v2/orders");
    let docs = Some("https://api.example/docs");
    check(&["</v2/orders>; rel=\"successor-version\""], v2, None);
    check(&["<../v2/orders>; rel=successor-version, </docs>; rel=deprecation"], v2, docs);
    check(&["</docs>; rel=\"sunset\"", "</v2/orders>; rel=\"next latest-version\""], v2, docs);
    check(&["</x>; rel=latest-version, </v2/orders>; rel=successor-version"], v2, None);
    check(&["</x>; rel=sunset, </docs>; rel=deprecation"], None, docs);
    check(&["</v2/orders>; rel=successor-version, </v3>; rel=successor-version"], v2, None);
    check(
        &["<https://u:s3cret@api.example/v2/orders?k=s3cret#x>; rel=successor-version"],
        v2,
        None,
    );
    // What cannot be shown gives way to what can.
    check(&["<mailto:a@b>; rel=successor-version, </v2/orders>; rel=successor-version"], v2, None);
    check(&["<javascript:x>; rel=successor-version, </v2/orders>; rel=latest-version"], v2, None);
    check(&["junk; \"<<,", "</v2/orders>; rel=successor-version; title=\"\u{fc}\""], v2, None);
    check(&["</v\u{fc}>; rel=successor-version"], None, None);
    check(&["<?v=2>; rel=successor-version, <>; rel=deprecation"], None, None);
    check(&["</docs>; rel=help"], None, None);
    check(&["</docs>; rel=deprecation; anchor=\"/other\""], None, None);
}

#[test]
fn a_sink_warns_once_and_says_it_always() {
    let life = Life::of(Some("v1"));
    let headers = headers(&[("sunset", END)]);
    assert!(life.hear(&HeaderMap::new(), &endpoint("https://h")).is_none());
    for expected in [1, 0, 0] {
        let receipt =
            life.hear(&headers, &endpoint("https://h")).unwrap().on_receipt(Receipt::new());
        assert_eq!(receipt.notices().count(), expected);
        assert_eq!(receipt.api().unwrap().version(), Some("v1"));
    }
    let life = Life::of(None);
    for expected in [1, 0] {
        let error = Error::new(ErrorKind::Rejected, "no");
        let error = life.hear(&headers, &endpoint("https://h")).unwrap().on_error(error);
        assert_eq!((error.notices().count(), error.api().unwrap().version()), (expected, None));
    }
}

#[test]
fn what_is_gone_after_its_announced_end_says_so() {
    let base = endpoint("https://api.example/v1/orders");
    let ending = headers(&[("sunset", END), ("link", "</v2>; rel=successor-version")]);
    let (before, after) = (at(END_SECONDS - 1), at(END_SECONDS));
    let text = |life: &Life, code, said: Option<&Announced>, now| {
        life.epitaph(code, said, now).map(|(text, _)| text)
    };

    let life = Life::of(None);
    assert_eq!(text(&life, 410, None, after), None, "nothing was announced");
    let said = life.hear(&ending, &base).unwrap();
    for said in [Some(&said), None] {
        let expected = "the API was announced to end on 2026-06-30, and is gone (410); \
                        its successor is https://api.example/v2";
        assert_eq!(text(&life, 410, said, after).as_deref(), Some(expected));
        let expected = expected.replace("is gone (410)", "may be gone (404)");
        assert_eq!(text(&life, 404, said, after), Some(expected));
        for code in [200, 400, 401, 403, 405, 500, 503] {
            assert_eq!(text(&life, code, said, after), None, "{code}");
        }
        assert_eq!(text(&life, 410, said, before), None, "the end is to come");
    }
    // Put off: the last word counts.
    let later = headers(&[("sunset", "Thu, 31 Dec 2026 23:59:59 GMT")]);
    life.hear(&later, &base);
    assert_eq!(text(&life, 410, None, after), None);
    // An answer that tells of no end leaves the one that is known.
    life.hear(&headers(&[("deprecation", "true")]), &base);
    let now = at(END_SECONDS + (1 << 25));
    let expected = "the API was announced to end on 2026-12-31, and is gone (410)";
    assert_eq!(text(&life, 410, None, now).as_deref(), Some(expected));

    let life = Life::of(Some("v1"));
    life.hear(&ending, &base);
    assert!(text(&life, 410, None, after).unwrap().starts_with("v1 of the API was announced"));
    let documented = headers(&[("sunset", END), ("link", "</bye>; rel=sunset")]);
    life.hear(&documented, &base);
    assert!(text(&life, 410, None, after).unwrap().ends_with("(410); see https://api.example/bye"));
}

proptest! {
    #[test]
    fn nothing_makes_it_panic_or_show_what_commands_a_terminal(
        deprecation in "(@|true|.)*", sunset in ".*", link in "([<>;,=\"\\\\ /:?@.]|rel=|successor-version|deprecation|https?|.)*",
    ) {
        let mut headers = HeaderMap::new();
        let lines = [("deprecation", &*deprecation), ("deprecation", "true"), ("sunset", &*sunset), ("link", &*link)];
        for (name, value) in lines {
            // Not even what no parser of HTTP lets through.
            let value = HeaderValue::from_maybe_shared(bytes::Bytes::from(value.to_owned()));
            if let Ok(value) = value {
                headers.append(name, value);
            }
        }
        let life = Life::of(Some("v1"));
        let receipt = life.hear(&headers, &endpoint("https://api.example/v1/orders")).unwrap().on_receipt(Receipt::new());
        let api = receipt.api().unwrap();
        let notices: Vec<_> = receipt.notices().collect();
        let shown = format!("{notices:?} {}", serde_json::to_string(api).unwrap());
        prop_assert!(shown.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()), "{shown}");
        prop_assert!(shown.len() < 4_000);
        for url in [api.successor(), api.documentation()].into_iter().flatten() {
            prop_assert!(url.starts_with("http") && !url.contains(['?', '#']));
        }
    }
}
