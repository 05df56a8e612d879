//! HTTP/2 with prior knowledge: what its resets and goodbyes mean.

use std::sync::Arc;

use fanout::{Effect, ErrorKind, RetryAdvice};
use fanout_net::{Client, HttpVersion, Proxy, read_to_limit};
use h2::Reason;
use http::Response;
use http_body_util::BodyExt;
use tokio::sync::Notify;

use crate::server::{Conn, Server};
use crate::{failure, get, post};

pub(crate) fn client() -> Client {
    Client::builder().proxy(Proxy::none()).http_version(HttpVersion::Http2).build().unwrap()
}

/// Records requests that come whole, and answers them.
pub(crate) async fn recording() -> Server {
    Server::start(|conn| async move {
        let Conn { io, log, .. } = conn;
        let Ok(mut connection) = h2::server::handshake(io).await else { return };
        while let Some(Ok((request, mut respond))) = connection.accept().await {
            let log = log.clone();
            tokio::spawn(async move {
                let (parts, mut body) = request.into_parts();
                let mut whole = Vec::new();
                while let Some(data) = body.data().await {
                    let Ok(data) = data else { return };
                    whole.extend_from_slice(&data);
                }
                let declared = parts.headers.get("content-length");
                let declared =
                    declared.map_or(whole.len(), |n| n.to_str().unwrap().parse().unwrap());
                assert_eq!(declared, whole.len());
                let id = parts.headers.get("x-id").map_or("last", |id| id.to_str().unwrap());
                log.saw_whole(format!("{} / HTTP/2\r\nx-id: {id}", parts.method), whole);
                if let Ok(mut stream) = respond.send_response(Response::new(()), false) {
                    drop(stream.send_data("ok".into(), true));
                }
            });
        }
    })
    .await
}

/// Resets every stream for `reason` once its body has come.
async fn resetting(reason: Reason) -> Server {
    Server::start(move |conn| async move {
        let mut connection = h2::server::handshake(conn.io).await.unwrap();
        while let Some(Ok((request, mut respond))) = connection.accept().await {
            tokio::spawn(async move {
                let mut body = request.into_body();
                while body.data().await.is_some_and(|data| data.is_ok()) {}
                respond.send_reset(reason);
            });
        }
    })
    .await
}

#[tokio::test]
async fn the_reason_of_a_reset_says_what_it_means() {
    use ErrorKind::{Interrupted, Throttled, Tls, Unavailable};
    for (reason, kind, effect, advice) in [
        (Reason::REFUSED_STREAM, Unavailable, Effect::None, RetryAdvice::Once),
        // This client speaks HTTP/2 alone: it cannot do what is asked.
        (Reason::HTTP_1_1_REQUIRED, Unavailable, Effect::None, RetryAdvice::OtherSink),
        (Reason::ENHANCE_YOUR_CALM, Throttled, Effect::Maybe, RetryAdvice::Backoff),
        (Reason::CANCEL, Interrupted, Effect::Maybe, RetryAdvice::Backoff),
        (Reason::INTERNAL_ERROR, Interrupted, Effect::Maybe, RetryAdvice::Backoff),
        (Reason::INADEQUATE_SECURITY, Tls, Effect::None, RetryAdvice::OtherSink),
    ] {
        let server = resetting(reason).await;
        let error = failure(client().send(post(&server.url("/"), "x")).await);
        let got = (error.kind(), error.effect(), error.advice());
        assert_eq!(got, (kind, effect, advice), "{reason:?}: {error}");
        assert!(error.to_string().contains(&server.addr.to_string()), "{error}");
    }
}

#[tokio::test]
async fn a_goodbye_leaves_the_streams_above_its_last_one_unprocessed() {
    let server = Server::start(|conn| async move {
        let mut connection = h2::server::handshake(conn.io).await.unwrap();
        // The first stream is taken, and never answered.
        let (_request, _respond) = connection.accept().await.unwrap().unwrap();
        // An abrupt goodbye names stream 1 as the last one: the second is above it.
        let second = connection.accept().await;
        drop(second);
        connection.abrupt_shutdown(Reason::NO_ERROR);
        drop(std::future::poll_fn(|cx| connection.poll_closed(cx)).await);
    })
    .await;
    let client = client();
    let url = server.url("/");
    let (a, b) = tokio::join!(client.send(post(&url, "a")), client.send(post(&url, "b")));
    for error in [failure(a), failure(b)] {
        // h2's server names the highest stream that it has seen, so both were at or below it, and
        // the connection ended without an answer: nobody can know.
        assert_eq!(
            (error.kind(), error.effect()),
            (ErrorKind::Interrupted, Effect::Maybe),
            "{error}"
        );
    }
}

