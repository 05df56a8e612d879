//! `fanout send --config`: a file that works, and what is said about one that does not.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, TcpListener};
use std::thread;

use tempfile::TempDir;

use crate::harness::{CLOSED, Sandbox, check, fanout};

/// A directory with a file in it.
struct File(TempDir);

impl File {
    fn new(text: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("fanout.toml"), text).unwrap();
        Self(directory)
    }

    /// What a person sees who sends an order with these arguments.
    fn seen(&self, arguments: &str) -> String {
        self.run(arguments).seen().replace(&*self.directory(), "")
    }

    fn run(&self, arguments: &str) -> crate::harness::Run {
        let file = format!("{}fanout.toml", self.directory());
        let words = arguments.split_whitespace();
        let start = ["send", "--config", &file];
        fanout(start.into_iter().chain(words).chain(["-d", r#"{"order":17}"#]))
    }

    fn directory(&self) -> String {
        format!("{}{}", self.0.path().display(), std::path::MAIN_SEPARATOR)
    }
}

/// An HTTP and a gRPC sink, and two routes.
fn orders(sandbox: &Sandbox) -> File {
    File::new(&format!(
        r#"
[sinks.billing]
http = "{}/echo"
headers = {{ X-Tenant = "blue" }}
timeout = "5s"
idempotency = "key"

[sinks.audit]
grpc = "{}"

[sinks.broken]
http = "{}/status/500"

[routes.orders]
sinks = ["billing", "audit"]

[routes.careful]
sinks = ["billing", "broken"]
policy = "all_settled"
"#,
        sandbox.http,
        sandbox.place(),
        sandbox.http
    ))
}

#[test]
fn one_json_to_the_http_and_the_grpc_sink_of_a_route() {
    let sandbox = Sandbox::start("");
    check!("config_orders", orders(&sandbox).seen("--route orders --body"));
}

#[test]
fn a_careful_default_is_explained() {
    let sandbox = Sandbox::start("");
    check!("config_hint", orders(&sandbox).seen("--route careful"));
}

#[test]
fn the_report_as_json_names_the_route() {
    let sandbox = Sandbox::start("");
    let file = orders(&sandbox);
    let (stdout, stderr, code) = file.run("--route orders --json").raw();
    assert_eq!((stderr.as_str(), code), ("", 0));
    let report: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(report["fan_out"], "orders");
    assert_eq!(report["deliveries"][1]["sink"], "audit");
    assert_eq!(report["deliveries"][1]["outcome"], "delivered");
}

#[test]
fn attempts_and_pauses_are_shown_and_the_only_route_need_not_be_named() {
    let file = File::new(&format!(
        "[sinks.down]\nhttp = \"http://{CLOSED}/\"\n\
         resilience = {{ backoff_base = \"30ms\", seed = 1 }}\n\
         [routes.only]\nsinks = [\"down\"]\n"
    ));
    check!("config_retried", file.seen(""));
}

#[test]
fn a_header_goes_with_the_message() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let head = thread::spawn(move || {
        let mut stream = listener.accept().unwrap().0;
        let lines = BufReader::new(&stream).lines().map_while(Result::ok);
        let head: Vec<_> = lines.take_while(|line| !line.is_empty()).collect();
        stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap();
        head
    });
    let file = File::new(&format!(
        "[sinks.a]\nhttp = \"http://{address}/\"\n\n[routes.r]\nsinks = [\"a\"]\n"
    ));
    let (stdout, stderr, code) = file.run("--header X-Trace:17").raw();
    assert_eq!((stderr.as_str(), code), ("", 0), "{stdout}");
    let head = head.join().unwrap();
    assert!(head.contains(&"x-trace: 17".to_owned()), "{head:?}");
}

#[test]
fn a_key_that_does_not_exist() {
    let file = File::new("[sinks.a]\nhttp = \"https://h/?token=hunter2\"\ntimout = \"1s\"\n");
    check!("config_error_key", file.seen(""));
}

#[test]
fn variables_that_are_not_set() {
    let file = File::new(
        "[sinks.a]\nhttp = \"https://${FANOUT_NO_HOST}/\"\nheaders = { X-Tenant = \"${FANOUT_NO_TENANT}\" }\n",
    );
    check!("config_error_variables", file.seen(""));
}

#[test]
fn a_fallback_without_an_answer_about_duplicates() {
    let file = File::new(
        "[sinks.a]\nhttp = \"https://h/\"\n\n[routes.r]\nsinks = [\"a\"]\npolicy = \"fallback\"\n",
    );
    check!("config_error_fallback", file.seen(""));
}

#[test]
fn several_routes_and_none_named() {
    let sandbox = Sandbox::start("");
    check!("config_error_which_route", orders(&sandbox).seen(""));
}

#[test]
fn a_route_that_does_not_exist() {
    let sandbox = Sandbox::start("");
    check!("config_error_route", orders(&sandbox).seen("--route order"));
}

#[test]
fn a_file_without_routes() {
    check!("config_error_no_routes", File::new("[sinks.a]\nhttp = \"https://h/\"\n").seen(""));
}

#[test]
fn a_file_that_does_not_exist() {
    check!("config_error_missing", fanout(["send", "--config", "no/such.toml", "-d", "{}"]).seen());
}

#[test]
fn data_that_is_no_json_for_a_sink_that_needs_it() {
    let sandbox = Sandbox::start("");
    let file = orders(&sandbox);
    let path = format!("{}fanout.toml", file.directory());
    let run = fanout(["send", "--config", &path, "--route", "orders", "-d", "no json"]);
    check!("config_error_not_json", run.seen().replace(&file.directory(), ""));
}

#[test]
fn a_route_without_a_file_and_a_target_beside_a_file() {
    let without = fanout(["send", "--to", "https://h/", "--route", "orders", "-d", "{}"]).seen();
    let beside = fanout(["send", "--config", "f.toml", "--to", "https://h/", "-d", "{}"]).seen();
    let policy = fanout(["send", "--config", "f.toml", "--policy", "first", "-d", "{}"]).seen();
    check!("config_error_usage", format!("{without}\n{beside}\n{policy}"));
}
