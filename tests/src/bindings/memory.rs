//! The scripted sink itself, without a network: the suite's own measure.

use fanout::async_trait;
use fanout_conformance::fakes::{Script, Unplayable};
use fanout_conformance::{Capabilities, Clock, Endpoint, Harness, UnderTest};

/// Binds the scripted sink in memory.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "there is nothing to add to a name")]
pub struct Memory;

#[async_trait]
impl Harness for Memory {
    fn name(&self) -> String {
        "memory".to_owned()
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::new(Clock::Paused)
    }

    async fn endpoint(&self, script: Script) -> Result<Endpoint, Unplayable> {
        Endpoint::in_memory(script)
    }

    fn sink(&self, endpoint: &Endpoint) -> UnderTest {
        UnderTest::with_debug(endpoint.as_sink().expect("the endpoint is in memory").clone())
    }
}
