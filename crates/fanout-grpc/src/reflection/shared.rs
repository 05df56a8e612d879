//! One fetch for all sends that wait for it; its success is kept, its failure is not.

use std::future::Future;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use fanout::{Effect, Error, ErrorKind, RetryAdvice};
use tokio::sync::Mutex;

/// A value that is fetched once, when it is first needed.
pub(crate) struct Shared<T> {
    value: OnceLock<T>,
    /// Held by the one that fetches; inside is how the last fetch failed.
    turn: Mutex<Option<Failure>>,
    /// How many fetches have failed.
    failures: AtomicU64,
}

/// What can be told of an error more than once.
struct Failure {
    kind: ErrorKind,
    advice: RetryAdvice,
    message: String,
    excerpt: Option<String>,
    context: Vec<(&'static str, String)>,
}

impl<T> Shared<T> {
    pub(crate) fn new() -> Self {
        Self { value: OnceLock::new(), turn: Mutex::new(None), failures: AtomicU64::new(0) }
    }

    /// Returns the value if it is there.
    pub(crate) fn get(&self) -> Option<&T> {
        self.value.get()
    }

    /// Returns the value, fetching it if nobody has.
    ///
    /// Whoever comes while a fetch is on its way shares its end, the failure too; who comes later
    /// tries again. A timeout is not shared: it was the time of the one that fetched.
    ///
    /// # Cancel safety
    ///
    /// When the future that fetches is dropped, the next one in line fetches.
    pub(crate) async fn get_or_fetch<F>(&self, fetch: impl FnOnce() -> F) -> Result<&T, Error>
    where
        F: Future<Output = Result<T, Error>>,
    {
        if let Some(value) = self.value.get() {
            return Ok(value);
        }
        let before = self.failures.load(Ordering::Acquire);
        let mut turn = self.turn.lock().await;
        if let Some(value) = self.value.get() {
            return Ok(value);
        }
        if let Some(failure) = turn.as_ref()
            && self.failures.load(Ordering::Acquire) != before
        {
            return Err(failure.to_error());
        }
        match fetch().await {
            Ok(value) => Ok(self.value.get_or_init(|| value)),
            Err(error) => {
                if error.kind() != ErrorKind::Timeout {
                    *turn = Some(Failure::of(&error));
                    self.failures.fetch_add(1, Ordering::AcqRel);
                }
                Err(error)
            }
        }
    }
}

impl Failure {
    fn of(error: &Error) -> Self {
        Self {
            kind: error.kind(),
            advice: error.advice(),
            message: error.message().to_owned(),
            excerpt: error.excerpt().map(str::to_owned),
            context: error.context().map(|(key, value)| (key, value.to_owned())).collect(),
        }
    }

    fn to_error(&self) -> Error {
        let mut error = Error::new(self.kind, self.message.clone())
            .with_effect(Effect::None)
            .with_advice(self.advice);
        if let Some(excerpt) = &self.excerpt {
            error = error.with_excerpt(excerpt.as_bytes());
        }
        for (key, value) in &self.context {
            error = error.with_context(key, value.clone());
        }
        error
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use futures_util::future::{join, join_all};
    use tokio::sync::Notify;

    use super::*;

    #[tokio::test]
    async fn all_who_wait_share_one_fetch() {
        let (shared, fetches) = (Shared::new(), AtomicUsize::new(0));
        let all = (0..50).map(|_| {
            shared.get_or_fetch(|| async {
                fetches.fetch_add(1, Ordering::Relaxed);
                tokio::task::yield_now().await;
                Ok(7)
            })
        });
        for result in join_all(all).await {
            assert_eq!(result.expect("the value"), &7);
        }
        assert_eq!(fetches.into_inner(), 1);
    }

    #[tokio::test]
    async fn all_who_wait_share_a_failure_and_the_next_tries_again() {
        let (shared, fetches) = (Shared::<u8>::new(), AtomicUsize::new(0));
        let fail = || async {
            fetches.fetch_add(1, Ordering::Relaxed);
            tokio::task::yield_now().await;
            Err(Error::new(ErrorKind::Connect, "no").with_context("endpoint", "h"))
        };
        for result in join_all((0..50).map(|_| shared.get_or_fetch(fail))).await {
            let error = result.expect_err("a failure");
            assert_eq!((error.kind(), error.effect()), (ErrorKind::Connect, Effect::None));
            assert_eq!(error.to_string(), "no (endpoint: h)");
        }
        assert_eq!(fetches.load(Ordering::Relaxed), 1);
        assert_eq!(shared.get_or_fetch(|| async { Ok(1) }).await.expect("the value"), &1);
    }

    #[tokio::test]
    async fn a_dropped_fetch_is_taken_over() {
        let (shared, started) = (Shared::new(), Notify::new());
        let first = shared.get_or_fetch(|| async {
            started.notify_one();
            std::future::pending().await
        });
        let second = async {
            started.notified().await;
            shared.get_or_fetch(|| async { Ok(2) }).await
        };
        let first = async {
            tokio::select! {
                biased;
                _ = first => unreachable!("it never ends"),
                () = async { for _ in 0..3 { tokio::task::yield_now().await } } => {}
            }
        };
        let ((), second) = join(first, second).await;
        assert_eq!(second.expect("the value"), &2);
    }
}
