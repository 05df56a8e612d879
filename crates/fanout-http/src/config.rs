//! What an HTTP sink can be told.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use fanout::{Error, ErrorKind, Idempotency, Secret};
use fanout_net::auth::{ApiKey, CredentialSet, Credentials};
use fanout_net::{Client, ClientBuilder, Endpoint, Guard, Guarding, HttpVersion, header_room};
use http::{HeaderMap, Method};

use crate::classify::YEAR;
use crate::codes::Codes;
use crate::prove;
use crate::redirect::Clients;
use crate::request::{self, Template};
use crate::rules::Rules;
use crate::sink::Way;
use crate::version;
use crate::{Answer, ApiVersion, Compression, HttpSink, Opinion, Redirects};

/// Builds an [`HttpSink`].
///
#[doc = include_str!("../docs/numbers.md")]
#[must_use]
#[derive(Clone)]
pub struct HttpSinkBuilder {
    method: String,
    url: String,
    headers: Vec<(String, String)>,
    query: Vec<(String, String)>,
    allow_plaintext: bool,
    credentials: CredentialSet,
    client: Option<Client>,
    guarding: Guarding,
    api_version: Option<ApiVersion>,
    host: Option<String>,
    /// The client that it gets when none is shared, and the settings of it that were made.
    own: ClientBuilder,
    own_settings: Vec<&'static str>,
    timeout: Duration,
    max_request_body: usize,
    max_receipt_body: usize,
    compression: Compression,
    idempotency: Idempotency,
    redirects: Redirects,
    success_on: Vec<String>,
    never_on: Vec<String>,
    retry_on: Vec<String>,
    rules: Rules,
    #[cfg(feature = "tower")]
    carrier: Option<Arc<dyn crate::service::Carrier>>,
    #[cfg(feature = "webhook")]
    signer: Option<crate::Signer>,
}

impl HttpSinkBuilder {
    pub(crate) fn new(method: impl Into<String>, url: impl Into<String>) -> Self {
        Self {
            method: method.into(),
            url: url.into(),
            headers: Vec::new(),
            query: Vec::new(),
            allow_plaintext: false,
            credentials: CredentialSet::default(),
            client: None,
            guarding: Guarding::default(),
            api_version: None,
            host: None,
            own: Client::builder(),
            own_settings: Vec::new(),
            timeout: Duration::from_secs(10),
            max_request_body: 1 << 20,
            max_receipt_body: 64 << 10,
            compression: Compression::None,
            idempotency: Idempotency::Method,
            redirects: Redirects::none(),
            success_on: Vec::new(),
            never_on: Vec::new(),
            retry_on: Vec::new(),
            rules: Rules::default(),
            #[cfg(feature = "tower")]
            carrier: None,
            #[cfg(feature = "webhook")]
            signer: None,
        }
    }

    #[cfg(feature = "webhook")]
    pub(crate) fn signer(mut self, signer: crate::Signer) -> Self {
        self.signer = Some(signer);
        self
    }

    #[cfg(feature = "tower")]
    pub(crate) fn carrier(mut self, carrier: Arc<dyn crate::service::Carrier>) -> Self {
        self.carrier = Some(carrier);
        self
    }

    /// Sends over this client, and shares its connections. Default: a client of its own.
    pub fn client(mut self, client: &Client) -> Self {
        self.client = Some(client.clone());
        self
    }

    /// Allows a URL without TLS to a host other than this machine. Default: [`build`](Self::build) refuses it.
    ///
    /// Whoever listens on the way then reads the message and its credentials, and may answer in the
    /// server's place. What counts as this machine is
    /// [`Endpoint::is_loopback`](fanout_net::Endpoint::is_loopback).
    pub fn allow_plaintext(mut self) -> Self {
        self.allow_plaintext = true;
        self
    }

    /// Treats the URL as written by somebody who is not trusted: the sink connects to public addresses alone,
    /// by the standard [`Guard`]. Default: it connects to wherever the URL leads.
    ///
    /// A host that is refused as it is written is an error of [`build`](Self::build); a name is judged by its
    /// addresses at every connection, those of redirects included. Error texts are for operators: to the author of the URL
    /// they would tell which internal names exist. A shared [`client`](Self::client) must have a guard of its
    /// own, and a proxy of the environment is refused: see [`Guard`].
    pub fn untrusted(mut self) -> Self {
        self.guarding = self.guarding.or_standard();
        self
    }

