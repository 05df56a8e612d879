//! What answers announce about the life of the API, and what a sink remembers of it.

mod fields;
mod link;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use fanout::{ApiNotice, Error, Receipt};
use fanout_net::Endpoint;
use http::HeaderMap;

/// The announcements that one sink has heard, about the one version that it was written for.
#[derive(Debug, Default)]
pub(crate) struct Life {
    version: Option<Box<str>>,
    /// The last one that names an end.
    ending: Mutex<Option<ApiNotice>>,
    warned: AtomicBool,
}

/// What an answer announces.
#[derive(Debug)]
pub(crate) struct Announced {
    pub(crate) notice: ApiNotice,
    /// Whether the sink says it for the first time.
    is_news: bool,
}

impl Life {
    pub(crate) fn of(version: Option<&str>) -> Self {
        Self { version: version.map(Into::into), ..Self::default() }
    }

    /// Reads the fields of an answer of `endpoint`.
    pub(crate) fn read(&self, headers: &HeaderMap, endpoint: &Endpoint) -> Option<ApiNotice> {
        let notice = fields::read(headers, endpoint)?;
        Some(match &self.version {
            Some(version) => notice.with_version(version),
            None => notice,
        })
    }

    /// Reads the fields of an answer of `endpoint`, and remembers what they say.
    pub(crate) fn hear(&self, headers: &HeaderMap, endpoint: &Endpoint) -> Option<Announced> {
        let notice = self.read(headers, endpoint)?;
        if notice.sunset().is_some() {
            *self.ending.lock().unwrap_or_else(PoisonError::into_inner) = Some(notice.clone());
        }
        let is_news = !self.warned.swap(true, Ordering::Relaxed);
        Some(Announced { notice, is_news })
    }

    /// Explains a refusal by the end that was announced for a time before `now`, by this answer or by
    /// one before it.
    ///
    /// 410 says that the API is gone; behind many a gateway a version that was taken out is a 404,
    /// which may have other reasons too. 403 has them in the first place, so it is left alone.
    pub(crate) fn epitaph(
        &self,
        code: u16,
        announced: Option<&Announced>,
        now: SystemTime,
    ) -> Option<(String, ApiNotice)> {
        let gone = match code {
            410 => "is gone (410)",
            404 => "may be gone (404)",
            _ => return None,
        };
        let said = announced.map(|said| &said.notice).filter(|said| said.sunset().is_some());
        let notice = match said {
            Some(notice) => notice.clone(),
            None => self.ending.lock().unwrap_or_else(PoisonError::into_inner).clone()?,
        };
        let day = notice.sunset_day().filter(|_| notice.has_ended(now))?;
        let subject = match notice.version() {
            Some(version) => format!("{version} of the API"),
            None => "the API".to_owned(),
        };
        let mut text = format!("{subject} was announced to end on {day}, and {gone}");
        if let Some(successor) = notice.successor() {
            text.push_str("; its successor is ");
            text.push_str(successor);
        }
        if let Some(documentation) = notice.documentation() {
            text.push_str("; see ");
            text.push_str(documentation);
        }
        Some((text, notice))
    }
}

impl Announced {
    /// Rewrites the addresses; see [`ApiNotice::rewrite`].
    pub(crate) fn rewrite(self, rewrite: impl Fn(&str) -> Option<String>) -> Self {
        Self { notice: self.notice.rewrite(rewrite), ..self }
    }

    pub(crate) fn on_receipt(self, receipt: Receipt) -> Receipt {
        let receipt =
            if self.is_news { receipt.with_notice(self.notice.to_string()) } else { receipt };
        receipt.with_api(self.notice)
    }

    pub(crate) fn on_error(self, error: Error) -> Error {
        let error = if self.is_news { error.with_notice(self.notice.to_string()) } else { error };
        error.with_api(self.notice)
    }
}

#[cfg(test)]
mod tests;
