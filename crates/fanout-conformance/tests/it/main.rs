//! The suites against what is right, and against what is broken.

mod broken_engines;
mod broken_policies;
mod broken_resilience;
mod broken_sinks;
mod engine;
#[cfg(feature = "http")]
mod fakes;
mod policies;
mod resilience;
mod sinks;
mod suite;
#[cfg(any(feature = "grpc", feature = "http"))]
mod wire;
#[cfg(feature = "grpc")]
mod wire_grpc;
#[cfg(feature = "http")]
mod wire_http;
#[cfg(all(feature = "grpc", feature = "http"))]
mod wire_resilience;

use fanout_conformance::{CaseOutcome, Suite};

/// Runs the one case of `suite`, and checks that it fails with a message that names the rule.
async fn rejected(subject: &str, suite: Suite, id: &str) {
    let result = suite.await;
    let [case] = result.results() else {
        panic!("{id} names {} cases, not one", result.results().len());
    };
    assert!(
        matches!(case.outcome, CaseOutcome::Failed(_)),
        "{subject:?} is not rejected by {id}: {case}"
    );
    let message = case.to_string();
    assert!(message.contains(id) && message.contains(case.rule.text), "{message}");
}
