//! The gRPC fake: tonic's server half on hyper, answering any unary method with raw bytes.

use std::convert::Infallible;
use std::future::pending;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::{Buf, BufMut};
use fanout::{Bytes, ErrorKind};
use futures_util::future::{BoxFuture, poll_immediate};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::timeout;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::server::{Grpc, UnaryService};
use tonic::{Code, Status};

use super::Received;
use super::counters::Call;
use super::host::PATIENCE;
use super::script::{Answer, Cut, Reach, Reply, Script, Stage, Unplayable};
use super::server::Server;
use crate::harness::Endpoint;

/// A gRPC server in the process, without TLS, that answers every unary method in the way of its script.
///
/// The body of an answer is the encoded reply message. It can stall, close the connection and reset the
/// stream at every point, leave the trailers out, and count what is in flight. Garbage is an HTTP answer
/// whose body is not framed as gRPC.
#[derive(Debug)]
#[non_exhaustive]
pub struct GrpcFake;

impl GrpcFake {
    /// Starts a server on a free loopback port that plays `script` for every method.
    ///
    /// # Errors
    ///
    /// [`Unplayable`] for kinds of failure that gRPC has no code for, and for what goes on inside a sink.
    pub async fn start(script: impl Into<Script>) -> Result<Endpoint, Unplayable> {
        let script = script.into();
        script.check_wire(FAKE)?;
        if script.reach == Reach::Listens {
            for answer in &script.answers {
                code(answer)?;
                page(answer)?;
                for (name, value) in answer.metadata.iter().chain(&answer.trailers) {
                    pair(name, value)?;
                }
            }
        }
        Server::start(&script, Server::speak_grpc)
    }
}

impl Server {
    async fn speak_grpc(self: Arc<Self>, stream: TcpStream) {
        if let Some((cut, Stage::Connected)) =
            self.script.answer(self.calls.load(Ordering::SeqCst)).cut
        {
            self.calls.fetch_add(1, Ordering::SeqCst);
            match cut {
                Cut::Stall => return pending().await,
                Cut::Close => return,
                // The connection is closed all the same when that cannot be set.
                Cut::Reset => return drop(stream.set_zero_linger()),
            }
        }
        let kill = Arc::new(Ends::default());
        let service = service_fn({
            let (server, kill) = (Arc::clone(&self), Arc::clone(&kill));
            move |request| Arc::clone(&server).answer(request, Arc::clone(&kill))
        });
        let serving = http2::Builder::new(TokioExecutor::new())
            .serve_connection(TokioIo::new(stream), service);
        let mut serving = pin!(serving);
        tokio::select! {
            // The connection's end is the script's doing or the sink's.
            end = &mut serving => drop(end),
            () = kill.polite.notified() => {
                // GOAWAY, and then the other side closes: so it knows, and whoever waits for the end of
                // the connection need not guess when.
                serving.as_mut().graceful_shutdown();
                drop(timeout(PATIENCE, serving).await);
            }
            () = kill.abrupt.notified() => {
                // What was written before the cut still goes out.
                for _ in 0..FLUSHES {
                    if poll_immediate(&mut serving).await.is_some() {
                        return;
                    }
                    tokio::task::yield_now().await;
                }
            }
        }
    }

    async fn answer(
        self: Arc<Self>,
        request: Request<Incoming>,
        kill: Arc<Ends>,
    ) -> Result<Response<Played>, Cutting> {
        let mut received = Received::new(request.uri().path(), Bytes::new());
        for (name, value) in request.headers() {
            let value = String::from_utf8_lossy(value.as_bytes());
            received = received.with_metadata(name.as_str(), &value);
        }
        let call = self.calls.fetch_add(1, Ordering::SeqCst);
        let answer = self.script.answer(call).clone();
        let mut begun = None;
        let handler =
            Handler { answer: &answer, server: &self, received: Some(received), begun: &mut begun };
        let response = Grpc::new(Raw).unary(handler, request).await;
        let Some(call) = begun else {
            // tonic could not read the request, and its answer says so.
            return whole(response, &answer, None, kill).await;
        };
        match answer.cut {
            Some((Cut::Stall, Stage::Requested)) => pending().await,
            Some((Cut::Reset, Stage::Requested)) => {
                call.complete();
                Err(Cutting)
            }
            Some((Cut::Close, Stage::Requested)) => {
                call.complete();
                kill.abrupt.notify_one();
                pending().await
            }
            _ => whole(response, &answer, Some(call), kill).await,
        }
    }
}

