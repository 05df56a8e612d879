//! nginx that asks its clients for a certificate, before an HTTP and a gRPC upstream.

use std::fs;
use std::net::TcpListener;
use std::process::Child;

use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};

use super::nginx::{POLL, nginx, share};
use super::openssl::{Authority, Pair};
use super::{PATIENCE, script};

/// A running server.
#[derive(Debug)]
pub(crate) struct Mutual {
    child: Child,
    directory: TempDir,
    pub(crate) port: u16,
}

impl Mutual {
    /// Starts it for clients of `authority`, before two ports of 127.0.0.1.
    pub(crate) async fn start(pair: &Pair, authority: &Authority, http: u16, grpc: u16) -> Self {
        // A free port is found by asking for it and giving it back: another process may be quicker.
        for _ in 0..5 {
            let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
            let port = listener.local_addr().expect("it is bound").port();
            let directory = TempDir::new().expect("a temporary directory");
            share(directory.path());
            let copy =
                |from, to| fs::copy(from, directory.path().join(to)).expect("it can be copied");
            copy(&pair.certificate, "cert.pem");
            copy(&pair.key, "key.pem");
            copy(&authority.file(), "ca.pem");
            let mut text = fs::read_to_string(script("mutual.conf")).expect("the configuration");
            let path = directory.path().to_str().expect("a path of UTF-8");
            text = text.replace("{DIR}", path);
            for (name, port) in [("{TLS}", port), ("{HTTP}", http), ("{GRPC}", grpc)] {
                text = text.replace(name, &port.to_string());
            }
            fs::write(directory.path().join("nginx.conf"), text).expect("it can be written");
            drop(listener);
            let child = nginx(directory.path()).spawn().expect("nginx is installed");
            let mut started = Self { child, directory, port };
            if started.is_ready().await {
                return started;
            }
        }
        panic!("nginx does not start");
    }

    /// Waits until the port answers; false when nginx ends instead.
    async fn is_ready(&mut self) -> bool {
        let start = Instant::now();
        while self.child.try_wait().expect("nginx is our child").is_none() {
            if TcpStream::connect(("127.0.0.1", self.port)).await.is_ok() {
                return true;
            }
            assert!(start.elapsed() < PATIENCE, "nginx listens");
            sleep(POLL).await;
        }
        false
    }
}

impl Drop for Mutual {
    fn drop(&mut self) {
        // Killing the master would leave its workers: it has to end them itself.
        let stopped = nginx(self.directory.path()).args(["-s", "stop"]).status();
        if !stopped.is_ok_and(|status| status.success()) {
            let _ended = self.child.kill().is_err();
        }
        let _reaped = self.child.wait().is_ok();
    }
}
