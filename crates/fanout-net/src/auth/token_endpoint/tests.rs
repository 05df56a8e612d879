//! Requests as the standard writes them, and answers of every kind.

use super::*;

fn asked(auth: ClientAuth, id: &str, secret: &str, params: &[(&str, &str)]) -> Request<String> {
    let params: Vec<_> =
        params.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    request(&Uri::from_static("https://idp.example/token"), auth, (id, secret), &params)
}

#[test]
fn the_client_is_shown_as_rfc_6749_section_2_3_1_says() {
    let (id, secret) = ("s6BhdRkqt3", "7Fjfp0ZBr1KtDRbnfVdmIw");
    let request = asked(ClientAuth::Basic, id, secret, &[]);
    let value = &request.headers()[AUTHORIZATION];
    assert_eq!(value, "Basic czZCaGRSa3F0Mzo3RmpmcDBaQnIxS3REUmJuZlZkbUl3");
    assert!(value.is_sensitive());
    assert_eq!(request.body(), "grant_type=client_credentials");
    assert_eq!(request.headers()[CONTENT_TYPE], "application/x-www-form-urlencoded");

    let request = asked(ClientAuth::Body, id, secret, &[("scope", "a b"), ("audience", "x&y=z")]);
    assert_eq!(
        request.body(),
        "grant_type=client_credentials&scope=a+b&audience=x%26y%3Dz\
         &client_id=s6BhdRkqt3&client_secret=7Fjfp0ZBr1KtDRbnfVdmIw"
    );
    assert!(!request.headers().contains_key(AUTHORIZATION));

    // Encoded first, so that a colon in the name is no border.
    let request = asked(ClientAuth::Basic, "a:b", "c d+\u{e9}", &[]);
    let expected = format!("Basic {}", STANDARD.encode("a%3Ab:c+d%2B%C3%A9"));
    assert_eq!(request.headers()[AUTHORIZATION], expected.as_str());
}

fn read(status: u16, body: &str) -> Result<Fetched, Refusal> {
    answer(StatusCode::from_u16(status).unwrap(), &HeaderMap::new(), body.as_bytes(), true)
}

#[test]
fn a_token_is_read_with_its_lifetime() {
    let check = |expires_in: &str, seconds: f64| {
        let body = format!(
            r#"{{"access_token":"2YotnFZFEjr1zCsicMWpAA","token_type":"Bearer"{expires_in}}}"#
        );
        let fetched = read(200, &body).unwrap_or_else(|refusal| panic!("{refusal:?}"));
        assert_eq!(&*fetched.text.expose(), "2YotnFZFEjr1zCsicMWpAA");
        assert_eq!(fetched.lifetime, Duration::from_secs_f64(seconds), "{expires_in}");
    };
    check(r#","expires_in":3600"#, 3600.0);
    check(r#","expires_in":"3600""#, 3600.0);
    check(r#","expires_in":1.5"#, 1.5);
    check(r#","expires_in":0"#, 1.0);
    check(r#","expires_in":-5"#, 1.0);
    check(r#","expires_in":1e300"#, 86400.0);
    check(r#","expires_in":18446744073709551616"#, 86400.0);
    check(r#","expires_in":"inf""#, 86400.0);
    check(r#","expires_in":"NaN""#, 3600.0);
    check(r#","expires_in":"soon""#, 3600.0);
    check(r#","expires_in":null"#, 3600.0);
    check(r#","expires_in":{}"#, 3600.0);
    check("", 3600.0);
}

#[test]
fn what_brings_no_token_is_told_by_its_cause() {
    use ErrorKind as Kind;
    use RetryAdvice::{Backoff, Never};
    let check = |status: u16, body: &str, kind: Kind, advice: RetryAdvice, text: &str| {
        let Err(refusal) = read(status, body) else { panic!("{status} {body}") };
        assert_eq!((refusal.kind, refusal.advice), (kind, advice), "{status} {body}");
        assert!(refusal.text.contains(text), "{}", refusal.text);
        assert!(!refusal.text.contains("s3cret"), "{}", refusal.text);
    };
    let told = r#"{"error":"invalid_client","error_description":"s3cret"}"#;
    for status in [200, 400, 401, 403] {
        check(status, told, Kind::Unauthenticated, Never, ": invalid_client");
    }
    check(401, "s3cret", Kind::Unauthenticated, Never, "answered 401");
    check(400, r#"{"error":"s3cret\n"}"#, Kind::Unauthenticated, Never, "without a valid code");
    check(400, r#"{"error":"s3cret\""}"#, Kind::Unauthenticated, Never, "without a valid code");
    let long = format!(r#"{{"error":"{}"}}"#, "s3cret".repeat(20));
    check(400, &long, Kind::Unauthenticated, Never, "without a valid code");
    check(400, r#"{"error":"temporarily_unavailable"}"#, Kind::Unavailable, Backoff, "");
    check(400, r#"{"error":"server_error"}"#, Kind::Upstream, Backoff, "");
    check(302, "", Kind::Redirected, Never, "not followed");
    check(404, "<html>", Kind::NotFound, Never, "check its URL");
    check(405, "", Kind::Unsupported, Never, "405");
    check(408, "", Kind::Unavailable, Backoff, "408");
    check(429, told, Kind::Throttled, Backoff, "429");
    check(500, "s3cret", Kind::Upstream, Backoff, "500");
    check(503, "", Kind::Unavailable, Backoff, "503");
    check(600, "", Kind::Protocol, Backoff, "600");
    for body in ["", "<html>s3cret", "[]", "{}", r#"{"access_token":7}"#, r#""s3cret""#] {
        check(200, body, Kind::Protocol, Backoff, "not JSON with an access token");
    }
    for token in ["", "s3cret x", "s3crét", "s3cret\\n"] {
        let body = format!(r#"{{"access_token":"{token}"}}"#);
        check(200, &body, Kind::Protocol, Never, "characters");
    }
    for kind in [r#""mac""#, "7", "null"] {
        let body = format!(r#"{{"access_token":"t","token_type":{kind}}}"#);
        check(200, &body, Kind::Unsupported, Never, "other than bearer");
    }
    let cut = answer(StatusCode::OK, &HeaderMap::new(), br#"{"access_token":"t"}"#, false);
    assert_eq!(cut.err().map(|refusal| refusal.kind), Some(Kind::Protocol));
}

#[test]
fn a_token_endpoint_that_says_when_is_asked_then() {
    let check = |value: &'static str, advice: RetryAdvice| {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, HeaderValue::from_static(value));
        headers.insert(DATE, HeaderValue::from_static("Sun, 06 Nov 1994 08:49:37 GMT"));
        let refusal = answer(StatusCode::SERVICE_UNAVAILABLE, &headers, b"", true).err().unwrap();
        assert_eq!(refusal.advice, advice, "{value}");
    };
    let after = |seconds| RetryAdvice::After(Duration::from_secs(seconds));
    check("7", after(7));
    check("Sun, 06 Nov 1994 08:49:40 GMT", after(3));
    check("99999999999999999999999", after(86400));
    for value in ["0", "soon", "", "Sun, 06 Nov 1994 08:49:30 GMT"] {
        check(value, RetryAdvice::Backoff);
    }
}
