//! The HTTP fake for what wiremock can play: whole answers, at once or late.

use std::sync::atomic::{AtomicUsize, Ordering};

use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

use super::http_words::status;
use super::script::{Reach, Reply, Script, Unplayable, Watch};
use super::{Counters, Received};
use crate::harness::Endpoint;

/// An HTTP server by wiremock. It can play whole answers, at once or late; it cannot stall, close or
/// reset a connection, send trailers, or tell which calls are in flight.
#[derive(Debug)]
#[non_exhaustive]
pub struct WiremockFake;

impl WiremockFake {
    /// Starts a server on a free loopback port that plays `script` for every path.
    ///
    /// # Errors
    ///
    /// [`Unplayable`] for what wiremock cannot do: [`RawHttpFake`](super::RawHttpFake) can.
    pub async fn start(script: impl Into<Script>) -> Result<Endpoint, Unplayable> {
        let script = script.into();
        let refuse = |what: &str| Err(Unplayable { fake: FAKE, what: what.to_owned() });
        script.check_wire(FAKE)?;
        if script.reach != Reach::Listens {
            return refuse("a connection that does not come about");
        }
        if script.watch > Watch::Received {
            return refuse("which calls are in flight");
        }
        for answer in &script.answers {
            let code = status(FAKE, answer)?;
            if answer.reply == Reply::Garbage {
                return refuse("garbage");
            }
            if answer.cut.is_some() {
                return refuse("a connection that stalls, closes or is reset");
            }
            if answer.hangs_up {
                return refuse("a connection that closes after an answer");
            }
            if !answer.trailers.is_empty() {
                return refuse("trailers");
            }
            if code.is_some_and(|code| !(200..=999).contains(&code)) {
                return refuse("a status that is no final answer");
            }
        }
        let counters = Counters::new();
        let server = MockServer::start().await;
        let player = Player { script, calls: AtomicUsize::new(0), counters: counters.clone() };
        Mock::given(any()).respond_with(player).mount(&server).await;
        Ok(Endpoint::new(server.address().to_string(), counters, server))
    }
}

struct Player {
    script: Script,
    calls: AtomicUsize,
    counters: Counters,
}

impl Respond for Player {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let answer = self.script.answer(self.calls.fetch_add(1, Ordering::Relaxed));
        let mut received = Received::new(request.url.path(), request.body.clone());
        for (name, value) in &request.headers {
            let value = String::from_utf8_lossy(value.as_bytes());
            received = received.with_metadata(name.as_str(), &value);
        }
        self.counters.saw(received);
        let code = status(FAKE, answer).ok().flatten().expect("checked when the fake was made");
        let mut template = ResponseTemplate::new(code).set_delay(answer.delay);
        for (name, value) in &answer.metadata {
            template = template.append_header(name.as_str(), value.as_str());
        }
        template.set_body_bytes(answer.body.to_vec())
    }
}

const FAKE: &str = "wiremock";
