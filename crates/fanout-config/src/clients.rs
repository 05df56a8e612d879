//! Clients that sinks of equal settings share, and with them their connections.

use std::path::PathBuf;
use std::time::Duration;

use fanout::Error;
use fanout_net::auth::OAuth2;
use fanout_net::{Client, ClientBuilder, Endpoint, Guard, HttpVersion, Proxy, TlsVersion};

use crate::sink::Source;

/// All clients of one file, and what gets tokens over them.
#[derive(Default)]
pub(crate) struct Clients {
    clients: Vec<(Way, Client)>,
    tokens: Vec<(Source, OAuth2)>,
}

/// What tells one client from another. It may hold credentials, so it is never shown.
#[derive(Clone, PartialEq)]
pub(crate) struct Way {
    pub(crate) version: HttpVersion,
    pub(crate) connect_timeout: Option<Duration>,
    pub(crate) max_response_head: Option<usize>,
    pub(crate) via: Via,
    pub(crate) tls: Tls,
    pub(crate) guard: Option<Guard>,
}

/// Through which proxy, if any.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Via {
    Environment,
    Direct,
    Proxy { url: String, except: String },
}

impl Via {
    pub(crate) fn proxy(&self) -> Result<Proxy, Error> {
        match self {
            Self::Environment => Ok(Proxy::from_env()),
            Self::Direct => Ok(Proxy::none()),
            Self::Proxy { url, except } => Ok(Proxy::url(url)?.except(except)),
        }
    }
}

/// What is said about TLS. Files are read when a client is built.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Tls {
    pub(crate) ca: Option<PathBuf>,
    /// The certificate with its chain, and its key.
    pub(crate) identity: Option<(PathBuf, PathBuf)>,
    pub(crate) min_version: TlsVersion,
    pub(crate) server_name: Option<String>,
}

impl Tls {
    fn onto(&self, mut builder: ClientBuilder) -> ClientBuilder {
        if let Some(ca) = &self.ca {
            builder = builder.root_certificates_file(ca);
        }
        if let Some((cert, key)) = &self.identity {
            builder = builder.client_identity_files(cert, key);
        }
        if let Some(name) = &self.server_name {
            builder = builder.server_name(name);
        }
        builder.min_tls_version(self.min_version)
    }
}

impl Clients {
    /// The tokens of this source: those that are there already, or `new`.
    pub(crate) fn tokens(&mut self, source: Source, new: OAuth2) -> OAuth2 {
        if let Some((_, tokens)) = self.tokens.iter().find(|(known, _)| *known == source) {
            return tokens.clone();
        }
        self.tokens.push((source, new.clone()));
        new
    }

    pub(crate) fn client(&mut self, way: Way) -> Result<Client, Error> {
        if let Some((_, client)) = self.clients.iter().find(|(known, _)| *known == way) {
            return Ok(client.clone());
        }
        let mut builder = Client::builder().http_version(way.version).proxy(way.via.proxy()?);
        builder = way.tls.onto(builder);
        if let Some(bytes) = way.max_response_head {
            builder = builder.max_response_head(bytes);
        }
        if let Some(timeout) = way.connect_timeout {
            builder = builder.connect_timeout(timeout);
        }
        if let Some(guard) = &way.guard {
            builder = builder.guard(guard.clone());
        }
        let client = builder.build()?;
        self.clients.push((way, client.clone()));
        Ok(client)
    }
}

/// Whether the host is this machine, which no proxy can reach for us.
pub(crate) fn is_loopback(url: &str) -> bool {
    let url = match url.split_once("://") {
        Some((_, rest)) => format!("http://{rest}"),
        None => return false,
    };
    let Ok(endpoint) = Endpoint::parse(&url) else { return false };
    endpoint.is_loopback()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_is_known_by_its_names() {
        for (url, expected) in [
            ("http://localhost:8080/x", true),
            ("grpc://127.0.0.2:50051", true),
            ("https://[::1]/", true),
            ("https://example.com/?at=localhost", false),
            ("localhost", false),
        ] {
            assert_eq!(is_loopback(url), expected, "{url}");
        }
    }

    #[test]
    fn equal_settings_share_a_client() {
        let plain = || Way {
            version: HttpVersion::Negotiate,
            connect_timeout: None,
            max_response_head: None,
            via: Via::Environment,
            tls: Tls::default(),
            guard: None,
        };
        let through = |except: &str| Via::Proxy { url: "http://p".into(), except: except.into() };
        let allowing = Guard::new().allow("10.0.0.0/8").expect("it is a network");
        let mut clients = Clients::default();
        for _ in 0..2 {
            for way in [
                plain(),
                Way { version: HttpVersion::Http2, ..plain() },
                Way { connect_timeout: Some(Duration::from_secs(1)), ..plain() },
                Way { via: Via::Direct, ..plain() },
                Way { via: through(""), ..plain() },
                Way { via: through("localhost"), ..plain() },
                Way { max_response_head: Some(8192), ..plain() },
                Way { tls: Tls { min_version: TlsVersion::Tls13, ..Tls::default() }, ..plain() },
                Way { tls: Tls { server_name: Some("a".to_owned()), ..Tls::default() }, ..plain() },
                Way { guard: Some(Guard::new()), ..plain() },
                Way { guard: Some(allowing.clone()), ..plain() },
            ] {
                clients.client(way).expect("the client is plain");
            }
        }
        assert_eq!(clients.clients.len(), 11);
    }
}
