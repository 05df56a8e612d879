//! Tried again where that is safe, and only there.

use std::time::Duration;

use fanout::resilience::Resilience;
use fanout::{Effect, FanOut, Message, SinkExt, StopReason, policy};
use fanout_http::{HttpSink, Idempotency};
use wiremock::matchers::method;
use wiremock::{Mock, MockServer, ResponseTemplate};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (profile, payment) = (MockServer::start().await, MockServer::start().await);
    // One fails, then says nothing, then works; the other fails twice.
    let fails = || Mock::given(method("PUT")).respond_with(ResponseTemplate::new(500));
    let silent = ResponseTemplate::new(204).set_delay(Duration::from_secs(30));
    fails().up_to_n_times(1).mount(&profile).await;
    Mock::given(method("PUT")).respond_with(silent).up_to_n_times(1).mount(&profile).await;
    Mock::given(method("PUT")).respond_with(ResponseTemplate::new(204)).mount(&profile).await;
    let fails = || Mock::given(method("POST")).respond_with(ResponseTemplate::new(500));
    fails().up_to_n_times(2).mount(&payment).await;
    Mock::given(method("POST")).respond_with(ResponseTemplate::new(201)).mount(&payment).await;

    let numbers = Resilience::default()
        .attempt_timeout(Duration::from_millis(500))
        .total_timeout(Duration::from_secs(5))
        .max_attempts(3);
    let post = || HttpSink::post(payment.uri());
    let keyed = post().idempotency(Idempotency::Key).build()?;
    let save = FanOut::builder(policy::all_settled())
        .sink("profile", HttpSink::put(profile.uri()).build()?.resilient(numbers.clone())?)
        .sink("careful", post().build()?.resilient(numbers.clone())?)
        .build()?;
    let pay = FanOut::builder(policy::all()).sink("keyed", keyed.resilient(numbers)?).build()?;
    let message = Message::json(&serde_json::json!({ "user": 17 }))?;
    let report = save.send(&message).await;
    println!("{report}\n");

    // A PUT says the same twice (RFC 9110 section 9.2.2), so it went out until it was answered.
    let profile = report.get("profile").ok_or("every sink has an entry")?;
    assert!(profile.is_delivered());
    assert_eq!(profile.attempts(), 3);

    // A POST after a 500 may have been applied: a second one could pay twice.
    let careful = report.get("careful").ok_or("every sink has an entry")?;
    assert_eq!((careful.attempts(), careful.effect()), (1, Effect::Maybe));
    assert_eq!(careful.stop_reason(), Some(StopReason::AmbiguousNotIdempotent));

    // The same with a key, by which the server knows what it has seen.
    let report = pay.send(&message).await;
    println!("{report}");
    assert_eq!(report.get("keyed").map(|keyed| keyed.attempts()), Some(2));
    let requests = payment.received_requests().await.ok_or("requests are recorded")?;
    let keys: Vec<_> = requests.iter().map(|seen| seen.headers.get("idempotency-key")).collect();
    assert_eq!((keys[0], keys[1].is_some()), (None, true));
    assert_eq!(keys[1], keys[2], "the same on every attempt");
    Ok(())
}
