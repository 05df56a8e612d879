//! The pipeline with something broken around it.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use fanout::resilience::{RateLimit, Resilience};
use fanout::{Attempt, Error, ErrorKind, Message, MessageId, Sink, TimeoutScope};
use fanout_conformance::fanout_resilience;
use futures_util::future::FutureExt;
use tokio::sync::{Notify, Semaphore};
use tokio::time::{sleep, timeout};

use super::{Around, Made, Row, around, number, outside, pass, seconds};

pub(super) const OUTSIDE: &[Row] = &[
    Row {
        name: "counts queueing as part of the attempt",
        make: |sink, settings| {
            let limit = seconds(&settings, "attempt_timeout");
            outside(sink, settings, move |sink, message, attempt| async move {
                let send = timeout(limit, sink.send(&message, &attempt));
                send.await
                    .unwrap_or_else(|_| Err(Error::timeout(TimeoutScope::Attempt, "too slow")))
            })
        },
        rules: &["resilience/queueing_is_no_attempt"],
    },
    Row {
        name: "sleeps into the wall",
        make: |sink, settings| {
            let limit = seconds(&settings, "total_timeout");
            let endless = settings.total_timeout(Duration::from_secs(3_600));
            outside(sink, endless, move |sink, message, attempt| async move {
                let send = timeout(limit, sink.send(&message, &attempt));
                send.await.unwrap_or_else(|_| Err(Error::timeout(TimeoutScope::Total, "too slow")))
            })
        },
        rules: &["resilience/no_sleep_into_the_wall"],
    },
    Row {
        name: "sends under attempts of its own making",
        make: |sink, settings| {
            outside(sink, settings, |sink, message, attempt| async move {
                let own = Attempt::first(attempt.sink(), &message);
                sink.send(&message, &own).await
            })
        },
        rules: &["resilience/outer_deadline_is_kept", "resilience/attempts_are_on_record"],
    },
    Row {
        name: "sends twice to be sure",
        make: |sink, settings| {
            outside(sink, settings, |sink, message, attempt| async move {
                drop(sink.send(&message, &attempt).await);
                sink.send(&message, &attempt).await
            })
        },
        rules: &["resilience/delivered_is_not_sent_again"],
    },
    Row {
        name: "sleeps before it fails",
        make: |sink, settings| {
            outside(sink, settings, |sink, message, attempt| async move {
                let result = sink.send(&message, &attempt).await;
                if result.is_err() {
                    sleep(Duration::from_millis(50)).await;
                }
                result
            })
        },
        rules: &[
            "resilience/empty_budget_ends_at_once",
            "resilience/open_breaker_ends_at_once",
            "resilience/full_queue_fails_at_once",
            "resilience/server_delay_too_long",
            "resilience/open_breaker_is_not_available",
        ],
    },
    Row {
        name: "cuts what is in flight when one send gives up",
        make: |sink, settings| {
            let given_up = Arc::new(Notify::new());
            outside(sink, settings, move |sink, message, attempt| {
                let given_up = Arc::clone(&given_up);
                async move {
                    tokio::select! {
                        result = sink.send(&message, &attempt) => {
                            if result.is_err() {
                                given_up.notify_waiters();
                            }
                            result
                        }
                        () = given_up.notified() => Err(Error::new(ErrorKind::Cancelled, "cut")),
                    }
                }
            })
        },
        rules: &["resilience/empty_budget_cuts_nothing"],
    },
    Row {
        name: "is always available",
        make: |sink, settings| {
            let inner = fanout_resilience(sink, settings)?;
            let open = Around { available: Some(Box::new(|| true)), ..around(inner, pass) };
            Ok(Arc::new(open))
        },
        rules: &[
            "resilience/open_breaker_is_not_available",
            "resilience/breaker_opens_at_low_traffic",
        ],
    },
    Row {
        name: "waits for an open breaker",
        make: |sink, settings| {
            outside(sink, settings, |sink, message, attempt| async move {
                loop {
                    match sink.send(&message, &attempt).await {
                        Err(error) if error.kind() == ErrorKind::CircuitOpen => {
                            sleep(Duration::from_secs(1)).await;
                        }
                        result => return result,
                    }
                }
            })
        },
        rules: &[
            "resilience/open_breaker_ends_at_once",
            "resilience/open_breaker_is_not_available",
            "resilience/half_open_lets_one_pass",
        ],
    },
    Row {
        name: "lets all probe a half-open breaker",
        make: |sink, settings| {
            let direct = Arc::clone(&sink);
            outside(sink, settings, move |sink, message, attempt| {
                let direct = Arc::clone(&direct);
                async move {
                    match sink.send(&message, &attempt).await {
                        Err(error) if error.message().contains("probe") => {
                            direct.send(&message, &attempt).await
                        }
                        result => result,
                    }
                }
            })
        },
        rules: &["resilience/half_open_lets_one_pass"],
    },
    Row {
        name: "goes on when its send is dropped",
        make: |sink, settings| {
            outside(sink, settings, |sink, message, attempt| async move {
                let sending = tokio::spawn(async move { sink.send(&message, &attempt).await });
                sending.await.expect("the task neither panics nor is aborted")
            })
        },
        rules: &[
            "resilience/dropped_probe_wedges_nothing",
            "resilience/dropped_send_gives_everything_back",
            "resilience/dropped_pause_sends_nothing",
            "resilience/shutdown_ends_pauses",
        ],
    },
    Row {
        name: "counts dropped sends as failures",
        make: resentful,
        rules: &["resilience/abandoned_calls_are_neutral"],
    },
    Row {
        name: "limits sends and not attempts",
        make: |sink, settings| {
            let limit = Arc::new(RateLimit::new(number(&settings, "rate_limit").max(1.0)));
            outside(sink, settings.rate_limit(None), move |sink, message, attempt| {
                let limit = Arc::clone(&limit);
                async move {
                    drop(limit.take(None).await.expect("there is no deadline"));
                    sink.send(&message, &attempt).await
                }
            })
        },
        rules: &["resilience/rate_limit_holds_for_retries"],
    },
    Row {
        name: "holds its permit while it pauses",
        make: |sink, settings| {
            let permits = Arc::new(Semaphore::new(number(&settings, "max_in_flight") as usize));
            outside(sink, settings, move |sink, message, attempt| {
                let permits = Arc::clone(&permits);
                async move {
                    let _permit = permits.acquire().await.expect("nobody closes it");
                    sink.send(&message, &attempt).await
                }
            })
        },
        rules: &["resilience/no_permit_during_a_pause"],
    },
    Row {
        name: "is wedged by a panic",
        make: |sink, settings| {
            let broken = Arc::new(AtomicBool::new(false));
            outside(sink, settings, move |sink, message, attempt| {
                let broken = Arc::clone(&broken);
                async move {
                    if broken.load(Ordering::SeqCst) {
                        return Err(Error::new(ErrorKind::QueueFull, "no room"));
                    }
                    let send = AssertUnwindSafe(sink.send(&message, &attempt)).catch_unwind();
                    send.await.unwrap_or_else(|panic| {
                        broken.store(true, Ordering::SeqCst);
                        std::panic::resume_unwind(panic)
                    })
                }
            })
        },
        rules: &["resilience/panic_gives_everything_back"],
    },
    Row {
        name: "makes up a message for each send",
        make: |sink, settings| {
            outside(sink, settings, |sink, message, attempt| async move {
                let own = message.with_id(MessageId::new());
                sink.send(&own, &Attempt::first(attempt.sink(), &own)).await
            })
        },
        rules: &["resilience/resend_keeps_the_key", "resilience/key_is_the_same_on_every_attempt"],
    },
    Row {
        name: "says hello when it is made",
        make: |sink, settings| {
            let message = Message::text("hello");
            drop(sink.send(&message, &Attempt::first("hello", &message)).now_or_never());
            fanout_resilience(sink, settings)
        },
        rules: &["resilience/offline_construction"],
    },
];

/// Thinks ill of a sink whose sends are dropped.
fn resentful(sink: Arc<dyn Sink>, settings: Resilience) -> Made {
    struct Guard(Arc<AtomicUsize>, bool);

    impl Drop for Guard {
        fn drop(&mut self) {
            if !self.1 {
                self.0.fetch_add(1, Ordering::SeqCst);
            }
        }
    }

    let dropped = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&dropped);
    let inner = fanout_resilience(sink, settings)?;
    let send = move |sink: Arc<dyn Sink>, message: Message, attempt: Attempt| {
        let dropped = Arc::clone(&dropped);
        async move {
            let mut guard = Guard(dropped, false);
            let result = sink.send(&message, &attempt).await;
            guard.1 = true;
            result
        }
    };
    let available: Box<dyn Fn() -> bool + Send + Sync> =
        Box::new(move || seen.load(Ordering::SeqCst) < 5);
    Ok(Arc::new(Around { available: Some(available), ..around(inner, send) }))
}
