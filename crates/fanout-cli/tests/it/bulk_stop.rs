//! Many messages, cut short: by Ctrl-C, by `kill -9`, by a full disk.

#![cfg(unix)]

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::bulk::{Folder, lines, records, summary};
use crate::harness::{Sandbox, command, fanout};

fn start(words: &str) -> Child {
    let words = words.split_whitespace().chain(["--json", "--quiet"]);
    command().args(words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn signal(child: &Child, name: &str) {
    let status = Command::new("kill").args([name, &child.id().to_string()]).status();
    assert!(status.unwrap().success());
}

fn end(mut child: Child) -> (Value, i32) {
    let mut stdout = String::new();
    child.stdout.take().unwrap().read_to_string(&mut stdout).unwrap();
    (serde_json::from_str(&stdout).unwrap(), child.wait().unwrap().code().unwrap())
}

fn counts(payloads: Vec<String>) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for payload in payloads {
        *counts.entry(payload).or_default() += 1;
    }
    counts
}

#[test]
fn ctrl_c_finishes_what_is_under_way_and_says_where_to_go_on() {
    let folder = Folder::new();
    let input = folder.write("in.ndjson", records(400));
    let sandbox = Sandbox::start("--delay 20ms");
    let words = format!("send --to {}/a --ndjson {input} --concurrency 4", sandbox.http);
    let child = start(&words);
    sandbox.wait_for(20);
    signal(&child, "-INT");
    let (ended, code) = end(child);
    assert_eq!((code, &ended["stopped"]["reason"]), (130, &json!("interrupted")));
    let record = ended["stopped"]["record"].as_u64().unwrap();
    assert!((20..400).contains(&record));
    let bytes = records(record as usize).len();
    assert_eq!(
        (&ended["stopped"]["byte"], &ended["stopped"]["line"]),
        (&json!(bytes), &json!(record))
    );
    assert_eq!(ended["records"]["delivered"], json!(record), "what was taken was finished");
    assert_eq!(sandbox.taken().len() as u64, record);

    assert_eq!(summary(&format!("{words} --skip {record}")).1, 0);
    let counts = counts(sandbox.taken());
    assert!(counts.len() == 400 && counts.values().all(|count| *count == 1), "{counts:?}");
}

#[test]
fn a_second_ctrl_c_cuts_and_keeps_what_it_cut() {
    let listener = std::net::TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let folder = Folder::new();
    let input = folder.write("in.ndjson", records(50));
    let failed = folder.path("failed.ndjson");
    let words =
        format!("send --to a=http://{address}/ --ndjson {input} --concurrency 3 --failed {failed}");
    let child = start(&words);
    // Three are under way once three requests have begun to come.
    let streams: Vec<_> = (0..3)
        .map(|_| {
            let (mut stream, _) = listener.accept().unwrap();
            stream.read_exact(&mut [0]).unwrap();
            stream
        })
        .collect();
    signal(&child, "-INT");
    let mut child = child;
    let mut told = [0; 9];
    child.stderr.as_mut().unwrap().read_exact(&mut told).unwrap();
    assert_eq!(&told, b"stopping:", "the first one was heard");
    signal(&child, "-INT");
    let (ended, code) = end(child);
    drop(streams);
    assert_eq!((code, &ended["stopped"]["record"]), (130, &json!(3)));
    assert_eq!(ended["records"]["ambiguous"], json!(3));
    let kept = lines(&failed);
    assert_eq!(kept.len(), 4);
    for line in &kept[1..] {
        let missing = &line["missing"][0];
        assert_eq!(
            (&missing["outcome"], &missing["effect"]),
            (&json!("cancelled"), &json!("maybe"))
        );
    }
}

#[test]
fn a_killed_run_goes_on_where_it_was() {
    let folder = Folder::new();
    let count = 600;
    let input = folder.write("in.ndjson", records(count));
    let (good, bad) =
        (Sandbox::start("--delay 5ms"), Sandbox::start("--delay 5ms --fail 20% --seed 3"));
    let (state, failed) = (folder.path("state"), folder.path("failed.ndjson"));
    let words = format!(
        "send --to good={}/a --to bad={}/b --ndjson {input} --concurrency 8 --failed {failed} --state {state}",
        good.http, bad.http
    );
    let mut runs = 0;
    for received in [150, 300] {
        let child = start(&words);
        good.wait_for(received);
        signal(&child, "-KILL");
        child.wait_with_output().unwrap();
        runs += 1;
    }
    let (ended, code) = summary(&words);
    assert_eq!(code, 4, "{ended}");
    let earlier = ended["records"]["earlier"].as_u64().unwrap();
    assert!(earlier >= 200, "{earlier}");
    assert_eq!(ended["records"]["total"], json!(count));
    let taken = counts(good.taken());
    assert_eq!(taken.len(), count, "nothing is lost");
    let twice: usize = taken.values().map(|count| count - 1).sum();
    assert!(twice <= runs * 8, "at most what was under way came twice: {twice}");
    // Each record is delivered, or in the file, once.
    let kept = lines(&failed);
    let mut numbers: Vec<_> =
        kept[1..].iter().map(|line| line["record"].as_u64().unwrap()).collect();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), kept.len() - 1);
    let mut everywhere: std::collections::BTreeSet<_> = bad.taken().into_iter().collect();
    everywhere.extend(numbers.iter().map(|number| format!("{{\"n\":{number}}}")));
    assert_eq!(everywhere.len(), count);

    // Once more: nothing is left to do, and nothing is sent.
    let (again, code) = summary(&words);
    assert_eq!((code, &again["records"]["earlier"]), (0, &json!(count)));
    assert_eq!(counts(good.taken()), taken);
    // With other targets or another input it is refused.
    let other = words.replace("good=", "better=");
    let (_, stderr, code) = fanout(other.split_whitespace()).raw();
    assert!(code == 2 && stderr.contains("is of other targets than these"), "{stderr}");
    folder.write("in.ndjson", records(count + 1));
    let (_, stderr, code) = fanout(words.split_whitespace()).raw();
    assert!(code == 2 && stderr.contains("the input has changed since"), "{stderr}");
}

