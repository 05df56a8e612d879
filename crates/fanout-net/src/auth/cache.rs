//! One token for all sends: kept, renewed before it ends, fetched once for all who wait for it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fanout::{Effect, Error, ErrorKind, RetryAdvice, Secret, TimeoutScope};
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared, WeakShared};
use tokio::time::{Instant, sleep_until, timeout_at};

use super::Renewal;

/// A token, and the one fetch of the next.
///
/// All who wait hold the same future, and whoever is polled drives it: when one of them is dropped, the
/// others go on with the same request. When all are, it is given up. Nothing is spawned.
pub(super) struct Cache {
    fetch: Box<dyn Fn() -> BoxFuture<'static, Result<Fetched, Failure>> + Send + Sync>,
    margin: Duration,
    state: Arc<Mutex<State>>,
}

/// A token as it came.
pub(super) struct Fetched {
    pub(super) text: Secret,
    /// How long it holds, from when it was asked for.
    pub(super) lifetime: Duration,
}

/// A token that is kept.
pub(super) struct Token {
    pub(super) text: Secret,
    pub(super) version: u64,
    made: Instant,
    renew: Instant,
    expires: Instant,
    /// It came in the place of one that was refused.
    replaces_refused: bool,
}

/// Why there is no token: an error that can be told to many.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Failure {
    pub(super) kind: ErrorKind,
    pub(super) advice: RetryAdvice,
    pub(super) scope: Option<TimeoutScope>,
    pub(super) text: Arc<str>,
    pub(super) place: Arc<str>,
}

type OneFetch = BoxFuture<'static, Result<Arc<Token>, Failure>>;
type Fetching = Shared<OneFetch>;

#[derive(Default)]
struct State {
    token: Option<Arc<Token>>,
    version: u64,
    under_way: Option<WeakShared<OneFetch>>,
    /// Until when nobody asks again, and what is answered meanwhile.
    rest: Option<(Instant, Failure)>,
    /// The next fetch begins then at the earliest.
    not_before: Option<Instant>,
    /// The next renewal of a token that still holds begins then at the earliest.
    no_renewal_before: Option<Instant>,
    refused: bool,
}

/// What somebody who needs a token does.
enum Plan {
    Use(Arc<Token>),
    Wait(Fetching),
    /// Fetches the next while this one still holds.
    Renew(Fetching, Arc<Token>),
    Fail(Failure),
}

impl Cache {
    pub(super) fn new(
        margin: Duration,
        fetch: impl Fn() -> BoxFuture<'static, Result<Fetched, Failure>> + Send + Sync + 'static,
    ) -> Self {
        Self { fetch: Box::new(fetch), margin, state: Arc::default() }
    }

    /// Returns a token that holds, fetching it if there is none.
    pub(super) async fn token(&self, deadline: Instant) -> Result<Arc<Token>, Error> {
        let late = || {
            Error::timeout(TimeoutScope::Attempt, "there was no access token in time")
                .with_effect(Effect::None)
        };
        let now = Instant::now();
        // Asked first: a fetch for somebody who is gone would be one too many.
        if now >= deadline {
            return Err(late());
        }
        match self.plan(now) {
            Plan::Use(token) => Ok(token),
            Plan::Fail(failure) => Err(failure.into_error()),
            Plan::Wait(fetching) => match timeout_at(deadline, fetching).await {
                Ok(result) => result.map_err(Failure::into_error),
                Err(_) => Err(late()),
            },
            Plan::Renew(fetching, token) => {
                // Half of the time, and there is still a token for the rest.
                let patience = deadline.min(token.expires).saturating_duration_since(now) / 2;
                match timeout_at(now + patience, fetching).await {
                    Ok(Ok(new)) => Ok(new),
                    Ok(Err(_)) | Err(_) => Ok(token),
                }
            }
        }
    }

    /// Learns that the token of this version was refused.
    pub(super) fn refused(&self, version: u64) -> Renewal {
        let mut state = lock(&self.state);
        match &state.token {
            Some(token) if token.version == version => {
                // Two in a row: it is not the token that is wrong, and asking for a third with every
                // send would only burden the token endpoint.
                if token.replaces_refused && token.made.elapsed() < SETTLE {
                    return Renewal::Impossible;
                }
                state.token = None;
                state.refused = true;
                Renewal::Possible
            }
            // It was replaced, or it is about to be.
            _ => Renewal::Possible,
        }
    }

