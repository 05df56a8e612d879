//! Resilience over a real sink: what goes over the wire is what the numbers say.

use std::sync::Arc;
use std::time::Duration;

use fanout::resilience::Resilience;
use fanout::{
    BuildError, Delivery, Effect, Error, ErrorKind, FanOut, Sink, StopReason, TimeoutScope, policy,
};
use futures_util::future::{LocalBoxFuture, join_all};
use tokio::time::Instant;

use super::engine::{entry, ms};
use super::resilience::{Bench, alone, expect_stop, no_secret};
use crate::capability::Capability;
use crate::fakes::{Answer, Script, Stage, Watch};
use crate::harness::{Endpoint, Harness};
use crate::suite::{Case, Outcome, Rule, Stop, Suite, ensure};

/// Judges a decorator around a real sink, with endpoints that fail on demand: what arrives there is what
/// the numbers of the decorator say. Await the result.
///
/// The clock is real, and the whole takes a few seconds. `make` is as for
/// [`resilience_suite`](crate::resilience_suite).
///
/// # Examples
///
/// ```
/// use fanout::async_trait;
/// use fanout_conformance::fakes::{Script, Unplayable};
/// use fanout_conformance::{
///     Capabilities, Clock, Endpoint, Harness, UnderTest, fanout_resilience, resilient_sink_suite,
/// };
///
/// /// Binds the scripted sink in memory.
/// struct Memory;
///
/// #[async_trait]
/// impl Harness for Memory {
///     fn name(&self) -> String {
///         "memory".to_owned()
///     }
///
///     fn capabilities(&self) -> Capabilities {
///         Capabilities::new(Clock::Paused)
///     }
///
///     async fn endpoint(&self, script: Script) -> Result<Endpoint, Unplayable> {
///         Endpoint::in_memory(script)
///     }
///
///     fn sink(&self, endpoint: &Endpoint) -> UnderTest {
///         UnderTest::new(endpoint.as_sink().expect("the endpoint is in memory").clone())
///     }
/// }
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// resilient_sink_suite(Memory, fanout_resilience).await.assert_passed();
/// # });
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn resilient_sink_suite(
    harness: impl Harness,
    make: impl Fn(Arc<dyn Sink>, Resilience) -> Result<Arc<dyn Sink>, BuildError>
    + Send
    + Sync
    + 'static,
) -> Suite {
    let harness: Arc<dyn Harness> = Arc::new(harness);
    let capabilities = harness.capabilities();
    let bench = Bench::new(make);
    let bound = CASES.iter().map(|case| {
        let run = case.run;
        let wired = Wired { harness: Arc::clone(&harness), bench: bench.clone() };
        let waived = case.needs.iter().find_map(|need| capabilities.reason_against(*need));
        Case {
            rule: case.rule,
            clock: capabilities.clock(),
            waived: waived.map(str::to_owned),
            start: Box::new(move || run(wired)),
        }
    });
    Suite::new(format!("resilient {}", harness.name()), bound.collect())
}

struct WireCase {
    rule: Rule,
    needs: &'static [Capability],
    run: fn(Wired) -> LocalBoxFuture<'static, Outcome>,
}

macro_rules! wire_case {
    ($run:ident, $id:literal, [$($need:ident),*], $rule:literal) => {
        WireCase {
            rule: Rule { id: $id, text: $rule },
            needs: &[$(Capability::$need),*],
            run: |wired| Box::pin($run(wired)),
        }
    };
}

