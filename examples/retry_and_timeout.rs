//! Tried again where that is safe, and only there.

use std::time::Duration;

use fanout::resilience::Resilience;
use fanout::{Effect, FanOut, Message, SinkExt, StopReason, policy};
use fanout_http::HttpSink;
use wiremock::matchers::method;
use wiremock::{Mock, MockServer, ResponseTemplate};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (profile, payment) = (MockServer::start().await, MockServer::start().await);
    // One fails, then says nothing, then works; the other fails.
    let fails = || Mock::given(method("PUT")).respond_with(ResponseTemplate::new(500));
    let silent = ResponseTemplate::new(204).set_delay(Duration::from_secs(30));
    fails().up_to_n_times(1).mount(&profile).await;
    Mock::given(method("PUT")).respond_with(silent).up_to_n_times(1).mount(&profile).await;
    Mock::given(method("PUT")).respond_with(ResponseTemplate::new(204)).mount(&profile).await;
    Mock::given(method("POST")).respond_with(ResponseTemplate::new(500)).mount(&payment).await;

    let numbers = Resilience::default()
        .attempt_timeout(Duration::from_millis(500))
        .total_timeout(Duration::from_secs(5))
        .max_attempts(3);
    let save = FanOut::builder(policy::all_settled())
        .sink("profile", HttpSink::put(profile.uri()).build()?.resilient(numbers.clone())?)
        .sink("payment", HttpSink::post(payment.uri()).build()?.resilient(numbers)?)
        .build()?;
    let report = save.send(Message::json(&serde_json::json!({ "user": 17 }))?).await;
    println!("{report}");

    // A PUT says the same twice (RFC 9110 section 9.2.2), so it went out until it was answered.
    let profile = report.get("profile").ok_or("every sink has an entry")?;
    assert!(profile.is_delivered());
    assert_eq!(profile.attempts(), 3);

    // A POST after a 500 may have been applied: a second one could pay twice.
    let payment = report.get("payment").ok_or("every sink has an entry")?;
    assert_eq!((payment.attempts(), payment.effect()), (1, Effect::Maybe));
    assert_eq!(payment.stop_reason(), Some(StopReason::AmbiguousNotIdempotent));
    Ok(())
}
