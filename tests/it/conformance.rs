//! Every transport keeps the contract.

use fanout_conformance::sink_suite;
use fanout_tests::bindings::{Grpc, Http};

#[tokio::test]
async fn the_http_sink_passes_the_suite() {
    sink_suite(Http::Raw).await.assert_passed();
    sink_suite(Http::Wiremock).await.assert_passed();
}

#[tokio::test]
async fn the_grpc_sink_passes_the_suite() {
    sink_suite(Grpc).await.assert_passed();
}
