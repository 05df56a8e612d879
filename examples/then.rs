//! The second call depends on the first: authenticate, then send the data with the token.

use fanout::{Chain, Error, ErrorKind, Message};
use fanout_http::HttpSink;
use serde_json::{Value, json};
use wiremock::matchers::{body_json, header, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let api = MockServer::start().await;
    Mock::given(path("/login"))
        .and(body_json(json!({ "user": "ada", "password": "correct horse" })))
        .respond_with(ResponseTemplate::new(200).set_body_json(json!({ "token": "t-17" })))
        .expect(1)
        .mount(&api)
        .await;
    Mock::given(path("/users"))
        .and(header("authorization", "Bearer t-17"))
        .and(body_json(json!({ "city": "London" })))
        .respond_with(ResponseTemplate::new(201))
        .expect(1)
        .mount(&api)
        .await;

    let chain = Chain::builder()
        .step_with("login", HttpSink::post(format!("{}/login", api.uri())).build()?, |_| {
            Message::json(&json!({ "user": "ada", "password": "correct horse" }))
        })
        .step_with("users", HttpSink::post(format!("{}/users", api.uri())).build()?, |so_far| {
            let answer: Value = so_far.receipt().json()?;
            let token = answer["token"]
                .as_str()
                .ok_or_else(|| Error::new(ErrorKind::Protocol, "the login gave no token"))?;
            Ok(so_far.message().clone().with_metadata("authorization", format!("Bearer {token}")))
        })
        .build()?;

    let report = chain.send(Message::json(&json!({ "city": "London" }))?).await;

    println!("{report}");
    assert!(report.is_satisfied());
    Ok(())
}
