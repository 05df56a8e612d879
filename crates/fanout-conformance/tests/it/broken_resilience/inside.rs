//! The pipeline around a sink with something broken between the two.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fanout::resilience::Resilience;
use fanout::{Attempt, Effect, Error, ErrorKind, RetryAdvice, Sink};
use fanout_conformance::fanout_resilience;
use tokio::time::{Instant, sleep_until, timeout};

use super::{Made, Row, around, claims, misread, seconds};

pub(super) const INSIDE: &[Row] = &[
    Row {
        name: "takes every sink for a repeatable one",
        make: |sink, settings| claims(sink, settings, true),
        rules: &["resilience/ambiguous_is_not_retried"],
    },
    Row {
        name: "takes no sink for a repeatable one",
        make: |sink, settings| claims(sink, settings, false),
        rules: &["resilience/repeatable_is_retried"],
    },
    Row {
        name: "takes every failure for harmless",
        make: |sink, settings| misread(sink, settings, |error| error.with_effect(Effect::None)),
        rules: &[
            "resilience/ambiguous_is_not_retried",
            "resilience/retry_maybe_never",
            "resilience/applied_is_not_retried",
            "resilience/effect_is_the_worst",
        ],
    },
    Row {
        name: "does not listen to advice",
        make: |sink, settings| {
            misread(sink, settings, |error| error.with_advice(RetryAdvice::Backoff))
        },
        rules: &[
            "resilience/advice_against_is_obeyed",
            "resilience/server_delay_is_a_floor",
            "resilience/pushback_is_exact",
            "resilience/never_written_is_repeated_free",
            "resilience/server_delay_too_long",
            "resilience/throttle_beyond_the_deadline_ends_at_once",
        ],
    },
    Row {
        name: "renews a refused credential as often as it is refused",
        make: |sink, settings| {
            misread(sink, settings, |error| match error.kind() {
                ErrorKind::Unauthenticated => Error::new(ErrorKind::Unavailable, "refused")
                    .with_effect(error.effect())
                    .with_advice(error.advice()),
                _ => error,
            })
        },
        rules: &["resilience/refused_credential_is_renewed_once"],
    },
    Row {
        name: "takes pushback for a floor",
        make: |sink, settings| {
            misread(sink, settings, |error| match error.advice() {
                RetryAdvice::Exactly(delay) => error.with_advice(RetryAdvice::After(delay)),
                _ => error,
            })
        },
        rules: &["resilience/pushback_is_exact"],
    },
    Row {
        name: "has no jitter",
        make: |sink, settings| {
            let base = seconds(&settings, "backoff_base");
            let even = around(sink, move |sink, message, attempt| async move {
                sink.send(&message, &attempt).await.map_err(|error| match error.advice() {
                    RetryAdvice::Backoff => error.with_advice(RetryAdvice::Exactly(base)),
                    _ => error,
                })
            });
            fanout_resilience(Arc::new(even), settings)
        },
        rules: &["resilience/jitter_is_full", "resilience/seed_gives_the_same_pauses"],
    },
    Row {
        name: "takes what the sink refused for its failure",
        make: |sink, settings| {
            misread(sink, settings, |error| match error.kind() {
                ErrorKind::Rejected | ErrorKind::Throttled => {
                    Error::new(ErrorKind::Upstream, "bad").with_advice(RetryAdvice::Never)
                }
                _ => error,
            })
        },
        rules: &["resilience/refusals_do_not_open"],
    },
    Row {
        name: "takes its own timeouts for cancellations",
        make: |sink, settings| {
            let limit = seconds(&settings, "attempt_timeout");
            let forgiving = around(sink, move |sink, message, attempt| async move {
                let send = timeout(limit - Duration::from_millis(5), sink.send(&message, &attempt));
                send.await.unwrap_or_else(|_| Err(Error::new(ErrorKind::Cancelled, "too slow")))
            });
            fanout_resilience(Arc::new(forgiving), settings)
        },
        rules: &["resilience/timeouts_open_the_breaker", "resilience/attempt_timeout"],
    },
    Row {
        name: "lets only the throttled send pause",
        make: |sink, settings| {
            misread(sink, settings, |error| match (error.kind(), error.advice()) {
                (ErrorKind::Throttled, RetryAdvice::After(delay)) => {
                    let own = Error::new(ErrorKind::Unavailable, "busy");
                    own.with_effect(Effect::None).with_advice(RetryAdvice::Exactly(delay))
                }
                _ => error,
            })
        },
        rules: &[
            "resilience/throttle_holds_back_all_sends",
            "resilience/throttle_begins_slowly",
            "resilience/throttle_beyond_the_deadline_ends_at_once",
        ],
    },
    Row {
        name: "lets all begin at once when a pause is over",
        make: stampede,
        rules: &["resilience/throttle_begins_slowly"],
    },
    Row {
        name: "makes up a key for each attempt",
        make: |sink, settings| {
            let count = AtomicUsize::new(0);
            let made_up = around(sink, move |sink, message, _| {
                let number = count.fetch_add(1, Ordering::SeqCst);
                async move {
                    let attempt = Attempt::first(format!("attempt-{number}"), &message);
                    sink.send(&message, &attempt).await
                }
            });
            fanout_resilience(Arc::new(made_up), settings)
        },
        rules: &[
            "resilience/key_is_the_same_on_every_attempt",
            "resilience/attempts_are_on_record",
            "resilience/outer_deadline_is_kept",
        ],
    },
    Row {
        name: "quotes the message in its errors",
        make: |sink, settings| {
            let quoting = around(sink, |sink, message, attempt| async move {
                let canary = message.metadata().get("x-canary").unwrap_or_default().to_owned();
                let result = sink.send(&message, &attempt).await;
                result.map_err(|error| error.with_context("metadata", canary))
            });
            fanout_resilience(Arc::new(quoting), settings)
        },
        rules: &["resilience/no_secrets"],
    },
];

/// Keeps the pause for all by itself, and forgets to begin slowly.
fn stampede(sink: Arc<dyn Sink>, settings: Resilience) -> Made {
    let until = Arc::new(Mutex::new(None));
    let paused = Arc::clone(&until);
    let own = around(sink, move |sink, message, attempt| {
        let until = Arc::clone(&paused);
        async move {
            let wait = *until.lock().expect("nobody panics with it");
            if let Some(wait) = wait {
                sleep_until(wait).await;
            }
            let error = match sink.send(&message, &attempt).await {
                Err(error) => error,
                taken => return taken,
            };
            let RetryAdvice::After(delay) = error.advice() else { return Err(error) };
            *until.lock().expect("nobody panics with it") = Some(Instant::now() + delay);
            let own = Error::new(ErrorKind::Unavailable, "busy").with_effect(Effect::None);
            Err(own.with_advice(RetryAdvice::Exactly(delay)))
        }
    });
    fanout_resilience(Arc::new(own), settings)
}
