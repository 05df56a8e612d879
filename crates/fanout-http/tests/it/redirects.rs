//! Redirects over sockets: what is followed, what arrives there, and what stays behind.

use std::time::{Duration, Instant};

use fanout::{Attempt, Effect, ErrorKind, Idempotency, Message, Secret, TimeoutScope};
use fanout_http::auth::ApiKey;
use fanout_http::{HttpSink, Redirects};

use crate::server::{OK, Server};
use crate::{client, post, refusal, send};

pub(crate) fn to(code: u16, location: &str) -> String {
    format!("HTTP/1.1 {code} Elsewhere\r\nlocation: {location}\r\ncontent-length: 2\r\n\r\nno")
}

/// Answers `/` with `code` and `location`, and everything else with success.
async fn redirecting(code: u16, location: &'static str) -> Server {
    Server::start(move |mut conn| async move {
        while let Some(request) = conn.request().await {
            let is_root =
                request.split(' ').nth(1).is_some_and(|path| path.starts_with("/?") || path == "/");
            let answer = if is_root { to(code, location) } else { OK.to_owned() };
            conn.write(&answer).await;
        }
    })
    .await
}

fn header<'r>(request: &'r str, name: &str) -> Option<&'r str> {
    let head = request.split("\r\n\r\n").next().unwrap();
    head.lines().skip(1).find_map(|line| {
        let (key, value) = line.split_once(": ")?;
        key.eq_ignore_ascii_case(name).then_some(value)
    })
}

#[tokio::test]
async fn by_default_none_is_followed() {
    let server = redirecting(308, "/v2?token=s3cret").await;
    let error = refusal(&post(server.url("/")).build().unwrap(), &Message::text("x")).await;
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Redirected, Effect::None));
    let text = error.to_chain();
    assert!(
        text.contains("308") && text.contains("not followed") && text.contains("/v2"),
        "{text}"
    );
    assert!(!text.contains("s3cret") && !text.contains("redirected_to"), "{text}");
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn the_same_bytes_go_with_the_same_key_over_the_same_connection() {
    for code in [307, 308] {
        let server = redirecting(code, "v2/data?a=b#c").await;
        let sink = post(server.url("/"))
            .header("authorization", "Bearer s3cret")
            .idempotency(Idempotency::Key)
            .redirects(Redirects::same_origin())
            .build()
            .unwrap();
        let message = Message::bytes(&b"pay\x00load\xff"[..]).with_metadata("x-tenant", "blue");
        let receipt = send(&sink, &message).await.unwrap();
        let notices: Vec<_> = receipt.notices().collect();
        assert_eq!(notices, [format!("redirected to http://{}", server.addr)]);
        let requests = server.requests();
        assert_eq!((requests.len(), server.connections()), (2, 1));
        assert!(requests[1].starts_with("POST /v2/data?a=b HTTP/1.1\r\n"), "{}", requests[1]);
        // All but the first line is the same, to the byte.
        let rest = |request: &str| request.split_once("\r\n").unwrap().1.to_owned();
        assert_eq!(rest(&requests[0]), rest(&requests[1]));
        assert!(header(&requests[1], "idempotency-key").is_some());
        assert_eq!(header(&requests[1], "authorization"), Some("Bearer s3cret"));
        assert_eq!(header(&requests[1], "x-tenant"), Some("blue"));
    }
}

#[tokio::test]
async fn a_get_follows_what_a_post_does_not() {
    for code in [301, 302, 303] {
        let server = redirecting(code, "/v2").await;
        let get = HttpSink::get(server.url("/")).client(&client());
        let get = get.redirects(Redirects::same_origin()).build().unwrap();
        send(&get, &Message::bytes("")).await.unwrap();
        assert!(server.requests()[1].starts_with("GET /v2 "));

        let sink = post(server.url("/")).redirects(Redirects::same_origin()).build().unwrap();
        let error = refusal(&sink, &Message::text("x")).await;
        assert_eq!((error.kind(), error.effect()), (ErrorKind::Redirected, Effect::None));
        assert!(error.to_string().contains("GET and HEAD only"), "{error}");
        assert_eq!(server.requests().len(), 3);
    }
}

