//! One JSON message to an HTTP API and to a gRPC API, which gets it as protobuf.

use fanout::{FanOut, Message, policy};
use fanout_conformance::fakes::{Answer, GrpcFake, Script};
use fanout_grpc::{GrpcSink, Schema};
use fanout_http::HttpSink;
use serde_json::{Value, json};
use wiremock::matchers::{body_json, method};
use wiremock::{Mock, MockServer, ResponseTemplate};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let order = json!({ "order": 17, "amount": 9.5 });
    let billing = MockServer::start().await;
    Mock::given(method("POST"))
        .and(body_json(&order))
        .respond_with(ResponseTemplate::new(201))
        .expect(1)
        .mount(&billing)
        .await;
    // A stand-in that answers with the bytes of `Recorded { id: "r-1" }`.
    let audit = GrpcFake::start(Script::given([Answer::respond(b"\x0a\x03r-1".to_vec())])).await?;

    // The schema is a descriptor set here, as `protoc --descriptor_set_out` writes it; a server with
    // reflection needs none: `Schema::reflection()`.
    let set = protox::Compiler::new([env!("CARGO_MANIFEST_DIR")])?
        .open_file("audit.proto")?
        .encode_file_descriptor_set();
    let endpoint = format!("http://{}", audit.address());
    let orders = FanOut::builder(policy::all())
        .sink("billing", HttpSink::post(billing.uri()).build()?)
        .sink(
            "audit",
            GrpcSink::unary(endpoint, "audit.v1.Audit/Record")
                .schema(Schema::descriptor_set(set)?)
                .build()?,
        )
        .build()?;

    let report = orders.send(Message::json(&order)?).await;

    println!("{report}");
    assert!(report.is_satisfied());
    let answer: Value = report.json("audit")?;
    assert_eq!(answer, json!({ "id": "r-1" }), "protobuf comes back as JSON");
    Ok(())
}
