//! Sending no faster than a sink wants: the gate for what it asks, and a rate limit of our own.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use tokio::sync::{Notify, Semaphore, SemaphorePermit};
use tokio::time::{Instant, sleep_until};

use super::time::within;

/// Holds everybody back while a sink has asked to be left alone, and then begins slowly.
///
/// After a pause one call passes; when it was answered and the sink did not ask for another pause,
/// two, then four, and so on, until as many are out as ever may be: then the gate is open again.
/// While it is open it costs one look at a flag.
///
/// # Cancel safety
///
/// Dropping [`wait`](Self::wait) or a [`Pass`] at any time leaves nothing behind.
#[derive(Debug)]
pub struct Gate {
    widest: usize,
    /// Whether it is not open: what the many look at, without the lock.
    engaged: AtomicBool,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    until: Option<Instant>,
    /// How many may be out at once; `None`: any number.
    window: Option<usize>,
    /// How many of those that passed while the gate was not open are out.
    outside: usize,
}

/// That one call may be made, and is out.
#[derive(Debug)]
#[must_use = "the call is over when this is dropped"]
pub struct Pass<'a> {
    /// `None` when the gate was open.
    gate: Option<&'a Gate>,
}

/// That something will not come about in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not in time")]
pub struct Late {
    pub(super) ready: Option<Instant>,
}

/// That a call may begin. While it is held nobody else is let on, so that those who have to wait for
/// something else before they begin do not gather, and then begin all at once.
#[derive(Debug)]
#[must_use = "nobody else is let on until this is dropped"]
pub struct Turn<'a> {
    _turn: SemaphorePermit<'a>,
}

enum Look {
    Free,
    PausedUntil(Instant),
    Full,
}

impl Gate {
    /// Makes an open gate for a sink that `widest` calls may reach at once.
    pub fn new(widest: usize) -> Self {
        Self {
            widest,
            engaged: AtomicBool::new(false),
            state: Mutex::default(),
            changed: Notify::new(),
        }
    }

    /// Lets nobody pass for `pause`, counted from `now`. A pause that ends later stays.
    pub fn pause(&self, now: Instant, pause: Duration) {
        let mut state = self.state();
        let until = now.checked_add(pause);
        state.until = state.until.max(until);
        state.window = Some(1);
        self.engaged.store(true, Ordering::Release);
    }

    /// Returns until when nobody passes, if that is so at `now`.
    pub fn paused_until(&self, now: Instant) -> Option<Instant> {
        self.state().until.filter(|until| now < *until)
    }

    /// Waits until a call could pass.
    ///
    /// Others may be faster: [`enter`](Self::enter) says whether it was this one.
    ///
    /// # Errors
    ///
    /// [`Late`] when that is not before `deadline`; at once when this is known beforehand.
    ///
    /// # Panics
    ///
    /// When it has to wait and there is no tokio runtime with time enabled.
    pub async fn wait(&self, deadline: Option<Instant>) -> Result<(), Late> {
        while self.engaged.load(Ordering::Acquire) {
            let mut changed = std::pin::pin!(self.changed.notified());
            // From here on no change is missed.
            changed.as_mut().enable();
            match self.look(Instant::now()) {
                Look::Free => break,
                Look::PausedUntil(until) if deadline.is_some_and(|deadline| deadline <= until) => {
                    return Err(Late { ready: Some(until) });
                }
                Look::PausedUntil(until) => sleep_until(until).await,
                Look::Full => {
                    within(deadline, changed).await.ok_or(Late { ready: None })?;
                }
            }
        }
        Ok(())
    }

