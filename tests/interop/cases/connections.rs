//! Connections that are kept, and that the server closes between two sends.

use std::collections::BTreeSet;

use fanout::{Message, Sink};

use super::{post, send};
use crate::servers::front::{Front, Via};

pub(crate) async fn two_sends_share_a_connection(via: Via) {
    let mut front = Front::clear(via).await;
    let sink = post(&front, &front.url("/"));
    deliver(&sink).await;
    deliver(&sink).await;
    if via == Via::Nginx {
        assert_eq!(connections(&mut front).await, 1);
    } else {
        let (first, second) = (front.next().await.peer(), front.next().await.peer());
        assert_eq!(first, second, "the port of the client");
    }
}

/// `keepalive_requests 1`: `Connection: close` comes with the answer.
pub(crate) async fn an_announced_close_is_followed_by_a_new_connection() {
    let mut front = Front::nginx_once().await;
    let sink = post(&front, &front.url("/"));
    deliver(&sink).await;
    deliver(&sink).await;
    assert_eq!(connections(&mut front).await, 2);
}

/// `keepalive_timeout`: nothing says that the connection will be closed.
pub(crate) async fn an_idle_connection_that_was_closed_costs_no_attempt() {
    let mut front = Front::nginx_brief().await;
    let sink = post(&front, &front.url("/"));
    deliver(&sink).await;
    front.of_nginx().all_closed().await;
    deliver(&sink).await;
    assert_eq!(connections(&mut front).await, 2);
}

/// A reload lets a new worker take over; the old one closes what is idle.
pub(crate) async fn a_restart_between_two_sends_costs_no_attempt() {
    let mut front = Front::clear(Via::Nginx).await;
    let sink = post(&front, &front.url("/"));
    deliver(&sink).await;
    front.of_nginx().reload().await;
    deliver(&sink).await;
    assert_eq!(connections(&mut front).await, 2);
}

/// The same on HTTP/2, where the old worker says GOAWAY first.
pub(crate) async fn an_http2_restart_between_two_sends_costs_no_attempt() {
    let mut front = Front::tls(Via::Nginx).await;
    let sink = post(&front, &front.url("/"));
    deliver(&sink).await;
    front.of_nginx().reload().await;
    deliver(&sink).await;
    assert_eq!(connections(&mut front).await, 2);
}

async fn deliver(sink: &impl Sink) {
    let receipt = send(sink, &Message::text("hello")).await.expect("it is delivered");
    assert_eq!(receipt.status().map(|status| status.code()), Some(200));
}

/// The number of connections that two requests, and exactly two, came on.
async fn connections(front: &mut Front) -> usize {
    let accesses = front.of_nginx().accesses(2).await;
    assert_eq!(accesses.len(), 2, "two requests: {accesses:?}");
    assert!(accesses.iter().all(|access| access.status == 200), "{accesses:?}");
    front.next().await;
    front.next().await;
    assert_eq!(front.script.end().await, 0, "two requests went through");
    // nginx numbers connections from start to end, its own to the upstream included.
    accesses.iter().map(|access| access.connection).collect::<BTreeSet<_>>().len()
}
