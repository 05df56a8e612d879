//! OAuth 2.0 for calls: one token for all, and one more call after a refusal.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use fanout::policy::all;
use fanout::resilience::Resilience;
use fanout::{Effect, ErrorKind, FanOut, Outcome, Report, RetryAdvice, Secret, SinkExt as _};
use fanout_grpc::auth::OAuth2;
use fanout_grpc::{Client, HttpVersion, Proxy};
use http::Response;
use http_body_util::BodyExt as _;
use tokio::task::JoinSet;
use tonic::body::Body;

use crate::server::{Server, frame, order, page, raw};

/// Gives out `token-1`, `token-2` and so on; over HTTP/2, as the servers here speak nothing else.
async fn tokens() -> Server {
    let counter = Arc::<AtomicUsize>::default();
    Server::start(move |request| {
        let counter = Arc::clone(&counter);
        Box::pin(async move {
            drop(request.into_body().collect().await);
            let number = counter.fetch_add(1, Ordering::SeqCst) + 1;
            let body = format!(
                r#"{{"access_token":"token-{number}","token_type":"bearer","expires_in":3600}}"#
            );
            Response::new(Body::new(http_body_util::Full::from(body)))
        })
    })
    .await
}

/// Takes this token, or any.
async fn api(token: Option<&'static str>) -> Server {
    Server::start(move |request| {
        Box::pin(async move {
            let shown = request.headers()["authorization"].to_str().unwrap().to_owned();
            drop(request.into_body().collect().await);
            if token.is_none_or(|token| shown == format!("Bearer {token}")) {
                return raw(&[], frame(b""), &[("grpc-status", "0")]);
            }
            raw(&[("grpc-status", "16"), ("grpc-message", &format!("not {shown}"))], "", &[])
        })
    })
    .await
}

fn fan_out(api: &Server, idp: &Server) -> FanOut {
    let client = Client::builder().proxy(Proxy::none()).http_version(HttpVersion::Http2);
    let url = format!("http://127.0.0.1:{}/token", idp.port());
    let oauth = OAuth2::client_credentials(url, "audit", Secret::new("client-s3cret"))
        .client(&client.build().unwrap())
        .build()
        .unwrap();
    let resilience = Resilience::default().max_attempts(1);
    let sink = api.place().auth(oauth).build().unwrap().resilient(resilience).unwrap();
    FanOut::builder(all()).sink("one", sink).build().unwrap()
}

async fn many(fan_out: &FanOut, sends: usize) {
    let mut running = JoinSet::new();
    for _ in 0..sends {
        let fan_out = fan_out.clone();
        running.spawn(async move { fan_out.send(order("a", 1)).await });
    }
    for report in running.join_all().await {
        assert!(report.is_satisfied(), "{report}");
    }
}

fn failure(report: &Report) -> &fanout::Error {
    let delivery = report.get("one").unwrap();
    let Outcome::Failed(error) = delivery.outcome() else { panic!("{report}") };
    assert_eq!(delivery.effect(), Effect::None);
    error
}

#[tokio::test]
async fn two_hundred_calls_with_an_expired_token_cause_exactly_one_token_request() {
    let (idp, server) = (tokens().await, api(None).await);
    many(&fan_out(&server, &idp), 200).await;
    assert_eq!((idp.requests().len(), server.requests().len()), (1, 200));
    // The token has ended earlier than was said: all who are refused share one request for the next.
    let (idp, server) = (tokens().await, api(Some("token-2")).await);
    many(&fan_out(&server, &idp), 200).await;
    assert_eq!(idp.requests().len(), 2);
    assert_eq!(server.requests().last().unwrap().1["authorization"], "Bearer token-2");
}

#[tokio::test]
async fn a_refused_token_is_renewed_once_and_the_call_made_once_more() {
    let (idp, server) = (tokens().await, api(Some("token-2")).await);
    let report = fan_out(&server, &idp).send(order("a", 1)).await;
    assert!(report.is_satisfied(), "{report}");
    assert_eq!(report.get("one").unwrap().attempts(), 1, "the attempt was transparent");
    assert_eq!((idp.requests().len(), server.requests().len()), (2, 2));

    let (idp, server) = (tokens().await, api(Some("none")).await);
    let report = fan_out(&server, &idp).send(order("a", 1)).await;
    let error = failure(&report);
    assert_eq!((error.kind(), error.advice()), (ErrorKind::Unauthenticated, RetryAdvice::Never));
    assert_eq!(error.excerpt(), Some("not ***"));
    assert_eq!((idp.requests().len(), server.requests().len()), (2, 2));
}

#[tokio::test]
async fn without_a_token_nothing_is_called() {
    let idp = Server::start(|request| {
        Box::pin(async move {
            drop(request.into_body().collect().await);
            page(401, &[], r#"{"error":"invalid_client"}"#)
        })
    })
    .await;
    let server = api(None).await;
    let report = fan_out(&server, &idp).send(order("a", 1)).await;
    let error = failure(&report);
    assert_eq!((error.kind(), error.advice()), (ErrorKind::Unauthenticated, RetryAdvice::Never));
    let place = format!("token_endpoint: 127.0.0.1:{}", idp.port());
    let text = error.to_string();
    assert!(text.contains("401: invalid_client") && text.contains(&place), "{text}");
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn a_token_that_has_ended_by_the_clock_is_fetched_once_for_all() {
    let (idp, server) = (tokens().await, api(None).await);
    let fan_out = fan_out(&server, &idp);
    for round in 1..=3 {
        many(&fan_out, 200).await;
        assert_eq!(idp.requests().len(), round);
        let token = format!("Bearer token-{round}");
        let requests = server.requests();
        assert!(
            requests[(round - 1) * 200..].iter().all(|(_, head)| head["authorization"] == *token)
        );
        // Turned while nothing is under way that waits for it.
        tokio::time::pause();
        tokio::time::advance(std::time::Duration::from_secs(3600)).await;
        tokio::time::resume();
    }
}