#[tokio::test]
async fn another_origin_is_followed_when_allowed_and_gets_no_credential() {
    let other = Server::answering(OK).await;
    let target: &'static str = other.url("/taken?own=1").leak();
    let server = redirecting(307, target).await;
    let builder = || {
        post(server.url("/?api_key=s3cret"))
            .header("authorization", "Bearer s3cret")
            .header("cookie", "id=s3cret")
            .header("x-api-key", "s3cret")
            .header("x-whatever", "s3cret")
            .header("accept", "a/b")
            .query("token", "s3cret")
            .idempotency(Idempotency::Key)
    };
    let message = Message::text("payload")
        .with_metadata("authorization", "s3cret")
        .with_metadata("x-user-token", "s3cret");

    let same = builder().redirects(Redirects::same_origin()).build().unwrap();
    let error = refusal(&same, &message).await;
    assert_eq!(error.kind(), ErrorKind::Redirected);
    assert!(error.to_string().contains("another origin"), "{error}");
    assert!(other.requests().is_empty());
    assert_eq!(other.connections(), 0);

    let any = builder().redirects(Redirects::any_origin()).build().unwrap();
    let receipt = send(&any, &message).await.unwrap();
    assert_eq!(
        receipt.notices().collect::<Vec<_>>(),
        [format!("redirected to http://{}", other.addr)]
    );
    let [arrived] = &other.requests()[..] else { panic!("{:?}", other.requests()) };
    assert!(!arrived.contains("s3cret"), "{arrived}");
    assert!(
        arrived.starts_with("POST /taken?own=1 HTTP/1.1\r\n")
            && arrived.ends_with("\r\n\r\npayload")
    );
    let mut names: Vec<_> = arrived
        .split("\r\n\r\n")
        .next()
        .unwrap()
        .lines()
        .skip(1)
        .map(|line| line.split(':').next().unwrap())
        .collect();
    names.sort_unstable();
    let expected =
        ["accept", "content-length", "content-type", "host", "idempotency-key", "user-agent"];
    assert_eq!(names, expected, "{arrived}");
    assert_eq!(header(arrived, "host"), Some(&*other.addr.to_string()));
    let key = |request: &str| header(request, "idempotency-key").map(str::to_owned);
    assert_eq!(key(arrived), key(server.requests().last().unwrap()));
}

#[tokio::test]
async fn a_server_that_repeats_our_query_elsewhere_is_not_followed() {
    let other = Server::answering(OK).await;
    let target: &'static str = other.url("/x?api_key=s3cret").leak();
    let server = redirecting(307, target).await;
    let sink =
        post(server.url("/?api_key=s3cret")).redirects(Redirects::any_origin()).build().unwrap();
    let error = refusal(&sink, &Message::text("x")).await;
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Redirected, Effect::None));
    assert!(!error.to_chain().contains("s3cret"), "{}", error.to_chain());
    assert!(other.requests().is_empty());
}

#[tokio::test]
async fn a_loop_ends_at_the_maximum() {
    let server = Server::answering(to(308, "/again")).await;
    for (redirects, requests) in [
        (Redirects::same_origin(), 4),
        (Redirects::any_origin().max(1), 2),
        (Redirects::same_origin().max(10), 11),
    ] {
        let before = server.requests().len();
        let sink = post(server.url("/")).redirects(redirects).build().unwrap();
        let error = refusal(&sink, &Message::text("x")).await;
        assert_eq!((error.kind(), error.effect()), (ErrorKind::Redirected, Effect::None));
        assert_eq!(server.requests().len() - before, requests);
        let text = error.to_chain();
        assert!(text.contains("redirects in a row") && text.contains("redirected_to"), "{text}");
    }
    let error =
        post(server.url("/")).redirects(Redirects::same_origin().max(0)).build().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Build);
}

#[tokio::test]
async fn a_location_that_is_missing_or_garbage_is_not_followed() {
    for answer in [
        "HTTP/1.1 307 Elsewhere\r\ncontent-length: 0\r\n\r\n".to_owned(),
        to(307, ""),
        to(307, "http://"),
        to(307, "http://u:s3cret@127.0.0.1/"),
        to(308, "file:///etc/passwd"),
        to(308, "\\\\127.0.0.1\\x"),
        to(308, "/a\r\nlocation: /b"),
    ] {
        let server = Server::answering(answer.clone()).await;
        let sink = post(server.url("/")).redirects(Redirects::any_origin()).build().unwrap();
        let error = refusal(&sink, &Message::text("x")).await;
        assert_eq!(
            (error.kind(), error.effect()),
            (ErrorKind::Redirected, Effect::None),
            "{answer}"
        );
        assert!(!error.to_chain().contains("s3cret"), "{answer}: {}", error.to_chain());
        // An empty reference is one to the same place.
        let expected = if answer.contains("location: \r\n") { 4 } else { 1 };
        assert_eq!(server.requests().len(), expected, "{answer}");
    }
}

