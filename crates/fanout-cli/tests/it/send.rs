//! `fanout send` when it works, in whole or in part.

use std::fs;

use crate::harness::{CLOSED, Sandbox, check, fanout, send, silent_server};

#[test]
fn one_json_to_http_and_grpc() {
    let sandbox = Sandbox::start("");
    let targets = format!("--to orders={}/orders --to audit={}", sandbox.http, sandbox.place());
    check!("send_http_and_grpc", send(&targets).seen());
}

#[test]
fn the_answers_too() {
    let sandbox = Sandbox::start("");
    let targets = format!("--to {}/orders --to {} --body", sandbox.http, sandbox.place());
    check!("send_body", send(&targets).seen());
}

#[test]
fn data_from_a_file_and_from_standard_input() {
    let sandbox = Sandbox::start("");
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("order.json");
    fs::write(&file, r#"{"order":18}"#).unwrap();
    let echo = format!("{}/echo", sandbox.http);
    for data in [&["-d", &format!("@{}", file.display())][..], &["-d", "@-"], &[]] {
        let words = ["send", "--body", "--json", "--to", &echo];
        let run = fanout(words.iter().chain(data).copied()).stdin(r#"{"order":18}"#);
        let (stdout, stderr, code) = run.raw();
        assert_eq!((stderr.as_str(), code), ("", 0));
        let report: serde_json::Value = serde_json::from_str(&stdout).unwrap();
        assert_eq!(report["deliveries"][0]["receipt"]["body"], r#"{"order":18}"#, "{data:?}");
    }
}

#[test]
fn the_report_as_json() {
    let sandbox = Sandbox::start("");
    let targets = format!("--to good={0}/a --to bad={0}/status/404 --json", sandbox.http);
    let (stdout, stderr, code) = send(&targets).raw();
    assert_eq!((stderr.as_str(), code), ("", 4));
    let report: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(report["verdict"], "unsatisfied");
    assert_eq!(report["completeness"], "partial");
    assert_eq!(report["deliveries"][0]["outcome"], "delivered");
    assert_eq!(report["deliveries"][0]["receipt"].get("body"), None, "an answer may be secret");
    assert_eq!(report["deliveries"][1]["error"]["kind"], "not_found");
    assert_eq!(report["resend"]["unsent"][0], "bad");
}

#[test]
fn all_settled_with_one_failure_ends_with_3() {
    let sandbox = Sandbox::start("");
    let targets = format!("--to good={0}/a --to bad={0}/status/404", sandbox.http);
    check!("send_all_settled", send(&format!("{targets} --policy all_settled")).seen());
}

#[test]
fn all_settled_with_nothing_delivered_is_no_success() {
    let sandbox = Sandbox::start("");
    let targets = format!("--to {0}/status/404 --to {0}/status/401", sandbox.http);
    check!("send_all_settled_none", send(&format!("{targets} --policy all_settled")).seen());
}

#[test]
fn a_quorum_waits_for_the_rest_to_report_it() {
    let sandbox = Sandbox::start("");
    let targets = format!(
        "--to a={0}/a --to b={0}/b --to slow={0}/delay/300ms --policy quorum:2",
        sandbox.http
    );
    check!("send_quorum", send(&targets).seen());
}

#[test]
fn fallback_stops_where_a_duplicate_could_come_of_it() {
    let sandbox = Sandbox::start("");
    let targets = format!("--to first=http://{}/ --to second={}/b", silent_server(), sandbox.http);
    let policy = "--policy fallback --on-ambiguous stop --timeout 300ms";
    check!("send_fallback_stop", send(&format!("{targets} {policy}")).seen());
}

#[test]
fn fallback_goes_on_when_nothing_was_applied() {
    let sandbox = Sandbox::start("");
    let targets = format!("--to first=http://{}/ --to second={}/b", CLOSED, sandbox.http);
    check!(
        "send_fallback_next",
        send(&format!("{targets} --policy fallback --on-ambiguous stop")).seen()
    );
}

#[test]
fn a_mirror_that_fails_changes_nothing() {
    let sandbox = Sandbox::start("");
    // Slow enough to be awaited always: one that is as fast as the target would be so at times.
    let slow = Sandbox::start("--delay 300ms --status 500");
    let targets = format!("--to {}/a --mirror copy={}/b", sandbox.http, slow.http);
    check!("send_mirror", send(&targets).seen());
}

#[test]
fn any_json_object_by_the_echo_method() {
    let sandbox = Sandbox::start("");
    let echo = format!("{}/fanout.sandbox.v1.Orders/Echo", sandbox.grpc);
    let data = r#"{"any":{"thing":[1,"two",null,true]}}"#;
    check!("send_grpc_echo", fanout(["send", "--body", "--to", &echo, "-d", data]).seen());
}

#[test]
fn a_descriptor_set_in_place_of_reflection() {
    let sandbox = Sandbox::start("");
    let set = concat!(env!("CARGO_MANIFEST_DIR"), "/proto/sandbox.binpb");
    let run = send(&format!("--to {} --descriptor-set {set}", sandbox.place()));
    assert_eq!(run.raw().2, 0, "{}", run.seen());
}

#[test]
fn headers_reach_every_target() {
    use std::io::{BufRead as _, BufReader, Write as _};

    let listener = std::net::TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let reader = BufReader::new(stream.try_clone().unwrap());
        let head: Vec<_> =
            reader.lines().map(|line| line.unwrap()).take_while(|line| !line.is_empty()).collect();
        stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap();
        head
    });
    let words = ["send", "--to", &url, "-H", "X-Tenant: blue", "-H", "Content-Type: text/csv"];
    let run = fanout(words.into_iter().chain(["-d", "a,b"]));
    assert_eq!(run.raw().2, 0, "{}", run.seen());
    let head = server.join().unwrap();
    assert!(head.iter().any(|line| line.eq_ignore_ascii_case("x-tenant: blue")), "{head:?}");
    let types: Vec<_> = head.iter().filter(|line| line.starts_with("content-type")).collect();
    assert_eq!(types, ["content-type: text/csv"]);
}

/// Whoever ends it early is told what that may mean.
#[cfg(unix)]
#[test]
fn an_interrupted_send_says_that_the_message_may_have_arrived() {
    use std::io::Read as _;
    use std::net::{Ipv4Addr, TcpListener};
    use std::process::{Command, Stdio};

    use crate::harness::command;

    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let mut child =
        command().args(["send", "--to", &url, "-d", "x"]).stderr(Stdio::piped()).spawn().unwrap();
    // It is sending for sure once a byte of the request is here.
    let (mut stream, _) = listener.accept().unwrap();
    stream.read_exact(&mut [0]).unwrap();
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    let mut stderr = String::new();
    child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let expected = "interrupted: a target that was sent to may have applied the message\n";
    assert_eq!(stderr, expected);
}

#[test]
fn a_get_needs_no_data() {
    let sandbox = Sandbox::start("");
    let run = fanout(["send", "-X", "GET", "--to", &format!("{}/a", sandbox.http)]);
    check!("send_get", run.seen());
}

#[test]
fn this_machine_is_reached_without_the_proxy() {
    let sandbox = Sandbox::start("");
    let run = send(&format!("--to {}/a --to {}", sandbox.http, sandbox.place()))
        .variable("HTTP_PROXY", "http://127.0.0.1:9")
        .variable("ALL_PROXY", "http://127.0.0.1:9");
    assert_eq!(run.raw().2, 0, "{}", run.seen());
}

#[test]
fn colours_are_for_terminals_and_for_those_who_force_them() {
    let sandbox = Sandbox::start("");
    let run = || send(&format!("--to {}/a", sandbox.http));
    assert!(!run().raw().0.contains('\u{1b}'));
    assert!(run().variable("CLICOLOR_FORCE", "1").raw().0.contains("\u{1b}[32mdelivered\u{1b}[0m"));
}

/// Answers every request with this head and nothing else.
fn server_saying(head: &'static str) -> String {
    use std::io::{BufRead as _, BufReader, Write as _};
    let listener = std::net::TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let lines = BufReader::new(stream.try_clone().unwrap()).lines();
            // The body is short, and comes along with the head.
            lines.map_while(Result::ok).take_while(|line| !line.is_empty()).for_each(drop);
            let answer = format!("HTTP/1.1 {head}content-length: 0\r\nconnection: close\r\n\r\n");
            drop(stream.write_all(answer.as_bytes()));
        }
    });
    address
}

#[test]
fn an_api_that_comes_to_its_end_is_told_in_the_table_and_in_the_json() {
    let ending = "200 OK\r\ndeprecation: @1688169599\r\nsunset: Tue, 31 Dec 2999 23:59:59 GMT\r\n\
                  link: </v2/orders?k=s3cret>; rel=\"successor-version\"\r\n";
    let gone = "410 Gone\r\nsunset: Sun, 30 Jun 2024 23:59:59 GMT\r\nlink: </v2>; rel=successor-version\r\n";
    let targets = format!(
        "--to ending=http://{}/v1/orders --to gone=http://{}/v1/orders",
        server_saying(ending),
        server_saying(gone)
    );
    check!("send_api_ending", send(&targets).seen());
    let (stdout, _, _) = send(&format!("{targets} --json")).raw();
    let report: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    let api = &report["deliveries"][0]["api"];
    assert_eq!(api["deprecated_since"], "2023-06-30T23:59:59Z");
    assert_eq!(api["sunset"], "2999-12-31T23:59:59Z");
    assert_eq!(report["deliveries"][1]["api"]["deprecated"], false);
    assert!(!stdout.contains("s3cret"), "{stdout}");
}
