//! Which redirects are followed, and what goes along.

use std::collections::BTreeSet;

use http::{HeaderValue, StatusCode};

use super::*;

const HERE: &str = "http://here.example/v1/data?key=s3cret";

fn location(text: &str) -> HeaderMap {
    HeaderMap::from_iter([(LOCATION, HeaderValue::from_bytes(text.as_bytes()).unwrap())])
}

fn decide(
    redirects: Redirects,
    code: u16,
    method: &Method,
    from: &str,
    to: &str,
) -> Result<(String, bool), Why> {
    let from = Endpoint::parse(from).unwrap();
    let hop = redirects.decide(code, method, &location(to), &from, 0)?;
    Ok((hop.to.uri().to_string(), hop.crosses))
}

#[test]
fn every_code_and_method_is_followed_or_not_as_rfc_9110_says() {
    let methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "LOCK"];
    let mut followed = BTreeSet::new();
    for code in 300..=399 {
        for method in methods {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            let check = |redirects| decide(redirects, code, &method, HERE, "/v2");
            assert_eq!(check(Redirects::none()), Err(Why::Off));
            assert_eq!(check(Redirects::default()), Err(Why::Off));
            let same = check(Redirects::same_origin());
            assert_eq!(same, check(Redirects::any_origin()), "{code} {method}");
            match same {
                Ok(to) => {
                    assert_eq!(to, ("http://here.example/v2".to_owned(), false));
                    followed.insert((code, method.to_string()));
                }
                Err(Why::Method) => assert!((301..=303).contains(&code), "{code} {method}"),
                Err(why) => {
                    assert_eq!(why, Why::Status, "{code} {method}");
                    assert!(![301, 302, 303, 307, 308].contains(&code));
                }
            }
        }
    }
    let mut expected = BTreeSet::new();
    for method in methods {
        expected.extend([307, 308].map(|code| (code, method.to_owned())));
    }
    for method in ["GET", "HEAD"] {
        expected.extend([301, 302, 303].map(|code| (code, method.to_owned())));
    }
    assert_eq!(followed, expected);
}

#[test]
fn an_origin_is_scheme_host_and_port() {
    let check = |from: &str, to: &str, expected: Result<bool, Why>| {
        let any = Redirects::any_origin().plaintext(true);
        let any = decide(any, 308, &Method::POST, from, to);
        assert_eq!(any.map(|(_, crosses)| crosses), expected, "{from} -> {to}");
        let same = decide(Redirects::same_origin(), 308, &Method::POST, from, to);
        let same = same.map(|(_, crosses)| crosses);
        let expected = if expected == Ok(true) { Err(Why::OtherOrigin) } else { expected };
        assert_eq!(same, expected, "{from} -> {to}");
    };
    check("http://h/", "http://h/x", Ok(false));
    check("http://h/", "http://h:80/x", Ok(false));
    check("https://h:443/", "https://h/x", Ok(false));
    check("http://h/", "HTTP://H/x", Ok(false));
    check("http://h/", "//h/x", Ok(false));
    check("http://[::1]:8/", "http://[::1]:8/x", Ok(false));
    check("http://h/", "http://h:81/x", Ok(true));
    check("http://h/", "https://h/x", Ok(true));
    check("http://h:443/", "https://h:443/x", Ok(true));
    check("http://h/", "http://h.evil.example/x", Ok(true));
    check("http://h/", "//evil.example/x", Ok(true));
    check("http://h/", "http://sub.h/", Ok(true));
    check("https://h/", "http://h/x", Err(Why::Downgrade));
    check("https://h/", "http://other/x", Err(Why::Downgrade));
    check("https://h:80/", "http://h:80/x", Err(Why::Downgrade));
}

#[test]
fn plain_text_to_another_machine_is_not_followed_unless_allowed() {
    let check = |from: &str, to: &str, expected: Option<Why>| {
        let any = Redirects::any_origin();
        assert_eq!(decide(any, 307, &Method::POST, from, to).err(), expected, "{from} -> {to}");
        let allowed = decide(any.plaintext(true), 307, &Method::POST, from, to);
        assert_eq!(allowed.err(), None, "{from} -> {to}");
    };
    check("http://localhost/", "http://other.example/", Some(Why::Plaintext));
    check("http://127.0.0.1/", "http://10.0.0.1/", Some(Why::Plaintext));
    check("http://127.0.0.1/", "http://127.0.0.1:81/", None);
    check("http://127.0.0.1/", "https://other.example/", None);
    check("http://here.example/", "/x", None);
}

