//! A sink that asks for a pause gets it, and a limit of our own keeps it from having to ask.

use std::time::{Duration, Instant};

use fanout::resilience::Resilience;
use fanout::{FanOut, Message, SinkExt, policy};
use fanout_http::HttpSink;
use wiremock::matchers::method;
use wiremock::{Mock, MockServer, ResponseTemplate};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let search = MockServer::start().await;
    let enough = ResponseTemplate::new(429).insert_header("retry-after", "1");
    Mock::given(method("POST")).respond_with(enough).up_to_n_times(1).mount(&search).await;
    Mock::given(method("POST")).respond_with(ResponseTemplate::new(202)).mount(&search).await;

    // 50 attempts a second, retries included, in bursts of 50 at most.
    let numbers = Resilience::default().rate_limit(50.0);
    let index = FanOut::builder(policy::all())
        .sink("search", HttpSink::post(search.uri()).build()?.resilient(numbers)?)
        .build()?;

    // 429: surely not applied, so even a POST is sent again, but not before the second is over. Other
    // sends to this sink wait as well.
    let report = index.send(Message::text("first")).await;
    println!("{report}\n");
    let first = report.get("search").ok_or("every sink has an entry")?;
    assert!(first.is_delivered());
    assert_eq!(first.attempts(), 2);
    assert!(first.delay() >= Duration::from_secs(1), "it asked for one second");

    // A burst of 50 and ten more, which get their turn one after the other, 20 ms apart.
    let start = Instant::now();
    for number in 0..60 {
        let report = index.send(Message::text(format!("number {number}"))).await;
        assert!(report.is_satisfied(), "{report}");
    }
    println!("60 sends took {:?}", start.elapsed());
    assert!(start.elapsed() >= Duration::from_millis(150));
    Ok(())
}
