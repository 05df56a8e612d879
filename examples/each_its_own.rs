//! Different data to each API: the credentials to one, the user's data to the other.

use fanout::{FanOut, Message, policy};
use fanout_http::HttpSink;
use serde_json::json;
use wiremock::matchers::{body_json, method};
use wiremock::{Mock, MockServer, ResponseTemplate};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let credentials = json!({ "user": "ada", "password": "correct horse" });
    let profile = json!({ "user": "ada", "city": "London" });
    let (auth, users) = (MockServer::start().await, MockServer::start().await);
    for (server, body) in [(&auth, &credentials), (&users, &profile)] {
        Mock::given(method("POST"))
            .and(body_json(body))
            .respond_with(ResponseTemplate::new(204))
            .expect(1)
            .mount(server)
            .await;
    }

    let sign_up = FanOut::builder(policy::all())
        .sink("auth", HttpSink::post(auth.uri()).build()?)
        .sink("users", HttpSink::post(users.uri()).build()?)
        .build()?;

    // The names must be exactly those of the sinks: no credential goes astray by a typing error.
    let messages = [("auth", Message::json(&credentials)?), ("users", Message::json(&profile)?)];
    let report = sign_up.send_each(messages).await?;

    println!("{report}");
    assert!(report.is_satisfied());
    Ok(())
}
