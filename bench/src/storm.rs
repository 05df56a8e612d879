//! A storm in real time: one sink fails for everybody, fifty senders go on sending to it and to another.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use fanout::resilience::Resilience;
use fanout::{
    Attempt, Error, ErrorKind, FanOut, Message, Receipt, Sink, SinkExt, async_trait, policy,
};
use tokio::runtime::Builder;
use tokio::time::sleep;

use crate::ALLOCATOR;

/// Prints attempts, the other sink's latency and the memory in use, with the breaker and without.
pub(crate) fn blow() {
    println!("50 senders for 10 s: one sink refuses after 1 ms, the other answers after 5 ms");
    let unbroken = Resilience::default()
        .breaker_consecutive(u32::MAX)
        .breaker_min_calls(u32::MAX)
        .backoff_base(Duration::from_millis(1));
    for (name, settings, refuses) in [
        ("nothing fails", Resilience::default(), false),
        ("defaults", Resilience::default(), true),
        ("no breaker", unbroken, true),
    ] {
        let runtime = Builder::new_current_thread().enable_time().build().expect("a runtime");
        runtime.block_on(one(name, settings, refuses));
    }
}

async fn one(name: &str, settings: Resilience, refuses: bool) {
    let attempts = Arc::new(AtomicUsize::new(0));
    let broken = Slow { refuses, takes: Duration::from_millis(1), calls: Arc::clone(&attempts) };
    let healthy = Slow { refuses: false, takes: Duration::from_millis(5), calls: Arc::default() };
    let fan_out = FanOut::builder(policy::all_settled())
        .sink("broken", broken.resilient(settings.clone()).expect("possible numbers"))
        .sink("healthy", healthy.resilient(settings).expect("possible numbers"))
        .build()
        .expect("two sinks");
    let latencies = Arc::new(Mutex::new(Vec::with_capacity(1_000_000)));
    let (first, end) = (Arc::new(AtomicUsize::new(0)), Instant::now() + Duration::from_secs(10));
    let senders: Vec<_> = (0..50)
        .map(|_| {
            let (fan_out, latencies) = (fan_out.clone(), Arc::clone(&latencies));
            let first = Arc::clone(&first);
            tokio::spawn(async move {
                while Instant::now() < end {
                    let report = fan_out.send(Message::text("hello")).await;
                    let tried = report.get("broken").is_some_and(|broken| broken.attempts() > 0);
                    first.fetch_add(usize::from(tried), Ordering::Relaxed);
                    let healthy = report.get("healthy").expect("it was configured");
                    latencies.lock().expect("nobody panics").push(healthy.elapsed());
                    sleep(Duration::from_millis(1)).await;
                }
            })
        })
        .collect();
    sleep(Duration::from_secs(2)).await;
    let early = in_use();
    sleep(Duration::from_millis(7_500)).await;
    let late = in_use();
    for sender in senders {
        sender.await.expect("nobody panics");
    }
    let mut latencies = latencies.lock().expect("nobody panics");
    latencies.sort_unstable();
    let at = |share: f64| latencies[(latencies.len() as f64 * share) as usize];
    let (attempts, first) = (attempts.load(Ordering::Relaxed), first.load(Ordering::Relaxed));
    println!(
        "{name:>14}: {} sends, {attempts} attempts ({first} first) at the broken sink; healthy p50 {:.1?} \
         p99 {:.1?}; {} KiB in use after 2 s, {} KiB after 9.5 s",
        latencies.len(),
        at(0.5),
        at(0.99),
        early / 1024,
        late / 1024,
    );
}

fn in_use() -> usize {
    let stats = ALLOCATOR.stats();
    stats.bytes_allocated.saturating_sub(stats.bytes_deallocated)
}

struct Slow {
    refuses: bool,
    takes: Duration,
    calls: Arc<AtomicUsize>,
}

#[async_trait]
impl Sink for Slow {
    async fn send(&self, _: &Message, _: &Attempt) -> Result<Receipt, Error> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        sleep(self.takes).await;
        match self.refuses {
            true => Err(Error::new(ErrorKind::Connect, "refused")),
            false => Ok(Receipt::new()),
        }
    }
}
