//! What must hold for any bytes in an answer's headers: run by `cargo fuzz`, and over its seeds as tests.

use std::iter;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use fanout::{Error, ErrorKind, Receipt, RetryAdvice};
use fanout_net::Endpoint;
use fanout_net::auth::Proofs;
use http::header::{AUTHORIZATION, DATE, LOCATION, RETRY_AFTER};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Uri};

use crate::classify::YEAR;
use crate::life::Life;
use crate::redirect::{Redirects, Trail};
use crate::sink::without_secrets;
use crate::{Class, Hints, classify, rate_limit};

/// A `Retry-After` in the first line, a `Date` in the second.
pub fn retry_after(data: &[u8]) {
    let mut lines = data.splitn(2, |byte| *byte == b'\n');
    let (value, date) = (lines.next().unwrap_or_default(), lines.next());
    let mut headers = HeaderMap::new();
    add(&mut headers, &RETRY_AFTER, value);
    add(&mut headers, &DATE, date.unwrap_or_default());
    let hints = Hints::of(&headers, now());
    assert!(hints.retry_after <= Some(YEAR), "{hints:?}");

    if let Ok(number) = str::from_utf8(value).unwrap_or_default().parse::<u64>()
        && value[0] != b'+'
    {
        assert_eq!(hints.retry_after, Some(Duration::from_secs(number).min(YEAR)));
    }
    // White space around a field's value is no part of it, RFC 9110 section 5.5.
    if headers.contains_key(RETRY_AFTER) {
        let mut padded = headers.clone();
        padded.remove(RETRY_AFTER);
        add(&mut padded, &RETRY_AFTER, &[b" \t", value, b" "].concat());
        assert_eq!(Hints::of(&padded, now()), hints);
    }
    advice_is_sane(hints);
}

/// Lines of a `RateLimit` field.
pub fn rate_limit(data: &[u8]) {
    let name = HeaderName::from_static("ratelimit");
    let mut headers = HeaderMap::new();
    let lines: Vec<_> = data.split(|byte| *byte == b'\n').collect();
    for line in &lines {
        if !add(&mut headers, &name, line) {
            return;
        }
    }
    let reset = rate_limit::reset(&headers);
    // Several lines are one field, RFC 9110 section 5.3.
    let mut joined = HeaderMap::new();
    add(&mut joined, &name, &lines.join(&b", "[..]));
    assert_eq!(rate_limit::reset(&joined), reset);
    if let Some(delay) = reset {
        assert_eq!(delay.subsec_nanos(), 0);
        advice_is_sane(Hints::default().with_quota_reset(delay));
        // RFC 9651 section 4.2: what is malformed anywhere is not there.
        add(&mut headers, &name, b";");
        assert_eq!(rate_limit::reset(&headers), None);
    }
}

/// Which base in the first byte, a `Location` in the rest: where the next request goes, and with what.
pub fn location(data: &[u8]) {
    let [base, location @ ..] = data else { return };
    let base = BASES[usize::from(*base) % BASES.len()];
    let mut headers = HeaderMap::new();
    if !add(&mut headers, &LOCATION, location) {
        return;
    }
    let text = String::from_utf8_lossy(location);
    let first = Endpoint::parse(base).expect("a base is a URL");
    let follow = |redirects: Redirects, headers: &HeaderMap| {
        let mut trail = Trail::new(redirects, &first);
        let mut request = Request::post(first.uri().clone()).body(Bytes::new()).expect("a request");
        request.headers_mut().insert(AUTHORIZATION, HeaderValue::from_static(SECRET));
        request.headers_mut().insert("x-key", HeaderValue::from_static(SECRET));
        trail.keep(&request);
        let next = trail.follow(307, headers, |_| false);
        let shown = trail.explain(Error::new(ErrorKind::Redirected, ""));
        // What a server names itself is shown, and was no secret of ours.
        let shown = format!("{shown} {shown:?}");
        assert!(text.contains(SECRET) || !shown.contains(SECRET), "{shown}");
        next
    };
    for plaintext in [false, true] {
        let Ok(next) = follow(Redirects::any_origin().plaintext(plaintext), &headers) else {
            assert!(follow(Redirects::same_origin(), &headers).is_err(), "{text}");
            continue;
        };
        let to = Endpoint::parse(&next.uri().to_string()).expect("what is followed is a URL");
        assert!(to.is_tls() || !first.is_tls(), "a downgrade: {to}");
        let origin = |endpoint: &Endpoint| {
            (endpoint.is_tls(), endpoint.host().to_ascii_lowercase(), endpoint.port())
        };
        let same = origin(&to) == origin(&first);
        let kept = [AUTHORIZATION, HeaderName::from_static("x-key")]
            .map(|name| next.headers().contains_key(name));
        assert_eq!(kept, [same; 2], "{to}");
        assert_eq!(follow(Redirects::same_origin(), &headers).is_ok(), same, "{to}");
        if !same {
            assert!(plaintext || to.refuse_plaintext().is_ok(), "{to}");
            let query = first.query().expect("a base has a query");
            assert!(to.query().is_none_or(|to| !to.split('&').any(|pair| pair == query)), "{to}");
        }
        // Whoever names the same place in full means the same place.
        let mut whole = HeaderMap::new();
        add(&mut whole, &LOCATION, next.uri().to_string().as_bytes());
        let again = follow(Redirects::any_origin().plaintext(plaintext), &whole);
        assert_eq!(again.ok().map(|again| again.uri().clone()), Some(next.uri().clone()));
    }
    if text.contains(PASSWORD) {
        return;
    }
    let secret = [
        format!("https://user:{PASSWORD}@{text}"),
        format!("{text}?{PASSWORD}"),
        format!("{text}#{PASSWORD}"),
    ];
    for location in secret {
        assert!(!without_secrets(&location).contains(PASSWORD), "{location}");
    }
}

