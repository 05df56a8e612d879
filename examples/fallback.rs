//! A second provider when the first surely did not do it, and only then.

use std::time::Duration;

use fanout::policy::{self, OnAmbiguous, Reason, Verdict};
use fanout::{FanOut, Message, Outcome, SkipReason};
use fanout_http::HttpSink;
use wiremock::matchers::method;
use wiremock::{Mock, MockServer, ResponseTemplate};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (first, second) = (MockServer::start().await, MockServer::start().await);
    Mock::given(method("POST")).respond_with(ResponseTemplate::new(202)).mount(&second).await;

    // A text message must not go out twice, so: stop where it may be on its way already.
    let sms = FanOut::builder(policy::fallback(OnAmbiguous::Stop))
        .sink("first", HttpSink::post(first.uri()).timeout(Duration::from_millis(200)).build()?)
        .sink("second", HttpSink::post(second.uri()).build()?)
        .build()?;

    // The first provider has no credit: it surely sent nothing, and the second one is tried.
    let no_credit = Mock::given(method("POST")).respond_with(ResponseTemplate::new(402));
    let no_credit = no_credit.mount_as_scoped(&first).await;
    let report = sms.send(Message::text("your code is 4711")).await;
    println!("{report}\n");
    assert_eq!(report.winner().map(|winner| winner.sink()), Some("second"));
    drop(no_credit);

    // It takes the request and does not answer: it may have sent the text. Nothing is sent twice.
    let silent = ResponseTemplate::new(202).set_delay(Duration::from_secs(30));
    Mock::given(method("POST")).respond_with(silent).mount(&first).await;
    let report = sms.send(Message::text("your code is 4712")).await;
    println!("{report}");
    assert_eq!(report.verdict(), Verdict::Unsatisfied(Reason::Ambiguous));
    let second = report.get("second").ok_or("every sink has an entry")?;
    assert!(matches!(second.outcome(), Outcome::Skipped(SkipReason::Ambiguous)));
    Ok(())
}
