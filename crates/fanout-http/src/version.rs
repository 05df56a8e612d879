//! The version of the API that a sink was written for, and its place in a request: pure.

use fanout::{Error, ErrorKind, Message};
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue};
use percent_encoding::percent_decode_str;

use crate::request;

/// The version of an API, in one of the places where APIs want it.
///
/// A sink names the version that it was written for, so that moving to the next one is one line. It
/// belongs to the sink alone: a message whose metadata or content type names another version is refused
/// when it is sent, and so is, when the sink is built, a header or query pair of the same name.
///
/// A version is 1 to 64 characters of letters, digits and `.`, `_`, `~`, `-`; a parameter or header name is
/// one that HTTP allows. It is shown in reports: it is no place for a secret.
///
/// # Examples
///
/// ```
/// use fanout_http::{ApiVersion, HttpSink};
///
/// let orders = HttpSink::post("https://api.example.com/{version}/orders")
///     .api_version(ApiVersion::path("v2"))
///     .build()?;
/// let billing = HttpSink::post("https://billing.example.com/invoices")
///     .api_version(ApiVersion::header("api-version", "2024-10-21"))
///     .build()?;
/// # Ok::<(), fanout::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ApiVersion {
    version: String,
    place: Place,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Place {
    Path,
    Header(String),
    Query(String),
    Parameter(String),
    Vendor(String),
}

impl ApiVersion {
    /// In the path of the URL, in the place of `{version}`: `https://api.example.com/{version}/orders`.
    ///
    /// A URL without that placeholder is refused when the sink is built, and so is one that has it where
    /// the version is not in the path: to guess where it belongs would be to send to another API.
    pub fn path(version: impl Into<String>) -> Self {
        Self { version: version.into(), place: Place::Path }
    }

    /// In a header of its own: `api-version: 2024-10-21`.
    pub fn header(name: impl Into<String>, version: impl Into<String>) -> Self {
        Self { version: version.into(), place: Place::Header(name.into()) }
    }

    /// In the query of the URL: `?api-version=2024-10-21`.
    pub fn query(name: impl Into<String>, version: impl Into<String>) -> Self {
        Self { version: version.into(), place: Place::Query(name.into()) }
    }

    /// As a parameter of the media types: `Accept: application/json; version=1`, and the same added to the
    /// `Content-Type` of every message that has one.
    ///
    /// A header `accept` of the sink takes the place of `application/json`; it must then name one type,
    /// without weights.
    ///
    /// # Standards
    ///
    /// RFC 9110 sections 8.3.1 and 12.5.1.
    pub fn media_type(parameter: impl Into<String>, version: impl Into<String>) -> Self {
        Self { version: version.into(), place: Place::Parameter(parameter.into()) }
    }

    /// Within a media type of the vendor's own, in the place of `{version}`:
    /// `application/vnd.example.{version}+json`.
    ///
    /// The type is the `Accept` of every request. It also takes the place of the plain type that its
    /// suffix names in the `Content-Type`, `application/json` for `+json`; other types go out as they are.
    ///
    /// # Standards
    ///
    /// RFC 6838 sections 3.2 and 4.2.8.
    pub fn vendor_type(media_type: impl Into<String>, version: impl Into<String>) -> Self {
        Self { version: version.into(), place: Place::Vendor(media_type.into()) }
    }

    /// Returns the version: `v1`, `2024-10-21`.
    pub fn as_str(&self) -> &str {
        &self.version
    }

