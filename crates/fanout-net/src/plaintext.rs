//! Plain text leaves this machine only when somebody said so.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use fanout::{Error, ErrorKind};

use crate::Endpoint;

impl Endpoint {
    /// Returns whether the host is this machine by its spelling alone: an address of `127.0.0.0/8`, `[::1]`,
    /// `localhost`, or a name under `localhost`.
    ///
    /// Pure: no name is looked up. The names are held to it when a connection is made: a
    /// [`Client`](crate::Client) never asks anyone for them and connects to `127.0.0.1` and `::1` alone.
    /// Whatever only might be this machine is not: `127.1`, `0.0.0.0`, `[::ffff:127.0.0.1]`.
    ///
    /// # Standards
    ///
    /// RFC 6761 section 6.3 for the names; RFC 1122 section 3.2.1.3 and RFC 4291 section 2.5.3 for the
    /// addresses.
    pub fn is_loopback(&self) -> bool {
        is_loopback(self.host())
    }

    /// Refuses a URL without TLS, unless its host is this machine.
    ///
    /// The rule of every transport: what a message and its credentials say is for whoever listens on the
    /// way, and an answer can be made up by anyone there. Transports ask it when they are built, unless
    /// their user allowed plain text in so many words.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Build`] when the URL is not encrypted and the host [is not this
    /// machine](Self::is_loopback). The text names the host and says what to do.
    pub fn refuse_plaintext(&self) -> Result<(), Error> {
        if self.is_tls() || self.is_loopback() {
            return Ok(());
        }
        let (plain, safe) = if self.is_grpc() { ("grpc", "grpcs") } else { ("http", "https") };
        let host = self.host();
        Err(Error::new(
            ErrorKind::Build,
            format!(
                "{plain}:// to {host} would send the message and its credentials unencrypted: \
                 use {safe}://, or allow it with allow_plaintext"
            ),
        ))
    }
}

/// Whether the host of a URL is this machine; an IPv6 address has its brackets.
pub(crate) fn is_loopback(host: &str) -> bool {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    // `IpAddr` takes four decimal numbers and nothing odder, and no mapped address is a loopback.
    bare.parse().map_or_else(|_| is_localhost(bare), |address: IpAddr| address.is_loopback())
}

/// Whether a host name is `localhost` or under it, with or without the dot of the root.
pub(crate) fn is_localhost(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    let mut labels = name.rsplit('.');
    labels.next().is_some_and(|label| label.eq_ignore_ascii_case("localhost"))
        && labels.all(|label| !label.is_empty())
}

/// What `localhost` is, whatever a resolver would say (RFC 6761 section 6.3).
///
/// IPv4 last: when nobody listens at either, its refusal is what the error tells.
pub(crate) const LOCALHOST: [IpAddr; 2] =
    [IpAddr::V6(Ipv6Addr::LOCALHOST), IpAddr::V4(Ipv4Addr::LOCALHOST)];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_is_known_by_its_exact_spelling() {
        let yes = [
            "127.0.0.1",
            "127.0.0.2",
            "127.255.255.254",
            "[::1]",
            "[0:0:0:0:0:0:0:1]",
            "localhost",
            "LOCALHOST",
            "LocalHost",
            "localhost.",
            "api.localhost",
            "a.b.LocalHost.",
        ];
        let no = [
            "127.1",
            "127.0.1",
            "127.0.0.1.",
            "127.0.0.01",
            "0127.0.0.1",
            "0x7f.0.0.1",
            "0x7f000001",
            "2130706433",
            "017700000001",
            "0",
            "0.0.0.0",
            "[::]",
            "[::ffff:127.0.0.1]",
            "[::127.0.0.1]",
            "[64:ff9b::127.0.0.1]",
            "[2002:7f00:1::]",
            "[fe80::1]",
            "126.255.255.255",
            "128.0.0.1",
            "10.0.0.1",
            "169.254.169.254",
            "localhost.example",
            "localhost.localdomain",
            "localhost6",
            "localhostx",
            "localhost-1",
            "xlocalhost",
            "not-localhost",
            "localhost..",
            ".localhost",
            "a..localhost",
            "127.0.0.1.nip.io",
            "ip6-localhost",
            "api.example.com",
        ];
        for (hosts, expected) in [(&yes[..], true), (&no, false)] {
            for host in hosts {
                for port in ["", ":8080"] {
                    let parse =
                        |scheme: &str| Endpoint::parse(&format!("{scheme}://{host}{port}/"));
                    let plain = parse("http").unwrap_or_else(|error| panic!("{host}: {error}"));
                    assert_eq!(plain.is_loopback(), expected, "{host}");
                    assert_eq!(plain.refuse_plaintext().is_ok(), expected, "{host}");
                    parse("https").unwrap().refuse_plaintext().expect("encrypted");
                }
            }
        }
    }

    #[test]
    fn the_refusal_says_what_to_do_and_shows_no_secret() {
        let endpoint = Endpoint::parse("http://api.example:81/hook/s3cret?k=s3cret").unwrap();
        let error = endpoint.clone().refuse_plaintext().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Build);
        assert_eq!(
            error.to_chain(),
            "http:// to api.example would send the message and its credentials unencrypted: \
             use https://, or allow it with allow_plaintext"
        );
        let error = endpoint.into_grpc().refuse_plaintext().unwrap_err();
        assert!(error.message().starts_with("grpc:// to api.example"), "{error}");
        assert!(error.message().contains("use grpcs://"), "{error}");
    }
}
