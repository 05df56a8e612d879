//! Connecting: name, TCP, proxy, TLS, all within one time limit.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};

use http::Uri;
use http::uri::Scheme;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::rt::TokioIo;
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tower_service::Service;

use crate::HttpVersion;
use crate::config::Settings;
use crate::downgrade::Downgraded;
use crate::endpoint::host_port;
use crate::event::{self, ConnectFailure, Event, Phase};
use crate::proxy::{Router, Via};
use crate::resolve::{Lookup, Resolver};
use crate::sniff::Sniffed;
use crate::stream::Stream;
use crate::tls::failure::{self, Ours, Refusal};
use crate::tls::{Tls, watch};

/// Makes connections for the pool.
#[derive(Clone)]
pub(crate) struct Connector {
    shared: Arc<Shared>,
    /// Where every connection goes, whatever host the URL of a request names.
    to: Option<Arc<Uri>>,
}

struct Shared {
    settings: Settings,
    tls: Tls,
    router: Router,
    lookup: Lookup,
    downgraded: Arc<Downgraded>,
}

impl Connector {
    pub(crate) fn new(
        settings: Settings,
        tls: Tls,
        router: Router,
        lookup: Lookup,
        downgraded: Arc<Downgraded>,
    ) -> Self {
        Self { shared: Arc::new(Shared { settings, tls, router, lookup, downgraded }), to: None }
    }

    /// The same, with connections to one place.
    pub(crate) fn connecting_to(&self, place: Uri) -> Self {
        Self { shared: Arc::clone(&self.shared), to: Some(Arc::new(place)) }
    }

    /// The same for places that nobody here named: guarded, and with nothing that is meant for one server.
    pub(crate) fn abroad(&self, downgraded: Arc<Downgraded>) -> Self {
        let Shared { settings, tls, router, lookup, .. } = &*self.shared;
        Self::new(*settings, tls.for_any_server(), router.clone(), lookup.guarded(), downgraded)
    }

    pub(crate) fn is_for_one_server(&self) -> bool {
        let tls = &self.shared.tls;
        self.to.is_some() || tls.has_identity() || tls.server_name().is_some()
    }

    pub(crate) fn lookup(&self) -> &Lookup {
        &self.shared.lookup
    }

    /// Where connections for `url` go.
    pub(crate) fn place<'a>(&'a self, url: &'a Uri) -> &'a Uri {
        self.to.as_deref().unwrap_or(url)
    }

    /// Returns the proxy on the way, and whether it is to forward the request as it is.
    pub(crate) fn via(&self, url: &Uri) -> Result<Option<(Via, bool)>, Event> {
        let Some(via) = self.shared.router.via(self.place(url))? else { return Ok(None) };
        // HTTP/2 has no form for a plain proxy that an HTTP/1.1 proxy would understand. And one that
        // forwards goes where the URL says.
        let version = self.shared.settings.version;
        let tunnel = url.scheme() == Some(&Scheme::HTTPS)
            || version == HttpVersion::Http2
            || self.to.is_some();
        Ok(Some((via, !tunnel)))
    }
}

impl Service<Uri> for Connector {
    type Response = TokioIo<Stream>;
    type Error = ConnectFailure;
    type Future = Pin<Box<dyn Future<Output = Result<TokioIo<Stream>, ConnectFailure>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ConnectFailure>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, destination: Uri) -> Self::Future {
        let connector = self.clone();
        Box::pin(async move {
            let phase = Arc::new(AtomicU8::new(Phase::Lookup as u8));
            let limit = connector.shared.settings.connect_timeout;
            let connecting = connector.connect(&destination, &phase);
            match tokio::time::timeout(limit, connecting).await {
                Ok(Ok(stream)) => Ok(TokioIo::new(stream)),
                Ok(Err(event)) => Err(ConnectFailure(event)),
                Err(_) => {
                    let phase = reached(&phase);
                    Err(ConnectFailure(Event::ConnectTimeout { limit, phase }))
                }
            }
        })
    }
}

impl Connector {
    async fn connect(&self, url: &Uri, phase: &Arc<AtomicU8>) -> Result<Stream, Event> {
        let (place, lookup) = (self.place(url), self.lookup());
        let (tcp, forwarded) = match self.via(url)? {
            None => (dial(place, phase, lookup).await?, false),
            Some((via, forwards)) => {
                lookup.check(place.host().unwrap_or_default())?;
                // The guard is not for the proxy, which is often inside.
                let lookup = &lookup.unguarded();
                match forwards {
                    false => (tunnel(via, place, phase, lookup).await?, false),
                    true => (dial(&via.uri, phase, lookup).await?, true),
                }
            }
        };
        if url.scheme() != Some(&Scheme::HTTPS) {
            return Ok(Stream::plain(tcp, forwarded));
        }
        let http1 = self.shared.downgraded.contains(&host_port(place));
        Arc::clone(&self.shared).handshake(tcp, url, http1, phase).await
    }
}

