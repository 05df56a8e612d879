//! What a gRPC sink can be told.

use std::time::Duration;

use fanout::{Error, ErrorKind, Idempotency, Secret};
use fanout_net::auth::{ApiKey, CredentialSet, Credentials};
use fanout_net::{Client, ClientBuilder, Endpoint, Guard, Guarding, HttpVersion, header_room};
use http::HeaderMap;

use crate::prove;
use crate::request::{MethodName, add, no_other_key};
use crate::schema::Schema;
use crate::sink::{GrpcSink, Settings};

/// Builds a [`GrpcSink`].
///
#[doc = include_str!("../docs/numbers.md")]
#[must_use]
pub struct GrpcSinkBuilder {
    endpoint: String,
    method: String,
    allow_plaintext: bool,
    client: Option<Client>,
    guarding: Guarding,
    metadata: Vec<(String, String)>,
    credentials: CredentialSet,
    schema: Schema,
    timeout: Duration,
    max_request: usize,
    max_response: usize,
    compression: Compression,
    idempotency: Idempotency,
    authority: Option<String>,
    /// The client that it gets when none is shared, and the settings of it that were made.
    own: ClientBuilder,
    own_settings: Vec<&'static str>,
}

/// Whether requests are compressed. Compressed answers are always understood.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Compression {
    /// They are not.
    #[default]
    None,
    /// By gzip. A server that does not know it answers `UNIMPLEMENTED`.
    Gzip,
}

impl GrpcSinkBuilder {
    pub(crate) fn new(endpoint: String, method: String) -> Self {
        Self {
            endpoint,
            method,
            allow_plaintext: false,
            client: None,
            guarding: Guarding::default(),
            metadata: Vec::new(),
            credentials: CredentialSet::default(),
            schema: Schema::default(),
            timeout: Duration::from_secs(10),
            max_request: 1024 * 1024,
            max_response: 4 * 1024 * 1024,
            compression: Compression::default(),
            idempotency: Idempotency::Method,
            authority: None,
            own: Client::builder().http_version(HttpVersion::Http2),
            own_settings: Vec::new(),
        }
    }

    /// Sets the client, to share its connections with other sinks.
    ///
    /// It must speak HTTP/2: build it with [`HttpVersion::Http2`]. One that negotiates will do over TLS,
    /// where the server is asked; without TLS it speaks HTTP/1.1. **Default**: a client of its own.
    pub fn client(mut self, client: &Client) -> Self {
        self.client = Some(client.clone());
        self
    }

    /// Allows a URL without TLS to a host other than this machine. **Default**: [`build`](Self::build) refuses it.
    ///
    /// Whoever listens on the way then reads the message and its credentials, and may answer in the
    /// server's place. What counts as this machine is
    /// [`Endpoint::is_loopback`](fanout_net::Endpoint::is_loopback).
    pub fn allow_plaintext(mut self) -> Self {
        self.allow_plaintext = true;
        self
    }

    /// Treats the URL as written by somebody who is not trusted: the sink connects to public addresses alone,
    /// by the standard [`Guard`]. **Default**: it connects to wherever the URL leads.
    ///
    /// A host that is refused as it is written is an error of [`build`](Self::build); a name is judged by its
    /// addresses at every connection, those for reflection included. Error texts are for operators: to the author of the URL
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

    /// Adds metadata to every call. Metadata of a message replaces it under the same name.
    ///
    /// A name that ends in `-bin` takes a value in base64, with or without padding; any other takes
    /// printable ASCII. Names that gRPC and HTTP/2 use for themselves (`grpc-*`, `content-type`, `te`,
    /// `user-agent` and the like) are refused by [`build`](Self::build), and so are more than 1,000 pairs or
    /// 64 KiB, those of a message included when it is sent.
    pub fn metadata(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.metadata.push((name.into(), value.into()));
        self
    }

    /// Adds metadata whose value is a secret, read anew for every call, so that one from a file follows the
    /// file. Short for [`auth`](Self::auth) with [`ApiKey::header`].
    pub fn secret_metadata(self, name: impl AsRef<str>, value: Secret) -> Self {
        self.auth(ApiKey::header(name, value))
    }

