//! The sink: one unary call for each attempt.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use fanout::{
    Attempt, BodyState, Effect, Error, ErrorKind, Idempotency, Message, Metadata, Reach, Receipt,
    Sink, Status, TimeoutScope, async_trait,
};
use fanout_net::auth::{CredentialSet, Proofs};
use fanout_net::{Client, Endpoint, PeerCertificate};
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use http::uri::PathAndQuery;
use tokio::time::{Instant, timeout_at};
use tonic::client::Grpc;
use tonic::codec::CompressionEncoding;
use tonic::metadata::MetadataMap;
use tonic::{Extensions, Request};

use crate::answer::Answer;
use crate::classify::{LocalFailure, classify_local};
use crate::codec::Raw;
use crate::config::{Compression, GrpcSinkBuilder};
use crate::health::{self, Health};
use crate::prove;
use crate::reflection::{Server, Shared};
use crate::request::{MethodName, headers, metadata};
use crate::schema::{Method, Schema};
use crate::transcode::{to_json, to_wire};
use crate::wire::{Seen, Wire};

/// Sends messages to one unary method of a gRPC server.
///
/// Cheap to clone; clones share the connections and the schema. Built by [`GrpcSink::unary`].
///
/// # Behavior
///
/// - The receipt has the gRPC status, the initial and the trailing metadata, binary values as base64,
///   and the reply as its body: encoded, or as JSON when there is a schema. It keeps the first 64 KiB.
/// - Message metadata becomes gRPC metadata, checked as [`metadata`](GrpcSinkBuilder::metadata) says.
///   The content type of a message says nothing: the schema decides what its payload is.
/// - Failures mean what the tables of [`classify`](crate::classify) say.
/// - It is [repeatable](Sink::is_repeatable) as [`idempotency`](GrpcSinkBuilder::idempotency) says. By
///   default that is when the method is annotated with an `idempotency_level` and the types are known:
///   from the start with a descriptor set, after the first send or [`load_schema`](Self::load_schema)
///   with reflection.
#[derive(Clone)]
pub struct GrpcSink(Arc<Inner>);

struct Inner {
    settings: Settings,
    types: Types,
}

pub(crate) struct Settings {
    pub(crate) client: Client,
    pub(crate) endpoint: Endpoint,
    /// What calls name: the endpoint, or with another host.
    pub(crate) origin: http::Uri,
    pub(crate) method: MethodName,
    pub(crate) headers: HeaderMap,
    pub(crate) credentials: CredentialSet,
    pub(crate) timeout: Duration,
    pub(crate) max_request: usize,
    pub(crate) max_response: usize,
    pub(crate) compression: Compression,
    pub(crate) idempotency: Idempotency,
}

enum Types {
    Encoded,
    Known(Method),
    Reflected(Shared<Method>),
}

impl GrpcSink {
    /// Begins a sink for a unary method: `GrpcSink::unary("grpc://host:50051", "shop.v1.Orders/Place")`.
    ///
    /// The schemes are `grpc` or `http` for HTTP/2 without TLS, `grpcs` or `https` with it. A path
    /// of the endpoint goes before the method's own. Errors and `Debug` show the name of the method, so it is no
    /// place for a secret.
    pub fn unary(endpoint: impl Into<String>, method: impl Into<String>) -> GrpcSinkBuilder {
        GrpcSinkBuilder::new(endpoint.into(), method.into())
    }

    pub(crate) fn of(settings: Settings, schema: Schema) -> Result<Self, Error> {
        let types = match schema {
            Schema::Encoded => Types::Encoded,
            Schema::Descriptors(descriptors) => Types::Known(descriptors.method(&settings.method)?),
            Schema::Reflection => Types::Reflected(Shared::new()),
        };
        Ok(Self(Arc::new(Inner { settings, types })))
    }

    /// Fetches the types from the server now, if they are to come from there and have not yet.
    ///
    /// Sends do it by themselves when they need to; this finds out earlier whether it works.
    ///
    /// # Errors
    ///
    /// What a send would fail with, effect `None`: [`Build`](ErrorKind::Build) when the server has no
    /// such method, [`Unsupported`](ErrorKind::Unsupported) when it has no reflection service, or
    /// whatever kept the call from its end, by the sink's [`timeout`](GrpcSinkBuilder::timeout).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives the fetch up; a send that waits for it starts its own.
    pub async fn load_schema(&self) -> Result<(), Error> {
        let deadline = Instant::now() + self.0.settings.timeout;
        self.0.method(deadline).await.map(|_| ()).map_err(|error| self.0.place(error))
    }

