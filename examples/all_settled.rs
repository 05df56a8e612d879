//! Send to all, and look at every outcome: one failure hides nobody's success.

use fanout::{Completeness, FanOut, Message, Outcome, policy};
use fanout_http::HttpSink;
use wiremock::matchers::method;
use wiremock::{Mock, MockServer, ResponseTemplate};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (search, mail) = (MockServer::start().await, MockServer::start().await);
    Mock::given(method("POST")).respond_with(ResponseTemplate::new(202)).mount(&search).await;
    Mock::given(method("POST"))
        .respond_with(ResponseTemplate::new(422).set_body_string("no such mailbox"))
        .mount(&mail)
        .await;

    let send = FanOut::builder(policy::all_settled())
        .sink("search", HttpSink::post(search.uri()).build()?)
        .sink("mail", HttpSink::post(mail.uri()).build()?)
        .build()?;
    let report = send.send(Message::text("hello")).await;

    for delivery in report.deliveries() {
        match delivery.outcome() {
            Outcome::Delivered(receipt) => {
                println!("{}: taken in: {}", delivery.sink(), receipt.is_accepted());
            }
            Outcome::Failed(error) => {
                println!("{}: {} ({:?})", delivery.sink(), error, error.excerpt());
            }
            other => println!("{}: {}", delivery.sink(), other.as_str()),
        }
    }
    assert!(report.is_satisfied(), "under all_settled it always is");
    assert_eq!(report.completeness(), Completeness::Partial);

    // What is left to do: only `mail` misses the message, and surely does.
    let left: Vec<_> = report.resend().unsent.iter().map(|delivery| delivery.sink()).collect();
    assert_eq!(left, ["mail"]);
    Ok(())
}
