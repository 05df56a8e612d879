//! Files that work, against servers that count what they get.

use fanout::{Delivery, ErrorKind, Message, Outcome, Report, StopReason};
use fanout_config::Config;
use wiremock::matchers::{any, method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

/// A server that answers the statuses in turn, and the last one from then on.
async fn server(statuses: &[u16]) -> MockServer {
    let server = MockServer::start().await;
    let (last, first) = statuses.split_last().unwrap();
    for status in first {
        let answer = ResponseTemplate::new(*status);
        Mock::given(any()).respond_with(answer).up_to_n_times(1).mount(&server).await;
    }
    Mock::given(any()).respond_with(ResponseTemplate::new(*last)).mount(&server).await;
    server
}

async fn received(server: &MockServer) -> Vec<wiremock::Request> {
    server.received_requests().await.unwrap()
}

fn parse(file: &str) -> Config {
    Config::parse("fanout.toml", file).unwrap()
}

async fn send(config: &Config, route: &str) -> Report {
    let route = config.route(route).unwrap();
    route.send(Message::text("hello")).await.settled().await
}

#[test]
fn the_complete_file_of_the_documentation_is_read() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("fanout.toml");
    std::fs::write(&file, include_str!("../../docs/fanout.toml")).unwrap();
    let config = Config::load(&file).unwrap();
    let routes: Vec<_> = config.routes().collect();
    assert_eq!(routes, ["orders", "best_effort", "two_of_three", "notify", "ask"]);
    let orders = config.route("orders").unwrap();
    assert_eq!(
        (orders.name(), orders.sinks()),
        (Some("orders"), vec!["billing", "audit", "stats"])
    );
    assert_eq!(config.json_sink("orders").unwrap(), Some("audit"));
    let shown = format!("{config:?}");
    assert!(shown.contains("Quorum") && !shown.contains("blue"), "{shown}");
}

#[tokio::test]
async fn method_headers_query_and_content_type_arrive() {
    let server = server(&[200]).await;
    let config = parse(&format!(
        r#"
        [sinks.billing]
        http = "{}/v1/data?a=1"
        method = "PUT"
        query = {{ b = "x y", c = ["1", "2"] }}
        headers = {{ X-Tenant = "blue", Accept = ["a/b", "c/d"] }}
        content_type = "application/x-own"
        idempotency = "key"

        [routes.orders]
        sinks = ["billing"]
        "#,
        server.uri()
    ));
    let orders = config.route("orders").unwrap();
    let report = orders.send(Message::bytes("hello")).await;
    assert!(report.is_satisfied(), "{report}");
    let requests = received(&server).await;
    let [request] = &requests[..] else { panic!("{requests:?}") };
    assert_eq!((request.method.as_str(), request.url.path()), ("PUT", "/v1/data"));
    assert_eq!(request.url.query(), Some("a=1&b=x%20y&c=1&c=2"));
    assert_eq!(request.headers["x-tenant"], "blue");
    assert_eq!(request.headers.get_all("accept").iter().count(), 2);
    assert_eq!(request.headers["content-type"], "application/x-own");
    assert!(request.headers.contains_key("idempotency-key"));
}

#[tokio::test]
async fn redirects_are_followed_where_the_file_says_so() {
    for (redirects, requests) in [
        ("", 1),
        ("redirects = \"none\"", 1),
        ("redirects = \"same_origin\"", 4),
        ("redirects = { follow = \"any_origin\", max = 1 }", 2),
    ] {
        let server = MockServer::start().await;
        let answer = ResponseTemplate::new(307).insert_header("location", "/again");
        Mock::given(any()).respond_with(answer).mount(&server).await;
        let file = format!(
            "[sinks.a]\nhttp = \"{}/\"\n{redirects}\n[routes.r]\nsinks = [\"a\"]\n",
            server.uri()
        );
        let report = send(&parse(&file), "r").await;
        assert!(!report.is_satisfied());
        assert_eq!(received(&server).await.len(), requests, "{redirects}");
    }
}

