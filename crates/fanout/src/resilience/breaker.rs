//! Whether a sink is worth trying at all: the circuit breaker.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::{Error, ErrorKind, Receipt, TimeoutScope};

use super::backoff::Jitter;
use super::settings::Resilience;
use super::window::Window;

/// Stops sending to a sink that fails, and finds out by one probe at a time when it is back.
///
/// - **Closed**: everything passes. It opens after so many failures in a row, or when a share of the
///   calls of the last while failed and there were enough of them.
/// - **Open**: nothing passes, until a time has gone by: first as set, then twice that with equal jitter
///   (between half of the doubled time and the whole) as often as the probe fails, up to a bound.
/// - **Half-open**: one call holds the lease and passes, all others do not. Its success closes the
///   breaker, its failure opens it again.
///
/// A [`Lease`] that is dropped without a record changes nothing, and a probe's gives its place back: a
/// call that was cancelled says nothing about the sink. What began before the breaker last changed
/// is not counted either.
///
/// Every method is one short lock at most, and none while the breaker is closed and one only asks.
///
/// # Examples
///
/// ```
/// use fanout::resilience::{Breaker, Health, Resilience};
/// use tokio::time::Instant;
///
/// let breaker = Breaker::new(&Resilience::default().breaker_consecutive(1));
/// let now = Instant::now();
/// breaker.reserve(now).expect("it is closed").record(Health::Failing, now);
/// let open = breaker.reserve(now).expect_err("one failure was enough");
/// assert!(open.until().is_some_and(|until| until > now));
/// ```
#[derive(Debug)]
pub struct Breaker {
    consecutive: u32,
    ratio: f64,
    min_calls: u64,
    open: Duration,
    open_max: Duration,
    seed: u64,
    /// Whether it is not closed: what the many look at, without the lock.
    engaged: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    /// Grows with every change of phase, so that calls of an earlier one are told apart.
    generation: u64,
    in_a_row: u32,
    /// How often it opened since it was last closed.
    openings: u32,
    window: Window<10>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Closed,
    Open { until: Instant },
    HalfOpen { leased: bool },
}

/// That the breaker lets nobody pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the circuit breaker is open")]
pub struct Open {
    until: Option<Instant>,
}

/// The right to make one call, and the duty to say how it went.
#[derive(Debug)]
#[must_use = "a lease that is dropped records nothing"]
pub struct Lease<'a> {
    breaker: &'a Breaker,
    generation: u64,
    probe: bool,
}

/// What an answer says about the health of the sink.
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Health {
    /// It works: it took the message, or understood and refused it.
    Working,
    /// It, or the way to it, failed.
    Failing,
    /// Nothing: the reason was ours, or the call was abandoned.
    Unknown,
}

impl Breaker {
    /// Makes a closed breaker.
    pub fn new(settings: &Resilience) -> Self {
        Self {
            consecutive: settings.breaker_consecutive,
            ratio: settings.breaker_ratio,
            min_calls: u64::from(settings.breaker_min_calls),
            open: settings.breaker_open,
            open_max: settings.breaker_open_max,
            seed: settings.seed.unwrap_or_else(|| fastrand::u64(..)),
            engaged: AtomicBool::new(false),
            state: Mutex::new(State {
                phase: Phase::Closed,
                generation: 0,
                in_a_row: 0,
                openings: 0,
                window: Window::new(settings.breaker_window),
            }),
        }
    }

    /// Returns whether a call could pass now, without taking anything.
    ///
    /// # Errors
    ///
    /// [`Open`] when it could not.
    pub fn peek(&self, now: Instant) -> Result<(), Open> {
        if !self.engaged.load(Ordering::Acquire) {
            return Ok(());
        }
        self.state().passable(now)
    }

