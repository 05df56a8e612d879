//! One call over the shared client, watched: what the server said is told apart from what the gRPC
//! library makes up when something else went wrong.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use fanout::{Attempt, Error, TimeoutScope};
use fanout_net::{Client, InBody, OutBody, read_to_limit_by};
use http::header::{CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderValue, StatusCode};
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};
use tower_service::Service;

use crate::answer::Answer;

/// The service under tonic's `Grpc`.
pub(crate) struct Wire {
    pub(crate) client: Client,
    /// Whom to tell that bytes leave; none for calls that have no effect.
    pub(crate) attempt: Option<Attempt>,
    /// When the call must have ended.
    pub(crate) deadline: Instant,
    pub(crate) seen: Seen,
}

/// The record of what was seen of a call. A clone is the same record.
#[derive(Clone, Default)]
pub(crate) struct Seen(Arc<Mutex<Answer>>);

impl Seen {
    /// Takes the record.
    pub(crate) fn answer(&self) -> Answer {
        std::mem::take(&mut self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Answer> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Service<http::Request<tonic::body::Body>> for Wire {
    type Response = http::Response<Watched>;
    type Error = Lost;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Lost>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Lost>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<tonic::body::Body>) -> Self::Future {
        let (client, seen, deadline) = (self.client.clone(), self.seen.clone(), self.deadline);
        let attempt = self.attempt.clone();
        Box::pin(async move {
            let mut request = request.map(|body| match attempt {
                Some(attempt) => OutBody::stream(body).with_attempt(attempt),
                None => OutBody::stream(body),
            });
            request.headers_mut().insert(USER_AGENT, HeaderValue::from_static(AGENT));
            let response = match client.send_by(request, Some(deadline)).await {
                Ok(response) => response,
                Err(error) => {
                    seen.lock().failure = Some(error);
                    return Err(Lost);
                }
            };
            let (head, body) = response.into_parts();
            let foreign = {
                let mut answer = seen.lock();
                answer.headers.clone_from(&head.headers);
                // An error page would be taken for a frame with the compression flag `<`. An answer
                // that carries a status is gRPC, whatever a proxy did to the rest of its head.
                let is_grpc = head.status == StatusCode::OK && is_grpc(&head.headers);
                !is_grpc && answer.status().is_none()
            };
            if foreign {
                let by = deadline.min(Instant::now() + PAGE_TIME);
                let (page, _) = read_to_limit_by(body, PAGE_LIMIT, Some(by)).await;
                seen.lock().foreign = Some((head.status, page));
                return Err(Lost);
            }
            let timer = Box::pin(sleep_until(deadline));
            Ok(http::Response::from_parts(head, Watched { body, seen, timer }))
        })
    }
}

fn is_grpc(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    let head = kind.get(..16).filter(|head| head.eq_ignore_ascii_case(b"application/grpc"));
    // `application/grpc-web` is another protocol.
    head.is_some() && matches!(kind.get(16), None | Some(b'+' | b';' | b' '))
}

/// What tonic is told when the call did not come about; the record has the reason.
#[derive(Debug, thiserror::Error)]
#[error("the call did not come about")]
pub(crate) struct Lost;

/// The body of the answer; keeps the trailers and the reason of a break, and ends at the deadline.
pub(crate) struct Watched {
    body: InBody,
    seen: Seen,
    timer: Pin<Box<Sleep>>,
}

impl Body for Watched {
    type Data = Bytes;
    type Error = Lost;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Lost>>> {
        let failure = match Pin::new(&mut self.body).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                if let Some(trailers) = frame.trailers_ref() {
                    self.seen.lock().trailers.clone_from(trailers);
                }
                return Poll::Ready(Some(Ok(frame)));
            }
            Poll::Ready(None) => return Poll::Ready(None),
            Poll::Ready(Some(Err(error))) => error,
            Poll::Pending => {
                std::task::ready!(self.timer.as_mut().poll(cx));
                Error::timeout(TimeoutScope::Attempt, "the answer did not end in time")
            }
        };
        self.seen.lock().failure = Some(failure);
        Poll::Ready(Some(Err(Lost)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Who calls, for the logs of servers and for proxies that refuse anonymous ones.
const AGENT: &str = concat!("fanout-grpc/", env!("CARGO_PKG_VERSION"));
/// How much of an error page is read, and how long that may take: it is for people only.
const PAGE_LIMIT: usize = 1024;
const PAGE_TIME: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_types_of_grpc_are_told_from_others() {
        let check = |value: &'static str, expected| {
            let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(value))]);
            assert_eq!(is_grpc(&headers), expected, "{value}");
        };
        check("application/grpc", true);
        check("application/grpc+proto", true);
        check("Application/gRPC; charset=utf-8", true);
        check("application/grpc-web", false);
        check("application/grpc-web+proto", false);
        check("text/html", false);
        check("application/json", false);
        check("", false);
        assert!(!is_grpc(&HeaderMap::new()));
    }
}