    /// Returns where the sink connects to.
    pub fn endpoint(&self) -> &Endpoint {
        &self.0.settings.endpoint
    }

    /// Returns the method that it calls, `package.Service/Method`.
    pub fn method(&self) -> String {
        self.0.settings.method.to_string()
    }

    /// Connects as a send would, calls nothing, and returns the certificate that the server shows, if there is
    /// TLS on the way.
    ///
    /// # Errors
    ///
    /// What a send would fail with before its call is written.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the connection.
    pub async fn reach(&self) -> Result<Option<PeerCertificate>, Error> {
        let settings = &self.0.settings;
        // The host that the server must prove to be; the client knows where to connect to.
        let endpoint = Endpoint::parse(&settings.origin.to_string())?;
        settings.client.reach(&endpoint).await.map_err(|error| self.0.place(error))
    }

    /// Asks the server's health service whether the service of this sink takes calls now.
    ///
    /// A probe for people and for start-up checks; sends do not ask first. It takes at most the sink's
    /// [`timeout`](GrpcSinkBuilder::timeout) and carries the sink's metadata and
    /// credentials.
    ///
    /// # Errors
    ///
    /// As for a send, effect `None`; [`Unsupported`](ErrorKind::Unsupported) when the server has no
    /// health service.
    ///
    /// # Standards
    ///
    /// The gRPC health checking protocol, `grpc.health.v1.Health/Check`.
    pub async fn health(&self) -> Result<Health, Error> {
        let settings = &self.0.settings;
        let deadline = Instant::now() + settings.timeout;
        let ask = async {
            let mut proofs = settings.credentials.proofs(deadline).await?;
            let left = deadline.saturating_duration_since(Instant::now());
            let mut headers = headers(&settings.headers, &Metadata::default(), 1, None, left)?;
            prove::write(&mut proofs, &mut headers)?;
            let payload = health::question(settings.method.service());
            let path = PathAndQuery::from_static(health::PATH);
            let answered = self.0.call(path, payload, headers, None, deadline, &proofs).await;
            health::judge(answered.map(|(reply, _)| reply))
        };
        ask.await.map_err(|error| self.0.place(error.with_effect(Effect::None)))
    }
}

#[async_trait]
impl Sink for GrpcSink {
    async fn send(&self, message: &Message, attempt: &Attempt) -> Result<Receipt, Error> {
        if attempt.reached(Effect::None) == Reach::Abandoned {
            return Err(Error::new(ErrorKind::Cancelled, "the send was abandoned")
                .with_effect(Effect::None));
        }
        self.0.send(message, attempt).await.map_err(|error| self.0.place(error))
    }

    fn is_repeatable(&self) -> bool {
        let annotated = match &self.0.types {
            Types::Encoded => false,
            Types::Known(method) => method.repeatable,
            Types::Reflected(shared) => shared.get().is_some_and(|method| method.repeatable),
        };
        self.0.settings.idempotency.is_repeatable(annotated)
    }
}

impl Inner {
    async fn send(&self, message: &Message, attempt: &Attempt) -> Result<Receipt, Error> {
        let settings = &self.settings;
        let mut deadline = Instant::now() + settings.timeout;
        if let Some(earlier) = attempt.deadline() {
            deadline = deadline.min(earlier);
        }

        fits(message.payload(), settings.max_request)?;
        let method = self.method(deadline).await?;
        let payload = match method {
            Some(method) => to_wire(message.payload(), &method.input)?,
            None => message.payload().clone(),
        };
        fits(&payload, settings.max_request)?;
        let mut proofs = settings.credentials.proofs(deadline).await?;
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(out_of_time("there was no time left to send the message"));
        }
        let keyed = settings.idempotency == Idempotency::Key;
        let key = keyed.then(|| attempt.idempotency_key());
        let number = attempt.number();
        let mut headers = headers(&settings.headers, message.metadata(), number, key, left)?;
        prove::write(&mut proofs, &mut headers)?;

