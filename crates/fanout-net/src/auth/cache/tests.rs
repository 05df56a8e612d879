//! Sharing, renewing and failing, by a paused clock and a scripted token endpoint.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::join_all;
use tokio::time::{advance, sleep};

use super::*;

const SECOND: Duration = Duration::from_secs(1);

/// What the token endpoint does, after a second of work.
#[derive(Clone)]
enum Answer {
    Token(u64),
    Fail(ErrorKind, RetryAdvice),
    Hang,
}
use Answer::{Fail, Hang, Token as Lasting};

/// A cache before a script; the last answer repeats.
fn cache(script: impl Into<VecDeque<Answer>>) -> (Arc<Cache>, Arc<AtomicUsize>) {
    let (script, count) = (Arc::new(Mutex::new(script.into())), Arc::<AtomicUsize>::default());
    let counter = Arc::clone(&count);
    let cache = Cache::new(Duration::from_secs(30), move || {
        let (script, counter) = (Arc::clone(&script), Arc::clone(&counter));
        async move {
            let number = counter.fetch_add(1, Ordering::SeqCst) + 1;
            let answer = {
                let mut script = script.lock().unwrap();
                let first = script.front().cloned().unwrap();
                if script.len() > 1 {
                    script.pop_front();
                }
                first
            };
            sleep(SECOND).await;
            match answer {
                Lasting(seconds) => Ok(Fetched {
                    text: Secret::new(number.to_string()),
                    lifetime: Duration::from_secs(seconds),
                }),
                Fail(kind, advice) => Err(Failure {
                    kind,
                    advice,
                    scope: None,
                    text: format!("failure {number}").into(),
                    place: "idp:1".into(),
                }),
                Hang => std::future::pending().await,
            }
        }
        .boxed()
    });
    (Arc::new(cache), count)
}

async fn get(cache: &Cache) -> Result<String, Error> {
    by(cache, 100).await
}

async fn by(cache: &Cache, seconds: u64) -> Result<String, Error> {
    let deadline = Instant::now() + Duration::from_secs(seconds);
    cache.token(deadline).await.map(|token| token.text.expose().to_string())
}

fn asked(count: &AtomicUsize) -> usize {
    count.load(Ordering::SeqCst)
}

#[tokio::test(start_paused = true)]
async fn all_who_wait_share_one_fetch_and_later_ones_the_token() {
    let (cache, count) = cache([Lasting(3600)]);
    for token in join_all((0..200).map(|_| get(&cache))).await {
        assert_eq!(token.unwrap(), "1");
    }
    assert_eq!(get(&cache).await.unwrap(), "1");
    assert_eq!(asked(&count), 1);
}

#[tokio::test(start_paused = true)]
async fn all_who_wait_share_one_failure() {
    let (cache, count) = cache([Fail(ErrorKind::Connect, RetryAdvice::Backoff), Lasting(3600)]);
    for token in join_all((0..200).map(|_| get(&cache))).await {
        let error = token.unwrap_err();
        assert_eq!((error.kind(), error.advice()), (ErrorKind::Connect, RetryAdvice::Backoff));
        assert_eq!(error.effect(), Effect::None);
        let text = "no access token: failure 1 (token_endpoint: idp:1)";
        assert_eq!(error.to_chain(), text);
    }
    assert_eq!(asked(&count), 1);
    // The next waits a moment, and asks again.
    let before = Instant::now();
    assert_eq!(get(&cache).await.unwrap(), "2");
    let took = before.elapsed();
    assert!(took >= SECOND + BETWEEN_FETCHES, "{took:?}");
    assert!(took < SECOND + 2 * BETWEEN_FETCHES, "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn when_the_one_who_began_is_dropped_the_others_go_on_with_the_same_request() {
    let (cache, count) = cache([Lasting(3600)]);
    let leader = tokio::spawn({
        let cache = Arc::clone(&cache);
        async move { get(&cache).await }
    });
    tokio::task::yield_now().await;
    let others = tokio::spawn({
        let cache = Arc::clone(&cache);
        async move { join_all((0..50).map(|_| get(&cache))).await }
    });
    advance(SECOND / 2).await;
    leader.abort();
    for token in others.await.unwrap() {
        assert_eq!(token.unwrap(), "1");
    }
    assert_eq!(asked(&count), 1);
}

#[tokio::test(start_paused = true)]
async fn when_all_are_dropped_the_request_is_given_up_and_the_next_begins_anew() {
    let (cache, count) = cache([Hang, Lasting(3600)]);
    let error = by(&cache, 2).await.unwrap_err();
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Timeout, Effect::None));
    assert_eq!(get(&cache).await.unwrap(), "2");
    assert_eq!(asked(&count), 2);
}

#[tokio::test(start_paused = true)]
async fn whoever_has_no_time_left_begins_nothing() {
    let (cache, count) = cache([Lasting(3600)]);
    assert_eq!(by(&cache, 0).await.unwrap_err().kind(), ErrorKind::Timeout);
    assert_eq!(asked(&count), 0);
}

