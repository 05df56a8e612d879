//! OAuth 2.0 over real sockets: a token endpoint and an API, both scripted and counted.

use std::time::Duration;

use fanout::policy::all;
use fanout::resilience::Resilience;
use fanout::{
    Delivery, Effect, ErrorKind, FanOut, Message, Outcome, Report, RetryAdvice, Secret, Sink,
    SinkExt as _, TimeoutScope,
};
use fanout_http::auth::{ClientAuth, OAuth2, OAuth2Builder};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::server::{OK, Server};
use crate::{client, post};

fn json(status: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

/// Gives out `token-1`, `token-2` and so on.
async fn tokens(expires_in: &'static str) -> Server {
    Server::start_numbered(move |mut conn, counter| async move {
        while conn.request().await.is_some() {
            let number = counter.fetch_add(1, std::sync::atomic::Ordering::SeqCst) + 1;
            let body =
                format!(r#"{{"access_token":"token-{number}","token_type":"Bearer"{expires_in}}}"#);
            conn.write(&json("200 OK", &body)).await;
        }
    })
    .await
}

/// Takes no other token than this.
async fn api(token: &'static str) -> Server {
    Server::start(move |mut conn| async move {
        while let Some(request) = conn.request().await {
            let good = request.contains(&format!("authorization: Bearer {token}\r\n"));
            conn.write(&if good { OK.to_owned() } else { json("401 No", "") }).await;
        }
    })
    .await
}

fn oauth(url: String) -> OAuth2Builder {
    OAuth2::client_credentials(url, "billing", Secret::new("client-s3cret")).client(&client())
}

fn sink(api: &Server, oauth: OAuth2Builder) -> impl Sink + 'static {
    let sink = post(api.url("/")).auth(oauth.build().unwrap()).build().unwrap();
    sink.resilient(Resilience::default().max_attempts(1)).unwrap()
}

fn fan_out(sink: impl Sink + 'static) -> FanOut {
    FanOut::builder(all()).sink("one", sink).build().unwrap()
}

async fn one(sink: impl Sink + 'static) -> Report {
    fan_out(sink).send(Message::text("payload")).await
}

fn only(report: &Report) -> &Delivery {
    report.get("one").unwrap()
}

fn failure(report: &Report) -> &fanout::Error {
    let Outcome::Failed(error) = only(report).outcome() else { panic!("{report}") };
    let text = format!("{} {error:?} {report} {}", error.to_chain(), serde_json::json!(report));
    assert!(!text.contains("s3cret"), "{text}");
    assert_eq!(only(report).effect(), Effect::None, "{text}");
    error
}

async fn many(fan_out: &FanOut, sends: usize) {
    let mut running = JoinSet::new();
    for _ in 0..sends {
        let fan_out = fan_out.clone();
        running.spawn(async move { fan_out.send(Message::text("payload")).await });
    }
    for report in running.join_all().await {
        assert!(report.is_satisfied(), "{report}");
    }
}

#[tokio::test]
async fn two_hundred_sends_with_an_expired_token_cause_exactly_one_token_request() {
    let (idp, api) = (tokens(r#","expires_in":3600"#).await, Server::answering(OK).await);
    let fan_out = fan_out(sink(&api, oauth(idp.url("/token")).scope("orders:write")));
    many(&fan_out, 200).await;
    let request = idp.requests().remove(0);
    assert_eq!(idp.requests().len(), 1);
    let basic = "authorization: Basic YmlsbGluZzpjbGllbnQtczNjcmV0\r\n";
    assert!(request.contains(basic), "{request}");
    assert!(request.ends_with("\r\n\r\ngrant_type=client_credentials&scope=orders%3Awrite"));

    assert_eq!(api.requests().len(), 200);
    // The token has ended earlier than was said: all who are refused share one request for the next.
    let (idp, api) = (tokens(r#","expires_in":3600"#).await, self::api("token-2").await);
    many(&self::fan_out(sink(&api, oauth(idp.url("/token")))), 200).await;
    assert_eq!(idp.requests().len(), 2);
}

#[tokio::test]
async fn a_refused_token_is_renewed_once_and_the_message_sent_once_more() {
    // The endpoint lies: what it says to hold for an hour is refused at once.
    let (idp, api) = (tokens(r#","expires_in":3600"#).await, api("token-2").await);
    let report = one(sink(&api, oauth(idp.url("/token")))).await;
    assert!(report.is_satisfied(), "{report}");
    assert_eq!(only(&report).attempts(), 1, "the attempt was transparent");
    assert_eq!((idp.requests().len(), api.requests().len()), (2, 2));
}

#[tokio::test]
async fn a_second_refusal_is_the_end() {
    let (idp, api) = (tokens("").await, api("none").await);
    let fan_out = fan_out(sink(&api, oauth(idp.url("/token"))));
    let report = fan_out.send(Message::text("payload")).await;
    let error = failure(&report);
    assert_eq!((error.kind(), error.advice()), (ErrorKind::Unauthenticated, RetryAdvice::Never));
    assert_eq!((idp.requests().len(), api.requests().len()), (2, 2));
    // And no hail of token requests follows.
    assert!(!fan_out.send(Message::text("payload")).await.is_satisfied());
    assert_eq!((idp.requests().len(), api.requests().len()), (2, 3));
}

#[tokio::test]
async fn a_token_endpoint_that_fails_is_told_and_nothing_is_sent() {
    let api = Server::answering(OK).await;
    let told = r#"{"error":"invalid_client","error_description":"client-s3cret"}"#;
    let echo = r#"{"error":"client-s3cret"}"#;
    for (answer, kind, text) in [
        (json("401 No", told), ErrorKind::Unauthenticated, "answered 401: invalid_client"),
        (json("400 No", echo), ErrorKind::Unauthenticated, "answered 400: ***"),
        (json("200 OK", "<html>client-s3cret</html>"), ErrorKind::Protocol, "not JSON"),
        (json("500 No", "client-s3cret"), ErrorKind::Upstream, "answered 500"),
        (
            "HTTP/1.1 302 Found\r\nlocation: http://h/client-s3cret\r\ncontent-length: 0\r\n\r\n"
                .to_owned(),
            ErrorKind::Redirected,
            "redirects are not followed",
        ),
        (
            format!("HTTP/1.1 200 OK\r\ncontent-length: 70000\r\n\r\n{}", " ".repeat(70_000)),
            ErrorKind::Protocol,
            "longer than 64 KiB",
        ),
    ] {
        let idp = Server::answering(answer).await;
        let report = one(sink(&api, oauth(idp.url("/token")))).await;
        let error = failure(&report);
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.message().contains(text), "{error}");
        let place = idp.url("").replace("http://", "token_endpoint: ");
        assert!(error.to_string().contains(&place), "{error}");
    }
    assert!(api.requests().is_empty());
}

#[tokio::test]
async fn a_token_endpoint_that_is_down_or_slow_is_told_and_nothing_is_sent() {
    let api = Server::answering(OK).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/token", listener.local_addr().unwrap());
    drop(listener);
    let report = one(sink(&api, oauth(url))).await;
    let error = failure(&report);
    assert_eq!((error.kind(), error.advice()), (ErrorKind::Connect, RetryAdvice::Backoff));

    // It takes the request, and says nothing.
    let idp = Server::start(|mut conn| async move {
        conn.request().await;
        conn.closed().await;
    })
    .await;
    let ms = Duration::from_millis;
    let report = one(sink(&api, oauth(idp.url("/token")).timeout(ms(50)))).await;
    let error = failure(&report);
    assert_eq!((error.kind(), error.advice()), (ErrorKind::Timeout, RetryAdvice::Backoff));
    assert_eq!(error.scope(), Some(TimeoutScope::Attempt));

    // The time of the send bounds the wait.
    let sink = post(api.url("/")).auth(oauth(idp.url("/token")).build().unwrap());
    let report = one(sink.timeout(ms(50)).build().unwrap()).await;
    assert_eq!(failure(&report).kind(), ErrorKind::Timeout);
    assert!(api.requests().is_empty());
}

#[test]
fn what_cannot_work_is_refused_when_it_is_built() {
    let check = |oauth: OAuth2Builder, text: &str| {
        let error = oauth.build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Build);
        let shown = format!("{} {error:?}", error.to_chain());
        assert!(shown.contains(text), "{shown}");
        assert!(!shown.contains("s3cret"), "{shown}");
    };
    let url = || "https://idp.example/token".to_owned();
    check(oauth("idp.example/s3cret".to_owned()), "token_url");
    check(oauth("http://idp.example/s3cret".to_owned()), "allow_plaintext");
    check(oauth(url()).param("client_secret", "s3cret"), "parameter: client_secret");
    check(oauth(url()).scope("a").scope("b"), "parameter: scope");
    check(oauth(url()).timeout(Duration::ZERO), "timeout");
    let built = oauth("http://idp.example/".to_owned()).allow_plaintext(true).build().unwrap();
    let shown = format!("{built:?} {:?}", oauth(url()).param("p", "s3cret"));
    assert!(shown.contains("idp.example:80") && !shown.contains("s3cret"), "{shown}");
}

/// Turns the clock while nothing is under way that waits for it.
async fn pass(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

#[tokio::test]
async fn a_token_that_has_ended_by_the_clock_is_fetched_once_for_all() {
    let (idp, api) = (tokens(r#","expires_in":60"#).await, Server::answering(OK).await);
    let fan_out = fan_out(sink(&api, oauth(idp.url("/token"))));
    for round in 1..=3 {
        many(&fan_out, 200).await;
        assert_eq!(idp.requests().len(), round);
        let token = format!("authorization: Bearer token-{round}\r\n");
        assert!(api.requests()[(round - 1) * 200..].iter().all(|r| r.contains(&token)));
        pass(Duration::from_secs(60)).await;
    }
}

#[tokio::test]
async fn a_client_secret_that_was_rotated_meanwhile_is_tried_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret");
    std::fs::write(&path, "old-s3cret").unwrap();
    let secret = Secret::from_file(&path).unwrap();
    let written = path.clone();
    let idp = Server::start(move |mut conn| {
        let path = written.clone();
        async move {
            while let Some(request) = conn.request().await {
                let answer = if request.contains("client_secret=new-s3cret") {
                    json("200 OK", r#"{"access_token":"t","token_type":"Bearer"}"#)
                } else {
                    std::fs::write(&path, "new-s3cret").unwrap();
                    json("401 No", r#"{"error":"invalid_client"}"#)
                };
                conn.write(&answer).await;
            }
        }
    })
    .await;
    let api = Server::answering(OK).await;
    let oauth = OAuth2::client_credentials(idp.url("/token"), "billing", secret)
        .client_auth(ClientAuth::Body)
        .client(&client());
    let report = one(sink(&api, oauth)).await;
    assert!(report.is_satisfied(), "{report}");
    assert_eq!((only(&report).attempts(), idp.requests().len()), (1, 2));
}
