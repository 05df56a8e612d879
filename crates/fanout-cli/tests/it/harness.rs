//! Running the binary, servers to run it against, and taking out what differs from run to run.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// Asserts the whole output of `fanout` with these arguments against the snapshot of that name.
macro_rules! check {
    ($name:literal, $run:expr) => {
        insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
            insta::assert_snapshot!($name, $run)
        })
    };
}
pub(crate) use check;

/// One run of the binary.
pub(crate) struct Run {
    arguments: Vec<String>,
    stdin: Vec<u8>,
    variables: Vec<(&'static str, &'static str)>,
    folder: Option<PathBuf>,
}

/// Runs `fanout` with `arguments`, and nothing on standard input.
pub(crate) fn fanout<S: Into<String>>(arguments: impl IntoIterator<Item = S>) -> Run {
    let arguments = arguments.into_iter().map(Into::into).collect();
    Run { arguments, stdin: Vec::new(), variables: Vec::new(), folder: None }
}

/// Runs `fanout send` with `arguments`, separated by spaces, and an order as the data.
pub(crate) fn send(arguments: &str) -> Run {
    let words = arguments.split_whitespace();
    fanout(["send"].into_iter().chain(words).chain(["-d", r#"{"order":17}"#]))
}

impl Run {
    pub(crate) fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = bytes.into();
        self
    }

    pub(crate) fn variable(mut self, name: &'static str, value: &'static str) -> Self {
        self.variables.push((name, value));
        self
    }

    /// Runs it in this folder.
    pub(crate) fn within(mut self, folder: PathBuf) -> Self {
        self.folder = Some(folder);
        self
    }

    /// Runs it, and returns standard output, standard error and the exit code.
    pub(crate) fn raw(&self) -> (String, String, i32) {
        let mut command = command();
        if let Some(folder) = &self.folder {
            command.current_dir(folder);
        }
        let mut child = command
            .args(&self.arguments)
            .envs(self.variables.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // It may end before it has read all, or any of it.
        drop(child.stdin.take().unwrap().write_all(&self.stdin));
        let output = child.wait_with_output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (text(output.stdout), text(output.stderr), output.status.code().unwrap())
    }

    /// Runs it, and writes down what a person would have seen.
    pub(crate) fn seen(&self) -> String {
        let (stdout, stderr, code) = self.raw();
        let words: Vec<_> = self.arguments.iter().map(|word| quoted(word)).collect();
        let mut text = format!("$ fanout {}\n", words.join(" "));
        text.push_str(&stdout);
        if !stderr.is_empty() {
            text.push_str(&format!("[stderr]\n{stderr}"));
        }
        text.push_str(&format!("[exit code {code}]\n"));
        settled(&text)
    }
}

/// The binary, without what the environment of the tests would change.
pub(crate) fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fanout"));
    for name in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "COLUMNS", "HTTP_PROXY", "http_proxy"] {
        command.env_remove(name);
    }
    // By this the demonstration sees that cargo runs it.
    command.env_remove("CARGO");
    for name in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy"] {
        command.env_remove(name);
    }
    command
}

/// `fanout sandbox`, ended when dropped.
pub(crate) struct Sandbox {
    child: Child,
    pub(crate) http: String,
    pub(crate) grpc: String,
    log: Arc<Mutex<Vec<String>>>,
    asked: Mutex<usize>,
}

impl Sandbox {
    /// Starts both endpoints on free ports.
    pub(crate) fn start(arguments: &str) -> Self {
        let mut child = command()
            .arg("sandbox")
            .args(arguments.split_whitespace())
            .env("COLUMNS", "400")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut address = |scheme: &str| {
            let line = lines.next().unwrap().unwrap();
            let start = line.find(scheme).unwrap();
            let end = line[start + scheme.len()..].find('/').unwrap() + start + scheme.len();
            line[start..end].to_owned()
        };
        let (http, grpc) = (address("http://"), address("grpc://"));
        let log: Arc<Mutex<Vec<String>>> = Arc::default();
        let keep = Arc::clone(&log);
        // Keeps the pipe empty, so that the sandbox never waits for us.
        thread::spawn(move || lines.for_each(|line| keep.lock().unwrap().push(line.unwrap())));
        Self { child, http, grpc, log, asked: Mutex::new(0) }
    }