#[tokio::test(start_paused = true)]
async fn a_token_is_fetched_again_when_it_has_ended() {
    let (cache, count) = cache([Lasting(3600)]);
    get(&cache).await.unwrap();
    advance(3600 * SECOND).await;
    for token in join_all((0..200).map(|_| get(&cache))).await {
        assert_eq!(token.unwrap(), "2");
    }
    assert_eq!(asked(&count), 2);
}

#[tokio::test(start_paused = true)]
async fn before_its_end_one_renews_and_the_others_use_it() {
    let (cache, count) = cache([Lasting(3600)]);
    get(&cache).await.unwrap();
    advance(3568 * SECOND).await;
    assert_eq!(get(&cache).await.unwrap(), "1", "too early");
    advance(SECOND).await;
    let mut tokens = join_all((0..200).map(|_| get(&cache))).await.into_iter().map(Result::unwrap);
    assert_eq!(tokens.next().unwrap(), "2", "whoever comes first renews");
    assert!(tokens.all(|token| token == "1"), "and nobody else waits");
    assert_eq!(get(&cache).await.unwrap(), "2");
    assert_eq!(asked(&count), 2);
}

#[tokio::test(start_paused = true)]
async fn a_renewal_that_fails_or_hangs_leaves_the_token() {
    for trouble in [Fail(ErrorKind::Connect, RetryAdvice::Backoff), Hang] {
        let (cache, count) = cache([Lasting(3600), trouble, Lasting(3600)]);
        get(&cache).await.unwrap();
        advance(3570 * SECOND).await;
        let before = Instant::now();
        assert_eq!(by(&cache, 8).await.unwrap(), "1");
        assert!(before.elapsed() <= 4 * SECOND, "half of its time at most");
        assert_eq!(get(&cache).await.unwrap(), "1", "not every send tries");
        assert_eq!(asked(&count), 2);
        advance(BETWEEN_RENEWALS).await;
        assert_eq!(get(&cache).await.unwrap(), "3");
    }
}

#[tokio::test(start_paused = true)]
async fn a_short_life_is_not_all_margin() {
    let (cache, count) = cache([Lasting(8)]);
    get(&cache).await.unwrap();
    advance(4 * SECOND).await;
    assert_eq!(get(&cache).await.unwrap(), "1");
    assert_eq!(asked(&count), 1);
    advance(SECOND).await;
    assert_eq!(get(&cache).await.unwrap(), "2", "in its last quarter");
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_refuses_us_is_left_alone_for_a_second() {
    let (cache, count) = cache([Fail(ErrorKind::Unauthenticated, RetryAdvice::Never)]);
    for _ in 0..10 {
        let error = get(&cache).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.advice()),
            (ErrorKind::Unauthenticated, RetryAdvice::Never)
        );
        assert!(error.message().contains("failure 1"), "{error}");
    }
    assert_eq!(asked(&count), 1);
    advance(REST_AFTER_REFUSAL).await;
    get(&cache).await.unwrap_err();
    assert_eq!(asked(&count), 2);
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_says_when_is_asked_then() {
    let later = |seconds| RetryAdvice::After(Duration::from_secs(seconds));
    let (cache, count) = cache([Fail(ErrorKind::Throttled, later(10)), Lasting(3600)]);
    assert_eq!(get(&cache).await.unwrap_err().advice(), later(10));
    advance(4 * SECOND).await;
    assert_eq!(get(&cache).await.unwrap_err().advice(), later(6));
    assert_eq!(asked(&count), 1);
    advance(6 * SECOND).await;
    assert_eq!(get(&cache).await.unwrap(), "2");

    let (cache, count) = self::cache([Fail(ErrorKind::Throttled, later(86400)), Lasting(3600)]);
    get(&cache).await.unwrap_err();
    advance(LONGEST_REST).await;
    assert_eq!(get(&cache).await.unwrap(), "2", "nobody may keep us away for a day");
    assert_eq!(asked(&count), 2);
}

#[tokio::test(start_paused = true)]
async fn many_refusals_of_one_token_are_one_renewal() {
    let (cache, count) = cache([Lasting(3600)]);
    get(&cache).await.unwrap();
    for _ in 0..50 {
        assert_eq!(cache.refused(1), Renewal::Possible);
    }
    assert!(
        join_all((0..50).map(|_| get(&cache))).await.iter().all(|t| t.as_ref().unwrap() == "2")
    );
    // A late refusal of the old one says nothing about the new one.
    assert_eq!(cache.refused(1), Renewal::Possible);
    assert_eq!(get(&cache).await.unwrap(), "2");
    assert_eq!(asked(&count), 2);
}

#[tokio::test(start_paused = true)]
async fn a_fresh_token_that_is_refused_too_is_not_the_trouble() {
    let (cache, count) = cache([Lasting(3600)]);
    get(&cache).await.unwrap();
    assert_eq!(cache.refused(1), Renewal::Possible);
    get(&cache).await.unwrap();
    for _ in 0..10 {
        assert_eq!(cache.refused(2), Renewal::Impossible);
        assert_eq!(get(&cache).await.unwrap(), "2");
    }
    assert_eq!(asked(&count), 2);
    // Later it may be.
    advance(SETTLE).await;
    assert_eq!(cache.refused(2), Renewal::Possible);
    assert_eq!(get(&cache).await.unwrap(), "3");
}
