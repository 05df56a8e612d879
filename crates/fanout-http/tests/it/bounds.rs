//! Servers without measure: whatever they send, it ends, and little of it is read.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use fanout::{BodyState, Effect, Error, ErrorKind, Message, Receipt, RetryAdvice};
use tokio::sync::Notify;

use crate::server::Server;
use crate::{post, send};

/// Long enough for all that ends by itself, far below the default of 10 s.
const LIMIT: Duration = Duration::from_secs(3);

/// What may be under way in the buffers of both ends of a connection, beside what is read.
const UNDER_WAY: usize = 16 << 20;

/// A server that begins its answer with `start` and then repeats `more` for ever.
struct Endless {
    server: Server,
    written: Arc<AtomicUsize>,
    ended: Arc<Notify>,
}

impl Endless {
    async fn start(start: impl Into<String>, more: impl Into<String>) -> Self {
        let (start, more): (Arc<str>, Arc<str>) = (start.into().into(), more.into().into());
        let (written, ended) = (Arc::<AtomicUsize>::default(), Arc::<Notify>::default());
        let (count, end) = (Arc::clone(&written), Arc::clone(&ended));
        let server = Server::start(move |mut conn| {
            let (start, more) = (Arc::clone(&start), Arc::clone(&more));
            let (count, end) = (Arc::clone(&count), Arc::clone(&end));
            async move {
                conn.request().await;
                conn.write(&start).await;
                conn.pour(more.as_bytes(), &count).await;
                end.notify_one();
            }
        })
        .await;
        Self { server, written, ended }
    }

    /// Sends, and returns what came of it when the connection has been closed.
    async fn meet(&self) -> Result<Receipt, Error> {
        let sink = post(self.server.url("/")).timeout(LIMIT).build().unwrap();
        let started = Instant::now();
        let result = send(&sink, &Message::text("x")).await;
        let took = started.elapsed();
        assert!(took < LIMIT * 2, "{took:?} for {result:?}");
        tokio::time::timeout(LIMIT, self.ended.notified()).await.expect("the connection is closed");
        let written = self.written.load(Ordering::SeqCst);
        assert!(written <= UNDER_WAY, "{written} bytes were taken");
        result
    }
}

fn out_of_bounds(result: Result<Receipt, Error>) -> Error {
    let error = result.unwrap_err();
    let found = (error.kind(), error.effect(), error.advice());
    assert_eq!(found, (ErrorKind::Protocol, Effect::Maybe, RetryAdvice::Never), "{error}");
    assert!(error.to_string().contains("out of bounds"), "{error}");
    error
}

