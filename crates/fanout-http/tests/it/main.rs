//! The sink against servers on loopback: wiremock for ordinary answers, a raw server for the rest.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod answers;
mod auth;
mod bounds;
mod fan_out;
mod faults;
mod guard;
mod injection;
mod oauth;
mod pool;
mod redirects;
mod redirects_abroad;
mod requests;
mod resilient;
mod server;
#[cfg(feature = "tower")]
mod service;
#[cfg(feature = "webhook")]
mod signed;
mod versions;

use fanout::{Attempt, Error, Message, Receipt, Sink};
use fanout_http::{Client, HttpSink, HttpSinkBuilder, Proxy};

/// A client that no environment variable diverts.
fn client() -> Client {
    Client::builder().proxy(Proxy::none()).build().unwrap()
}

fn post(url: String) -> HttpSinkBuilder {
    HttpSink::post(url).client(&client())
}

async fn send(sink: &HttpSink, message: &Message) -> Result<Receipt, Error> {
    sink.send(message, &Attempt::first("sink", message)).await
}

async fn refusal(sink: &HttpSink, message: &Message) -> Error {
    match send(sink, message).await {
        Ok(receipt) => panic!("delivered: {receipt:?}"),
        Err(error) => error,
    }
}
