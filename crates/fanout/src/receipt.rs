//! What a sink answered when it took a message.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use serde::de::DeserializeOwned;

use crate::{ApiNotice, Effect, Error, ErrorKind, Metadata, Report, RetryAdvice};

/// What a sink answered when it took a message.
///
/// One word wide: an empty one costs no allocation, and moving one costs nothing. `Debug` shows the size
/// of the body, never its bytes.
#[derive(Default)]
pub struct Receipt(Option<Box<Inner>>);

#[derive(Default)]
struct Inner {
    status: Option<Status>,
    metadata: Metadata,
    body: Bytes,
    body_state: BodyState,
    accepted: bool,
    notices: Vec<Cow<'static, str>>,
    api: Option<Box<ApiNotice>>,
    report: Option<Box<Report>>,
}

/// A status as the transport says it: `200 OK`, `5 NOT_FOUND`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Status {
    code: u16,
    name: Cow<'static, str>,
}

/// Whether a receipt holds the whole answer.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum BodyState {
    /// The whole body is there.
    #[default]
    Complete,
    /// The body was longer than the sink keeps; the rest was not read.
    Cut,
    /// The connection broke, or time ran out, while the body was read.
    Broken,
}

impl Receipt {
    /// Makes a receipt without status, metadata and body: the message was taken, no more is known.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the status.
    #[must_use]
    pub fn with_status(mut self, status: Status) -> Self {
        self.inner_mut().status = Some(status);
        self
    }

    /// Sets the metadata of the answer.
    #[must_use]
    pub fn with_metadata(mut self, metadata: Metadata) -> Self {
        self.inner_mut().metadata = metadata;
        self
    }

    /// Sets the body, complete.
    #[must_use]
    pub fn with_body(mut self, body: impl Into<Bytes>) -> Self {
        self.inner_mut().body = body.into();
        self
    }

    /// Says whether the body is whole.
    #[must_use]
    pub fn with_body_state(mut self, state: BodyState) -> Self {
        self.inner_mut().body_state = state;
        self
    }

    /// Marks the message as merely taken in, not yet worked on (HTTP 202).
    #[must_use]
    pub fn with_accepted(mut self) -> Self {
        self.inner_mut().accepted = true;
        self
    }

    /// Adds a remark for people: a thing that is not wrong but should be known.
    #[must_use]
    pub fn with_notice(mut self, notice: impl Into<Cow<'static, str>>) -> Self {
        self.inner_mut().notices.push(notice.into());
        self
    }

    /// Says what the answer announces about the life of the API.
    #[must_use]
    pub fn with_api(mut self, notice: ApiNotice) -> Self {
        self.inner_mut().api = Some(Box::new(notice));
        self
    }

    /// Attaches the report of a nested fan-out or chain.
    #[must_use]
    pub(crate) fn with_report(mut self, report: Report) -> Self {
        self.inner_mut().report = Some(Box::new(report));
        self
    }

    /// Returns the status, if the transport has one.
    pub fn status(&self) -> Option<&Status> {
        self.inner().status.as_ref()
    }

    /// Returns the metadata of the answer: headers, or gRPC metadata.
    pub fn metadata(&self) -> &Metadata {
        &self.inner().metadata
    }

    /// Returns the body, or as much of it as [`body_state`](Self::body_state) says.
    pub fn body(&self) -> &Bytes {
        &self.inner().body
    }

    /// Returns whether the body is whole.
    pub fn body_state(&self) -> BodyState {
        self.inner().body_state
    }

    /// Returns true when the sink has merely taken the message in, and may still refuse or lose it.
    pub fn is_accepted(&self) -> bool {
        self.inner().accepted
    }

    /// Returns the remarks for people.
    pub fn notices(&self) -> impl Iterator<Item = &str> {
        self.inner().notices.iter().map(AsRef::as_ref)
    }

    /// Returns what the answer announces about the life of the API.
    pub fn api(&self) -> Option<&ApiNotice> {
        self.inner().api.as_deref()
    }

    /// Returns the report of the nested fan-out or chain behind this receipt.
    pub fn report(&self) -> Option<&Report> {
        self.inner().report.as_deref()
    }

    /// Reads the body as JSON.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Protocol`] with effect `Done` and advice `Never` when the body is not whole or not
    /// the expected JSON: the message was applied, the answer is of no use.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Error> {
        let unusable = |message: &'static str| {
            Error::new(ErrorKind::Protocol, message)
                .with_effect(Effect::Done)
                .with_advice(RetryAdvice::Never)
        };
        match self.body_state() {
            BodyState::Complete => serde_json::from_slice(self.body()).map_err(|error| {
                // The error of serde_json may quote the value that it found.
                unusable("the answer is not the expected JSON")
                    .with_context("line", error.line().to_string())
                    .with_context("column", error.column().to_string())
            }),
            BodyState::Cut => Err(unusable("the answer is longer than the sink keeps")),
            BodyState::Broken => Err(unusable("the answer broke off before its end")),
        }
    }
}

impl Receipt {
    fn inner(&self) -> &Inner {
        self.0.as_deref().unwrap_or(&EMPTY)
    }

    fn inner_mut(&mut self) -> &mut Inner {
        self.0.get_or_insert_default()
    }
}

static EMPTY: Inner = Inner {
    status: None,
    metadata: Metadata::EMPTY,
    body: Bytes::new(),
    body_state: BodyState::Complete,
    accepted: false,
    notices: Vec::new(),
    api: None,
    report: None,
};

impl fmt::Debug for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receipt")
            .field("status", &self.status())
            .field("metadata", self.metadata())
            .field("body", &format_args!("{} bytes", self.body().len()))
            .field("body_state", &self.body_state())
            .field("accepted", &self.is_accepted())
            .field("notices", &self.inner().notices)
            .field("api", &self.api())
            .finish_non_exhaustive()
    }
}

impl BodyState {
    /// Returns the name that JSON uses: `complete`, `cut`, `broken`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Cut => "cut",
            Self::Broken => "broken",
        }
    }
}

impl Status {
    /// Makes a status of its number and its name.
    pub fn new(code: u16, name: impl Into<Cow<'static, str>>) -> Self {
        Self { code, name: name.into() }
    }

    /// Returns the number.
    pub fn code(&self) -> u16 {
        self.code
    }

    /// Returns the name; empty when the transport knows none.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.name.is_empty() {
            write!(f, "{}", self.code)
        } else {
            write!(f, "{} {}", self.code, self.name)
        }
    }
}
