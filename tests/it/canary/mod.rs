//! No secret comes out: a canary in every place where one can be configured, every way to fail, and a look
//! at everything that was said.

mod canaries;
mod engine;
mod files;
mod http;
mod logs;
mod oauth;
mod outputs;
mod rpc;
mod server;
mod tls;

use std::time::Instant;

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
    // While there is but one subscriber, a place in the code that another test's thread meets first asks
    // that thread whether anybody listens, and keeps its answer: nobody. With two it asks both of them.
    let _second = tracing::Dispatch::new(Logs::default());
    // rustls speaks through the other facade, where its feature `logging` is on.
    let facade = Logs::default();
    log::set_boxed_logger(Box::new(facade.clone())).expect("nobody else logs here");
    log::set_max_level(log::LevelFilter::Trace);
    // One thread, so that whatever the client does is heard, and nothing of the servers.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    tracing::subscriber::with_default(logs.clone(), || {
        runtime.block_on(async {
            let mut started = Instant::now();
            let mut took = |what: &str| {
                println!("{what}: {:.1} s", started.elapsed().as_secs_f64());
                started = Instant::now();
            };
            http::drive(&canaries, &mut outputs).await;
            took("HTTP");
            rpc::drive(&canaries, &mut outputs).await;
            took("gRPC");
            oauth::drive(&canaries, &mut outputs).await;
            took("OAuth");
            tls::drive(&canaries, &mut outputs).await;
            took("TLS");
            engine::drive(&canaries, &mut outputs).await;
            took("the engine");
        });
        files::drive(&canaries, &mut outputs);
    });
    let said = logs.take();
    let lines = said.lines().count();
    let other = facade.take();
    let other_lines = other.lines().filter(|line| line.starts_with("rustls")).count();
    for line in other.lines() {
        outputs.text("the facade log at trace level", "a line", line);
    }
    for line in said.lines() {
        outputs.text("logs at trace level", "a line", line);
    }

    let Outputs { paths, looked_at, bytes, kinds, leaks, .. } = outputs;
    let places = canaries.places();
    println!(
        "{places} places, {paths} paths, {looked_at} outputs of {bytes} bytes ({lines} lines of tracing, \
         {other_lines} of rustls), kinds: {kinds:?}"
    );
    let mut leaks: Vec<_> = leaks;
    leaks.dedup();
    assert!(leaks.is_empty(), "{} leaks:\n{}", leaks.len(), leaks.join("\n"));
    // So that this test cannot shrink unseen.
    assert!(places >= PLACES, "only {places} places");
    assert!(paths >= PATHS, "only {paths} paths");
    assert!(looked_at >= OUTPUTS, "only {looked_at} outputs");
    assert!(lines >= LINES, "only {lines} lines of logs: is the subscriber heard?");
    assert!(other_lines >= OTHER_LINES, "only {other_lines} lines of rustls: is it heard?");
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

const PLACES: usize = 34;
const PATHS: usize = 780;
const OUTPUTS: usize = 28_000;
const LINES: usize = 10_000;
const OTHER_LINES: usize = 100;
const KINDS: [ErrorKind; 23] = [
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
    ErrorKind::Tls,
    ErrorKind::CircuitOpen,
    ErrorKind::LocalRateLimit,
    ErrorKind::QueueFull,
    ErrorKind::Panic,
    ErrorKind::DataLoss,
    ErrorKind::Cancelled,
    ErrorKind::Interrupted,
    ErrorKind::Timeout,
    ErrorKind::Protocol,
];
