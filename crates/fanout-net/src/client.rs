//! The client: one pool of connections, and the one way to send a request.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use fanout::{Error, ErrorKind, RetryAdvice};
use http::header::PROXY_AUTHORIZATION;
use http::{Request, Response, StatusCode, Uri};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::capture_connection;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::io::AsyncReadExt;
use tokio::time::{Instant, timeout, timeout_at};
use tower_service::Service;

use crate::auth::Scrub;
use crate::body::GatedBody;
use crate::config::{ClientBuilder, HttpVersion, Settings};
use crate::connect::Connector;
use crate::downgrade::Downgraded;
use crate::endpoint::host_port;
use crate::event::{self, Event, Place};
use crate::gate::Gate;
use crate::interim::{Interim, MAX_INTERIM};
use crate::proxy::{Proxy, Via};
use crate::resolve::Lookup;
use crate::tls::failure::Distrust;
use crate::tls::{PeerCertificate, Tls};
use crate::{Endpoint, InBody, OutBody, classify};

/// A pool of connections, and the way to send requests over them.
///
/// Cheap to clone; clones share the pool. Making one does no I/O. Connections are opened when they are
/// needed, inside a tokio runtime, and kept for the next request to the same origin.
///
/// Requests are never repeated, with one exception: one that was handed to a kept connection which
/// turned out to be closed, and of which nothing had been written, is moved to another connection.
///
/// A connection that answered 408 or 421 is not used again: the answer was about the connection. To a
/// server that resets a stream because it wants HTTP/1.1 for it, later connections speak that, where the
/// version is negotiated.
#[derive(Clone)]
pub struct Client {
    pool: legacy::Client<Connector, GatedBody>,
    connector: Connector,
    settings: Settings,
    downgraded: Arc<Downgraded>,
}

impl Client {
    /// Makes a client with the default settings, those of [`ClientBuilder`].
    pub fn new() -> Self {
        let settings = Settings::default();
        Self::of(settings, Tls::platform(settings.version), Proxy::default(), Lookup::default())
    }

    /// Begins a client with settings of one's own.
    pub fn builder() -> ClientBuilder {
        ClientBuilder::default()
    }

    /// Returns which version of HTTP the client speaks, for transports that need a certain one.
    pub fn http_version(&self) -> HttpVersion {
        self.settings.version
    }

    /// Returns whether the client has a [`Guard`](crate::Guard).
    pub fn is_guarded(&self) -> bool {
        self.connector.lookup().guard.is_some()
    }

    /// Says whether the client could ever connect to `endpoint`, for transports to tell early: when a sink
    /// is built, and not at the first message.
    ///
    /// Names are not looked up, so this protects nothing by itself; the guard judges every connection.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Forbidden`] when the client has a guard that refuses the host as it is written;
    /// [`ErrorKind::Build`] when it has one and the environment names a proxy for the endpoint.
    pub fn admits(&self, endpoint: &Endpoint) -> Result<(), Error> {
        if !self.is_guarded() {
            return Ok(());
        }
        let judged = match self.connector.via(endpoint.uri()) {
            Ok(_) => {
                let place = self.connector.place(endpoint.uri());
                self.connector.lookup().check(place.host().unwrap_or_default())
            }
            Err(event) => Err(event),
        };
        let place =
            Place { endpoint: host_port(self.connector.place(endpoint.uri())), proxy: None };
        judged.map_err(|event| classify::error(event, &place))
    }

    pub(crate) fn of(settings: Settings, tls: Tls, proxy: Proxy, lookup: Lookup) -> Self {
        let router = match lookup.guard {
            Some(_) => proxy.into_guarded_router(),
            None => proxy.into_router(),
        };
        let downgraded = Arc::<Downgraded>::default();
        let connector = Connector::new(settings, tls, router, lookup, Arc::clone(&downgraded));
        Self::with(connector, settings, downgraded)
    }

