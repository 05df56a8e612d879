//! The HTTP fake for what wiremock cannot play: a server on bare TCP, master of every byte.

use std::io;
use std::sync::atomic::Ordering;

use fanout::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::Received;
use super::host::PATIENCE;
use super::http_words::status;
use super::script::{Answer, Cut, Reply, Script, Stage, Unplayable};
use super::server::Server;
use crate::harness::Endpoint;

/// An HTTP/1.1 server on bare TCP. It can stall, close and reset at every point, send half a body,
/// garbage and statuses that do not exist, close an idle connection, and count what is in flight.
#[derive(Debug)]
#[non_exhaustive]
pub struct RawHttpFake;

impl RawHttpFake {
    /// Starts a server on a free loopback port that plays `script` for every path.
    ///
    /// # Errors
    ///
    /// [`Unplayable`] for trailers, and for what goes on inside a sink.
    pub async fn start(script: impl Into<Script>) -> Result<Endpoint, Unplayable> {
        let script = script.into();
        script.check_wire(FAKE)?;
        for answer in &script.answers {
            if script.reach == super::script::Reach::Listens {
                status(FAKE, answer)?;
            }
            if !answer.trailers.is_empty() || matches!(answer.cut, Some((_, Stage::End))) {
                return Err(Unplayable { fake: FAKE, what: "trailers".to_owned() });
            }
        }
        Server::start(&script, |server, stream| async move {
            // The connection's end is the script's doing or the sink's.
            server.speak_http(stream).await.ok();
        })
    }
}

impl Server {
    /// Answers the requests of one connection, one after the other.
    async fn speak_http(&self, mut stream: TcpStream) -> io::Result<()> {
        let mut buffer = Vec::new();
        loop {
            let next = self.script.answer(self.calls.load(Ordering::SeqCst));
            if let Some((cut, Stage::Connected)) = next.cut {
                self.calls.fetch_add(1, Ordering::SeqCst);
                return cut_off(cut, stream).await;
            }
            let Some(request) = read_request(&mut stream, &mut buffer).await? else {
                return Ok(());
            };
            let answer = self.script.answer(self.calls.fetch_add(1, Ordering::SeqCst));
            let call = self.counters.begin(request);
            tokio::select! {
                () = tokio::time::sleep(answer.delay) => {}
                () = gone(&mut stream, &mut buffer) => return Ok(()),
            }
            let (head, body) = written(answer);
            let bytes = [head.as_bytes(), &body].concat();
            let Some((cut, stage)) = answer.cut else {
                stream.write_all(&bytes).await?;
                call.complete();
                if answer.hangs_up {
                    return hang_up(stream, &mut buffer).await;
                }
                if answer.reply == Reply::Garbage {
                    return Ok(());
                }
                continue;
            };
            let sent = match stage {
                Stage::Connected | Stage::Requested => 0,
                Stage::AfterBytes(count) => count.min(bytes.len()),
                Stage::HalfBody | Stage::End => head.len() + body.len() / 2,
            };
            stream.write_all(&bytes[..sent]).await?;
            if cut == Cut::Stall {
                gone(&mut stream, &mut buffer).await;
                return Ok(());
            }
            call.complete();
            return cut_off(cut, stream).await;
        }
    }
}

/// Closes, and waits for the other side to do the same: then it knows, and whoever waits for the end
/// of the connection need not guess when. One that never looks at an idle connection is not waited for
/// long.
async fn hang_up(mut stream: TcpStream, buffer: &mut Vec<u8>) -> io::Result<()> {
    stream.shutdown().await?;
    drop(tokio::time::timeout(PATIENCE, gone(&mut stream, buffer)).await);
    Ok(())
}

async fn cut_off(cut: Cut, mut stream: TcpStream) -> io::Result<()> {
    match cut {
        Cut::Stall => gone(&mut stream, &mut Vec::new()).await,
        Cut::Close => stream.shutdown().await?,
        Cut::Reset => stream.set_zero_linger()?,
    }
    Ok(())
}

/// The head and the body of an answer. Half a body needs one to halve.
fn written(answer: &Answer) -> (String, Bytes) {
    if answer.reply == Reply::Garbage {
        return (String::new(), answer.body.clone());
    }
    let code = status(FAKE, answer).ok().flatten().expect("checked when the fake was made");
    let mut body = answer.body.clone();
    if body.is_empty() && matches!(answer.cut, Some((_, Stage::HalfBody))) {
        body = Bytes::from_static(b"this body is cut in half");
    }
    let mut head = format!("HTTP/1.1 {code:03} Scripted\r\n");
    for (name, value) in &answer.metadata {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    // RFC 9112 section 6.3: these have no body, whatever their headers say.
    if !(matches!(code, 204 | 304) || (100..200).contains(&code)) {
        head.push_str(&format!("content-length: {}\r\n", body.len()));
    }
    head.push_str("\r\n");
    (head, body)
}

/// Returns when the other side is gone. What it still sends is kept.
async fn gone(stream: &mut TcpStream, buffer: &mut Vec<u8>) {
    while matches!(stream.read_buf(buffer).await, Ok(1..)) {}
}

/// Reads one request whole; `None` when the other side ended the connection before one began.
async fn read_request(
    stream: &mut TcpStream,
    buffer: &mut Vec<u8>,
) -> io::Result<Option<Received>> {
    let head_end = loop {
        if let Some(end) = find(buffer, b"\r\n\r\n") {
            break end + 4;
        }
        if stream.read_buf(buffer).await? == 0 {
            return Ok(None);
        }
    };
    let head = String::from_utf8_lossy(&buffer[..head_end]).into_owned();
    let mut lines = head.split("\r\n");
    let path = lines.next().and_then(|line| line.split(' ').nth(1)).unwrap_or_default().to_owned();
    let mut request = Received::new(path, Bytes::new());
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        request = request.with_metadata(name, value.trim());
    }
    let mut rest = buffer.split_off(head_end);
    let chunked = request.get("transfer-encoding").is_some_and(|coding| coding.contains("chunked"));
    let payload = if chunked {
        read_chunks(stream, &mut rest).await?
    } else {
        let length = request.get("content-length").and_then(|length| length.parse().ok());
        take(stream, &mut rest, length.unwrap_or(0)).await?
    };
    request.payload = payload.into();
    *buffer = rest;
    Ok(Some(request))
}

async fn read_chunks(stream: &mut TcpStream, rest: &mut Vec<u8>) -> io::Result<Vec<u8>> {
    let mut payload = Vec::new();
    loop {
        let line_end = loop {
            if let Some(end) = find(rest, b"\r\n") {
                break end + 2;
            }
            if stream.read_buf(rest).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        };
        let line = take(stream, rest, line_end).await?;
        let size = String::from_utf8_lossy(&line);
        let size = size.trim().split(';').next().unwrap_or_default();
        let size = usize::from_str_radix(size, 16).map_err(io::Error::other)?;
        let chunk = take(stream, rest, size + 2).await?;
        if size == 0 {
            return Ok(payload);
        }
        payload.extend_from_slice(&chunk[..size]);
    }
}

/// Takes so many bytes from the front of `rest`, and reads what is missing.
async fn take(stream: &mut TcpStream, rest: &mut Vec<u8>, count: usize) -> io::Result<Vec<u8>> {
    while rest.len() < count {
        if stream.read_buf(rest).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    let tail = rest.split_off(count);
    Ok(std::mem::replace(rest, tail))
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

const FAKE: &str = "the raw HTTP server";
