//! The sink below the pipeline: what is tried again over real sockets, counted by the servers.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use fanout::policy::all;
use fanout::resilience::Resilience;
use fanout::{
    Delivery, Effect, ErrorKind, FanOut, Idempotency, Message, Report, Sink, SinkExt, StopReason,
};
use fanout_http::{Class, Client, HttpSink, HttpSinkBuilder, HttpVersion, Opinion, Proxy};
use tokio::time::Instant;

use crate::server::{OK, Server};
use crate::{client, post};

/// Pauses of a few milliseconds, so that a test need not wait for those between attempts.
fn quick() -> Resilience {
    let ms = Duration::from_millis;
    Resilience::default().backoff_base(ms(1)).throttle_base(ms(1)).backoff_max(ms(5)).seed(7)
}

fn resilient(builder: HttpSinkBuilder) -> impl Sink + 'static {
    builder.build().unwrap().resilient(quick()).unwrap()
}

async fn one(sink: impl Sink + 'static) -> Report {
    let fan_out = FanOut::builder(all()).sink("one", sink).build().unwrap();
    fan_out.send(Message::text("payload")).await
}

fn only(report: &Report) -> &Delivery {
    report.get("one").unwrap()
}

fn answer(status: &str) -> String {
    format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n")
}

/// Answers with these, one after the other, whatever the connection; then with the last one again.
async fn answering(answers: &[&str]) -> Server {
    let answers: Vec<String> = answers.iter().map(|&one| one.to_owned()).collect();
    Server::start_numbered(move |mut conn, counter| {
        let answers = answers.clone();
        async move {
            while conn.request().await.is_some() {
                let number = counter.fetch_add(1, Ordering::SeqCst);
                conn.write(answers.get(number).unwrap_or(answers.last().unwrap())).await;
            }
        }
    })
    .await
}

/// The values of `Idempotency-Key` in the order of the requests.
fn keys(server: &Server) -> Vec<String> {
    let key = |request: String| {
        let mut lines = request.lines();
        lines.find_map(|line| line.strip_prefix("idempotency-key: ").map(str::to_owned))
    };
    server.requests().into_iter().filter_map(key).collect()
}