    fn plan(&self, now: Instant) -> Plan {
        let mut state = lock(&self.state);
        let under_way = state.under_way.as_ref().and_then(WeakShared::upgrade);
        let resting = state.rest.as_ref().filter(|(until, _)| now < *until);
        let resting = resting.map(|(until, failure)| failure.after(*until - now));
        if let Some(token) = state.token.as_ref().filter(|token| now < token.expires) {
            let token = Arc::clone(token);
            let waits = state.no_renewal_before.is_some_and(|then| now < then);
            if now < token.renew || under_way.is_some() || waits || resting.is_some() {
                return Plan::Use(token);
            }
            state.no_renewal_before = Some(now + BETWEEN_RENEWALS);
            return Plan::Renew(self.begin(&mut state), token);
        }
        match (under_way, resting) {
            (Some(fetching), _) => Plan::Wait(fetching),
            (None, Some(failure)) => Plan::Fail(failure),
            (None, None) => Plan::Wait(self.begin(&mut state)),
        }
    }

    fn begin(&self, state: &mut State) -> Fetching {
        let (fetch, books) = ((self.fetch)(), Arc::clone(&self.state));
        let (margin, not_before) = (self.margin, state.not_before);
        let future = async move {
            if let Some(then) = not_before {
                sleep_until(then).await;
            }
            let asked = Instant::now();
            let result = fetch.await;
            let mut state = lock(&books);
            state.under_way = None;
            match result {
                Ok(fetched) => Ok(state.keep(fetched, asked, margin)),
                Err(failure) => {
                    state.failed(&failure, Instant::now());
                    Err(failure)
                }
            }
        };
        let fetching = future.boxed().shared();
        state.under_way = fetching.downgrade();
        fetching
    }
}

impl State {
    fn keep(&mut self, fetched: Fetched, asked: Instant, margin: Duration) -> Arc<Token> {
        self.version += 1;
        let Fetched { text, lifetime } = fetched;
        let token = Arc::new(Token {
            text,
            version: self.version,
            made: Instant::now(),
            renew: asked + (lifetime - margin.min(lifetime / 4)),
            expires: asked + lifetime,
            replaces_refused: std::mem::take(&mut self.refused),
        });
        self.token = Some(Arc::clone(&token));
        self.rest = None;
        self.not_before = None;
        self.no_renewal_before = None;
        token
    }

    fn failed(&mut self, failure: &Failure, now: Instant) {
        let rest = match failure.advice {
            RetryAdvice::After(asked) => Some(asked.min(LONGEST_REST)),
            RetryAdvice::Never => Some(REST_AFTER_REFUSAL),
            _ => None,
        };
        self.rest = rest.map(|rest| (now + rest, failure.clone()));
        self.not_before = Some(now + BETWEEN_FETCHES);
    }
}

impl Failure {
    fn into_error(self) -> Error {
        let text = format!("no access token: {}", self.text);
        let error = match self.scope {
            Some(scope) => Error::timeout(scope, text),
            None => Error::new(self.kind, text),
        };
        error
            .with_effect(Effect::None)
            .with_advice(self.advice)
            .with_context("token_endpoint", &*self.place)
    }

    /// The same, where it is told so much before the next fetch.
    fn after(&self, left: Duration) -> Self {
        let advice = match self.advice {
            RetryAdvice::After(_) => RetryAdvice::After(left),
            advice => advice,
        };
        Self { advice, ..self.clone() }
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Between a failure and the next fetch, so that sends that fail at once are no hail of requests.
const BETWEEN_FETCHES: Duration = Duration::from_millis(100);
/// After the token endpoint refused us: nothing will change by asking again with every send.
const REST_AFTER_REFUSAL: Duration = Duration::from_secs(1);
/// The longest rest that a token endpoint can ask for.
const LONGEST_REST: Duration = Duration::from_secs(60);
/// Between two tries to renew a token that still holds.
const BETWEEN_RENEWALS: Duration = Duration::from_secs(5);
/// A token that replaced a refused one, and is itself refused within this time, is not the trouble.
const SETTLE: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests;