#[tokio::test]
async fn what_happens_at_a_later_hop_keeps_its_own_effect() {
    // Nobody listens there: nothing was applied.
    let nobody = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let server = redirecting(307, format!("http://{nobody}/").leak()).await;
    let sink = post(server.url("/")).redirects(Redirects::any_origin()).build().unwrap();
    let error = refusal(&sink, &Message::text("x")).await;
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Connect, Effect::None));
    assert!(
        error.context().any(|pair| pair == ("redirected_to", &format!("http://{nobody}"))),
        "{error}"
    );

    // Somebody took it and hung up: perhaps it was.
    let silent = Server::start(|mut conn| async move { drop(conn.request().await) }).await;
    let server = redirecting(307, silent.url("/").leak()).await;
    let sink = post(server.url("/")).redirects(Redirects::any_origin()).build().unwrap();
    let error = refusal(&sink, &Message::text("x")).await;
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Interrupted, Effect::Maybe));

    // Somebody refused it.
    let busy = Server::answering("HTTP/1.1 422 No\r\ncontent-length: 0\r\n\r\n").await;
    let server = redirecting(307, busy.url("/").leak()).await;
    let sink = post(server.url("/")).redirects(Redirects::any_origin()).build().unwrap();
    let error = refusal(&sink, &Message::text("x")).await;
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Rejected, Effect::None));
    let context: Vec<_> = error.context().collect();
    assert!(context.contains(&("endpoint", &busy.addr.to_string())), "{context:?}");
}

#[tokio::test]
async fn all_redirects_share_the_time_of_the_attempt() {
    const LIMIT: Duration = Duration::from_millis(400);
    let silent = Server::start(|mut conn| async move {
        conn.request().await;
        conn.closed().await;
    })
    .await;
    let server = redirecting(307, silent.url("/").leak()).await;
    let sink =
        post(server.url("/")).redirects(Redirects::any_origin()).timeout(LIMIT).build().unwrap();
    let started = Instant::now();
    let error = refusal(&sink, &Message::text("x")).await;
    assert_eq!((error.scope(), error.effect()), (Some(TimeoutScope::Attempt), Effect::Maybe));
    assert!(started.elapsed() >= LIMIT && started.elapsed() < LIMIT * 3, "{:?}", started.elapsed());

    // Every hop takes a part of it: the sum counts, not each.
    let slow = Server::start(|mut conn| async move {
        while conn.request().await.is_some() {
            tokio::time::sleep(LIMIT / 4).await;
            conn.write(&to(307, "/again")).await;
        }
    })
    .await;
    let redirects = Redirects::same_origin().max(100);
    let sink = post(slow.url("/")).redirects(redirects).timeout(LIMIT).build().unwrap();
    let started = Instant::now();
    let error = refusal(&sink, &Message::text("x")).await;
    assert_eq!(error.scope(), Some(TimeoutScope::Attempt), "{error}");
    assert!(started.elapsed() < LIMIT * 3, "{:?}", started.elapsed());
    assert!(slow.requests().len() < 6);
}

#[tokio::test]
async fn a_send_that_was_abandoned_goes_no_further() {
    use fanout::policy::all_settled;
    use fanout::{FanOut, Outcome};

    // Dropped while the second hop is being answered: the report says that it may have been applied.
    let second = std::sync::Arc::new(tokio::sync::Notify::new());
    let seen = std::sync::Arc::clone(&second);
    let server = Server::start(move |mut conn| {
        let seen = std::sync::Arc::clone(&seen);
        async move {
            conn.request().await;
            conn.write(&to(307, "/v2")).await;
            conn.request().await;
            seen.notify_one();
            conn.closed().await;
        }
    })
    .await;
    let sink = post(server.url("/")).redirects(Redirects::same_origin()).build().unwrap();
    let fan_out = FanOut::builder(all_settled())
        .sink("a", sink)
        .deadline(Duration::from_secs(1))
        .build()
        .unwrap();
    let (report, ()) = tokio::join!(fan_out.send(Message::text("x")), second.notified());
    match report.get("a").unwrap().outcome() {
        Outcome::Failed(error) => assert_eq!(error.effect(), Effect::Maybe),
        other => panic!("{other:?}"),
    }

    // One that was abandoned before it began sends nothing at all.
    let server = redirecting(307, "/v2").await;
    let sink = post(server.url("/")).redirects(Redirects::same_origin()).build().unwrap();
    let message = Message::text("x");
    let attempt = Attempt::first("a", &message);
    attempt.take_over();
    let error = fanout::Sink::send(&sink, &message, &attempt).await.unwrap_err();
    assert_eq!(error.effect(), Effect::None);
    assert!(server.requests().is_empty());
}