#[tokio::test]
async fn answers_mean_what_the_file_says() {
    for (lines, status, satisfied, attempts) in [
        ("", 404, false, 1),
        ("success_on = [404]", 404, true, 1),
        ("retry_on = \"404\"", 404, false, 3),
        ("retry_on = [\"4xx\"]\nnever_on = [404]", 404, false, 1),
        ("idempotency = \"key\"", 500, false, 3),
        ("idempotency = \"key\"\nnever_on = [\"500-599\"]", 500, false, 1),
        ("", 503, false, 1),
        ("trust_503 = true", 503, false, 3),
        ("", 529, false, 1),
        (
            "vendor_codes = true\nresilience = { throttle_base = \"1ms\", max_attempts = 2 }",
            529,
            false,
            2,
        ),
    ] {
        let server = server(&[status]).await;
        let quick = "resilience = { backoff_base = \"1ms\" }";
        let quick = if lines.contains("resilience") { "" } else { quick };
        let config = parse(&format!(
            "[sinks.a]\nhttp = \"{}\"\n{lines}\n{quick}\n[routes.r]\nsinks = [\"a\"]\n",
            server.uri()
        ));
        let report = send(&config, "r").await;
        assert_eq!(report.is_satisfied(), satisfied, "{lines}: {report}");
        assert_eq!(report.get("a").unwrap().attempts(), attempts, "{lines}: {report}");
    }
}

#[tokio::test]
async fn redirects_lead_where_the_file_lets_them() {
    let other = server(&[200]).await;
    for (redirects, to_other, satisfied) in [
        ("\"none\"", false, false),
        ("\"same_origin\"", false, true),
        ("\"same_origin\"", true, false),
        ("{ follow = \"any_origin\", max = 1 }", true, true),
    ] {
        let server = MockServer::start().await;
        let target = if to_other { other.uri() } else { "/new".to_owned() };
        let moved = ResponseTemplate::new(308).insert_header("location", target);
        Mock::given(path("/old")).respond_with(moved).mount(&server).await;
        Mock::given(path("/new")).respond_with(ResponseTemplate::new(200)).mount(&server).await;
        let config = parse(&format!(
            "[sinks.a]\nhttp = \"{}/old\"\nredirects = {redirects}\n[routes.r]\nsinks = [\"a\"]\n",
            server.uri()
        ));
        assert_eq!(send(&config, "r").await.is_satisfied(), satisfied, "{redirects} {to_other}");
    }
}

#[tokio::test]
async fn a_proxy_is_used_where_the_file_names_one() {
    let proxy = server(&[200]).await;
    let uri = proxy.uri();
    for (lines, satisfied, through) in [
        (format!("proxy = \"{uri}\""), true, 1),
        (format!("proxy = {{ url = \"http://u:p@{}\" }}", proxy.address()), true, 2),
        (format!("proxy = {{ url = \"{uri}\", except = [\"api.invalid\"] }}"), false, 2),
        ("proxy = \"none\"".to_owned(), false, 2),
    ] {
        let config = parse(&format!(
            "[sinks.a]\nhttp = \"http://api.invalid/\"\nallow_plaintext = true\nresilience = false\n{lines}\n\
             [routes.r]\nsinks = [\"a\"]\n",
        ));
        let report = send(&config, "r").await;
        assert_eq!(report.is_satisfied(), satisfied, "{lines}: {report}");
        assert_eq!(received(&proxy).await.len(), through, "{lines}: {report}");
    }
    let last = received(&proxy).await.pop().unwrap();
    assert_eq!(last.headers["proxy-authorization"], "Basic dTpw");
}