    /// Checks what the user wrote, and that the template of a vendor's type has its placeholder.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let version = &self.version;
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._~-".contains(&byte);
        // A segment of dots would leave the path in which it stands.
        let is_dots = version.bytes().all(|byte| byte == b'.');
        if is_dots || version.len() > MAX_VERSION || !version.bytes().all(is_plain) {
            return Err(bad("an API version is 1 to 64 letters, digits, and the signs . _ ~ -"));
        }
        match &self.place {
            Place::Path => Ok(()),
            Place::Query(name) if !name.is_empty() && name.len() <= MAX_VERSION => Ok(()),
            Place::Query(_) => Err(bad("the query needs a name for the API version")),
            Place::Header(name) => {
                let (name, value) = request::header(name, version)?;
                if value.is_sensitive() || TAKEN.contains(&name.as_str()) {
                    return Err(bad(
                        "this header says something else: it cannot hold an API version",
                    )
                    .with_context("header", name.as_str()));
                }
                Ok(())
            }
            Place::Parameter(name) if is_token(name) && !name.eq_ignore_ascii_case("q") => Ok(()),
            Place::Parameter(_) => Err(bad("this is no name for a parameter of a media type")),
            Place::Vendor(template) => match template.split_once(PLACEHOLDER) {
                Some(parts) if is_media_type(parts.0, parts.1) => Ok(()),
                _ => {
                    Err(bad("a vendor's media type is like application/vnd.example.{version}+json"))
                }
            },
        }
    }

    /// The header that holds it, if it has one of its own.
    fn header_pair(&self) -> Option<(HeaderName, HeaderValue)> {
        match &self.place {
            Place::Header(name) => request::header(name, &self.version).ok(),
            _ => None,
        }
    }

    /// The vendor's type with the version in it.
    fn vendor(&self) -> Option<String> {
        match &self.place {
            Place::Vendor(template) => Some(template.replace(PLACEHOLDER, &self.version)),
            _ => None,
        }
    }

    /// Adds what is the same in every request to the headers of the sink.
    pub(crate) fn add_headers(&self, headers: &mut HeaderMap) -> Result<(), Error> {
        if let Some((name, value)) = self.header_pair() {
            if headers.contains_key(&name) {
                return Err(written_by_us(&name));
            }
            headers.insert(name, value);
        }
        let accept = match &self.place {
            Place::Vendor(_) if headers.contains_key(ACCEPT) => return Err(written_by_us(&ACCEPT)),
            Place::Vendor(_) => self.vendor().unwrap_or_default(),
            Place::Parameter(name) => {
                let mut own = headers.get_all(ACCEPT).iter();
                let range = match own.next() {
                    Some(range) => range.to_str().unwrap_or_default(),
                    None => "application/json",
                };
                let is_one = own.next().is_none() && !range.trim().is_empty();
                if !is_one || range.contains(',') || has_parameter(range, "q") {
                    return Err(bad(
                        "with an API version in the media type, accept is one type without weights",
                    ));
                }
                self.with_parameter(name, range, &ACCEPT)?
            }
            Place::Path | Place::Header(_) | Place::Query(_) => return Ok(()),
        };
        headers.insert(ACCEPT, text(accept)?);
        Ok(())
    }

    /// Sees to it that a message does not name another version, and completes its content type.
    pub(crate) fn apply(&self, headers: &mut HeaderMap, message: &Message) -> Result<(), Error> {
        let owned = match &self.place {
            Place::Header(name) => Some(name.as_str()),
            Place::Parameter(_) | Place::Vendor(_) => Some(ACCEPT.as_str()),
            Place::Path | Place::Query(_) => None,
        };
        if let Some(name) = owned.filter(|name| message.metadata().get(name).is_some()) {
            // It is a valid name: `build` has seen it.
            return Err(written_by_us(&HeaderName::try_from(name).unwrap_or(ACCEPT)));
        }
        let Some(content_type) = headers.get(CONTENT_TYPE) else { return Ok(()) };
        let content_type = content_type.to_str().unwrap_or_default();
        let changed = match &self.place {
            Place::Parameter(name) => {
                Some(self.with_parameter(name, content_type, &CONTENT_TYPE)?)
            }
            Place::Vendor(template) => self.vendor_content_type(template, content_type)?,
            Place::Path | Place::Header(_) | Place::Query(_) => None,
        };
        if let Some(changed) = changed {
            headers.insert(CONTENT_TYPE, text(changed)?);
        }
        Ok(())
    }

    fn with_parameter(
        &self,
        name: &str,
        media_type: &str,
        header: &HeaderName,
    ) -> Result<String, Error> {
        if has_parameter(media_type, name) {
            return Err(written_by_us(header));
        }
        Ok(format!("{}; {name}={}", media_type.trim_end_matches([' ', '\t', ';']), self.version))
    }

    fn vendor_content_type(&self, template: &str, given: &str) -> Result<Option<String>, Error> {
        let ours = template.replace(PLACEHOLDER, &self.version);
        let (essence, parameters) = given.find(';').map_or((given, ""), |at| given.split_at(at));
        let essence = essence.trim().to_ascii_lowercase();
        if essence == ours.to_ascii_lowercase() {
            return Ok(None);
        }
        let template = template.to_ascii_lowercase();
        let Some((before, after)) = template.split_once(PLACEHOLDER) else { return Ok(None) };
        if essence.starts_with(before) && essence.ends_with(after) {
            return Err(written_by_us(&CONTENT_TYPE));
        }
        let is_plain = template
            .rsplit_once('+')
            .is_some_and(|(_, suffix)| essence == format!("application/{suffix}"));
        Ok(is_plain.then(|| format!("{ours}{parameters}")))
    }
}

