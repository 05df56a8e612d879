//! `GrpcSink` against the gRPC fake.

use fanout::{Idempotency, Message, async_trait};
use fanout_conformance::fakes::{GrpcFake, Script, Unplayable};
use fanout_conformance::{Capabilities, Capability, Clock, Endpoint, Harness, SECRET, UnderTest};
use fanout_grpc::{GrpcSink, GrpcSinkBuilder};

/// Binds `GrpcSink` with encoded payloads.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "there is nothing to add to a name")]
pub struct Grpc;

#[async_trait]
impl Harness for Grpc {
    fn name(&self) -> String {
        "grpc".to_owned()
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::new(Clock::Real)
            .with(Capability::Grpc)
            .with(Capability::Key)
            .without(Capability::NoTasks, "the pool keeps a task for each open connection")
    }

    async fn endpoint(&self, script: Script) -> Result<Endpoint, Unplayable> {
        GrpcFake::start(script).await
    }

    fn sink(&self, endpoint: &Endpoint) -> UnderTest {
        UnderTest::with_debug(unary(endpoint).build().expect("a sound sink"))
    }

    fn keyed(&self, endpoint: &Endpoint) -> UnderTest {
        let sink = unary(endpoint).idempotency(Idempotency::Key).build();
        UnderTest::with_debug(sink.expect("a sound sink"))
    }

    /// An encoded protobuf message: field 1, the number 17.
    fn message(&self) -> Message {
        Message::bytes(&[8, 17][..])
    }
}

fn unary(endpoint: &Endpoint) -> GrpcSinkBuilder {
    GrpcSink::unary(format!("http://{}", endpoint.address()), "shop.Orders/Place")
        .metadata("authorization", format!("Bearer {SECRET}"))
}
