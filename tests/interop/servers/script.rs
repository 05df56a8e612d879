//! A server that a script runs, and what it says of each request.

use std::env;
use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::Value;
use tokio::sync::mpsc::{self, UnboundedReceiver};
use tokio::time::timeout;

use super::certificates::Certificates;
use super::front::Via;
use super::{PATIENCE, script};

/// A running script; see the scripts for what they print.
#[derive(Debug)]
pub(crate) struct Script {
    child: Child,
    port: u16,
    said: UnboundedReceiver<String>,
    /// What it has written to its standard error, for a diagnosis.
    errors: Arc<Mutex<String>>,
}

impl Script {
    /// Python's `http.server`, over TLS when there are certificates.
    pub(crate) async fn python(tls: Option<&Certificates>) -> Self {
        Self::start(python(), "http_server.py", tls).await
    }

    /// Node's `http`, or its `http2` over TLS.
    pub(crate) async fn node(tls: Option<&Certificates>) -> Self {
        Self::start(Command::new("node"), "http_server.mjs", tls).await
    }

    /// Python's `grpcio` with reflection, over TLS when there are certificates.
    pub(crate) async fn grpcio(tls: Option<&Certificates>) -> Self {
        Self::start(python(), "grpc_server.py", tls).await
    }

    async fn start(mut command: Command, name: &str, tls: Option<&Certificates>) -> Self {
        command.arg(script(name));
        if let Some(tls) = tls {
            command.arg(tls.certificate()).arg(tls.key());
        }
        Self::ready(command).await
    }

    /// Receives and signs webhooks with these keys, in Python or Node.
    pub(crate) async fn webhooks(via: Via, keys: [&str; 3]) -> Self {
        let (mut command, name) = match via {
            Via::Node => (Command::new("node"), "webhook_server.mjs"),
            Via::Python | Via::Nginx => (python(), "webhook_server.py"),
        };
        command.arg(script(name)).args(keys);
        Self::ready(command).await
    }

    /// Starts it, and waits until it says where it listens.
    async fn ready(command: Command) -> Self {
        let mut server = Self::spawn(command);
        let ready = server.next().await;
        server.port = ready["port"].as_u64().and_then(|port| port.try_into().ok()).expect("a port");
        server
    }

    /// `python -m http.server` as it comes, on HTTP/1.0.
    pub(crate) async fn python_as_it_comes() -> Self {
        let mut command = python();
        // An empty directory of its own would be one more thing to clean up; this one has files.
        command.args(["-u", "-m", "http.server", "0", "--bind", "127.0.0.1", "--directory"]);
        command.arg(script(""));
        let mut server = Self::spawn(command);
        // Serving HTTP on 127.0.0.1 port 41811 (http://127.0.0.1:41811/) ...
        let line = server.line().await;
        let port = line.split(' ').skip_while(|word| *word != "port").nth(1);
        server.port = port.and_then(|port| port.parse().ok()).expect("a port in the first line");
        server
    }

    fn spawn(mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?} cannot be started: {error}"));
        let stdout = child.stdout.take().expect("stdout is piped");
        let (sender, said) = mpsc::unbounded_channel();
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        let stderr = child.stderr.take().expect("stderr is piped");
        let errors = Arc::new(Mutex::new(String::new()));
        let kept = Arc::clone(&errors);
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                let mut kept = kept.lock().expect("nothing panics under this lock");
                kept.push_str(&line);
                kept.push('\n');
            }
        });
        Self { child, port: 0, said, errors }
    }

    /// The port of 127.0.0.1 where it listens.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The next thing that it says, which must come.
    pub(crate) async fn next(&mut self) -> Value {
        let line = self.line().await;
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
    }

    /// Ends it in order, and returns the number of things that it has said and that were not looked at.
    pub(crate) async fn end(&mut self) -> usize {
        drop(self.child.stdin.take());
        let mut unread = 0;
        while timeout(PATIENCE, self.said.recv()).await.expect("the server ends").is_some() {
            unread += 1;
        }
        unread
    }

    /// Ends it, as a crash would.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("the server lives");
        self.child.wait().expect("the server is our child");
    }

    async fn line(&mut self) -> String {
        let line = timeout(PATIENCE, self.said.recv()).await;
        line.ok().flatten().unwrap_or_else(|| {
            let errors = self.errors.lock().expect("nothing panics under this lock");
            panic!("the server says nothing more; its errors: {errors}")
        })
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        // An error means that it has ended already.
        let _ended = self.child.kill().is_err();
        let _reaped = self.child.wait().is_ok();
    }
}

/// The Python that has grpcio.
pub(crate) fn python() -> Command {
    Command::new(env::var_os("FANOUT_INTEROP_PYTHON").unwrap_or_else(|| OsString::from("python3")))
}
