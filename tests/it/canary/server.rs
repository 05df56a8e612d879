//! A server that repeats what it likes, as its own thread, so that its logs are not ours.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What it does with a request.
#[derive(Clone)]
pub(crate) enum Play {
    /// Says this, then closes.
    Say(Vec<u8>),
    /// Says nothing and keeps the connection open for a while.
    Hang,
    /// Closes after it has read the request.
    Close,
}

/// A server on loopback; what it plays can be changed at any time.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    play: Arc<Mutex<Play>>,
}

impl Server {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let play = Arc::new(Mutex::new(Play::Close));
        let shared = Arc::clone(&play);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let play = shared.lock().expect("nobody panics here").clone();
                std::thread::spawn(move || serve(stream, play));
            }
        });
        Self { address, play }
    }

    pub(crate) fn plays(&self, play: Play) {
        *self.play.lock().expect("nobody panics here") = play;
    }
}

fn serve(mut stream: TcpStream, play: Play) {
    let mut request = Vec::new();
    let mut chunk = [0; 4096];
    while !is_whole(&request) {
        match stream.read(&mut chunk) {
            Ok(0) | Err(_) => return,
            Ok(read) => request.extend_from_slice(&chunk[..read]),
        }
    }
    match play {
        Play::Say(bytes) => {
            // A client that is gone is none of our business.
            let _gone = stream.write_all(&bytes).is_err();
        }
        Play::Hang => {
            let _unbounded = stream.set_read_timeout(Some(Duration::from_secs(5))).is_err();
            let _gone = stream.read(&mut chunk).is_err();
        }
        Play::Close => {}
    }
}

/// Whether head and body are there; the requests of the test have a length.
fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request).to_ascii_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.split_once("content-length: ").map_or("0", |(_, rest)| rest);
    let length = length.lines().next().and_then(|line| line.trim().parse().ok());
    body.len() >= length.unwrap_or(0)
}

/// An answer that repeats `secret` wherever an answer has room for it.
pub(crate) fn echo(status: u16, secret: &str) -> Play {
    let body = format!("{{\"error\":\"not {secret}\",\"sent\":\"Bearer {secret}\"}}");
    Play::Say(
        format!(
            "HTTP/1.1 {status} Not {secret}\r\ncontent-length: {}\r\nconnection: close\r\n\
             location: http://{secret}@other.example/{secret}?a={secret}#{secret}\r\n\
             www-authenticate: Bearer realm=\"{secret}\"\r\nretry-after: {secret}\r\ndate: {secret}\r\n\
             ratelimit: \"{secret}\";r=0;t=1\r\ndeprecation: {secret}\r\nsunset: {secret}\r\n\
             link: <http://x.example/?{secret}>; rel=\"successor-version\"\r\n\
             x-echo: {secret}\r\nset-cookie: a={secret}\r\ncontent-type: text/{secret}\r\n\r\n{body}",
            body.len()
        )
        .into_bytes(),
    )
}
