//! Every transport keeps the contract.

use fanout_tests::bindings::{Grpc, Http, whole};

#[tokio::test]
async fn the_http_sink_passes_the_suite() {
    whole(Http::Raw).await.assert_passed();
    whole(Http::Wiremock).await.assert_passed();
}

#[tokio::test]
async fn the_grpc_sink_passes_the_suite() {
    whole(Grpc).await.assert_passed();
}
