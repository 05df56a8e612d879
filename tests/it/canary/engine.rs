//! What ends a send before, beside and after the destination: panics, limits, drops, the end of the process.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use fanout::resilience::Resilience;
use fanout::{
    Attempt, Error, FanOut, MemorySink, Message, Receipt, Secret, Sink, SinkExt as _, async_trait,
    policy,
};
use fanout_http::HttpSink;
use fanout_http::auth::{Bearer, Credentials, Proof};
use tokio::time::Instant;

use super::canaries::Canaries;
use super::outputs::Outputs;
use super::server::{Play, Server, echo};

pub(crate) async fn drive(canaries: &Canaries, outputs: &mut Outputs<'_>) {
    let server = Server::start();
    let token = canaries.plant("bearer token").hard();
    let message = || {
        let message = Message::text(canaries.plant("payload").text());
        message.with_metadata("x-meta", canaries.plant("metadata of the message").text())
    };
    let sink = || {
        HttpSink::post(format!(
            "http://{}/{}",
            server.address,
            canaries.plant("path of a webhook").text()
        ))
        .auth(Bearer::new(Secret::new(token.as_str())))
        .timeout(Duration::from_millis(100))
        .build()
        .expect("a sound sink")
    };
    let numbers = || Resilience::default().max_attempts(1).max_in_flight(1);
    let limited = |numbers: Resilience| {
        let sink = sink().resilient(numbers).expect("sound numbers");
        FanOut::builder(policy::all()).sink("a", sink).build().expect("a fan-out")
    };

    server.plays(Play::Hang);
    let fan_out = limited(numbers().max_waiting(0));
    let (one, two) = tokio::join!(fan_out.send(message()), fan_out.send(message()));
    outputs.report("a full queue", one);
    outputs.report("a full queue", two);
    outputs.debug("a full queue", &fan_out);

    server.plays(echo(500, &token));
    let rare = numbers().rate_limit(0.001).total_timeout(Duration::from_secs(11));
    let fan_out = limited(rare);
    for _ in 0..3 {
        outputs.report("a rate limit", fan_out.send(message()).await);
    }
    let fan_out = limited(numbers().breaker_consecutive(1).breaker_open(Duration::from_secs(60)));
    for _ in 0..3 {
        outputs.report("an open circuit", fan_out.send(message()).await);
    }

    // Dropped at some point, and what goes on is cut off at the end.
    server.plays(Play::Hang);
    let mixed = FanOut::builder(policy::quorum(1))
        .sink("a", sink())
        .sink("b", sink())
        .mirror("c", sink())
        .rest(policy::Rest::Detach)
        .deadline(Duration::from_millis(50))
        .build()
        .expect("a fan-out");
    for after in [0, 1, 5, 20] {
        drop(tokio::time::timeout(Duration::from_millis(after), mixed.send(message())).await);
        outputs.paths += 1;
        outputs.debug("dropped", &mixed);
    }
    outputs.report("the deadline", mixed.send(message()).await);
    let _cut = mixed.shutdown(Duration::ZERO).await;
    outputs.report("shut down", mixed.send(message()).await);

    panics(canaries, outputs, &server, &message).await;
}

/// Whoever panics has secrets in hand; what the hook is told goes to standard error.
async fn panics(
    canaries: &Canaries,
    outputs: &mut Outputs<'_>,
    server: &Server,
    message: &dyn Fn() -> Message,
) {
    let told = Arc::new(Mutex::new(String::new()));
    let before = Arc::new(std::panic::take_hook());
    let (hears, goes_on) = (Arc::clone(&told), Arc::clone(&before));
    std::panic::set_hook(Box::new(move |info| {
        let mut told = hears.lock().expect("nobody panics here");
        told.push_str(&format!("{info} {info:?}\n"));
        drop(told);
        // Other tests of this process may panic meanwhile.
        if !info.to_string().contains(OURS) {
            goes_on(info);
        }
    }));
    let token = canaries.plant("secret in the hands of who panics").hard();
    let clumsy = Clumsy(Secret::new(token.as_str()));
    let authed = HttpSink::post(format!("http://{}/", server.address)).auth(Shy(token.clone()));
    let sinks = FanOut::builder(policy::all_settled())
        .sink("clumsy", clumsy)
        .sink("its credentials", authed.build().expect("a sound sink"))
        .sink("all is well", MemorySink::new())
        .build();
    let sinks = sinks.expect("a fan-out");
    for _ in 0..2 {
        outputs.report("a panic", sinks.send(message()).await);
    }
    drop(std::panic::take_hook());
    std::panic::set_hook(Box::new(move |info| before(info)));
    let told = told.lock().expect("nobody panics here");
    assert!(told.contains(OURS), "the hook is not heard");
    for line in told.lines() {
        outputs.text("the panic hook", "a line", line);
    }
}

struct Clumsy(Secret);

#[async_trait]
impl Sink for Clumsy {
    async fn send(&self, message: &Message, attempt: &Attempt) -> Result<Receipt, Error> {
        panic!("{OURS}: {:?} {message:?} {attempt:?}", self.0)
    }
}

struct Shy(String);

#[async_trait]
impl Credentials for Shy {
    async fn proof(&self, _: Instant) -> Result<Proof, Error> {
        let proof = Proof::bearer(&self.0)?.hiding(&self.0);
        panic!("{OURS}: {proof:?}")
    }
}

const OURS: &str = "clumsy on purpose";
