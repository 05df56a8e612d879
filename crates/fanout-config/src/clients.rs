//! Clients that sinks of equal settings share, and with them their connections.

use std::time::Duration;

use fanout::Error;
use fanout_net::{Client, Endpoint, Guard, HttpVersion, Proxy};

/// All clients of one file.
#[derive(Default)]
pub(crate) struct Clients(Vec<(Way, Client)>);

/// What tells one client from another.
#[derive(PartialEq, Eq)]
struct Way {
    version: HttpVersion,
    /// Past any proxy of the environment.
    direct: bool,
    connect_timeout: Option<Duration>,
    guard: Option<Guard>,
}

impl Clients {
    pub(crate) fn http(
        &mut self,
        direct: bool,
        connect_timeout: Option<Duration>,
        guard: Option<Guard>,
    ) -> Result<Client, Error> {
        self.client(Way { version: HttpVersion::Negotiate, direct, connect_timeout, guard })
    }

    pub(crate) fn grpc(&mut self, direct: bool, guard: Option<Guard>) -> Result<Client, Error> {
        self.client(Way { version: HttpVersion::Http2, direct, connect_timeout: None, guard })
    }

    fn client(&mut self, way: Way) -> Result<Client, Error> {
        if let Some((_, client)) = self.0.iter().find(|(known, _)| *known == way) {
            return Ok(client.clone());
        }
        let mut builder = Client::builder().http_version(way.version);
        if way.direct {
            builder = builder.proxy(Proxy::none());
        }
        if let Some(timeout) = way.connect_timeout {
            builder = builder.connect_timeout(timeout);
        }
        if let Some(guard) = &way.guard {
            builder = builder.guard(guard.clone());
        }
        let client = builder.build()?;
        self.0.push((way, client.clone()));
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
        let mut clients = Clients::default();
        let second = Some(Duration::from_secs(1));
        for (direct, timeout) in [(false, None), (false, None), (true, None), (false, second)] {
            clients.http(direct, timeout, None).expect("the client is plain");
        }
        let guard = || Some(Guard::new());
        for guard in [None, guard(), guard()] {
            clients.grpc(false, guard).expect("the client is plain");
        }
        assert_eq!(clients.0.len(), 5);
    }
}