/// Turns tonic's answer into what the script wants of it.
async fn whole(
    response: Response<tonic::body::Body>,
    answer: &Answer,
    call: Option<Call>,
    kill: Arc<Ends>,
) -> Result<Response<Played>, Cutting> {
    let (mut head, body) = response.into_parts();
    let collected = body.collect().await.map_err(|_| Cutting)?;
    let trailers = collected.trailers().cloned();
    let mut data = collected.to_bytes();
    let mut trailers = match answer.reply {
        Reply::Page(_) => {
            head.status = page(answer).ok().flatten().expect("checked when the fake was made");
            head.headers.clear();
            data = answer.body.clone();
            None
        }
        Reply::Garbage => {
            data = answer.body.clone();
            Some(HeaderMap::new())
        }
        _ => trailers,
    };
    // An answer of trailers alone has them in its head.
    let last = trailers.as_mut().unwrap_or(&mut head.headers);
    for (name, value) in &answer.trailers {
        let (name, value) = pair(name, value).expect("checked when the fake was made");
        last.append(name, value);
    }
    for (name, value) in &answer.metadata {
        let (name, value) = pair(name, value).expect("checked when the fake was made");
        head.headers.append(name, value);
    }
    if let Reply::Status(code @ 17..) = answer.reply {
        // tonic knows 17 codes; the wire knows more.
        head.headers.insert("grpc-status", HeaderValue::from(code));
    }
    let sent = match answer.cut {
        Some((_, Stage::AfterBytes(count))) => count.min(data.len()),
        Some((_, Stage::HalfBody)) => data.len() / 2,
        _ => data.len(),
    };
    let played = Played {
        data: Some(data.slice(..sent)).filter(|data| !data.is_empty()),
        trailers: trailers.filter(|trailers| !trailers.is_empty()),
        cut: answer.cut,
        hangs_up: answer.hangs_up,
        call,
        kill,
    };
    Ok(Response::from_parts(head, played))
}

/// The body of an answer, up to where the script cuts it.
struct Played {
    data: Option<Bytes>,
    trailers: Option<HeaderMap>,
    cut: Option<(Cut, Stage)>,
    hangs_up: bool,
    call: Option<Call>,
    kill: Arc<Ends>,
}

impl Played {
    fn complete(&mut self) {
        if let Some(call) = self.call.take() {
            call.complete();
        }
    }
}

impl Body for Played {
    type Data = Bytes;
    type Error = Cutting;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Frame<Bytes>, Cutting>>> {
        use std::task::Poll;
        if let Some(data) = self.data.take() {
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        match self.cut {
            // Nothing more comes, ever; the call ends when the sink drops it.
            Some((Cut::Stall, _)) => return Poll::Pending,
            Some((Cut::Reset, _)) => {
                self.complete();
                return Poll::Ready(Some(Err(Cutting)));
            }
            Some((Cut::Close, Stage::End)) => self.trailers = None,
            Some((Cut::Close, _)) => {
                self.complete();
                self.kill.abrupt.notify_one();
                return Poll::Pending;
            }
            None => {}
        }
        self.complete();
        if self.hangs_up {
            self.kill.polite.notify_one();
        }
        Poll::Ready(self.trailers.take().map(|trailers| Ok(Frame::trailers(trailers))))
    }
}

/// How a connection is to end before the sink ends it.
#[derive(Debug, Default)]
struct Ends {
    abrupt: Notify,
    polite: Notify,
}

/// Makes hyper reset the stream.
#[derive(Debug, thiserror::Error)]
#[error("the script cuts this call")]
struct Cutting;

/// Reads the request message, waits as long as the script says, and gives the reply or the status.
struct Handler<'a> {
    answer: &'a Answer,
    server: &'a Server,
    received: Option<Received>,
    begun: &'a mut Option<Call>,
}