#[tokio::test]
async fn what_is_sent_is_compressed_where_the_file_says_so() {
    let server = server(&[200]).await;
    let config = parse(&format!(
        "[sinks.a]\nhttp = \"{}\"\ncompression = \"gzip\"\nhttp_version = \"2\"\n\
         [routes.r]\nsinks = [\"a\"]\n",
        server.uri()
    ));
    assert!(send(&config, "r").await.is_satisfied());
    let requests = received(&server).await;
    let [request] = &requests[..] else { panic!("{requests:?}") };
    assert_eq!(request.headers["content-encoding"], "gzip");
    assert!(!request.headers.contains_key("host"), "HTTP/2 has :authority in its place");
}

#[tokio::test]
async fn what_may_have_been_applied_is_retried_only_where_the_mode_allows_it() {
    for (mode, attempts, stop) in [
        ("method", 1, StopReason::AmbiguousNotIdempotent),
        ("never", 1, StopReason::AmbiguousNotIdempotent),
        ("always", 3, StopReason::Succeeded),
        ("key", 3, StopReason::Succeeded),
    ] {
        let server = server(&[500, 500, 200]).await;
        let config = parse(&format!(
            "[sinks.a]\nhttp = \"{}\"\nidempotency = \"{mode}\"\n\
             resilience = {{ backoff_base = \"1ms\" }}\n[routes.r]\nsinks = [\"a\"]\n",
            server.uri()
        ));
        let report = send(&config, "r").await;
        let delivery = report.get("a").unwrap();
        assert_eq!((delivery.attempts(), delivery.stop_reason()), (attempts, Some(stop)), "{mode}");
        let requests = received(&server).await;
        assert_eq!(requests.len(), attempts as usize, "{mode}");
        let keys: Vec<_> = requests.iter().map(|r| r.headers.get("idempotency-key")).collect();
        assert!(keys.windows(2).all(|pair| pair[0] == pair[1]), "{mode}: {keys:?}");
        assert_eq!(keys[0].is_some(), mode == "key");
    }
}

#[tokio::test]
async fn the_webhook_profile_writes_the_key_unless_another_mode_is_written() {
    for (line, keyed) in [("", true), ("idempotency = \"always\"", false)] {
        let server = server(&[200]).await;
        let config = parse(&format!(
            "[sinks.a]\nhttp = \"{}\"\n{line}\nresilience = {{ profile = \"webhook\" }}\n\
             [routes.r]\nsinks = [\"a\"]\n",
            server.uri()
        ));
        send(&config, "r").await;
        let requests = received(&server).await;
        assert_eq!(requests[0].headers.contains_key("idempotency-key"), keyed, "{line}");
    }
}

#[tokio::test]
async fn routes_share_the_breaker_of_a_sink() {
    let server = server(&[500]).await;
    let config = parse(&format!(
        "[sinks.a]\nhttp = \"{}\"\n\
         resilience = {{ breaker_consecutive = 1, breaker_open = \"60s\" }}\n\
         [routes.one]\nsinks = [\"a\"]\n[routes.two]\nsinks = [\"a\"]\n",
        server.uri()
    ));
    let first = send(&config, "one").await;
    assert_eq!(first.get("a").and_then(Delivery::error).unwrap().kind(), ErrorKind::Upstream);
    let second = send(&config, "two").await;
    let error = second.get("a").and_then(Delivery::error).unwrap();
    assert_eq!(error.kind(), ErrorKind::CircuitOpen);
    assert_eq!(received(&server).await.len(), 1);
}