// dotnet/extensions#5248
#[tokio::test]
async fn a_post_that_may_have_been_applied_is_sent_once_and_says_why() {
    let server = Server::answering(answer("500 Oh")).await;
    let report = one(resilient(post(server.url("/")))).await;
    let delivery = only(&report);
    assert_eq!((delivery.attempts(), delivery.effect()), (1, Effect::Maybe));
    assert_eq!(delivery.stop_reason(), Some(StopReason::AmbiguousNotIdempotent));
    let error = delivery.error().unwrap();
    assert_eq!(error.kind(), ErrorKind::Upstream, "the original error is kept");
    assert!(error.to_string().contains("idempotency = key"), "{error}");
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn with_a_key_every_attempt_carries_the_same_and_every_sink_another() {
    let a = Server::answering(answer("500 Oh")).await;
    let b = Server::answering(answer("502 Oh")).await;
    let keyed = |server: &Server| resilient(post(server.url("/")).idempotency(Idempotency::Key));
    let fan_out = FanOut::builder(all()).sink("a", keyed(&a)).sink("b", keyed(&b)).build().unwrap();
    let report = fan_out.send(Message::text("x")).await;
    let mut seen = Vec::new();
    for (name, server) in [("a", &a), ("b", &b)] {
        let delivery = report.get(name).unwrap();
        assert_eq!(delivery.attempts(), 3);
        assert_eq!(delivery.stop_reason(), Some(StopReason::AttemptsExhausted));
        let keys = keys(server);
        assert_eq!(keys.len(), 3);
        let expected = format!("\"{}\"", delivery.idempotency_key());
        assert!(keys.iter().all(|key| *key == expected), "{keys:?}");
        seen.push(expected);
    }
    assert_ne!(seen[0], seen[1]);
}

#[tokio::test]
async fn the_mode_decides_over_a_method_either_way() {
    for (method, mode, attempts) in [
        ("PUT", Idempotency::Method, 3),
        ("PUT", Idempotency::Never, 1),
        ("POST", Idempotency::Method, 1),
        ("POST", Idempotency::Always, 3),
        ("PATCH", Idempotency::Key, 3),
    ] {
        let server = Server::answering(answer("500 Oh")).await;
        let sink = HttpSink::request(method, server.url("/")).client(&client()).idempotency(mode);
        assert_eq!(only(&one(resilient(sink)).await).attempts(), attempts, "{method} {mode}");
        assert_eq!(server.requests().len(), attempts as usize, "{method} {mode}");
    }
}

// vectordotdev/vector#6282
#[tokio::test]
async fn a_post_that_found_nobody_is_tried_again() {
    let addr = {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap()
    };
    let report = one(resilient(post(format!("http://{addr}/")))).await;
    let delivery = only(&report);
    assert_eq!((delivery.attempts(), delivery.effect()), (3, Effect::None));
    assert_eq!(delivery.error().unwrap().kind(), ErrorKind::Connect);
    assert_eq!(delivery.stop_reason(), Some(StopReason::AttemptsExhausted));
}

// open-telemetry/opentelemetry-collector#6961
#[tokio::test]
async fn a_sink_that_took_the_message_is_not_sent_it_again_for_another() {
    let a = Server::answering(OK).await;
    let b = answering(&[&answer("503 Busy"), &answer("500 Oh"), OK]).await;
    let put = |server: &Server| resilient(HttpSink::put(server.url("/")).client(&client()));
    let fan_out = FanOut::builder(all()).sink("a", put(&a)).sink("b", put(&b)).build().unwrap();
    let report = fan_out.send(Message::text("x")).await;
    assert!(report.is_satisfied(), "{report}");
    assert_eq!(report.get("b").unwrap().attempts(), 3);
    assert_eq!((a.requests().len(), b.requests().len()), (1, 3));
}

#[tokio::test]
async fn a_retry_after_is_waited_for() {
    let refusal = "HTTP/1.1 503 Busy\r\nretry-after: 1\r\ncontent-length: 0\r\n\r\n";
    let server = answering(&[refusal, OK]).await;
    let started = Instant::now();
    let report = one(resilient(post(server.url("/")))).await;
    let delivery = only(&report);
    assert!(delivery.is_delivered(), "{report}");
    assert!(started.elapsed() >= Duration::from_secs(1));
    assert!(delivery.delay() >= Duration::from_secs(1));
    assert_eq!((delivery.attempts(), server.requests().len()), (2, 2));
}

#[tokio::test]
async fn a_retry_after_beyond_what_is_allowed_ends_the_send_at_once() {
    let refusal = "HTTP/1.1 429 Busy\r\nretry-after: 3600\r\ncontent-length: 0\r\n\r\n";
    let server = answering(&[refusal]).await;
    let report = one(resilient(post(server.url("/")))).await;
    assert_eq!(only(&report).stop_reason(), Some(StopReason::ServerDelayTooLong));
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn a_quota_is_waited_for_when_the_sink_reads_it() {
    let refusal = "HTTP/1.1 429 Busy\r\nratelimit: \"second\";r=0;t=1\r\ncontent-length: 0\r\n\r\n";
    let server = answering(&[refusal, OK]).await;
    let started = Instant::now();
    let report = one(resilient(post(server.url("/")).rate_limit_fields(true))).await;
    assert!(only(&report).is_delivered(), "{report}");
    assert!(started.elapsed() >= Duration::from_secs(1));
}

#[tokio::test]
async fn a_key_still_at_work_is_waited_for_with_the_same_key() {
    let server = answering(&[&answer("409 In use"), OK]).await;
    let started = Instant::now();
    let report = one(resilient(post(server.url("/")).idempotency(Idempotency::Key))).await;
    assert!(only(&report).is_delivered(), "{report}");
    assert!(started.elapsed() >= Duration::from_secs(1));
    let keys = keys(&server);
    assert!(keys.len() == 2 && keys[0] == keys[1], "{keys:?}");
}

#[tokio::test]
async fn a_conflict_after_an_answer_that_was_lost_may_be_our_own_doing() {
    for (first, possibly) in [(None, true), (Some(answer("429 Busy")), false)] {
        let server = Server::start_numbered(move |mut conn, counter| {
            let first = first.clone();
            async move {
                while conn.request().await.is_some() {
                    let number = counter.fetch_add(1, Ordering::SeqCst);
                    match (number, &first) {
                        // The message was taken; the answer never comes.
                        (0, None) => return,
                        (0, Some(first)) => conn.write(first).await,
                        _ => conn.write(&answer("409 There already")).await,
                    }
                }
            }
        })
        .await;
        let report = one(resilient(post(server.url("/")).idempotency(Idempotency::Always))).await;
        let delivery = only(&report);
        let error = delivery.error().unwrap();
        assert_eq!((error.kind(), error.possibly_done()), (ErrorKind::Conflict, possibly));
        let effect = if possibly { Effect::Maybe } else { Effect::None };
        assert_eq!((delivery.effect(), delivery.attempts()), (effect, 2));
    }
}

#[tokio::test]
async fn a_credential_that_was_refused_is_not_offered_again() {
    for status in ["401 Who", "407 Who"] {
        let server = answering(&[&answer(status)]).await;
        let report = one(resilient(post(server.url("/")))).await;
        assert_eq!(only(&report).stop_reason(), Some(StopReason::NotRetryable), "{report}");
        assert_eq!((only(&report).attempts(), server.requests().len()), (1, 1));
    }
}

#[tokio::test]
async fn what_was_answered_for_the_connection_goes_to_another() {
    // 421 says that nothing was looked at, so the repetition does not count; 408 does.
    for (status, attempts) in [("408 Late", 2), ("421 Elsewhere", 1)] {
        let server = Server::start(move |mut conn| async move {
            while conn.request().await.is_some() {
                let answer = if conn.number == 0 { answer(status) } else { OK.to_owned() };
                conn.write(&answer).await;
            }
        })
        .await;
        let report = one(resilient(post(server.url("/")))).await;
        assert!(only(&report).is_delivered(), "{report}");
        assert_eq!(only(&report).attempts(), attempts, "{status}");
        assert_eq!((server.requests().len(), server.connections()), (2, 2));
    }
}

#[tokio::test]
async fn a_connection_that_was_closed_while_idle_costs_no_attempt() {
    let closed = Arc::new(tokio::sync::Notify::new());
    let tell = Arc::clone(&closed);
    let server = Server::start(move |mut conn| {
        let tell = Arc::clone(&tell);
        async move {
            while conn.request().await.is_some() {
                conn.write(OK).await;
                if conn.number == 0 {
                    break;
                }
            }
            drop(conn);
            tell.notify_one();
        }
    })
    .await;
    let sink = Arc::new(resilient(post(server.url("/"))));
    for expected in [1, 2] {
        let report = one(Arc::clone(&sink)).await;
        assert!(only(&report).is_delivered(), "{report}");
        assert_eq!(only(&report).attempts(), 1);
        assert_eq!(server.requests().len(), expected);
        if expected == 1 {
            closed.notified().await;
        }
    }
}

// AWS: RetryForbidden
#[tokio::test]
async fn the_user_has_the_last_word_on_what_is_final_and_what_is_success() {
    let refusal = "HTTP/1.1 503 Busy\r\nretry-after: 1\r\ncontent-length: 0\r\n\r\n";
    let server = Server::answering(refusal).await;
    let forbidding: [fn(HttpSinkBuilder) -> HttpSinkBuilder; 2] = [
        |builder| builder.never_on("5xx"),
        |builder| builder.classify_with(|_| Opinion::Forbid).retry_on("503"),
    ];
    for (done, forbid) in forbidding.into_iter().enumerate() {
        let report = one(resilient(forbid(post(server.url("/"))))).await;
        assert_eq!(only(&report).stop_reason(), Some(StopReason::NotRetryable));
        assert_eq!(server.requests().len(), done + 1);
    }
    let gone = Server::answering(answer("404 Gone")).await;
    let delete = HttpSink::delete(gone.url("/")).client(&client()).success_on("404");
    let report = one(resilient(delete)).await;
    assert_eq!(only(&report).receipt().unwrap().status().unwrap().code(), 404);
    let sent = Server::answering(answer("202 Later")).await;
    let wary = post(sent.url("/")).classify_with(|answer| match answer.code() {
        202 => Opinion::Means(Class::failed(ErrorKind::Rejected)),
        _ => Opinion::Pass,
    });
    assert_eq!(only(&one(resilient(wary)).await).error().unwrap().kind(), ErrorKind::Rejected);
}

/// How far a server goes before it closes, or hangs.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Until {
    Accepted,
    Head,
    Whole,
    HalfAnswer,
}

#[tokio::test]
async fn nothing_that_a_server_saw_whole_is_ever_said_to_have_had_no_effect() {
    for until in [Until::Accepted, Until::Head, Until::Whole, Until::HalfAnswer] {
        for hangs in [false, true] {
            for payload in ["payload", ""] {
                let server = Server::start(move |mut conn| async move {
                    match until {
                        Until::Accepted => {}
                        Until::Head => drop(conn.byte().await),
                        Until::Whole => drop(conn.request().await),
                        Until::HalfAnswer => {
                            drop(conn.request().await);
                            conn.write("HTTP/1.1 200 OK\r\ncontent-").await;
                        }
                    }
                    if hangs {
                        // What came is read to its end, and counted if it was whole.
                        if matches!(until, Until::Accepted | Until::Head) {
                            drop(conn.request().await);
                        }
                        conn.closed().await;
                    }
                })
                .await;
                let sink = post(server.url("/")).timeout(Duration::from_millis(100));
                let sink = sink.idempotency(Idempotency::Always).build().unwrap();
                let sink = sink.resilient(quick()).unwrap();
                let fan_out = FanOut::builder(all()).sink("one", sink).build().unwrap();
                let report = fan_out.send(Message::text(payload)).await;
                let delivery = only(&report);
                assert!(!delivery.is_delivered());
                let what = format!("{until:?} {hangs} {payload:?}: {report}");
                let whole = server.requests().len();
                if whole > 0 {
                    assert!(delivery.effect() >= Effect::Maybe, "{what}");
                }
                assert!(whole <= 3 && delivery.attempts() == 3, "{what}");
            }
        }
    }
}

/// Refuses the first streams of HTTP/2 unprocessed, and answers the others.
async fn refusing(streams: usize) -> (tokio::task::AbortHandle, String, Arc<AtomicUsize>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let seen = Arc::<AtomicUsize>::default();
    let count = Arc::clone(&seen);
    let task = tokio::spawn(async move {
        let (io, _) = listener.accept().await.unwrap();
        let mut connection = h2::server::handshake(io).await.unwrap();
        while let Some(Ok((_, mut respond))) = connection.accept().await {
            if count.fetch_add(1, Ordering::SeqCst) < streams {
                respond.send_reset(h2::Reason::REFUSED_STREAM);
            } else {
                drop(respond.send_response(http::Response::new(()), true));
            }
        }
    });
    (task.abort_handle(), url, seen)
}

#[tokio::test]
async fn a_stream_that_was_refused_unprocessed_is_repeated_at_once_and_not_for_ever() {
    for (refused, delivered, seen) in [(1, true, 2), (2, true, 3), (9, false, 3)] {
        let (task, url, streams) = refusing(refused).await;
        let client = Client::builder().proxy(Proxy::none()).http_version(HttpVersion::Http2);
        let sink = HttpSink::post(url).client(&client.build().unwrap());
        let report = one(resilient(sink)).await;
        let delivery = only(&report);
        assert_eq!(delivery.is_delivered(), delivered, "{report}");
        assert_eq!(delivery.attempts(), 1, "what was not processed does not count");
        assert_eq!(streams.load(Ordering::SeqCst), seen);
        if !delivered {
            assert_eq!(delivery.effect(), Effect::None);
        }
        task.abort();
    }
}
