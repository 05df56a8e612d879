//! Credentials as metadata: of calls, of reflection and of the health question.

use fanout::{Effect, Error, ErrorKind, RetryAdvice, Secret};
use fanout_grpc::auth::{ApiKey, Basic, Bearer, Credentials, Proof};
use fanout_grpc::{GrpcSink, GrpcSinkBuilder, Schema};

use crate::server::{Server, always, failure, frame, order, page, raw, send};

const SECRET: &str = "s3cret/+token==";

fn bearer() -> Bearer {
    Bearer::new(Secret::new(SECRET))
}

#[tokio::test]
async fn credentials_are_metadata_of_every_call() {
    let server = Server::echo().await;
    let sink = server.place().auth(bearer()).secret_metadata("X-Gate", Secret::new("g"));
    send(&sink.build().unwrap(), &order("a", 1)).await.unwrap();
    let headers = server.only_request();
    assert_eq!(headers["authorization"], "Bearer s3cret/+token==");
    assert_eq!(headers["x-gate"], "g");

    let server = always(|| raw(&[], frame(b"\x08\x01"), &[("grpc-status", "0")])).await;
    server.place().auth(bearer()).build().unwrap().health().await.unwrap();
    assert_eq!(server.only_request()["authorization"], "Bearer s3cret/+token==");

    let server = always(|| raw(&[("grpc-status", "12")], "", &[])).await;
    let sink = server.place().auth(bearer()).schema(Schema::reflection()).build().unwrap();
    sink.load_schema().await.unwrap_err();
    let requests = server.requests();
    assert_eq!(requests.len(), 2, "both versions of reflection");
    assert!(requests.iter().all(|(_, head)| head["authorization"] == "Bearer s3cret/+token=="));
}

#[tokio::test]
async fn what_cannot_be_metadata_or_is_taken_is_refused() {
    let built = |add: fn(GrpcSinkBuilder) -> GrpcSinkBuilder| {
        let error = add(GrpcSink::unary("grpc://127.0.0.1:9", "a.B/C")).build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Build);
        assert!(!format!("{} {error:?}", error.to_chain()).contains(SECRET), "{error:?}");
        error.to_chain()
    };
    let text = built(|sink| sink.auth(ApiKey::query("key", Secret::new(SECRET))));
    assert!(text.contains("no query"), "{text}");
    let text = built(|sink| sink.metadata("authorization", SECRET).auth(bearer()));
    assert!(text.contains("header: authorization"), "{text}");
    let text = built(|sink| sink.auth(Basic::new("u", Secret::new(SECRET))).auth(bearer()));
    assert!(text.contains("two credentials"), "{text}");
    built(|sink| sink.secret_metadata("grpc-timeout", Secret::new(SECRET)));
    built(|sink| sink.secret_metadata("x-bin", Secret::new(SECRET)));

    let server = Server::echo().await;
    let sink = server.place().auth(bearer()).build().unwrap();
    let message = order("a", 1).with_metadata("authorization", "other");
    let error = send(&sink, &message).await.unwrap_err();
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Build, Effect::None));
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn a_refusal_repeats_nothing_of_the_credentials() {
    let words = "no%3A s3cret/+token== Bearer s3cret/+token==";
    let server =
        always(move || raw(&[("grpc-status", "16"), ("grpc-message", words)], "", &[])).await;
    let error = failure(server.place().auth(bearer())).await;
    assert_eq!((error.kind(), error.advice()), (ErrorKind::Unauthenticated, RetryAdvice::Never));
    assert_eq!(error.excerpt(), Some("no: *** ***"));
    let sink = server.place().auth(bearer()).build().unwrap();
    let text = format!("{error:?} {sink:?}");
    assert!(!text.contains("s3cret"), "{text}");
}

#[tokio::test]
async fn a_token_file_that_has_changed_makes_another_attempt_worth_while() {
    let server = always(|| raw(&[("grpc-status", "16")], "", &[])).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    std::fs::write(&path, "old\n").unwrap();
    let token = Secret::from_file(&path).unwrap();
    let sink = server.place().auth(Bearer::new(token)).build().unwrap();
    for (write, advice) in
        [(None, RetryAdvice::Never), (Some("new\n"), RetryAdvice::Once), (None, RetryAdvice::Never)]
    {
        if let Some(text) = write {
            std::fs::write(&path, text).unwrap();
        }
        let error = send(&sink, &order("a", 1)).await.unwrap_err();
        assert_eq!((error.kind(), error.advice()), (ErrorKind::Unauthenticated, advice));
    }
}

#[tokio::test]
async fn a_gateway_that_refuses_by_http_is_a_refusal_too() {
    let answer = || page(401, &[], "<h1>no: s3cret-1 and s3cret-2</h1>");
    let server = always(answer).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    std::fs::write(&path, "s3cret-1").unwrap();
    let token = Secret::from_file(&path).unwrap();
    let sink = server.place().auth(Bearer::new(token)).build().unwrap();
    std::fs::write(&path, "s3cret-2").unwrap();
    for (advice, excerpt) in [
        (RetryAdvice::Once, "<h1>no: *** and s3cret-2</h1>"),
        (RetryAdvice::Never, "<h1>no: s3cret-1 and ***</h1>"),
    ] {
        let error = send(&sink, &order("a", 1)).await.unwrap_err();
        assert_eq!((error.kind(), error.advice()), (ErrorKind::Unauthenticated, advice));
        assert_eq!((error.effect(), error.excerpt()), (Effect::None, Some(excerpt)));
    }
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
async fn a_proof_that_cannot_be_metadata_is_found_at_the_send() {
    let server = Server::echo().await;
    let proofs: [(Make, &str); 4] = [
        (|| Ok(Proof::new().with_query("key", SECRET)), "no query"),
        (|| Proof::new().with_header("x-bin", SECRET), "metadata: x-bin"),
        (|| Proof::new().with_header("grpc-timeout", SECRET), "grpc-timeout"),
        (|| Err(Error::new(ErrorKind::Build, "no key").with_effect(Effect::Maybe)), "no key"),
    ];
    for (proof, text) in proofs {
        let sink = server.place().auth(Sudden(proof)).build().unwrap();
        let error = send(&sink, &order("a", 1)).await.unwrap_err();
        assert_eq!((error.kind(), error.effect()), (ErrorKind::Build, Effect::None), "{error}");
        let chain = error.to_chain();
        assert!(chain.contains(text) && !chain.contains(SECRET), "{chain}");
    }
    assert!(server.requests().is_empty());
}
