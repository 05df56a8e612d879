//! The engine keeps every rule.

use fanout_conformance::{engine_suite, fanout_engine};

#[tokio::test]
async fn the_engine_passes() {
    let result = engine_suite(fanout_engine).await;
    println!("{result}");
    result.assert_passed();
    assert_eq!(result.counts().2, 0, "nothing of the engine is left out");
}
