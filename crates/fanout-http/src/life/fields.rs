//! The fields `Deprecation`, `Sunset` and `Link` as one notice: pure.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fanout::ApiNotice;
use fanout_net::Endpoint;
use http::HeaderMap;
use http::header::LINK;
use jiff::fmt::rfc2822::DateTimeParser;
use sfv::{BareItem, Item, Parser};

use super::link::{self, Link};
use crate::redirect::resolve::resolve;

/// Reads what an answer of `endpoint` announces, if anything.
///
/// Links alone announce nothing: a `successor-version` or a `deprecation` policy may be there long
/// before the end (RFC 9745 section 3). What cannot be read counts as not there; of several lines of a
/// field the first that can be read counts.
///
/// # Standards
///
/// RFC 9745, RFC 8594, RFC 8288, and RFC 5829 for `successor-version` and `latest-version`.
pub(super) fn read(headers: &HeaderMap, endpoint: &Endpoint) -> Option<ApiNotice> {
    let lines_of = |name| headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    let deprecation = lines_of("deprecation").find_map(Deprecation::read);
    let sunset = lines_of("sunset").find_map(|value| date(value.trim()));
    let mut notice = match (deprecation, sunset) {
        (Some(Deprecation::Since(since)), _) => ApiNotice::new().with_deprecated_since(since),
        (Some(Deprecation::Undated), _) => ApiNotice::new().with_deprecated(),
        (None, Some(_)) => ApiNotice::new(),
        (None, None) => return None,
    };
    if let Some(sunset) = sunset {
        notice = notice.with_sunset(sunset);
    }
    if !notice.is_deprecated() && notice.sunset().is_none() {
        return None;
    }
    let lines: Vec<_> =
        headers.get_all(LINK).iter().map(|line| String::from_utf8_lossy(line.as_bytes())).collect();
    let links: Vec<_> = lines.iter().flat_map(|line| link::parse(line)).collect();
    let targets = |relation| {
        let links = links.iter().filter(move |link| link.is(relation));
        links.filter_map(|link| target(link, endpoint))
    };
    // What the notice does not take gives way to the next one.
    for url in targets("successor-version").chain(targets("latest-version")) {
        if notice.successor().is_none() {
            notice = notice.with_successor(&url);
        }
    }
    for url in targets("deprecation").chain(targets("sunset")) {
        if notice.documentation().is_none() {
            notice = notice.with_documentation(&url);
        }
    }
    Some(notice)
}

/// Where a link leads.
///
/// A reference to the same document leads nowhere: nothing comes after a version at that version's own
/// address, and it would show our path, which may be a secret.
fn target(link: &Link<'_>, endpoint: &Endpoint) -> Option<String> {
    let is_same = link.target.is_empty() || link.target.starts_with(['?', '#']);
    if is_same { None } else { resolve(endpoint.uri(), link.target) }
}

/// What the field `Deprecation` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deprecation {
    Since(SystemTime),
    Undated,
}

impl Deprecation {
    /// RFC 9745 knows a date of structured fields, `@1688169599`. The drafts before it, which many
    /// servers still follow, had an HTTP date or the word `true`.
    fn read(value: &str) -> Option<Self> {
        let value = value.trim();
        if value.eq_ignore_ascii_case("true") || value == "?1" {
            return Some(Self::Undated);
        }
        date(value).map(Self::Since)
    }
}

/// A date in either of the forms that servers write, whichever of the two fields asks for it.
fn date(value: &str) -> Option<SystemTime> {
    if !value.starts_with('@') {
        return httpdate::parse_http_date(value).ok().or_else(|| lenient(value));
    }
    let item: Item = Parser::new(value).parse().ok()?;
    let BareItem::Date(date) = item.bare_item else { return None };
    let seconds = u64::try_from(i64::from(date.unix_seconds())).ok()?;
    UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}

/// These dates are often written by hand into the configuration of a proxy, and the day of the week is
/// then easily wrong: no reason to overlook the end of an API.
fn lenient(value: &str) -> Option<SystemTime> {
    let parser = DateTimeParser::new().relaxed_weekday(true);
    parser.parse_timestamp(value).ok().map(Into::into)
}