#[tokio::test]
async fn raw_goodbye_above_and_below() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    // Frames by hand: SETTINGS, then after the first HEADERS a GOAWAY whose last stream is 0.
    let server = Server::start(|mut conn| async move {
        conn.io.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).await.unwrap();
        let mut seen = Vec::new();
        let mut preface = [0; 24];
        conn.io.read_exact(&mut preface).await.unwrap();
        loop {
            let mut head = [0; 9];
            conn.io.read_exact(&mut head).await.unwrap();
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
            seen.resize(length, 0);
            conn.io.read_exact(&mut seen).await.unwrap();
            if head[3] == 1 {
                break;
            }
        }
        let goaway = [0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        conn.io.write_all(&goaway).await.unwrap();
        conn.closed().await;
    })
    .await;
    let error = failure(client().send(post(&server.url("/"), "a")).await);
    let got = (error.kind(), error.effect(), error.advice());
    assert_eq!(got, (ErrorKind::Unavailable, Effect::None, RetryAdvice::Once), "{error}");
}

#[tokio::test]
async fn one_connection_carries_many_requests_and_survives_many_drops() {
    let server = recording().await;
    let client = client();
    let url = server.url("/");
    let answer = client.send(get(&url)).await.unwrap();
    assert_eq!(answer.version(), http::Version::HTTP_2);
    assert_eq!(read_to_limit(answer.into_body(), 9).await.0, "ok");
    // h2 would close the connection after 1,024 local resets.
    for _ in 0..1_200 {
        let mut sending = Box::pin(client.send(post(&url, "dropped")));
        let waker = std::task::Waker::noop();
        let mut context = std::task::Context::from_waker(waker);
        let polled = Future::poll(sending.as_mut(), &mut context);
        assert!(polled.is_pending());
        tokio::task::yield_now().await;
        drop(sending);
    }
    assert_eq!(read_to_limit(client.send(get(&url)).await.unwrap().into_body(), 9).await.0, "ok");
    assert_eq!(server.log.connections(), 1);
}

#[tokio::test]
async fn a_server_of_http1_is_told_apart() {
    let server = Server::start(|mut conn| async move {
        conn.head().await;
        conn.write("HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n").await;
        conn.closed().await;
    })
    .await;
    let error = failure(client().send(post(&server.url("/"), "x")).await);
    assert_eq!(error.kind(), ErrorKind::Protocol, "{error}");
    assert!(error.message().contains("not valid HTTP: http/2"), "{error}");
}

#[tokio::test]
async fn a_misdirected_request_moves_to_another_connection() {
    let server = Server::start(|conn| async move {
        let Conn { io, log, number, .. } = conn;
        let Ok(mut connection) = h2::server::handshake(io).await else { return };
        while let Some(Ok((_, mut respond))) = connection.accept().await {
            log.saw_whole(format!("on {number}"), Vec::new());
            let status = if number == 0 { 421 } else { 200 };
            let answer = Response::builder().status(status).body(()).unwrap();
            drop(respond.send_response(answer, true));
        }
    })
    .await;
    let client = client();
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(client.send(get(&server.url("/"))).await.unwrap().status().as_u16());
    }
    assert_eq!(statuses, [421, 200, 200]);
    assert_eq!(server.log.connections(), 2);
}

#[tokio::test]
async fn what_is_reset_after_its_head_was_answered_may_have_been_applied() {
    for reason in [
        Reason::REFUSED_STREAM,
        Reason::HTTP_1_1_REQUIRED,
        Reason::INADEQUATE_SECURITY,
        Reason::ENHANCE_YOUR_CALM,
    ] {
        // A reset takes back what is not yet written, so it waits until the head has come.
        let came = Arc::new(Notify::new());
        let head_came = Arc::clone(&came);
        let server = Server::start(move |conn| {
            let came = Arc::clone(&head_came);
            async move {
                let mut connection = h2::server::handshake(conn.io).await.unwrap();
                while let Some(Ok((_request, mut respond))) = connection.accept().await {
                    let mut stream = respond.send_response(Response::new(()), false).unwrap();
                    let came = Arc::clone(&came);
                    tokio::spawn(async move {
                        came.notified().await;
                        stream.send_reset(reason);
                    });
                }
            }
        })
        .await;
        let client = client();
        let mut body = client.send(post(&server.url("/"), "x")).await.unwrap().into_body();
        came.notify_one();
        let error = loop {
            match body.frame().await.expect("it does not end well") {
                Ok(_) => {}
                Err(error) => break error,
            }
        };
        assert_eq!(error.effect(), Effect::Maybe, "{reason:?}: {error}");
    }
}
