//! Tower services in the place of the client.

use std::convert::Infallible;
use std::future::{Ready, pending, ready};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use fanout::policy::{all, first};
use fanout::resilience::Resilience;
use fanout::{
    Effect, Error, ErrorKind, FanOut, Idempotency, Message, Receipt, RetryAdvice, Secret, SinkExt,
    TimeoutScope, sink_fn,
};
use fanout_http::auth::{ApiKey, Bearer};
use fanout_http::{HttpSink, HttpSinkBuilder};
use http::{Request, Response};
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::sync::Notify;
use tower::{Service, ServiceBuilder, service_fn};

use crate::server::{OK, Server};
use crate::{refusal, send};

type Body = Full<Bytes>;

fn foreign() -> Client<HttpConnector, Body> {
    Client::builder(TokioExecutor::new()).build_http()
}

fn post() -> HttpSinkBuilder {
    HttpSink::post("https://api.example/v1?key=s3cret")
}

#[tokio::test]
async fn the_layers_of_a_service_see_every_request() {
    let server = Server::answering(OK).await;
    let service = ServiceBuilder::new()
        .concurrency_limit(4)
        .timeout(Duration::from_secs(10))
        .map_request(|mut request: Request<Body>| {
            request.headers_mut().insert("x-signed", "yes".parse().unwrap());
            request
        })
        .service(foreign());
    let sink = HttpSink::post(server.url("/v1?a=b")).service(service).build().unwrap();
    let message = Message::text("payload").with_metadata("x-tenant", "blue");
    let receipt = send(&sink, &message).await.unwrap();
    assert_eq!(receipt.body(), "ok");
    let requests = server.requests();
    assert_eq!(requests.len(), 1);
    assert!(requests[0].starts_with("POST /v1?a=b HTTP/1.1\r\n"));
    assert!(
        requests[0].contains("x-signed: yes\r\n") && requests[0].contains("x-tenant: blue\r\n")
    );
    assert!(requests[0].ends_with("\r\n\r\npayload"));
}

#[tokio::test]
async fn a_timeout_layer_is_a_timeout_that_may_have_had_an_effect() {
    let server = Server::start(|mut conn| async move {
        conn.request().await;
        conn.closed().await;
    })
    .await;
    let service = ServiceBuilder::new().timeout(Duration::from_millis(100)).service(foreign());
    let sink = HttpSink::post(server.url("/")).service(service).build().unwrap();
    let error = refusal(&sink, &Message::text("x")).await;
    assert_eq!(error.scope(), Some(TimeoutScope::Attempt), "{error}");
    assert_eq!((error.effect(), error.advice()), (Effect::Maybe, RetryAdvice::Backoff));
    // The sink's own timeout does the same.
    let sink = HttpSink::post(server.url("/")).service(foreign());
    let sink = sink.timeout(Duration::from_millis(100)).build().unwrap();
    let error = refusal(&sink, &Message::text("x")).await;
    assert_eq!(error.scope(), Some(TimeoutScope::Attempt), "{error}");
    assert_eq!(error.effect(), Effect::Maybe);
}

/// Is ready when it is told, and panics when it is called before.
struct Strict {
    calls: Arc<AtomicUsize>,
    is_ready: bool,
    never: bool,
}

impl Clone for Strict {
    fn clone(&self) -> Self {
        // Readiness belongs to one clone.
        Self { calls: Arc::clone(&self.calls), is_ready: false, never: self.never }
    }
}

impl Service<Request<Body>> for Strict {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        if self.never {
            return Poll::Pending;
        }
        self.is_ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        assert!(std::mem::take(&mut self.is_ready), "called before it was ready");
        self.calls.fetch_add(1, Ordering::SeqCst);
        ready(Ok(Response::new(request.into_body())))
    }
}

