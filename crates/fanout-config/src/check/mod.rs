//! Looking at the sinks of a file before anything is sent.

mod look;
mod twice;

use std::time::SystemTime;

use fanout::{ApiNotice, Idempotency, Sink};
use fanout_grpc::GrpcSink;
use fanout_http::HttpSink;

pub use self::twice::Twice;
pub(crate) use self::twice::{Facts, Spread};

/// A sink of the file, to look at without a message.
#[derive(Clone)]
pub struct Target {
    pub(crate) name: String,
    pub(crate) transport: Transport,
    pub(crate) facts: Facts,
    pub(crate) is_guarded: bool,
    pub(crate) has_credentials: bool,
    /// Whether the types of a gRPC method matter.
    pub(crate) has_types: bool,
}

/// The sink itself, without what the file puts around it.
#[derive(Clone)]
pub(crate) enum Transport {
    Http(Box<HttpSink>),
    Grpc(GrpcSink),
}

impl Transport {
    pub(crate) fn sink(&self) -> Box<dyn Sink> {
        match self {
            Self::Http(sink) => sink.clone(),
            Self::Grpc(sink) => Box::new(sink.clone()),
        }
    }
}

impl Target {
    pub(crate) fn without_retries(mut self) -> Self {
        self.facts.repeats = false;
        self.facts.repeats_maybe = false;
        self
    }

    /// Returns the name of the sink in the file.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns what it sends by: `http` or `grpc`.
    pub fn transport(&self) -> &'static str {
        match self.transport {
            Transport::Http(_) => "http",
            Transport::Grpc(_) => "grpc",
        }
    }

    /// Returns where it sends to, `https://api.example.com:443`: without path and query, which may be secret.
    pub fn origin(&self) -> String {
        let endpoint = self.endpoint();
        let scheme = match (self.transport(), endpoint.is_tls()) {
            ("grpc", true) => "grpcs",
            ("grpc", false) => "grpc",
            (_, true) => "https",
            (_, false) => "http",
        };
        format!("{scheme}://{}:{}", endpoint.host(), endpoint.port())
    }

    fn endpoint(&self) -> &fanout_net::Endpoint {
        match &self.transport {
            Transport::Http(sink) => sink.endpoint(),
            Transport::Grpc(sink) => sink.endpoint(),
        }
    }

    /// All of where it sends to; never to be shown.
    fn address(&self) -> String {
        match &self.transport {
            Transport::Http(sink) => sink.endpoint().uri().to_string(),
            Transport::Grpc(sink) => format!("{} {}", sink.endpoint().uri(), sink.method()),
        }
    }

    /// Whether a repetition after what may have been applied counts as harmless.
    fn is_repeatable(&self) -> bool {
        self.facts.mode != Idempotency::Never
            && match &self.transport {
                Transport::Http(sink) => sink.is_repeatable(),
                Transport::Grpc(sink) => sink.is_repeatable(),
            }
    }
}

impl std::fmt::Debug for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Target")
            .field("name", &self.name)
            .field("origin", &self.origin())
            .finish_non_exhaustive()
    }
}

/// What was found out about one side of a sink.
#[derive(Clone, Debug)]
pub struct Finding {
    check: &'static str,
    level: Level,
    detail: String,
    expires: Option<SystemTime>,
    api: Option<ApiNotice>,
}

/// How good or bad a [`Finding`] is.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// As it should be.
    Good,
    /// It could not be found out, which says nothing.
    Unknown,
    /// It works, and had better be otherwise.
    Warning,
    /// A send would fail.
    Failed,
}

impl Level {
    /// Returns the name: `ok`, `unknown`, `warning` or `failed`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Good => "ok",
            Self::Unknown => "unknown",
            Self::Warning => "warning",
            Self::Failed => "failed",
        }
    }
}

impl Finding {
    fn new(check: &'static str, level: Level, detail: impl Into<String>) -> Self {
        Self { check, level, detail: detail.into(), expires: None, api: None }
    }

    /// Returns what was looked at: `plaintext`, `guard`, `connection`, `certificate`, `answer`, `api`,
    /// `schema` or `health`.
    pub fn check(&self) -> &'static str {
        self.check
    }

    /// Returns how good or bad it is.
    pub fn level(&self) -> Level {
        self.level
    }

    /// Returns it in words, without any secret.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// Returns when the certificate ends, where it is about that.
    pub fn expires(&self) -> Option<SystemTime> {
        self.expires
    }

    /// Returns what the server announces about the end of its API, where it is about that.
    pub fn api(&self) -> Option<&ApiNotice> {
        self.api.as_ref()
    }
}
