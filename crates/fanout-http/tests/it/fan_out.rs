//! The whole way: one message, two servers, one report.

use std::sync::Arc;
use std::time::Duration;

use fanout::policy::{all, first};
use fanout::{Effect, ErrorKind, FanOut, Message, Outcome, TimeoutScope};
use tokio::sync::{Barrier, Notify};

use crate::post;
use crate::server::{OK, Server};

#[tokio::test]
async fn one_message_reaches_two_servers_at_once_and_the_report_tells_them_apart() {
    // Each answers only when both have the request: one after the other would never end.
    let both = Arc::new(Barrier::new(2));
    let meeting = |answer: &'static str| {
        let both = Arc::clone(&both);
        Server::start(move |mut conn| {
            let both = Arc::clone(&both);
            async move {
                while conn.request().await.is_some() {
                    both.wait().await;
                    conn.write(answer).await;
                }
            }
        })
    };
    let good = meeting(OK).await;
    let bad = meeting("HTTP/1.1 500 Oh\r\ncontent-length: 4\r\n\r\noops").await;
    let fan_out = FanOut::builder(all())
        .sink("good", post(good.url("/")).build().unwrap())
        .sink("bad", post(bad.url("/")).build().unwrap())
        .build()
        .unwrap();
    let report = fan_out.send(Message::json(&"one").unwrap()).await;

    assert!(!report.is_satisfied());
    assert_eq!(report.get("good").unwrap().receipt().unwrap().body(), "ok");
    let failed = report.get("bad").unwrap();
    let error = failed.error().unwrap();
    assert_eq!((error.kind(), failed.effect()), (ErrorKind::Upstream, Effect::Maybe));
    assert_eq!(error.excerpt(), Some("oops"));
    for server in [&good, &bad] {
        let requests = server.requests();
        assert_eq!(requests.len(), 1);
        assert!(requests[0].contains("content-type: application/json\r\n"));
        assert!(requests[0].ends_with("\r\n\r\n\"one\""));
    }
}

#[tokio::test]
async fn a_loser_that_was_sent_is_cancelled_with_effect_maybe_and_its_connection_ends() {
    let (arrived, ended) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (tell_arrived, tell_ended) = (Arc::clone(&arrived), Arc::clone(&ended));
    let slow = Server::start(move |mut conn| {
        let (arrived, ended) = (Arc::clone(&tell_arrived), Arc::clone(&tell_ended));
        async move {
            conn.request().await;
            arrived.notify_one();
            conn.closed().await;
            ended.notify_one();
        }
    })
    .await;
    let quick = Server::start(move |mut conn| {
        let arrived = Arc::clone(&arrived);
        async move {
            conn.request().await;
            arrived.notified().await;
            conn.write(OK).await;
            conn.closed().await;
        }
    })
    .await;
    let fan_out = FanOut::builder(first())
        .sink("slow", post(slow.url("/")).build().unwrap())
        .sink("quick", post(quick.url("/")).build().unwrap())
        .build()
        .unwrap();
    let report = fan_out.send(Message::text("x")).await;
    assert_eq!(report.winner().unwrap().sink(), "quick");
    let loser = report.get("slow").unwrap();
    assert!(matches!(loser.outcome(), Outcome::Cancelled), "{:?}", loser.outcome());
    assert_eq!(loser.effect(), Effect::Maybe);
    ended.notified().await;
}

#[tokio::test]
async fn the_deadline_of_the_fan_out_ends_a_send_that_waits() {
    let silent = Server::start(|mut conn| async move { conn.closed().await }).await;
    let fan_out = FanOut::builder(all())
        .sink("silent", post(silent.url("/")).build().unwrap())
        .sink("nobody", post(format!("https://{}/", silent.addr)).build().unwrap())
        .deadline(Duration::from_secs(1))
        .build()
        .unwrap();
    let report = fan_out.send(Message::text("x")).await;
    for (name, effect) in [("silent", Effect::Maybe), ("nobody", Effect::None)] {
        let delivery = report.get(name).unwrap();
        let scope = delivery.error().unwrap().scope();
        // The sink knows the deadline as well: whichever of the two is polled first says it.
        assert!(matches!(scope, Some(TimeoutScope::FanOut | TimeoutScope::Attempt)), "{scope:?}");
        assert_eq!(delivery.effect(), effect, "{name}");
    }
}
