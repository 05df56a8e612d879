//! What every [fanout](https://docs.rs/fanout) sink and policy must do, as cases that run in one line,
//! and the scripted fakes that they run against.
//!
//! # Your sink, in one line
//!
//! [`check_sink`] runs what can be run on any sink: concurrent calls, construction without I/O, nothing
//! left behind by a send that was dropped, no secret in sight.
//!
//! ```
//! use fanout::{Attempt, Error, Message, Receipt, Sink, async_trait};
//!
//! struct Console;
//!
//! #[async_trait]
//! impl Sink for Console {
//!     async fn send(&self, message: &Message, attempt: &Attempt) -> Result<Receipt, Error> {
//!         println!("{}: {} bytes", attempt.sink(), message.payload().len());
//!         Ok(Receipt::new())
//!     }
//! }
//!
//! # async fn test() {
//! // In a test: `#[tokio::test] async fn console_keeps_the_contract() {`
//! fanout_conformance::check_sink(|| Console).await.assert_passed();
//! # }
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(test());
//! ```
//!
//! # Your sink, in full
//!
//! Whether failures are classified truly can only be judged when the destination fails on demand. A
//! [`Harness`] gives the suite such a destination, an [`Endpoint`] that plays a
//! [`Script`](fakes::Script), and the sink aimed at it. There are fakes for HTTP and gRPC; a decorator
//! is tried around a [`ScriptedSink`](fakes::ScriptedSink), as here; for another protocol you bring a
//! server that understands the scripts, and say [`Unplayable`](fakes::Unplayable) to those it does not.
//!
//! ```
//! use fanout::{Attempt, Error, Message, Receipt, Sink, async_trait};
//! use fanout_conformance::fakes::{Script, Unplayable};
//! use fanout_conformance::{Capabilities, Clock, Endpoint, Harness, UnderTest, sink_suite};
//!
//! /// Marks every message as sent by us.
//! #[derive(Debug)]
//! struct Signed<S>(S);
//!
//! #[async_trait]
//! impl<S: Sink> Sink for Signed<S> {
//!     async fn send(&self, message: &Message, attempt: &Attempt) -> Result<Receipt, Error> {
//!         self.0.send(&message.clone().with_metadata("x-sender", "orders"), attempt).await
//!     }
//! }
//!
//! struct SignedHarness;
//!
//! #[async_trait]
//! impl Harness for SignedHarness {
//!     fn name(&self) -> String {
//!         "signed".to_owned()
//!     }
//!
//!     fn capabilities(&self) -> Capabilities {
//!         // No sockets, so the clock may be paused, and the suite takes no time.
//!         Capabilities::new(Clock::Paused)
//!     }
//!
//!     async fn endpoint(&self, script: Script) -> Result<Endpoint, Unplayable> {
//!         Endpoint::in_memory(script)
//!     }
//!
//!     fn sink(&self, endpoint: &Endpoint) -> UnderTest {
//!         let destination = endpoint.as_sink().expect("the endpoint is in memory").clone();
//!         UnderTest::with_debug(Signed(destination))
//!     }
//! }
//!
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! let result = sink_suite(SignedHarness).await;
//! println!("{result}");
//! result.assert_passed();
//! # });
//! ```
//!
//! # What a sink does not claim
//!
//! Not every sink can do everything: a queue answers without a body, a pool keeps tasks. Such things are
//! [`Capabilities`], declared with a reason. A case that needs one that is not claimed is shown as *not
//! supported*, with that reason; so is one that the endpoint cannot play. Nothing is skipped silently,
//! and what is claimed is judged. A suite in which no case passed does not pass.
//!
//! # Policies and the engine
//!
//! [`check_policy`] drives a policy through every order of events for up to four sinks, and puts it into
//! a real fan-out. [`engine_suite`] is for fanout itself: the sections on verdicts, on what becomes of
//! the rest, and on deadlines.
//!
//! # Retries and limits
//!
//! [`resilience_suite`] judges a decorator that sends in spite of failures: when it may try again and
//! when it must not, how long it waits, its budget, breaker and limits, and that whatever a send held
//! comes back. [`fanout_resilience`] is the one that fanout has. [`resilient_sink_suite`] judges it
//! around a real sink: whether what goes over the wire is what the numbers say.
//!
//! # How cases run
//!
//! Each case has a thread and a runtime of its own: its clock, its tasks and its panics disturb nobody,
//! and one that blocks is given up after 40 s. The caller may be inside any runtime, or none
//! ([`Suite::run`]). Every rule is itself tested: for each there is at least one broken sink, policy,
//! decorator or engine that it must reject.
//!
//! # Features
//!
//! - `http` (off by default): [`fakes::RawHttpFake`](fakes) and [`fakes::WiremockFake`](fakes).
//! - `grpc` (off by default): [`fakes::GrpcFake`](fakes).

mod arena;
mod capability;
mod cases;
pub mod fakes;
mod harness;
mod plain;
mod plan;
mod suite;

pub use crate::arena::Clock;
pub use crate::capability::{Capabilities, Capability};
pub use crate::cases::{
    PolicyCheck, check_policy, engine_suite, fanout_engine, fanout_resilience, policy_suites,
    resilience_suite, resilient_sink_suite, sink_suite,
};
pub use crate::harness::{Endpoint, Harness, SECRET, UnderTest};
pub use crate::plain::{SinkCheck, check_sink};
pub use crate::plan::{Engine, Plan, PlannedSink};
pub use crate::suite::{CaseOutcome, CaseResult, Rule, Suite, SuiteResult};
