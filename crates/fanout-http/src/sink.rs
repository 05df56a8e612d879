//! The sink: one attempt is one request.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use fanout::{
    Attempt, BodyState, Effect, Error, ErrorKind, Idempotency, Message, Metadata, Reach, Receipt,
    Sink, Status, async_trait,
};
use fanout_net::auth::{CredentialSet, Proofs, Renewal};
use fanout_net::{OutBody, read_to_limit_by};
use http::header::LOCATION;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body::Body;
use tokio::time::Instant;

use crate::classify;
use crate::life::{Announced, Life};
use crate::redirect::{Clients, Trail, origin};
use crate::request::Template;
use crate::rules::Rules;
use crate::{ApiVersion, Class, HttpSinkBuilder, prove};

/// An HTTP destination: every attempt is one request.
///
/// The payload goes out as the exact bytes of the message, its metadata as headers. Redirects are
/// followed when [asked for](HttpSinkBuilder::redirects). What looks like a secret in the path or the query
/// of the URL, as those of webhooks do, is `***` in errors, notices and `Debug`. Cheap to clone; clones share the connections.
///
/// # Standards
///
/// RFC 9110, RFC 9112 (HTTP/1.1), RFC 9113 (HTTP/2). What each status means is on the page of this
/// crate.
#[derive(Clone)]
pub struct HttpSink {
    pub(crate) template: Arc<Template>,
    rules: Arc<Rules>,
    pub(crate) way: Way,
    pub(crate) timeout: Duration,
    max_receipt_body: usize,
    pub(crate) credentials: Arc<CredentialSet>,
    /// What was heard of the end of this API.
    pub(crate) life: Arc<Life>,
}

/// What one request of an attempt came to.
enum Answered {
    Here(Receipt),
    /// The request that follows a redirect, and what was announced with that.
    Elsewhere(Box<Request<Bytes>>, Option<Announced>),
}

/// How requests leave.
#[derive(Clone)]
#[cfg_attr(
    feature = "tower",
    expect(clippy::large_enum_variant, reason = "there is one for each sink")
)]
pub(crate) enum Way {
    Client(Clients),
    #[cfg(feature = "tower")]
    Service(Arc<dyn crate::service::Carrier>),
}

impl Way {
    #[cfg(feature = "tower")]
    pub(crate) fn service(carrier: Arc<dyn crate::service::Carrier>) -> Self {
        Self::Service(carrier)
    }

    /// Without services there is none to go by.
    #[cfg(not(feature = "tower"))]
    pub(crate) fn service(none: std::convert::Infallible) -> Self {
        match none {}
    }
}

impl HttpSink {
    /// Begins a sink that sends `POST` requests to `url`.
    pub fn post(url: impl Into<String>) -> HttpSinkBuilder {
        Self::request("POST", url)
    }

    /// Begins a sink that sends `GET` requests to `url`.
    pub fn get(url: impl Into<String>) -> HttpSinkBuilder {
        Self::request("GET", url)
    }

    /// Begins a sink that sends `PUT` requests to `url`.
    pub fn put(url: impl Into<String>) -> HttpSinkBuilder {
        Self::request("PUT", url)
    }

    /// Begins a sink that sends `PATCH` requests to `url`.
    pub fn patch(url: impl Into<String>) -> HttpSinkBuilder {
        Self::request("PATCH", url)
    }

    /// Begins a sink that sends `DELETE` requests to `url`.
    pub fn delete(url: impl Into<String>) -> HttpSinkBuilder {
        Self::request("DELETE", url)
    }

    /// Begins a sink that sends requests of any method but `CONNECT` to `url`. The method is
    /// case-sensitive.
    pub fn request(method: impl Into<String>, url: impl Into<String>) -> HttpSinkBuilder {
        HttpSinkBuilder::new(method, url)
    }

    pub(crate) fn of(
        template: Template,
        rules: Rules,
        way: Way,
        timeout: Duration,
        max_receipt_body: usize,
        credentials: CredentialSet,
    ) -> Self {
        let life = Life::of(template.version.as_ref().map(ApiVersion::as_str));
        Self {
            template: Arc::new(template),
            life: Arc::new(life),
            rules: Arc::new(rules),
            way,
            timeout,
            max_receipt_body,
            credentials: Arc::new(credentials),
        }
    }

    async fn attempt(&self, message: &Message, attempt: &Attempt) -> Result<Receipt, Error> {
        let own = Instant::now() + self.timeout;
        let deadline = attempt.deadline().map_or(own, |deadline| deadline.min(own));
        let mut request = self.template.request(message, attempt.idempotency_key())?;
        let proofs = prove::prove(&self.credentials, &mut request, deadline).await?;
        let result = self.exchange(request, attempt, deadline, &proofs).await;
        // An answer may repeat what it was sent.
        result.map_err(|error| proofs.scrub(error))
    }

