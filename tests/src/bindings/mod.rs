//! The sinks of this project, bound to the conformance suite.

mod grpc;
mod http;
mod memory;

use fanout_conformance::{
    Suite, engine_suite, fanout_engine, fanout_resilience, resilience_suite, sink_suite,
};

pub use self::grpc::Grpc;
pub use self::http::Http;
pub use self::memory::Memory;

/// Returns every suite: the engine, the pipeline, and the sinks by transport.
#[must_use]
pub fn suites() -> Vec<(&'static str, Suite)> {
    vec![
        ("engine", engine_suite(fanout_engine)),
        ("resilience", resilience_suite(fanout_resilience)),
        ("memory", sink_suite(Memory)),
        ("http", sink_suite(Http::Raw)),
        ("http/wiremock", sink_suite(Http::Wiremock)),
        ("grpc", sink_suite(Grpc)),
    ]
}
