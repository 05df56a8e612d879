//! nginx before an upstream.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::sleep;

use super::certificates::Certificates;
use super::{PATIENCE, script};

/// A running nginx; see `scripts/nginx.conf` for what each port does.
#[derive(Debug)]
pub(crate) struct Nginx {
    child: Child,
    directory: TempDir,
    /// Passes everything on.
    pub(crate) plain: u16,
    /// Closes each connection after one answer, and says so.
    pub(crate) once: u16,
    /// Closes an idle connection after 200 ms without a word.
    pub(crate) brief: u16,
    /// TLS with HTTP/2 and HTTP/1.1.
    pub(crate) tls: u16,
    /// TLS with HTTP/1.1.
    pub(crate) tls1: u16,
    status: u16,
}

/// A line of the access log.
#[derive(Debug)]
pub(crate) struct Access {
    pub(crate) protocol: String,
    pub(crate) status: u16,
    pub(crate) connection: u64,
    /// In seconds, by the clock of nginx.
    pub(crate) at: f64,
}

impl Nginx {
    /// Starts it before `upstream`, a port of 127.0.0.1.
    pub(crate) async fn start(upstream: u16, certificates: &Certificates) -> Self {
        // Free ports are found by asking for them and giving them back: another process may be
        // quicker, and then nginx ends at once.
        for _ in 0..5 {
            let mut nginx = Self::spawn(upstream, certificates);
            if nginx.is_ready().await {
                return nginx;
            }
            println!("nginx did not start: {}", nginx.read("error.log"));
        }
        panic!("nginx does not start");
    }

    fn spawn(upstream: u16, certificates: &Certificates) -> Self {
        let listeners: Vec<_> =
            (0..7).map(|_| TcpListener::bind("127.0.0.1:0").expect("a free port")).collect();
        let ports: Vec<u16> = listeners
            .iter()
            .map(|listener| listener.local_addr().expect("it is bound").port())
            .collect();
        let &[plain, once, brief, tls, tls1, status, nobody] = ports.as_slice() else {
            unreachable!("seven listeners have seven ports")
        };

        let directory = TempDir::new().expect("a temporary directory");
        share(directory.path());
        let copy = |from, to| fs::copy(from, directory.path().join(to)).expect("it can be copied");
        copy(certificates.certificate(), "cert.pem");
        copy(certificates.key(), "key.pem");
        let mut text = fs::read_to_string(script("nginx.conf")).expect("the configuration");
        let path = directory.path().to_str().expect("a path of UTF-8");
        text = text.replace("{DIR}", path);
        for (name, port) in [
            ("{PLAIN}", plain),
            ("{ONCE}", once),
            ("{BRIEF}", brief),
            ("{TLS}", tls),
            ("{TLS1}", tls1),
            ("{STATUS}", status),
            ("{NOBODY}", nobody),
            ("{UPSTREAM}", upstream),
        ] {
            text = text.replace(name, &port.to_string());
        }
        fs::write(directory.path().join("nginx.conf"), text).expect("it can be written");

        drop(listeners);
        let child = nginx(directory.path()).spawn().expect("nginx is installed");
        Self { child, directory, plain, once, brief, tls, tls1, status }
    }

    /// Waits until every port answers; false when nginx ends instead.
    async fn is_ready(&mut self) -> bool {
        let start = Instant::now();
        while self.child.try_wait().expect("nginx is our child").is_none() {
            // It binds all of them before a worker accepts on any.
            if self.open_connections().await.is_some() {
                return true;
            }
            assert!(start.elapsed() < PATIENCE, "nginx listens: {}", self.read("error.log"));
            sleep(POLL).await;
        }
        false
    }

    /// Waits until nginx has closed every connection of the clients.
    pub(crate) async fn all_closed(&self) {
        let start = Instant::now();
        // The connection that asks is one.
        while self.open_connections().await != Some(1) {
            assert!(start.elapsed() < PATIENCE, "nginx closes idle connections");
            sleep(POLL).await;
        }
    }

    /// Loads the configuration anew, and waits until the old worker has ended.
    pub(crate) async fn reload(&self) {
        let ended = |log: &str| log.matches("exited with code 0").count();
        let before = ended(&self.read("error.log"));
        let status = nginx(self.directory.path()).args(["-s", "reload"]).status();
        assert!(status.expect("nginx is installed").success(), "nginx takes the signal");
        let start = Instant::now();
        while ended(&self.read("error.log")) == before {
            assert!(start.elapsed() < PATIENCE, "the old worker ends");
            sleep(POLL).await;
        }
    }

    /// The access log, once it has `count` lines or more: a line is written after the answer.
    pub(crate) async fn accesses(&self, count: usize) -> Vec<Access> {
        let start = Instant::now();
        loop {
            let log = self.read("access.log");
            let accesses: Vec<_> = log.lines().map(Access::parse).collect();
            if accesses.len() >= count {
                return accesses;
            }
            assert!(start.elapsed() < PATIENCE, "{count} requests are logged: {log}");
            sleep(POLL).await;
        }
    }

    /// Asks `stub_status`, on a connection of its own.
    async fn open_connections(&self) -> Option<usize> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.status)).await.ok()?;
        stream.write_all(b"GET / HTTP/1.0\r\n\r\n").await.ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.ok()?;
        let (_, number) = answer.split_once("Active connections: ")?;
        number.split_whitespace().next()?.parse().ok()
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.directory.path().join(name)).unwrap_or_default()
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // Killing the master would leave its workers: it has to end them itself.
        let stopped = nginx(self.directory.path()).args(["-s", "stop"]).status();
        if !stopped.is_ok_and(|status| status.success()) {
            let _ended = self.child.kill().is_err();
        }
        let _reaped = self.child.wait().is_ok();
    }
}

impl Access {
    /// As `log_format` writes it.
    fn parse(line: &str) -> Self {
        let mut words = line.split(' ');
        let mut word = || words.next().expect("a line of the access log has four words or more");
        Self {
            protocol: word().to_owned(),
            status: word().parse().expect("a status"),
            connection: word().parse().expect("a connection"),
            at: word().parse().expect("a time"),
        }
    }
}

pub(super) fn nginx(directory: &Path) -> Command {
    let mut command = Command::new("nginx");
    // Daemons live where a user's PATH may not lead.
    let path = std::env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{path}:/usr/sbin:/usr/local/sbin"));
    command.arg("-p").arg(directory).arg("-c").arg(directory.join("nginx.conf"));
    // What it says before it has read where its log is.
    command.arg("-e").arg(directory.join("error.log"));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// Lets others in: started by root, nginx works as another user.
pub(super) fn share(directory: &Path) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(directory, fs::Permissions::from_mode(0o755)).expect("it is ours");
    }
}

pub(super) const POLL: Duration = Duration::from_millis(10);
