//! The cases: plain functions, one rule each.

mod engine;
mod engine_deadline;
mod engine_in_turn;
mod engine_policy;
mod engine_rest;
mod engine_send;
mod engine_verdict;
mod explore;
mod grpc;
mod http;
mod http_life;
mod http_status;
mod policy;
mod policy_engine;
mod resilience;
mod resilience_breaker;
mod resilience_deadline;
mod resilience_destination;
mod resilience_lifecycle;
mod resilience_limits;
mod resilience_retry;
mod resilience_retry_when;
mod resilience_throttle;
mod resilience_wire;
mod scene;
mod sink;
mod sink_drop;
mod sink_failure;

use std::sync::Arc;

use futures_util::future::LocalBoxFuture;

use crate::capability::Capability;
use crate::harness::Harness;
use crate::suite::{Case, Outcome, Rule, Suite};

pub use self::engine::{engine_suite, fanout_engine};
pub use self::policy::{PolicyCheck, check_policy, policy_suites};
pub use self::resilience::{fanout_resilience, resilience_suite};
pub use self::resilience_wire::resilient_sink_suite;

/// Judges a sink by its contract, against endpoints that play scripts. Await the result.
///
/// The sections for HTTP and gRPC are part of it for a sink that claims
/// [`Capability::Http`] or [`Capability::Grpc`].
///
/// # Examples
///
/// ```
/// use fanout::async_trait;
/// use fanout_conformance::fakes::{Script, Unplayable};
/// use fanout_conformance::{Capabilities, Clock, Endpoint, Harness, UnderTest, sink_suite};
///
/// /// Binds `Arc<S>`, whose destination is a scripted sink in memory.
/// struct Wrapped;
///
/// #[async_trait]
/// impl Harness for Wrapped {
///     fn name(&self) -> String {
///         "arc".to_owned()
///     }
///
///     fn capabilities(&self) -> Capabilities {
///         Capabilities::new(Clock::Paused)
///     }
///
///     async fn endpoint(&self, script: Script) -> Result<Endpoint, Unplayable> {
///         Endpoint::in_memory(script)
///     }
///
///     fn sink(&self, endpoint: &Endpoint) -> UnderTest {
///         let destination = endpoint.as_sink().expect("the endpoint is in memory").clone();
///         UnderTest::new(std::sync::Arc::new(destination))
///     }
/// }
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// sink_suite(Wrapped).await.assert_passed();
/// # });
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn sink_suite(harness: impl Harness) -> Suite {
    let harness: Arc<dyn Harness> = Arc::new(harness);
    let capabilities = harness.capabilities();
    let cases = [
        sink::CASES,
        sink_failure::CASES,
        sink_drop::CASES,
        http_status::CASES,
        http::CASES,
        http_life::CASES,
        grpc::CASES,
    ]
    .into_iter();
    // What is of another protocol is not a gap, so it is not shown as one.
    let of_the_protocol = |case: &&SinkCase| {
        let foreign = |need: &Capability| {
            matches!(need, Capability::Http | Capability::Grpc)
                && capabilities.reason_against(*need).is_some()
        };
        !case.needs.iter().any(foreign)
    };
    let cases = cases.flatten().filter(of_the_protocol);
    let bound = cases.map(|case| {
        let (run, harness) = (case.run, Arc::clone(&harness));
        let waived = case.needs.iter().find_map(|need| capabilities.reason_against(*need));
        Case {
            rule: case.rule,
            clock: capabilities.clock(),
            waived: waived.map(str::to_owned),
            start: Box::new(move || run(harness)),
        }
    });
    Suite::new(harness.name(), bound.collect())
}

pub(crate) struct SinkCase {
    pub(crate) rule: Rule,
    pub(crate) needs: &'static [Capability],
    pub(crate) run: fn(Arc<dyn Harness>) -> LocalBoxFuture<'static, Outcome>,
}

/// Makes a row of a table of sink cases: the function, the name, what it needs, and the rule.
macro_rules! sink_case {
    ($run:ident, $id:literal, [$($need:ident),*], $rule:literal) => {
        $crate::cases::SinkCase {
            rule: $crate::suite::Rule { id: $id, text: $rule },
            needs: &[$($crate::capability::Capability::$need),*],
            run: |harness| Box::pin($run(harness)),
        }
    };
}
pub(crate) use sink_case;