#[tokio::test]
async fn informational_answers_without_end_are_waited_through_up_to_a_number() {
    for interim in ["HTTP/1.1 103 Early Hints\r\n\r\n", "HTTP/1.1 100 Continue\r\nx: y\r\n\r\n"] {
        for repeat in [1, 1_000] {
            let endless = Endless::start("", interim.repeat(repeat)).await;
            let started = Instant::now();
            let error = out_of_bounds(endless.meet().await);
            assert!(error.to_string().contains("informational"), "{error}");
            assert!(started.elapsed() < LIMIT, "not by the timeout: {:?}", started.elapsed());
        }
    }
    let answer = |count: usize| {
        let interim = "HTTP/1.1 102 Processing\r\n\r\n".repeat(count);
        format!("{interim}HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
    };
    let server = Server::answering(answer(100)).await;
    let sink = post(server.url("/")).build().unwrap();
    // Each request has its own hundred.
    for _ in 0..2 {
        assert_eq!(send(&sink, &Message::text("x")).await.unwrap().body(), "ok");
    }
}

#[tokio::test]
async fn a_head_without_end_is_left() {
    for (start, more) in [
        ("HTTP/1.1 200 OK\r\nx: ", "yyyyyyyyyyyyyyyy"),
        ("HTTP/1.1 200 ", "reason reason "),
        ("HTTP/1.1 200 OK\r\n", "x: yyyyyyyyyyyyyy\r\n"),
        ("HTTP/1.1 103 Hints\r\n\r\nHTTP/1.1 200 OK\r\nx: ", "yyyyyyyyyyyyyyyy"),
        ("HTTP/1.1 103 Hints\r\nx: ", "yyyyyyyyyyyyyyyy"),
    ] {
        out_of_bounds(Endless::start(start, more.repeat(64)).await.meet().await);
    }
}

#[tokio::test]
async fn the_limits_of_a_head_are_those_of_the_documentation() {
    let check = async |fields: usize, length: usize, fits: bool| {
        let field = format!("x: {}\r\n", "y".repeat(length));
        let head =
            format!("HTTP/1.1 200 OK\r\n{}content-length: 0\r\n\r\n", field.repeat(fields - 1));
        let size = head.len();
        let server = Server::answering(head).await;
        let sink = post(server.url("/")).timeout(LIMIT).build().unwrap();
        match send(&sink, &Message::text("x")).await {
            Ok(receipt) => assert!(fits && receipt.metadata().len() == fields, "{fields}, {size}"),
            error if fits => panic!("{fields}, {size}: {error:?}"),
            error => drop(out_of_bounds(error)),
        }
    };
    check(100, 10, true).await;
    check(101, 10, false).await;
    check(2, 60_000, true).await;
    check(64, 1_000, true).await;
    // It is read in steps: at twice the limit it is refused for sure.
    check(2, 132_000, false).await;
    check(99, 1_340, false).await;
}

#[tokio::test]
async fn a_head_that_drips_ends_at_the_deadline() {
    let server = Server::start(|mut conn| async move {
        conn.request().await;
        // Only the speed of the server; nobody waits for it.
        for byte in "HTTP/1.1 200 OK\r\n".chars().chain(std::iter::repeat('x')) {
            conn.write(&byte.to_string()).await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    let limit = Duration::from_millis(300);
    let sink = post(server.url("/")).timeout(limit).build().unwrap();
    let started = Instant::now();
    let error = send(&sink, &Message::text("x")).await.unwrap_err();
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Timeout, Effect::Maybe));
    assert!(started.elapsed() >= limit && started.elapsed() < limit * 4);
}

const CHUNKED: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";

#[tokio::test]
async fn a_success_stays_one_whatever_its_body_does() {
    for (start, more, state) in [
        ("HTTP/1.1 200 OK\r\n\r\n".to_owned(), "y".repeat(4_096), BodyState::Cut),
        (
            format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", u64::MAX - 2),
            "y".repeat(4_096),
            BodyState::Cut,
        ),
        (CHUNKED.to_owned(), "1\r\ny\r\n".repeat(1_000), BodyState::Cut),
        (format!("{CHUNKED}ffffffffffffff0\r\n"), "y".repeat(4_096), BodyState::Cut),
        // Extensions and trailers are bounded by hyper.
        (format!("{CHUNKED}1;"), "e".repeat(4_096), BodyState::Broken),
        (CHUNKED.to_owned(), format!("1;{}\r\ny\r\n", "e".repeat(1_000)), BodyState::Broken),
        (format!("{CHUNKED}0\r\nx: "), "t".repeat(4_096), BodyState::Broken),
        (format!("{CHUNKED}0\r\n"), "x: y\r\n".repeat(100), BodyState::Broken),
        // A number too large for one.
        (CHUNKED.to_owned(), "f".repeat(4_096), BodyState::Broken),
    ] {
        let result = Endless::start(start.clone(), more.clone()).await.meet().await;
        let receipt = result.unwrap_or_else(|error| panic!("{start}: {error}"));
        assert_eq!(receipt.body_state(), state, "{start}{}", &more[..more.len().min(16)]);
        assert!(receipt.body().len() <= 64 << 10);
        if state == BodyState::Cut {
            assert_eq!(receipt.body().len(), 64 << 10);
        }
    }
}

#[tokio::test]
async fn what_has_no_bound_of_its_own_ends_at_the_deadline_and_is_not_kept() {
    // A chunk's size with zeros in front, for ever: legal, and nothing that anybody would hold.
    let limit = Duration::from_millis(300);
    let written = Arc::<AtomicUsize>::default();
    let count = Arc::clone(&written);
    let ended = Arc::<Notify>::default();
    let end = Arc::clone(&ended);
    let server = Server::start(move |mut conn| {
        let (count, end) = (Arc::clone(&count), Arc::clone(&end));
        async move {
            conn.request().await;
            conn.write(CHUNKED).await;
            conn.pour("0".repeat(4_096).as_bytes(), &count).await;
            end.notify_one();
        }
    })
    .await;
    let sink = post(server.url("/")).timeout(limit).build().unwrap();
    let started = Instant::now();
    let receipt = send(&sink, &Message::text("x")).await.unwrap();
    assert!(started.elapsed() < LIMIT, "{:?}", started.elapsed());
    assert_eq!((receipt.body().len(), receipt.body_state()), (0, BodyState::Broken));
    tokio::time::timeout(LIMIT, ended.notified()).await.expect("the connection is closed");
}

#[tokio::test]
async fn an_error_page_without_end_changes_nothing() {
    for start in ["HTTP/1.1 422 No\r\n\r\n".to_owned(), CHUNKED.replace("200 OK", "422 No")] {
        let more = if start.contains("chunked") { "4\r\nwhy \r\n" } else { "why " };
        let error = Endless::start(start, more.repeat(100)).await.meet().await.unwrap_err();
        assert_eq!((error.kind(), error.effect()), (ErrorKind::Rejected, Effect::None));
        let excerpt = error.excerpt().unwrap();
        assert!(excerpt.starts_with("why why") && excerpt.len() <= 8 << 10);
    }
}

#[tokio::test]
async fn what_comes_after_a_whole_answer_is_not_read() {
    for start in
        ["HTTP/1.1 204 No Content\r\n\r\n", "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"]
    {
        let endless = Endless::start(start, "garbage ".repeat(512)).await;
        let receipt = endless.meet().await.unwrap();
        assert_eq!(receipt.body_state(), BodyState::Complete);
    }
}
