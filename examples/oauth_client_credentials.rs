//! A token that is fetched once for all sends, and fetched anew when it is refused.

use fanout::resilience::Resilience;
use fanout::{FanOut, Message, Secret, SinkExt, policy};
use fanout_http::HttpSink;
use fanout_http::auth::OAuth2;
use serde_json::json;
use wiremock::matchers::{body_string_contains, header, method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // The token endpoint: the first token is one that the API has forgotten, as after a restart.
    let idp = MockServer::start().await;
    let token = |token: &str| {
        let body = json!({ "access_token": token, "token_type": "Bearer", "expires_in": 3600 });
        ResponseTemplate::new(200).set_body_json(body)
    };
    let asked = || {
        Mock::given(method("POST"))
            .and(path("/token"))
            .and(body_string_contains("grant_type=client_credentials"))
    };
    asked().respond_with(token("forgotten")).up_to_n_times(1).mount(&idp).await;
    asked().respond_with(token("good")).mount(&idp).await;

    let api = MockServer::start().await;
    let good = Mock::given(header("authorization", "Bearer good"));
    good.respond_with(ResponseTemplate::new(201)).with_priority(1).mount(&api).await;
    Mock::given(method("POST")).respond_with(ResponseTemplate::new(401)).mount(&api).await;

    // In production: Secret::from_env("BILLING_SECRET")?, or from_file, which follows the file.
    let secret = Secret::new("correct horse battery staple");
    let oauth = OAuth2::client_credentials(format!("{}/token", idp.uri()), "billing", secret)
        .scope("orders:write")
        .build()?;
    let billing = HttpSink::post(api.uri()).auth(oauth).build()?;
    let orders = FanOut::builder(policy::all())
        .sink("billing", billing.resilient(Resilience::default())?)
        .build()?;

    // 401, a fresh token, 201. The message was surely not taken the first time, so even a POST may be sent
    // again; that is no attempt that counts.
    let report = orders.send(Message::json(&json!({ "order": 17 }))?).await;
    println!("{report}\n");
    assert!(report.is_satisfied());

    // From here on the token is there.
    for order in 18..28 {
        assert!(orders.send(Message::json(&json!({ "order": order }))?).await.is_satisfied());
    }
    let requests = idp.received_requests().await.unwrap_or_default().len();
    println!("11 orders sent with {requests} requests for a token");
    assert_eq!(requests, 2);
    Ok(())
}
