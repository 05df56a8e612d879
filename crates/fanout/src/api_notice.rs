//! What the other side announces about the life of its API: one type for all transports.

use std::fmt::{self, Write as _};
use std::net::Ipv6Addr;
use std::time::SystemTime;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::ser::{Serialize, SerializeStruct, Serializer};

/// What an API announces about its own life: since when it is deprecated, when it ends, and what
/// comes after it.
///
/// It changes no outcome: a sink that answers is a sink that answers. A transport puts it into every
/// [`Receipt`](crate::Receipt) and [`Error`](crate::Error) whose answer carried it, and adds one
/// warning in words for each sink and version. `Display` is that warning, in one line.
///
/// # Behavior
///
/// The other side says all this, so the setters take no more than can be shown anywhere:
///
/// - Addresses are absolute `http` or `https` URLs of printable ASCII and at most 512 bytes, and are
///   kept without user name, password, query and fragment; anything else counts as not said.
/// - A version is printable ASCII of at most 64 bytes; anything else counts as not said.
/// - A time is cut to whole seconds; one that is not in the years 1970 to 9999 counts as not said.
///
/// # Examples
///
/// ```
/// use std::time::{Duration, UNIX_EPOCH};
///
/// use fanout::ApiNotice;
///
/// let notice = ApiNotice::new()
///     .with_version("v1")
///     .with_deprecated_since(UNIX_EPOCH + Duration::from_secs(1_688_169_599))
///     .with_sunset(UNIX_EPOCH + Duration::from_secs(1_735_689_599))
///     .with_successor("https://api.example.com/v2/orders?key=secret");
/// assert_eq!(
///     notice.to_string(),
///     "v1 is deprecated since 2023-06-30, was to be gone on 2024-12-31, \
///      successor https://api.example.com/v2/orders"
/// );
/// ```
///
/// # Standards
///
/// RFC 9745 (`Deprecation`), RFC 8594 (`Sunset`), RFC 5829 section 3.3 (`successor-version`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ApiNotice {
    version: Option<Box<str>>,
    deprecated: bool,
    deprecated_since: Option<Timestamp>,
    sunset: Option<Timestamp>,
    successor: Option<Box<str>>,
    documentation: Option<Box<str>>,
}

impl ApiNotice {
    /// Makes a notice that says nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the version of the API that this is about, as the sink names it.
    #[must_use]
    pub fn with_version(mut self, version: &str) -> Self {
        let fits = !version.is_empty() && version.len() <= MAX_VERSION;
        self.version = (fits && is_printable(version)).then(|| version.into());
        self
    }

    /// Says that the API is deprecated, and that nobody knows since when.
    #[must_use]
    pub fn with_deprecated(mut self) -> Self {
        self.deprecated = true;
        self
    }

    /// Says since when the API is deprecated; a time to come says from when on it will be.
    #[must_use]
    pub fn with_deprecated_since(mut self, since: SystemTime) -> Self {
        self.deprecated_since = timestamp(since);
        self.deprecated = true;
        self
    }

    /// Sets when the API is expected to answer no more.
    #[must_use]
    pub fn with_sunset(mut self, sunset: SystemTime) -> Self {
        self.sunset = timestamp(sunset);
        self
    }

    /// Sets the address of what comes after this API.
    #[must_use]
    pub fn with_successor(mut self, url: &str) -> Self {
        self.successor = shown_url(url);
        self
    }

    /// Sets the address where people read about the end of this API.
    #[must_use]
    pub fn with_documentation(mut self, url: &str) -> Self {
        self.documentation = shown_url(url);
        self
    }

    /// Rewrites the addresses, for transports, to take out what an answer repeats of a secret. `rewrite`
    /// returns `None` for one that may stay.
    #[must_use]
    pub fn rewrite(mut self, rewrite: impl Fn(&str) -> Option<String>) -> Self {
        for url in [&mut self.successor, &mut self.documentation] {
            if let Some(text) = url.as_deref().and_then(&rewrite) {
                *url = shown_url(&text);
            }
        }
        self
    }

    /// Returns the version that this is about, when the sink names one.
    pub fn version(&self) -> Option<&str> {
        self.version.as_deref()
    }

    /// Returns true when a deprecation is announced, also for a time to come.
    pub fn is_deprecated(&self) -> bool {
        self.deprecated
    }

    /// Returns since when the API is deprecated, or from when on it will be; `None` too when only the
    /// fact was told.
    pub fn deprecated_since(&self) -> Option<SystemTime> {
        self.deprecated_since.map(Into::into)
    }

    /// Returns when the API is expected to answer no more.
    pub fn sunset(&self) -> Option<SystemTime> {
        self.sunset.map(Into::into)
    }

    /// Returns the address of what comes after this API.
    pub fn successor(&self) -> Option<&str> {
        self.successor.as_deref()
    }

