//! The client against servers that play every part on loopback.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod abandoned;
mod abroad;
mod errors;
mod guard;
mod http2;
mod pool;
mod proxy;
mod server;
mod tls;

use bytes::Bytes;
use fanout::Error;
use fanout_net::{Client, InBody, OutBody, Proxy, read_to_limit};
use http::{Request, Response};

/// A client that no environment variable diverts.
fn client() -> Client {
    Client::builder().proxy(Proxy::none()).build().unwrap()
}

fn post(url: &str, body: impl Into<Bytes>) -> Request<OutBody> {
    Request::post(url).body(OutBody::whole(body)).unwrap()
}

fn get(url: &str) -> Request<OutBody> {
    Request::get(url).body(OutBody::empty()).unwrap()
}

async fn text(response: Response<InBody>) -> String {
    let (bytes, _) = read_to_limit(response.into_body(), 1 << 20).await;
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn failure(result: Result<Response<InBody>, Error>) -> Error {
    match result {
        Ok(response) => panic!("expected a failure, got {}", response.status()),
        Err(error) => error,
    }
}
