//! Connections are kept, shared, and replaced when the server closed them.

use std::sync::Arc;

use fanout::BodyState;
use fanout_net::{Client, HttpVersion, Proxy, read_to_limit};
use tokio::sync::Notify;

use crate::server::{OK, Server};
use crate::{client, get, post, text};

#[tokio::test]
async fn times_beyond_the_clock_are_no_reason_to_panic() {
    let forever = std::time::Duration::MAX;
    let server = crate::http2::recording().await;
    let client = Client::builder()
        .proxy(Proxy::none())
        .http_version(HttpVersion::Http2)
        .connect_timeout(forever)
        .pool_idle_timeout(forever)
        .http2_keep_alive(forever)
        .build()
        .unwrap();
    for _ in 0..2 {
        assert_eq!(text(client.send(post(&server.url("/"), "x")).await.unwrap()).await, "ok");
    }
}

#[tokio::test]
async fn clones_share_connections() {
    let server = Server::answering(OK).await;
    let client = client();
    for _ in 0..5 {
        assert_eq!(text(client.clone().send(get(&server.url("/"))).await.unwrap()).await, "ok");
    }
    assert_eq!(server.log.connections(), 1);
}

#[tokio::test]
async fn none_is_kept_when_none_is_asked_for() {
    let server = Server::answering(OK).await;
    let client = Client::builder().proxy(Proxy::none()).max_idle_per_host(0).build().unwrap();
    for _ in 0..3 {
        text(client.send(get(&server.url("/"))).await.unwrap()).await;
    }
    assert_eq!(server.log.connections(), 3);
}

#[tokio::test]
async fn a_request_on_a_connection_that_was_closed_while_idle_is_moved_once() {
    let closed = Arc::new(Notify::new());
    let inside = Arc::clone(&closed);
    let server = Server::start(move |mut conn| {
        let closed = Arc::clone(&inside);
        async move {
            if conn.number == 0 {
                conn.request().await;
                conn.write(OK).await;
                drop(conn);
                closed.notify_one();
            } else {
                while conn.request().await.is_some() {
                    conn.write(OK).await;
                }
            }
        }
    })
    .await;
    let client = client();
    text(client.send(post(&server.url("/"), "1")).await.unwrap()).await;
    closed.notified().await;
    assert_eq!(text(client.send(post(&server.url("/"), "2")).await.unwrap()).await, "ok");
    assert_eq!(server.log.bodies(), ["1", "2"], "each exactly once");
}

#[tokio::test]
async fn a_connection_that_answered_408_or_421_is_not_used_again() {
    for code in [408, 421] {
        // It says so, and keeps the connection open for more all the same.
        let server = Server::start(move |mut conn| async move {
            while conn.request().await.is_some() {
                let answer = if conn.number == 0 {
                    format!("HTTP/1.1 {code} Not here\r\ncontent-length: 2\r\n\r\nno")
                } else {
                    OK.to_owned()
                };
                conn.write(answer).await;
            }
        })
        .await;
        let client = client();
        for (body, expected) in [("1", "no"), ("2", "ok"), ("3", "ok")] {
            let answer = client.send(post(&server.url("/"), body)).await.unwrap();
            assert_eq!(text(answer).await, expected, "{code}");
        }
        assert_eq!(server.log.connections(), 2, "{code}: the good one is kept");
        assert_eq!(server.log.bodies(), ["1", "2", "3"]);
    }
}

#[tokio::test]
async fn a_connection_that_answered_anything_else_is_used_again() {
    for code in [200, 400, 404, 409, 429, 500, 503] {
        let server = Server::start(move |mut conn| async move {
            while conn.request().await.is_some() {
                let answer = format!("HTTP/1.1 {code} So\r\ncontent-length: 2\r\n\r\nso");
                conn.write(answer).await;
            }
        })
        .await;
        let client = client();
        for _ in 0..3 {
            text(client.send(get(&server.url("/"))).await.unwrap()).await;
        }
        assert_eq!(server.log.connections(), 1, "{code}");
    }
}

#[tokio::test]
async fn a_body_without_end_is_read_to_the_limit_and_no_further() {
    let server = Server::start(|mut conn| async move {
        conn.request().await;
        conn.write("HTTP/1.1 200 OK\r\n\r\n").await;
        let chunk = [b'x'; 1024];
        let mut sent = 0;
        while tokio::io::AsyncWriteExt::write_all(&mut conn.io, &chunk).await.is_ok() {
            sent += chunk.len();
            assert!(sent < 64 << 20, "the client reads on");
        }
        conn.log.saw_whole("stopped".to_owned(), Vec::new());
    })
    .await;
    let answer = client().send(get(&server.url("/"))).await.unwrap();
    let (bytes, state) = read_to_limit(answer.into_body(), 1_000).await;
    assert_eq!((bytes.len(), state), (1_000, BodyState::Cut));
    while server.log.whole().len() < 2 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn half_a_body_is_kept_and_called_broken() {
    let server = Server::start(|mut conn| async move {
        conn.request().await;
        conn.write("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf").await;
    })
    .await;
    let answer = client().send(get(&server.url("/"))).await.unwrap();
    let (bytes, state) = read_to_limit(answer.into_body(), 1_000).await;
    assert_eq!((bytes.as_ref(), state), (&b"half"[..], BodyState::Broken));
}
