//! One payload to two APIs: both must take it.

use fanout::{FanOut, Message, policy};
use fanout_http::HttpSink;
use serde_json::json;
use wiremock::matchers::{body_json, method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Two stand-ins for other people's APIs.
    let (billing, audit) = (MockServer::start().await, MockServer::start().await);
    for server in [&billing, &audit] {
        Mock::given(method("POST"))
            .and(path("/v1/orders"))
            .and(body_json(json!({ "order": 17, "amount": 9.5 })))
            .respond_with(ResponseTemplate::new(201))
            .expect(1)
            .mount(server)
            .await;
    }

    let orders = FanOut::builder(policy::all())
        .name("orders")
        .sink("billing", HttpSink::post(format!("{}/v1/orders", billing.uri())).build()?)
        .sink("audit", HttpSink::post(format!("{}/v1/orders", audit.uri())).build()?)
        .build()?;

    let report = orders.send(Message::json(&json!({ "order": 17, "amount": 9.5 }))?).await;

    println!("{report}");
    assert!(report.is_satisfied());
    Ok(())
}
