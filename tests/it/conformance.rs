//! Every transport keeps the contract.

use fanout_conformance::sink_suite;
use fanout_tests::bindings::{Grpc, Http, Piped, whole};

#[tokio::test]
async fn the_http_sink_passes_the_suite() {
    whole(Http::Raw).await.assert_passed();
    whole(Http::Wiremock).await.assert_passed();
}

#[tokio::test]
async fn the_grpc_sink_passes_the_suite() {
    whole(Grpc).await.assert_passed();
}

#[tokio::test]
async fn the_sinks_keep_the_contract_below_the_pipeline_too() {
    sink_suite(Piped(Http::Raw)).only("sink/").await.assert_passed();
    sink_suite(Piped(Grpc)).only("sink/").await.assert_passed();
}
