//! Secrets of a file: where they come from, where they go, and that nobody else sees them.

use fanout::Message;
use fanout_config::{Config, ConfigError};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, ResponseTemplate};

fn parse(file: &str) -> Result<Config, ConfigError> {
    Config::parse_with("fanout.toml", file, |name| match name {
        "TOKEN" => Some("hunter2".to_owned()),
        "KEY" => Some("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD".to_owned()),
        "EMPTY" => Some(String::new()),
        _ => None,
    })
}

#[tokio::test]
async fn secrets_arrive_where_they_belong() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("token");
    std::fs::write(&path, "hunter2\n").unwrap();
    let file = path.display();
    for (lines, header, value) in [
        ("auth = { bearer = { env = \"TOKEN\" } }".to_owned(), "authorization", "Bearer hunter2"),
        ("auth = { bearer = \"${TOKEN}\" }".to_owned(), "authorization", "Bearer hunter2"),
        (format!("auth = {{ bearer = {{ file = '{file}' }} }}"), "authorization", "Bearer hunter2"),
        (
            "auth = { basic = { user = \"ada\", password = { env = \"TOKEN\" } } }".to_owned(),
            "authorization",
            "Basic YWRhOmh1bnRlcjI=",
        ),
        (
            "auth = { api_key = { header = \"x-api-key\", value = { env = \"TOKEN\" } } }"
                .to_owned(),
            "x-api-key",
            "hunter2",
        ),
        ("headers = { X-Key = { env = \"TOKEN\" } }".to_owned(), "x-key", "hunter2"),
    ] {
        let (request, config) = sent(&lines).await;
        assert_eq!(request.headers[header], value, "{lines}");
        assert!(config.warnings().is_empty(), "{lines}: {:?}", config.warnings());
    }
    for lines in [
        "auth = { api_key = { query = \"key\", value = { env = \"TOKEN\" } } }",
        "query = { key = { env = \"TOKEN\" } }",
    ] {
        assert_eq!(sent(lines).await.0.url.query(), Some("key=hunter2"), "{lines}");
    }
}

#[tokio::test]
async fn signatures_are_made_with_every_key() {
    for (lines, signatures) in [
        ("signing = { keys = { env = \"KEY\" } }", 1),
        ("signing = { keys = [{ env = \"KEY\" }, \"${KEY}\"] }", 2),
    ] {
        let (request, _) = sent(lines).await;
        let signature = request.headers["webhook-signature"].to_str().unwrap();
        assert_eq!(signature.split(' ').count(), signatures, "{signature}");
        assert!(request.headers.contains_key("webhook-id"));
    }
}

async fn sent(lines: &str) -> (wiremock::Request, Config) {
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(ResponseTemplate::new(200)).mount(&server).await;
    let file =
        format!("[sinks.a]\nhttp = \"{}\"\n{lines}\n[routes.r]\nsinks = [\"a\"]\n", server.uri());
    let config = parse(&file).unwrap();
    let shown = format!("{config:?}");
    assert!(!shown.contains("hunter2") && !shown.contains("C2FV"), "{shown}");
    let report = config.route("r").unwrap().send(Message::text("hello")).await;
    assert!(report.is_satisfied(), "{report}");
    (server.received_requests().await.unwrap().pop().unwrap(), config)
}

#[test]
fn a_secret_in_the_file_is_a_warning() {
    let file = "[sinks.a]\nhttp = \"https://h/\"\nauth = { bearer = \"hunter2\" }\n";
    let config = parse(file).unwrap();
    let shown: Vec<_> = config.warnings().iter().map(ToString::to_string).collect();
    assert_eq!(
        shown,
        ["fanout.toml:3: sinks.a.auth.bearer: a secret stands in the file; write bearer = \
          { env = \"VARIABLE\" } or bearer = { file = \"PATH\" }"]
    );
}

#[test]
fn every_secret_that_is_missing_is_told() {
    let file = "[sinks.a]\nhttp = \"https://${NO_HOST}/\"\nheaders = { X-Key = { env = \"NO_KEY\" } }\n\
                auth = { basic = { user = \"u\", password = { env = \"EMPTY\" } } }\n\
                signing = { keys = [{ env = \"NO_A\" }, { file = \"no/b\" }] }\n\
                [sinks.b]\ngrpc = \"https://h/a.B/C\"\nmetadata = { a = { env = \"NO_C\" } }\n\
                auth = { bearer = { env = \"NO_D\" } }\n";
    let error = parse(file).unwrap_err();
    let all: Vec<_> = std::iter::once(&error)
        .chain(error.others())
        .map(|error| format!("{}: {}", error.line().unwrap(), error.problem()))
        .collect();
    assert_eq!(
        all,
        [
            "2: the variable NO_HOST is not set",
            "3: the variable NO_KEY is not set",
            "4: the variable EMPTY is empty",
            "5: the variable NO_A is not set",
            "5: the file \"no/b\" is no secret: No such file or directory (os error 2)",
            "8: the variable NO_C is not set",
            "9: the variable NO_D is not set",
        ]
    );
}
