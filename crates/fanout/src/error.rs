//! What can go wrong at a sink: one opaque error with a kind, an effect and an advice.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use serde::ser::{Serialize, SerializeStruct, Serializer};

use crate::report::serialize::millis;
use crate::{ApiNotice, Report, Status};

/// Why a delivery failed: a kind to branch on, the effect it may have had, and what may be tried next.
///
/// The type is opaque and one word wide. [`kind`](Self::kind), [`effect`](Self::effect) and
/// [`advice`](Self::advice) are for code; the rest is for reading. `Display` describes this level
/// alone; the cause is [`source`](StdError::source).
///
/// No credential, query string or payload byte belongs in an error. Transports keep to that; whoever
/// writes a sink keeps to it too.
///
/// # Examples
///
/// ```
/// use fanout::{Effect, Error, ErrorKind, RetryAdvice};
///
/// let error = Error::new(ErrorKind::Upstream, "the warehouse answered nonsense");
/// // Each kind starts with the effect and the advice that are usual for it.
/// assert_eq!(error.effect(), Effect::Maybe);
/// assert_eq!(error.advice(), RetryAdvice::Backoff);
/// ```
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    effect: Effect,
    advice: RetryAdvice,
    scope: Option<TimeoutScope>,
    possibly_done: bool,
    status: Option<Status>,
    message: Cow<'static, str>,
    excerpt: Option<Box<str>>,
    context: Vec<(&'static str, String)>,
    source: Option<Box<dyn StdError + Send + Sync>>,
    notices: Vec<Cow<'static, str>>,
    api: Option<Box<ApiNotice>>,
    report: Option<Box<Report>>,
}

/// What kind of failure it was. Fieldless, so that code can branch on it.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The request could not be built: a bad URL, a bad header, data that does not fit the schema.
    Build,
    /// The sink understood the request and refused its content (HTTP 400, 422, `INVALID_ARGUMENT`).
    Rejected,
    /// The sink wants other credentials (HTTP 401, 407, `UNAUTHENTICATED`).
    Unauthenticated,
    /// The credentials are known and do not suffice (HTTP 402, 403, 451, `PERMISSION_DENIED`), or an
    /// address guard on this side does not let the request go there.
    Forbidden,
    /// The address leads to nothing (HTTP 404, 410, `NOT_FOUND`).
    NotFound,
    /// The request does not fit the state of the destination (HTTP 409, 412, `ALREADY_EXISTS`).
    Conflict,
    /// The request, or a part of it, is larger than the sink or a local bound allows.
    TooLarge,
    /// The sink does not do this (HTTP 405, 415, 501, `UNIMPLEMENTED`).
    Unsupported,
    /// The sink answered with a redirect, and it was not followed.
    Redirected,
    /// The sink asked to be sent less (HTTP 429, `RESOURCE_EXHAUSTED`).
    Throttled,
    /// The sink is not able to take messages now (HTTP 503, `UNAVAILABLE`).
    Unavailable,
    /// The sink, or something between it and us, failed while it worked (HTTP 500, 502, 504).
    Upstream,
    /// No connection came about: name resolution, TCP or the handshake failed.
    Connect,
    /// The certificate of the other side could not be verified, or it refused ours.
    Tls,
    /// The connection ended before there was an answer.
    Interrupted,
    /// Time ran out; [`Error::scope`] says whose.
    Timeout,
    /// The answer could not be understood.
    Protocol,
    /// The circuit breaker of this sink is open. Nothing was sent.
    CircuitOpen,
    /// The local rate limit of this sink leaves no room in time. Nothing was sent.
    LocalRateLimit,
    /// Too many sends wait for this sink already. Nothing was sent.
    QueueFull,
    /// The send was called off, by the other side or by ours.
    Cancelled,
    /// The destination reports unrecoverable loss (`DATA_LOSS`).
    DataLoss,
    /// The sink's own code panicked.
    Panic,
    /// A nested fan-out or chain did not hold; [`Error::report`] has the whole story.
    Unsatisfied,
}

