//! No secret comes out: a canary in every place where one can be configured, every way to fail, and a look
//! at everything that was said.

mod canaries;
mod files;
mod http;
mod logs;
mod outputs;
mod rpc;
mod server;

use base64::Engine as _;
use fanout::{Attempt, Error, ErrorKind, FanOut, Message, Receipt, Sink, async_trait, policy};

use self::canaries::Canaries;
use self::logs::Logs;
use self::outputs::Outputs;

#[test]
fn no_secret_comes_out() {
    let canaries = Canaries::default();
    let mut outputs = Outputs::new(&canaries);
    let logs = Logs::default();
    // One thread, so that whatever the client does is heard, and nothing of the servers.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    tracing::subscriber::with_default(logs.clone(), || {
        runtime.block_on(async {
            http::drive(&canaries, &mut outputs).await;
            rpc::drive(&canaries, &mut outputs).await;
        });
        files::drive(&canaries, &mut outputs);
    });
    let said = logs.take();
    let lines = said.lines().count();
    for line in said.lines() {
        outputs.text("logs at trace level", "a line", line);
    }

    let Outputs { paths, looked_at, kinds, leaks, .. } = outputs;
    let places = canaries.places();
    println!(
        "{places} places, {paths} paths, {looked_at} outputs ({lines} lines of logs), kinds: {kinds:?}"
    );
    let mut leaks: Vec<_> = leaks;
    leaks.dedup();
    assert!(leaks.is_empty(), "{} leaks:\n{}", leaks.len(), leaks.join("\n"));
    // So that this test cannot shrink unseen.
    assert!(places >= PLACES, "only {places} places");
    assert!(paths >= PATHS, "only {paths} paths");
    assert!(looked_at >= OUTPUTS, "only {looked_at} outputs");
    assert!(lines >= LINES, "only {lines} lines of logs: is the subscriber heard?");
    for kind in KINDS {
        assert!(kinds.contains(kind.as_str()), "no path ends as {kind:?}");
    }
}

/// A sink that tells its secret is caught, or the test above would show nothing.
#[tokio::test]
async fn a_sink_that_tells_its_secret_is_caught() {
    struct Talker(String);

    #[async_trait]
    impl Sink for Talker {
        async fn send(&self, _: &Message, _: &Attempt) -> Result<Receipt, Error> {
            Err(Error::new(ErrorKind::Rejected, format!("the token {} is old", self.0)))
        }
    }

    let canaries = Canaries::default();
    let canary = canaries.plant("a talker's token");
    for told in [canary.text(), base64::prelude::BASE64_STANDARD.encode(canary.text())] {
        let mut outputs = Outputs::new(&canaries);
        let sinks = FanOut::builder(policy::all()).sink("a", Talker(told)).build().unwrap();
        outputs.report("talker", sinks.send(Message::text("")).await);
        // Table, JSON, twice Debug, outcome, the error in its forms, and the one of the whole.
        assert!(outputs.leaks.len() >= 8, "{:#?}", outputs.leaks);
    }
    let (logs, mut outputs) = (Logs::default(), Outputs::new(&canaries));
    tracing::subscriber::with_default(logs.clone(), || {
        tracing::trace!(token = %canary.text(), "connected");
    });
    outputs.text("logs", "a line", &logs.take());
    assert_eq!(outputs.leaks.len(), 1);
}

const PLACES: usize = 25;
const PATHS: usize = 570;
const OUTPUTS: usize = 10_000;
const LINES: usize = 1_000;
const KINDS: [ErrorKind; 18] = [
    ErrorKind::Build,
    ErrorKind::Rejected,
    ErrorKind::Unauthenticated,
    ErrorKind::Forbidden,
    ErrorKind::NotFound,
    ErrorKind::Conflict,
    ErrorKind::TooLarge,
    ErrorKind::Unsupported,
    ErrorKind::Redirected,
    ErrorKind::Throttled,
    ErrorKind::Unavailable,
    ErrorKind::Upstream,
    ErrorKind::Connect,
    ErrorKind::CircuitOpen,
    ErrorKind::Cancelled,
    ErrorKind::Interrupted,
    ErrorKind::Timeout,
    ErrorKind::Protocol,
];
