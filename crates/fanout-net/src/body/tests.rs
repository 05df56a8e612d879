//! What hyper does with a request whose gate was shut just before it was written.
//!
//! The window is some nanoseconds wide in life; here the gate is shut before hyper is asked, and the
//! receiver of the answer is alive, so nothing but the gate holds the request back.

use http::Request;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, duplex};

use super::*;

fn shut(method: &str, body: OutBody) -> Request<GatedBody> {
    let (body, gate) = body.gated();
    assert!(gate.close());
    Request::builder()
        .method(method)
        .uri("http://h/")
        .header("host", "h")
        .body(body)
        .expect("valid")
}

fn cases() -> Vec<(&'static str, OutBody)> {
    vec![
        ("GET", OutBody::empty()),
        ("POST", OutBody::empty()),
        ("DELETE", OutBody::empty()),
        ("GET", OutBody::whole("payload")),
        ("POST", OutBody::whole("payload")),
        ("POST", OutBody::stream(http_body_util::Full::new(Bytes::from_static(b"payload")))),
    ]
}

#[tokio::test]
async fn http1_writes_nothing_at_all() {
    for (method, body) in cases() {
        let about = format!("{method} {body:?}");
        let (near, mut far) = duplex(4096);
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(near)).await.expect("no I/O");
        let driving = tokio::spawn(connection);
        let sending = tokio::time::timeout(LIMIT, sender.send_request(shut(method, body)));
        assert!(sending.await.expect("not sent, or it would wait").is_err(), "{about}");
        drop(driving.await);
        let mut seen = Vec::new();
        far.read_to_end(&mut seen).await.expect("a duplex does not fail");
        assert!(seen.is_empty(), "{about}: {}", String::from_utf8_lossy(&seen));
    }
}

#[tokio::test]
async fn http2_lets_at_most_a_head_out_that_announces_more() {
    for (method, body) in cases() {
        let about = format!("{method} {body:?}");
        let (near, far) = duplex(1 << 16);
        let serving = tokio::spawn(async move {
            let mut connection = h2::server::handshake(far).await.expect("the client speaks h2");
            if let Some(Ok((request, _respond))) = connection.accept().await {
                let (head, mut body) = request.into_parts();
                assert!(!body.is_end_stream(), "a whole request");
                let length = head.headers.get("content-length").expect("more is announced");
                assert_ne!(length, "0");
                let driving = tokio::spawn(async move {
                    drop(std::future::poll_fn(|cx| connection.poll_closed(cx)).await);
                });
                if let Some(data) = body.data().await {
                    let Err(error) = data else { panic!("content of an abandoned request") };
                    assert!(error.is_reset() || error.is_io(), "{error}");
                }
                drop(driving.await);
            }
        });
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(near))
                .await
                .expect("the server speaks h2");
        let driving = tokio::spawn(connection);
        let sending = tokio::time::timeout(LIMIT, sender.send_request(shut(method, body)));
        assert!(sending.await.expect("not sent, or it would wait").is_err(), "{about}");
        drop(sender);
        drop(driving.await);
        serving.await.unwrap_or_else(|error| panic!("{about}: {error}"));
    }
}

#[tokio::test]
async fn an_open_gate_lets_everything_through() {
    let (body, gate) = OutBody::whole("payload").gated();
    let request = Request::post("/").header("host", "h").body(body).expect("valid");
    let (near, mut far) = duplex(4096);
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(near)).await.expect("no I/O");
    tokio::spawn(connection);
    let sending = tokio::spawn(async move { drop(sender.send_request(request).await) });
    let mut seen = vec![0; "POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 7\r\n\r\npayload".len()];
    far.read_exact(&mut seen).await.expect("the request arrives");
    assert!(seen.ends_with(b"payload"));
    assert!(gate.is_open());
    sending.abort();
}

/// A request that did get out would wait for its answer for ever.
const LIMIT: std::time::Duration = std::time::Duration::from_secs(5);