const CASES: &[WireCase] = &[
    wire_case!(
        refused,
        "resilience/wire_refused_is_retried",
        [Kinds],
        "a connection that is refused is tried again, also by a sink that may not repeat, and has no effect"
    ),
    wire_case!(
        ambiguous,
        "resilience/wire_ambiguous_is_sent_once",
        [],
        "a sink that broke down is sent one request, when it is not said that repeating is harmless"
    ),
    wire_case!(
        key,
        "resilience/wire_key_is_the_same",
        [Key],
        "every attempt carries the key of the report, as a quoted string, and another sink gets another \
         (draft-ietf-httpapi-idempotency-key-header-07)"
    ),
    wire_case!(
        delay,
        "resilience/wire_server_delay_is_kept",
        [],
        "the next request comes no sooner than the server asked for: `Retry-After` (RFC 9110 section \
         10.2.3), `grpc-retry-pushback-ms`"
    ),
    wire_case!(
        throttle,
        "resilience/wire_throttle_holds_back_all_sends",
        [],
        "when one send was told to come later, no other reaches that sink before, and other sinks are \
         untouched"
    ),
    wire_case!(
        delivered,
        "resilience/wire_delivered_is_not_sent_again",
        [],
        "a sink that took the message gets one request, though another needs two"
    ),
    wire_case!(
        silent,
        "resilience/wire_attempt_timeout",
        [],
        "an attempt without an answer, or with half of one, ends in time and is not repeated blindly"
    ),
    wire_case!(
        breaker,
        "resilience/wire_open_breaker_sends_nothing",
        [],
        "after five failures in a row no request arrives any more"
    ),
    wire_case!(
        permits,
        "resilience/wire_permits_bound_requests",
        [],
        "there are never more requests in flight than permits"
    ),
    wire_case!(
        secrets,
        "resilience/wire_no_secrets",
        [],
        "the credential of a sink that fails is in no error and in no report"
    ),
];

/// A sink over its transport, and the decorator to put around it.
struct Wired {
    harness: Arc<dyn Harness>,
    bench: Bench,
}

impl Wired {
    /// Starts an endpoint, and a fan-out to it alone.
    async fn set(
        &self,
        script: impl Into<Script>,
        settings: Resilience,
    ) -> Result<(Endpoint, FanOut), Stop> {
        let (endpoint, sink) = self.aimed(script, settings).await?;
        Ok((endpoint, alone(sink)?))
    }

    /// Starts an endpoint, and makes the decorated sink that is aimed at it.
    async fn aimed(
        &self,
        script: impl Into<Script>,
        settings: Resilience,
    ) -> Result<(Endpoint, Arc<dyn Sink>), Stop> {
        let endpoint = self.harness.endpoint(script.into()).await?;
        let sink = self.bench.wrap(self.harness.sink(&endpoint).sink(), settings)?;
        Ok((endpoint, sink))
    }

    /// An answer that asks for a pause without having applied the message, and how long that is.
    fn asking(&self, kind: ErrorKind) -> Result<(Answer, Duration), Stop> {
        let capabilities = self.harness.capabilities();
        let claims = |capability| capabilities.reason_against(capability).is_none();
        if claims(Capability::Http) {
            return Ok((Answer::fail(kind).with_metadata("retry-after", "1"), ms(1_000)));
        }
        if claims(Capability::Grpc) {
            let answer = Answer::fail(kind).with_trailer("grpc-retry-pushback-ms", "400");
            return Ok((answer, ms(400)));
        }
        Err(Stop::NotSupported("how this protocol asks for a pause is not known".to_owned()))
    }
}

/// Short pauses, so that little time passes.
fn brisk() -> Resilience {
    Resilience::default().seed(7).backoff_base(ms(10)).throttle_base(ms(10))
}

fn two(a: Arc<dyn Sink>, b: Arc<dyn Sink>) -> Result<FanOut, Stop> {
    let built = FanOut::builder(policy::all()).sink("a", a).sink("b", b).build();
    built.map_err(|error| Stop::Failed(error.to_string()))
}

fn expect_requests(name: &str, endpoint: &Endpoint, wanted: usize) -> Outcome {
    let requests = endpoint.counts().requests;
    ensure!(requests == wanted, "{name} got {requests} requests, not {wanted}");
    Ok(())
}

async fn refused(wired: Wired) -> Outcome {
    let (_endpoint, fan_out) = wired.set(Script::nobody_listens(), brisk()).await?;
    let report = fan_out.send(wired.harness.message()).await;
    expect_stop(&report, 3, StopReason::AttemptsExhausted)?;
    let a = entry(&report, "a")?;
    let kind = a.error().map(Error::kind);
    ensure!(kind == Some(ErrorKind::Connect), "it failed with {kind:?}");
    ensure!(a.effect() == Effect::None, "it had effect {}", a.effect());
    Ok(())
}

