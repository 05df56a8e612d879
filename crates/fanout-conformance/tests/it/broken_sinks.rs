//! Sinks that break the contract, each rejected by the rules that it breaks.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use fanout::{
    Attempt, BodyState, Effect, Error, ErrorKind, Message, Reach, Receipt, Sink, async_trait,
};
use fanout_conformance::fakes::{Script, ScriptedSink, Unplayable};
use fanout_conformance::{
    Capabilities, Capability, Clock, Endpoint, Harness, SECRET, UnderTest, sink_suite,
};
use futures_util::future::{BoxFuture, FutureExt};

use crate::rejected;

/// What a broken sink does around the sink that it wraps.
type Breaks = fn(Arc<State>, Message, Attempt) -> BoxFuture<'static, Result<Receipt, Error>>;

struct State {
    inner: ScriptedSink,
    calls: AtomicUsize,
    failures: AtomicUsize,
}

struct Broken {
    breaks: Breaks,
    state: Arc<State>,
}

#[async_trait]
impl Sink for Broken {
    async fn send(&self, message: &Message, attempt: &Attempt) -> Result<Receipt, Error> {
        self.state.calls.fetch_add(1, Ordering::SeqCst);
        let result = (self.breaks)(Arc::clone(&self.state), message.clone(), attempt.clone()).await;
        if result.is_err() {
            self.state.failures.fetch_add(1, Ordering::SeqCst);
        }
        result
    }
}

impl fmt::Debug for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Broken")
    }
}

struct Row {
    name: &'static str,
    breaks: Breaks,
    rules: &'static [&'static str],
}

/// Sends through the wrapped sink, and changes what comes out.
macro_rules! changing {
    ($change:expr) => {
        |state, message, attempt| {
            async move {
                let result = state.inner.send(&message, &attempt).await;
                let change: fn(&State, Result<Receipt, Error>) -> Result<Receipt, Error> = $change;
                change(&state, result)
            }
            .boxed()
        }
    };
}