impl Shared {
    async fn handshake(
        self: Arc<Self>,
        tcp: TcpStream,
        url: &Uri,
        http1: bool,
        phase: &AtomicU8,
    ) -> Result<Stream, Event> {
        phase.store(Phase::Tls as u8, Ordering::Relaxed);
        let http1 = http1 && self.settings.version == HttpVersion::Negotiate;
        let config = match self.tls.ready(http1) {
            Some(config) => config,
            // The first time this may read and check some hundred certificates.
            None => {
                let shared = Arc::clone(&self);
                tokio::task::spawn_blocking(move || shared.tls.config(http1))
                    .await
                    .map_err(|_| Event::NoRoots("the reading was cut short".to_owned()))??
            }
        };
        let name = match self.tls.server_name() {
            Some(name) => name.clone(),
            None => {
                let host = url.host().unwrap_or_default();
                let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
                ServerName::try_from(host).map_err(|_| {
                    let why = "the host is no name that TLS can check";
                    Event::TlsRefused(Refusal::Other(why.to_owned()))
                })?
            }
        };
        let mut ours = Ours {
            identity: self.tls.has_identity(),
            asked: false,
            min_version: self.tls.min_version(),
        };
        let mut connecting =
            TlsConnector::from(config).connect(name, Sniffed::new(tcp)).into_fallible();
        let connected = poll_fn(|cx| {
            let (polled, asked) = watch(|| Pin::new(&mut connecting).poll(cx));
            ours.asked |= asked;
            polled
        });
        let tls = connected
            .await
            .map_err(|(error, io)| failure::of_handshake(&error, io.first(), ours))?;
        let agreed = tls.get_ref().1.alpn_protocol();
        if self.settings.version == HttpVersion::Http2 && agreed != Some(b"h2") {
            // RFC 9113 section 3.2: over TLS, HTTP/2 is spoken when it was agreed on and only then.
            return Err(Event::NoHttp2);
        }
        Ok(Stream::tls(tls, ours))
    }
}

/// Opens a TCP connection to the host and port of `uri`, racing IPv6 and IPv4 (RFC 8305).
async fn dial(uri: &Uri, phase: &Arc<AtomicU8>, lookup: &Lookup) -> Result<TcpStream, Event> {
    lookup.check(uri.host().unwrap_or_default())?;
    let connected = connector(phase, lookup).call(uri.clone()).await;
    connected.map(TokioIo::into_inner).map_err(|error| event::of_dial(&error))
}

/// Opens a tunnel through a proxy (RFC 9110 section 9.3.6).
async fn tunnel(
    via: Via,
    destination: &Uri,
    phase: &Arc<AtomicU8>,
    lookup: &Lookup,
) -> Result<TcpStream, Event> {
    let mut tunnel = Tunnel::new(via.uri, connector(phase, lookup));
    if let Some(auth) = via.auth {
        tunnel = tunnel.with_auth(auth);
    }
    // The port is written out, because the tunnel would take 443 for any scheme.
    let authority = host_port(destination);
    let target = Uri::builder()
        .scheme("https")
        .authority(authority)
        .path_and_query("/")
        .build()
        .map_err(|_| Event::BadRequest("the host cannot be named to a proxy".to_owned()))?;
    phase.store(Phase::Proxy as u8, Ordering::Relaxed);
    tunnel.call(target).await.map(TokioIo::into_inner).map_err(|error| {
        use std::error::Error as _;
        // hyper-util does not export the type of this error: its text is what tells the cases apart.
        match error.to_string() {
            text if text.contains("authorization required") => Event::ProxyAuth,
            text if text.contains("underlying connection") => match error.source() {
                Some(source) => event::of_dial(source),
                None => Event::ProxyRefused,
            },
            _ => Event::ProxyRefused,
        }
    })
}

fn connector(phase: &Arc<AtomicU8>, lookup: &Lookup) -> HttpConnector<Resolver> {
    let resolver = Resolver { phase: Arc::clone(phase), lookup: lookup.clone() };
    let mut connector = HttpConnector::new_with_resolver(resolver);
    connector.enforce_http(false);
    connector.set_nodelay(true);
    // A literal address has no lookup; the resolver sets the phase back when there is one.
    phase.store(Phase::Tcp as u8, Ordering::Relaxed);
    connector
}

fn reached(phase: &AtomicU8) -> Phase {
    match phase.load(Ordering::Relaxed) {
        p if p == Phase::Lookup as u8 => Phase::Lookup,
        p if p == Phase::Tcp as u8 => Phase::Tcp,
        p if p == Phase::Proxy as u8 => Phase::Proxy,
        _ => Phase::Tls,
    }
}