    fn with(connector: Connector, settings: Settings, downgraded: Arc<Downgraded>) -> Self {
        let mut builder = legacy::Client::builder(TokioExecutor::new());
        builder
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(settings.pool_idle_timeout)
            .pool_max_idle_per_host(settings.max_idle_per_host)
            .retry_canceled_requests(true)
            .http2_only(settings.version == HttpVersion::Http2)
            .http2_adaptive_window(true)
            // Of a head as it comes; it is also how much of a body is read at once.
            .http1_max_buf_size(settings.max_response_head)
            .http1_max_headers(MAX_RESPONSE_FIELDS)
            .http2_max_header_list_size(
                u32::try_from(settings.max_response_head).unwrap_or(u32::MAX),
            )
            .http2_keep_alive_interval(settings.keep_alive)
            .http2_keep_alive_timeout(PING_TIMEOUT)
            // Every request that is dropped resets its stream. h2 would take many of those for an
            // attack by the peer and close the connection under everybody else.
            .http2_max_local_error_reset_streams(None);
        Self { pool: builder.build(connector.clone()), connector, settings, downgraded }
    }

    /// Returns a client with the same settings, and a pool of its own whose connections all go to the host
    /// and port of `endpoint`, whatever host the URLs of requests name.
    ///
    /// For transports that let a request name another host than the one that it is sent to. Over TLS the
    /// server must prove to be the host that the request names, unless a
    /// [server name](ClientBuilder::server_name) is set. A proxy opens a tunnel, even for plain requests.
    #[must_use]
    pub fn connecting_to(&self, endpoint: &Endpoint) -> Self {
        let connector = self.connector.connecting_to(endpoint.uri().clone());
        Self::with(connector, self.settings, Arc::clone(&self.downgraded))
    }

    /// Returns a client with the same settings for places that none of its users named, such as those that a
    /// redirect leads to; it has a pool of its own.
    ///
    /// What was meant for one server stays behind: it shows no client certificate, the server must prove to
    /// be the host of the URL, and connections go there. It has a guard, the same or the
    /// [standard](crate::Guard::new) one. Through a proxy, which looks names up by itself, that one judges hosts
    /// as they are written, and the proxy is not judged.
    #[must_use]
    pub fn abroad(&self) -> Self {
        let downgraded = Arc::<Downgraded>::default();
        let connector = self.connector.abroad(Arc::clone(&downgraded));
        Self::with(connector, self.settings, downgraded)
    }

    /// Returns whether the client has a certificate to show, or a server name: settings of TLS that are
    /// meant for one server.
    pub fn is_for_one_server(&self) -> bool {
        self.connector.is_for_one_server()
    }

    /// Connects to `endpoint`, as a request would, and returns the certificate that the server shows.
    ///
    /// No request is sent, and the connection is closed. Where the server asks for a certificate of ours,
    /// the call waits up to half a second longer for its judgement, which comes late or, when it is good,
    /// not at all.
    ///
    /// # Errors
    ///
    /// What a request would fail with before it is written, effect `None`:
    /// [`Connect`](ErrorKind::Connect), [`Tls`](ErrorKind::Tls) for a certificate that is not accepted, on
    /// either side, [`Timeout`](ErrorKind::Timeout) of scope `connect`; and [`Build`](ErrorKind::Build)
    /// when the URL is not `https`.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the connection.
    pub async fn certificate(&self, endpoint: &Endpoint) -> Result<PeerCertificate, Error> {
        if !endpoint.is_tls() {
            let text = "the URL is without TLS, so the server shows no certificate";
            return Err(Error::new(ErrorKind::Build, text));
        }
        let place = self.place(endpoint.uri())?;
        let failed = |event| classify::error(event, &place);
        let connecting = self.connector.clone().call(endpoint.uri().clone());
        let mut stream = connecting.await.map_err(|failure| failed(failure.0))?.into_inner();
        let certificate = stream.certificate().ok_or_else(|| {
            failed(Event::Certificate(Distrust::Unfit("it cannot be read".to_owned())))
        })?;
        if stream.asked_who_we_are() {
            // What comes is of HTTP/2, or nothing, or the refusal.
            let read = timeout(JUDGEMENT, stream.read(&mut [0; 1])).await;
            if let Ok(Err(error)) = read
                && let Event::TlsRefused(refusal) = event::of_io(&error, false)
            {
                return Err(failed(Event::TlsRefused(refusal)));
            }
        }
        Ok(certificate)
    }