#[tokio::test]
async fn a_service_is_called_when_it_is_ready_and_not_before() {
    let calls = Arc::<AtomicUsize>::default();
    let strict = |never| Strict { calls: Arc::clone(&calls), is_ready: false, never };
    let sink = post().service(strict(false)).build().unwrap();
    for _ in 0..3 {
        let receipt = send(&sink.clone(), &Message::text("x")).await.unwrap();
        assert_eq!(receipt.body(), "x");
    }
    assert_eq!(calls.load(Ordering::SeqCst), 3);

    let sink = post().service(strict(true)).timeout(Duration::from_millis(50)).build().unwrap();
    let error = refusal(&sink, &Message::text("x")).await;
    assert_eq!((error.scope(), error.effect()), (Some(TimeoutScope::Attempt), Effect::None));
    assert_eq!(calls.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn a_service_that_sheds_load_did_nothing() {
    let calls = Arc::<AtomicUsize>::default();
    let busy = Strict { calls: Arc::clone(&calls), is_ready: false, never: true };
    let service = ServiceBuilder::new().load_shed().service(busy);
    let sink = post().service(service).build().unwrap();
    let fan_out = FanOut::builder(all()).sink("busy", sink).build().unwrap();
    let report = fan_out.send(Message::text("x")).await;
    let delivery = report.get("busy").unwrap();
    assert_eq!(delivery.error().unwrap().kind(), ErrorKind::QueueFull);
    assert_eq!(delivery.effect(), Effect::None);
    assert_eq!(calls.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn errors_of_hyper_mean_what_they_mean_of_our_own_client() {
    let addr = {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap()
    };
    let sink = HttpSink::post(format!("http://{addr}/a?s3cret")).service(foreign());
    let error = refusal(&sink.build().unwrap(), &Message::text("x")).await;
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Connect, Effect::None), "{error}");
    assert!(error.to_string().contains(&addr.to_string()), "{error}");
    assert!(!format!("{error:?} {}", error.to_chain()).contains("s3cret"));

    let server = Server::start(|mut conn| async move { drop(conn.request().await) }).await;
    let sink = HttpSink::post(server.url("/")).service(foreign()).build().unwrap();
    let error = refusal(&sink, &Message::text("x")).await;
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Interrupted, Effect::Maybe), "{error}");
}

#[tokio::test]
async fn an_error_that_is_classified_stays_so_and_any_other_is_unclear() {
    let classified = service_fn(|_: Request<Body>| async {
        Err::<Response<Body>, _>(
            Error::new(ErrorKind::Unauthenticated, "no token").with_effect(Effect::None),
        )
    });
    let error = refusal(&post().service(classified).build().unwrap(), &Message::text("x")).await;
    assert_eq!(error.message(), "no token");
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Unauthenticated, Effect::None));

    let other = service_fn(|_: Request<Body>| async { Err::<Response<Body>, _>("odd") });
    let error = refusal(&post().service(other).build().unwrap(), &Message::text("x")).await;
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Interrupted, Effect::Maybe));
    assert_eq!(error.to_chain(), "the service failed (endpoint: api.example:443): odd");
}

#[tokio::test]
async fn the_table_and_the_pipeline_work_as_with_a_client() {
    let keys = Arc::new(std::sync::Mutex::new(Vec::new()));
    let seen = Arc::clone(&keys);
    let service = service_fn(move |request: Request<Body>| {
        let mut seen = seen.lock().unwrap();
        seen.push(request.headers()["idempotency-key"].clone());
        let status = if seen.len() < 3 { 500 } else { 202 };
        ready(Ok::<_, Infallible>(
            Response::builder().status(status).body(Body::from("x")).unwrap(),
        ))
    });
    let resilience = Resilience::default().backoff_base(Duration::from_millis(1));
    let sink = post().service(service).idempotency(Idempotency::Key).build().unwrap();
    let sink = sink.resilient(resilience).unwrap();
    let fan_out = FanOut::builder(all()).sink("one", sink).build().unwrap();
    let report = fan_out.send(Message::text("x")).await;
    let delivery = report.get("one").unwrap();
    assert!(delivery.receipt().unwrap().is_accepted());
    assert_eq!(delivery.attempts(), 3);
    let keys = keys.lock().unwrap();
    assert!(keys.len() == 3 && keys.iter().all(|key| key == keys[0]), "{keys:?}");
}

