//! Servers for the tests: real connections on loopback, answers by a closure.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, LazyLock, Mutex};

use bytes::{BufMut, Bytes, BytesMut};
use fanout::{Attempt, Error, Message, Receipt, Sink as _};
use fanout_grpc::{GrpcSink, GrpcSinkBuilder};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::task::{AbortHandle, JoinSet};
use tonic::body::Body;
use tonic_prost::ProstCodec;
use tonic_prost::prost::Message as _;

/// An answer, on its way.
pub(crate) type Answer = Pin<Box<dyn Future<Output = Response<Body>> + Send>>;

/// A server that is gone when it is dropped.
pub(crate) struct Server {
    address: SocketAddr,
    task: AbortHandle,
    requests: Arc<Mutex<Vec<(String, HeaderMap)>>>,
}

impl Server {
    /// Serves HTTP/2 without TLS.
    pub(crate) async fn start(
        answer: impl Fn(Request<Incoming>) -> Answer + Send + Sync + 'static,
    ) -> Self {
        Self::start_with(answer, None).await
    }

    /// Serves HTTP/2, over TLS when there is an acceptor.
    pub(crate) async fn start_with(
        answer: impl Fn(Request<Incoming>) -> Answer + Send + Sync + 'static,
        tls: Option<tokio_rustls::TlsAcceptor>,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let requests = Arc::<Mutex<Vec<_>>>::default();
        let (answer, seen) = (Arc::new(answer), Arc::clone(&requests));
        let task = tokio::spawn(async move {
            // Dropped with the task, and the connections with it.
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (answer, seen, tls) = (Arc::clone(&answer), Arc::clone(&seen), tls.clone());
                connections.spawn(async move {
                    match tls {
                        None => serve(stream, answer, seen).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                serve(stream, answer, seen).await;
                            }
                        }
                    }
                });
            }
        });
        Self { address, task: task.abort_handle(), requests }
    }

    /// A server that echoes orders, by tonic.
    pub(crate) async fn echo() -> Self {
        Self::start(|request| Box::pin(echo(request))).await
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// Begins a sink for `shop.v1.Orders/Place` here.
    pub(crate) fn place(&self) -> GrpcSinkBuilder {
        self.method("shop.v1.Orders/Place")
    }

    pub(crate) fn method(&self, name: &str) -> GrpcSinkBuilder {
        GrpcSink::unary(format!("grpc://{}", self.address), name)
    }

    /// The paths and headers of the requests so far.
    pub(crate) fn requests(&self) -> Vec<(String, HeaderMap)> {
        self.requests.lock().expect("no panic while held").clone()
    }

    /// The headers of the only request.
    pub(crate) fn only_request(&self) -> HeaderMap {
        let requests = self.requests();
        assert_eq!(requests.len(), 1, "{requests:?}");
        requests[0].1.clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve<S>(
    stream: S,
    answer: Arc<impl Fn(Request<Incoming>) -> Answer + Send + Sync + 'static>,
    seen: Arc<Mutex<Vec<(String, HeaderMap)>>>,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request: Request<Incoming>| {
        let mut headers = request.headers().clone();
        // `:authority`, under the name that HTTP/1.1 has for it.
        let named = request.uri().authority().and_then(|named| named.as_str().parse().ok());
        headers.extend(named.map(|named: HeaderValue| (http::header::HOST, named)));
        let request_line = (request.uri().path().to_owned(), headers);
        seen.lock().expect("no panic while held").push(request_line);
        let answer = answer(request);
        async move { Ok::<_, std::convert::Infallible>(answer.await) }
    });
    // A client that goes away in the middle is what some tests are about.
    drop(
        hyper::server::conn::http2::Builder::new(TokioExecutor::new())
            .serve_connection(TokioIo::new(stream), service)
            .await,
    );
}

/// The order of `tests/proto`, as far as the servers look at it.
#[derive(Clone, PartialEq, tonic_prost::prost::Message)]
pub(crate) struct Order {
    #[prost(string, tag = "1")]
    pub(crate) order_id: String,
    #[prost(int64, tag = "2")]
    pub(crate) total: i64,
}

/// The answer of `tests/proto`.
#[derive(Clone, PartialEq, tonic_prost::prost::Message)]
pub(crate) struct Placed {
    #[prost(string, tag = "1")]
    pub(crate) id: String,
    #[prost(int64, tag = "2")]
    pub(crate) number: i64,
    #[prost(message, optional, tag = "3")]
    pub(crate) order: Option<Order>,
}

/// Answers by tonic: an order comes back as placed.
pub(crate) async fn echo(request: Request<Incoming>) -> Response<Body> {
    by_tonic(request, |order| {
        let placed = Placed { id: order.order_id.clone(), number: order.total, order: Some(order) };
        Ok(tonic::Response::new(placed))
    })
    .await
}

/// Answers by tonic's own server.
pub(crate) async fn by_tonic<F>(request: Request<Incoming>, answer: F) -> Response<Body>
where
    F: Fn(Order) -> Result<tonic::Response<Placed>, tonic::Status> + Clone + Send + 'static,
{
    #[derive(Clone)]
    struct Handler<F>(F);
    impl<F> tonic::server::UnaryService<Order> for Handler<F>
    where
        F: Fn(Order) -> Result<tonic::Response<Placed>, tonic::Status>,
    {
        type Response = Placed;
        type Future = std::future::Ready<Result<tonic::Response<Placed>, tonic::Status>>;

        fn call(&mut self, request: tonic::Request<Order>) -> Self::Future {
            std::future::ready((self.0)(request.into_inner()))
        }
    }
    tonic::server::Grpc::new(ProstCodec::<Placed, Order>::default())
        .accept_compressed(tonic::codec::CompressionEncoding::Gzip)
        .send_compressed(tonic::codec::CompressionEncoding::Gzip)
        .unary(Handler(answer), request)
        .await
}

/// An answer of exactly these parts, as gRPC.
pub(crate) fn raw(
    headers: &[(&'static str, &str)],
    body: impl Into<Bytes>,
    trailers: &[(&'static str, &str)],
) -> Response<Body> {
    let trailers = pairs(trailers);
    let body = Full::new(body.into());
    let body = match trailers.is_empty() {
        true => Body::new(body),
        false => Body::new(body.with_trailers(std::future::ready(Some(Ok(trailers))))),
    };
    let mut response = Response::new(body);
    response.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
    response.headers_mut().extend(pairs(headers));
    response
}

/// An answer that is not gRPC.
pub(crate) fn page(
    status: u16,
    headers: &[(&'static str, &str)],
    body: &'static str,
) -> Response<Body> {
    let mut response = raw(&[("content-type", "text/html")], body, &[]);
    *response.status_mut() = http::StatusCode::from_u16(status).expect("a status");
    response.headers_mut().extend(pairs(headers));
    response
}

/// Always the same answer.
pub(crate) async fn always(answer: impl Fn() -> Response<Body> + Send + Sync + 'static) -> Server {
    Server::start(move |request| {
        let answer = answer();
        Box::pin(async move {
            drop(request.into_body().collect().await);
            answer
        })
    })
    .await
}

/// One message in its frame.
pub(crate) fn frame(message: &[u8]) -> Bytes {
    let mut frame = BytesMut::new();
    frame.put_u8(0);
    frame.put_u32(u32::try_from(message.len()).expect("a short message"));
    frame.put_slice(message);
    frame.freeze()
}

fn pairs(pairs: &[(&'static str, &str)]) -> HeaderMap {
    let pair = |(name, value): &(&'static str, &str)| {
        (HeaderName::from_static(name), HeaderValue::from_str(value).expect("a value"))
    };
    pairs.iter().map(pair).collect()
}

/// An order, encoded.
pub(crate) fn order(id: &str, total: i64) -> Message {
    Message::bytes(Order { order_id: id.into(), total }.encode_to_vec())
}

/// Sends once, as the first attempt.
pub(crate) async fn send(sink: &GrpcSink, message: &Message) -> Result<Receipt, Error> {
    sink.send(message, &Attempt::first("orders", message)).await
}

/// Sends an order to a sink and returns why it failed.
pub(crate) async fn failure(builder: GrpcSinkBuilder) -> Error {
    let sink = builder.build().expect("a sink");
    send(&sink, &order("a", 1)).await.expect_err("a failure")
}

/// The descriptor set of `tests/proto`, imports included.
pub(crate) fn descriptor_set() -> &'static [u8] {
    static SET: LazyLock<Vec<u8>> = LazyLock::new(|| {
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/proto");
        let set = protox::compile(["shop/v1/orders.proto"], [root]).expect("valid protos");
        set.encode_to_vec()
    });
    &SET
}
