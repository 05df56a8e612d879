//! The address guard over real sockets: what is refused is never connected to.

use std::collections::VecDeque;
use std::io;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use fanout::async_trait;
use fanout::{Effect, Error, ErrorKind, RetryAdvice};
use fanout_net::{Client, ClientBuilder, Endpoint, Guard, HttpVersion, Proxy, Resolve};

use crate::server::{OK, Server};
use crate::{failure, get, post, text};

/// Answers as it was told, one answer for each question; the last one over and over.
#[derive(Default)]
struct Scripted {
    answers: Mutex<VecDeque<Vec<IpAddr>>>,
    asked: AtomicUsize,
}

impl Scripted {
    fn new(answers: &[&[&str]]) -> Arc<Self> {
        let parse = |answer: &&[&str]| answer.iter().map(|text| text.parse().unwrap()).collect();
        let answers = Mutex::new(answers.iter().map(parse).collect());
        Arc::new(Self { answers, asked: AtomicUsize::new(0) })
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl Resolve for Scripted {
    async fn resolve(&self, _: &str) -> io::Result<Vec<IpAddr>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let mut answers = self.answers.lock().unwrap();
        if answers.len() > 1 {
            return Ok(answers.pop_front().unwrap());
        }
        Ok(answers.front().cloned().unwrap_or_default())
    }
}

fn guarded(guard: Guard) -> ClientBuilder {
    Client::builder().proxy(Proxy::none()).guard(guard)
}

fn resolving(guard: Guard, resolver: &Arc<Scripted>) -> Client {
    guarded(guard).resolver(Arc::<Scripted>::clone(resolver)).build().unwrap()
}

fn allowing(rules: &[&str]) -> Guard {
    rules.iter().fold(Guard::new(), |guard, rule| guard.allow(rule).unwrap())
}

#[track_caller]
fn is_refused(error: &Error, expected: &str) {
    assert_eq!(error.kind(), ErrorKind::Forbidden, "{error}");
    assert_eq!((error.effect(), error.advice()), (Effect::None, RetryAdvice::Never));
    assert!(error.message().starts_with("the address guard refuses the host: "), "{error}");
    assert!(error.to_string().contains(expected), "{error}");
}

/// Every one of them leads to the server where no guard is in the way, or nowhere at all.
#[tokio::test]
async fn no_spelling_of_this_machine_gets_through() {
    let server = Server::answering(OK).await;
    let port = server.addr.port();
    let spellings = [
        "127.0.0.1",
        "localhost",
        "LocalHost",
        "localhost.",
        "a.localhost",
        "0.0.0.0",
        "0",
        "127.1",
        "127.0.1",
        "0x7f.1",
        "0X7F000001",
        "0x7f000001",
        "017700000001",
        "0177.0.0.1",
        "00000177.0.0.1",
        "2130706433",
        "127.0.0.1.",
        "127.0.0.1..",
        "127.0.0.001",
        "127.0.0.2",
        "[::]",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::FFFF:7F00:0001]",
        "[::127.0.0.1]",
        "[64:ff9b::127.0.0.1]",
        "[2002:7f00:1::]",
        "[0000:0000:0000:0000:0000:0000:0000:0001]",
    ];
    let client = guarded(Guard::new()).build().unwrap();
    for host in spellings {
        let url = format!("http://{host}:{port}/");
        // Early, from the text alone.
        let early = client.admits(&Endpoint::parse(&url).unwrap()).expect_err(host);
        is_refused(&early, "RFC ");
        // And at the connection, for whoever did not ask.
        let late = failure(client.send(post(&url, "x")).await);
        is_refused(&late, "RFC ");
        assert!(late.to_string().ends_with(&format!("(endpoint: {host}:{port})")), "{late}");
    }
    assert_eq!(server.log.connections(), 0);

