//! Many messages: what arrives, what is counted, what is kept and what is sent again.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::harness::{CLOSED, Sandbox, check, fanout, silent_server};

/// A folder for the files of one test.
pub(crate) struct Folder(tempfile::TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) -> String {
        fs::write(self.0.path().join(name), text).unwrap();
        self.path(name)
    }
}

/// So many records, `{"n":1}` and on.
pub(crate) fn records(count: usize) -> String {
    (1..=count).map(|n| format!("{{\"n\":{n}}}\n")).collect()
}

/// Runs `fanout` with these words, and returns the JSON summary and the exit code.
pub(crate) fn summary(words: &str) -> (Value, i32) {
    let run = fanout(words.split_whitespace().chain(["--json", "--quiet"]));
    let (stdout, stderr, code) = run.raw();
    let summary = serde_json::from_str(&stdout).unwrap_or_else(|_| panic!("{stdout}{stderr}"));
    (summary, code)
}

pub(crate) fn lines(path: &str) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn each_once(payloads: &[String], count: usize) {
    let distinct: BTreeSet<_> = payloads.iter().collect();
    assert_eq!((payloads.len(), distinct.len()), (count, count));
}

#[test]
fn counts_agree_everywhere_and_a_resend_completes_them() {
    // 100,000 take a minute and a half without optimisation.
    let count = std::env::var("FANOUT_BULK_RECORDS").map_or(3_000, |count| count.parse().unwrap());
    let folder = Folder::new();
    let input = folder.write("in.ndjson", records(count));
    let (good, bad) = (Sandbox::start(""), Sandbox::start("--fail 5% --seed 7"));
    let failed = folder.path("failed.ndjson");
    let targets = format!("--to good={}/a --to bad={}/b", good.http, bad.http);
    let (summary, code) = summary(&format!("send {targets} --ndjson {input} --failed {failed}"));
    let lost = bad.answered("503 Service Unavailable").len();
    assert!(lost > count / 40 && lost < count / 10, "{lost}");
    assert_eq!(code, 4);
    each_once(&good.taken(), count);
    each_once(&bad.taken(), count - lost);
    let sink = |index: usize, what: &str| summary["sinks"][index][what].as_u64().unwrap() as usize;
    assert_eq!((sink(0, "delivered"), sink(0, "failed"), sink(0, "ambiguous")), (count, 0, 0));
    assert_eq!(
        (sink(1, "delivered"), sink(1, "failed"), sink(1, "ambiguous")),
        (count - lost, lost, 0)
    );
    assert_eq!(summary["sinks"][1]["failures"], json!({ "unavailable": lost }));
    let expected = json!({
        "total": count, "delivered": count - lost, "partial": 0, "unsatisfied": lost,
        "ambiguous": 0, "bad": 0, "left": 0, "earlier": 0,
    });
    assert_eq!(summary["records"], expected);
    assert_eq!(summary["failed_file"]["records"], json!(lost));
    let kept = lines(&failed);
    assert_eq!(kept.len(), lost + 1);
    let payloads: BTreeSet<_> = kept[1..]
        .iter()
        .map(|line| line["message"]["payload"].as_str().unwrap().to_owned())
        .collect();
    let refused: BTreeSet<_> = bad.answered("503 Service Unavailable").into_iter().collect();
    assert_eq!(payloads, refused);
    assert!(kept[1..].iter().all(|line| {
        line["missing"].as_array().unwrap().len() == 1 && line["missing"][0]["sink"] == "bad"
    }));

    let mut from = failed;
    for round in 1.. {
        let rest = folder.path(&format!("failed{round}.ndjson"));
        let (_, code) = self::summary(&format!("resend {from} --failed {rest}"));
        if code == 0 {
            assert!(!Path::new(&rest).exists(), "nothing is left, and no file");
            break;
        }
        from = rest;
    }
    each_once(&good.taken(), count);
    each_once(&bad.taken(), count);
}

