//! Sinks whose URL somebody else wrote.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use fanout::async_trait;
use fanout::resilience::Resilience;
use fanout::{Attempt, Effect, Error, ErrorKind, Message, RetryAdvice, Sink, SinkExt};
use fanout_http::{Client, Guard, HttpSink, HttpSinkBuilder, Proxy, Redirects, Resolve};

use crate::server::{OK, Server};
use crate::{refusal, send};

fn client(guard: Guard) -> Client {
    Client::builder().proxy(Proxy::none()).guard(guard).build().unwrap()
}

/// A client for `localhost` and nothing else of this machine.
fn local() -> Client {
    client(Guard::new().allow("localhost").unwrap())
}

#[track_caller]
fn refused(builder: HttpSinkBuilder) -> Error {
    builder.build().map(|_| ()).expect_err("a refused URL")
}

#[tokio::test]
async fn a_refused_url_is_an_error_before_anything_is_sent() {
    let server = Server::answering(OK).await;
    let port = server.addr.port();
    let hosts = ["127.0.0.1", "localhost", "0x7f.1", "2130706433", "[::ffff:127.0.0.1]", "0"];
    for host in hosts {
        // Without TLS nobody but this machine is sent to in any case; that is not what is tested here.
        let sink = || HttpSink::post(format!("http://{host}:{port}/s3cret")).allow_plaintext();
        for builder in
            [sink().client(&client(Guard::new())), sink().client(&client(Guard::new())).untrusted()]
        {
            let error = refused(builder);
            assert_eq!((error.kind(), error.effect()), (ErrorKind::Forbidden, Effect::None));
            assert_eq!(error.advice(), RetryAdvice::Never);
            assert!(error.to_string().contains(&format!("(endpoint: {host}:{port})")), "{error}");
            assert!(!format!("{error} {error:?}").contains("s3cret"));
        }
    }
    assert_eq!(server.connections(), 0);
}

#[test]
fn a_sink_of_its_own_is_guarded_when_it_asks_for_it() {
    let metadata = || HttpSink::post("https://169.254.169.254/latest/meta-data");
    // The URL of an operator may lead anywhere.
    metadata().build().unwrap();
    for builder in [metadata().untrusted(), metadata().guard(Guard::new())] {
        assert_eq!(refused(builder).kind(), ErrorKind::Forbidden);
    }
    let lenient = || Guard::new().allow("169.254.169.254").unwrap();
    metadata().guard(lenient()).build().unwrap();
    metadata().guard(lenient()).untrusted().build().unwrap();
    metadata().untrusted().guard(lenient()).build().unwrap();
}

#[test]
fn the_guard_is_the_clients() {
    let sink = || HttpSink::post("https://hooks.example/");
    let open = Client::builder().proxy(Proxy::none()).build().unwrap();
    sink().client(&open).build().unwrap();
    sink().client(&local()).untrusted().build().unwrap();
    for (builder, expected) in [
        (sink().client(&open).untrusted(), "its shared client has no guard"),
        (sink().client(&open).guard(Guard::new()), "belongs to the shared client"),
        (sink().client(&local()).guard(Guard::new()), "belongs to the shared client"),
    ] {
        let error = refused(builder);
        assert_eq!(error.kind(), ErrorKind::Build);
        assert!(error.message().contains(expected), "{error}");
    }
}

#[cfg(feature = "tower")]
#[test]
fn a_guard_does_not_go_with_a_service() {
    let service = tower::service_fn(|_: http::Request<http_body_util::Full<bytes::Bytes>>| {
        std::future::ready(Ok::<_, std::convert::Infallible>(http::Response::new(
            http_body_util::Full::<bytes::Bytes>::default(),
        )))
    });
    for guarded in [
        HttpSink::post("https://hooks.example/").service(service).untrusted(),
        HttpSink::post("https://hooks.example/").service(service).guard(Guard::new()),
    ] {
        let error = refused(guarded);
        assert_eq!(error.kind(), ErrorKind::Build);
        assert!(error.message().contains("does not go with a service"), "{error}");
    }
}

#[tokio::test]
async fn an_allowed_host_is_sent_to_over_one_connection() {
    let server = Server::answering(OK).await;
    let url = format!("http://localhost:{}/", server.addr.port());
    let sink = HttpSink::post(url).client(&local()).build().unwrap();
    for _ in 0..2 {
        send(&sink, &Message::text("x")).await.unwrap();
    }
    assert_eq!((server.connections(), server.requests().len()), (1, 2));
}

/// Every hop is a connection of the same client, and is judged.
#[tokio::test]
async fn no_redirect_leads_past_the_guard() {
    let inside = Server::answering(OK).await;
    let port = inside.addr.port();
    for host in ["127.0.0.1", "0x7f.1", "2130706433", "[::1]", "[::ffff:127.0.0.1]", "a.localhost"]
    {
        let location = format!("http://{host}:{port}/latest");
        let answer =
            format!("HTTP/1.1 307 Elsewhere\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n");
        let outside = Server::answering(answer).await;
        let sink = HttpSink::post(format!("http://localhost:{}/", outside.addr.port()))
            .client(&local())
            .allow_plaintext()
            .redirects(Redirects::any_origin())
            .build()
            .unwrap();
        let error = refusal(&sink, &Message::text("x")).await;
        assert_eq!(error.kind(), ErrorKind::Forbidden, "{host}: {error}");
        assert_eq!(outside.requests().len(), 1);
    }
    assert_eq!(inside.connections(), 0);
}

/// Leads to this machine, and counts how often it is asked.
#[derive(Default)]
struct Inwards(AtomicUsize);

#[async_trait]
impl Resolve for Inwards {
    async fn resolve(&self, _: &str) -> io::Result<Vec<IpAddr>> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Ok(vec![Ipv4Addr::LOCALHOST.into()])
    }
}

/// One attempt, and the breaker takes it for no failure of the sink.
#[tokio::test]
async fn a_name_that_leads_inwards_is_tried_once_and_opens_no_breaker() {
    let server = Server::answering(OK).await;
    let resolver = Arc::new(Inwards::default());
    let guarded = Client::builder()
        .proxy(Proxy::none())
        .guard(Guard::new())
        .resolver(Arc::<Inwards>::clone(&resolver));
    let url = format!("http://hooks.example:{}/", server.addr.port());
    let sink = HttpSink::put(url).allow_plaintext().client(&guarded.build().unwrap());
    let sink = sink.build().unwrap().resilient(Resilience::default()).unwrap();
    for asked in 1..=10 {
        let message = Message::text("x");
        let error = sink.send(&message, &Attempt::first("sink", &message)).await.unwrap_err();
        assert_eq!((error.kind(), error.effect()), (ErrorKind::Forbidden, Effect::None), "{error}");
        assert_eq!(resolver.0.load(Ordering::SeqCst), asked);
        assert!(sink.is_available());
    }
    assert_eq!(server.connections(), 0);
}