    /// Returns what takes the credentials of the proxy on the way to `url` out of a text: for transports,
    /// because an answer may be that of the proxy. It is empty where there is no proxy, or one without
    /// credentials.
    #[must_use]
    pub fn proxy_secrets(&self, url: &Uri) -> Scrub {
        let mut scrub = Scrub::default();
        if let Ok(Some((Via { auth: Some(auth), .. }, _))) = self.connector.via(url) {
            scrub.add_basic(&auth);
        }
        scrub
    }

    /// Connects to `endpoint`, as a request would, and returns the certificate that the server shows, if
    /// there is TLS on the way.
    ///
    /// No request is sent, and the connection is closed.
    ///
    /// # Errors
    ///
    /// As [`certificate`](Self::certificate), but for URLs that are not `https`.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the connection.
    pub async fn reach(&self, endpoint: &Endpoint) -> Result<Option<PeerCertificate>, Error> {
        if endpoint.is_tls() {
            return self.certificate(endpoint).await.map(Some);
        }
        let place = self.place(endpoint.uri())?;
        let connecting = self.connector.clone().call(endpoint.uri().clone());
        connecting.await.map_err(|failure| classify::error(failure.0, &place))?;
        Ok(None)
    }

    fn place(&self, url: &Uri) -> Result<Place, Error> {
        let mut place = Place { endpoint: host_port(self.connector.place(url)), proxy: None };
        let via = self.connector.via(url).map_err(|event| classify::error(event, &place))?;
        place.proxy = via.map(|(via, _)| host_port(&via.uri));
        Ok(place)
    }

    /// Sends a request and returns the head of the answer, with its body still to be read.
    ///
    /// The URL must be absolute; [`Endpoint`](crate::Endpoint) makes sure of that.
    ///
    /// # Errors
    ///
    /// Any failure below HTTP, classified: [`Connect`](ErrorKind::Connect), [`Tls`](ErrorKind::Tls) and
    /// [`Timeout`](ErrorKind::Timeout) of scope `connect` before there is a connection;
    /// [`Interrupted`](ErrorKind::Interrupted), [`Unavailable`](ErrorKind::Unavailable),
    /// [`Throttled`](ErrorKind::Throttled) and [`Protocol`](ErrorKind::Protocol) after. An answer with
    /// any status is no error here.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future abandons the request: it closes the HTTP/1 connection or resets the HTTP/2
    /// stream, and what was not written by then is never sent whole.
    pub async fn send(&self, request: Request<OutBody>) -> Result<Response<InBody>, Error> {
        self.send_by(request, None).await
    }

