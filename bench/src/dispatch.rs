//! Dispatch alone: no-op sinks, against a bare `FuturesUnordered` over the same boxed sinks; and the
//! resilience pipeline around one such sink, against the sink alone.

use std::sync::Arc;
use std::time::Instant;

use fanout::resilience::{Resilience, Resilient};
use fanout::{Attempt, Error, FanOut, Message, Receipt, Sink, SinkExt, async_trait, policy};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use stats_alloc::Region;
use tokio::runtime::{Builder, Runtime};

use crate::{ALLOCATOR, instructions};

/// Who sends.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Contestant {
    /// `FuturesUnordered` over the boxed futures of the sinks, and nothing else.
    Bare,
    /// A [`FanOut`] under `all`.
    FanOut,
    /// One sink, called by hand.
    Sink,
    /// The same with the whole pipeline around it, a rate limit included.
    Resilient,
}

impl Contestant {
    pub(crate) fn named(name: &str) -> Option<Self> {
        let all = [Self::Bare, Self::FanOut, Self::Sink, Self::Resilient];
        all.into_iter().find(|contestant| contestant.name() == name)
    }

    fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::FanOut => "fanout",
            Self::Sink => "sink",
            Self::Resilient => "resilient",
        }
    }
}

/// One contestant with its sinks, ready to send.
pub(crate) struct Bench {
    contestant: Contestant,
    runtime: Runtime,
    sinks: Vec<Arc<dyn Sink>>,
    fan_out: FanOut,
    resilient: Resilient<NoOp>,
    message: Message,
}

impl Bench {
    pub(crate) fn new(contestant: Contestant, width: usize) -> Self {
        let sinks: Vec<Arc<dyn Sink>> =
            (0..width).map(|_| Arc::new(NoOp) as Arc<dyn Sink>).collect();
        let named = sinks.iter().enumerate();
        let builder = named.fold(FanOut::builder(policy::all()), |builder, (number, sink)| {
            builder.sink(number.to_string(), Arc::clone(sink))
        });
        let fan_out = builder.build().expect("the sinks have unique names");
        let runtime = Builder::new_current_thread().enable_time().build().expect("a runtime");
        // Everything on, and nothing that ever waits.
        let resilience = Resilience::default().rate_limit(1e9).seed(1);
        let resilient = NoOp.resilient(resilience).expect("the numbers are possible");
        Self { contestant, runtime, sinks, fan_out, resilient, message: Message::text("hello") }
    }

    /// Sends so many times, one after the other.
    pub(crate) fn run(&self, sends: usize) {
        self.runtime.block_on(async {
            for _ in 0..sends {
                match self.contestant {
                    Contestant::Bare => self.send_bare().await,
                    Contestant::FanOut => {
                        let report = self.fan_out.send(&self.message).await;
                        assert!(report.is_satisfied());
                    }
                    Contestant::Sink => self.send_alone(&*self.sinks[0]).await,
                    Contestant::Resilient => self.send_alone(&self.resilient).await,
                }
            }
        });
    }

    async fn send_alone(&self, sink: &dyn Sink) {
        let attempt = Attempt::first("alone", &self.message);
        assert!(sink.send(&self.message, &attempt).await.is_ok());
    }

    async fn send_bare(&self) {
        let attempt = Attempt::first("bare", &self.message);
        let mut in_flight: FuturesUnordered<_> =
            self.sinks.iter().map(|sink| sink.send(&self.message, &attempt)).collect();
        while let Some(result) = in_flight.next().await {
            assert!(result.is_ok());
        }
    }
}

struct NoOp;

#[async_trait]
impl Sink for NoOp {
    async fn send(&self, _: &Message, _: &Attempt) -> Result<Receipt, Error> {
        Ok(Receipt::new())
    }
}

/// Prints time, allocations and instructions per send at several widths, and the ratios.
pub(crate) fn compare() {
    println!("dispatch of no-op sinks, per send; bare = FuturesUnordered over the same boxes");
    println!(
        "{:>6} {:>10} {:>10} {:>6} {:>7} {:>7} {:>11} {:>11} {:>6} {:>9}",
        "width",
        "bare",
        "fanout",
        "ratio",
        "allocs",
        "allocs",
        "instr.",
        "instr.",
        "ratio",
        "per sink"
    );
    for width in [1, 2, 8, 64, 512, 10_000] {
        let sends = (400_000 / width).max(40);
        let [bare, fan_out] =
            [Contestant::Bare, Contestant::FanOut].map(|who| Bench::new(who, width));
        let times = interleaved([&bare, &fan_out], sends);
        let allocations = [&bare, &fan_out].map(allocations);
        let counted = [&bare, &fan_out].map(|bench| {
            instructions::per_send(bench.contestant.name(), width, (4_000 / width).max(4))
        });
        let number =
            |count: Option<f64>| count.map_or("-".to_owned(), |count| format!("{count:.0}"));
        let ratio = match counted {
            [Some(bare), Some(fan_out)] => format!("{:.2}", fan_out / bare),
            _ => "-".to_owned(),
        };
        println!(
            "{width:>6} {:>7.0} ns {:>7.0} ns {:>6.2} {:>7} {:>7} {:>11} {:>11} {ratio:>6} {:>6.0} ns",
            times[0],
            times[1],
            times[1] / times[0],
            allocations[0],
            allocations[1],
            number(counted[0]),
            number(counted[1]),
            times[1] / width as f64,
        );
    }
}

/// Prints what the resilience pipeline costs around a sink that answers at once.
pub(crate) fn compare_resilient() {
    println!();
    println!("one no-op sink with everything on, per send; sink = the same called by hand");
    println!("{:>10} {:>10} {:>7} {:>11}", "", "time", "allocs", "instr.");
    let benches = [Contestant::Sink, Contestant::Resilient].map(|who| Bench::new(who, 1));
    let times = interleaved([&benches[0], &benches[1]], 400_000);
    for (bench, time) in benches.iter().zip(times) {
        let name = bench.contestant.name();
        let counted = instructions::per_send(name, 1, 4_000);
        let counted = counted.map_or("-".to_owned(), |count| format!("{count:.0}"));
        println!("{name:>10} {time:>7.0} ns {:>7} {counted:>11}", allocations(bench));
    }
}

/// The median time of one send in nanoseconds, measured in turns so that both see the same weather.
fn interleaved(benches: [&Bench; 2], sends: usize) -> [f64; 2] {
    let mut rounds = [Vec::new(), Vec::new()];
    for _ in 0..ROUNDS {
        for (bench, times) in benches.iter().zip(&mut rounds) {
            let began = Instant::now();
            bench.run(sends / ROUNDS);
            times.push(began.elapsed().as_nanos() as f64 / (sends / ROUNDS) as f64);
        }
    }
    rounds.map(|mut times| {
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    })
}

/// Allocations of one send, once everything is warm.
fn allocations(bench: &Bench) -> usize {
    bench.run(10);
    let region = Region::new(ALLOCATOR);
    bench.run(100);
    let change = region.change();
    (change.allocations + change.reallocations) / 100
}

const ROUNDS: usize = 10;