    async fn exchange(
        &self,
        mut request: Request<Bytes>,
        attempt: &Attempt,
        deadline: Instant,
        proofs: &Proofs,
    ) -> Result<Receipt, Error> {
        let earlier = attempt.earlier_effect();
        let mut trail = Trail::new(self.template.redirects, &self.template.endpoint);
        // What the place that this sink names says of its own end counts before what another says.
        let mut heard: Option<Announced> = None;
        loop {
            trail.keep(&request);
            let answered = match &self.way {
                Way::Client(clients) => {
                    let client = clients.on(&trail);
                    let request = request
                        .map(|payload| OutBody::whole(payload).with_attempt(attempt.clone()));
                    let uri = request.uri().clone();
                    let answered = match client.send_by(request, Some(deadline)).await {
                        Ok(response) => {
                            self.answer(response, deadline, earlier, &mut trail, proofs).await
                        }
                        Err(error) => Err(error),
                    };
                    // It may be the proxy that answered, and that knows its own credentials.
                    answered.map_err(|error| client.proxy_secrets(&uri).error(error))
                }
                #[cfg(feature = "tower")]
                Way::Service(service) => {
                    match service.carry(request, attempt, deadline, trail.endpoint()).await {
                        Ok(response) => {
                            self.answer(response, deadline, earlier, &mut trail, proofs).await
                        }
                        Err(error) => Err(error),
                    }
                }
            };
            match answered {
                Ok(Answered::Here(receipt)) => {
                    let receipt = trail.note(receipt);
                    return Ok(match heard {
                        Some(heard) => heard.on_receipt(receipt),
                        None => receipt,
                    });
                }
                Ok(Answered::Elsewhere(next, announced)) => {
                    request = *next;
                    heard = heard.or(announced);
                    if !trail.has_left() {
                        let written = proofs.complete_query(request.uri_mut());
                        written.map_err(|error| trail.explain(error.with_effect(Effect::None)))?;
                    }
                }
                Err(error) => {
                    let error = trail.explain(error);
                    return Err(match heard {
                        Some(heard) => heard.on_error(error),
                        None => error,
                    });
                }
            }
        }
    }

    async fn answer<B>(
        &self,
        response: Response<B>,
        deadline: Instant,
        earlier: Effect,
        trail: &mut Trail<'_>,
        proofs: &Proofs,
    ) -> Result<Answered, Error>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let (head, body) = response.into_parts();
        let mut hints =
            self.rules.hints(&head.headers, SystemTime::now()).with_earlier_effect(earlier);
        if self.template.idempotency == Idempotency::Key {
            hints = hints.with_key();
        }
        let code = head.status.as_u16();
        let class = self.rules.class(code, &head.headers, hints);
        let class = self.rules.after_refusal(class, code, hints, || {
            // At another origin they were not shown.
            if trail.has_left() { Renewal::Impossible } else { proofs.refused() }
        });
        match class {
            Class::Delivered | Class::Accepted => {
                let read = read_to_limit_by(body, self.max_receipt_body, Some(deadline)).await;
                let accepted = class == Class::Accepted;
                let receipt = self.receipt(head.status, &head.headers, read, accepted);
                let announced = self.announced(&head.headers, trail, proofs);
                Ok(Answered::Here(match announced {
                    Some(announced) => announced.on_receipt(receipt),
                    None => receipt,
                }))
            }
            Class::Failed { kind, effect, advice, possibly_done } => {
                // The status stands, whatever becomes of its body: nobody waits long for that.
                let by = deadline.min(Instant::now() + EXCERPT_TIME);
                let (excerpt, _) = read_to_limit_by(body, MAX_EXCERPT, Some(by)).await;
                let announced = self.announced(&head.headers, trail, proofs);
                let hint = if kind == ErrorKind::Redirected && head.status.is_redirection() {
                    let shows = |url: &str| proofs.are_shown_in(url);
                    match trail.follow(head.status.as_u16(), &head.headers, shows) {
                        Ok(next) => return Ok(Answered::Elsewhere(next, announced)),
                        Err(why) => Some(Cow::from(why.to_string())),
                    }
                } else {
                    classify::hint(head.status.as_u16(), hints.keyed).map(Cow::from)
                };
                let code = head.status.as_u16();
                let epitaph = self.life.epitaph(code, announced.as_ref(), SystemTime::now());
                let hint = match &epitaph {
                    Some((text, _)) => Some(Cow::from(text.clone())),
                    None => hint,
                };
                // The path may be a secret, as those of webhooks are: the place is enough.
                let endpoint = trail.endpoint();
                let mut error = refusal(kind, head.status, &head.headers, hint)
                    .with_context("endpoint", format!("{}:{}", endpoint.host(), endpoint.port()))
                    .with_effect(effect)
                    .with_advice(advice)
                    .with_excerpt(&excerpt);
                if possibly_done {
                    error = error.with_possibly_done();
                }
                error = match (announced, epitaph) {
                    (Some(announced), _) => announced.on_error(error),
                    (None, Some((_, notice))) => error.with_api(notice),
                    (None, None) => error,
                };
                Err(error)
            }
        }
    }

    /// What an answer announces, without what it repeats of our credentials and our path.
    fn announced(
        &self,
        headers: &HeaderMap,
        trail: &Trail<'_>,
        proofs: &Proofs,
    ) -> Option<Announced> {
        let announced = self.life.hear(headers, trail.endpoint())?;
        Some(announced.rewrite(|url| Some(proofs.scrub_text(url.to_owned()))))
    }

    fn receipt(
        &self,
        status: StatusCode,
        headers: &HeaderMap,
        (body, state): (Bytes, BodyState),
        accepted: bool,
    ) -> Receipt {
        let metadata: Metadata = headers
            .iter()
            .map(|(name, value)| (name.as_str(), String::from_utf8_lossy(value.as_bytes())))
            .collect();
        let mut receipt = Receipt::new()
            .with_status(status_of(status))
            .with_metadata(metadata)
            .with_body(body)
            .with_body_state(state);
        if accepted {
            receipt = receipt.with_accepted();
        }
        if status == StatusCode::PARTIAL_CONTENT {
            receipt =
                receipt.with_notice("the answer is partial (206), and no range was asked for");
        }
        receipt
    }
}