    // The odd ones do lead here on this system: the guard did refuse something.
    let open = Client::builder().proxy(Proxy::none()).build().unwrap();
    for host in ["127.0.0.1", "localhost", "127.1", "0x7f.1", "2130706433", "[::ffff:127.0.0.1]"] {
        let answer = open.send(post(&format!("http://{host}:{port}/"), "x")).await.unwrap();
        assert_eq!(text(answer).await, "ok", "{host}");
    }
}

/// What the parser of URLs lets nobody write, with or without a guard.
#[test]
fn some_tricks_are_no_urls() {
    for url in [
        "http://%31%32%37.0.0.1/",
        "http://１２７.0.0.1/",
        "http://127。0。0。1/",
        "http://ⓛocalhost/",
        "http://[::1%25lo]/",
        "http://[fe80::1%eth0]/",
        "http://example.com@127.0.0.1/",
        "http://127.0.0.1#@example.com/",
        "http://127.0.0.1\\@example.com/",
        "http://example.com\r\nHost: 127.0.0.1/",
        "http://127.0.0.1\0.example.com/",
        "http://127.0.0.1 .example.com/",
        "http://[127.0.0.1]/",
        "http://[::ffff:127.0.0.1/",
        "unix:/var/run/docker.sock",
        "unix:///var/run/docker.sock",
        "http+unix://%2Fvar%2Frun%2Fdocker.sock/",
        "file:///etc/passwd",
        "gopher://127.0.0.1/",
    ] {
        let error = Endpoint::parse(url).expect_err(url);
        assert_eq!(error.kind(), ErrorKind::Build, "{url}");
    }
}

/// The same, past that parser: `http::Uri` is what a client is given in the end.
#[tokio::test]
async fn odd_authorities_do_not_get_past_the_connection() {
    let server = Server::answering(OK).await;
    let client = guarded(Guard::new()).build().unwrap();
    for host in
        ["%31%32%37.0.0.1", "[::1%25lo]", "[fe80::1%25lo]", "[v1.x]", "127.0.0.1%00", "a..b"]
    {
        let url = format!("http://{host}:{}/", server.addr.port());
        if url.parse::<http::Uri>().is_ok() {
            let error = failure(client.send(get(&url)).await);
            assert_eq!(error.kind(), ErrorKind::Forbidden, "{host}: {error}");
        }
    }
    assert_eq!(server.log.connections(), 0);
}

#[tokio::test]
async fn a_name_that_leads_here_is_refused_and_its_address_not_told() {
    let server = Server::answering(OK).await;
    for (address, class) in [
        ("127.0.0.1", "a loopback address (RFC 1122 section 3.2.1.3)"),
        ("::1", "a loopback address (RFC 4291 section 2.5.3)"),
        ("::ffff:127.0.0.1", "an IPv4-mapped address with a loopback address"),
        ("0.0.0.0", "the unspecified address"),
        ("10.1.2.3", "a private address (RFC 1918)"),
        ("169.254.169.254", "a cloud metadata address (RFC 3927)"),
    ] {
        let resolver = Scripted::new(&[&[address]]);
        let client = resolving(Guard::new(), &resolver);
        let url = format!("http://evil.example:{}/", server.addr.port());
        client.admits(&Endpoint::parse(&url).unwrap()).expect("a name is not looked up");
        assert_eq!(resolver.asked(), 0);
        let error = failure(client.send(post(&url, "x")).await);
        is_refused(&error, &format!("evil.example leads to {class}"));
        assert!(!format!("{error} {error:?}").contains(address), "{error}");
        assert_eq!(resolver.asked(), 1);
    }
    assert_eq!(server.log.connections(), 0);
}

