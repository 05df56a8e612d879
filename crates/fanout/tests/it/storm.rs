//! One sink fails for everybody: what that does to it, and to the others.

use std::sync::Arc;
use std::time::Duration;

use fanout::resilience::Resilience;
use fanout::{FanOut, policy};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::endpoint::{Endpoint, Step};
use crate::pipeline::{resilient, settings};
use crate::support::{hello, ms};

/// What fifty senders did to a broken sink in ten seconds, beside one that works.
struct Storm {
    sends: usize,
    /// Sends that attempted anything at the broken sink.
    tried: usize,
    /// Attempts at the broken sink.
    attempts: usize,
}

async fn storm(settings: Resilience) -> Storm {
    let broken = Endpoint::always(Step::refuse().after(ms(5)));
    let healthy = Endpoint::always(Step::take().after(ms(20)));
    let (sick, well) = (resilient(&broken, settings.clone()), resilient(&healthy, settings));
    let fan_out = FanOut::builder(policy::all_settled())
        .sink("broken", Arc::clone(&sick))
        .sink("healthy", Arc::clone(&well))
        .build()
        .unwrap();
    let end = Instant::now() + Duration::from_secs(10);
    let mut senders = JoinSet::new();
    for _ in 0..50 {
        let fan_out = fan_out.clone();
        senders.spawn(async move {
            let (mut sends, mut tried) = (0, 0);
            while Instant::now() < end {
                let report = fan_out.send(hello()).await;
                let healthy = report.get("healthy").unwrap();
                assert!(healthy.is_delivered());
                assert!(healthy.elapsed() <= ms(21), "untouched: {:?}", healthy.elapsed());
                sends += 1;
                tried += usize::from(report.get("broken").unwrap().attempts() > 0);
                sleep(ms(1)).await;
            }
            (sends, tried)
        });
    }
    let (sends, tried) =
        senders.join_all().await.into_iter().fold((0, 0), |(a, b), (c, d)| (a + c, b + d));
    for sink in [&sick, &well] {
        assert_eq!((sink.bulkhead().in_flight(), sink.bulkhead().admitted()), (0, 0));
    }
    assert_eq!((healthy.count(), broken.in_flight()), (sends, 0));
    Storm { sends, tried, attempts: broken.count() }
}

#[tokio::test(start_paused = true)]
async fn a_breaker_leaves_a_broken_sink_alone() {
    let storm = storm(settings()).await;
    assert!(storm.sends > 10_000, "{}", storm.sends);
    // Those in flight when it opened, and a probe each time it half-opened.
    assert!(storm.attempts <= 64 + 3, "{}", storm.attempts);
}

#[tokio::test(start_paused = true)]
async fn without_a_breaker_the_budget_bounds_the_retries() {
    let settings =
        settings().breaker_consecutive(u32::MAX).breaker_min_calls(u32::MAX).backoff_base(ms(1));
    let storm = storm(settings).await;
    assert_eq!(storm.tried, storm.sends);
    let retries = storm.attempts - storm.tried;
    let allowed = storm.tried / 5 + 100;
    assert!(retries <= allowed, "{retries} of {allowed}");
    assert!(retries > allowed * 9 / 10, "and it is used: {retries} of {allowed}");
}
