//! The HTTP fakes do on the wire what their scripts say, and refuse what they cannot do.

use std::io::ErrorKind as Io;
use std::time::Duration;

use fanout::ErrorKind;
use fanout_conformance::Endpoint;
use fanout_conformance::fakes::{Answer, RawHttpFake, Script, Stage, Watch, WiremockFake};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How a connection ended, as a client on bare TCP sees it.
#[derive(Debug, PartialEq, Eq)]
enum End {
    Closed,
    Reset,
    Silent,
}

async fn ask(endpoint: &Endpoint) -> (String, End) {
    let request = "POST /orders HTTP/1.1\r\nhost: fake\r\ncontent-length: 5\r\n\r\nhello";
    // A reset is told once, to whoever asks first: it may come before the first byte is read.
    let sent = async {
        let mut stream = TcpStream::connect(endpoint.address()).await?;
        stream.write_all(request.as_bytes()).await.map(|()| stream)
    };
    let mut stream = match sent.await {
        Ok(stream) => stream,
        Err(error) if error.kind() == Io::ConnectionReset => return (String::new(), End::Reset),
        Err(error) => panic!("{error}"),
    };
    let mut answer = Vec::new();
    loop {
        match timeout(Duration::from_millis(300), stream.read_buf(&mut answer)).await {
            Ok(Ok(0)) => return (text(&answer), End::Closed),
            Ok(Ok(_)) => {}
            Ok(Err(error)) if error.kind() == Io::ConnectionReset => {
                return (text(&answer), End::Reset);
            }
            Ok(Err(error)) => panic!("{error}"),
            Err(_) => return (text(&answer), End::Silent),
        }
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[tokio::test]
async fn the_raw_server_cuts_where_it_is_told() {
    let answer = || Answer::respond("0123456789");
    let head = "HTTP/1.1 200 Scripted\r\ncontent-length: 10\r\n\r\n";
    let half = format!("{head}01234");
    for (script, wanted, end) in [
        (answer(), format!("{head}0123456789"), End::Silent),
        (answer().hangs_up(), format!("{head}0123456789"), End::Closed),
        (answer().stalls(Stage::Requested), String::new(), End::Silent),
        (answer().closes(Stage::Requested), String::new(), End::Closed),
        (answer().resets(Stage::Requested), String::new(), End::Reset),
        (answer().stalls(Stage::Connected), String::new(), End::Silent),
        (answer().resets(Stage::Connected), String::new(), End::Reset),
        (answer().closes(Stage::AfterBytes(8)), "HTTP/1.1".to_owned(), End::Closed),
        (answer().stalls(Stage::HalfBody), half.clone(), End::Silent),
        (answer().closes(Stage::HalfBody), half, End::Closed),
    ] {
        let shown = format!("{script:?}");
        let endpoint = RawHttpFake::start(script).await.unwrap();
        assert_eq!(ask(&endpoint).await, (wanted, end), "{shown}");
    }
}

#[tokio::test]
async fn the_raw_server_follows_its_script_from_call_to_call() {
    let script = Script::given([
        Answer::fail(ErrorKind::Throttled).with_metadata("retry-after", "7"),
        Answer::status(204),
        Answer::garbage(),
    ]);
    let endpoint = RawHttpFake::start(script).await.unwrap();
    let (throttled, _) = ask(&endpoint).await;
    assert!(throttled.starts_with("HTTP/1.1 429 ") && throttled.contains("retry-after: 7\r\n"));
    let (empty, _) = ask(&endpoint).await;
    assert_eq!(empty, "HTTP/1.1 204 Scripted\r\n\r\n");
    for _ in 0..2 {
        let (garbage, end) = ask(&endpoint).await;
        assert!(!garbage.is_empty() && !garbage.starts_with("HTTP"), "{garbage}");
        assert_eq!(end, End::Closed);
    }
}

#[tokio::test]
async fn connections_can_be_refused_and_ignored() {
    let nobody = RawHttpFake::start(Script::nobody_listens()).await.unwrap();
    let refused = TcpStream::connect(nobody.address()).await.unwrap_err();
    assert_eq!(refused.kind(), Io::ConnectionRefused);
    let ignoring = RawHttpFake::start(Script::never_connects()).await.unwrap();
    let connecting = timeout(Duration::from_millis(200), TcpStream::connect(ignoring.address()));
    assert!(connecting.await.is_err(), "neither accepted nor refused");
}

#[tokio::test]
async fn wiremock_refuses_what_it_cannot_play() {
    let refused = [
        (Script::from(Answer::stall()), "a connection that stalls, closes or is reset"),
        (Script::from(Answer::garbage()), "garbage"),
        (Script::from(Answer::respond("").hangs_up()), "a connection that closes after an answer"),
        (Script::from(Answer::respond("").with_trailer("a", "b")), "trailers"),
        (Script::from(Answer::status(0)), "a status that is no final answer"),
        (Script::nobody_listens(), "a connection that does not come about"),
        (Script::from(Answer::respond("")).watch(Watch::Calls), "which calls are in flight"),
        (Script::unavailable(), "a sink that says it is not available"),
        (Script::from(Answer::panic()), "a panic of the sink"),
        (Script::from(Answer::fail(ErrorKind::Tls)), "a failure of kind tls"),
    ];
    for (script, what) in refused {
        let error = WiremockFake::start(script).await.unwrap_err();
        assert_eq!(error.to_string(), format!("wiremock cannot play: {what}"));
    }
}
