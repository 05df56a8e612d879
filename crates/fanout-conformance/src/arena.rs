//! Where a case runs: a thread and a runtime of its own, so that its clock, its tasks and its panics
//! are its own too.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use futures_util::future::LocalBoxFuture;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;

use crate::suite::{Outcome, Stop};

/// Which clock a case runs under.
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Clock {
    /// Tokio's clock, paused: hours pass in no time. Right for sinks that do no I/O.
    Paused,
    /// The real clock. A paused one would fire every timeout while a socket is waited for.
    Real,
}

/// Starts a case; called on the case's own thread, inside its runtime.
pub(crate) type Start = Box<dyn FnOnce() -> LocalBoxFuture<'static, Outcome> + Send>;

/// Runs a case to its end, or to the limit.
pub(crate) async fn run(clock: Clock, start: Start) -> Outcome {
    run_within(WALL_LIMIT, clock, start).await
}

async fn run_within(wall_limit: Duration, clock: Clock, start: Start) -> Outcome {
    let (done, result) = oneshot::channel();
    // The outer thread watches the inner one: a case that blocks its thread cannot be stopped, but it
    // can be given up. It uses no timer of the caller's runtime, whose clock may be paused.
    let watcher = move || {
        let (inside, outcome) = mpsc::channel();
        // A send fails only when the watcher has given the case up.
        thread::spawn(move || inside.send(judge(clock, start)).ok());
        let outcome = outcome.recv_timeout(wall_limit).unwrap_or_else(|_| {
            Err(Stop::Failed(format!("it blocked its thread for {wall_limit:?}")))
        });
        drop(done.send(outcome));
    };
    thread::spawn(watcher);
    result.await.unwrap_or_else(|_| Err(Stop::Failed("its thread died".to_owned())))
}

fn judge(clock: Clock, start: Start) -> Outcome {
    let runtime = runtime(clock);
    let limit = match clock {
        Clock::Paused => PAUSED_LIMIT,
        Clock::Real => REAL_LIMIT,
    };
    let case = || runtime.block_on(async { tokio::time::timeout(limit, start()).await });
    let outcome = match catch_unwind(AssertUnwindSafe(case)) {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(_)) => Err(Stop::Failed(format!("it did not end within {} s", limit.as_secs()))),
        Err(panic) => Err(Stop::Failed(format!("it panicked: {}", panic_text(panic.as_ref())))),
    };
    runtime.shutdown_background();
    outcome
}

fn runtime(clock: Clock) -> Runtime {
    let mut builder = match clock {
        Clock::Paused => Builder::new_current_thread(),
        Clock::Real => Builder::new_multi_thread(),
    };
    builder.enable_all();
    match clock {
        Clock::Paused => builder.start_paused(true),
        Clock::Real => builder.worker_threads(2),
    };
    builder.build().expect("a runtime needs threads and, at most, a file descriptor for its driver")
}

/// Returns what a panic said.
pub(crate) fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no text".to_owned())
}

/// Longer than any deadline that a case sets.
const PAUSED_LIMIT: Duration = Duration::from_secs(7 * 24 * 3600);
const REAL_LIMIT: Duration = Duration::from_secs(20);
const WALL_LIMIT: Duration = Duration::from_secs(40);

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(outcome: Outcome) -> String {
        match outcome {
            Err(Stop::Failed(what)) => what,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn a_case_that_blocks_its_thread_is_given_up() {
        let (release, held) = mpsc::channel::<()>();
        let block: Start = Box::new(move || {
            Box::pin(async move {
                // Ends when the test does.
                held.recv().ok();
                Ok(())
            })
        });
        let outcome = run_within(Duration::from_millis(50), Clock::Paused, block).await;
        assert_eq!(failure(outcome), "it blocked its thread for 50ms");
        drop(release);
    }

    #[tokio::test]
    async fn a_case_that_waits_for_ever_fails_and_so_does_one_that_panics() {
        let wait: Start = Box::new(|| Box::pin(std::future::pending()));
        let waited = run(Clock::Paused, wait).await;
        assert_eq!(failure(waited), "it did not end within 604800 s");
        let panic: Start = Box::new(|| Box::pin(async { panic!("as told") }));
        assert_eq!(failure(run(Clock::Real, panic).await), "it panicked: as told");
    }

    /// The caller's clock may be paused: no timer of its runtime is used.
    #[tokio::test(start_paused = true)]
    async fn a_case_under_the_real_clock_runs_below_a_paused_one() {
        let case: Start = Box::new(|| {
            Box::pin(async {
                tokio::time::sleep(Duration::from_millis(5)).await;
                Ok(())
            })
        });
        assert!(run(Clock::Real, case).await.is_ok());
    }
}