const BROKEN: &[Row] = &[
    Row {
        name: "refuses everything",
        breaks: |_, _, _| async { Err(Error::new(ErrorKind::Rejected, "no")) }.boxed(),
        rules: &["sink/delivers"],
    },
    Row {
        name: "encodes the payload again",
        breaks: |state, message, attempt| {
            async move {
                let longer = [message.payload().as_ref(), b"\n"].concat();
                state.inner.send(&Message::bytes(longer), &attempt).await
            }
            .boxed()
        },
        rules: &["sink/payload_is_exact"],
    },
    Row {
        name: "throws the answer away",
        breaks: changing!(|_, result| result.map(|_| Receipt::new())),
        rules: &["sink/receipt_has_the_answer"],
    },
    Row {
        name: "is impatient",
        breaks: |state, message, attempt| {
            async move {
                let send = state.inner.send(&message, &attempt);
                let impatient = tokio::time::timeout(Duration::from_millis(5), send).await;
                impatient.unwrap_or_else(|_| Err(Error::new(ErrorKind::Timeout, "too slow")))
            }
            .boxed()
        },
        rules: &["sink/late_is_not_failed"],
    },
    Row {
        name: "panics at the second call",
        breaks: |state, message, attempt| {
            async move {
                assert_eq!(state.calls.load(Ordering::SeqCst), 1, "called again");
                state.inner.send(&message, &attempt).await
            }
            .boxed()
        },
        rules: &["sink/concurrent_calls"],
    },
    Row {
        name: "retries by itself",
        breaks: |state, message, attempt| {
            async move {
                match state.inner.send(&message, &attempt).await {
                    Err(_) => state.inner.send(&message, &attempt).await,
                    taken => taken,
                }
            }
            .boxed()
        },
        rules: &["sink/one_call_one_attempt"],
    },
    Row {
        name: "sends twice to be sure",
        breaks: |state, message, attempt| {
            async move {
                drop(state.inner.send(&message, &attempt).await);
                state.inner.send(&message, &attempt).await
            }
            .boxed()
        },
        rules: &["sink/one_call_one_request", "sink/unpolled_does_nothing"],
    },
    Row {
        name: "forgets the deadline",
        breaks: |state, message, _| {
            async move { state.inner.send(&message, &Attempt::first("x", &message)).await }.boxed()
        },
        rules: &["sink/deadline_is_kept", "sink/past_deadline_ends"],
    },
    Row {
        name: "quotes metadata in its errors",
        breaks: |state, message, attempt| {
            async move {
                let canary = message.metadata().get("x-canary").unwrap_or_default().to_owned();
                let result = state.inner.send(&message, &attempt).await;
                result.map_err(|error| error.with_context("metadata", canary))
            }
            .boxed()
        },
        rules: &["sink/no_secrets"],
    },
    Row {
        name: "calls every error a connect error",
        breaks: changing!(
            |_, result| result.map_err(|_| Error::new(ErrorKind::Connect, "something went wrong"))
        ),
        rules: &["sink/kinds_are_true"],
    },
    Row {
        name: "says effect `None` after it wrote",
        breaks: changing!(|_, result| result.map_err(|error| error.with_effect(Effect::None))),
        rules: &["sink/effects_are_true", "sink/lost_answer_is_maybe"],
    },
    Row {
        name: "says effect `Maybe` whatever happened",
        breaks: changing!(|_, result| result.map_err(|error| error.with_effect(Effect::Maybe))),
        rules: &["sink/refused_connection_is_none", "sink/effects_are_true"],
    },
    Row {
        name: "takes half an answer for a whole one",
        breaks: changing!(
            |_, result| result.map(|receipt| receipt.with_body_state(BodyState::Complete))
        ),
        rules: &["sink/half_answer_is_not_whole"],
    },
    Row {
        name: "takes errors for receipts",
        breaks: changing!(|_, result| result.or_else(|_| Ok(Receipt::new()))),
        rules: &[
            "sink/garbage_is_no_delivery",
            "sink/lost_answer_is_maybe",
            "sink/one_call_one_attempt",
            "sink/deadline_is_kept",
        ],
    },
    Row {
        name: "never recovers from a failure",
        breaks: |state, message, attempt| {
            async move {
                if state.failures.load(Ordering::SeqCst) > 0 {
                    return Err(Error::new(ErrorKind::Unavailable, "broken for good"));
                }
                state.inner.send(&message, &attempt).await
            }
            .boxed()
        },
        rules: &["sink/recovers"],
    },
    Row {
        name: "leaves a task behind",
        breaks: |state, message, attempt| {
            async move {
                let send = async move { state.inner.send(&message, &attempt).await };
                tokio::spawn(send).await.expect("the task neither panics nor is aborted")
            }
            .boxed()
        },
        rules: &["sink/drop_ends_the_call", "sink/drop_leaves_no_task", "sink/gone_leaves_no_task"],
    },
    Row {
        name: "says that nothing was sent, and sends",
        breaks: |state, message, attempt| {
            async move {
                assert_eq!(attempt.reached(Effect::None), Reach::Proceed);
                state.inner.send(&message, &Attempt::first("x", &message)).await
            }
            .boxed()
        },
        rules: &["sink/cancelled_is_maybe"],
    },
    Row {
        name: "says at once that it was sent",
        breaks: |state, message, attempt| {
            async move {
                assert_eq!(attempt.reached(Effect::Maybe), Reach::Proceed);
                state.inner.send(&message, &attempt).await
            }
            .boxed()
        },
        rules: &["sink/unsent_is_none"],
    },
];

/// Sends as soon as it is called, without being polled.
struct Eager(ScriptedSink);

impl Sink for Eager {
    fn send<'s, 'm, 'a, 'f>(
        &'s self,
        message: &'m Message,
        attempt: &'a Attempt,
    ) -> BoxFuture<'f, Result<Receipt, Error>>
    where
        's: 'f,
        'm: 'f,
        'a: 'f,
    {
        let (sink, message, attempt) = (self.0.clone(), message.clone(), attempt.clone());
        let sending = tokio::spawn(async move { sink.send(&message, &attempt).await });
        async move { sending.await.expect("the task neither panics nor is aborted") }.boxed()
    }
}

