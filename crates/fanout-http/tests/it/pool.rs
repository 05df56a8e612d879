//! Connections are kept and shared.

use std::sync::Arc;

use fanout::Message;
use fanout_http::HttpSink;
use tokio::sync::Notify;

use crate::server::{OK, Server};
use crate::{client, send};

#[tokio::test]
async fn sinks_that_share_a_client_share_its_connections() {
    let server = Server::answering(OK).await;
    let client = client();
    let message = Message::text("x");
    for method in ["POST", "PUT", "GET", "POST"] {
        let sink = HttpSink::request(method, server.url("/")).client(&client).build().unwrap();
        send(&sink, &message).await.unwrap();
    }
    assert_eq!((server.requests().len(), server.connections()), (4, 1));
}

#[tokio::test]
async fn a_post_on_a_connection_that_the_server_closed_while_idle_is_sent_again_once() {
    let closed = Arc::new(Notify::new());
    let inside = Arc::clone(&closed);
    let server = Server::start(move |mut conn| {
        let closed = Arc::clone(&inside);
        async move {
            conn.request().await;
            conn.write(OK).await;
            if conn.number == 0 {
                drop(conn);
                closed.notify_one();
            } else {
                conn.closed().await;
            }
        }
    })
    .await;
    let sink = HttpSink::post(server.url("/")).client(&client()).build().unwrap();
    send(&sink, &Message::text("first")).await.unwrap();
    closed.notified().await;
    send(&sink, &Message::text("second")).await.unwrap();
    let bodies: Vec<_> = server.requests();
    assert_eq!(bodies.len(), 2);
    assert!(bodies[0].ends_with("first") && bodies[1].ends_with("second"));
}

#[tokio::test]
async fn many_sends_at_once_each_get_their_own_answer() {
    let server = Server::start(|mut conn| async move {
        while let Some(request) = conn.request().await {
            let body = request.rsplit("\r\n\r\n").next().unwrap();
            let length = body.len();
            conn.write(&format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}")).await;
        }
    })
    .await;
    let sink = HttpSink::post(server.url("/")).client(&client()).build().unwrap();
    let mut sends = tokio::task::JoinSet::new();
    for number in 0..100 {
        let sink = sink.clone();
        sends.spawn(async move {
            let receipt = send(&sink, &Message::text(number.to_string())).await.unwrap();
            assert_eq!(receipt.body(), number.to_string().as_bytes());
        });
    }
    sends.join_all().await;
    assert_eq!(server.requests().len(), 100);
}
