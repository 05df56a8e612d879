//! Servers without measure: whatever they send, it ends.

use std::io::Write as _;
use std::time::{Duration, Instant};

use bytes::{BufMut, Bytes, BytesMut};
use fanout::{Effect, ErrorKind, Message, RetryAdvice};

use crate::server::{Server, always, failure, order, raw, send};

const LIMIT: Duration = Duration::from_secs(3);

#[tokio::test]
async fn a_bomb_of_gzip_goes_off_at_the_limit() {
    // 256 MiB of zeros in 256 KiB.
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    for _ in 0..256 {
        gzip.write_all(&vec![0; 1 << 20]).unwrap();
    }
    let packed = gzip.finish().unwrap();
    assert!(packed.len() < 300 << 10, "{}", packed.len());
    let mut frame = BytesMut::new();
    frame.put_u8(1);
    frame.put_u32(u32::try_from(packed.len()).unwrap());
    frame.put_slice(&packed);
    let frame: Bytes = frame.freeze();
    let server =
        always(move || raw(&[("grpc-encoding", "gzip")], frame.clone(), &[("grpc-status", "0")]))
            .await;
    let before = peak();
    let error = failure(server.place()).await;
    let found = (error.kind(), error.effect(), error.advice());
    assert_eq!(found, (ErrorKind::TooLarge, Effect::Maybe, RetryAdvice::Never), "{error}");
    // The reply may be 4 MiB; what else runs in this process must have room, too.
    let grown = peak() - before;
    assert!(grown < 128 << 10, "{grown} KiB");
}

/// The most memory that this process has had, in KiB; 0 where nobody says.
fn peak() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().split(' ').next()?.parse().ok()).unwrap_or_default()
}

#[tokio::test]
async fn a_reply_that_announces_more_than_the_limit_is_not_waited_for() {
    let mut head = BytesMut::new();
    head.put_u8(0);
    head.put_u32(u32::MAX);
    let head: Bytes = head.freeze();
    let server = always(move || raw(&[], head.clone(), &[("grpc-status", "0")])).await;
    let started = Instant::now();
    let error = failure(server.place()).await;
    assert_eq!((error.kind(), error.effect()), (ErrorKind::TooLarge, Effect::Maybe), "{error}");
    assert!(error.to_string().contains("max_response"), "{error}");
    assert!(started.elapsed() < LIMIT);
}

#[tokio::test]
async fn a_head_over_the_limit_is_refused_and_trailers_over_it_are_cut() {
    let long: &'static str = "v".repeat(100_000).leak();
    let started = Instant::now();
    let server = always(move || {
        raw(&[("x-long", long)], crate::server::frame(b""), &[("grpc-status", "0")])
    })
    .await;
    let error = failure(server.place()).await;
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Protocol, Effect::Maybe), "{error}");

    let server = always(move || {
        let trailers = [("grpc-status", "0"), ("x-long", long)];
        raw(&[], crate::server::frame(b""), &trailers)
    })
    .await;
    let receipt = send(&server.place().build().unwrap(), &order("a", 1)).await.unwrap();
    assert_eq!(receipt.metadata().get("x-long"), None);
    assert!(started.elapsed() < LIMIT);
    // Below the limit there is no difference.
    let short: &'static str = "v".repeat(60_000).leak();
    let server = always(move || {
        let trailers = [("grpc-status", "0"), ("x-long", short)];
        raw(&[("x-short", "1")], crate::server::frame(b""), &trailers)
    })
    .await;
    send(&server.place().build().unwrap(), &order("a", 1)).await.unwrap();
}

#[tokio::test]
async fn more_metadata_than_fits_is_too_large_and_not_sent() {
    let server = Server::echo().await;
    let sink = server.place().build().unwrap();
    for (count, length, fits) in [
        (1, 60_000, true),
        (1, 66_000, false),
        (900, 10, true),
        (1_001, 1, false),
        (40_000, 1, false),
    ] {
        let mut message: Message = order("a", 1);
        for number in 0..count {
            message = message.with_metadata(format!("x-{number}"), "v".repeat(length));
        }
        let before = server.requests().len();
        let result = send(&sink, &message).await;
        // The server has a limit of its own, which is lower: what counts is that it was asked.
        assert_eq!(
            server.requests().len() > before || !tells_of_us(&result),
            fits,
            "{count} of {length}"
        );
    }
    let mut builder = server.place();
    for number in 0..40_000 {
        builder = builder.metadata(format!("x-{number}"), "s3cret");
    }
    let error = builder.build().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert!(!error.to_chain().contains("s3cret"));
}

fn tells_of_us(result: &Result<fanout::Receipt, fanout::Error>) -> bool {
    result.as_ref().is_err_and(|error| {
        error.kind() == ErrorKind::TooLarge
            && error.effect() == Effect::None
            && error.to_string().contains("limit: ")
    })
}