/// Whether the destination could have applied the message. Ordered: `None` < `Maybe` < `Done`.
///
/// Complete by definition, so it is an exhaustive enum.
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Effect {
    /// Surely not applied.
    #[default]
    None,
    /// It may have been applied or not; nobody on this side can know.
    Maybe,
    /// Applied, but the answer was lost.
    Done,
}

/// What may be tried next after a failure.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RetryAdvice {
    /// The same message will fail at this sink again.
    Never,
    /// Try once more, at once: a fresh connection or credential is needed.
    ///
    /// With effect `None` such an attempt is *transparent*: a decorator that retries does not count it.
    Once,
    /// Try again after a growing delay.
    Backoff,
    /// Try again, not before this time has passed: the sink asked for it.
    After(Duration),
    /// Try again after exactly this time: the sink asked for it, and wants nothing added.
    ///
    /// # Standards
    ///
    /// gRPC proposal A6, `grpc-retry-pushback-ms`.
    Exactly(Duration),
    /// The sink forbade further attempts, whatever the kind of the failure.
    ///
    /// # Standards
    ///
    /// gRPC proposal A6, a negative or unreadable `grpc-retry-pushback-ms`.
    Forbidden,
    /// This sink will not help soon, another one may.
    OtherSink,
    /// Redo the surrounding transaction, not this call.
    HigherLevel,
}

/// Whose time ran out in an [`ErrorKind::Timeout`].
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TimeoutScope {
    /// Connecting, the TLS handshake included.
    Connect,
    /// Waiting for a permit or a token of a local limit.
    Queue,
    /// One attempt, from the permit to the end of the response body.
    Attempt,
    /// All attempts at one sink, with their pauses.
    Total,
    /// The whole fan-out.
    FanOut,
}