/// What was under way when the process ended is not taken for done.
#[test]
fn what_was_not_answered_before_the_kill_is_sent_again() {
    let listener = std::net::TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let folder = Folder::new();
    let input = folder.write("in.ndjson", records(10));
    let (state, failed) = (folder.path("state"), folder.path("failed.ndjson"));
    let words = format!(
        "send --to a=http://127.0.0.1:{port}/ --ndjson {input} --concurrency 4 --failed {failed} --state {state}"
    );
    let child = start(&words);
    let streams: Vec<_> = (0..4)
        .map(|_| {
            let (mut stream, _) = listener.accept().unwrap();
            stream.read_exact(&mut [0]).unwrap();
            stream
        })
        .collect();
    signal(&child, "-KILL");
    child.wait_with_output().unwrap();
    drop((streams, listener));
    let sandbox = Sandbox::start(&format!("--http {port} --grpc 0"));
    let (ended, code) = summary(&words);
    assert_eq!((code, &ended["records"]["delivered"]), (0, &json!(10)));
    assert_eq!(counts(sandbox.taken()).len(), 10);
}

#[test]
fn a_full_disk_stops_the_run_and_loses_nothing() {
    let folder = Folder::new();
    let input = folder.write("in.ndjson", records(300));
    let sandbox = Sandbox::start("--fail 100%");
    let failed = folder.path("failed.ndjson");
    let fanout = env!("CARGO_BIN_EXE_fanout");
    let target = format!("a={}/a", sandbox.http);
    // A file may have eight blocks of 512 bytes.
    let script = "trap '' XFSZ; ulimit -f 8; exec \"$@\"";
    let words = ["send", "--to", &target, "--ndjson", &input, "--failed", &failed, "--json"];
    let output = Command::new("sh")
        .args(["-c", script, "sh", fanout, "--"].iter().filter(|word| **word != "--"))
        .args(words)
        .output()
        .unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("stopping: cannot write "), "{stderr}");
    let ended: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(ended["stopped"]["reason"], "output");
    let kept = lines(&failed).len() - 1;
    let unwritten = ended["failed_file"]["unwritten"].as_array().unwrap().len();
    let refused = sandbox.answered("503 Service Unavailable").len();
    assert!(kept > 0 && unwritten > 0 && refused < 300);
    assert_eq!(kept + unwritten, refused, "every one that was refused is known by its number");
}

/// Memory does not grow with the input.
#[cfg(target_os = "linux")]
#[test]
fn a_large_input_takes_little_memory() {
    let folder = Folder::new();
    let row = format!("{{\"n\":1,\"text\":\"{}\"}}\n", "x".repeat(4000));
    let input = folder.path("in.ndjson");
    let mut file = std::fs::File::create(&input).unwrap();
    for _ in 0..5_000 {
        file.write_all(row.as_bytes()).unwrap();
    }
    let sandbox = Sandbox::start("");
    let mut child = start(&format!("send --to {}/a --ndjson {input}", sandbox.http));
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    while child.try_wait().unwrap().is_none() {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok());
        peak = peak.max(kilobytes.unwrap_or(0_u64));
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    assert_eq!(end(child).1, 0);
    assert!((1..64 << 10).contains(&peak), "{peak} kB");
}