#[tokio::test]
async fn a_bare_sink_and_a_mere_mirror_are_tried_once() {
    let primary = server(&[200]).await;
    let bare = server(&[503]).await;
    let mirror = MockServer::start().await;
    // Surely not applied, so anything that retries at all would do so.
    let busy = ResponseTemplate::new(503).insert_header("retry-after", "0");
    Mock::given(method("POST")).and(path("/")).respond_with(busy).mount(&mirror).await;
    let config = parse(&format!(
        "[sinks.primary]\nhttp = \"{}\"\n\
         [sinks.bare]\nhttp = \"{}\"\nidempotency = \"always\"\nresilience = false\n\
         [sinks.mirror]\nhttp = \"{}\"\n\
         [routes.r]\nsinks = [\"primary\", \"bare\"]\nmirrors = [\"mirror\"]\n\
         policy = \"all_settled\"\n",
        primary.uri(),
        bare.uri(),
        mirror.uri()
    ));
    let report = send(&config, "r").await;
    assert!(report.is_satisfied(), "{report}");
    for name in ["bare", "mirror"] {
        let delivery = report.get(name).unwrap();
        assert!(matches!(delivery.outcome(), Outcome::Failed(_)), "{report}");
        assert_eq!(delivery.attempts(), 1, "{report}");
    }
    assert_eq!((received(&bare).await.len(), received(&mirror).await.len()), (1, 1));
}

#[tokio::test]
async fn all_settled_asks_for_one_success_unless_told_otherwise() {
    let server = server(&[404]).await;
    for (line, satisfied) in [("", false), ("min_success = 0", true)] {
        let config = parse(&format!(
            "[sinks.a]\nhttp = \"{}\"\n[routes.r]\nsinks = [\"a\"]\npolicy = \"all_settled\"\n{line}\n",
            server.uri()
        ));
        assert_eq!(send(&config, "r").await.is_satisfied(), satisfied, "{line}");
    }
}

#[test]
fn every_policy_can_be_asked_for() {
    for (lines, expected) in [
        ("", "All { min_success: None, fail_fast: false }"),
        ("policy = \"all\"\nfail_fast = true", "All { min_success: None, fail_fast: true }"),
        ("policy = \"all_settled\"", "All { min_success: Some(1), fail_fast: false }"),
        (
            "policy = \"all_settled\"\nmin_success = 2",
            "All { min_success: Some(2), fail_fast: false }",
        ),
        ("policy = \"first\"", "First"),
        ("policy = \"race\"\nrest = \"drain\"", "Race"),
        ("policy = \"quorum\"\nk = 2", "Quorum { needed: Some(2) }"),
        ("policy = \"majority\"", "Quorum { needed: None }"),
        ("policy = \"fallback\"\non_ambiguous = \"stop\"", "Fallback { on_ambiguous: Stop }"),
        ("policy = \"fallback\"\non_ambiguous = \"proceed\"", "Fallback { on_ambiguous: Proceed }"),
        ("policy = \"hedged\"\ndelay = \"100ms\"", "Hedged { delay: 100ms }"),
        ("policy = \"sequential\"", "Sequential"),
        ("rest = \"cancel\"", "rest: Cancel, deadline: Some(35s)"),
        ("rest = \"detach\"\ndeadline = \"off\"", "rest: Detach, deadline: None"),
        ("deadline = \"1m 30s\"", "rest: Drain, deadline: Some(90s)"),
    ] {
        let file = format!(
            "[sinks.a]\nhttp = \"https://h/\"\n[sinks.b]\ngrpc = \"grpcs://h/a.B/C\"\nschema = \"encoded\"\n\
             [routes.r]\nsinks = [\"b\", \"a\"]\n{lines}\n"
        );
        let config = parse(&file);
        assert_eq!(config.route("r").unwrap().sinks(), ["b", "a"]);
        assert_eq!(config.json_sink("r").unwrap(), None);
        let shown = format!("{:?}", config.route("r").unwrap());
        assert!(shown.contains(expected), "{lines}: {shown}");
    }
}

#[test]
fn plain_text_is_sent_where_the_file_allows_it() {
    for address in ["http = \"http://h/\"", "grpc = \"grpc://h:1/a.B/C\""] {
        parse(&format!("[sinks.a]\n{address}\nallow_plaintext = true\n"));
    }
    for address in ["http = \"http://localhost/\"", "grpc = \"grpc://127.0.0.1:1/a.B/C\""] {
        parse(&format!("[sinks.a]\n{address}\n"));
    }
}