    /// Adds credentials, which are asked for a proof on every call, within its time: [`Bearer`],
    /// [`Basic`], [`ApiKey`], [`OAuth2`], or your own. May be called again to add more.
    ///
    /// The proof is metadata, of calls to reflection and to the health service too. When the server refuses
    /// it (`UNAUTHENTICATED`) and it can be renewed, the advice of the error is
    /// [`Once`](fanout::RetryAdvice::Once), which a [resilient](fanout::SinkExt::resilient) sink follows one
    /// time; else it is [`Never`](fanout::RetryAdvice::Never). What it writes nobody else may set:
    /// metadata of the same name is refused by [`build`](Self::build), in a message when that is sent. What
    /// a refusal repeats of it is `***` in the error.
    ///
    /// [`Bearer`]: crate::auth::Bearer
    /// [`Basic`]: crate::auth::Basic
    /// [`OAuth2`]: crate::auth::OAuth2
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use fanout::Secret;
    /// use fanout_grpc::GrpcSink;
    /// use fanout_grpc::auth::Bearer;
    ///
    /// let sink = GrpcSink::unary("grpcs://audit.example.com", "audit.v1.Audit/Record")
    ///     .auth(Bearer::new(Secret::from_file("/run/secrets/audit-token")?))
    ///     .build()?;
    /// # Ok::<(), fanout::Error>(())
    /// ```
    pub fn auth(mut self, credentials: impl Credentials + 'static) -> Self {
        self.credentials.add(credentials);
        self
    }

    /// Sets how the payload becomes the request. **Default**: [`Schema::Encoded`].
    pub fn schema(mut self, schema: Schema) -> Self {
        self.schema = schema;
        self
    }

    /// Sets the longest time one attempt may take, from its start to the end of the answer, reflection
    /// included. The server is told in `grpc-timeout`.
    ///
    /// **Default**: 10 s. Zero is refused by [`build`](Self::build), more than a year counts as a year.
    /// The attempt's own deadline counts when it comes earlier.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        // A deadline further away may be one that the clock cannot tell.
        self.timeout = timeout.min(YEAR);
        self
    }

    /// Sets how large the payload may be, in bytes, inclusive: as it is given, and as it is encoded, before
    /// compression. **Default**: 1 MiB.
    pub fn max_request(mut self, bytes: usize) -> Self {
        self.max_request = bytes;
        self
    }

    /// Sets how large the encoded reply may be, in bytes, inclusive, after decompression.
    ///
    /// **Default**: 4 MiB. The receipt keeps the first 64 KiB of the reply, or of its JSON.
    pub fn max_response(mut self, bytes: usize) -> Self {
        self.max_response = bytes;
        self
    }

    /// Sets whether requests are compressed. **Default**: they are not.
    pub fn compression(mut self, compression: Compression) -> Self {
        self.compression = compression;
        self
    }

    /// Sets whether a message that may have been applied may be offered again.
    ///
    /// **Default**: [`Idempotency::Method`]: only when the schema is known and the method is annotated
    /// with `idempotency_level`. In the mode [`Key`](Idempotency::Key) every attempt carries the metadata
    /// `idempotency-key`, the same on all attempts at this sink and another for every sink, as HTTP
    /// writes it: in double quotes. The server must know it, or duplicates get through. The name is then
    /// ours: set by [`metadata`](Self::metadata) it is refused by [`build`](Self::build), in a message when
    /// that is sent.
    ///
    /// # Standards
    ///
    /// draft-ietf-httpapi-idempotency-key-header-07; `google.protobuf.MethodOptions.idempotency_level`.
    pub fn idempotency(mut self, mode: Idempotency) -> Self {
        self.idempotency = mode;
        self
    }

    /// Names this host in calls (`:authority`), `HOST` or `HOST:PORT`, in place of that of the endpoint;
    /// connections still go to the endpoint. **Default**: the host of the endpoint.
    ///
    /// Over TLS the server must prove to be this host, unless a [server name](Self::server_name) is set. The
    /// sink then keeps connections of its own, even over a shared [`client`](Self::client).
    ///
    /// # Standards
    ///
    /// RFC 9113 section 8.3.1; the gRPC protocol over HTTP/2.
    pub fn authority(mut self, authority: impl Into<String>) -> Self {
        self.authority = Some(authority.into());
        self
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

    /// Builds the sink. Reads the certificate files that were named, and does no other I/O.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Build`] when the endpoint is no URL of the schemes `http`, `https`, `grpc` or
    /// `grpcs`, has a query, or is without TLS and [was not allowed](Self::allow_plaintext) to be; when the
    /// method is not named in full, is not in the descriptor set, or streams; when metadata is not valid, or is
    /// an idempotency key beside the sink's own; when [credentials](Self::auth) want a query, or a place that
    /// is taken; when the timeout is zero; when the client does not speak
    /// HTTP/2; when the authority is no host; when certificates do not hold together, or are given beside a client; when a guard is
    /// asked for and a shared client brings none. [`ErrorKind::Forbidden`] when a [guard](Self::guard) refuses the
    /// host.
    pub fn build(self) -> Result<GrpcSink, Error> {
        let refused = |message: &'static str| Err(Error::new(ErrorKind::Build, message));
        let endpoint = endpoint(&self.endpoint)?;
        if !self.allow_plaintext {
            endpoint.refuse_plaintext()?;
        }
        let method = MethodName::parse(&self.method)?;
        if self.timeout.is_zero() {
            return refused("the timeout of a gRPC sink must be longer than zero");
        }
        let mut headers = HeaderMap::new();
        let texts = self.metadata.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        header_room(&headers, texts)?;
        for (name, value) in &self.metadata {
            add(&mut headers, name, value)?;
        }
        if self.idempotency == Idempotency::Key {
            no_other_key(&headers)?;
        }
        prove::check(&self.credentials, &headers)?;
        let mut client = match (self.client, self.own_settings.first()) {
            (Some(_), Some(name)) => {
                let text =
                    format!("{name} is a setting of the client: set it on the shared client");
                return Err(Error::new(ErrorKind::Build, text));
            }
            (Some(client), None) => {
                self.guarding.fits(&client)?;
                client
            }
            (None, _) => self.guarding.onto(self.own).build()?,
        };
        let origin = match &self.authority {
            Some(authority) => {
                client = client.connecting_to(&endpoint);
                let named = endpoint.with_authority(authority);
                named.map_err(|error| error.with_context("setting", "authority"))?.uri().clone()
            }
            None => endpoint.uri().clone(),
        };
        client.admits(&endpoint)?;
        match client.http_version() {
            HttpVersion::Http2 => {}
            HttpVersion::Negotiate if endpoint.is_tls() => {}
            _ => return refused("gRPC needs a client that speaks HTTP/2: set HttpVersion::Http2"),
        }
        GrpcSink::of(
            Settings {
                client,
                endpoint,
                origin,
                method,
                headers,
                credentials: self.credentials,
                timeout: self.timeout,
                max_request: self.max_request,
                max_response: self.max_response,
                compression: self.compression,
                idempotency: self.idempotency,
            },
            self.schema,
        )
    }
}

