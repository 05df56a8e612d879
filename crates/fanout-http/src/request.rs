//! From a message to a request: pure.

use bytes::Bytes;
use fanout::{Error, ErrorKind, Idempotency, IdempotencyKey, Message};
use fanout_net::auth::is_credential_header;
use fanout_net::{Endpoint, header_room};
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::{ApiVersion, Compression, Redirects};

/// Everything about the requests of one sink that does not depend on the message.
#[derive(Debug)]
pub(crate) struct Template {
    pub(crate) method: Method,
    pub(crate) endpoint: Endpoint,
    pub(crate) headers: HeaderMap,
    pub(crate) compression: Compression,
    pub(crate) idempotency: Idempotency,
    pub(crate) redirects: Redirects,
    pub(crate) version: Option<ApiVersion>,
    /// Of the payload before compression, in bytes, inclusive.
    pub(crate) max_body: usize,
    #[cfg(feature = "webhook")]
    pub(crate) signer: Option<crate::Signer>,
}

impl Template {
    /// Makes the request for `message`, every attempt with the same `key`.
    pub(crate) fn request(
        &self,
        message: &Message,
        key: IdempotencyKey,
    ) -> Result<Request<Bytes>, Error> {
        let payload = message.payload();
        if payload.len() > self.max_body {
            return Err(Error::new(
                ErrorKind::TooLarge,
                "the payload is larger than this sink takes (max_request_body)",
            )
            .with_context("payload", format!("{} bytes", payload.len()))
            .with_context("limit", format!("{} bytes", self.max_body)));
        }
        let content_type = message.content_type().map(|value| ("content-type", value));
        header_room(&self.headers, message.metadata().iter().chain(content_type))?;

        let mut headers = self.headers.clone();
        if let Some(content_type) = message.content_type() {
            headers.insert(CONTENT_TYPE, value(&CONTENT_TYPE, content_type)?);
        }
        self.add_metadata(&mut headers, message)?;
        if self.idempotency == Idempotency::Key {
            no_other_key(&headers)?;
            let key = HeaderValue::try_from(key.to_field()).expect("digits and quotes are text");
            headers.insert(IDEMPOTENCY_KEY, key);
        }

        let body = if payload.is_empty() {
            headers.remove(CONTENT_TYPE);
            // RFC 9110 section 8.6: a method that has a meaning for content says that there is none.
            if matches!(self.method, Method::POST | Method::PUT | Method::PATCH) {
                headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
                if let Some(content_type) = message.content_type() {
                    headers.insert(CONTENT_TYPE, value(&CONTENT_TYPE, content_type)?);
                }
            }
            Bytes::new()
        } else if headers.contains_key(CONTENT_ENCODING) {
            payload.clone()
        } else if let Some((coding, bytes)) = self.compression.apply(payload) {
            headers.insert(CONTENT_ENCODING, coding);
            bytes
        } else {
            payload.clone()
        };

        if let Some(version) = &self.version {
            version.apply(&mut headers, message)?;
        }
        // The body is final here, and nothing that identifies the sender has been added yet.
        #[cfg(feature = "webhook")]
        if let Some(signer) = &self.signer {
            crate::signing::sign(signer, message, &body, &mut headers)?;
        }

        let mut request = Request::new(body);
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.endpoint.uri().clone();
        *request.headers_mut() = headers;
        Ok(request)
    }

    /// Adds the metadata: a name takes the place of the sink's own, and may then repeat.
    fn add_metadata(&self, headers: &mut HeaderMap, message: &Message) -> Result<(), Error> {
        let mut own = Vec::new();
        for (key, text) in message.metadata().iter() {
            let (name, value) = header(key, text)?;
            if own.contains(&name) {
                headers.append(name, value);
            } else {
                headers.insert(name.clone(), value);
                own.push(name);
            }
        }
        Ok(())
    }
}

/// Checks a header that a user has set.
///
/// Names that say how the message is framed or where it goes are refused: they are ours to write, and
/// a wrong one lets a request be read as two (RFC 9112 section 11.2).
pub(crate) fn header(key: &str, text: &str) -> Result<(HeaderName, HeaderValue), Error> {
    let Ok(name) = HeaderName::from_bytes(key.as_bytes()) else {
        let shown: String = key.chars().take(64).flat_map(char::escape_default).collect();
        return Err(Error::new(ErrorKind::Build, "this is no valid header name")
            .with_context("header", shown));
    };
    not_reserved(&name)?;
    let value = value(&name, text)?;
    Ok((name, value))
}

/// Refuses names that are the client's to write.
pub(crate) fn not_reserved(name: &HeaderName) -> Result<(), Error> {
    if RESERVED.contains(&name.as_str()) {
        return Err(Error::new(
            ErrorKind::Build,
            "this header cannot be set: the client writes it",
        )
        .with_context("header", name.as_str()));
    }
    Ok(())
}

/// Refuses a key of the user's where the sink writes its own.
pub(crate) fn no_other_key(headers: &HeaderMap) -> Result<(), Error> {
    if headers.contains_key(IDEMPOTENCY_KEY) {
        return Err(Error::new(
            ErrorKind::Build,
            "this sink writes the idempotency key itself: take yours out, or set another mode",
        )
        .with_context("header", IDEMPOTENCY_KEY));
    }
    Ok(())
}

/// The header that says who we are, unless the user says something else.
pub(crate) fn user_agent() -> (HeaderName, HeaderValue) {
    (USER_AGENT, HeaderValue::from_static(concat!("fanout/", env!("CARGO_PKG_VERSION"))))
}

/// Adds a pair to the query of a URL, percent-encoded.
pub(crate) fn add_query(url: &mut String, name: &str, value: &str) {
    let separator = match url.split_once('?') {
        None => "?",
        Some((_, query)) if query.is_empty() || query.ends_with('&') => "",
        Some(_) => "&",
    };
    let name = utf8_percent_encode(name, NOT_UNRESERVED);
    let value = utf8_percent_encode(value, NOT_UNRESERVED);
    url.push_str(&format!("{separator}{name}={value}"));
}

fn value(name: &HeaderName, text: &str) -> Result<HeaderValue, Error> {
    // The value may be a credential: the error names the header alone.
    let mut value = HeaderValue::from_bytes(text.as_bytes()).map_err(|_| {
        Error::new(ErrorKind::Build, "the value has a line break or another control character")
            .with_context("header", name.as_str())
    })?;
    value.set_sensitive(is_credential_header(name));
    Ok(value)
}

/// draft-ietf-httpapi-idempotency-key-header-07 section 2.
pub(crate) const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// RFC 9110 sections 7.2, 7.6.1, 8.6 and 10.1.1, RFC 9112 section 6.1, RFC 9113 section 8.2.2.
/// `proxy-authorization` is for the proxy alone, and part of its URL.
const RESERVED: &[&str] = &[
    "connection",
    "content-length",
    "expect",
    "host",
    "http2-settings",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// RFC 3986 section 2.3.
const NOT_UNRESERVED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

#[cfg(test)]
mod tests;
