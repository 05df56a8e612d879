//! A server that repeats what it likes, as its own thread, so that its logs are not ours.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

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

/// An answer that repeats `secret` wherever an answer has room for it, in one of the forms that answers have.
pub(crate) fn echo(status: u16, secret: &str) -> Play {
    let json = serde_json::to_string(secret).expect("a text is JSON");
    let html = secret.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let percent = |set| utf8_percent_encode(secret, set).to_string();
    let form = match status % 5 {
        0 => json.trim_matches('"').to_owned(),
        1 => html.replace('"', "&quot;").replace('\'', "&#39;"),
        2 => percent(NON_ALPHANUMERIC),
        3 => BASE64_STANDARD.encode(secret),
        _ => json.trim_matches('"').replace('/', "\\/"),
    };
    // In an address nothing may stand as it is.
    let address = percent(NON_ALPHANUMERIC);
    let body = format!("{{\"error\":\"not {form}\",\"sent\":\"Bearer {form}\"}} {secret}");
    Play::Say(
        format!(
            "HTTP/1.1 {status} Not {secret}\r\ncontent-length: {}\r\nconnection: close\r\n\
             location: http://{secret}@other.example/{secret}?a={secret}#{secret}\r\n\
             www-authenticate: Bearer realm=\"{secret}\"\r\nproxy-authenticate: Basic realm=\"{form}\"\r\n\
             retry-after: {secret}\r\ndate: {secret}\r\n\
             ratelimit: \"{secret}\";r=0;t=1\r\ndeprecation: {secret}\r\ndeprecation: @1688169599\r\n\
             sunset: {secret}\r\nsunset: Sun, 30 Jun 2024 23:59:59 GMT\r\n\
             link: <http://x.example/{address}/v2?{secret}>; rel=\"successor-version\"\r\n\
             link: <http://{address}@x.example/{address}>; rel=\"deprecation\"\r\n\
             x-echo: {secret}\r\nset-cookie: a={secret}\r\ncontent-type: text/{form}\r\n\r\n{body}",
            body.len()
        )
        .into_bytes(),
    )
}
