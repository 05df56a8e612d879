//! A sink of one's own, and the conformance suite run on it.

use std::path::PathBuf;

use fanout::{
    Attempt, Effect, Error, ErrorKind, FanOut, MemorySink, Message, Reach, Receipt, Sink,
    async_trait, policy,
};
use fanout_conformance::check_sink;

/// Writes each message to a file of its own, named by the idempotency key: twice is once.
struct Folder(PathBuf);

#[async_trait]
impl Sink for Folder {
    async fn send(&self, message: &Message, attempt: &Attempt) -> Result<Receipt, Error> {
        // Nothing has happened yet, and from the next line on something may have.
        attempt.entered();
        if attempt.reached(Effect::Maybe) == Reach::Abandoned {
            return Err(Error::new(ErrorKind::Cancelled, "the send was dropped"));
        }
        let path = self.0.join(attempt.idempotency_key().to_string());
        match std::fs::write(path, message.payload()) {
            Ok(()) => Ok(Receipt::new()),
            Err(error) => {
                Err(Error::new(ErrorKind::Unavailable, "the file cannot be written")
                    .with_source(error))
            }
        }
    }

    fn is_repeatable(&self) -> bool {
        true
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().to_owned();

    // One line runs what the suite can show of a sink whose destination it cannot script.
    check_sink(move || Folder(path.clone())).await.assert_passed();

    let send = FanOut::builder(policy::all())
        .sink("folder", Folder(folder.path().to_owned()))
        .sink("memory", MemorySink::new())
        .build()?;
    let report = send.send(Message::text("hello")).await;
    println!("{report}");
    let key = report.get("folder").ok_or("every sink has an entry")?.idempotency_key();
    assert_eq!(std::fs::read_to_string(folder.path().join(key.to_string()))?, "hello");
    Ok(())
}
