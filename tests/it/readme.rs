//! What the README says of its own programs; that they compile, the documentation tests see to.

use fanout::{Attempt, Error, Message, Receipt, Sink, async_trait};

/// The sink of the README.
struct Console;

#[async_trait]
impl Sink for Console {
    #[expect(clippy::print_stdout, reason = "it is the sink of the README")]
    async fn send(&self, message: &Message, attempt: &Attempt) -> Result<Receipt, Error> {
        println!("{}: {} bytes", attempt.sink(), message.payload().len());
        Ok(Receipt::new())
    }
}

#[tokio::test]
async fn the_console_keeps_the_contract() {
    fanout_conformance::check_sink(|| Console).await.assert_passed();
}