async fn ambiguous(wired: Wired) -> Outcome {
    let script = Script::from(Answer::fail(ErrorKind::Unavailable)).watch(Watch::Requests);
    let (endpoint, fan_out) = wired.set(script, brisk()).await?;
    let report = fan_out.send(wired.harness.message()).await;
    expect_stop(&report, 1, StopReason::AmbiguousNotIdempotent)?;
    expect_requests("the sink", &endpoint, 1)
}

async fn key(wired: Wired) -> Outcome {
    let failing = || Answer::fail(ErrorKind::Unavailable);
    let script =
        || Script::given([failing(), failing(), Answer::respond("")]).watch(Watch::Received);
    let (mut endpoints, mut sinks) = (Vec::new(), Vec::new());
    for _ in 0..2 {
        let endpoint = wired.harness.endpoint(script()).await?;
        sinks.push(wired.bench.wrap(wired.harness.keyed(&endpoint).sink(), brisk())?);
        endpoints.push(endpoint);
    }
    let (b, a) = (sinks.pop(), sinks.pop());
    let (Some(a), Some(b)) = (a, b) else { return Ok(()) };
    let report = two(a, b)?.send(wired.harness.message()).await;
    let mut keys = Vec::new();
    for (name, endpoint) in ["a", "b"].into_iter().zip(&endpoints) {
        let delivery: &Delivery = entry(&report, name)?;
        ensure!(delivery.attempts() == 3, "{name} had {} attempts, not 3", delivery.attempts());
        expect_requests(name, endpoint, 3)?;
        let quoted = format!("\"{}\"", delivery.idempotency_key());
        for request in endpoint.received() {
            let sent = request.get("idempotency-key");
            ensure!(sent == Some(&*quoted), "{name} was sent the key {sent:?}, not {quoted}");
        }
        keys.push(quoted);
    }
    ensure!(keys[0] != keys[1], "both sinks have the key {}", keys[0]);
    Ok(())
}

async fn delay(wired: Wired) -> Outcome {
    let (answer, asked) = wired.asking(ErrorKind::Unavailable)?;
    let script = Script::given([answer, Answer::respond("")]).watch(Watch::Requests);
    let (endpoint, fan_out) = wired.set(script, brisk()).await?;
    let began = Instant::now();
    let report = fan_out.send(wired.harness.message()).await;
    let took = began.elapsed();
    expect_stop(&report, 2, StopReason::Succeeded)?;
    expect_requests("the sink", &endpoint, 2)?;
    ensure!(took >= asked, "asked for {asked:?}, it was back after {took:?}");
    let paused = entry(&report, "a")?.delay();
    // Half of it on top, and what a busy machine needs.
    let most = asked + asked / 2 + ms(500);
    ensure!(paused >= asked && paused <= most, "asked for {asked:?}, it paused {paused:?}");
    Ok(())
}

async fn throttle(wired: Wired) -> Outcome {
    let (answer, asked) = wired.asking(ErrorKind::Throttled)?;
    let script = Script::given([answer, Answer::respond("")]).watch(Watch::Requests);
    let (slow, held) = wired.aimed(script, brisk().max_attempts(1)).await?;
    let script = Script::from(Answer::respond("")).watch(Watch::Requests);
    let (_other, free) = wired.aimed(script, brisk()).await?;
    let fan_out = two(held, free)?;
    let began = Instant::now();
    let report = fan_out.send(wired.harness.message()).await;
    let kind = entry(&report, "a")?.error().map(Error::kind);
    ensure!(kind == Some(ErrorKind::Throttled), "it failed with {kind:?}");
    let report = fan_out.send(wired.harness.message()).await;
    let took = began.elapsed();
    ensure!(report.is_satisfied(), "the second send failed\n{report}");
    expect_requests("the sink", &slow, 2)?;
    ensure!(took >= asked, "asked for {asked:?}, another send came after {took:?}");
    let other = entry(&report, "b")?.elapsed();
    ensure!(other < asked, "the other sink was held back for {other:?}");
    Ok(())
}

