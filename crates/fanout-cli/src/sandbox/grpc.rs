//! The gRPC endpoint: `fanout.sandbox.v1.Orders` and server reflection (v1).

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes};
use http::{HeaderValue, Request, Response, StatusCode};
use hyper::body::Incoming;
use prost_reflect::prost::Message as _;
use prost_reflect::{DynamicMessage, MethodDescriptor, SerializeOptions, Value};
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::server::{Grpc, NamedService, UnaryService};
use tonic::{Code, Status, body::Body, codegen::Service};
use tonic_reflection::server::v1::{ServerReflection, ServerReflectionServer};

use super::faults::Faults;
use super::log::{Observer, Protocol, Received};
use super::schema;

/// Answers calls of the sandbox's own service and of the reflection service.
#[derive(Debug)]
pub(crate) struct Endpoint<R> {
    reflection: ServerReflectionServer<R>,
}

// Not derived: that would ask the same of `R`, which is shared.
impl<R> Clone for Endpoint<R> {
    fn clone(&self) -> Self {
        Self { reflection: self.reflection.clone() }
    }
}

/// Makes the endpoint.
pub(crate) fn endpoint() -> Endpoint<impl ServerReflection> {
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(schema::DESCRIPTOR_SET)
        .build_v1()
        .expect("a test decodes the checked-in descriptor set");
    Endpoint { reflection }
}

impl<R: ServerReflection> Endpoint<R> {
    /// Answers `request` as `faults` say, and tells `observe`, reflection excepted.
    pub(crate) async fn answer(
        mut self,
        request: Request<Incoming>,
        faults: Arc<Faults>,
        observe: Observer,
    ) -> Response<Body> {
        let content_type = request.headers().get(http::header::CONTENT_TYPE);
        if !content_type.is_some_and(|value| value.as_bytes().starts_with(b"application/grpc")) {
            return not_grpc();
        }
        let path = request.uri().path();
        if path.strip_prefix('/').and_then(|path| path.split_once('/')).map(|(name, _)| name)
            == Some(ServerReflectionServer::<R>::NAME)
        {
            // Never an error: failures are in the answer.
            let answer: Result<_, Infallible> = self.reflection.call(request).await;
            return answer.unwrap_or_else(|never| match never {});
        }
        let Some(method) = schema::method(path) else {
            let what = path.trim_start_matches('/').to_owned();
            let status = Status::unimplemented(format!("the sandbox has no method {what}"));
            observe(received(what, 0, String::new(), &status));
            return status.into_http();
        };
        Grpc::new(RawCodec).unary(Call { method, faults, observe }, request).await
    }
}

/// One call of a method of the sandbox's own service.
struct Call {
    method: MethodDescriptor,
    faults: Arc<Faults>,
    observe: Observer,
}

impl UnaryService<Bytes> for Call {
    type Response = Bytes;
    type Future = Pin<Box<dyn Future<Output = Result<tonic::Response<Bytes>, Status>> + Send>>;

    fn call(&mut self, request: tonic::Request<Bytes>) -> Self::Future {
        let answer = answer(&self.method, request.get_ref(), self.faults.draw());
        let (delay, observe) = (self.faults.delay(), Arc::clone(&self.observe));
        let what = format!("{}/{}", self.method.parent_service().full_name(), self.method.name());
        let bytes = request.get_ref().len();
        Box::pin(async move {
            let (content, answer) = answer;
            let ok = Status::ok("");
            observe(received(what, bytes, content, answer.as_ref().err().unwrap_or(&ok)));
            if delay > Duration::ZERO {
                tokio::time::sleep(delay).await;
            }
            answer.map(tonic::Response::new)
        })
    }
}

/// Returns the message as JSON, and the answer to it.
fn answer(
    method: &MethodDescriptor,
    payload: &Bytes,
    status: StatusCode,
) -> (String, Result<Bytes, Status>) {
    let Ok(message) = DynamicMessage::decode(method.input(), payload.clone()) else {
        let status = Status::invalid_argument("the request is no message of this type");
        return (String::new(), Err(status));
    };
    let content = to_json(&message);
    if !status.is_success() {
        return (content, Err(Status::new(code(status), "asked to fail")));
    }
    if method.input() == method.output() {
        return (content, Ok(payload.clone()));
    }
    let mut placed = DynamicMessage::new(method.output());
    if let Some(order) = message.get_field_by_name("order") {
        placed.set_field_by_name("order", order.into_owned());
    }
    placed.set_field_by_name("placed", Value::Bool(true));
    (content, Ok(placed.encode_to_vec().into()))
}

fn to_json(message: &DynamicMessage) -> String {
    let mut json = Vec::new();
    let options = SerializeOptions::new().stringify_64_bit_integers(false);
    match message.serialize_with_options(&mut serde_json::Serializer::new(&mut json), &options) {
        Ok(()) => String::from_utf8_lossy(&json).into_owned(),
        // Infinite numbers, for one, which JSON does not have.
        Err(_) => "(not expressible as JSON)".to_owned(),
    }
}

fn received(what: String, bytes: usize, content: String, status: &Status) -> Received {
    let code = status.code();
    Received {
        protocol: Protocol::Grpc,
        what,
        bytes,
        content,
        answered: format!("{} {}", i32::from(code), code_name(code)),
        taken: code == Code::Ok,
    }
}

/// For somebody who points a browser or `curl` at the wrong port.
fn not_grpc() -> Response<Body> {
    let text =
        "this is the gRPC endpoint of the fanout sandbox: call fanout.sandbox.v1.Orders/Place\n";
    let mut response = Response::new(Body::new(http_body_util::Full::new(Bytes::from(text))));
    *response.status_mut() = StatusCode::UNSUPPORTED_MEDIA_TYPE;
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(http::header::CONTENT_TYPE, plain);
    response
}

/// The gRPC code that fits an HTTP status, as `google.rpc.Code` documents the pairs.
fn code(status: StatusCode) -> Code {
    match status.as_u16() {
        200..=299 => Code::Ok,
        401 => Code::Unauthenticated,
        403 => Code::PermissionDenied,
        404 => Code::NotFound,
        409 => Code::AlreadyExists,
        412 => Code::FailedPrecondition,
        416 => Code::OutOfRange,
        429 => Code::ResourceExhausted,
        499 => Code::Cancelled,
        400..=498 => Code::InvalidArgument,
        500 => Code::Internal,
        501 => Code::Unimplemented,
        503 => Code::Unavailable,
        504 => Code::DeadlineExceeded,
        _ => Code::Unknown,
    }
}

/// The name as the gRPC documentation writes it.
fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

/// Leaves messages as the bytes they are: their type is known only when the path is.
#[derive(Clone, Copy, Debug, Default)]
struct RawCodec;

impl Codec for RawCodec {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for RawCodec {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put(item);
        Ok(())
    }
}

impl Decoder for RawCodec {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(buffer.copy_to_bytes(buffer.remaining())))
    }
}