    /// Takes the right to make one call, right before it is made.
    ///
    /// # Errors
    ///
    /// [`Open`] when the breaker is open, or half-open and another call is its probe.
    pub fn reserve(&self, now: Instant) -> Result<Lease<'_>, Open> {
        let mut state = self.state();
        state.passable(now)?;
        let probe = state.phase != Phase::Closed;
        if probe {
            if let Phase::Open { .. } = state.phase {
                state.generation += 1;
            }
            state.phase = Phase::HalfOpen { leased: true };
        }
        Ok(Lease { breaker: self, generation: state.generation, probe })
    }

    fn record(&self, generation: u64, probe: bool, health: Health, now: Instant) {
        let mut state = self.state();
        if state.generation != generation {
            return;
        }
        match (state.phase, health) {
            (Phase::HalfOpen { .. }, _) if !probe => {}
            (Phase::HalfOpen { .. }, Health::Working) => {
                state.change(Phase::Closed);
                state.openings = 0;
                state.in_a_row = 0;
                state.window.clear();
                self.engaged.store(false, Ordering::Release);
            }
            (Phase::HalfOpen { .. }, Health::Failing) => self.trip(&mut state, now),
            (Phase::HalfOpen { .. }, Health::Unknown) => {
                state.phase = Phase::HalfOpen { leased: false };
            }
            (Phase::Closed, Health::Working) => {
                state.in_a_row = 0;
                state.window.add(WORKING, now);
                self.judge(&mut state, now);
            }
            (Phase::Closed, Health::Failing) => {
                state.in_a_row = state.in_a_row.saturating_add(1);
                state.window.add(FAILING, now);
                self.judge(&mut state, now);
            }
            (Phase::Closed, Health::Unknown) | (Phase::Open { .. }, _) => {}
        }
    }

    fn judge(&self, state: &mut State, now: Instant) {
        let [working, failing] = state.window.sums(now);
        let calls = working + failing;
        let share = calls >= self.min_calls && failing as f64 >= self.ratio * calls as f64;
        if share || state.in_a_row >= self.consecutive {
            self.trip(state, now);
        }
    }

    fn trip(&self, state: &mut State, now: Instant) {
        let doubled = 1_u32.checked_shl(state.openings).and_then(|by| self.open.checked_mul(by));
        let longest = doubled.map_or(self.open_max, |time| time.min(self.open_max));
        let time = if state.openings == 0 {
            longest
        } else {
            // So many that opened together shall not probe together.
            let jitter = &mut Jitter::seeded(self.seed, state.generation);
            longest / 2 + jitter.draw(longest / 2)
        };
        state.openings = state.openings.saturating_add(1);
        // What cannot be counted is not waited for in this process's life.
        let until = now.checked_add(time).unwrap_or(now + Duration::from_secs(3_600));
        state.change(Phase::Open { until });
        self.engaged.store(true, Ordering::Release);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn passable(&self, now: Instant) -> Result<(), Open> {
        match self.phase {
            Phase::Open { until } if now < until => Err(Open { until: Some(until) }),
            Phase::HalfOpen { leased: true } => Err(Open { until: None }),
            Phase::Closed | Phase::Open { .. } | Phase::HalfOpen { .. } => Ok(()),
        }
    }

    fn change(&mut self, phase: Phase) {
        self.phase = phase;
        self.generation += 1;
    }
}

impl Open {
    /// Returns when the breaker half-opens; `None` when it has, and another call is its probe.
    pub fn until(&self) -> Option<Instant> {
        self.until
    }
}

impl Lease<'_> {
    /// Returns whether this is the one call that probes a half-open breaker.
    pub fn is_probe(&self) -> bool {
        self.probe
    }

    /// Says how the call went.
    pub fn record(mut self, health: Health, now: Instant) {
        // A probe that says nothing gives its place back when it is dropped.
        if health != Health::Unknown {
            self.breaker.record(self.generation, self.probe, health, now);
            self.probe = false;
        }
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        if self.probe {
            let now = Instant::now();
            self.breaker.record(self.generation, true, Health::Unknown, now);
        }
    }
}

impl Health {
    /// Tells what the result of a call says about the sink.
    pub fn of(result: &Result<Receipt, Error>) -> Self {
        match result {
            Ok(_) => Self::Working,
            Err(error) if counts_for_breaker(error) => Self::Failing,
            Err(error) if proves_life(error.kind()) => Self::Working,
            Err(_) => Self::Unknown,
        }
    }
}

/// Tells whether a failure counts against the health of the sink: only what the sink or the way to it did,
/// never the request nor ourselves.
///
/// | kind | counts |
/// | --- | --- |
/// | `Unavailable`, `Upstream`, `Connect`, `Interrupted`, `Protocol`, `DataLoss` | yes |
/// | `Timeout` of connecting and of an attempt | yes |
/// | `Timeout` of a queue, of the total and of the fan-out | no: our own bounds |
/// | `Throttled` | no: the sink works, and has a gate of its own |
/// | `Tls` | no: a matter of configuration |
/// | `Rejected`, `Unauthenticated`, `Forbidden`, `NotFound`, `Conflict`, `Unsupported`, `Redirected` | no: they even prove that the sink works |
/// | `TooLarge`, `Build`, `CircuitOpen`, `LocalRateLimit`, `QueueFull`, `Cancelled`, `Panic`, `Unsatisfied` | no: perhaps or surely ours |
pub fn counts_for_breaker(error: &Error) -> bool {
    match error.kind() {
        ErrorKind::Unavailable
        | ErrorKind::Upstream
        | ErrorKind::Connect
        | ErrorKind::Interrupted
        | ErrorKind::Protocol
        | ErrorKind::DataLoss => true,
        ErrorKind::Timeout => match error.scope() {
            Some(TimeoutScope::Queue | TimeoutScope::Total | TimeoutScope::FanOut) => false,
            Some(TimeoutScope::Connect | TimeoutScope::Attempt) | None => true,
        },
        ErrorKind::Build
        | ErrorKind::Rejected
        | ErrorKind::Unauthenticated
        | ErrorKind::Forbidden
        | ErrorKind::NotFound
        | ErrorKind::Conflict
        | ErrorKind::TooLarge
        | ErrorKind::Unsupported
        | ErrorKind::Redirected
        | ErrorKind::Throttled
        | ErrorKind::Tls
        | ErrorKind::CircuitOpen
        | ErrorKind::LocalRateLimit
        | ErrorKind::QueueFull
        | ErrorKind::Cancelled
        | ErrorKind::Panic
        | ErrorKind::Unsatisfied => false,
    }
}

/// Whether only a sink that works gives this answer.
fn proves_life(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::Rejected
            | ErrorKind::Unauthenticated
            | ErrorKind::Forbidden
            | ErrorKind::NotFound
            | ErrorKind::Conflict
            | ErrorKind::Unsupported
            | ErrorKind::Redirected
    )
}

const WORKING: usize = 0;
const FAILING: usize = 1;