/// The name is public when it is judged and loopback when it is asked for again.
#[tokio::test]
async fn a_name_that_changes_its_mind_is_judged_each_time() {
    let (allowed, inside) = pair().await;
    let rule = allowed.addr.ip().to_string();
    // The listeners share their port: the name alone says which it is.
    let url = format!("http://rebind.example:{}/", allowed.addr.port());
    let first: &[&str] = &[&rule];
    let resolver = Scripted::new(&[first, &["127.0.0.1"], first, &["127.0.0.1"]]);
    let client = resolving(allowing(&[&rule]), &resolver);

    // An answer is used as it was judged: one question for one connection.
    let answer = client.send(post(&url, "1")).await.unwrap();
    assert_eq!(text(answer).await, "bye");
    assert_eq!(resolver.asked(), 1);
    let error = failure(client.send(post(&url, "2")).await);
    is_refused(&error, "rebind.example leads to a loopback address");
    let answer = client.send(post(&url, "3")).await.unwrap();
    assert_eq!(text(answer).await, "bye");
    is_refused(&failure(client.send(post(&url, "4")).await), "loopback");
    assert_eq!((resolver.asked(), inside.log.connections()), (4, 0));
    assert_eq!(allowed.log.bodies(), ["1", "3"]);
}

/// Two servers on one port: the first on 127.0.0.2, which stands for the public network, the second on
/// 127.0.0.1. The first closes after each answer, so that each request needs a connection.
async fn pair() -> (Server, Server) {
    let closing = |mut conn: crate::server::Conn| async move {
        conn.request().await;
        conn.write("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 3\r\n\r\nbye").await;
    };
    loop {
        let inside = Server::answering(OK).await;
        let port = inside.addr.port();
        // Somebody may have the port on the other address.
        if let Ok(listener) = tokio::net::TcpListener::bind(("127.0.0.2", port)).await {
            return (Server::on(listener, closing), inside);
        }
    }
}

#[tokio::test]
async fn of_several_addresses_the_refused_ones_are_left_out() {
    let (allowed, inside) = pair().await;
    let url = format!("http://mixed.example:{}/", allowed.addr.port());
    let rule = allowed.addr.ip().to_string();
    // In every order and family: whichever would win the race of RFC 8305, the refused are not in it.
    for answer in [
        &["127.0.0.1", &rule][..],
        &[&rule, "127.0.0.1"],
        &["::1", "127.0.0.1", &rule],
        &["::ffff:127.0.0.1", &rule, "::1"],
        &["0.0.0.0", "::", &rule],
    ] {
        let client = resolving(allowing(&[&rule]), &Scripted::new(&[answer]));
        let answered = client.send(post(&url, "x")).await.unwrap();
        assert_eq!(text(answered).await, "bye", "{answer:?}");
    }
    let none = resolving(allowing(&[&rule]), &Scripted::new(&[&["::1", "127.0.0.1", "0.0.0.0"]]));
    is_refused(&failure(none.send(post(&url, "x")).await), "mixed.example leads to a loopback");
    assert_eq!(inside.log.connections(), 0);
    assert_eq!(allowed.log.connections(), 5);
}

#[tokio::test]
async fn what_is_allowed_is_reached_over_one_connection() {
    let server = Server::answering(OK).await;
    let port = server.addr.port();
    for (rule, host) in [
        ("127.0.0.0/8", "127.0.0.1"),
        ("127.0.0.1", "localhost"),
        ("127.0.0.0/8", "[::ffff:127.0.0.1]"),
        ("localhost", "localhost"),
    ] {
        let before = server.log.connections();
        let client = guarded(allowing(&[rule])).build().unwrap();
        for _ in 0..2 {
            let answer = client.send(post(&format!("http://{host}:{port}/"), "x")).await.unwrap();
            assert_eq!(text(answer).await, "ok");
        }
        assert_eq!(server.log.connections() - before, 1, "{rule} {host}");
        let odd = failure(client.send(post(&format!("http://127.1:{port}/"), "x")).await);
        is_refused(&odd, "127.1 is an odd spelling of 127.0.0.1");
    }
}