impl Error {
    /// Makes an error of `kind` with the effect and the advice that are usual for that kind.
    pub fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Inner {
            kind,
            effect: kind.usual_effect(),
            advice: kind.usual_advice(),
            scope: None,
            possibly_done: false,
            status: None,
            message: message.into(),
            excerpt: None,
            context: Vec::new(),
            source: None,
            notices: Vec::new(),
            api: None,
            report: None,
        }))
    }

    /// Makes a timeout of `scope`: effect `Maybe` and advice `Backoff` for an attempt, effect `None`
    /// for connecting and queueing, advice `Never` for the total and the whole fan-out.
    pub fn timeout(scope: TimeoutScope, message: impl Into<Cow<'static, str>>) -> Self {
        let mut error = Self::new(ErrorKind::Timeout, message);
        (error.0.effect, error.0.advice) = match scope {
            TimeoutScope::Connect | TimeoutScope::Queue => (Effect::None, RetryAdvice::Backoff),
            TimeoutScope::Attempt => (Effect::Maybe, RetryAdvice::Backoff),
            TimeoutScope::Total | TimeoutScope::FanOut => (Effect::Maybe, RetryAdvice::Never),
        };
        error.0.scope = Some(scope);
        error
    }

    /// Sets whether the destination could have applied the message.
    #[must_use]
    pub fn with_effect(mut self, effect: Effect) -> Self {
        self.0.effect = effect;
        self
    }

    /// Sets what may be tried next.
    #[must_use]
    pub fn with_advice(mut self, advice: RetryAdvice) -> Self {
        self.0.advice = advice;
        self
    }

    /// Sets the status that the transport saw.
    #[must_use]
    pub fn with_status(mut self, status: Status) -> Self {
        self.0.status = Some(status);
        self
    }

    /// Adds a line of context, for people: `("endpoint", "https://api.example.com/v1")`.
    ///
    /// Never a credential, a query string or a payload.
    #[must_use]
    pub fn with_context(mut self, key: &'static str, value: impl Into<String>) -> Self {
        self.0.context.push((key, value.into()));
        self
    }

    /// Keeps the beginning of what the sink said when it refused, at most 512 bytes of text.
    ///
    /// Control characters become spaces; a longer body is cut at a character and marked with `…`.
    #[must_use]
    pub fn with_excerpt(mut self, body: &[u8]) -> Self {
        self.0.excerpt = excerpt(body);
        self
    }

    /// Keeps the cause.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// Rewrites every text of this error: message, context, excerpt, notices and causes. For transports, to take
    /// out what an answer repeats of a credential.
    ///
    /// `rewrite` returns `None` for a text that may stay. When a cause may not stay as it is, all causes
    /// become one that has their texts, rewritten, and nothing else of them.
    #[must_use]
    pub fn rewrite(mut self, rewrite: impl Fn(&str) -> Option<String>) -> Self {
        let inner = &mut *self.0;
        if let Some(text) = rewrite(&inner.message) {
            inner.message = text.into();
        }
        for (_, value) in &mut inner.context {
            if let Some(text) = rewrite(value) {
                *value = text;
            }
        }
        if let Some(text) = inner.excerpt.as_deref().and_then(&rewrite) {
            inner.excerpt = Some(text.into());
        }
        for notice in &mut inner.notices {
            if let Some(text) = rewrite(notice) {
                *notice = text.into();
            }
        }
        inner.api = inner.api.take().map(|api| Box::new(api.rewrite(&rewrite)));
        let first = inner.source.as_deref().map(|source| source as &(dyn StdError + 'static));
        let causes: Vec<_> = std::iter::successors(first, |&error| error.source())
            .map(|error| (error.to_string(), format!("{error:?}")))
            .collect();
        // What a cause shows of itself to programmers gets into logs as well.
        if causes.iter().any(|(shown, debug)| rewrite(shown).or_else(|| rewrite(debug)).is_some()) {
            let texts = causes.into_iter().map(|(shown, _)| rewrite(&shown).unwrap_or(shown));
            inner.source = Some(texts.collect::<Vec<_>>().join(": ").into());
        }
        self
    }

    /// Marks a conflict that an earlier attempt of the same message may have caused itself.
    #[must_use]
    pub fn with_possibly_done(mut self) -> Self {
        self.0.possibly_done = true;
        self
    }

    /// Adds a remark for people that is no part of what went wrong: a thing that should be known.
    #[must_use]
    pub fn with_notice(mut self, notice: impl Into<Cow<'static, str>>) -> Self {
        self.0.notices.push(notice.into());
        self
    }

    /// Says what the refusal announces about the life of the API.
    #[must_use]
    pub fn with_api(mut self, notice: ApiNotice) -> Self {
        self.0.api = Some(Box::new(notice));
        self
    }

    /// Attaches the report of a nested fan-out or chain.
    #[must_use]
    pub(crate) fn with_report(mut self, report: Report) -> Self {
        self.0.report = Some(Box::new(report));
        self
    }

    /// Takes out what is said beside the failure.
    pub(crate) fn take_remarks(&mut self) -> (Vec<Cow<'static, str>>, Option<Box<ApiNotice>>) {
        (std::mem::take(&mut self.0.notices), self.0.api.take())
    }

    /// Returns the kind, to branch on.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Returns whether the destination could have applied the message.
    pub fn effect(&self) -> Effect {
        self.0.effect
    }

    /// Returns what may be tried next.
    pub fn advice(&self) -> RetryAdvice {
        self.0.advice
    }

    /// Returns whose time ran out, for [`ErrorKind::Timeout`].
    pub fn scope(&self) -> Option<TimeoutScope> {
        self.0.scope
    }

    /// Returns true for a conflict that an earlier attempt of the same message may have caused:
    /// the message was then applied after all.
    pub fn possibly_done(&self) -> bool {
        self.0.possibly_done
    }

    /// Returns the status that the transport saw, if there was one.
    pub fn status(&self) -> Option<&Status> {
        self.0.status.as_ref()
    }

    /// Returns what happened, in words, without the context.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Returns the beginning of what the sink said when it refused.
    pub fn excerpt(&self) -> Option<&str> {
        self.0.excerpt.as_deref()
    }

    /// Returns the lines of context in the order in which they were added.
    pub fn context(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.0.context.iter().map(|(key, value)| (*key, value.as_str()))
    }

    /// Returns the remarks for people that are no part of what went wrong.
    pub fn notices(&self) -> impl Iterator<Item = &str> {
        self.0.notices.iter().map(AsRef::as_ref)
    }

    /// Returns what the refusal announces about the life of the API.
    pub fn api(&self) -> Option<&ApiNotice> {
        self.0.api.as_deref()
    }

    /// Returns the report of the nested fan-out or chain that failed.
    pub fn report(&self) -> Option<&Report> {
        self.0.report.as_deref()
    }

    /// Returns this error and its causes as one line, outermost first, separated by `: `.
    ///
    /// A cause whose text the line already ends with is not repeated.
    pub fn to_chain(&self) -> String {
        let mut line = self.to_string();
        let mut cause = self.source();
        while let Some(error) = cause {
            let text = error.to_string();
            if !line.ends_with(&text) {
                line.push_str(": ");
                line.push_str(&text);
            }
            cause = error.source();
        }
        line
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)?;
        let mut separator = " (";
        for (key, value) in &self.0.context {
            write!(f, "{separator}{key}: {value}")?;
            separator = ", ";
        }
        if separator == ", " { f.write_str(")") } else { Ok(()) }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Error");
        debug
            .field("kind", &self.0.kind)
            .field("effect", &self.0.effect)
            .field("advice", &self.0.advice)
            .field("message", &self.0.message);
        if let Some(scope) = self.0.scope {
            debug.field("scope", &scope);
        }
        if let Some(status) = &self.0.status {
            debug.field("status", &format_args!("{status}"));
        }
        for (key, value) in &self.0.context {
            debug.field(key, value);
        }
        if !self.0.notices.is_empty() {
            debug.field("notices", &self.0.notices);
        }
        if let Some(api) = &self.0.api {
            debug.field("api", api);
        }
        if let Some(source) = &self.0.source {
            debug.field("source", &format_args!("{source}"));
        }
        debug.finish_non_exhaustive()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

impl Serialize for Error {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_struct("Error", 9)?;
        out.serialize_field("kind", self.kind().as_str())?;
        out.serialize_field("effect", self.effect().as_str())?;
        out.serialize_field("advice", self.advice().as_str())?;
        if let RetryAdvice::After(delay) | RetryAdvice::Exactly(delay) = self.advice() {
            out.serialize_field("after_ms", &millis(delay))?;
        }
        if let Some(scope) = self.scope() {
            out.serialize_field("scope", scope.as_str())?;
        }
        if self.possibly_done() {
            out.serialize_field("possibly_done", &true)?;
        }
        out.serialize_field("message", &self.to_chain())?;
        if let Some(excerpt) = self.excerpt() {
            out.serialize_field("excerpt", excerpt)?;
        }
        if !self.0.notices.is_empty() {
            out.serialize_field("notices", &self.0.notices)?;
        }
        out.end()
    }
}

impl ErrorKind {
    /// Returns the name that JSON, logs and metrics use: `not_found`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Build => "build",
            Self::Rejected => "rejected",
            Self::Unauthenticated => "unauthenticated",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not_found",
            Self::Conflict => "conflict",
            Self::TooLarge => "too_large",
            Self::Unsupported => "unsupported",
            Self::Redirected => "redirected",
            Self::Throttled => "throttled",
            Self::Unavailable => "unavailable",
            Self::Upstream => "upstream",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Interrupted => "interrupted",
            Self::Timeout => "timeout",
            Self::Protocol => "protocol",
            Self::CircuitOpen => "circuit_open",
            Self::LocalRateLimit => "local_rate_limit",
            Self::QueueFull => "queue_full",
            Self::Cancelled => "cancelled",
            Self::DataLoss => "data_loss",
            Self::Panic => "panic",
            Self::Unsatisfied => "unsatisfied",
        }
    }

    fn usual_effect(self) -> Effect {
        match self {
            Self::Upstream
            | Self::Interrupted
            | Self::Timeout
            | Self::Protocol
            | Self::Unavailable
            | Self::Cancelled
            | Self::DataLoss
            | Self::Panic
            | Self::Unsatisfied => Effect::Maybe,
            Self::Build
            | Self::Rejected
            | Self::Unauthenticated
            | Self::Forbidden
            | Self::NotFound
            | Self::Conflict
            | Self::TooLarge
            | Self::Unsupported
            | Self::Redirected
            | Self::Throttled
            | Self::Connect
            | Self::Tls
            | Self::CircuitOpen
            | Self::LocalRateLimit
            | Self::QueueFull => Effect::None,
        }
    }

    fn usual_advice(self) -> RetryAdvice {
        match self {
            Self::Throttled
            | Self::Unavailable
            | Self::Upstream
            | Self::Connect
            | Self::Interrupted
            | Self::Timeout
            | Self::Protocol => RetryAdvice::Backoff,
            Self::Tls | Self::CircuitOpen | Self::LocalRateLimit | Self::QueueFull => {
                RetryAdvice::OtherSink
            }
            Self::Build
            | Self::Rejected
            | Self::Unauthenticated
            | Self::Forbidden
            | Self::NotFound
            | Self::Conflict
            | Self::TooLarge
            | Self::Unsupported
            | Self::Redirected
            | Self::Cancelled
            | Self::DataLoss
            | Self::Panic
            | Self::Unsatisfied => RetryAdvice::Never,
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Effect {
    /// Returns the name that JSON, logs and metrics use: `maybe`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Maybe => "maybe",
            Self::Done => "done",
        }
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl RetryAdvice {
    /// Returns the name that JSON, logs and metrics use: `backoff`. The delay of `after` and `exactly` is not in it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Never => "never",
            Self::Once => "once",
            Self::Backoff => "backoff",
            Self::After(_) => "after",
            Self::Exactly(_) => "exactly",
            Self::Forbidden => "forbidden",
            Self::OtherSink => "other_sink",
            Self::HigherLevel => "higher_level",
        }
    }
}

impl fmt::Display for RetryAdvice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::After(delay) => f.pad(&format!("after {} ms", delay.as_millis())),
            Self::Exactly(delay) => f.pad(&format!("exactly {} ms", delay.as_millis())),
            other => f.pad(other.as_str()),
        }
    }
}

impl TimeoutScope {
    /// Returns the name that JSON, logs and metrics use: `attempt`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Queue => "queue",
            Self::Attempt => "attempt",
            Self::Total => "total",
            Self::FanOut => "fanout",
        }
    }
}

impl fmt::Display for TimeoutScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Text that fits one line: what is not UTF-8 becomes U+FFFD, control characters become spaces.
fn excerpt(body: &[u8]) -> Option<Box<str>> {
    let head = &body[..body.len().min(EXCERPT_LIMIT)];
    let mut text: String = String::from_utf8_lossy(head)
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    if body.len() > EXCERPT_LIMIT {
        // The cut may have split a character.
        while text.ends_with('\u{fffd}') {
            text.pop();
        }
        text.push('…');
    }
    let text = text.trim();
    (!text.is_empty()).then(|| text.into())
}

/// A refusal says why in its first lines; more would only fill logs.
const EXCERPT_LIMIT: usize = 512;