    /// Lets one call pass, or returns `None` when none may at `now`.
    pub fn enter(&self, now: Instant) -> Option<Pass<'_>> {
        if !self.engaged.load(Ordering::Acquire) {
            return Some(Pass { gate: None });
        }
        let mut state = self.state();
        match state.look(now) {
            Look::PausedUntil(_) | Look::Full => None,
            Look::Free if state.window.is_none() => Some(Pass { gate: None }),
            Look::Free => {
                state.outside += 1;
                Some(Pass { gate: Some(self) })
            }
        }
    }

    /// Whether a call could pass at `now`.
    pub(super) fn is_free(&self, now: Instant) -> bool {
        !self.engaged.load(Ordering::Acquire) || matches!(self.look(now), Look::Free)
    }

    fn look(&self, now: Instant) -> Look {
        self.state().look(now)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Late {
    /// Returns when it would come about, if that is known.
    pub fn ready(&self) -> Option<Instant> {
        self.ready
    }
}

impl State {
    fn look(&self, now: Instant) -> Look {
        match (self.until, self.window) {
            (Some(until), _) if now < until => Look::PausedUntil(until),
            (_, Some(window)) if self.outside >= window => Look::Full,
            _ => Look::Free,
        }
    }
}

impl Pass<'_> {
    /// Says that the call was answered, and not by asking for another pause: one more may be out.
    pub fn answered(self) {
        let Some(gate) = self.gate else {
            return;
        };
        let mut state = gate.state();
        // Unless it was paused anew while the call was out.
        if state.until.is_none_or(|until| until <= Instant::now())
            && let Some(window) = state.window
        {
            state.window = (window + 1 < gate.widest).then_some(window + 1);
            if state.window.is_none() {
                state.until = None;
                gate.engaged.store(false, Ordering::Release);
            }
        }
        // Dropping the pass gives its place back, and tells those who wait.
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        if let Some(gate) = self.gate {
            let mut state = gate.state();
            state.outside = state.outside.saturating_sub(1);
            drop(state);
            gate.changed.notify_waiters();
        }
    }
}

/// Bounds how many calls begin in a second: the generic cell rate algorithm, with bursts of one
/// second's worth.
///
/// Those who wait are served in the order in which they came, one at a time. Time is tokio's clock.
///
/// # Cancel safety
///
/// Who is dropped while waiting has taken nothing, and a [`Turn`] that is dropped lets the next one on.
pub struct RateLimit {
    limiter: RateLimiter<NotKeyed, InMemoryState, TokioClock, NoOpMiddleware<Nanos>>,
    clock: TokioClock,
    turn: Semaphore,
}

impl RateLimit {
    /// Makes a limit of `rate` calls a second. A rate that is not above zero counts as the smallest that
    /// there is, one call in a million seconds.
    #[expect(clippy::missing_panics_doc, reason = "the period is not zero")]
    pub fn new(rate: f64) -> Self {
        let period = Duration::try_from_secs_f64(1.0 / rate).unwrap_or(LONGEST);
        let period = period.clamp(Duration::from_nanos(1), LONGEST);
        // A float becomes the nearest whole number that there is.
        let burst = NonZeroU32::new(rate as u32).unwrap_or(NonZeroU32::MIN);
        let quota = Quota::with_period(period).expect("the period is not zero").allow_burst(burst);
        let clock = TokioClock { origin: Instant::now() };
        Self {
            limiter: RateLimiter::direct_with_clock(quota, clock.clone()),
            clock,
            turn: Semaphore::new(1),
        }
    }

    /// Waits until one more call may begin.
    ///
    /// # Errors
    ///
    /// [`Late`] when that is not before `deadline`; at once when this is known beforehand.
    ///
    /// # Panics
    ///
    /// When it has to wait and there is no tokio runtime with time enabled.
    pub async fn take(&self, deadline: Option<Instant>) -> Result<Turn<'_>, Late> {
        let turn = self.turn(deadline).await?;
        self.token(&turn, deadline).await?;
        Ok(turn)
    }

    /// Waits until it is this one's turn to wait for a token.
    pub(super) async fn turn(&self, deadline: Option<Instant>) -> Result<Turn<'_>, Late> {
        let turn = match self.turn.try_acquire() {
            Ok(turn) => turn,
            Err(_) => {
                let turn = within(deadline, self.turn.acquire()).await;
                turn.ok_or(Late { ready: None })?.expect("nobody closes the semaphore")
            }
        };
        Ok(Turn { _turn: turn })
    }

    /// Waits for a token, which must be used while the turn is held: one that is kept for later comes
    /// on top of the rate of then.
    pub(super) async fn token(
        &self,
        _turn: &Turn<'_>,
        deadline: Option<Instant>,
    ) -> Result<(), Late> {
        while let Err(refused) = self.limiter.check() {
            let ready = Instant::now() + refused.wait_time_from(self.clock.now());
            if deadline.is_some_and(|deadline| deadline <= ready) {
                return Err(Late { ready: Some(ready) });
            }
            sleep_until(ready).await;
        }
        Ok(())
    }
}

impl std::fmt::Debug for RateLimit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RateLimit").finish_non_exhaustive()
    }
}

/// Tokio's clock for governor, whose own reads the processor's and ignores a paused one.
#[derive(Clone, Debug)]
struct TokioClock {
    origin: Instant,
}

impl Clock for TokioClock {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        self.origin.elapsed().into()
    }
}

/// The longest time between two calls that is counted.
const LONGEST: Duration = Duration::from_secs(1_000_000);