    /// Returns the address where people read about the end of this API.
    pub fn documentation(&self) -> Option<&str> {
        self.documentation.as_deref()
    }

    /// Returns true when the announced end is at `now` or before.
    pub fn has_ended(&self, now: SystemTime) -> bool {
        self.sunset().is_some_and(|sunset| sunset <= now)
    }

    /// Returns the day of the announced end, in UTC, as people read it: `2026-12-31`.
    pub fn sunset_day(&self) -> Option<String> {
        self.sunset.map(|sunset| day(sunset).to_string())
    }

    /// The warning as of `now`, which decides about the tense.
    fn words(&self, now: SystemTime) -> String {
        let mut text = self.version().unwrap_or("the API").to_owned();
        let to_come = |time: Timestamp| SystemTime::from(time) > now;
        let mut add = |part: fmt::Arguments<'_>| {
            text.write_fmt(part).expect("a string takes any text");
        };
        match self.deprecated_since {
            Some(since) if to_come(since) => {
                add(format_args!(" is deprecated from {} on", day(since)))
            }
            Some(since) => add(format_args!(" is deprecated since {}", day(since))),
            None if self.deprecated => add(format_args!(" is deprecated")),
            None => {}
        }
        let comma = if self.deprecated { "," } else { "" };
        match self.sunset {
            Some(sunset) if !to_come(sunset) => {
                add(format_args!("{comma} was to be gone on {}", day(sunset)));
            }
            Some(sunset) if self.deprecated => add(format_args!(", gone on {}", day(sunset))),
            Some(sunset) => add(format_args!(" will be gone on {}", day(sunset))),
            None => {}
        }
        if !self.deprecated && self.sunset.is_none() {
            add(format_args!(" announces nothing"));
        }
        if let Some(successor) = self.successor() {
            add(format_args!(", successor {successor}"));
        }
        if let Some(documentation) = self.documentation() {
            add(format_args!(", see {documentation}"));
        }
        text
    }
}

impl fmt::Display for ApiNotice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.words(SystemTime::now()))
    }
}

impl Serialize for ApiNotice {
    /// Writes what is known; times as RFC 3339 in UTC.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_struct("ApiNotice", 6)?;
        if let Some(version) = self.version() {
            out.serialize_field("version", version)?;
        }
        out.serialize_field("deprecated", &self.deprecated)?;
        for (name, time) in [("deprecated_since", self.deprecated_since), ("sunset", self.sunset)] {
            if let Some(time) = time {
                out.serialize_field(name, &time.to_string())?;
            }
        }
        for (name, url) in
            [("successor", self.successor()), ("documentation", self.documentation())]
        {
            if let Some(url) = url {
                out.serialize_field(name, url)?;
            }
        }
        out.end()
    }
}

fn day(time: Timestamp) -> Date {
    TimeZone::UTC.to_datetime(time).date()
}

/// Whole seconds from 1970 on; jiff ends with the year 9999, as RFC 3339 does.
fn timestamp(time: SystemTime) -> Option<Timestamp> {
    let time = Timestamp::try_from(time).ok()?;
    (time.as_second() >= 0 && time >= Timestamp::UNIX_EPOCH)
        .then(|| Timestamp::from_second(time.as_second()).ok())
        .flatten()
}

/// A URL that can be shown, without what may be secret in it.
fn shown_url(url: &str) -> Option<Box<str>> {
    let (scheme, rest) = url.split_once("://")?;
    let scheme = ["http", "https"].into_iter().find(|known| scheme.eq_ignore_ascii_case(known))?;
    let bare = rest.split(['?', '#']).next().unwrap_or_default();
    // RFC 3986 knows none of these, and readers differ: browsers take a backslash for a slash.
    if bare.contains(['\\', '"', '<', '>', '^', '`', '{', '|', '}']) || !is_printable(bare) {
        return None;
    }
    let (authority, path) = bare.find('/').map_or((bare, ""), |at| bare.split_at(at));
    let host = authority.rsplit('@').next().filter(|host| is_host(host))?;
    let url = format!("{scheme}://{host}{path}");
    (url.len() <= MAX_URL).then(|| url.into())
}

/// A name or an address, with a port or without.
fn is_host(text: &str) -> bool {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !text.ends_with(']') => (host, port),
        _ => (text, "443"),
    };
    let is_known = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(address) => address.parse::<Ipv6Addr>().is_ok(),
        None => {
            let of_names = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
            !host.is_empty() && host.bytes().all(of_names)
        }
    };
    is_known && port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok()
}

/// Neither controls, nor spaces, nor letters that look like others.
fn is_printable(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// In bytes. Dates and names are far shorter.
const MAX_VERSION: usize = 64;

/// In bytes. A cut address would lead elsewhere, so a longer one is not kept at all.
const MAX_URL: usize = 512;

#[cfg(test)]
mod tests;