impl<'a> UnaryService<Bytes> for Handler<'a> {
    type Response = Bytes;
    type Future = BoxFuture<'a, Result<tonic::Response<Bytes>, Status>>;

    fn call(&mut self, request: tonic::Request<Bytes>) -> Self::Future {
        let mut received = self.received.take().expect("tonic calls a unary handler once");
        received.payload = request.into_inner();
        let call = self.server.counters.begin(received);
        let answer = self.answer;
        // Kept while the answer is awaited: dropping the stream drops it, and the call counts as dropped.
        *self.begun = Some(call);
        Box::pin(async move {
            tokio::time::sleep(answer.delay).await;
            let stalls = matches!(answer.cut, Some((Cut::Stall, Stage::Requested)));
            if stalls {
                pending::<Infallible>().await;
            }
            match code(answer).unwrap_or(Code::Unknown) {
                Code::Ok => Ok(tonic::Response::new(answer.body.clone())),
                code => Err(Status::new(code, String::from_utf8_lossy(&answer.body))),
            }
        })
    }
}

/// Messages as they are: the payload is encoded already.
struct Raw;

impl Codec for Raw {
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

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, into: &mut EncodeBuf<'_>) -> Result<(), Status> {
        into.put(item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(from.copy_to_bytes(from.remaining())))
    }
}

/// The code that stands for a reply. Codes that tonic does not know become `UNKNOWN` here.
fn code(answer: &Answer) -> Result<Code, Unplayable> {
    Ok(match &answer.reply {
        Reply::Take | Reply::Page(_) | Reply::Garbage | Reply::Panic => Code::Ok,
        Reply::Status(code) => Code::from_i32(i32::from(*code)),
        Reply::Refuse(kind) => match kind {
            ErrorKind::Rejected => Code::InvalidArgument,
            ErrorKind::Unauthenticated => Code::Unauthenticated,
            ErrorKind::Forbidden => Code::PermissionDenied,
            ErrorKind::NotFound => Code::NotFound,
            ErrorKind::Unsupported => Code::Unimplemented,
            ErrorKind::Conflict => Code::AlreadyExists,
            ErrorKind::Throttled => Code::ResourceExhausted,
            ErrorKind::Upstream => Code::Internal,
            ErrorKind::Unavailable => Code::Unavailable,
            ErrorKind::DataLoss => Code::DataLoss,
            ErrorKind::Cancelled => Code::Cancelled,
            ErrorKind::Timeout => Code::DeadlineExceeded,
            other => {
                let what = format!("a failure of kind {other}");
                return Err(Unplayable { fake: FAKE, what });
            }
        },
    })
}

/// The HTTP status of an answer that is not gRPC.
fn page(answer: &Answer) -> Result<Option<StatusCode>, Unplayable> {
    let Reply::Page(code) = answer.reply else {
        return Ok(None);
    };
    let refuse = |_| Unplayable { fake: FAKE, what: format!("the HTTP status {code}") };
    StatusCode::from_u16(code).map(Some).map_err(refuse)
}

fn pair(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), Unplayable> {
    let refuse = || Unplayable { fake: FAKE, what: format!("metadata of this name: {name}") };
    let parsed = (HeaderName::try_from(name), HeaderValue::try_from(value));
    match parsed {
        (Ok(name), Ok(value)) => Ok((name, value)),
        _ => Err(refuse()),
    }
}

const FAKE: &str = "the gRPC server";

/// How often a connection is driven on after it was cut: writing to loopback takes one or two.
const FLUSHES: usize = 32;
