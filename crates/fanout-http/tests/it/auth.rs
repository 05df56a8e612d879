//! Credentials: what of them goes out, what nobody else may set, and what never comes back.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use fanout::{Effect, Error, ErrorKind, Message, RetryAdvice, Secret};
use fanout_http::auth::{ApiKey, Basic, Bearer, Credentials, Proof, Renewal};
use fanout_http::{ApiVersion, HttpSinkBuilder, Redirects};

use crate::server::{OK, Server};
use crate::{post, refusal, send};

const SECRET: &str = "s3cret/+token==";

fn message() -> Message {
    Message::text("payload")
}

/// The first lines of the only request, the message's own left out.
async fn sent(add: impl Fn(HttpSinkBuilder) -> HttpSinkBuilder) -> String {
    let server = Server::answering(OK).await;
    send(&add(post(server.url("/v1?a=b"))).build().unwrap(), &message()).await.unwrap();
    server.requests().remove(0)
}

fn build_error(add: impl Fn(HttpSinkBuilder) -> HttpSinkBuilder) -> String {
    let error = add(post("http://127.0.0.1:9/v1?a=b".to_owned())).build().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Build);
    assert!(!format!("{} {error:?}", error.to_chain()).contains(SECRET), "{error:?}");
    error.to_chain()
}

#[tokio::test]
async fn each_kind_goes_where_it_belongs() {
    let secret = || Secret::new(SECRET);
    let request = sent(|sink| sink.auth(Bearer::new(secret()))).await;
    assert!(request.contains("authorization: Bearer s3cret/+token==\r\n"), "{request}");
    let request = sent(|sink| sink.auth(Basic::new("Aladdin", Secret::new("open sesame")))).await;
    let basic = "authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n";
    assert!(request.contains(basic), "{request}");
    let request = sent(|sink| sink.auth(ApiKey::header("X-Key", secret()))).await;
    assert!(request.contains("x-key: s3cret/+token==\r\n"), "{request}");
    let request = sent(|sink| sink.auth(ApiKey::query("key", secret()))).await;
    assert!(request.starts_with("POST /v1?a=b&key=s3cret%2F%2Btoken%3D%3D HTTP/1.1"), "{request}");
    // Several go together.
    let request =
        sent(|sink| sink.auth(Bearer::new(secret())).secret_header("x-gate", Secret::new("g")))
            .await;
    assert!(request.contains("authorization: Bearer"), "{request}");
    assert!(request.contains("x-gate: g\r\n"), "{request}");
}

#[test]
fn two_for_one_place_and_impossible_places_are_refused_when_the_sink_is_built() {
    let secret = || Secret::new(SECRET);
    let text = build_error(|sink| sink.header("Authorization", SECRET).auth(Bearer::new(secret())));
    assert!(text.contains("header: authorization"), "{text}");
    let text = build_error(|sink| sink.auth(Bearer::new(secret())).auth(Basic::new("u", secret())));
    assert!(text.contains("two credentials"), "{text}");
    let text = build_error(|sink| sink.auth(ApiKey::query("a", secret())));
    assert!(text.contains("query: a"), "{text}");
    let text = build_error(|sink| sink.secret_header("host", secret()));
    assert!(text.contains("header: host"), "{text}");
    build_error(|sink| sink.secret_header("a b", secret()));
}

