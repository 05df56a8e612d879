//! What an HTTP sink can be told.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use fanout::{Error, ErrorKind};
use fanout_net::{Client, Endpoint, HttpVersion};
use http::{HeaderMap, Method};

use crate::request::{self, Template};
use crate::{Compression, HttpSink};

/// Builds an [`HttpSink`].
#[must_use]
#[derive(Clone)]
pub struct HttpSinkBuilder {
    method: String,
    url: String,
    headers: Vec<(String, String)>,
    query: Vec<(String, String)>,
    client: Option<Client>,
    connect_timeout: Option<Duration>,
    version: Option<HttpVersion>,
    timeout: Duration,
    max_request_body: usize,
    max_receipt_body: usize,
    compression: Compression,
}

impl HttpSinkBuilder {
    pub(crate) fn new(method: impl Into<String>, url: impl Into<String>) -> Self {
        Self {
            method: method.into(),
            url: url.into(),
            headers: Vec::new(),
            query: Vec::new(),
            client: None,
            connect_timeout: None,
            version: None,
            timeout: Duration::from_secs(10),
            max_request_body: 1 << 20,
            max_receipt_body: 64 << 10,
            compression: Compression::None,
        }
    }

    /// Sends over this client, and shares its connections. Default: a client of its own.
    pub fn client(mut self, client: &Client) -> Self {
        self.client = Some(client.clone());
        self
    }

    /// Adds a header to every request. A name may repeat; the metadata of a message takes the place of
    /// all headers of the same name.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Adds a pair to the query of the URL, percent-encoded, after those that are there.
    pub fn query(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.query.push((name.into(), value.into()));
        self
    }

    /// Sets the content type of messages that have none of their own.
    pub fn content_type(self, content_type: impl Into<String>) -> Self {
        self.header("content-type", content_type)
    }

    /// Sets the longest time that one attempt may take, from connecting to the end of the answer's body.
    ///
    /// The attempt's own deadline counts when it comes earlier. Default: 10 s. Zero is refused by
    /// [`build`](Self::build).
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets the longest time that connecting may take. Default: 3 s.
    ///
    /// A shared [`client`](Self::client) brings its own: both together are refused by
    /// [`build`](Self::build).
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = Some(timeout);
        self
    }

    /// Sets which version of HTTP is spoken. Default: [`HttpVersion::Negotiate`].
    ///
    /// A shared [`client`](Self::client) brings its own: both together are refused by
    /// [`build`](Self::build).
    pub fn http_version(mut self, version: HttpVersion) -> Self {
        self.version = Some(version);
        self
    }

    /// Sets the largest payload that is sent, in bytes before compression, inclusive. Default: 1 MiB.
    pub fn max_request_body(mut self, bytes: usize) -> Self {
        self.max_request_body = bytes;
        self
    }

    /// Sets how much of an answer's body a receipt keeps, in bytes, inclusive. Default: 64 KiB.
    ///
    /// Reading stops there, and the receipt says that it was cut.
    pub fn max_receipt_body(mut self, bytes: usize) -> Self {
        self.max_receipt_body = bytes;
        self
    }

    /// Sets how payloads are compressed. Default: not at all.
    pub fn compression(mut self, compression: Compression) -> Self {
        self.compression = compression;
        self
    }

    /// Builds the sink. Does no I/O.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Build`] when the URL, the method, a header or a number is not possible, or when a
    /// shared client is given together with a setting that only a client of its own could have. No
    /// header value and no query is ever in the text.
    pub fn build(self) -> Result<HttpSink, Error> {
        let bad = |text: &'static str| Error::new(ErrorKind::Build, text);
        let method = Method::from_bytes(self.method.as_bytes())
            .ok()
            .filter(|method| method != Method::CONNECT)
            .ok_or_else(|| bad("this is no method that a message can be sent with"))?;
        if self.timeout.is_zero() {
            return Err(bad("timeout must not be zero"));
        }
        let mut url = self.url;
        if !self.query.is_empty() {
            // A query behind a fragment would be part of it; the endpoint refuses the fragment below.
            for (name, value) in &self.query {
                request::add_query(&mut url, name, value);
            }
        }
        let endpoint = Endpoint::parse(&url)?;

        let mut headers = HeaderMap::new();
        let (name, value) = request::user_agent();
        headers.insert(name, value);
        let mut own = Vec::new();
        for (key, text) in &self.headers {
            let (name, value) = request::header(key, text)?;
            if own.contains(&name) {
                headers.append(name, value);
            } else {
                headers.insert(name.clone(), value);
                own.push(name);
            }
        }

        let client = match self.client {
            Some(_) if self.connect_timeout.is_some() || self.version.is_some() => {
                return Err(bad("connect_timeout and http_version belong to the shared client"));
            }
            Some(client) => client,
            None => {
                let mut builder = Client::builder().http_version(self.version.unwrap_or_default());
                if let Some(timeout) = self.connect_timeout {
                    builder = builder.connect_timeout(timeout);
                }
                builder.build()?
            }
        };
        let template = Template {
            method,
            endpoint,
            headers,
            compression: self.compression,
            max_body: self.max_request_body,
        };
        Ok(HttpSink::of(Arc::new(template), client, self.timeout, self.max_receipt_body))
    }
}

impl fmt::Debug for HttpSinkBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.headers.iter().map(|(name, _)| name).collect();
        f.debug_struct("HttpSinkBuilder")
            .field("method", &self.method)
            .field("endpoint", &Endpoint::parse(&self.url).ok())
            .field("headers", &names)
            .field("timeout", &self.timeout)
            .field("max_request_body", &self.max_request_body)
            .field("max_receipt_body", &self.max_receipt_body)
            .field("compression", &self.compression)
            .finish_non_exhaustive()
    }
}