/// A `Deprecation` in the first line, a `Sunset` in the second, `Link` in the others: what is shown of them.
pub fn announcement(data: &[u8]) {
    let mut headers = HeaderMap::new();
    let names = ["deprecation", "sunset"].into_iter().chain(iter::repeat("link"));
    for (line, name) in data.split(|byte| *byte == b'\n').zip(names) {
        add(&mut headers, &HeaderName::from_static(name), line);
    }
    let endpoint = Endpoint::parse(HOOK).expect("it is a URL");
    let life = Life::of(Some("v1"));
    let mut proofs = Proofs::default();
    // As an attempt does, so that they know the URL.
    proofs.write_query(&mut endpoint.uri().clone()).expect("there is nothing to write");
    let announced = life.hear(&headers, &endpoint);
    let announced = announced.map(|said| said.rewrite(|url| Some(proofs.scrub_text(url.into()))));
    let Some(announced) = announced else {
        assert!(life.epitaph(410, None, SystemTime::now()).is_none());
        return;
    };
    let notice = announced.notice.clone();
    assert!(notice.is_deprecated() || notice.sunset().is_some(), "{notice:?}");
    for url in [notice.successor(), notice.documentation()].into_iter().flatten() {
        let uri: Uri = url.parse().unwrap_or_else(|error| panic!("{url}: {error}"));
        let authority = uri.authority().expect("it is absolute").as_str();
        assert!(matches!(uri.scheme_str(), Some("http" | "https")), "{url}");
        assert!(!authority.is_empty() && !authority.contains('@'), "{url}");
        assert!(!url.contains(['?', '#', '\\', '"', '<', '>']) && url.len() <= 512, "{url}");
    }
    let end = notice.sunset().map(|sunset| sunset + Duration::from_secs(1));
    let epitaph = end.and_then(|now| life.epitaph(410, Some(&announced), now));
    assert_eq!(epitaph.is_some(), notice.sunset().is_some(), "{notice}");
    let epitaph = epitaph.map_or(String::new(), |(text, _)| text);
    let receipt = announced.on_receipt(Receipt::new());
    assert_eq!(receipt.api(), Some(&notice));
    let warned = receipt.notices().next().expect("the first is told in words").to_owned();
    for shown in [notice.to_string(), epitaph, format!("{notice:?}"), warned] {
        assert!(shown.chars().all(|letter| matches!(letter, ' '..='~')), "{shown:?}");
        // Two addresses of 512 bytes, and the words around them.
        assert!(shown.len() < 2 * 512 + 256, "{shown}");
        assert!(!shown.contains(SECRET), "it is in our path, and nobody else knows it: {shown}");
    }
}

/// Whatever the headers say: a pause is longer than nothing and at most a year, and the effect of an
/// answer is the table's.
fn advice_is_sane(hints: Hints) {
    for code in [408, 409, 413, 429, 500, 503, 529] {
        let Class::Failed { advice, .. } = classify(code, hints) else {
            panic!("{code} is no success");
        };
        if let RetryAdvice::After(delay) = advice {
            assert!(!delay.is_zero() && delay <= YEAR, "{code} {advice:?}");
        }
        let keyed = classify(code, hints.with_key());
        assert!(matches!(keyed, Class::Failed { .. }), "{code}");
    }
}

/// Adds a line if it can be one at all: hyper takes no others.
fn add(headers: &mut HeaderMap, name: &HeaderName, value: &[u8]) -> bool {
    let value = HeaderValue::from_bytes(value).map(|value| headers.append(name, value));
    value.is_ok()
}

/// A day of 2026: no property depends on the clock.
fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_780_000_000)
}

const BASES: [&str; 4] = [
    "https://api.example.com/v1/orders;a/b?key=s3cr3tc4n4ry",
    "https://[2001:db8::1]:8443/a/b/?key=s3cr3tc4n4ry",
    "http://localhost:80?key=s3cr3tc4n4ry",
    "http://API.example.com/%7e/?key=s3cr3tc4n4ry",
];

/// A webhook: whoever knows its path or its key may call it.
const HOOK: &str = "https://api.example.com/hooks/s3cr3tc4n4ry-0001?key=s3cr3tc4n4ry";

/// In nothing that is said about a redirect or an API otherwise.
const SECRET: &str = "s3cr3tc4n4ry";
const PASSWORD: &str = "p4ssw0rdc4n4ry";

#[cfg(test)]
#[path = "../../../fuzz/replay.rs"]
mod replay;

#[cfg(test)]
mod tests {
    use super::replay::replay;

    #[test]
    fn retry_after_holds_for_its_seeds() {
        replay("retry_after", super::retry_after);
    }

    #[test]
    fn location_holds_for_its_seeds() {
        replay("location", super::location);
    }

    #[test]
    fn announcement_holds_for_its_seeds() {
        replay("announcement", super::announcement);
    }

    #[test]
    fn rate_limit_holds_for_its_seeds() {
        replay("rate_limit", super::rate_limit);
    }
}
