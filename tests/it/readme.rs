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

#[test]
fn the_file_is_read() {
    let readme = include_str!("../../README.md");
    let blocks = readme.split("```toml\n").skip(1).filter_map(|block| block.split("```").next());
    let files: Vec<_> = blocks.filter(|block| block.contains("[sinks.")).collect();
    let [file] = files[..] else { panic!("the README has {} files", files.len()) };
    let orders =
        fanout_config::Config::parse("fanout.toml", file).unwrap().route("orders").unwrap();
    assert_eq!(orders.sinks(), ["billing", "audit"]);
}