    /// As [`untrusted`](Self::untrusted), by a guard of one's own: the standard one with what it allows and
    /// denies beside that.
    ///
    /// A guard is a property of the client: given beside a shared one it is refused by
    /// [`build`](Self::build).
    pub fn guard(mut self, guard: Guard) -> Self {
        self.guarding = guard.into();
        self
    }

    /// Adds a header to every request. A name may repeat; the metadata of a message takes the place of
    /// all headers of the same name.
    ///
    /// A name is a token, a value has no line break and no other control character, and the names that say
    /// how a message is framed or where it goes (`host`, `content-length`, `transfer-encoding`, `connection`
    /// and their like) are ours. Of all headers together, metadata included, there may be 1,000 and 64 KiB.
    /// What is not possible here is refused by [`build`](Self::build), in metadata when the message is sent.
    ///
    /// # Standards
    ///
    /// RFC 9110 sections 5.1, 5.5 and 7.6.1.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Adds a pair to the query of the URL, percent-encoded, after those that are there.
    pub fn query(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.query.push((name.into(), value.into()));
        self
    }

    /// Adds a header whose value is a secret, read anew for every attempt, so that one from a file follows
    /// the file. Short for [`auth`](Self::auth) with [`ApiKey::header`].
    pub fn secret_header(self, name: impl AsRef<str>, value: Secret) -> Self {
        self.auth(ApiKey::header(name, value))
    }

    /// Adds credentials, which are asked for a proof on every attempt, within its time: [`Bearer`],
    /// [`Basic`], [`ApiKey`], [`OAuth2`], or your own. May be called again to add more.
    ///
    /// When the server refuses them (401) and they can be renewed, the advice of the error is
    /// [`Once`](fanout::RetryAdvice::Once), which a [resilient](fanout::SinkExt::resilient) sink follows one
    /// time; else it is [`Never`](fanout::RetryAdvice::Never). What they write nobody else may set: a
    /// header or a query pair of the same name is refused by [`build`](Self::build), in a message's
    /// metadata when it is sent. What a refusal repeats of them is `***` in the error.
    ///
    /// [`Bearer`]: crate::auth::Bearer
    /// [`Basic`]: crate::auth::Basic
    /// [`OAuth2`]: crate::auth::OAuth2
    ///
    /// # Standards
    ///
    /// RFC 9110 section 11.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use fanout::Secret;
    /// use fanout_http::HttpSink;
    /// use fanout_http::auth::Bearer;
    ///
    /// let sink = HttpSink::post("https://api.example.com/v1/orders")
    ///     .auth(Bearer::new(Secret::from_env("BILLING_TOKEN")?))
    ///     .build()?;
    /// # Ok::<(), fanout::Error>(())
    /// ```
    pub fn auth(mut self, credentials: impl Credentials + 'static) -> Self {
        self.credentials.add(credentials);
        self
    }

    /// Sets the content type of messages that have none of their own.
    pub fn content_type(self, content_type: impl Into<String>) -> Self {
        self.header("content-type", content_type)
    }

