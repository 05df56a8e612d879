//! A second replica is asked when the first is slow, and not otherwise.

use std::time::Duration;

use fanout::resilience::Resilience;
use fanout::{FanOut, Message, Outcome, SinkExt, policy};
use fanout_http::HttpSink;
use serde_json::{Value, json};
use wiremock::matchers::method;
use wiremock::{Mock, MockServer, ResponseTemplate};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (east, west) = (MockServer::start().await, MockServer::start().await);
    let price = || ResponseTemplate::new(200).set_body_json(json!({ "price": 42 }));
    let quick = Mock::given(method("GET")).respond_with(price()).mount_as_scoped(&east).await;
    Mock::given(method("GET")).respond_with(price()).mount(&west).await;

    // A good delay is what 95 of 100 reads take. Reads do no harm when both answer.
    let prices = FanOut::builder(policy::hedged(Duration::from_millis(500)))
        .sink("east", HttpSink::get(east.uri()).build()?.resilient(Resilience::default())?)
        .sink("west", HttpSink::get(west.uri()).build()?.resilient(Resilience::default())?)
        .build()?;

    // The first one is quick: the second is never asked.
    let report = prices.send(Message::bytes("")).await;
    println!("{report}\n");
    assert_eq!(report.winner().map(|winner| winner.sink()), Some("east"));
    assert_eq!(west.received_requests().await.unwrap_or_default().len(), 0);

    // It hangs: after the delay the second is asked, answers, and the first is cancelled.
    drop(quick);
    let hangs = price().set_delay(Duration::from_secs(30));
    Mock::given(method("GET")).respond_with(hangs).mount(&east).await;
    let report = prices.send(Message::bytes("")).await;
    println!("{report}");
    let answer: Value = report.json("west")?;
    assert_eq!(answer["price"], 42);
    let east = report.get("east").ok_or("every sink has an entry")?;
    assert!(matches!(east.outcome(), Outcome::Cancelled), "and nobody waits for it");
    Ok(())
}
