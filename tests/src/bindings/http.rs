//! `HttpSink` against the HTTP fakes.

use fanout::{Idempotency, async_trait};
use fanout_conformance::fakes::{RawHttpFake, Script, Unplayable, WiremockFake};
use fanout_conformance::{Capabilities, Capability, Clock, Endpoint, Harness, SECRET, UnderTest};
use fanout_http::{HttpSink, HttpSinkBuilder};

/// Binds `HttpSink` to one of the fakes.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_enums, reason = "these are the fakes that there are")]
pub enum Http {
    /// The one on bare TCP, which can play every script.
    Raw,
    /// The one by wiremock: an HTTP server that this project did not write.
    Wiremock,
}

#[async_trait]
impl Harness for Http {
    fn name(&self) -> String {
        match self {
            Self::Raw => "http".to_owned(),
            Self::Wiremock => "http/wiremock".to_owned(),
        }
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::new(Clock::Real)
            .with(Capability::Http)
            .with(Capability::Key)
            .without(Capability::NoTasks, "the pool keeps a task for each open connection")
    }

    async fn endpoint(&self, script: Script) -> Result<Endpoint, Unplayable> {
        match self {
            Self::Raw => RawHttpFake::start(script).await,
            Self::Wiremock => WiremockFake::start(script).await,
        }
    }

    fn sink(&self, endpoint: &Endpoint) -> UnderTest {
        UnderTest::with_debug(post(endpoint).build().expect("a sound sink"))
    }

    fn keyed(&self, endpoint: &Endpoint) -> UnderTest {
        let sink = post(endpoint).idempotency(Idempotency::Key).build();
        UnderTest::with_debug(sink.expect("a sound sink"))
    }
}

fn post(endpoint: &Endpoint) -> HttpSinkBuilder {
    HttpSink::post(format!("http://{}/orders", endpoint.address()))
        .header("authorization", format!("Bearer {SECRET}"))
}
