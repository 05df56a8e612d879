//! A webhook that is signed, and the receiver that verifies it, drops replays and refuses the rest.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use fanout::{ErrorKind, FanOut, Message, policy};
use fanout_http::{HttpSink, Signer};
use fanout_webhook::Verifier;
use wiremock::matchers::method;
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

/// Made once, by `echo "whsec_$(openssl rand -base64 32)"`; a real one comes from a file or the environment.
const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
const STOLEN: &str = "whsec_bm90IHRoZSBvbGQgb25lLCBidXQgdGhlIG5ldyBvbmU=";

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // The receiver: the headers and the bytes as they came, before anything parses them.
    let verifier = Verifier::new(SECRET)?;
    let (seen, done) = (Mutex::new(HashSet::new()), Arc::new(Mutex::new(Vec::new())));
    let work = Arc::clone(&done);
    let receive = move |request: &Request| match verifier.verify(&request.headers, &request.body) {
        Err(error) => {
            println!("refused: {error}");
            ResponseTemplate::new(401)
        }
        Ok(webhook) => {
            let is_new = seen.lock().is_ok_and(|mut seen| seen.insert(webhook.id().to_owned()));
            // A repeat is answered as the first was, and not done again.
            if let (true, Ok(mut work)) = (is_new, work.lock()) {
                work.push(webhook.id().to_owned());
            }
            ResponseTemplate::new(204)
        }
    };
    let server = MockServer::start().await;
    Mock::given(method("POST")).respond_with(receive).mount(&server).await;

    // The sender.
    let hook = HttpSink::post(server.uri()).sign(Signer::new(SECRET)?).build()?;
    let hooks = FanOut::builder(policy::all()).sink("customer", hook).build()?;
    let paid =
        Message::json(&serde_json::json!({ "type": "order.paid", "data": { "order": 17 } }))?;
    for _ in 0..2 {
        let report = hooks.send(&paid).await;
        println!("{report}\n");
        assert!(report.is_satisfied());
    }
    // Two attempts, the same id: it was done once.
    assert_eq!(done.lock().map_err(|_| "poisoned")?.as_slice(), [format!("msg_{}", paid.id())]);

    // Somebody else.
    let forged = HttpSink::post(server.uri()).sign(Signer::new(STOLEN)?).build()?;
    let forged = FanOut::builder(policy::all()).sink("customer", forged).build()?;
    let report = forged.send(Message::text("forged")).await;
    println!("{report}");
    let refused = report.get("customer").and_then(|delivery| delivery.error());
    assert_eq!(refused.map(|error| error.kind()), Some(ErrorKind::Unauthenticated));
    Ok(())
}
