//! Calls that succeed: payload, metadata, deadline, compression.

use std::time::Duration;

use fanout::{Attempt, BodyState, Message, Sink as _};
use fanout_grpc::{Client, Compression, HttpVersion};
use tokio::time::Instant;
use tonic_prost::prost::Message as _;

use crate::server::{Order, Placed, Server, always, by_tonic, frame, order, raw, send};

#[tokio::test]
async fn an_encoded_order_comes_back_placed() {
    let server = Server::echo().await;
    let sink = server.place().build().unwrap();
    let receipt = send(&sink, &order("a", 7)).await.unwrap();
    let placed = Placed::decode(receipt.body().clone()).unwrap();
    assert_eq!((placed.id.as_str(), placed.number), ("a", 7));
    let status = receipt.status().unwrap();
    assert_eq!((status.code(), status.name()), (0, "OK"));
    assert_eq!(receipt.body_state(), BodyState::Complete);
    assert_eq!(receipt.metadata().get("content-type"), Some("application/grpc"));
    assert_eq!(receipt.metadata().get("grpc-status"), None);
    assert_eq!(server.requests()[0].0, "/shop.v1.Orders/Place");
}

#[tokio::test]
async fn an_empty_payload_is_a_message_too() {
    let server = Server::echo().await;
    let sink = server.place().build().unwrap();
    let receipt = send(&sink, &Message::bytes("")).await.unwrap();
    assert_eq!(Placed::decode(receipt.body().clone()).unwrap().id, "");
}

#[tokio::test]
async fn metadata_goes_both_ways() {
    let server = always(|| {
        raw(
            &[("x-first", "1"), ("x-first", "2"), ("x-key-bin", "AP8")],
            frame(b""),
            &[("grpc-status", "0"), ("x-last", "z"), ("x-end-bin", "aGk=")],
        )
    })
    .await;
    let sink = server
        .place()
        .metadata("Authorization", "Bearer t")
        .metadata("x-both", "sink")
        .metadata("x-raw-bin", "AP8=")
        .build()
        .unwrap();
    let message =
        order("a", 1).with_metadata("x-both", "message").with_metadata("X-Tenant", "blue");
    let receipt = send(&sink, &message).await.unwrap();

    let seen = server.only_request();
    assert_eq!(seen["authorization"], "Bearer t");
    assert_eq!(seen.get_all("x-both").iter().collect::<Vec<_>>(), ["message"]);
    assert_eq!(seen["x-tenant"], "blue");
    assert_eq!(seen["x-raw-bin"], "AP8");
    assert_eq!(seen["te"], "trailers");
    assert!(seen["user-agent"].to_str().unwrap().starts_with("fanout-grpc/"));
    assert_eq!(seen["content-type"], "application/grpc");
    assert!(!seen.contains_key("grpc-previous-rpc-attempts"));

    let got: Vec<_> =
        receipt.metadata().iter().filter(|(name, _)| name.starts_with("x-")).collect();
    let expected = [
        ("x-first", "1"),
        ("x-first", "2"),
        ("x-key-bin", "AP8"),
        ("x-last", "z"),
        ("x-end-bin", "aGk="),
    ];
    for pair in expected {
        assert!(got.contains(&pair), "{pair:?} in {got:?}");
    }
    assert_eq!(got.len(), expected.len());
}

#[tokio::test]
async fn the_server_is_told_the_time_that_is_left() {
    let server = Server::echo().await;
    let sink = server.place().timeout(Duration::from_secs(30)).build().unwrap();
    let message = order("a", 1);
    send(&sink, &message).await.unwrap();
    let soon = Attempt::first("s", &message).with_deadline(Instant::now() + Duration::from_secs(5));
    sink.send(&message, &soon).await.unwrap();

    let told: Vec<u64> = server
        .requests()
        .iter()
        .map(|(_, headers)| headers["grpc-timeout"].to_str().unwrap().trim_end_matches('u').parse())
        .collect::<Result<_, _>>()
        .unwrap();
    assert!((29_000_000..=30_000_000).contains(&told[0]), "{told:?}");
    assert!((4_000_000..=5_000_000).contains(&told[1]), "{told:?}");
}

#[tokio::test]
async fn requests_are_compressed_when_asked() {
    let server = Server::echo().await;
    let sink = server.place().compression(Compression::Gzip).build().unwrap();
    let id = "a".repeat(10_000);
    let receipt = send(&sink, &order(&id, 1)).await.unwrap();
    assert_eq!(Placed::decode(receipt.body().clone()).unwrap().id, id);
    assert_eq!(server.only_request()["grpc-encoding"], "gzip");
}

#[tokio::test]
async fn a_path_of_the_endpoint_goes_before_the_method() {
    let server = Server::echo().await;
    let url = format!("http://127.0.0.1:{}/base", server.port());
    let sink = fanout_grpc::GrpcSink::unary(url, "/shop.v1.Orders/Place").build().unwrap();
    send(&sink, &order("a", 1)).await.unwrap();
    assert_eq!(server.requests()[0].0, "/base/shop.v1.Orders/Place");
}

#[tokio::test]
async fn sinks_may_share_a_client_and_a_hundred_sends_are_answered_each_with_its_own() {
    let server = Server::echo().await;
    let client = Client::builder().http_version(HttpVersion::Http2).build().unwrap();
    let first = server.place().client(&client).build().unwrap();
    let second = server.place().client(&client).build().unwrap();
    let mut sends = tokio::task::JoinSet::new();
    for number in 0..100 {
        let sink = if number % 2 == 0 { first.clone() } else { second.clone() };
        sends.spawn(async move {
            let receipt = send(&sink, &order("a", number)).await.unwrap();
            assert_eq!(Placed::decode(receipt.body().clone()).unwrap().number, number);
        });
    }
    while let Some(done) = sends.join_next().await {
        done.unwrap();
    }
    assert_eq!(server.requests().len(), 100);
}

#[tokio::test]
async fn the_payload_arrives_byte_for_byte() {
    let server = Server::start(|request| {
        Box::pin(by_tonic(request, |order: Order| {
            Ok(tonic::Response::new(Placed {
                id: order.order_id,
                number: order.total,
                order: None,
            }))
        }))
    })
    .await;
    let sink = server.place().build().unwrap();
    for total in [0, 1, -1, i64::MAX, i64::MIN] {
        let receipt = send(&sink, &order("ü\u{0}", total)).await.unwrap();
        let placed = Placed::decode(receipt.body().clone()).unwrap();
        assert_eq!((placed.id.as_str(), placed.number), ("ü\u{0}", total));
    }
}