    /// Sets the longest time that one attempt may take, from connecting to the end of the answer's body.
    ///
    /// The attempt's own deadline counts when it comes earlier. Default: 10 s. Zero is refused by
    /// [`build`](Self::build); more than a year counts as a year.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        // A deadline further away may be one that the clock cannot tell.
        self.timeout = timeout.min(YEAR);
        self
    }

    /// Sets the longest time that connecting may take. Default: 3 s.
    ///
    /// A shared [`client`](Self::client) brings its own: both together are refused by
    /// [`build`](Self::build).
    pub fn connect_timeout(self, timeout: Duration) -> Self {
        self.own("connect_timeout", |client| client.connect_timeout(timeout))
    }

    /// Sets which version of HTTP is spoken. Default: [`HttpVersion::Negotiate`].
    ///
    /// A shared [`client`](Self::client) brings its own: both together are refused by
    /// [`build`](Self::build).
    pub fn http_version(self, version: HttpVersion) -> Self {
        self.own("http_version", |client| client.http_version(version))
    }

    pub(crate) fn own(
        mut self,
        name: &'static str,
        set: impl FnOnce(ClientBuilder) -> ClientBuilder,
    ) -> Self {
        self.own = set(self.own);
        self.own_settings.push(name);
        self
    }

    /// Names this host in requests, `HOST` or `HOST:PORT`, in place of that of the URL; connections still go
    /// where the URL says. Default: the host of the URL.
    ///
    /// Over TLS the server must prove to be this host, unless a [server name](Self::server_name) is set. The
    /// sink then keeps connections of its own, even over a shared [`client`](Self::client).
    ///
    /// # Standards
    ///
    /// RFC 9110 section 7.2, RFC 9113 section 8.3.1 (`:authority`).
    pub fn host(mut self, host: impl Into<String>) -> Self {
        self.host = Some(host.into());
        self
    }

    /// Sets the version of the API that this sink was written for. Default: none is named.
    ///
    /// It is in every request, and in every [notice](fanout::ApiNotice) that the API is deprecated or
    /// comes to its end. [`ApiVersion`] says where APIs want it, and what is refused beside it.
    pub fn api_version(mut self, version: ApiVersion) -> Self {
        self.api_version = Some(version);
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

    /// Sets whether a message that may have been applied may be offered again.
    ///
    /// Default: [`Idempotency::Method`], so `PUT` and `DELETE` may and `POST` and `PATCH` may not. In the
    /// mode [`Key`](Idempotency::Key) every attempt carries the field `Idempotency-Key`, the same on all
    /// attempts at this sink and another for every sink; the server must know it, or duplicates get
    /// through. The field is then ours: one set by [`header`](Self::header) is refused by
    /// [`build`](Self::build), one in a message's metadata when it is sent.
    ///
    /// # Standards
    ///
    /// RFC 9110 section 9.2.2; draft-ietf-httpapi-idempotency-key-header-07.
    pub fn idempotency(mut self, mode: Idempotency) -> Self {
        self.idempotency = mode;
        self
    }

    /// Sets which redirects are followed. Default: [`Redirects::none`].
    ///
    /// A tower service in the place of the client may add credentials to whatever passes, so
    /// with one, redirects to any origin are refused by [`build`](Self::build).
    ///
    /// # Standards
    ///
    /// RFC 9110 section 15.4.
    pub fn redirects(mut self, redirects: Redirects) -> Self {
        self.redirects = redirects;
        self
    }

    /// Takes these statuses as worth another attempt: a code `409`, a range `500-599`, or a class `5xx`.
    ///
    /// The advice becomes `After` when the answer says when, else `Backoff`. What the answer says of the
    /// effect stays: after a status that leaves it open, a retry still needs a sink that is
    /// [repeatable](Self::idempotency). May be called again to add more. Default: as the table says.
    pub fn retry_on(mut self, codes: impl Into<String>) -> Self {
        self.retry_on.push(codes.into());
        self
    }

    /// Takes these statuses as final, written as for [`retry_on`](Self::retry_on), which it outweighs.
    ///
    /// Not even a [classifier](Self::classify_with) can then ask for another attempt.
    pub fn never_on(mut self, codes: impl Into<String>) -> Self {
        self.never_on.push(codes.into());
        self
    }

    /// Takes these statuses as success, written as for [`retry_on`](Self::retry_on); it outweighs that
    /// and [`never_on`](Self::never_on). For example `404` for a `DELETE`, or `409` for a creation.
    pub fn success_on(mut self, codes: impl Into<String>) -> Self {
        self.success_on.push(codes.into());
        self
    }

    /// Sets whether a 503 is taken at its word: nothing was applied, even without `Retry-After`.
    ///
    /// Default: false, since proxies say 503 after they have lost the server half-way. Right for servers
    /// that are called without a proxy between, and say it before they begin.
    ///
    /// # Standards
    ///
    /// RFC 9110 section 15.6.4.
    pub fn trust_503(mut self, trust: bool) -> Self {
        self.rules.trust_503 = trust;
        self
    }

    /// Sets whether the status codes that vendors made up are known: 520 to 527 and 529. Default: false,
    /// and each counts as 500. What they mean is [`vendor_class`](crate::vendor_class).
    pub fn vendor_codes(mut self, known: bool) -> Self {
        self.rules.vendor_codes = known;
        self
    }

    /// Sets whether the `RateLimit` field is read: when nothing remains of a quota (`r=0`), its `t`
    /// says how long a 429, or a 503, asks to wait. `Retry-After` counts before it. Default: false.
    ///
    /// # Standards
    ///
    /// draft-ietf-httpapi-ratelimit-headers-11.
    pub fn rate_limit_fields(mut self, read: bool) -> Self {
        self.rules.rate_limit = read;
        self
    }

    /// Adds a classifier: `classify` sees the status and the headers of every answer, and may say what
    /// it means, or forbid another attempt.
    ///
    /// Classifiers are asked in the order in which they were added, after the table and the statuses
    /// that were named here; each sees what the answer means so far, and what it says takes its place. What
    /// one has forbidden the next cannot allow.
    ///
    /// # Examples
    ///
    /// An API that answers `403` with a header when it is busy:
    ///
    /// ```
    /// use fanout::ErrorKind;
    /// use fanout_http::{Class, HttpSink, Opinion};
    ///
    /// let sink = HttpSink::post("https://api.example.com/v1")
    ///     .classify_with(|answer| match (answer.code(), answer.header("x-busy")) {
    ///         (403, Some(_)) => Opinion::Means(Class::failed(ErrorKind::Throttled)),
    ///         _ => Opinion::Pass,
    ///     })
    ///     .build()?;
    /// # Ok::<(), fanout::Error>(())
    /// ```
    pub fn classify_with(
        mut self,
        classify: impl Fn(&Answer<'_>) -> Opinion + Send + Sync + 'static,
    ) -> Self {
        self.rules.classifiers.push(Arc::new(classify));
        self
    }

    /// Builds the sink. Reads the certificate files that were named, and does no other I/O.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Build`] when the URL, the method, a header, a set of statuses or a number is not
    /// possible, when the URL is without TLS and [was not allowed](Self::allow_plaintext) to be, when there
    /// is an idempotency key beside the sink's own, when something else is set where
    /// [credentials](Self::auth) go, or when a shared client is given
    /// together with a setting that only a client of its own could have.
    /// [`ErrorKind::Forbidden`] when a [guard](Self::guard) refuses the host. No header value and no query is
    /// ever in the text.
    pub fn build(self) -> Result<HttpSink, Error> {
        let bad = |text: &'static str| Error::new(ErrorKind::Build, text);
        let method = Method::from_bytes(self.method.as_bytes())
            .ok()
            .filter(|method| method != Method::CONNECT)
            .ok_or_else(|| bad("this is no method that a message can be sent with"))?;
        if self.timeout.is_zero() {
            return Err(bad("timeout must not be zero"));
        }
        if self.redirects.limit() == 0 {
            return Err(bad(
                "the most redirects in a row must not be zero: to follow none is the default",
            ));
        }
        let mut url = self.url;
        if !self.query.is_empty() {
            // A query behind a fragment would be part of it; the endpoint refuses the fragment below.
            for (name, value) in &self.query {
                request::add_query(&mut url, name, value);
            }
        }
        if let Some(version) = &self.api_version {
            version.check()?;
        }
        version::in_url(self.api_version.as_ref(), &mut url)?;
        let endpoint = Endpoint::parse(&url)?;
        if !self.allow_plaintext {
            endpoint.refuse_plaintext()?;
        }

        let mut headers = HeaderMap::new();
        let (name, value) = request::user_agent();
        headers.insert(name, value);
        let texts = self.headers.iter().map(|(key, text)| (key.as_str(), text.as_str()));
        header_room(&headers, texts)?;
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

        if let Some(version) = &self.api_version {
            version.add_headers(&mut headers)?;
        }
        if self.idempotency == Idempotency::Key {
            request::no_other_key(&headers)?;
        }
        #[cfg(feature = "webhook")]
        if self.signer.is_some() {
            crate::signing::no_others(&headers)?;
            if self.compression != Compression::None {
                return Err(bad("signed requests are not compressed: receivers would not know \
                     which of the two bodies is signed"));
            }
        }
        prove::check(&self.credentials, &headers, endpoint.uri())?;
        let rules = Rules {
            credentials: !self.credentials.is_empty(),
            success_on: Codes::parse("success_on", &self.success_on)?,
            never_on: Codes::parse("never_on", &self.never_on)?,
            retry_on: Codes::parse("retry_on", &self.retry_on)?,
            ..self.rules
        };

        let own = self.own_settings.first();
        #[cfg(feature = "tower")]
        let carrier = self.carrier;
        #[cfg(not(feature = "tower"))]
        let carrier = None;
        let (way, endpoint) = match (carrier, self.client, own) {
            (Some(_), Some(_), _) => return Err(bad("a client does not go with a service")),
            (Some(_), None, Some(name)) => {
                let text = format!("{name} does not go with a service, which connects by itself");
                return Err(Error::new(ErrorKind::Build, text));
            }
            (Some(_), None, None) if self.guarding.is_asked() => {
                return Err(bad("a guard does not go with a service, which connects by itself"));
            }
            (Some(_), None, None) if self.redirects.leave_the_origin() => {
                return Err(bad("redirects to any origin do not go with a service: \
                     its layers could send credentials there"));
            }
            (Some(_), None, None) if self.host.is_some() => {
                return Err(bad("host does not go with a service, which connects by itself"));
            }
            (Some(carrier), None, None) => (Way::service(carrier), endpoint),
            (None, Some(_), Some(name)) => {
                let text =
                    format!("{name} is a setting of the client: set it on the shared client");
                return Err(Error::new(ErrorKind::Build, text));
            }
            (None, client, _) => {
                let client = match client {
                    Some(client) => {
                        self.guarding.fits(&client)?;
                        client
                    }
                    None => self.guarding.onto(self.own).build()?,
                };
                client.admits(&endpoint)?;
                let (client, endpoint) = match &self.host {
                    // Every connection goes to the one place.
                    Some(_) if self.redirects.leave_the_origin() => {
                        return Err(bad("redirects to any origin do not go with another host"));
                    }
                    Some(host) => {
                        let named = endpoint
                            .with_authority(host)
                            .map_err(|error| error.with_context("setting", "host"))?;
                        (client.connecting_to(&endpoint), named)
                    }
                    None => (client, endpoint),
                };
                (Way::Client(Clients::new(client, self.redirects)), endpoint)
            }
        };
        let template = Template {
            method,
            endpoint,
            headers,
            compression: self.compression,
            idempotency: self.idempotency,
            redirects: self.redirects.plaintext(self.allow_plaintext),
            version: self.api_version,
            max_body: self.max_request_body,
            #[cfg(feature = "webhook")]
            signer: self.signer,
        };
        Ok(HttpSink::of(
            template,
            rules,
            way,
            self.timeout,
            self.max_receipt_body,
            self.credentials,
        ))
    }
}

impl fmt::Debug for HttpSinkBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.headers.iter().map(|(name, _)| name).collect();
        f.debug_struct("HttpSinkBuilder")
            .field("method", &self.method)
            .field(
                "endpoint",
                &Endpoint::parse(&self.url).ok().as_ref().map(crate::redirect::origin),
            )
            .field("headers", &names)
            .field("credentials", &self.credentials)
            .field("timeout", &self.timeout)
            .field("max_request_body", &self.max_request_body)
            .field("max_receipt_body", &self.max_receipt_body)
            .field("compression", &self.compression)
            .field("idempotency", &self.idempotency)
            .field("redirects", &self.redirects)
            .field("api_version", &self.api_version)
            .field("guarding", &self.guarding)
            .field("success_on", &self.success_on)
            .field("never_on", &self.never_on)
            .field("retry_on", &self.retry_on)
            .field("rules", &self.rules)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Holds `docs/numbers.md` against the code.
    #[test]
    fn the_defaults_are_those_of_the_documentation() {
        let builder = HttpSink::post("https://u.example");
        let text = include_str!("../docs/numbers.md");
        let rows: Vec<_> = text.lines().filter(|line| line.starts_with("| `")).collect();
        assert_eq!(rows.len(), 3);
        for row in rows {
            let cells: Vec<_> = row.split('|').map(|cell| cell.trim().trim_matches('`')).collect();
            let found = match cells[1] {
                "timeout" => builder.timeout.as_secs(),
                "max_request_body" => builder.max_request_body as u64,
                "max_receipt_body" => builder.max_receipt_body as u64,
                other => panic!("{other}"),
            };
            assert_eq!(found.to_string(), cells[2], "{row}");
        }
    }
}