/// The pool knows connections by host and port of the URL: one that is open helps no other name, and the
/// `Host` field is no part of it.
#[tokio::test]
async fn an_open_connection_and_the_host_field_help_no_other_name() {
    let server = Server::answering(OK).await;
    let port = server.addr.port();
    let client = guarded(allowing(&["localhost"])).build().unwrap();
    let answer = client.send(post(&format!("http://localhost:{port}/"), "x")).await.unwrap();
    assert_eq!(text(answer).await, "ok");
    for host in ["127.0.0.1", "localhost.localhost", "[::ffff:127.0.0.1]"] {
        let mut request = post(&format!("http://{host}:{port}/"), "x");
        request.headers_mut().insert("host", format!("localhost:{port}").parse().unwrap());
        is_refused(&failure(client.send(request).await), "loopback");
    }
    assert_eq!(server.log.whole().len(), 1);
}

#[tokio::test]
async fn http2_and_tls_are_guarded_alike() {
    let server = Server::answering(OK).await;
    for version in [HttpVersion::Negotiate, HttpVersion::Http1, HttpVersion::Http2] {
        for scheme in ["http", "https"] {
            for host in ["127.0.0.1", "localhost", "0x7f.1", "[::1]", "evil.example"] {
                let resolver = Scripted::new(&[&["127.0.0.1"]]);
                let builder = guarded(Guard::new()).http_version(version).resolver(resolver);
                let url = format!("{scheme}://{host}:{}/", server.addr.port());
                is_refused(&failure(builder.build().unwrap().send(get(&url)).await), "RFC ");
            }
        }
    }
    assert_eq!(server.log.connections(), 0);
}

#[tokio::test]
async fn a_denied_host_is_never_looked_up() {
    let resolver = Scripted::new(&[&["8.8.8.8"]]);
    let guard = Guard::new().deny("*.corp.example").unwrap();
    let client = resolving(guard, &resolver);
    let error = failure(client.send(get("http://a.CORP.example./")).await);
    is_refused(&error, "denied by a rule");
    assert_eq!(resolver.asked(), 0);
}

#[tokio::test]
async fn a_proxy_and_a_guard_do_not_go_together() {
    let proxy = Server::answering(OK).await;
    let named = || Proxy::url(format!("http://{}", proxy.addr)).unwrap();
    for proxy in [named(), named().except("*")] {
        let builder = Client::builder().guard(Guard::new()).proxy(proxy);
        let error = builder.build().map(|_| ()).expect_err("a guard and a proxy");
        assert_eq!(error.kind(), ErrorKind::Build);
        assert!(error.message().contains("guarded client cannot use a proxy"), "{error}");
    }
    assert_eq!(proxy.log.connections(), 0);
}

/// Without a guard too.
#[tokio::test]
async fn a_resolver_of_ones_own_is_asked_and_its_failures_are_told() {
    struct Failing(io::ErrorKind);

    #[async_trait]
    impl Resolve for Failing {
        async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>> {
            assert_eq!(host, "a.example");
            Err(io::Error::new(self.0, "the name server is asleep"))
        }
    }

    let server = Server::answering(OK).await;
    let client = own(Scripted::new(&[&["127.0.0.1"]]));
    let url = format!("http://a.example:{}/", server.addr.port());
    assert_eq!(text(client.send(get(&url)).await.unwrap()).await, "ok");

    let told = async |resolver: Arc<dyn Resolve>| failure(own(resolver).send(get(&url)).await);
    let missing = told(Arc::new(Failing(io::ErrorKind::NotFound))).await;
    let empty = told(Scripted::new(&[])).await;
    for error in [missing, empty] {
        assert_eq!((error.kind(), error.message()), (ErrorKind::Connect, "no such host"));
    }
    let other = told(Arc::new(Failing(io::ErrorKind::TimedOut))).await;
    assert_eq!(other.message(), "name resolution failed: the name server is asleep");
}

fn own(resolver: Arc<dyn Resolve>) -> Client {
    Client::builder().proxy(Proxy::none()).resolver(resolver).build().unwrap()
}
