//! What an answer means to one sink: the table, and what the user of the sink knows better.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use fanout::{Effect, ErrorKind, RetryAdvice};
use fanout_net::auth::Renewal;
use http::HeaderMap;

use crate::codes::Codes;
use crate::{Class, Hints, classify, rate_limit, vendor_class};

/// An answer as a classifier of one's own sees it: its status, its headers, and what it means so far.
#[derive(Clone, Copy)]
pub struct Answer<'a> {
    code: u16,
    headers: &'a HeaderMap,
    hints: Hints,
    class: Class,
}

/// What a classifier of one's own says of an [`Answer`].
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opinion {
    /// Nothing: it means what it means so far.
    Pass,
    /// It means this.
    Means(Class),
    /// If it is a failure, no further attempt is made, whatever a later classifier says.
    Forbid,
}

/// Everything that decides what an answer means to one sink.
#[derive(Clone, Default)]
pub(crate) struct Rules {
    pub(crate) success_on: Codes,
    pub(crate) never_on: Codes,
    pub(crate) retry_on: Codes,
    pub(crate) trust_503: bool,
    pub(crate) vendor_codes: bool,
    pub(crate) rate_limit: bool,
    /// Whether there are credentials, which may be renewed when they are refused.
    pub(crate) credentials: bool,
    pub(crate) classifiers: Vec<Classifier>,
}

pub(crate) type Classifier = Arc<dyn Fn(&Answer<'_>) -> Opinion + Send + Sync>;

impl Rules {
    /// Reads what beside the status decides.
    pub(crate) fn hints(&self, headers: &HeaderMap, now: SystemTime) -> Hints {
        let hints = Hints::of(headers, now);
        match rate_limit::reset(headers) {
            Some(delay) if self.rate_limit => hints.with_quota_reset(delay),
            _ => hints,
        }
    }

    /// Says what an answer means, from the general to the particular: the table, the codes that the
    /// user of the sink named, and the user's classifiers in their order. What forbids is not undone.
    pub(crate) fn class(&self, code: u16, headers: &HeaderMap, hints: Hints) -> Class {
        let (mut class, mut forbidden) = self.by_code(code, hints);
        for classifier in &self.classifiers {
            match classifier(&Answer { code, headers, hints, class }) {
                Opinion::Pass => {}
                Opinion::Means(other) => class = other,
                Opinion::Forbid => forbidden = true,
            }
        }
        if forbidden { class.with_advice(RetryAdvice::Never) } else { class }
    }

    fn by_code(&self, code: u16, hints: Hints) -> (Class, bool) {
        let vendor = if self.vendor_codes { vendor_class(code, hints) } else { None };
        let class = match vendor.unwrap_or_else(|| classify(code, hints)) {
            // The table says: once, with a fresh credential. Nobody fetches one for the proxy.
            refused @ Class::Failed { kind: ErrorKind::Unauthenticated, .. }
                if !self.credentials || code == PROXY =>
            {
                refused.with_advice(RetryAdvice::Never)
            }
            class => class,
        };
        let Class::Failed { advice, .. } = class else { return (class, false) };
        if self.success_on.contain(code) {
            return (Class::Delivered, false);
        }
        let class = match code {
            503 if self.trust_503 => class.with_effect(Effect::None),
            _ => class,
        };
        let again =
            matches!(advice, RetryAdvice::Once | RetryAdvice::Backoff | RetryAdvice::After(_));
        let class = if self.retry_on.contain(code) && !again {
            class.with_advice(hints.delay_or(RetryAdvice::Backoff))
        } else {
            class
        };
        (class, self.never_on.contain(code))
    }

    /// Corrects what a refusal of the credentials means by whether they can be renewed. Each refusal
    /// is told to them, by asking `renewal`.
    pub(crate) fn after_refusal(
        &self,
        class: Class,
        code: u16,
        hints: Hints,
        renewal: impl FnOnce() -> Renewal,
    ) -> Class {
        let Class::Failed { kind: ErrorKind::Unauthenticated, advice, .. } = class else {
            return class;
        };
        if !self.credentials || code == PROXY {
            return class;
        }
        match (renewal(), advice) {
            (Renewal::Impossible, RetryAdvice::Once) if self.retry_on.contain(code) => {
                class.with_advice(hints.delay_or(RetryAdvice::Backoff))
            }
            (Renewal::Impossible, RetryAdvice::Once) => class.with_advice(RetryAdvice::Never),
            _ => class,
        }
    }
}

/// "Proxy Authentication Required": the refusal of another's credentials.
const PROXY: u16 = 407;

impl Answer<'_> {
    /// Returns the status code.
    pub fn code(&self) -> u16 {
        self.code
    }

    /// Returns the first value of a header, when it is text. The name may be in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Returns what the answer means so far: by the table and the classifiers before this one.
    pub fn class(&self) -> Class {
        self.class
    }

    /// Returns what beside the status decided so far.
    pub fn hints(&self) -> Hints {
        self.hints
    }
}

impl fmt::Debug for Answer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer")
            .field("code", &self.code)
            .field("headers", &self.headers.keys().collect::<Vec<_>>())
            .field("hints", &self.hints)
            .field("class", &self.class)
            .finish()
    }
}

impl fmt::Debug for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rules")
            .field("success_on", &self.success_on)
            .field("never_on", &self.never_on)
            .field("retry_on", &self.retry_on)
            .field("trust_503", &self.trust_503)
            .field("vendor_codes", &self.vendor_codes)
            .field("rate_limit", &self.rate_limit)
            .field("credentials", &self.credentials)
            .field("classifiers", &self.classifiers.len())
            .finish()
    }
}

impl Class {
    /// Makes a failure of `kind`, with the effect and the advice that are usual for that kind.
    pub fn failed(kind: ErrorKind) -> Self {
        let usual = fanout::Error::new(kind, "");
        Self::Failed { kind, effect: usual.effect(), advice: usual.advice(), possibly_done: false }
    }

    /// Sets whether the message could have been applied. Changes failures only.
    #[must_use]
    pub fn with_effect(mut self, to: Effect) -> Self {
        if let Self::Failed { effect, .. } = &mut self {
            *effect = to;
        }
        self
    }

    /// Sets what may be tried next. Changes failures only.
    #[must_use]
    pub fn with_advice(mut self, to: RetryAdvice) -> Self {
        if let Self::Failed { advice, .. } = &mut self {
            *advice = to;
        }
        self
    }
}

#[cfg(test)]
mod tests;
