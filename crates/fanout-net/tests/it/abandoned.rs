//! A send that was dropped is never reported as without effect when the server saw it whole.

use std::collections::HashSet;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};

use fanout::policy::first;
use fanout::{
    Attempt, Effect, Error, FanOut, Message, Outcome, Reach, Receipt, Sink, async_trait, sink_fn,
};
use fanout_net::{Client, HttpVersion, OutBody, Proxy};
use http::Request;
use tokio::sync::Notify;

use crate::client;
use crate::server::{OK, Server};

/// The least that a transport does.
struct Net {
    client: Client,
    url: String,
}

#[async_trait]
impl Sink for Net {
    async fn send(&self, message: &Message, attempt: &Attempt) -> Result<Receipt, Error> {
        assert_eq!(attempt.reached(Effect::None), Reach::Proceed);
        let method = if message.payload().is_empty() { "GET" } else { "POST" };
        let body = OutBody::whole(message.payload().clone()).with_attempt(attempt.clone());
        let request = Request::builder()
            .method(method)
            .uri(&self.url)
            .header("x-id", message.id().to_string())
            .body(body)
            .unwrap();
        self.client.send(request).await.map(|_| Receipt::new())
    }
}

/// Sends `message` to `sink` and drops the send when `cut` is notified. Returns its effect, or `None`
/// when it was delivered first.
async fn cut_off(sink: impl Sink + 'static, message: Message, cut: Arc<Notify>) -> Option<Effect> {
    let killer = sink_fn(move |_, _| {
        let cut = Arc::clone(&cut);
        async move {
            cut.notified().await;
            Ok(Receipt::new())
        }
    });
    let fan_out =
        FanOut::builder(first()).sink("net", sink).sink("killer", killer).build().unwrap();
    let report = fan_out.send(message).await;
    let delivery = report.get("net").unwrap();
    match delivery.outcome() {
        Outcome::Cancelled => Some(delivery.effect()),
        Outcome::Delivered(_) => None,
        other => panic!("{other:?}"),
    }
}

fn net(client: &Client, server: &Server) -> Net {
    Net { client: client.clone(), url: server.url("/") }
}

#[tokio::test]
async fn while_the_handshake_hangs_there_is_no_effect() {
    for payload in ["", "payload"] {
        let cut = Arc::new(Notify::new());
        let inside = Arc::clone(&cut);
        // It takes the connection and the first bytes of the handshake, and says nothing.
        let server = Server::start(move |mut conn| {
            let cut = Arc::clone(&inside);
            async move {
                let mut first = [0; 1];
                tokio::io::AsyncReadExt::read_exact(&mut conn.io, &mut first).await.unwrap();
                cut.notify_one();
                conn.closed().await;
            }
        })
        .await;
        let sink = Net { client: client(), url: format!("https://{}/", server.addr) };
        assert_eq!(cut_off(sink, Message::bytes(payload), cut).await, Some(Effect::None));
    }
}