#[tokio::test]
async fn a_message_cannot_bring_credentials_of_its_own() {
    let server = Server::answering(OK).await;
    let sink = post(server.url("/")).auth(Bearer::new(Secret::new(SECRET))).build().unwrap();
    let message = message().with_metadata("Authorization", "Bearer other");
    let error = refusal(&sink, &message).await;
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Build, Effect::None));
    assert!(error.to_chain().contains("header: authorization"), "{}", error.to_chain());
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn fixed_credentials_that_are_refused_are_not_tried_again() {
    for (status, advice) in [("401 No", RetryAdvice::Never), ("407 No", RetryAdvice::Never)] {
        let server = Server::answering(format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n"));
        let server = server.await;
        let sink = post(server.url("/")).auth(Bearer::new(Secret::new(SECRET))).build().unwrap();
        let error = refusal(&sink, &message()).await;
        assert_eq!(
            (error.kind(), error.advice()),
            (ErrorKind::Unauthenticated, advice),
            "{status}"
        );
        // The user's own word still counts.
        let code = &status[..3];
        let sink = post(server.url("/")).auth(Bearer::new(Secret::new(SECRET))).retry_on(code);
        let error = refusal(&sink.build().unwrap(), &message()).await;
        assert_eq!(error.advice(), RetryAdvice::Backoff, "{status}");
    }
}

#[tokio::test]
async fn a_token_file_that_has_changed_makes_another_attempt_worth_while() {
    let server = Server::answering("HTTP/1.1 401 No\r\ncontent-length: 0\r\n\r\n").await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    std::fs::write(&path, "old\n").unwrap();
    let token = Secret::from_file(&path).unwrap();
    let sink = post(server.url("/")).auth(Bearer::new(token)).build().unwrap();
    let error = refusal(&sink, &message()).await;
    assert_eq!(error.advice(), RetryAdvice::Never);
    std::fs::write(&path, "new\n").unwrap();
    let error = refusal(&sink, &message()).await;
    assert_eq!(error.advice(), RetryAdvice::Once);
    let error = refusal(&sink, &message()).await;
    assert_eq!(error.advice(), RetryAdvice::Never);
    let tokens: Vec<_> = server
        .requests()
        .iter()
        .map(|request| request.contains("authorization: Bearer new\r\n"))
        .collect();
    assert_eq!(tokens, [false, false, true]);
}

#[tokio::test]
async fn what_a_refusal_repeats_of_the_credentials_is_not_in_the_error() {
    let basic = "dXNlcjpzM2NyZXQvK3Rva2VuPT0=";
    let all = format!("{SECRET} s3cret%2F%2Btoken%3D%3D {basic} key-s3cret cookie-s3cret");
    let body = format!("you sent {all}.");
    let server = Server::answering(format!(
        "HTTP/1.1 302 {all}\r\nlocation: http://h/{basic}/key-s3cret\r\ncontent-length: {}\r\n\r\n{body}",
        body.len(),
    ))
    .await;
    let sink = post(server.url("/"))
        .auth(Basic::new("user", Secret::new(SECRET)))
        .auth(ApiKey::query("key", Secret::new("key-s3cret")))
        .header("cookie", "cookie-s3cret")
        .build()
        .unwrap();
    let error = refusal(&sink, &message()).await;
    assert_eq!(error.excerpt(), Some("you sent *** *** *** *** ***."));
    let text = format!("{} {error:?} {sink:?}", error.to_chain());
    assert!(text.contains("location: http://h/***/***"), "{text}");
    assert!(!text.contains("s3cret") && !text.contains(basic), "{text}");
}

#[tokio::test]
async fn what_an_answer_announces_repeats_nothing_of_the_credentials() {
    let link = "</v2/token-s3cret>; rel=successor-version, </token-s3cret>; rel=deprecation";
    for status in ["200 OK", "422 No", "410 Gone"] {
        let server = Server::answering(format!(
            "HTTP/1.1 {status}\r\ndeprecation: true\r\nsunset: Sun, 30 Jun 2024 23:59:59 GMT\r\n\
             link: {link}\r\ncontent-length: 0\r\n\r\n"
        ))
        .await;
        let sink = post(server.url("/")).auth(Bearer::new(Secret::new("token-s3cret")));
        let (notices, api, rest) = match send(&sink.build().unwrap(), &message()).await {
            Ok(receipt) => {
                let notices = receipt.notices().collect::<Vec<_>>().join(" ");
                (notices, receipt.api().cloned(), String::new())
            }
            Err(error) => {
                let notices = error.notices().collect::<Vec<_>>().join(" ");
                (notices, error.api().cloned(), format!("{} {error:?}", error.to_chain()))
            }
        };
        assert!(notices.contains("/v2/***"), "{notices}");
        assert_eq!(api.as_ref().and_then(|api| api.successor()), Some(&*server.url("/v2/***")));
        let text = format!("{notices} {api:?} {rest}");
        assert!(!text.contains("s3cret"), "{text}");
    }
}

#[test]
fn a_version_and_a_credential_do_not_share_a_place() {
    let secret = || Secret::new(SECRET);
    let header = || ApiVersion::header("X-Gate", "v1");
    let text = build_error(|s| s.api_version(header()).auth(ApiKey::header("x-gate", secret())));
    assert!(text.contains("header: x-gate"), "{text}");
    let query = || ApiVersion::query("api key", "v1");
    let text = build_error(|s| s.auth(ApiKey::query("api key", secret())).api_version(query()));
    assert!(text.contains("query: api key"), "{text}");
    let media = || ApiVersion::media_type("v", "1");
    let text = build_error(|s| s.auth(ApiKey::header("accept", secret())).api_version(media()));
    assert!(text.contains("header: accept"), "{text}");
}

/// Says nothing of where its proof goes before it is there.
struct Sudden(Make);

type Make = fn() -> Result<Proof, Error>;

#[fanout::async_trait]
impl Credentials for Sudden {
    async fn proof(&self, _: tokio::time::Instant) -> Result<Proof, Error> {
        (self.0)()
    }
}

#[tokio::test]
async fn a_proof_that_cannot_go_where_it_wants_is_found_at_the_send() {
    let server = Server::answering(OK).await;
    let proofs: [(Make, &str); 4] = [
        (|| Proof::new().with_header("host", SECRET), "header: host"),
        (|| Proof::new().with_header("x-own", SECRET), "header: x-own"),
        (|| Ok(Proof::new().with_query("a", SECRET)), "query: a"),
        (|| Err(Error::new(ErrorKind::Build, "no key").with_effect(Effect::Maybe)), "no key"),
    ];
    for (proof, text) in proofs {
        let sink = post(server.url("/v1?a=b")).header("x-own", "1").auth(Sudden(proof));
        let error = refusal(&sink.build().unwrap(), &message()).await;
        assert_eq!((error.kind(), error.effect()), (ErrorKind::Build, Effect::None), "{error}");
        let chain = error.to_chain();
        assert!(chain.contains(text) && !chain.contains(SECRET), "{chain}");
    }
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn a_refusal_at_another_origin_says_nothing_of_credentials_that_stayed_behind() {
    struct Renewable(AtomicUsize);

    #[fanout::async_trait]
    impl Credentials for Renewable {
        async fn proof(&self, _: tokio::time::Instant) -> Result<Proof, Error> {
            Proof::bearer(SECRET)
        }

        fn refused(&self, _: &Proof) -> Renewal {
            self.0.fetch_add(1, Ordering::SeqCst);
            Renewal::Possible
        }
    }
    let told = Arc::new(Renewable(AtomicUsize::new(0)));
    let no = "HTTP/1.1 401 No\r\ncontent-length: 0\r\n\r\n";
    let other = Server::answering(no).await;
    let elsewhere = format!(
        "HTTP/1.1 307 Elsewhere\r\nlocation: {}\r\ncontent-length: 0\r\n\r\n",
        other.url("/"),
    );
    for (first, advice, count) in [(&*elsewhere, RetryAdvice::Never, 0), (no, RetryAdvice::Once, 1)]
    {
        let server = Server::answering(first).await;
        let sink = post(server.url("/")).redirects(Redirects::any_origin());
        let sink = sink.auth(Arc::clone(&told)).build().unwrap();
        let error = refusal(&sink, &message()).await;
        assert_eq!((error.kind(), error.advice()), (ErrorKind::Unauthenticated, advice));
        assert_eq!(told.0.load(Ordering::SeqCst), count);
    }
    // Of another's credentials, those of the proxy, they are not told either.
    let server = Server::answering("HTTP/1.1 407 No\r\ncontent-length: 0\r\n\r\n").await;
    let sink = post(server.url("/")).auth(Arc::clone(&told)).build().unwrap();
    assert_eq!(refusal(&sink, &message()).await.advice(), RetryAdvice::Never);
    assert_eq!(told.0.load(Ordering::SeqCst), 1);
}
