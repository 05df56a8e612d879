//! Connecting: name, TCP, proxy, TLS, all within one time limit.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};

use http::Uri;
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
use crate::stream::Stream;
use crate::tls::Tls;

/// Makes connections for the pool.
#[derive(Clone)]
pub(crate) struct Connector {
    shared: Arc<Shared>,
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
        Self { shared: Arc::new(Shared { settings, tls, router, lookup, downgraded }) }
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
        let shared = Arc::clone(&self.shared);
        Box::pin(async move {
            let phase = Arc::new(AtomicU8::new(Phase::Lookup as u8));
            let limit = shared.settings.connect_timeout;
            let connecting = Arc::clone(&shared).connect(&destination, &phase);
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

impl Shared {
    async fn connect(
        self: Arc<Self>,
        destination: &Uri,
        phase: &Arc<AtomicU8>,
    ) -> Result<Stream, Event> {
        let secure = destination.scheme_str() == Some("https");
        let via = self.router.via(destination)?;
        let (tcp, forwarded) = match via {
            None => (dial(destination, phase, &self.lookup).await?, false),
            // HTTP/2 has no form for a plain proxy that an HTTP/1.1 proxy would understand.
            Some(via) if secure || self.settings.version == HttpVersion::Http2 => {
                (tunnel(via, destination, phase, &self.lookup).await?, false)
            }
            Some(via) => (dial(&via.uri, phase, &self.lookup).await?, true),
        };
        if !secure {
            return Ok(Stream::plain(tcp, forwarded));
        }
        self.handshake(tcp, destination, phase).await
    }

    async fn handshake(
        self: Arc<Self>,
        tcp: TcpStream,
        destination: &Uri,
        phase: &AtomicU8,
    ) -> Result<Stream, Event> {
        phase.store(Phase::Tls as u8, Ordering::Relaxed);
        let http1 = self.settings.version == HttpVersion::Negotiate
            && self.downgraded.contains(&host_port(destination));
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
        let host = destination.host().unwrap_or_default();
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let name = ServerName::try_from(host)
            .map_err(|_| Event::Certificate("the host is no name that TLS can check".to_owned()))?;
        let tls = TlsConnector::from(config)
            .connect(name, tcp)
            .await
            .map_err(|error| event::of_handshake(&error))?;
        let agreed = tls.get_ref().1.alpn_protocol();
        if self.settings.version == HttpVersion::Http2 && agreed != Some(b"h2") {
            // RFC 9113 section 3.2: over TLS, HTTP/2 is spoken when it was agreed on and only then.
            return Err(Event::NoHttp2);
        }
        Ok(Stream::tls(tls))
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
