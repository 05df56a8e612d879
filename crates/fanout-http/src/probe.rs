//! Looking at an endpoint without a message.

use std::time::Duration;

use bytes::Bytes;
#[cfg(feature = "tower")]
use fanout::ErrorKind;
use fanout::{ApiNotice, Effect, Error, Message, Status};
use fanout_net::{Endpoint, OutBody, PeerCertificate, read_to_limit_by};
use http::header::{CONTENT_TYPE, HeaderMap};
use http::{Method, Request};
use tokio::time::Instant;

use crate::sink::{Way, status_of};
use crate::{HttpSink, prove};

/// What an endpoint answered to a question that changes nothing.
#[derive(Clone, Debug)]
pub struct Probe {
    status: Status,
    api: Option<ApiNotice>,
}

impl Probe {
    /// Returns the status of the answer, whatever it is.
    pub fn status(&self) -> &Status {
        &self.status
    }

    /// Returns what the answer announces about the end of the API, if anything.
    pub fn api(&self) -> Option<&ApiNotice> {
        self.api.as_ref()
    }
}

/// Questions before any message: for start-up checks and for people.
impl HttpSink {
    /// Returns where requests go, query included.
    pub fn endpoint(&self) -> &Endpoint {
        &self.template.endpoint
    }

    /// Connects as a send would, sends nothing, and returns the certificate that the server shows, if there
    /// is TLS on the way.
    ///
    /// # Errors
    ///
    /// What a send would fail with before its request is written; and [`Build`](fanout::ErrorKind::Build) for a
    /// sink with a service in the place of the client, which connects by itself.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the connection.
    pub async fn reach(&self) -> Result<Option<PeerCertificate>, Error> {
        match &self.way {
            Way::Client(clients) => clients.own().reach(&self.template.endpoint).await,
            #[cfg(feature = "tower")]
            Way::Service(_) => Err(no_client()),
        }
    }

    /// Asks the endpoint by `OPTIONS`, with the headers and credentials of the sink, and without content.
    ///
    /// `OPTIONS` is safe: it asks for nothing to be done, and every server has an answer to it, be it 405.
    /// Credentials are fetched for it as for a send, so that wrong ones show. Redirects are not followed. It takes
    /// at most the sink's [`timeout`](crate::HttpSinkBuilder::timeout).
    ///
    /// # Errors
    ///
    /// What kept an answer from coming, effect `None`; a status is none of it. [`Build`](fanout::ErrorKind::Build) for
    /// a sink with a service in the place of the client.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future abandons the question.
    ///
    /// # Standards
    ///
    /// RFC 9110 sections 9.2.1 and 9.3.7.
    pub async fn probe(&self) -> Result<Probe, Error> {
        let client = match &self.way {
            Way::Client(clients) => clients.own(),
            #[cfg(feature = "tower")]
            Way::Service(_) => return Err(no_client()),
        };
        let deadline = Instant::now() + self.timeout;
        let mut request = Request::new(Bytes::new());
        *request.method_mut() = Method::OPTIONS;
        *request.uri_mut() = self.template.endpoint.uri().clone();
        *request.headers_mut() = self.question()?;
        let proofs = prove::prove(&self.credentials, &mut request, deadline).await?;
        let sent = client.send_by(request.map(OutBody::whole), Some(deadline)).await;
        let (head, body) =
            sent.map_err(|error| proofs.scrub(error).with_effect(Effect::None))?.into_parts();
        // So that the connection can be kept; what it says does not matter.
        let by = deadline.min(Instant::now() + BODY_TIME);
        let _ = read_to_limit_by(body, MAX_BODY, Some(by)).await;
        let api = self.life.read(&head.headers, &self.template.endpoint);
        Ok(Probe { status: status_of(head.status), api })
    }

    /// The headers of every request, but for those about content that is not there.
    fn question(&self) -> Result<HeaderMap, Error> {
        let mut headers = self.template.headers.clone();
        headers.remove(CONTENT_TYPE);
        if let Some(version) = &self.template.version {
            version.apply(&mut headers, &Message::bytes(Bytes::new()))?;
        }
        Ok(headers)
    }
}

#[cfg(feature = "tower")]
fn no_client() -> Error {
    Error::new(ErrorKind::Build, "the sink has a service in the place of a client")
}

const MAX_BODY: usize = 8 << 10;
const BODY_TIME: Duration = Duration::from_millis(500);
