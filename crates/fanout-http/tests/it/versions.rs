//! The version of an API on the wire, and what answers announce about its life.

use fanout::{ApiNotice, ErrorKind, Message};
use fanout_http::{ApiVersion, HttpSinkBuilder};

use crate::server::Server;
use crate::{post, refusal, send};

/// The head of the one request that the sink of `of` sends, in small letters.
async fn head(path: &str, of: impl FnOnce(HttpSinkBuilder) -> HttpSinkBuilder) -> String {
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let server = Server::start(move |mut conn| {
        let tell = tell.clone();
        async move {
            while let Some(request) = conn.request().await {
                tell.send(request).unwrap();
                conn.write(crate::server::OK).await;
            }
        }
    })
    .await;
    let sink = of(post(server.url(path))).build().unwrap();
    send(&sink, &Message::json(&1).unwrap()).await.unwrap();
    told.recv().await.unwrap().to_ascii_lowercase()
}

#[tokio::test]
async fn every_way_is_on_the_wire_and_the_next_version_is_one_line() {
    for v in ["v1", "v2"] {
        let request = head("/{version}/orders", |b| b.api_version(ApiVersion::path(v))).await;
        assert!(request.starts_with(&format!("post /{v}/orders http/1.1\r\n")), "{request}");

        let request = head("/o", |b| b.api_version(ApiVersion::header("Api-Version", v))).await;
        assert!(request.contains(&format!("\r\napi-version: {v}\r\n")), "{request}");

        let request =
            head("/o?a=b", |b| b.api_version(ApiVersion::query("api-version", v)).query("c", "d"));
        let request = request.await;
        let expected = format!("post /o?a=b&c=d&api-version={v} http/1.1\r\n");
        assert!(request.starts_with(&expected), "{request}");

        let request = head("/o", |b| b.api_version(ApiVersion::media_type("version", v))).await;
        for name in ["accept", "content-type"] {
            let expected = format!("\r\n{name}: application/json; version={v}\r\n");
            assert!(request.contains(&expected), "{request}");
        }

        let vendor = ApiVersion::vendor_type("application/vnd.shop.{version}+json", v);
        let request = head("/o", |b| b.api_version(vendor)).await;
        for name in ["accept", "content-type"] {
            let expected = format!("\r\n{name}: application/vnd.shop.{v}+json\r\n");
            assert!(request.contains(&expected), "{request}");
        }
    }
}

#[tokio::test]
async fn a_message_cannot_name_another_version() {
    let server = Server::answering(crate::server::OK).await;
    let sink = post(server.url("/"));
    let sink = sink.api_version(ApiVersion::header("api-version", "1")).build().unwrap();
    let error = refusal(&sink, &Message::text("x").with_metadata("Api-Version", "s3cret")).await;
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Build, fanout::Effect::None));
    assert!(!format!("{error:?}").contains("s3cret"));
    assert_eq!(server.connections(), 0);
}

#[test]
fn what_cannot_be_meant_is_refused_at_build() {
    let check = |builder: HttpSinkBuilder, expected: &str| {
        let error = builder.build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Build);
        assert!(error.to_string().contains(expected), "{error}");
    };
    let to = |url: &str| post(url.to_owned());
    check(to("http://localhost/o").api_version(ApiVersion::path("v1")), "no {version}");
    check(to("http://localhost/{version}/o"), "names no API version");
    check(to("http://localhost/o").api_version(ApiVersion::query("v", "")), "1 to 64");
    let query = ApiVersion::query("v", "1");
    check(to("http://localhost/o").query("v", "2").api_version(query), "already");
    let header = ApiVersion::header("v", "1");
    check(to("http://localhost/o").api_version(header).header("V", "2"), "(header: v)");
}

fn answer(status: &str, fields: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{fields}content-length: 0\r\n\r\n")
}

const OLD: &str = "deprecation: @1688169599\r\nsunset: Sun, 30 Jun 2024 23:59:59 GMT\r\n\
                   link: </v2/orders?key=s3cret>; rel=\"successor-version\"\r\n";

#[tokio::test]
async fn an_announcement_is_in_every_answer_and_the_warning_in_the_first_of_each_version() {
    let server = Server::answering(answer("200 OK", OLD)).await;
    let sink = |version: &str| {
        let builder = post(server.url("/{version}/orders"));
        builder.api_version(ApiVersion::path(version)).build().unwrap()
    };
    for version in ["v1", "v2"] {
        let sink = sink(version);
        for expected in [1, 0, 0] {
            // Clones are the same sink.
            let receipt = send(&sink.clone(), &Message::text("x")).await.unwrap();
            let notices: Vec<_> = receipt.notices().collect();
            assert_eq!(notices.len(), expected, "{notices:?}");
            let warning = format!(
                "{version} is deprecated since 2023-06-30, was to be gone on 2024-06-30, successor {}",
                server.url("/v2/orders")
            );
            assert!(notices.iter().all(|notice| *notice == warning), "{notices:?}");
            let api = receipt.api().unwrap();
            assert_eq!((api.version(), api.to_string()), (Some(version), warning));
        }
    }
}