#[tokio::test]
async fn while_the_address_does_not_answer_there_is_no_effect() {
    // A full queue of connections drops what comes after it, as a firewall would.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let addr = listener.local_addr().unwrap();
    let mut filling = Vec::new();
    let limit = std::time::Duration::from_millis(200);
    while let Ok(connected) =
        tokio::time::timeout(limit, tokio::net::TcpStream::connect(addr)).await
    {
        filling.push(connected.unwrap());
    }
    let url = format!("http://{addr}/");
    let cut = Arc::new(Notify::new());
    let sending =
        cut_off(Net { client: client(), url: url.clone() }, Message::bytes("x"), Arc::clone(&cut));
    let mut sending = std::pin::pin!(sending);
    assert!(sending.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    cut.notify_one();
    assert_eq!(sending.await, Some(Effect::None));

    let short = Client::builder().proxy(Proxy::none()).connect_timeout(limit).build().unwrap();
    let error = crate::failure(short.send(crate::post(&url, "x")).await);
    assert_eq!(error.scope(), Some(fanout::TimeoutScope::Connect));
    assert_eq!(error.effect(), Effect::None);
    assert!(error.message().starts_with("no connection after 200 ms: the address"), "{error}");
}

#[tokio::test]
async fn after_the_request_left_the_effect_is_maybe() {
    for payload in ["", "payload"] {
        let cut = Arc::new(Notify::new());
        let inside = Arc::clone(&cut);
        let server = Server::start(move |mut conn| {
            let cut = Arc::clone(&inside);
            async move {
                conn.request().await.unwrap();
                cut.notify_one();
                conn.closed().await;
            }
        })
        .await;
        let effect = cut_off(net(&client(), &server), Message::bytes(payload), cut).await;
        assert_eq!(effect, Some(Effect::Maybe));
        assert_eq!(server.log.whole().len(), 1);
    }
}

#[tokio::test]
async fn a_request_that_hyper_has_not_begun_is_never_written() {
    // On a runtime of one thread hyper's task runs only when this one waits: after the hand-over and
    // before the write is then a place that a test can stop at.
    let server = Server::answering(OK).await;
    let client = client();
    crate::text(client.send(crate::post(&server.url("/"), "warm")).await.unwrap()).await;
    // The connection is back in the pool when a second request finds it.
    crate::text(client.send(crate::post(&server.url("/"), "warm")).await.unwrap()).await;
    assert_eq!(server.log.connections(), 1);

    let cut = Arc::new(Notify::new());
    cut.notify_one();
    let effect = cut_off(net(&client, &server), Message::bytes("abandoned"), cut).await;
    assert_eq!(effect, Some(Effect::None));
    // Whatever would still be written is written by the time that this has been answered.
    crate::text(client.send(crate::post(&server.url("/"), "after")).await.unwrap()).await;
    assert_eq!(server.log.bodies(), ["warm", "warm", "after"]);
}

#[tokio::test]
async fn without_a_body_the_hand_over_counts_as_sent() {
    let server = Server::answering(OK).await;
    let client = client();
    crate::text(client.send(crate::get(&server.url("/"))).await.unwrap()).await;
    crate::text(client.send(crate::get(&server.url("/"))).await.unwrap()).await;
    let cut = Arc::new(Notify::new());
    cut.notify_one();
    let effect = cut_off(net(&client, &server), Message::bytes(""), cut).await;
    assert_eq!(effect, Some(Effect::Maybe));
}

/// Two threads, so that the drop and hyper's write race for real.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_race_makes_a_whole_request_one_without_effect_on_http1() {
    let server = Server::answering(OK).await;
    race(&client(), &server, 400).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_race_makes_a_whole_request_one_without_effect_on_http2() {
    let server = crate::http2::recording().await;
    let client =
        Client::builder().proxy(Proxy::none()).http_version(HttpVersion::Http2).build().unwrap();
    race(&client, &server, 400).await;
}

async fn race(client: &Client, server: &Server, rounds: usize) {
    let mut without_effect = HashSet::new();
    let mut effects = [0; 3];
    for round in 0..rounds {
        // Every third one has no body. The drop comes after a number of polls that goes round, so it
        // hits every stage: before the connection, at the hand-over, after it.
        let payload = if round % 3 == 0 { "" } else { "payload" };
        let message = Message::bytes(payload);
        let id = message.id().to_string();
        let cut = Arc::new(Notify::new());
        let done = Arc::new(AtomicBool::new(false));
        let (trigger, stop) = (Arc::clone(&cut), Arc::clone(&done));
        let spin = (round % 40) * 1_500;
        let cutting = tokio::spawn(async move {
            for _ in 0..spin {
                std::hint::spin_loop();
            }
            if !stop.load(Ordering::Relaxed) {
                trigger.notify_one();
            }
        });
        match cut_off(net(client, server), message, cut).await {
            Some(Effect::None) => {
                effects[0] += 1;
                without_effect.insert(id);
            }
            Some(Effect::Maybe) => effects[1] += 1,
            Some(Effect::Done) => panic!("nobody said so"),
            None => effects[2] += 1,
        }
        done.store(true, Ordering::Relaxed);
        cutting.await.unwrap();
    }
    // A last request makes sure that what was under way has arrived.
    crate::text(client.send(crate::post(&server.url("/"), "last")).await.unwrap()).await;
    for seen in server.log.whole() {
        let id = seen.header("x-id").unwrap_or("last");
        assert!(!without_effect.contains(id), "whole, and reported as without effect: {id}");
    }
    assert!(
        effects[0] > 0 && effects[1] + effects[2] > 0,
        "the race hit one side only: {effects:?}"
    );
}

#[tokio::test]
async fn a_body_asked_after_the_drop_never_lets_the_request_end() {
    use http_body::Body as _;
    // The public type shows no body; this is the same race, decided against the writer by hand.
    let message = Message::bytes("x");
    let attempt = Attempt::first("net", &message);
    let server = Server::answering(OK).await;
    let client = client();
    let request = Request::post(server.url("/"))
        .body(OutBody::stream(Endless).with_attempt(attempt))
        .unwrap();
    let mut sending = Box::pin(client.send(request));
    let mut context = Context::from_waker(Waker::noop());
    assert!(sending.as_mut().poll(&mut context).is_pending());
    drop(sending);
    crate::text(client.send(crate::post(&server.url("/"), "last")).await.unwrap()).await;
    assert_eq!(server.log.bodies(), ["last"]);
    assert!(!Endless.is_end_stream());
}

struct Endless;

impl http_body::Body for Endless {
    type Data = bytes::Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<bytes::Bytes>, Self::Error>>> {
        Poll::Pending
    }
}
