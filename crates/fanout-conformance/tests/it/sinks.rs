//! Sinks in memory keep the contract, wrapped or not.

use std::sync::Arc;

use fanout::policy;
use fanout::{FanOut, MemorySink, Receipt, async_trait, sink_fn};
use fanout_conformance::fakes::{Script, ScriptedSink, Unplayable};
use fanout_conformance::{
    Capabilities, Capability, Clock, Endpoint, Harness, UnderTest, check_sink, sink_suite,
};

/// Binds whatever wraps a scripted sink.
struct Wrapping {
    wrap: fn(ScriptedSink) -> UnderTest,
    capabilities: Capabilities,
}

#[async_trait]
impl Harness for Wrapping {
    fn name(&self) -> String {
        "memory".to_owned()
    }

    fn capabilities(&self) -> Capabilities {
        self.capabilities.clone()
    }

    async fn endpoint(&self, script: Script) -> Result<Endpoint, Unplayable> {
        Endpoint::in_memory(script)
    }

    fn sink(&self, endpoint: &Endpoint) -> UnderTest {
        (self.wrap)(endpoint.as_sink().expect("in memory").clone())
    }
}

async fn passes(wrap: fn(ScriptedSink) -> UnderTest, capabilities: Capabilities) {
    let result = sink_suite(Wrapping { wrap, capabilities }).await;
    result.assert_passed();
}

#[tokio::test]
async fn the_scripted_sink_passes_bare_and_wrapped() {
    let paused = || Capabilities::new(Clock::Paused);
    passes(UnderTest::with_debug, paused()).await;
    passes(|sink| UnderTest::with_debug(Arc::new(sink)), paused()).await;
    passes(|sink| UnderTest::new(Box::new(sink)), paused()).await;
}

#[tokio::test]
async fn a_nested_fan_out_passes_as_a_sink() {
    let nested = |sink| {
        let fan_out = FanOut::builder(policy::all()).sink("inner", sink).build();
        UnderTest::with_debug(fan_out.expect("one sink is enough"))
    };
    let capabilities = Capabilities::new(Clock::Paused)
        .without(Capability::Kinds, "its failures are of kind `Unsatisfied`");
    passes(nested, capabilities).await;
}

#[tokio::test]
async fn plain_sinks_pass_in_one_line() {
    check_sink(MemorySink::new).await.assert_passed();
    check_sink(|| sink_fn(|_, _| async { Ok(Receipt::new()) })).await.assert_passed();
}

#[tokio::test]
async fn a_plain_sink_that_is_counted_shows_one_request_a_call() {
    let memory = MemorySink::new();
    let (sink, counted) = (memory.clone(), memory);
    let check = check_sink(move || sink.clone()).counting(move || counted.received().len());
    let result = check.await;
    result.assert_passed();
    let one = result.get("sink/one_call_one_request");
    assert_eq!(one, Some(&fanout_conformance::CaseOutcome::Passed), "{result}");
}