/// Starts a task when it is made.
fn with_a_task(sink: ScriptedSink) -> UnderTest {
    tokio::spawn(std::future::pending::<()>());
    UnderTest::new(sink)
}

/// Shows its token.
struct Leaky(ScriptedSink);

impl fmt::Debug for Leaky {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Leaky {{ token: {SECRET:?} }}")
    }
}

#[async_trait]
impl Sink for Leaky {
    async fn send(&self, message: &Message, attempt: &Attempt) -> Result<Receipt, Error> {
        self.0.send(message, attempt).await
    }
}

type Make = fn(ScriptedSink) -> UnderTest;

const MADE_BROKEN: &[(&str, Make, &str)] = &[
    ("eager", |sink| UnderTest::new(Eager(sink)), "sink/unpolled_does_nothing"),
    ("with a task", with_a_task, "sink/offline_construction"),
    ("leaky", |sink| UnderTest::with_debug(Leaky(sink)), "sink/no_secrets"),
];

struct Binding<F>(F);

#[async_trait]
impl<F: Fn(ScriptedSink) -> UnderTest + Send + Sync + 'static> Harness for Binding<F> {
    fn name(&self) -> String {
        "broken".to_owned()
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::new(Clock::Paused)
    }

    async fn endpoint(&self, script: Script) -> Result<Endpoint, Unplayable> {
        Endpoint::in_memory(script)
    }

    fn sink(&self, endpoint: &Endpoint) -> UnderTest {
        (self.0)(endpoint.as_sink().expect("in memory").clone())
    }
}

#[tokio::test]
async fn every_broken_sink_is_rejected() {
    for Row { name, breaks, rules } in BROKEN {
        for rule in *rules {
            let make = |inner| {
                let (calls, failures) = Default::default();
                let state = Arc::new(State { inner, calls, failures });
                UnderTest::with_debug(Broken { breaks: *breaks, state })
            };
            rejected(name, sink_suite(Binding(make)).only(rule), rule).await;
        }
    }
    for (name, make, rule) in MADE_BROKEN {
        rejected(name, sink_suite(Binding(*make)).only(rule), rule).await;
    }
}

#[test]
fn every_rule_for_sinks_rejects_something() {
    let broken: HashSet<_> = BROKEN
        .iter()
        .flat_map(|row| row.rules.iter().copied())
        .chain(MADE_BROKEN.iter().map(|(_, _, rule)| *rule))
        .collect();
    let suite = sink_suite(Binding(UnderTest::new as Make));
    let rules: HashSet<_> =
        suite.rules().map(|rule| rule.id).filter(|id| id.starts_with("sink/")).collect();
    assert_eq!(rules, broken);
}

#[tokio::test]
async fn what_a_sink_claims_is_judged_and_what_it_does_not_is_shown() {
    struct Modest;

    #[async_trait]
    impl Harness for Modest {
        fn name(&self) -> String {
            "modest".to_owned()
        }

        fn capabilities(&self) -> Capabilities {
            Capabilities::new(Clock::Paused)
                .without(Capability::Deadline, "the queue has no timeout")
        }

        async fn endpoint(&self, script: Script) -> Result<Endpoint, Unplayable> {
            Endpoint::in_memory(script)
        }

        fn sink(&self, endpoint: &Endpoint) -> UnderTest {
            UnderTest::new(endpoint.as_sink().expect("in memory").clone())
        }
    }

    let result = sink_suite(Modest).only("deadline").await;
    assert_eq!(result.counts(), (0, 0, 2));
    assert!(result.to_string().contains("not supported: the queue has no timeout"), "{result}");
    let nothing_shown = std::panic::catch_unwind(|| result.assert_passed());
    assert!(nothing_shown.is_err(), "a suite in which no case passed shows nothing");
}