#[cfg(feature = "tower")]
#[tokio::test]
async fn a_service_follows_within_its_origin_and_no_further() {
    use bytes::Bytes;
    use http_body_util::Full;
    use hyper_util::client::legacy::Client;
    use hyper_util::rt::TokioExecutor;

    let service = || Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let server = redirecting(307, "/v2").await;
    let sink = HttpSink::post(server.url("/"))
        .service(service())
        .redirects(Redirects::same_origin())
        .build()
        .unwrap();
    send(&sink, &Message::text("payload")).await.unwrap();
    let requests = server.requests();
    assert!(requests[1].starts_with("POST /v2 ") && requests[1].ends_with("payload"));

    let any = HttpSink::post(server.url("/")).redirects(Redirects::any_origin());
    let error = any.service(service()).build().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Build);
    assert!(error.to_string().contains("layers"), "{error}");
}

#[tokio::test]
async fn a_key_in_the_query_stays_within_its_origin_on_every_hop() {
    let other = Server::answering(OK).await;
    let elsewhere = other.url("/x?key=s3cret");
    let server = Server::start(move |mut conn| {
        let elsewhere = elsewhere.clone();
        async move {
            while let Some(request) = conn.request().await {
                let answer = match request.split(['?', ' ']).nth(1) {
                    Some("/") => to(307, "/b?page=2"),
                    Some("/own") => to(307, "/elsewhere"),
                    Some("/elsewhere") => to(307, &elsewhere),
                    _ => OK.to_owned(),
                };
                conn.write(&answer).await;
            }
        }
    })
    .await;
    let sink = |path| {
        let sink = post(server.url(path)).redirects(Redirects::any_origin());
        sink.auth(ApiKey::query("key", Secret::new("s3cret"))).build().unwrap()
    };
    send(&sink("/"), &Message::text("x")).await.unwrap();
    let lines: Vec<_> =
        server.requests().iter().map(|r| r.lines().next().unwrap().to_owned()).collect();
    assert_eq!(lines, ["POST /?key=s3cret HTTP/1.1", "POST /b?page=2&key=s3cret HTTP/1.1"]);

    let error = refusal(&sink("/own"), &Message::text("x")).await;
    assert!(error.to_string().contains("own query"), "{error}");
    // The query of the sink is remembered too, where the hops between have none.
    let sink = post(server.url("/own?key=s3cret")).redirects(Redirects::any_origin());
    let error = refusal(&sink.build().unwrap(), &Message::text("x")).await;
    assert!(error.to_string().contains("own query"), "{error}");
    assert!(other.requests().is_empty());
}

#[tokio::test]
async fn what_looks_like_a_secret_in_our_own_path_is_not_in_an_error() {
    let path = "/hooks/T0K3N00/longlonglongs3cret?sig=sig-s3cret";
    let body = format!("Cannot POST {path}");
    for (status, more) in [
        ("308 Moved", "location: /hooks/T0K3N00/longlonglongs3cret/\r\n"),
        ("404 No", ""),
        (
            "410 Gone",
            "sunset: Sun, 30 Jun 2024 23:59:59 GMT\r\n\
             link: <../v2/new>; rel=successor-version, <longlonglongs3cret/doc>; rel=deprecation\r\n",
        ),
    ] {
        let server = Server::answering(format!(
            "HTTP/1.1 {status}\r\n{more}content-length: {}\r\n\r\n{body}",
            body.len(),
        ))
        .await;
        let sink = post(server.url(path)).build().unwrap();
        let error = refusal(&sink, &Message::text("x")).await;
        assert_eq!(error.excerpt(), Some("Cannot POST /hooks/***/***?sig=***"));
        let text = format!("{} {error:?} {sink:?} {:?}", error.to_chain(), post(server.url(path)));
        assert!(!text.contains("s3cret") && !text.contains("T0K3N"), "{text}");
        assert_eq!(error.to_string().contains("/hooks/"), !more.is_empty(), "{error}");
    }
    // The same for what a success announces.
    let server = Server::answering(
        "HTTP/1.1 200 OK\r\ndeprecation: true\r\nlink: <v2/new>; rel=successor-version\r\n\
         content-length: 0\r\n\r\n",
    )
    .await;
    let sink = post(server.url("/hooks/T0K3N00/send")).build().unwrap();
    let receipt = send(&sink, &Message::text("x")).await.unwrap();
    let successor = receipt.api().and_then(|api| api.successor());
    assert_eq!(successor, Some(&*server.url("/hooks/***/v2/new")));
}