#[test]
fn times_that_fit_are_taken() {
    for lines in [
        // The window grows with the attempt where it is not written.
        "timeout = \"20s\"",
        "timeout = \"1m\"\nresilience = { total_timeout = \"2m\" }",
        "resilience = { attempt_timeout = \"1m\", total_timeout = \"1m\", profile = \"strict\" }",
        "resilience = { profile = \"llm\" }",
        "timeout = \"1m\"\nresilience = \"off\"",
        "timeout = \"500ms\"\nconnect_timeout = \"500ms\"",
    ] {
        parse(&format!(
            "[sinks.a]\nhttp = \"https://h/\"\n{lines}\n\
             [routes.r]\nsinks = [\"a\"]\ndeadline = \"5m\"\n"
        ));
    }
}

#[tokio::test]
async fn the_version_of_an_api_arrives_in_the_place_that_is_named() {
    let server = server(&[200]).await;
    let pair = "name = \"api-version\", value = \"2024-10-21\"";
    let versions = [
        ("/{version}/o", "path = \"v2\"".to_owned()),
        ("/o", format!("header = {{ {pair} }}")),
        ("/o", format!("query = {{ {pair} }}")),
        ("/o", format!("media_type = {{ {pair} }}")),
        (
            "/o",
            "vendor_type = { name = \"application/vnd.a.{version}+json\", value = \"3\" }"
                .to_owned(),
        ),
    ];
    for (path, version) in versions {
        let url = server.uri();
        let config = parse(&format!(
            "sinks.a = {{ http = \"{url}{path}\", version = {{ {version} }} }}\nroutes.r.sinks = [\"a\"]"
        ));
        assert!(send(&config, "r").await.is_satisfied(), "{version}");
    }
    let requests = received(&server).await;
    let header = |index: usize, name: &str| requests[index].headers[name].to_str().unwrap();
    assert_eq!(requests[0].url.path(), "/v2/o");
    assert_eq!(header(1, "api-version"), "2024-10-21");
    assert_eq!(requests[2].url.query(), Some("api-version=2024-10-21"));
    assert_eq!(header(3, "accept"), "application/json; api-version=2024-10-21");
    assert_eq!(header(4, "accept"), "application/vnd.a.3+json");
}

/// `untrusted` and `guard` reach the client: what they refuse is an error of the file.
#[test]
fn a_guarded_sink_is_for_public_addresses_and_what_is_allowed() {
    for address in ["http = \"https://HOST/\"", "grpc = \"https://HOST/a.B/C\""] {
        for (keys, host, expected) in [
            ("", "169.254.169.254", None),
            ("untrusted = false", "10.0.0.1", None),
            ("untrusted = true", "8.8.8.8", None),
            ("untrusted = true", "169.254.169.254", Some("a cloud metadata address (RFC 3927)")),
            ("untrusted = true", "0x7f.1", Some("an odd spelling of 127.0.0.1")),
            ("guard = {}", "localhost", Some("a loopback name")),
            ("guard = { allow = [\"10.0.0.0/8\"] }", "10.0.0.1", None),
            ("guard = { allow = [\"10.0.0.0/8\"] }", "192.168.0.1", Some("a private address")),
            ("untrusted = true\nguard = { allow = [\"localhost\"] }", "localhost", None),
            ("guard = { deny = [\"8.8.8.0/24\"] }", "8.8.8.8", Some("denied by a rule")),
        ] {
            let file = format!("[sinks.a]\n{}\n{keys}\n", address.replace("HOST", host));
            match (Config::parse("fanout.toml", &file), expected) {
                (Ok(_), None) => {}
                (Err(error), Some(expected)) => {
                    let text = error.to_string();
                    assert!(text.starts_with("fanout.toml:2: sinks.a."), "{text}");
                    assert!(text.contains(expected), "{text}");
                }
                (found, expected) => panic!("{file}: {found:?}, expected {expected:?}"),
            }
        }
    }
}
