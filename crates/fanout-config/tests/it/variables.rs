//! `${VAR}` in a file: where it may stand, what is missing, and that nothing of it is ever shown.

use std::collections::BTreeMap;

use fanout::Message;
use fanout_config::{Config, ConfigError};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, ResponseTemplate};

fn parse(file: &str, variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let variables: BTreeMap<_, _> = variables.iter().copied().collect();
    Config::parse_with("fanout.toml", file, |name| variables.get(name).map(|&v| v.to_owned()))
}

#[tokio::test]
async fn every_value_may_come_from_a_variable() {
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(ResponseTemplate::new(200)).mount(&server).await;
    let file = r#"
        [sinks.billing]
        http = "http://${HOST}/v1/${PATH_OF:-orders}"
        method = "${METHOD}"
        query = { key = "${KEY}", price = "$5", literal = "$${KEY}" }
        headers = { X-Tenant = "t-${TENANT}", Accept = ["${TYPE}", "c/d"] }
        timeout = "${TIME}"
        idempotency = "${MODE:-key}"
        max_request_body = "${SIZE}"
        resilience = { max_attempts = "${ATTEMPTS:-2}", budget_ratio = "${RATIO:-0.5}" }

        [routes.orders]
        sinks = ["${SINK}"]
        policy = "${POLICY:-all}"
        fail_fast = "${HASTE:-true}"
        deadline = "${DEADLINE:-off}"
    "#;
    let host = server.address().to_string();
    let variables = [
        ("HOST", &*host),
        ("METHOD", "PUT"),
        ("KEY", "a b&c"),
        ("TENANT", "blue"),
        ("TYPE", "a/b"),
        ("TIME", "5s"),
        ("SIZE", "5"),
        ("SINK", "billing"),
    ];
    let config = parse(file, &variables).unwrap();
    let route = config.route("orders").unwrap();
    let shown = format!("{route:?}");
    assert!(shown.contains("fail_fast: true") && shown.contains("deadline: None"), "{shown}");
    assert!(route.send(Message::text("hello")).await.is_satisfied());
    assert!(!route.send(Message::text("longer")).await.is_satisfied());
    let requests = server.received_requests().await.unwrap();
    let [request] = &requests[..] else { panic!("{requests:?}") };
    assert_eq!((request.method.as_str(), request.url.path()), ("PUT", "/v1/orders"));
    assert_eq!(request.url.query(), Some("key=a%20b%26c&price=%245&literal=%24%7BKEY%7D"));
    assert_eq!(request.headers["x-tenant"], "t-blue");
    assert_eq!(request.headers.get_all("accept").iter().count(), 2);
    assert!(request.headers.contains_key("idempotency-key"));
}

#[test]
fn all_that_is_missing_is_told_at_once() {
    let file = "[sinks.a]\nhttp = \"https://${HOST_A}/\"\nheaders = { X = \"${TENANT}\" }\n\
                [sinks.b]\nhttp = \"https://h/\"\nheaders = { X = [\"${THERE}\", \"${TENANT}\"] }\n\
                [sinks.c]\ngrpc = \"https://h/a.B/C\"\nschema = { descriptor_set = \"no/${THERE}\" }\n\
                [routes.r]\nsinks = [\"a\", \"${SINK}\"]\n";
    let error = parse(file, &[("THERE", "hunter2")]).unwrap_err();
    let all: Vec<_> =
        std::iter::once(&error).chain(error.others()).map(ToString::to_string).collect();
    assert_eq!(
        all,
        [
            "fanout.toml:2: sinks.a.http: the variable HOST_A is not set; set it in the environment, \
             or write ${HOST_A:-default}",
            "fanout.toml:3: sinks.a.headers.X: the variable TENANT is not set; set it in the \
             environment, or write ${TENANT:-default}",
            "fanout.toml:6: sinks.b.headers.X: the variable TENANT is not set; set it in the \
             environment, or write ${TENANT:-default}",
            "fanout.toml:9: sinks.c.schema.descriptor_set: the file \"no/${THERE}\" cannot be read: \
             there is no such file; a relative path begins where this file is",
            "fanout.toml:11: routes.r.sinks: the variable SINK is not set; set it in the \
             environment, or write ${SINK:-default}",
        ]
    );
}

/// Puts a secret into every text of the complete file in turn.
#[test]
fn no_error_shows_what_a_variable_holds() {
    let whole = include_str!("../../docs/fanout.toml");
    let mut refused = 0;
    for secret in
        ["hunter2", "hunter2://hunter2", "https://hunter2@h/hunter2", "hunter2\n", "[hunter2]"]
    {
        for (start, _) in whole.match_indices('"').step_by(2) {
            let end = start + 1 + whole[start + 1..].find('"').unwrap();
            let part = start + 1 + (end - start) / 2;
            for file in [
                format!("{}${{V}}{}", &whole[..=start], &whole[end..]),
                format!("{}${{V}}{}", &whole[..part], &whole[end..]),
            ] {
                let Err(error) = parse(&file, &[("V", secret)]) else { continue };
                for error in std::iter::once(&error).chain(error.others()) {
                    let shown = format!("{error} {error:?}");
                    assert!(!shown.contains("unter2"), "{shown}\n{file}");
                    assert!(error.line().is_some(), "{shown}");
                }
                refused += 1;
            }
        }
    }
    assert!(refused > 200, "{refused}");
}

#[test]
fn the_process_has_an_environment_too() {
    let file = "[sinks.a]\nhttp = \"https://${CARGO_PKG_NAME}/\"\nmethod = \"${NO_SUCH:-PUT}\"\n";
    Config::parse("fanout.toml", file).unwrap();
}