#[test]
fn what_is_seen_of_a_run() {
    let folder = Folder::new();
    let input = folder.write("in.ndjson", "{\"n\":1}\n\nnot json\n{\"n\":2}\n");
    let sandbox = Sandbox::start("");
    let failed = folder.path("failed.ndjson");
    let targets = format!("--to good={0}/a --to bad={0}/status/404", sandbox.http);
    let words = format!("send {targets} --ndjson {input} --failed {failed}");
    let run = fanout(words.split_whitespace());
    let clean = |text: String| text.replace(&folder.path(""), "");
    check!("bulk_seen", clean(run.seen()));
    let kept = fs::read_to_string(&failed).unwrap();
    assert_eq!(kept.lines().count(), 4);
    check!("bulk_again", clean(run.seen()));
    assert_eq!(fs::read_to_string(&failed).unwrap(), kept, "it is not written over");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(fs::metadata(&failed).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let forced = fanout(words.split_whitespace().chain(["--force", "--quiet"]));
    assert_eq!(forced.raw().2, 4);
    assert_eq!(fs::read_to_string(&failed).unwrap().lines().count(), 4);
    // What is no message stays what it is.
    let rest = folder.path("rest.ndjson");
    let (summary, code) = summary(&format!("resend {failed} --failed {rest}"));
    assert_eq!((code, &summary["records"]["left"]), (4, &json!(1)));
    let bad = |path: &str| lines(path).into_iter().find(|line| line["bad"].is_string()).unwrap();
    assert_eq!(bad(&rest), bad(&failed));
    assert_eq!(bad(&rest)["message"]["payload"], "not json");
}

#[test]
fn strict_stops_at_the_first_bad_record() {
    let folder = Folder::new();
    let input = folder.write("in.ndjson", "1\nx\n3\n");
    let sandbox = Sandbox::start("");
    let words = format!("send --to {}/a --ndjson {input} --strict", sandbox.http);
    let (summary, code) = summary(&words);
    assert_eq!(code, 1);
    assert_eq!(summary["stopped"]["record"], 2);
    assert_eq!(summary["stopped"]["detail"], "record 2, line 2: not valid JSON: at column 1");
    assert_eq!(sandbox.taken(), ["1"]);
}

#[test]
fn arrays_rows_and_standard_input_are_messages_too() {
    let folder = Folder::new();
    let array = folder.write("in.json", "[{\"a\" : 1.0}, \"x\", [2]]");
    let csv = folder.write("in.csv", "id,note\n1,\"a, b\"\n2,\n");
    for (words, stdin, expected) in [
        (format!("--json-array {array}"), "", &["\"x\"", "[2]", "{\"a\" : 1.0}"][..]),
        (format!("--csv {csv}"), "", &[r#"{"id":"1","note":"a, b"}"#, r#"{"id":"2","note":""}"#]),
        ("--ndjson -".to_owned(), "1\n2", &["1", "2"]),
    ] {
        let sandbox = Sandbox::start("");
        let words = format!("send --to {}/a {words} --rate 1000/s", sandbox.http);
        let run = fanout(words.split_whitespace()).stdin(stdin);
        assert_eq!(run.raw().2, 0, "{}", run.seen());
        let mut taken = sandbox.taken();
        taken.sort();
        assert_eq!(taken, expected);
    }
}

#[test]
fn a_broken_array_stops_the_run_and_says_where() {
    let folder = Folder::new();
    let array = folder.write("in.json", "[1,\n2,\n}");
    let sandbox = Sandbox::start("");
    let words = format!("send --to {}/a --json-array {array}", sandbox.http);
    let run = fanout(words.split_whitespace());
    check!("bulk_broken_array", run.seen().replace(&folder.path(""), ""));
    assert_eq!(sandbox.taken(), ["1", "2"]);
}

#[test]
fn what_may_have_arrived_is_left_unless_that_is_harmless() {
    let folder = Folder::new();
    let input = folder.write("in.ndjson", records(3));
    let sandbox = Sandbox::start("");
    let silent = silent_server();
    let failed = folder.path("failed.ndjson");
    let targets = format!("--to good={}/a --to bad=http://{silent}/b", sandbox.http);
    let send = |method: &str| {
        let words = format!(
            "send {targets} -X {method} --ndjson {input} --failed {failed} --force --timeout 300ms"
        );
        assert_eq!(summary(&words).1, 5);
    };
    let resend = |more: &str| {
        let now = format!("--to bad={}/b", sandbox.http);
        summary(&format!("resend {failed} {now} {more}"))
    };
    send("POST");
    let before = sandbox.taken().len();
    let (left, code) = resend("");
    assert_eq!((code, &left["records"]["left"]), (4, &json!(3)));
    assert_eq!(sandbox.taken().len(), before);
    assert_eq!(resend("--include-ambiguous").1, 0);
    assert_eq!(sandbox.taken().len(), before + 3);
    // The method says that it may be repeated.
    send("PUT");
    let before = sandbox.taken().len();
    assert_eq!(resend("").1, 0);
    assert_eq!(sandbox.taken().len(), before + 3);
}

#[test]
fn no_secret_is_written_down_and_a_resend_asks_for_it() {
    let folder = Folder::new();
    let input = folder.write("in.ndjson", records(1));
    let failed = folder.path("failed.ndjson");
    let target = format!("a=http://{CLOSED}/b?token=s3cret");
    let words =
        ["send", "--to", &target, "-H", "X-Key: s3cret", "--ndjson", &input, "--failed", &failed];
    assert_eq!(fanout(words).raw().2, 4);
    assert!(!fs::read_to_string(&failed).unwrap().contains("s3cret"));
    let header = lines(&failed).remove(0);
    assert_eq!(header["headers"], json!(["X-Key"]));
    assert_eq!(
        header["to"],
        json!([{ "name": "a", "url": format!("http://{CLOSED}/b"), "had_query": true }])
    );

    check!("resend_query", fanout(["resend", &failed]).seen().replace(&folder.path(""), ""));
    let sandbox = Sandbox::start("");
    let target = format!("a={}/b?token=s3cret", sandbox.http);
    let words = ["resend", &failed, "--to", &target];
    check!("resend_header", fanout(words).seen().replace(&folder.path(""), ""));
    let words = ["resend", &failed, "--to", &target, "-H", "x-key: s3cret"];
    assert_eq!(fanout(words).raw().2, 0);
    assert_eq!(sandbox.taken(), [r#"{"n":1}"#]);
}

#[test]
fn a_resend_has_the_ids_and_the_keys_of_the_send() {
    let folder = Folder::new();
    let input = folder.write("in.ndjson", records(2));
    let config = |port: &str| {
        format!(
            "[sinks.a]\nhttp = \"http://{port}/x\"\nidempotency = \"key\"\n[routes.r]\nsinks = [\"a\"]\n"
        )
    };
    let config = folder.write("fanout.toml", config(CLOSED));
    let (first, second) = (folder.path("1.ndjson"), folder.path("2.ndjson"));
    let words = format!("send --config {config} --ndjson {input} --failed {first}");
    assert_eq!(summary(&words).1, 4);
    assert_eq!(summary(&format!("resend {first} --failed {second}")).1, 4);
    let keys = |path: &str| -> BTreeMap<String, Value> {
        let lines = lines(path).split_off(1);
        let of = |line: Value| {
            let id = line["resend"]["message_id"].as_str().unwrap().to_owned();
            (id, line["missing"][0]["idempotency_key"].clone())
        };
        lines.into_iter().map(of).collect()
    };
    assert_eq!(keys(&first).len(), 2);
    assert_eq!(keys(&first), keys(&second));
    let third = folder.path("3.ndjson");
    let words = format!("send --config {config} --ndjson {input} --failed {third}");
    assert_eq!(summary(&words).1, 4);
    assert_ne!(keys(&first), keys(&third), "another run is another message");
}

#[test]
fn a_file_in_this_folder_is_found_by_itself() {
    let folder = Folder::new();
    let sandbox = Sandbox::start("");
    let config = format!("[sinks.a]\nhttp = \"{}/x\"\n[routes.r]\nsinks = [\"a\"]\n", sandbox.http);
    let here =
        |words: &[&str]| fanout(words.iter().copied()).within(PathBuf::from(folder.path("")));
    check!("found_nothing", here(&["send", "-d", "1"]).seen());
    folder.write("fanout.toml", config);
    check!("found_by_itself", here(&["send", "-d", "1"]).seen());
    check!("found_and_contradicted", here(&["send", "-d", "1", "--policy", "first"]).seen());
    assert_eq!(sandbox.taken(), ["1"]);
}