/// Puts the version into the URL where it belongs there.
pub(crate) fn in_url(version: Option<&ApiVersion>, url: &mut String) -> Result<(), Error> {
    let scheme = url.find("://").map_or(0, |at| at + 3);
    let start = url[scheme..].find(['/', '?', '#']).map_or(url.len(), |at| scheme + at);
    let end = url[start..].find(['?', '#']).map_or(url.len(), |at| start + at);
    let has_place = url[start..end].contains(PLACEHOLDER);
    match version {
        Some(ApiVersion { version, place: Place::Path }) => {
            if !has_place {
                return Err(bad(
                    "the API version belongs into the path, and the path of the URL has no \
                                {version}: write https://HOST/{version}/...",
                ));
            }
            let path = url[start..end].replace(PLACEHOLDER, version);
            url.replace_range(start..end, &path);
            Ok(())
        }
        _ if has_place => {
            Err(bad("the path of the URL has a {version}, and the sink names no API version \
                                   that belongs there"))
        }
        Some(ApiVersion { version, place: Place::Query(name) }) => {
            let query = url.split_once('?').map_or("", |(_, query)| query);
            let is_taken = query.split('&').any(|pair| {
                let key = pair.split('=').next().unwrap_or_default();
                percent_decode_str(key).eq(name.bytes())
            });
            if is_taken {
                return Err(bad("the query names the API version already: take it out there"));
            }
            request::add_query(url, name, version);
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Whether a media type has a parameter of this name.
fn has_parameter(media_type: &str, name: &str) -> bool {
    let (mut is_quoted, mut is_escaped) = (false, false);
    let parts = media_type.split(|letter| {
        let ends = letter == ';' && !is_quoted;
        match letter {
            _ if is_escaped => is_escaped = false,
            '\\' if is_quoted => is_escaped = true,
            '"' => is_quoted = !is_quoted,
            _ => {}
        }
        ends
    });
    parts
        .skip(1)
        .any(|part| part.split('=').next().is_some_and(|key| key.trim().eq_ignore_ascii_case(name)))
}

fn is_media_type(before: &str, after: &str) -> bool {
    let whole = format!("{before}{after}");
    let is_once = !after.contains(PLACEHOLDER) && whole.len() <= 4 * MAX_VERSION;
    is_once
        && before
            .split_once('/')
            .is_some_and(|(kind, rest)| is_token(kind) && (rest.is_empty() || is_token(rest)))
        && (after.is_empty() || is_token(after))
}

/// RFC 9110 section 5.6.2.
fn is_token(text: &str) -> bool {
    let is_sign = |byte: u8| b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || is_sign(byte))
}

fn text(value: String) -> Result<HeaderValue, Error> {
    HeaderValue::try_from(value).map_err(|_| bad("this media type is no valid header"))
}

fn written_by_us(header: &HeaderName) -> Error {
    bad("this sink says itself which version of the API it means: take the other one out")
        .with_context("header", header.as_str())
}

fn bad(text: &'static str) -> Error {
    Error::new(ErrorKind::Build, text)
}

/// In a URL, and in a vendor's media type.
const PLACEHOLDER: &str = "{version}";

const MAX_VERSION: usize = 64;

/// Headers with a meaning of their own; media types have their own ways to hold a version.
const TAKEN: &[&str] =
    &["accept", "content-encoding", "content-type", "date", "idempotency-key", "range"];

#[cfg(test)]
mod tests;