#[tokio::test]
async fn a_dropped_send_drops_the_call_and_may_have_had_an_effect() {
    struct Guard(Arc<AtomicUsize>);
    impl Drop for Guard {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    let (called, dropped) = (Arc::new(Notify::new()), Arc::<AtomicUsize>::default());
    let (tell, count) = (Arc::clone(&called), Arc::clone(&dropped));
    let service = service_fn(move |_: Request<Body>| {
        let guard = Guard(Arc::clone(&count));
        tell.notify_one();
        async move {
            let _guard = guard;
            pending::<Result<Response<Body>, Infallible>>().await
        }
    });
    let fast = sink_fn(move |_, _| {
        let called = Arc::clone(&called);
        async move {
            called.notified().await;
            Ok(Receipt::new())
        }
    });
    let fan_out = FanOut::builder(first())
        .sink("slow", post().service(service).build().unwrap())
        .sink("fast", fast)
        .build()
        .unwrap();
    let report = fan_out.send(Message::text("x")).await;
    assert_eq!(report.winner().unwrap().sink(), "fast");
    assert_eq!(report.get("slow").unwrap().effect(), Effect::Maybe);
    assert_eq!(dropped.load(Ordering::SeqCst), 1);
}

#[test]
fn a_service_and_a_client_exclude_each_other() {
    let service = || post().service(foreign());
    let second = Duration::from_secs(1);
    for builder in [service().client(&crate::client()), service().connect_timeout(second)] {
        let error = builder.build().map(|_| ()).expect_err("both");
        assert_eq!(error.kind(), ErrorKind::Build);
        assert!(error.message().contains("a service"), "{error}");
    }
}

/// Is never ready: it fails before it could be called.
#[derive(Clone)]
struct Broken(std::io::ErrorKind);

impl Service<Request<Body>> for Broken {
    type Response = Response<Body>;
    type Error = std::io::Error;
    type Future = Ready<Result<Response<Body>, std::io::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), std::io::Error>> {
        Poll::Ready(Err(self.0.into()))
    }

    fn call(&mut self, _: Request<Body>) -> Self::Future {
        unreachable!("it is not ready")
    }
}

#[tokio::test]
async fn a_service_that_fails_before_it_is_called_did_nothing() {
    for kind in [std::io::ErrorKind::ConnectionReset, std::io::ErrorKind::Other] {
        let sink = post().service(Broken(kind)).build().unwrap();
        let error = refusal(&sink, &Message::text("x")).await;
        assert_eq!(error.kind(), ErrorKind::Interrupted, "{error}");
        assert_eq!(error.effect(), Effect::None, "{error}");
    }
}

#[tokio::test]
async fn credentials_go_through_a_service_and_are_renewed_and_hidden_as_without_one() {
    let server = Server::answering("HTTP/1.1 401 No\r\ncontent-length: 0\r\n\r\n").await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    std::fs::write(&path, "token-s3cret-1").unwrap();
    let sink = HttpSink::post(server.url("/"))
        .auth(Bearer::new(Secret::from_file(&path).unwrap()))
        .auth(ApiKey::query("key", Secret::new("key-s3cret")))
        .service(foreign())
        .build()
        .unwrap();
    std::fs::write(&path, "token-s3cret-2").unwrap();
    for (number, advice) in [(1, RetryAdvice::Once), (2, RetryAdvice::Never)] {
        let error = refusal(&sink, &Message::text("x")).await;
        assert_eq!((error.kind(), error.advice()), (ErrorKind::Unauthenticated, advice));
        let request = server.requests().pop().unwrap();
        assert!(request.starts_with("POST /?key=key-s3cret HTTP/1.1\r\n"), "{request}");
        let token = format!("authorization: Bearer token-s3cret-{number}\r\n");
        assert!(request.contains(&token), "{request}");
    }

    // An error of the service that quotes the request, as those of other clients do.
    let quoting = service_fn(|request: Request<Body>| async move {
        let text = format!("{} {:?}", request.uri(), request.headers()["x-gate"].to_str());
        Err::<Response<Body>, _>(std::io::Error::other(text))
    });
    let sink = HttpSink::post("http://127.0.0.1:9/")
        .auth(ApiKey::query("key", Secret::new("key-s3cret")))
        .secret_header("x-gate", Secret::new("gate-s3cret"))
        .service(quoting)
        .build()
        .unwrap();
    let error = refusal(&sink, &Message::text("x")).await;
    let text = format!("{} {error:?}", error.to_chain());
    assert!(text.contains("key=***") && !text.contains("s3cret"), "{text}");
}
