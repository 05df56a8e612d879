//! A sink that keeps failing is left alone, and found again when it works.

use std::sync::Arc;
use std::time::Duration;

use fanout::policy::{self, OnAmbiguous};
use fanout::resilience::Resilience;
use fanout::{Error, ErrorKind, FanOut, Message, Sink, SinkExt};
use fanout_http::HttpSink;
use wiremock::matchers::method;
use wiremock::{Mock, MockServer, ResponseTemplate};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (near, far) = (MockServer::start().await, MockServer::start().await);
    let answers = || Mock::given(method("GET")).respond_with(ResponseTemplate::new(200));
    answers().mount(&far).await;
    let broken = Mock::given(method("GET")).respond_with(ResponseTemplate::new(503));
    let broken = broken.mount_as_scoped(&near).await;

    let numbers = Resilience::default()
        .max_attempts(1)
        .breaker_consecutive(3)
        .breaker_open(Duration::from_secs(1));
    let near_sink = Arc::new(HttpSink::get(near.uri()).build()?.resilient(numbers)?);
    // Reads: asking both does no harm, so an unclear failure may be left for the next.
    let read = FanOut::builder(policy::fallback(OnAmbiguous::Proceed))
        .sink("near", Arc::clone(&near_sink))
        .sink("far", HttpSink::get(far.uri()).build()?)
        .build()?;

    // Three failures in a row open the breaker. Nobody notices: the other one answers.
    for _ in 0..3 {
        assert!(read.send(Message::bytes("")).await.is_satisfied());
    }
    // From now on nothing is sent there.
    let report = read.send(Message::bytes("")).await;
    println!("{report}\n");
    let skipped = report.get("near").ok_or("every sink has an entry")?;
    assert_eq!(skipped.error().map(Error::kind), Some(ErrorKind::CircuitOpen));
    assert_eq!(skipped.attempts(), 0);
    assert_eq!(broken.received_requests().await.len(), 3, "and the server saw nothing of it");

    // It is mended. When its time is over, one send goes there to see, and the breaker closes.
    drop(broken);
    answers().mount(&near).await;
    while !near_sink.is_available() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let report = read.send(Message::bytes("")).await;
    println!("{report}");
    assert_eq!(report.winner().map(|winner| winner.sink()), Some("near"));
    Ok(())
}
