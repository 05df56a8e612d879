//! Any of the sinks, below the pipeline.

use fanout::resilience::Resilience;
use fanout::{Message, SinkExt, async_trait};
use fanout_conformance::fakes::{Script, Unplayable};
use fanout_conformance::{Capabilities, Endpoint, Harness, UnderTest};

/// Binds the sink of another binding below the pipeline, with one attempt and no breaker: it must then keep
/// the contract of a sink as the one inside does.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "there is nothing to add")]
pub struct Piped<H>(pub H);

#[async_trait]
impl<H: Harness> Harness for Piped<H> {
    fn name(&self) -> String {
        format!("{}+pipe", self.0.name())
    }

    fn capabilities(&self) -> Capabilities {
        self.0.capabilities()
    }

    async fn endpoint(&self, script: Script) -> Result<Endpoint, Unplayable> {
        self.0.endpoint(script).await
    }

    fn sink(&self, endpoint: &Endpoint) -> UnderTest {
        piped(self.0.sink(endpoint))
    }

    fn keyed(&self, endpoint: &Endpoint) -> UnderTest {
        piped(self.0.keyed(endpoint))
    }

    fn message(&self) -> Message {
        self.0.message()
    }
}

fn piped(sink: UnderTest) -> UnderTest {
    let once = Resilience::default()
        .max_attempts(1)
        .breaker_consecutive(u32::MAX)
        .breaker_min_calls(u32::MAX);
    sink.decorated(|sink| sink.resilient(once).expect("sound numbers"))
}