impl std::fmt::Debug for GrpcSinkBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<_> = self.metadata.iter().map(|(name, _)| name).collect();
        // The endpoint is not checked yet, so it may hold a password; a method is shown when it is one.
        let method = MethodName::parse(&self.method).ok().map(|method| method.to_string());
        f.debug_struct("GrpcSinkBuilder")
            .field("method", &method)
            .field("metadata", &names)
            .field("credentials", &self.credentials)
            .field("schema", &self.schema)
            .field("timeout", &self.timeout)
            .field("max_request", &self.max_request)
            .field("max_response", &self.max_response)
            .field("compression", &self.compression)
            .field("idempotency", &self.idempotency)
            .field("guarding", &self.guarding)
            .field("own_settings", &self.own_settings)
            .finish_non_exhaustive()
    }
}

/// `grpc` is HTTP/2 without TLS, `grpcs` with it: the schemes that gRPC's own tools use.
fn endpoint(url: &str) -> Result<Endpoint, Error> {
    let refused = |message: &'static str| Err(Error::new(ErrorKind::Build, message));
    let parsed = match url.split_once("://") {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("grpc") => {
            Endpoint::parse(&format!("http://{rest}")).map(Endpoint::into_grpc)
        }
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("grpcs") => {
            Endpoint::parse(&format!("https://{rest}")).map(Endpoint::into_grpc)
        }
        Some((scheme, _))
            if scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https") =>
        {
            Endpoint::parse(url)
        }
        _ => return refused("a gRPC endpoint begins with grpc://, grpcs://, http:// or https://"),
    }?;
    if parsed.query().is_some() {
        return refused("a gRPC endpoint has no query");
    }
    Ok(parsed)
}

const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

#[cfg(test)]
mod tests;
