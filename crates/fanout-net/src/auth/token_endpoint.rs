//! What a token endpoint is asked, and what its answers mean: pure.

use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fanout::{ErrorKind, RetryAdvice, Secret};
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, DATE, RETRY_AFTER, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri};
use serde_json::Value;
use zeroize::Zeroizing;

use super::cache::Fetched;
use super::encode::form;

/// How the client shows the token endpoint who it is.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ClientAuth {
    /// By `Authorization: Basic`, which every token endpoint knows.
    #[default]
    Basic,
    /// By `client_id` and `client_secret` in the body.
    Body,
}

/// Makes the request for a token.
///
/// RFC 6749 sections 4.4.2 and 2.3.1, where the two are encoded as in a form before they become Basic
/// credentials.
pub(super) fn request(
    uri: &Uri,
    auth: ClientAuth,
    (id, secret): (&str, &str),
    params: &[(String, String)],
) -> Request<String> {
    let mut body = Zeroizing::new("grant_type=client_credentials".to_owned());
    for (name, value) in params {
        body.push_str(&format!("&{}={}", form(name), form(value)));
    }
    let mut request = Request::new(String::new());
    let headers = request.headers_mut();
    match auth {
        ClientAuth::Basic => {
            let pair = Zeroizing::new(format!("{}:{}", form(id), form(secret)));
            let value = Zeroizing::new(format!("Basic {}", STANDARD.encode(pair.as_bytes())));
            let mut value = HeaderValue::from_str(&value).expect("base64 is visible ASCII");
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        ClientAuth::Body => {
            let (id, secret) = (form(id), Zeroizing::new(form(secret)));
            body.push_str(&format!("&client_id={id}&client_secret={}", *secret));
        }
    }
    let form = HeaderValue::from_static("application/x-www-form-urlencoded");
    headers.insert(CONTENT_TYPE, form);
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = uri.clone();
    *request.body_mut() = std::mem::take(&mut *body);
    request
}

/// Why an answer brings no token.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Refusal {
    pub(super) kind: ErrorKind,
    pub(super) advice: RetryAdvice,
    pub(super) text: String,
    /// Whether it is our own credentials that the endpoint does not take.
    pub(super) client: bool,
}

/// Reads an answer, whose body came whole or not.
///
/// RFC 6749 sections 5.1 and 5.2. Of the body only the token and the code of an error are used: a
/// description may say anything.
pub(super) fn answer(
    status: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
    whole: bool,
) -> Result<Fetched, Refusal> {
    let mut json = match serde_json::from_slice(body) {
        Ok(Value::Object(members)) if whole => members,
        _ => serde_json::Map::new(),
    };
    let code = json.get("error").and_then(Value::as_str).and_then(shown);
    if !status.is_success() || code.is_some() {
        return Err(refusal(status.as_u16(), code.as_deref(), retry_after(headers)));
    }
    let odd = |kind, advice, text: &str| {
        Err(Refusal { kind, advice, text: text.to_owned(), client: false })
    };
    if !whole {
        let text = "the answer of the token endpoint broke off, or is longer than 64 KiB";
        return odd(ErrorKind::Protocol, RetryAdvice::Backoff, text);
    }
    let Some(Value::String(token)) = json.get_mut("access_token").map(Value::take) else {
        let text = "the answer of the token endpoint is not JSON with an access token";
        return odd(ErrorKind::Protocol, RetryAdvice::Backoff, text);
    };
    let token = Zeroizing::new(token);
    // RFC 6749 appendix A.12, without the space that no header could carry.
    if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        let text = "the access token has characters that no token has";
        return odd(ErrorKind::Protocol, RetryAdvice::Never, text);
    }
    // Required, and missing at times; then it is what everybody uses.
    let kind = json.get("token_type").map_or(Some("bearer"), Value::as_str);
    if !kind.is_some_and(|kind| kind.eq_ignore_ascii_case("bearer")) {
        let text = "the token is of a type other than bearer";
        return odd(ErrorKind::Unsupported, RetryAdvice::Never, text);
    }
    let lifetime = lifetime(json.get("expires_in"));
    Ok(Fetched { text: Secret::new(token.as_str()), lifetime })
}

/// How long a token holds, from the `expires_in` of its answer.
fn lifetime(expires_in: Option<&Value>) -> Duration {
    let seconds = match expires_in {
        Some(Value::Number(number)) => number.as_f64(),
        Some(Value::String(text)) => text.trim().parse().ok(),
        _ => None,
    };
    match seconds.filter(|seconds: &f64| !seconds.is_nan()) {
        None => UNKNOWN_LIFETIME,
        Some(seconds) => {
            let bounded = seconds.clamp(SHORTEST.as_secs_f64(), LONGEST.as_secs_f64());
            Duration::from_secs_f64(bounded)
        }
    }
}

fn refusal(status: u16, code: Option<&str>, delay: Option<Duration>) -> Refusal {
    use ErrorKind as Kind;
    use RetryAdvice::{Backoff, Never};

    let after = delay.filter(|delay| !delay.is_zero()).map_or(Backoff, RetryAdvice::After);
    let (kind, advice) = match (status, code) {
        (429, _) => (Kind::Throttled, after),
        (503, _) | (_, Some("temporarily_unavailable")) => (Kind::Unavailable, after),
        (500..=599, _) | (_, Some("server_error")) => (Kind::Upstream, after),
        (408 | 425, _) => (Kind::Unavailable, Backoff),
        (300..=399, _) => (Kind::Redirected, Never),
        (404 | 410, None) => (Kind::NotFound, Never),
        (405, None) => (Kind::Unsupported, Never),
        (200..=299 | 400..=499, _) => (Kind::Unauthenticated, Never),
        _ => (Kind::Protocol, Backoff),
    };
    let said = code.map(|code| format!(": {code}")).unwrap_or_default();
    let hint = match status {
        300..=399 => ": redirects are not followed, give its final URL",
        404 | 410 if code.is_none() => ": check its URL",
        _ => "",
    };
    let text = format!("the token endpoint answered {status}{said}{hint}");
    Refusal { kind, advice, text, client: kind == Kind::Unauthenticated }
}

/// The code of an error, if it can be shown: RFC 6749 section 5.2, and no longer than codes are.
fn shown(code: &str) -> Option<String> {
    let allowed = |c: char| matches!(c, ' '..='!' | '#'..='[' | ']'..='~');
    let is_code = !code.is_empty() && code.len() <= LONGEST_CODE && code.chars().all(allowed);
    Some(if is_code { code.to_owned() } else { "an error without a valid code".to_owned() })
}

/// RFC 9110 section 10.2.3; a date counts from the answer's own clock.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let date = |text: &str| httpdate::parse_http_date(text).ok();
    let value = text(RETRY_AFTER)?;
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(Duration::from_secs(value.parse().unwrap_or(u64::MAX)).min(LONGEST));
    }
    let now = text(DATE).and_then(date).unwrap_or_else(SystemTime::now);
    date(value)?.duration_since(now).ok().map(|delay| delay.min(LONGEST))
}

const AGENT: &str = concat!("fanout/", env!("CARGO_PKG_VERSION"));
/// Of a token whose end nobody told; a refusal ends it earlier.
const UNKNOWN_LIFETIME: Duration = Duration::from_secs(60 * 60);
/// Of a token that is said to be over at once: those who wait for it are many, and share it.
const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);
const LONGEST_CODE: usize = 64;

#[cfg(test)]
mod tests;