#[test]
fn a_location_that_leads_nowhere_is_not_followed() {
    let nowhere = [
        "http://",
        "http:///x",
        "http:x",
        "ftp://here.example/",
        "javascript:x",
        "mailto:a@b",
        "http://user:pw@here.example/",
        "//u@here.example/",
        "http://here.example:0/",
        "http://here.example:99999/",
        "http://[::1/",
        "\\\\evil.example\\x",
        "/\\evil.example",
        "http://here.example\\@evil.example/",
        "/a b",
        "1:2",
        "http://b\u{fc}cher.example/",
        "unix:/run/x",
        "data:text/plain,x",
    ];
    for to in nowhere {
        let found = decide(Redirects::any_origin(), 307, &Method::POST, HERE, to);
        assert_eq!(found, Err(Why::BadLocation), "{to}");
    }
    let from = Endpoint::parse(HERE).unwrap();
    let decide =
        |headers: &HeaderMap| Redirects::any_origin().decide(307, &Method::POST, headers, &from, 0);
    assert_eq!(decide(&HeaderMap::new()), Err(Why::NoLocation));
    let latin = HeaderValue::from_bytes(b"/\xfc").unwrap();
    assert_eq!(decide(&HeaderMap::from_iter([(LOCATION, latin)])), Err(Why::BadLocation));
    // Which one is meant nobody can say.
    let mut two = location("/a");
    two.append(LOCATION, HeaderValue::from_static("/b"));
    assert_eq!(decide(&two), Err(Why::BadLocation));
}

#[test]
fn relative_locations_are_resolved_and_fragments_dropped() {
    let check = |to: &str, expected: &str| {
        let found = decide(Redirects::same_origin(), 307, &Method::POST, HERE, to);
        assert_eq!(found, Ok((expected.to_owned(), false)), "{to}");
    };
    check("more", "http://here.example/v1/more");
    check("../v2/data", "http://here.example/v2/data");
    check("../../../v2", "http://here.example/v2");
    check("?page=2", "http://here.example/v1/data?page=2");
    check("", "http://here.example/v1/data?key=s3cret");
    check("/x#s3cret", "http://here.example/x");
    check("/ü", "http://here.example/%C3%BC");
}

#[test]
fn so_many_in_a_row_and_no_more() {
    let from = Endpoint::parse(HERE).unwrap();
    for (redirects, max) in [
        (Redirects::same_origin(), 3),
        (Redirects::any_origin(), 3),
        (Redirects::same_origin().max(1), 1),
    ] {
        for followed in 0..5 {
            let step = redirects.decide(307, &Method::POST, &location("/x"), &from, followed);
            assert_eq!(step.is_ok(), followed < max, "{redirects:?} after {followed}");
        }
    }
}

fn nothing(_: &str) -> bool {
    false
}

fn request(url: &str, headers: &[(&str, &str)]) -> Request<Bytes> {
    let mut request = Request::post(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Bytes::from_static(b"payload")).unwrap()
}

const HEADERS: &[(&str, &str)] = &[
    ("authorization", "s3cret"),
    ("proxy-authorization", "s3cret"),
    ("cookie", "s3cret"),
    ("x-api-key", "s3cret"),
    ("x-anything", "s3cret"),
    ("webhook-signature", "s3cret"),
    ("traceparent", "s3cret"),
    ("referer", "s3cret"),
    ("x-anything", "s3cret"),
    ("content-type", "a/b"),
    ("content-encoding", "gzip"),
    ("accept", "c/d"),
    ("user-agent", "fanout"),
    ("idempotency-key", "\"k\""),
];

#[test]
fn nothing_but_what_is_harmless_crosses_an_origin_and_nothing_comes_back() {
    let first = Endpoint::parse(HERE).unwrap();
    let mut trail = Trail::new(Redirects::any_origin(), &first);
    let mut sent = request(HERE, HEADERS);
    for (to, names) in
        [("/v2", HEADERS.len()), ("https://other.example/v2", 5), ("https://here.example/v3", 5)]
    {
        trail.keep(&sent);
        let next = trail.follow(307, &location(to), nothing).unwrap();
        assert_eq!(next.headers().len(), names, "{to}: {:?}", next.headers());
        assert_eq!((next.method(), &**next.body()), (&Method::POST, &b"payload"[..]));
        assert_eq!(next.headers()["idempotency-key"], "\"k\"");
        sent = *next;
    }
    assert!(!format!("{:?}", sent.headers()).contains("s3cret"));
}

