//! Resilience: how many attempts may be in flight, and how many sends may wait.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;

use fanout::{Attempt, Effect, Error, ErrorKind, Receipt, RetryAdvice, StopReason, sink_fn};
use tokio::time::sleep;

use super::engine::{hello, ms};
use super::resilience::{
    Bench, ResilienceCase, a, expect_calls, expect_stop, expect_within, resilience_case, s,
    send_all, settings, unbroken,
};
use super::resilience_destination::{Destination, busy, takes};
use crate::suite::{Outcome, Stop, ensure};

pub(super) const CASES: &[ResilienceCase] = &[
    resilience_case!(
        permits,
        "resilience/permits_bound_attempts",
        "no more attempts are in flight at a sink than there are permits, and all come to pass"
    ),
    resilience_case!(
        pauses,
        "resilience/no_permit_during_a_pause",
        "a send that pauses between attempts holds no permit"
    ),
    resilience_case!(
        full,
        "resilience/full_queue_fails_at_once",
        "when as many sends wait as may, one more fails at once with `QueueFull`, without effect or attempt"
    ),
    resilience_case!(
        threads,
        "resilience/permits_hold_on_many_threads",
        "with 64 threads that send as they can, there are never more attempts in flight than permits"
    ),
];

async fn permits(bench: Bench) -> Outcome {
    let destination = Destination::playing(takes().late(ms(10)));
    let fan_out = bench.fan_out(&destination, settings().max_in_flight(2))?;
    for report in send_all(&fan_out, 50).await {
        ensure!(report.is_satisfied(), "a send failed\n{report}");
    }
    let peak = destination.counts().peak;
    ensure!(peak == 2, "with two permits, {peak} attempts were in flight at once");
    Ok(())
}

async fn pauses(bench: Bench) -> Outcome {
    let pausing = std::iter::repeat_with(|| busy(RetryAdvice::Exactly(s(5))).late(ms(10)));
    let destination = Destination::first(pausing.take(50));
    let fan_out = bench.fan_out(&destination, unbroken().max_in_flight(2))?;
    for report in send_all(&fan_out, 50).await {
        ensure!(report.is_satisfied(), "a send failed though the sink recovers\n{report}");
    }
    expect_calls(&destination, 100)?;
    let peak = destination.counts().peak;
    ensure!(peak == 2, "with two permits, {peak} attempts were in flight at once");
    let times = destination.times();
    // Two at a time, 10 ms each: were a permit held in a pause, the last would begin after 125 s.
    expect_within("the start of 50 sends", times[49], ms(240), ms(300))
}

async fn full(bench: Bench) -> Outcome {
    let destination = Destination::playing(takes().late(s(1)));
    let fan_out = bench.fan_out(&destination, settings().max_in_flight(2).max_waiting(3))?;
    let reports = send_all(&fan_out, 7).await;
    let refused: Vec<_> = reports.iter().filter(|report| !report.is_satisfied()).collect();
    ensure!(refused.len() == 2, "of 7 sends, where 5 have room, {} were refused", refused.len());
    for report in refused {
        expect_stop(report, 0, StopReason::NotRetryable)?;
        let a = a(report)?;
        let kind = a.error().map(Error::kind);
        ensure!(kind == Some(ErrorKind::QueueFull), "it failed with {kind:?}");
        ensure!(a.effect() == Effect::None, "it had effect {}", a.effect());
        ensure!(a.elapsed().is_zero(), "it failed only after {:?}", a.elapsed());
    }
    Ok(())
}

/// Real threads and a real clock: what is judged is what they do to each other.
async fn threads(bench: Bench) -> Outcome {
    const THREADS: usize = 64;
    let (inside, peak) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (within, highest) = (Arc::clone(&inside), Arc::clone(&peak));
    let counting = sink_fn(move |_, _| {
        let (within, highest) = (Arc::clone(&within), Arc::clone(&highest));
        async move {
            highest.fetch_max(within.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            sleep(ms(1)).await;
            within.fetch_sub(1, Ordering::SeqCst);
            Ok(Receipt::new())
        }
    });
    let sink = bench.wrap(counting, settings().max_in_flight(3))?;
    let together = Barrier::new(THREADS);
    let delivered = thread::scope(|scope| {
        let send = || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
            let runtime = runtime.expect("a runtime without I/O needs nothing of the system");
            together.wait();
            runtime.block_on(async {
                let mut delivered = 0;
                for _ in 0..3 {
                    let message = hello();
                    let attempt = Attempt::first("a", &message);
                    delivered += usize::from(sink.send(&message, &attempt).await.is_ok());
                }
                delivered
            })
        };
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(send)).collect();
        threads.into_iter().map(|thread| thread.join().ok()).sum::<Option<usize>>()
    });
    let delivered = delivered.ok_or_else(|| Stop::Failed("a send panicked".to_owned()))?;
    ensure!(delivered == 3 * THREADS, "of {} sends, {delivered} were delivered", 3 * THREADS);
    let peak = peak.load(Ordering::SeqCst);
    ensure!(peak <= 3, "with three permits, {peak} attempts were in flight at once");
    Ok(())
}