    /// What it received and took over HTTP: the payloads in the order of their answers. Waits for the log,
    /// which comes by a pipe, by a request of its own.
    pub(crate) fn taken(&self) -> Vec<String> {
        self.answered("200 OK")
    }

    /// As [`taken`](Self::taken), with this answer.
    pub(crate) fn answered(&self, status: &str) -> Vec<String> {
        let mark = format!("/status/204?{}", self.log.lock().unwrap().len());
        let run = fanout(["send", "-X", "GET", "--to", &format!("{}{mark}", self.http)]);
        assert_eq!(run.raw().2, 0, "{}", run.seen());
        let marks = |log: &[String]| log.iter().filter(|line| line.contains("/status/204")).count();
        let mut asked = self.asked.lock().unwrap();
        *asked += 1;
        until(|| marks(&self.log.lock().unwrap()) >= *asked);
        let log = self.log.lock().unwrap();
        let of = |line: &String| {
            let (content, answer) = line.rsplit_once("  -> ")?;
            // `http  POST /path  12 B  {"n":1}`
            let content = content.splitn(4, "  ").nth(3)?;
            (answer == status && !line.contains("/status/204")).then(|| content.to_owned())
        };
        log.iter().filter_map(of).collect()
    }

    /// Waits until so many requests have come.
    pub(crate) fn wait_for(&self, count: usize) {
        until(|| self.log.lock().unwrap().len() >= count);
    }

    /// The gRPC target that takes orders.
    pub(crate) fn place(&self) -> String {
        format!("{}/fanout.sandbox.v1.Orders/Place", self.grpc)
    }
}

/// Waits until it is so; a test that waits in vain fails.
fn until(is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(60), "waited in vain");
        thread::sleep(Duration::from_millis(1));
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Returns the address of a server that accepts connections and never says a word.
pub(crate) fn silent_server() -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        let mut held = Vec::new();
        for stream in listener.incoming() {
            held.push(stream);
        }
    });
    address
}

/// An address where nobody listens. A free port could become another test's in the meantime.
pub(crate) const CLOSED: &str = "127.0.0.1:1";

/// Takes out ports, times and ids, and keeps the columns where they were.
pub(crate) fn settled(text: &str) -> String {
    text.lines().map(|line| without_run(&without_times(&without_ports(line))) + "\n").collect()
}

/// `127.0.0.1:40123` becomes `127.0.0.1:#####`; free ports have five digits almost everywhere.
fn without_ports(line: &str) -> String {
    let mut parts = line.split("127.0.0.1:");
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let digits = part.len() - part.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        text.push_str("127.0.0.1:#####");
        text.push_str(&part[digits..]);
    }
    text
}

/// A measured time stands in a column of its own, or after a comma at the end of the first line.
/// One that was asked for stands elsewhere, and stays.
fn without_times(line: &str) -> String {
    let mut text = line.to_owned();
    for unit in [" ms", " s"] {
        let mut from = 0;
        while let Some(end) = text[from..].find(unit).map(|at| from + at + unit.len()) {
            let number = text[..end - unit.len()]
                .trim_end_matches(|c: char| c.is_ascii_digit() || c == '.')
                .len();
            let before = &text[..number];
            let is_number = number < end - unit.len();
            if is_number && before.ends_with("  ") {
                let room = end - before.trim_end().len();
                text.replace_range(before.trim_end().len()..end, &format!("{:>room$}", "TIME"));
                from = end;
            } else if is_number && before.ends_with(", ") && end == text.len() {
                text.replace_range(number..end, "TIME");
                break;
            } else {
                from = end;
            }
        }
    }
    without_limits(&text)
}

/// `3 records in 4.6 ms: `: how long a run took.
fn without_run(line: &str) -> String {
    let Some((before, rest)) = line.split_once(" in ") else { return line.to_owned() };
    match rest.split_once(" ms: ") {
        Some((_, after)) if before.ends_with(" records") => format!("{before} in TIME: {after}"),
        _ => line.to_owned(),
    }
}

/// `after 304 ms`: how long a limit of 300 ms took in the end.
fn without_limits(line: &str) -> String {
    let Some((before, rest)) = line.split_once("after ") else { return line.to_owned() };
    let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    match rest[digits..].strip_prefix(" ms") {
        Some(after) if digits == 3 => format!("{before}after ### ms{after}"),
        _ => line.to_owned(),
    }
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@=,%#".contains(c);
    if !word.is_empty() && word.chars().all(plain) { word.to_owned() } else { format!("'{word}'") }
}