#[test]
fn a_way_that_has_left_this_machine_stays_away() {
    let check = |first: &str, way: &[&str], expected: bool| {
        let endpoint = Endpoint::parse(first).unwrap();
        let mut trail = Trail::new(Redirects::any_origin().plaintext(true), &endpoint);
        let mut sent = request(first, &[]);
        for to in way {
            trail.keep(&sent);
            sent = *trail.follow(307, &location(to), nothing).unwrap();
        }
        assert_eq!(trail.is_local(), expected, "{first} {way:?}");
    };
    check("http://localhost/", &[], true);
    check("http://localhost/", &["/x", "http://127.0.0.1:81/", "http://[::1]/"], true);
    check("http://localhost/", &["http://other.example/"], false);
    check("http://localhost/", &["http://other.example/", "http://localhost/"], false);
    check("http://other.example/", &["http://localhost/"], false);
    check("http://localhost/", &["http://0.0.0.0/"], false);
    check("http://localhost/", &["http://127.1/"], false);
}

#[test]
fn the_query_of_the_sink_is_not_taken_to_another_origin() {
    let check = |query: &str, to: &str, expected: Option<Why>| {
        let url = format!("http://h/{query}");
        let first = Endpoint::parse(&url).unwrap();
        let mut trail = Trail::new(Redirects::any_origin(), &first);
        trail.keep(&request(&url, &[]));
        assert_eq!(trail.follow(307, &location(to), nothing).err(), expected, "{query} -> {to}");
    };
    check("?key=s3cret", "https://other/?key=s3cret", Some(Why::OwnQuery));
    check("?a=1&key=s3cret", "https://other/x?b=2&key=s3cret&c", Some(Why::OwnQuery));
    check("?key=s+3", "https://other/?%6Bey=s%203", Some(Why::OwnQuery));
    check("?key=s3cret", "https://other/?key=x", None);
    check("?key=s3cret", "https://other/", None);
    check("", "https://other/?key=s3cret", None);
    check("?", "https://other/?", None);
    check("?key=s3cret", "/x?key=s3cret", None);
}

/// A key that a hop at home hid: the next one brings it out again.
#[test]
fn a_query_is_remembered_over_all_redirects() {
    let url = "http://h/?key=s3cret";
    let first = Endpoint::parse(url).unwrap();
    let mut trail = Trail::new(Redirects::any_origin(), &first);
    trail.keep(&request(url, &[]));
    let next = trail.follow(307, &location("/next?x=1"), nothing).unwrap();
    trail.keep(&next);
    let found = trail.follow(307, &location("https://other/?key=s3cret"), nothing);
    assert_eq!(found.err(), Some(Why::OwnQuery));
}

#[test]
fn a_credential_in_the_url_stays_at_home() {
    let first = Endpoint::parse(HERE).unwrap();
    let check = |to: &str, expected: Option<Why>| {
        let mut trail = Trail::new(Redirects::any_origin(), &first);
        trail.keep(&request(HERE, &[]));
        let found = trail.follow(307, &location(to), |url| url.contains("hunter2"));
        assert_eq!(found.err(), expected, "{to}");
    };
    check("https://other/?next=%2Fx%3Fkey%3Dhunter2", Some(Why::OwnQuery));
    check("https://other/hunter2", Some(Why::OwnQuery));
    check("/hunter2", None);
    check("https://other/", None);
}

#[test]
fn why_a_redirect_is_not_followed_is_said_in_the_same_words_for_all_codes() {
    for why in [
        Why::Off,
        Why::Status,
        Why::Method,
        Why::NoLocation,
        Why::BadLocation,
        Why::Downgrade,
        Why::OtherOrigin,
        Why::Plaintext,
        Why::OwnQuery,
        Why::TooMany(3),
    ] {
        let text = why.to_string();
        assert!(!text.is_empty() && !text.ends_with('.'), "{text}");
    }
    let first = Endpoint::parse(HERE).unwrap();
    let mut trail = Trail::new(Redirects::none(), &first);
    trail.keep(&request(HERE, &[]));
    let code = StatusCode::PERMANENT_REDIRECT.as_u16();
    assert_eq!(trail.follow(code, &location("/x"), nothing).err(), Some(Why::Off));
}
