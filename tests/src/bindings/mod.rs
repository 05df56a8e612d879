//! The sinks of this project, bound to the conformance suite.

mod grpc;
mod http;
mod memory;
mod piped;

use fanout_conformance::{
    Harness, Suite, engine_suite, fanout_engine, fanout_resilience, resilience_suite,
    resilient_sink_suite, sink_suite,
};

pub use self::grpc::Grpc;
pub use self::http::Http;
pub use self::memory::Memory;
pub use self::piped::Piped;

/// Returns every suite: the engine, the pipeline, and the sinks by transport.
#[must_use]
pub fn suites() -> Vec<(&'static str, Suite)> {
    vec![
        ("engine", engine_suite(fanout_engine)),
        ("resilience", resilience_suite(fanout_resilience)),
        ("memory", sink_suite(Memory)),
        ("http", whole(Http::Raw)),
        ("http/wiremock", whole(Http::Wiremock)),
        ("grpc", whole(Grpc)),
        // Answers that ask for a pause would make the cases of a protocol wait for each other.
        ("memory+pipe", sink_suite(Piped(Memory)).only("sink/")),
        ("http+pipe", sink_suite(Piped(Http::Raw)).only("sink/")),
        ("grpc+pipe", sink_suite(Piped(Grpc)).only("sink/")),
    ]
}

/// The suite for a transport: by itself, and below the pipeline.
pub fn whole(harness: impl Harness + Copy) -> Suite {
    sink_suite(harness).and(resilient_sink_suite(harness, fanout_resilience))
}
