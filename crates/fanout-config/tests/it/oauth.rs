//! Tokens of OAuth 2.0, from a token endpoint that counts what it is asked.

use fanout::{ErrorKind, Message};
use fanout_config::Config;
use wiremock::matchers::path;
use wiremock::{Mock, MockServer, ResponseTemplate};

async fn server() -> MockServer {
    let server = MockServer::start().await;
    let token = r#"{"access_token":"t0ken","token_type":"Bearer","expires_in":3600}"#;
    let answer = ResponseTemplate::new(200).set_body_raw(token, "application/json");
    Mock::given(path("/token")).respond_with(answer).mount(&server).await;
    Mock::given(path("/api")).respond_with(ResponseTemplate::new(200)).mount(&server).await;
    server
}

/// Sends once to as many sinks as there are lines, each with these `oauth2` keys.
async fn sent(server: &MockServer, lines: &[&str]) -> Vec<wiremock::Request> {
    let url = server.uri();
    let mut file = String::new();
    for (index, line) in lines.iter().enumerate() {
        file += &format!(
            "[sinks.s{index}]\nhttp = \"{url}/api\"\nauth.oauth2 = {{ token_url = \"{url}/token\", \
             client_id = \"shop\", client_secret = \"${{SECRET}}\"{line} }}\n"
        );
    }
    let names: Vec<_> = (0..lines.len()).map(|index| format!("s{index}")).collect();
    file += &format!("[routes.r]\nsinks = {names:?}\n");
    let secret = |name: &str| (name == "SECRET").then(|| "hunter2".to_owned());
    let config = Config::parse_with("fanout.toml", &file, secret).unwrap();
    let shown = format!("{config:?}");
    assert!(!shown.contains("hunter2"), "{shown}");
    let report = config.route("r").unwrap().send(Message::text("hello")).await;
    assert!(report.is_satisfied(), "{report}");
    let requests = server.received_requests().await.unwrap();
    server.reset().await;
    requests
}

#[tokio::test]
async fn sinks_with_equal_settings_share_their_token() {
    for (lines, tokens) in [
        (["", ""], 1),
        ([", scope = \"a\", timeout = \"2s\"", ", scope = \"a\", timeout = \"2s\""], 1),
        ([", scope = \"a\"", ", scope = \"b\""], 2),
        (["", ", client_auth = \"body\""], 2),
        (["", ", refresh_margin = \"1s\""], 2),
        (["", ", tls = { min_version = \"1.3\" }"], 2),
    ] {
        let requests = sent(&server().await, &lines).await;
        let asked = requests.iter().filter(|request| request.url.path() == "/token");
        assert_eq!(asked.count(), tokens, "{lines:?}");
        for request in requests.iter().filter(|request| request.url.path() == "/api") {
            assert_eq!(request.headers["authorization"], "Bearer t0ken");
        }
    }
}

#[tokio::test]
async fn what_the_file_says_is_in_the_request_for_a_token() {
    let lines = ", scope = \"a b\", audience = \"x\", params = { resource = \"r\" }, client_auth = \"body\"";
    let requests = sent(&server().await, &[lines]).await;
    let body = String::from_utf8(requests[0].body.clone()).unwrap();
    for part in ["scope=a+b", "audience=x", "resource=r", "client_id=shop", "client_secret=hunter2"]
    {
        assert!(body.contains(part), "{body}");
    }
    let requests = sent(&server().await, &[""]).await;
    assert_eq!(requests[0].headers["authorization"], "Basic c2hvcDpodW50ZXIy");
}

#[tokio::test]
async fn a_proxy_is_signed_in_to() {
    let proxy = MockServer::start().await;
    Mock::given(path("/in")).respond_with(ResponseTemplate::new(200)).mount(&proxy).await;
    let file = format!(
        "[sinks.a]\nhttp = \"http://api.invalid/in\"\nallow_plaintext = true\n\
         proxy = {{ url = \"{}\", user = \"ada\", password = \"${{SECRET}}\" }}\n\
         [routes.r]\nsinks = [\"a\"]\n",
        proxy.uri()
    );
    let secret = |name: &str| (name == "SECRET").then(|| "p@ss:/ü%41".to_owned());
    let config = Config::parse_with("fanout.toml", &file, secret).unwrap();
    let report = config.route("r").unwrap().send(Message::text("hello")).await;
    assert!(report.is_satisfied(), "{report}");
    let request = &proxy.received_requests().await.unwrap()[0];
    // ada:p@ss:/ü%41
    assert_eq!(request.headers["proxy-authorization"], "Basic YWRhOnBAc3M6L8O8JTQx");
}

#[tokio::test]
async fn the_host_and_the_size_of_a_head_are_as_the_file_says() {
    let server = MockServer::start().await;
    let large = ResponseTemplate::new(200).insert_header("x-large", "x".repeat(20_000));
    Mock::given(path("/large")).respond_with(large).mount(&server).await;
    Mock::given(path("/")).respond_with(ResponseTemplate::new(200)).mount(&server).await;
    for (line, kind) in [("", None), ("max_response_head = 8_192", Some(ErrorKind::Protocol))] {
        let url = server.uri();
        let file = format!(
            "[sinks.a]\nhttp = \"{url}/large\"\n{line}\n[sinks.b]\nhttp = \"{url}/\"\n\
             host = \"api.example.com\"\n[routes.r]\nsinks = [\"a\", \"b\"]\npolicy = \"all_settled\"\n"
        );
        let config = Config::parse("fanout.toml", &file).unwrap();
        let report = config.route("r").unwrap().send(Message::text("hello")).await;
        let found = report.get("a").and_then(|delivery| delivery.error()).map(|error| error.kind());
        assert_eq!(found, kind, "{line}: {report}");
        assert!(report.get("b").unwrap().is_delivered(), "{report}");
    }
    let requests = server.received_requests().await.unwrap();
    assert!(requests.iter().any(|request| request.headers["host"] == "api.example.com"));
}