async fn delivered(wired: Wired) -> Outcome {
    let script = Script::from(Answer::respond("")).watch(Watch::Requests);
    let (one, a) = wired.aimed(script, brisk()).await?;
    let script = Script::given([Answer::fail(ErrorKind::Throttled), Answer::respond("")]);
    let (other, b) = wired.aimed(script.watch(Watch::Requests), brisk()).await?;
    let report = two(a, b)?.send(wired.harness.message()).await;
    ensure!(report.is_satisfied(), "it failed though b recovers\n{report}");
    expect_requests("a", &one, 1)?;
    expect_requests("b", &other, 2)
}

async fn silent(wired: Wired) -> Outcome {
    let settings = || brisk().attempt_timeout(ms(200)).total_timeout(ms(2_000));
    let script = Script::from(Answer::stall()).watch(Watch::Requests);
    let (endpoint, fan_out) = wired.set(script, settings()).await?;
    let report = fan_out.send(wired.harness.message()).await;
    expect_stop(&report, 1, StopReason::AmbiguousNotIdempotent)?;
    expect_requests("the sink", &endpoint, 1)?;
    let a = entry(&report, "a")?;
    let scope = a.error().and_then(Error::scope);
    ensure!(scope == Some(TimeoutScope::Attempt), "it failed with a timeout of {scope:?}");
    ensure!(a.effect() == Effect::Maybe, "it had effect {}", a.effect());
    let in_time = |took: Duration| took >= ms(200) && took < ms(1_500);
    ensure!(in_time(a.elapsed()), "with 200 ms, it took {:?}", a.elapsed());

    let half = Answer::respond("half of an answer").stalls(Stage::HalfBody);
    let (endpoint, fan_out) =
        wired.set(Script::from(half).watch(Watch::Requests), settings()).await?;
    let report = fan_out.send(wired.harness.message()).await;
    expect_requests("the sink that sent half an answer", &endpoint, 1)?;
    let took = entry(&report, "a")?.elapsed();
    ensure!(took < ms(1_500), "with 200 ms, half an answer took {took:?}");
    Ok(())
}

async fn breaker(wired: Wired) -> Outcome {
    let script = Script::from(Answer::fail(ErrorKind::Unavailable)).watch(Watch::Requests);
    let (endpoint, fan_out) = wired.set(script, brisk()).await?;
    for _ in 0..5 {
        drop(fan_out.send(wired.harness.message()).await);
    }
    let report = fan_out.send(wired.harness.message()).await;
    expect_stop(&report, 0, StopReason::CircuitOpen)?;
    ensure!(report.nothing_sent(), "the report says that something was sent\n{report}");
    expect_requests("the sink", &endpoint, 5)
}

async fn permits(wired: Wired) -> Outcome {
    let script = Script::from(Answer::respond("").late(ms(30))).watch(Watch::Calls);
    let (endpoint, fan_out) = wired.set(script, brisk().max_in_flight(2)).await?;
    let sends = (0..8).map(|_| fan_out.send(wired.harness.message()));
    for report in join_all(sends).await {
        ensure!(report.is_satisfied(), "a send failed\n{report}");
    }
    let peak = endpoint.counts().peak;
    ensure!(peak <= 2, "with two permits, {peak} requests were in flight at once");
    Ok(())
}

async fn secrets(wired: Wired) -> Outcome {
    for answer in [Answer::fail(ErrorKind::Unavailable), Answer::fail(ErrorKind::Throttled)] {
        let (_endpoint, fan_out) = wired.set(answer, brisk().breaker_consecutive(2)).await?;
        for _ in 0..3 {
            let report = fan_out.send(wired.harness.message()).await;
            no_secret("a failure", &report)?;
        }
    }
    Ok(())
}