        let path = settings.method.path().clone();
        let call = self.call(path, payload, headers, Some(attempt), deadline, &proofs);
        let (reply, answer) = call.await?;
        receipt(&reply, &answer, method)
    }

    /// Makes a call, and returns the reply of one that ended with the status OK.
    ///
    /// Without an attempt it is a call on our own behalf, of which no report needs to know.
    async fn call(
        &self,
        path: PathAndQuery,
        payload: Bytes,
        headers: HeaderMap,
        attempt: Option<&Attempt>,
        deadline: Instant,
        proofs: &Proofs,
    ) -> Result<(Bytes, Answer), Error> {
        let settings = &self.settings;
        let seen = Seen::default();
        let wire = Wire {
            client: settings.client.clone(),
            attempt: attempt.cloned(),
            deadline,
            seen: seen.clone(),
        };
        let mut grpc = Grpc::with_origin(wire, settings.origin.clone())
            .accept_compressed(CompressionEncoding::Gzip)
            .max_decoding_message_size(settings.max_response);
        if settings.compression == Compression::Gzip {
            grpc = grpc.send_compressed(CompressionEncoding::Gzip);
        }
        let metadata = MetadataMap::from_headers(headers);
        let request = Request::from_parts(metadata, Extensions::default(), payload);
        let result = grpc.unary(request, path, Raw).await;
        let answer = seen.answer();
        match result {
            Ok(reply) => Ok((reply.into_inner(), answer)),
            Err(status) => {
                let earlier = attempt.map_or(Effect::None, Attempt::earlier_effect);
                Err(answer.into_error(&status, earlier, proofs))
            }
        }
    }

    /// Returns the types, if the payload is JSON.
    async fn method(&self, deadline: Instant) -> Result<Option<&Method>, Error> {
        let shared = match &self.types {
            Types::Encoded => return Ok(None),
            Types::Known(method) => return Ok(Some(method)),
            Types::Reflected(shared) => shared,
        };
        let settings = &self.settings;
        let server = Server {
            client: &settings.client,
            origin: &settings.origin,
            headers: &settings.headers,
            credentials: &settings.credentials,
            deadline,
        };
        let fetched = shared.get_or_fetch(|| server.method(&settings.method));
        match timeout_at(deadline, fetched).await {
            Ok(method) => method.map(Some),
            Err(_) => Err(out_of_time("the types of the method did not arrive in time")),
        }
    }

    /// Adds where it happened, for people.
    fn place(&self, error: Error) -> Error {
        let named = error.context().any(|(key, _)| key == "endpoint");
        let error = error.with_context("method", self.settings.method.to_string());
        if named {
            return error;
        }
        let endpoint = self.settings.endpoint.to_string();
        error.with_context("endpoint", endpoint.trim_end_matches('/'))
    }
}

/// Checks a payload as it was given, or as it is encoded.
fn fits(payload: &Bytes, limit: usize) -> Result<(), Error> {
    if payload.len() <= limit {
        return Ok(());
    }
    Err(classify_local(LocalFailure::RequestTooLarge)
        .with_context("size", format!("{} bytes", payload.len()))
        .with_context("limit", format!("{limit} bytes")))
}

/// A timeout before anything was sent.
fn out_of_time(message: &'static str) -> Error {
    Error::timeout(TimeoutScope::Attempt, message).with_effect(Effect::None)
}

/// Makes the receipt of a call that ended with the status OK.
fn receipt(reply: &Bytes, answer: &Answer, method: Option<&Method>) -> Result<Receipt, Error> {
    let mut trailing = answer.trailers.clone();
    let mut initial = answer.headers.clone();
    let mut body = reply.clone();
    if let Some(Method { output, output_has_any, .. }) = method {
        body = to_json(reply, output, *output_has_any).ok_or_else(|| {
            classify_local(LocalFailure::BadReply).with_status(Status::new(0, "OK"))
        })?;
        initial.insert(CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
        trailing.remove(CONTENT_TYPE);
    }
    let state = if body.len() > RECEIPT_LIMIT { BodyState::Cut } else { BodyState::Complete };
    body.truncate(RECEIPT_LIMIT);
    Ok(Receipt::new()
        .with_status(Status::new(0, "OK"))
        .with_metadata(metadata([&initial, &trailing].into_iter()))
        .with_body(body)
        .with_body_state(state))
}

impl fmt::Debug for GrpcSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let settings = &self.0.settings;
        let schema = match &self.0.types {
            Types::Encoded => "encoded",
            Types::Known(_) => "descriptors",
            Types::Reflected(_) => "reflection",
        };
        f.debug_struct("GrpcSink")
            .field("endpoint", &settings.endpoint)
            .field("method", &format_args!("{}", settings.method))
            .field("metadata", &settings.headers.keys().collect::<Vec<_>>())
            .field("credentials", &settings.credentials)
            .field("timeout", &settings.timeout)
            .field("max_request", &settings.max_request)
            .field("max_response", &settings.max_response)
            .field("compression", &settings.compression)
            .field("idempotency", &settings.idempotency)
            .field("schema", &schema)
            .finish_non_exhaustive()
    }
}

/// How much of a reply a receipt keeps.
const RECEIPT_LIMIT: usize = 64 * 1024;
