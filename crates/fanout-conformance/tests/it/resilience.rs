//! The pipeline keeps every rule.

use fanout_conformance::{fanout_resilience, resilience_suite};

#[tokio::test]
async fn the_pipeline_passes() {
    let result = resilience_suite(fanout_resilience).await;
    println!("{result}");
    result.assert_passed();
    assert_eq!(result.counts().2, 0, "nothing of the pipeline is left out");
}