    /// Sends as [`send`](Self::send) does, and gives up at `deadline`.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send); and [`Timeout`](ErrorKind::Timeout) of scope `attempt` when there is no
    /// head by `deadline`, with effect `None` if nothing of the request had been written.
    ///
    /// # Cancel safety
    ///
    /// As [`send`](Self::send).
    pub async fn send_by(
        &self,
        request: Request<OutBody>,
        deadline: Option<Instant>,
    ) -> Result<Response<InBody>, Error> {
        let started = Instant::now();
        let (mut parts, body) = request.into_parts();
        check(&parts.uri)?;
        let mut place =
            Place { endpoint: host_port(self.connector.place(&parts.uri)), proxy: None };
        let via = self.connector.via(&parts.uri).map_err(|event| classify::error(event, &place))?;
        if let Some((via, forwarded)) = via {
            place.proxy = Some(host_port(&via.uri));
            // In a tunnel the proxy gets its credentials with `CONNECT`, and the destination must
            // never see them.
            if let (Some(auth), true) = (via.auth, forwarded) {
                parts.headers.insert(PROXY_AUTHORIZATION, auth);
            }
        }

        let is_empty = body.is_empty();
        let (body, gate) = body.gated();
        let mut request = Request::from_parts(parts, body);
        let connection = capture_connection(&mut request);
        let interim = Interim::watch(&mut request);
        let mut unseen = is_empty;
        let mut sending = self.pool.request(request);
        let closing = CloseOnDrop(Arc::clone(&gate));
        let answered = poll_fn(|cx| {
            let polled = Pin::new(&mut sending).poll(cx);
            // A request without a body is whole with its head, and on HTTP/2 a head cannot be held
            // back once hyper has begun it. So it counts as sent from the poll in which it was handed
            // to a connection: a drop can come only after that poll.
            if unseen && connection.connection_metadata().is_some() {
                unseen = false;
                gate.open();
            }
            match polled {
                Poll::Pending if interim.is_flood(cx) => Poll::Ready(None),
                polled => polled.map(Some),
            }
        });
        let result = match deadline {
            None => answered.await,
            Some(deadline) => match timeout_at(deadline, answered).await {
                Ok(result) => result,
                Err(_) => {
                    let written = !gate.close();
                    let after = started.elapsed();
                    return Err(classify::error(Event::OutOfTime { after, written }, &place));
                }
            },
        };
        drop(closing);
        let Some(result) = result else {
            let detail = format!("more than {MAX_INTERIM} informational answers (1xx)");
            let written = gate.is_open();
            return Err(classify::error(Event::OutOfBounds { detail, written }, &place));
        };
        match result {
            Ok(response) => {
                if is_about_the_connection(response.status())
                    && let Some(connection) = connection.connection_metadata().as_ref()
                {
                    connection.poison();
                }
                Ok(response.map(|incoming| InBody::new(incoming, place)))
            }
            Err(error) => {
                let event = event::of_request(&error, gate.is_open());
                let wants_http1 = event == Event::Http11Required;
                let error = classify::error(event, &place);
                if !wants_http1 {
                    return Err(error);
                }
                if self.settings.version != HttpVersion::Negotiate {
                    // This client speaks nothing else, so another attempt would end the same way.
                    return Err(error.with_advice(RetryAdvice::OtherSink));
                }
                // The next connection will not offer HTTP/2, and this one is not used again.
                self.downgraded.add(&place.endpoint);
                if let Some(connection) = connection.connection_metadata().as_ref() {
                    connection.poison();
                }
                Err(error)
            }
        }
    }
}

impl Default for Client {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("version", &self.settings.version).finish_non_exhaustive()
    }
}

/// Shuts the gate when the send is dropped, so that hyper's own task writes nothing any more.
struct CloseOnDrop(Arc<Gate>);

impl Drop for CloseOnDrop {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// Whether the same request would fare better on another connection, so that this one must not be kept.
///
/// RFC 9110 section 15.5.9: a server that says 408 means to close the connection. Section 15.5.20:
/// after a 421 the request may be repeated over a different one.
fn is_about_the_connection(status: StatusCode) -> bool {
    matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::MISDIRECTED_REQUEST)
}

fn check(uri: &Uri) -> Result<(), Error> {
    let known = matches!(uri.scheme_str(), Some("http" | "https"));
    let plain = uri.authority().is_some_and(|authority| !authority.as_str().contains('@'));
    if known && plain {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Build, "the URL must be absolute, http or https, without user name"))
}

/// How many fields the head of an answer has at most.
pub(crate) const MAX_RESPONSE_FIELDS: usize = 100;

/// How long a server that asked for our certificate has to refuse it, once ours is the last word of the
/// handshake.
const JUDGEMENT: Duration = Duration::from_millis(500);

/// How long the other side has to answer an HTTP/2 ping.
const PING_TIMEOUT: Duration = Duration::from_secs(5);
