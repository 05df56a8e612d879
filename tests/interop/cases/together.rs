//! One message to all of them at once.

use fanout::policy::all;
use fanout::{Completeness, FanOut, Message};
use fanout_grpc::{GrpcSink, Schema};
use serde_json::{Value, json};

use super::{hex, post};
use crate::servers::front::{Front, Via};
use crate::servers::script::Script;

pub(crate) async fn one_json_message_reaches_http_and_grpc() {
    let mut nginx = Front::clear(Via::Nginx).await;
    let mut python = Front::clear(Via::Python).await;
    let mut node = Front::tls(Via::Node).await;
    let mut grpcio = Script::grpcio(None).await;
    let endpoint = format!("http://127.0.0.1:{}", grpcio.port());
    let grpc = GrpcSink::unary(endpoint, "interop.v1.Orders/Place").schema(Schema::Reflection);

    let fan_out = FanOut::builder(all())
        .sink("nginx", post(&nginx, &nginx.url("/orders")))
        .sink("python", post(&python, &python.url("/orders")))
        .sink("node", post(&node, &node.url("/orders")))
        .sink("grpcio", grpc.build().expect("a sound sink"))
        .build()
        .expect("a sound fan-out");
    let order = Message::json(&json!({ "id": "A-17", "cents": 1999 })).expect("sound JSON");
    let report = fan_out.send(&order).await;

    assert!(report.is_satisfied(), "{report}");
    assert_eq!(report.completeness(), Completeness::Full);
    let length = order.payload().len();
    for name in ["nginx", "python", "node"] {
        let answer: Value = report.json(name).expect("an answer in JSON");
        assert_eq!(answer, json!({ "taken": length }), "{name}");
    }
    let answer: Value = report.json("grpcio").expect("an answer in JSON");
    assert_eq!(answer, json!({ "orderId": "A-17", "totalCents": "1999" }));

    for front in [&mut nginx, &mut python, &mut node] {
        assert_eq!(front.next().await.body(), hex(order.payload()));
        assert_eq!(front.script.end().await, 0, "one request");
    }
    let seen = grpcio.next().await;
    assert_eq!((&seen["id"], &seen["cents"]), (&json!("A-17"), &json!(1999)));
    assert_eq!(grpcio.end().await, 0, "one call");
}
