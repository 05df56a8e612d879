//! The HTTP endpoint: takes any request on any path.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Body;

use super::faults::Faults;
use super::log::{Observer, Protocol, Received, text_of};
use crate::send::data::parse_duration;

/// Reads `request`, tells `observe`, and answers as `faults` say.
///
/// Some paths ask for more: `/status/404` for that status, `/delay/2s` for an answer after that time,
/// `/echo` for the request's own body.
pub(crate) async fn answer<B>(
    request: Request<B>,
    faults: Arc<Faults>,
    observe: Observer,
) -> Response<Full<Bytes>>
where
    B: Body<Error: Into<Box<dyn std::error::Error + Send + Sync>>>,
{
    let (head, body) = request.into_parts();
    let mut status = faults.draw();
    let body = match Limited::new(body, LARGEST).collect().await {
        Ok(body) => body.to_bytes(),
        Err(_) => {
            status = StatusCode::PAYLOAD_TOO_LARGE;
            Bytes::new()
        }
    };
    let path = head.uri.path();
    let mut delay = faults.delay();
    if let Some(asked) = path.strip_prefix("/status/").and_then(|code| code.parse().ok()) {
        status = asked;
    }
    if let Some(asked) = path.strip_prefix("/delay/").and_then(|text| parse_duration(text).ok()) {
        delay += asked;
    }
    observe(Received {
        protocol: Protocol::Http,
        what: format!("{} {path}", head.method),
        bytes: body.len(),
        content: text_of(&body),
        answered: status_line(status),
        taken: status.is_success(),
    });
    if delay > Duration::ZERO {
        tokio::time::sleep(delay).await;
    }
    if path == "/echo" && status.is_success() {
        let content_type = head.headers.get(CONTENT_TYPE).cloned();
        return response(status, content_type, body);
    }
    let answer = if status.is_success() {
        serde_json::json!({ "received": true, "bytes": body.len() })
    } else {
        serde_json::json!({ "error": "asked to fail" })
    };
    let json = HeaderValue::from_static("application/json");
    response(status, Some(json), Bytes::from(answer.to_string()))
}

fn response(
    status: StatusCode,
    content_type: Option<HeaderValue>,
    body: Bytes,
) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    if let Some(content_type) = content_type {
        response.headers_mut().insert(CONTENT_TYPE, content_type);
    }
    // A server that says when to come back has surely not taken the message.
    if matches!(status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS) {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}

fn status_line(status: StatusCode) -> String {
    match status.canonical_reason() {
        Some(reason) => format!("{} {reason}", status.as_u16()),
        None => status.as_u16().to_string(),
    }
}

/// More than any sink sends unless told to.
const LARGEST: usize = 64 << 20;

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    async fn ask(path: &str, body: &'static str, faults: Faults) -> (Received, StatusCode, Bytes) {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let keep = Arc::clone(&seen);
        let observe: Observer = Arc::new(move |received| keep.lock().unwrap().push(received));
        let request = Request::post(path)
            .header(CONTENT_TYPE, "text/x-test")
            .body(Full::new(Bytes::from(body)))
            .unwrap();
        let response = answer(request, Arc::new(faults), observe).await;
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let mut seen = seen.lock().unwrap();
        assert_eq!(seen.len(), 1, "one request, one record");
        (seen.remove(0), status, body)
    }

    #[tokio::test]
    async fn any_path_takes_the_message_and_says_how_much_it_was() {
        let (received, status, body) = ask("/a/b?secret=1", r#"{"a":1}"#, Faults::none()).await;
        assert_eq!((status, &body[..]), (StatusCode::OK, &br#"{"bytes":7,"received":true}"#[..]));
        assert_eq!(received.what, "POST /a/b", "the query may hold a secret");
        assert_eq!((received.bytes, received.content.as_str()), (7, r#"{"a":1}"#));
        assert_eq!((received.answered.as_str(), received.taken), ("200 OK", true));
    }

    #[tokio::test]
    async fn a_path_may_ask_for_a_status_and_for_its_body_back() {
        let (received, status, _) = ask("/status/404", "x", Faults::none()).await;
        assert_eq!((status, received.taken), (StatusCode::NOT_FOUND, false));
        let (_, status, body) = ask("/echo", "hello", Faults::none()).await;
        assert_eq!((status, &body[..]), (StatusCode::OK, &b"hello"[..]));
    }

    #[tokio::test]
    async fn a_fault_is_answered_with_its_reason() {
        let faults = Faults::always(StatusCode::SERVICE_UNAVAILABLE);
        let (received, status, body) = ask("/", "x", faults).await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(received.answered, "503 Service Unavailable");
        assert_eq!(&body[..], br#"{"error":"asked to fail"}"#);
    }
}
