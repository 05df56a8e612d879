//! An API that is deprecated says what comes after it, and moving there is one line.

use fanout::{FanOut, Message, policy};
use fanout_http::{ApiVersion, HttpSink};
use wiremock::matchers::path;
use wiremock::{Mock, MockServer, ResponseTemplate};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = MockServer::start().await;
    let old = ResponseTemplate::new(200)
        .insert_header("deprecation", "@1688169599")
        .insert_header("sunset", "Tue, 31 Dec 2999 23:59:59 GMT")
        .insert_header("link", "</v2/orders>; rel=\"successor-version\"");
    Mock::given(path("/v1/orders")).respond_with(old).mount(&server).await;
    let new = ResponseTemplate::new(200);
    Mock::given(path("/v2/orders")).respond_with(new).mount(&server).await;

    let orders = |version| -> Result<FanOut, Box<dyn std::error::Error>> {
        let sink = HttpSink::post(format!("{}/{{version}}/orders", server.uri()))
            // Moving to the next version is this line.
            .api_version(ApiVersion::path(version))
            .build()?;
        Ok(FanOut::builder(policy::all()).sink("orders", sink).build()?)
    };

    // The message is delivered all the same. The warning is said once, the facts are in every report.
    let v1 = orders("v1")?;
    let report = v1.send(Message::json(&17)?).await;
    println!("{report}\n");
    assert!(report.is_satisfied());
    let again = v1.send(Message::json(&18)?).await;
    println!("{again}\n");
    let (sink, notice) = again.api_notices().next().ok_or("v1 is deprecated")?;
    println!("{sink} {notice}\n");
    assert_eq!((notice.version(), notice.is_deprecated()), (Some("v1"), true));
    let successor = format!("{}/v2/orders", server.uri());
    assert_eq!(notice.successor(), Some(successor.as_str()));
    assert!(notice.sunset().is_some());

    let report = orders("v2")?.send(Message::json(&19)?).await;
    println!("{report}");
    assert!(report.is_satisfied());
    assert_eq!(report.api_notices().count(), 0);
    Ok(())
}