#[tokio::test]
async fn a_refusal_says_it_too() {
    let server = Server::answering(answer("422 No", OLD)).await;
    let sink = post(server.url("/v1")).build().unwrap();
    for expected in [1, 0] {
        let error = refusal(&sink, &Message::text("x")).await;
        assert_eq!(error.notices().count(), expected);
        assert!(error.api().is_some_and(ApiNotice::is_deprecated));
        assert!(!error.to_string().contains("deprecated"), "it is not why it failed: {error}");
        assert!(!format!("{error:?}").contains("s3cret"), "{error:?}");
    }
}

/// Answers with each of these in turn.
async fn playing(answers: Vec<String>) -> Server {
    let answers = std::sync::Arc::new(std::sync::Mutex::new(answers.into_iter()));
    Server::start(move |mut conn| {
        let answers = std::sync::Arc::clone(&answers);
        async move {
            while conn.request().await.is_some() {
                let next = answers.lock().unwrap().next();
                conn.write(&next.unwrap()).await;
            }
        }
    })
    .await
}

#[tokio::test]
async fn gone_after_the_announced_end_says_so_and_names_the_successor() {
    // The answer itself tells when, or one before it did.
    for answers in [
        vec![answer("410 Gone", OLD)],
        vec![answer("200 OK", OLD), answer("410 Gone", "")],
        vec![answer("200 OK", OLD), answer("500 Oops", ""), answer("404 Not Found", "")],
    ] {
        let is_410 = answers.iter().any(|answer| answer.contains(" 410 "));
        let calls = answers.len();
        let server = playing(answers).await;
        let sink = post(server.url("/{version}/orders")).api_version(ApiVersion::path("v1"));
        let sink = sink.build().unwrap();
        for _ in 1..calls {
            drop(send(&sink, &Message::text("x")).await);
        }
        let error = refusal(&sink, &Message::text("x")).await;
        let gone = if is_410 { "is gone (410)" } else { "may be gone (404)" };
        let expected = format!(
            "v1 of the API was announced to end on 2024-06-30, and {gone}; its successor is {}",
            server.url("/v2/orders")
        );
        assert!(error.message().ends_with(&expected), "{error}");
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert_eq!(error.api().and_then(ApiNotice::version), Some("v1"));
    }
}

#[tokio::test]
async fn an_end_that_is_to_come_changes_nothing() {
    let to_come = "sunset: Tue, 31 Dec 2999 23:59:59 GMT\r\n";
    for (status, hint) in [("410 Gone", "gone for good"), ("404 Not Found", "check the path")] {
        let server = Server::answering(answer(status, to_come)).await;
        let error = refusal(&post(server.url("/")).build().unwrap(), &Message::text("x")).await;
        assert!(error.message().contains(hint), "{error}");
        assert!(error.api().is_some_and(|api| !api.is_deprecated() && api.sunset().is_some()));
    }
    let server = Server::answering(answer("200 OK", to_come)).await;
    let receipt = send(&post(server.url("/")).build().unwrap(), &Message::text("x")).await.unwrap();
    assert_eq!(receipt.notices().collect::<Vec<_>>(), ["the API will be gone on 2999-12-31"]);
}

#[tokio::test]
async fn what_cannot_be_read_announces_nothing() {
    let junk = "deprecation: soon\r\nsunset: 2024-06-30\r\nlink: <<>>;;rel=\"\r\n";
    let server = Server::answering(answer("200 OK", junk)).await;
    let receipt = send(&post(server.url("/")).build().unwrap(), &Message::text("x")).await.unwrap();
    assert!(receipt.api().is_none() && receipt.notices().next().is_none());
}

/// The usual way to lead clients of an old version to the new one.
#[tokio::test]
async fn what_a_redirect_announces_is_heard_when_it_is_followed() {
    let server = Server::start(|mut conn| async move {
        while let Some(request) = conn.request().await {
            let answer = match request.split(' ').nth(1).unwrap() {
                "/v1" => {
                    "HTTP/1.1 308 Moved\r\nlocation: /v2\r\ndeprecation: @1688169599\r\n\
                     content-length: 0\r\n\r\n"
                }
                "/v2" => crate::server::OK,
                _ => "HTTP/1.1 422 No\r\ncontent-length: 0\r\n\r\n",
            };
            conn.write(answer).await;
        }
    })
    .await;
    let redirects = fanout_http::Redirects::same_origin();
    let sink = post(server.url("/v1")).redirects(redirects).build().unwrap();
    let receipt = send(&sink, &Message::text("x")).await.unwrap();
    assert!(receipt.api().is_some_and(ApiNotice::is_deprecated), "{receipt:?}");
    let notices = receipt.notices().filter(|notice| notice.contains("deprecated")).count();
    assert_eq!(notices, 1);
}
