//! Ask two replicas and take the first good answer: a fast error never wins.

use std::time::Duration;

use fanout::{FanOut, Message, policy};
use fanout_http::HttpSink;
use serde_json::{Value, json};
use wiremock::matchers::method;
use wiremock::{Mock, MockServer, ResponseTemplate};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (broken, slow) = (MockServer::start().await, MockServer::start().await);
    Mock::given(method("GET")).respond_with(ResponseTemplate::new(500)).mount(&broken).await;
    Mock::given(method("GET"))
        .respond_with(
            ResponseTemplate::new(200)
                .set_body_json(json!({ "price": 42 }))
                .set_delay(Duration::from_millis(20)),
        )
        .mount(&slow)
        .await;

    // Reads may be asked twice without harm: that is what `first` is for.
    let price = FanOut::builder(policy::first())
        .sink("east", HttpSink::get(broken.uri()).build()?)
        .sink("west", HttpSink::get(slow.uri()).build()?)
        .build()?;
    let report = price.send(Message::bytes("")).await;

    println!("{report}");
    let winner = report.winner().ok_or("nobody answered")?;
    let answer: Value = report.json(winner.sink())?;
    assert_eq!((winner.sink(), &answer["price"]), ("west", &json!(42)));
    Ok(())
}
