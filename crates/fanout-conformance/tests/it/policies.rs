//! Every policy of the catalogue keeps the contract and the laws.

use fanout_conformance::policy_suites;

#[tokio::test]
async fn the_catalogue_passes() {
    for suite in policy_suites() {
        let result = suite.await;
        println!("{result}");
        result.assert_passed();
        // Two policies do not claim two rules each, and say why; all else is shown.
        let declared = match result.subject() {
            "race" | "all_settled" => 2,
            // A quorum of more than one cannot be tried with one sink alone.
            "quorum(2)" | "quorum(3)" => 1,
            _ => 0,
        };
        assert_eq!(result.counts().2, declared, "{result}");
    }
}
