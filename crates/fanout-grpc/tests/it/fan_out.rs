//! The sink in a fan-out: one JSON message to a closure and to a gRPC server, and drops.

use std::sync::{Arc, Mutex};

use fanout::{Effect, FanOut, Message, Outcome, Receipt, Status, policy, sink_fn};
use fanout_grpc::Schema;
use tokio::net::TcpListener;
use tokio::sync::Notify;

use crate::server::{Server, descriptor_set};

#[tokio::test]
async fn one_json_message_reaches_a_closure_and_a_grpc_server() {
    let server = Server::echo().await;
    let schema = Schema::descriptor_set(descriptor_set()).unwrap();
    let audit = server.place().schema(schema).build().unwrap();
    let bodies = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&bodies);
    let web = sink_fn(move |message: Message, _| {
        seen.lock().unwrap().push(message.payload().clone());
        async { Ok(Receipt::new().with_status(Status::new(201, "Created"))) }
    });
    let orders =
        FanOut::builder(policy::all()).sink("web", web).sink("audit", audit).build().unwrap();

    let message = Message::json(&serde_json::json!({ "orderId": "a", "total": 7 })).unwrap();
    let report = orders.send(message).await;
    assert!(report.is_satisfied(), "{report}");
    assert_eq!(*bodies.lock().unwrap(), [r#"{"orderId":"a","total":7}"#]);
    let reply: serde_json::Value = report.json("audit").unwrap();
    assert_eq!(reply["number"], "7");
}

/// What a fan-out records of a gRPC sink that is cancelled when `moment` comes.
async fn effect_of_a_loser(url: String, moment: Arc<Notify>) -> Effect {
    let slow = fanout_grpc::GrpcSink::unary(url, "shop.v1.Orders/Place").build().unwrap();
    let fast = sink_fn(move |_, _| {
        let moment = Arc::clone(&moment);
        async move {
            moment.notified().await;
            Ok(Receipt::new())
        }
    });
    let first =
        FanOut::builder(policy::first()).sink("slow", slow).sink("fast", fast).build().unwrap();
    let report = first.send(Message::bytes("")).await;
    assert!(report.is_satisfied(), "{report}");
    let slow = report.get("slow").expect("an entry");
    assert!(matches!(slow.outcome(), Outcome::Cancelled), "{report}");
    slow.effect()
}

#[tokio::test]
async fn a_loser_that_was_still_connecting_had_no_effect() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("grpcs://{}", listener.local_addr().unwrap());
    let moment = Arc::new(Notify::new());
    let effect = tokio::spawn(effect_of_a_loser(url, Arc::clone(&moment)));
    // Connected, and then silence in the place of a TLS handshake.
    let connection = listener.accept().await.unwrap();
    moment.notify_one();
    assert_eq!(effect.await.unwrap(), Effect::None);
    drop(connection);
}

#[tokio::test]
async fn a_loser_that_was_sent_may_have_had_one() {
    let moment = Arc::new(Notify::new());
    let arrived = Arc::clone(&moment);
    let server = Server::start(move |_| {
        arrived.notify_one();
        Box::pin(std::future::pending())
    })
    .await;
    let url = format!("grpc://127.0.0.1:{}", server.port());
    assert_eq!(effect_of_a_loser(url, moment).await, Effect::Maybe);
    assert_eq!(server.requests().len(), 1);
}