#[async_trait]
impl Sink for HttpSink {
    async fn send(&self, message: &Message, attempt: &Attempt) -> Result<Receipt, Error> {
        if attempt.reached(Effect::None) == Reach::Abandoned {
            return Err(Error::new(
                ErrorKind::Cancelled,
                "the attempt was abandoned before it began",
            )
            .with_effect(Effect::None));
        }
        self.attempt(message, attempt).await
    }

    /// As [`idempotency`](HttpSinkBuilder::idempotency) says; by default RFC 9110 section 9.2.2:
    /// repeating an idempotent method does no more than doing it once.
    fn is_repeatable(&self) -> bool {
        self.template.idempotency.is_repeatable(self.template.method.is_idempotent())
    }
}

impl fmt::Debug for HttpSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpSink")
            .field("method", &self.template.method)
            // Not its path, which is what keeps a webhook secret.
            .field("endpoint", &format_args!("{}", origin(&self.template.endpoint)))
            .field("idempotency", &self.template.idempotency)
            .field("timeout", &self.timeout)
            .field("credentials", &self.credentials)
            .finish_non_exhaustive()
    }
}

/// The error for an answer that is not a success.
fn refusal(
    kind: ErrorKind,
    status: StatusCode,
    headers: &HeaderMap,
    hint: Option<Cow<'static, str>>,
) -> Error {
    let status = status_of(status);
    let text = match hint {
        Some(hint) => format!("the server answered {status}: {hint}"),
        None => format!("the server answered {status}"),
    };
    let error = Error::new(kind, text).with_status(status);
    let location = headers.get(LOCATION).and_then(|value| value.to_str().ok());
    match location {
        Some(location) if kind == ErrorKind::Redirected => {
            error.with_context("location", shown(without_secrets(location)))
        }
        _ => error,
    }
}

pub(crate) fn status_of(status: StatusCode) -> Status {
    Status::new(status.as_u16(), status.canonical_reason().unwrap_or_default())
}

/// A reference without what may be secret in it: user name, password, query, fragment.
pub(crate) fn without_secrets(reference: &str) -> String {
    let bare = reference.split(['?', '#']).next().unwrap_or_default();
    let Some((scheme, rest)) = bare.split_once("//") else { return bare.to_owned() };
    let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
    let host = authority.rsplit('@').next().unwrap_or_default();
    format!("{scheme}//{host}{path}")
}

/// Not more of a location than people read.
fn shown(mut location: String) -> String {
    if let Some((end, _)) = location.char_indices().nth(LONGEST_LOCATION) {
        location.truncate(end);
        location.push('…');
    }
    location
}

/// In characters.
const LONGEST_LOCATION: usize = 300;

/// An error keeps less than this; the rest of a small body is read so that the connection can be kept.
const MAX_EXCERPT: usize = 8 << 10;

/// How long the body of a refusal may take: a fallback is perhaps waiting.
const EXCERPT_TIME: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_location_is_cut() {
        for (length, expected) in [(299, 299), (300, 300), (301, 301), (60_000, 301)] {
            assert_eq!(shown("é".repeat(length)).chars().count(), expected);
        }
    }

    #[test]
    fn a_location_is_shown_without_secrets() {
        let check = |location: &str, expected: &str| {
            assert_eq!(without_secrets(location), expected);
        };
        check("https://h/a?token=s3cret#x", "https://h/a");
        check("https://u:s3cret@h:1/a", "https://h:1/a");
        check("//u@h", "//h");
        check("/a?s3cret", "/a");
        check("?s3cret", "");
        check("https://h/@/b", "https://h/@/b");
    }
}
