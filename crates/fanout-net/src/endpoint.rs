//! Where a request goes: a checked absolute URL.

use std::fmt;
use std::str::FromStr;

use fanout::{Error, ErrorKind};
use http::Uri;

/// A checked absolute `http` or `https` URL.
///
/// `Display` and `Debug` show it without its query, which may hold a secret.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Endpoint {
    uri: Uri,
    grpc: bool,
}

impl Endpoint {
    /// Checks `url`.
    ///
    /// Characters outside ASCII in the path and the query are percent-encoded as UTF-8; everything
    /// else is kept as it is.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Build`] when it is not an absolute URL with the scheme `http` or `https` and a
    /// host, or when it holds a user name or password (set an `Authorization` header instead), a
    /// fragment, or a port that is no number from 1 to 65535. The text never repeats credentials or
    /// the query.
    ///
    /// # Standards
    ///
    /// RFC 3986; userinfo is refused as RFC 9110 section 4.2.4 asks, fragments are never sent as of
    /// section 7.1.
    pub fn parse(url: &str) -> Result<Self, Error> {
        let bad = |text: String| Err(Error::new(ErrorKind::Build, text));

        let Some((scheme, rest)) = url.split_once("://") else {
            return bad(match url.split_once(':') {
                // `localhost:8080/x`: what stands before the colon is no scheme that is meant.
                _ if url.is_empty() => "the URL is empty".to_owned(),
                _ => "the URL has no scheme: write http:// or https:// in front".to_owned(),
            });
        };
        let scheme = scheme.to_ascii_lowercase();
        if scheme != "http" && scheme != "https" {
            // Anything else may be a secret that came here by mistake.
            return bad(if FAMILIAR.contains(&&*scheme) {
                format!("the scheme {scheme}:// is not known here: use http:// or https://")
            } else {
                "the URL has no valid scheme: use http:// or https://".to_owned()
            });
        }
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, tail) = rest.split_at(end);
        if authority.contains('@') {
            return bad("the URL holds a user name or password: \
                        take it out and set an authorization header"
                .to_owned());
        }
        check_authority(authority)?;
        if tail.contains('#') {
            return bad(
                "the URL has a fragment (#...), which is never sent: take it out".to_owned()
            );
        }
        if tail.contains(|c: char| c.is_ascii_control() || c == ' ') {
            return bad("the URL holds a space or a control character: \
                        percent-encode it (a space is %20)"
                .to_owned());
        }
        let tail = encode_non_ascii(tail);
        let slash = if tail.starts_with('/') { "" } else { "/" };
        // The cause would quote nothing useful, and may quote what must not be shown.
        match Uri::from_str(&format!("{scheme}://{authority}{slash}{tail}")) {
            Ok(uri) if uri.host().is_some_and(|host| !host.is_empty()) => {
                Ok(Self { uri, grpc: false })
            }
            _ => bad("the URL is not valid: a character in its path or query \
                      must be percent-encoded"
                .to_owned()),
        }
    }

    /// Shows it from now on with the schemes that gRPC's tools use: `grpc` without TLS, `grpcs` with it.
    ///
    /// [`uri`](Self::uri) stays as it is.
    #[must_use]
    pub fn into_grpc(self) -> Self {
        Self { grpc: true, ..self }
    }

    /// Returns the same URL with another host and port: what a request is to name, where that is not where
    /// it is sent; see [`Client::connecting_to`](crate::Client::connecting_to).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Build`] when it is no host with at most a port.
    ///
    /// # Standards
    ///
    /// RFC 9113 section 8.3.1 (`:authority`), RFC 9110 section 7.2 (`Host`).
    pub fn with_authority(&self, authority: &str) -> Result<Self, Error> {
        let scheme = if self.is_tls() { "https" } else { "http" };
        let bad = || {
            let shown: String =
                authority.chars().take(100).flat_map(char::escape_default).collect();
            let text = format!("\"{shown}\" is no HOST and no HOST:PORT");
            Error::new(ErrorKind::Build, text)
        };
        if authority.contains(['/', '?', '#', '@']) {
            return Err(Error::new(ErrorKind::Build, "write HOST or HOST:PORT and nothing more"));
        }
        let parsed = Self::parse(&format!("{scheme}://{authority}/")).map_err(|_| bad())?;
        let tail = self.uri.path_and_query().map_or("/", |tail| tail.as_str());
        let host = host_as_written(&parsed.uri);
        let uri = Uri::from_str(&format!("{scheme}://{host}{tail}")).map_err(|_| bad())?;
        Ok(Self { uri, grpc: self.grpc })
    }

    /// Returns the whole URL, query included.
    pub fn uri(&self) -> &Uri {
        &self.uri
    }

    /// Returns true for `https`.
    pub fn is_tls(&self) -> bool {
        self.uri.scheme_str() == Some("https")
    }

    pub(crate) fn is_grpc(&self) -> bool {
        self.grpc
    }

    /// Returns the host as written; an IPv6 address has its brackets.
    pub fn host(&self) -> &str {
        self.uri.host().unwrap_or_default()
    }

    /// Returns the port, the scheme's own if none is written.
    pub fn port(&self) -> u16 {
        port_of(&self.uri)
    }

    /// Returns the path; it begins with a slash.
    pub fn path(&self) -> &str {
        self.uri.path()
    }

    /// Returns the query without the question mark.
    pub fn query(&self) -> Option<&str> {
        self.uri.query()
    }
}

impl FromStr for Endpoint {
    type Err = Error;

    fn from_str(url: &str) -> Result<Self, Error> {
        Self::parse(url)
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match (self.grpc, self.is_tls()) {
            (false, false) => "http",
            (false, true) => "https",
            (true, false) => "grpc",
            (true, true) => "grpcs",
        };
        write!(f, "{scheme}://{}{}", host_as_written(&self.uri), self.path())
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Endpoint({self})")
    }
}

/// Returns `host:port` of a URL, to name the place in an error.
pub(crate) fn host_port(uri: &Uri) -> String {
    format!("{}:{}", uri.host().unwrap_or_default(), port_of(uri))
}

fn port_of(uri: &Uri) -> u16 {
    uri.port_u16().unwrap_or(if uri.scheme_str() == Some("https") { 443 } else { 80 })
}

fn host_as_written(uri: &Uri) -> &str {
    uri.authority().map_or("", |authority| authority.as_str())
}

fn check_authority(authority: &str) -> Result<(), Error> {
    let bad = |text: &'static str| Err(Error::new(ErrorKind::Build, text));
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let Some((address, port)) = rest.split_once(']') else {
                return bad("the URL has an IPv6 address without a closing bracket");
            };
            if address.parse::<std::net::Ipv6Addr>().is_err() {
                return bad("the URL has no valid IPv6 address between its brackets");
            }
            match (port.strip_prefix(':'), port.is_empty()) {
                (None, false) => return bad("the URL has text after its IPv6 address"),
                (port, _) => (address, port),
            }
        }
        None => match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    if host.is_empty() {
        return bad("the URL has no host");
    }
    if !host.is_ascii() {
        return bad("the host has characters outside ASCII: write it in its xn-- form");
    }
    let is_name = |c: char| c.is_ascii_alphanumeric() || "-._~:%".contains(c);
    if !host.chars().all(is_name) || (host.contains('%') && !authority.starts_with('[')) {
        return bad("the host has characters that no host name has");
    }
    match port {
        None => Ok(()),
        Some(port) if port.bytes().all(|b| b.is_ascii_digit()) => match port.parse::<u16>() {
            Ok(port) if port > 0 => Ok(()),
            _ => bad("the port must be a number from 1 to 65535"),
        },
        Some(_) => bad("the port must be a number from 1 to 65535"),
    }
}

fn encode_non_ascii(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_ascii() {
            out.push(c);
        } else {
            for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                out.push('%');
                out.push(HEX[usize::from(byte >> 4)] as char);
                out.push(HEX[usize::from(byte & 15)] as char);
            }
        }
    }
    out
}

/// Schemes that people write here.
const FAMILIAR: [&str; 10] =
    ["file", "ftp", "grpc", "grpcs", "socks5", "tcp", "tls", "unix", "ws", "wss"];

const HEX: &[u8; 16] = b"0123456789ABCDEF";

#[cfg(test)]
mod tests {
    use super::*;

    fn accepts(url: &str, display: &str, port: u16) {
        let endpoint = Endpoint::parse(url).unwrap_or_else(|error| panic!("{url}: {error}"));
        assert_eq!(endpoint.to_string(), display);
        assert_eq!(endpoint.port(), port, "{url}");
    }

    fn refuses(url: &str, expected: &str) {
        let error = Endpoint::parse(url).expect_err(url);
        assert_eq!(error.kind(), ErrorKind::Build);
        let text = format!("{} {error:?}", error.to_chain());
        assert!(text.contains(expected), "{url}: {text}");
        assert!(!text.contains("s3cret"), "{url}: {text}");
    }

    #[test]
    fn valid_urls_are_kept_and_shown_without_their_query() {
        accepts("http://example.com", "http://example.com/", 80);
        accepts("HTTPS://example.com/a?token=s3cret", "https://example.com/a", 443);
        accepts("http://127.0.0.1:8080/x%20y", "http://127.0.0.1:8080/x%20y", 8080);
        accepts("http://[::1]:9/", "http://[::1]:9/", 9);
        accepts("http://localhost?x=1", "http://localhost/", 80);
        accepts("http://h/ü?q=é", "http://h/%C3%BC", 80);
        let endpoint = Endpoint::parse("http://h/ü?q=é").unwrap();
        assert_eq!(endpoint.uri().query(), Some("q=%C3%A9"));
    }

    #[test]
    fn what_is_no_url_is_refused_with_a_reason_and_without_secrets() {
        refuses("", "empty");
        refuses("localhost:8080/s3cret", "no scheme");
        refuses("/just/a/path?s3cret", "no scheme");
        refuses("ftp://h/s3cret", "ftp:// is not known");
        refuses("ht tp://h/s3cret", "no valid scheme");
        refuses("s3cret://h/", "no valid scheme");
        refuses("http://", "no host");
        refuses("http:///x", "no host");
        refuses("http://:80/", "no host");
        refuses("http://user:s3cret@h/", "user name or password");
        refuses("http://s3cret@h/", "user name or password");
        refuses("http://h:0/", "port must be");
        refuses("http://h:65536/", "port must be");
        refuses("http://h:http/", "port must be");
        refuses("http://h:/", "port must be");
        refuses("http://h:-1/", "port must be");
        refuses("http://h/#s3cret", "fragment");
        refuses("http://h/a b?s3cret", "space");
        refuses("http://h/\r\nx: s3cret", "control");
        refuses("http://bücher.example/", "xn--");
        refuses("http://a b/", "no host name has");
        refuses("http://h\\s3cret/", "no host name has");
        refuses("http://[::1/", "closing bracket");
        refuses("http://[zz]/", "IPv6");
        refuses("http://[::1]x/", "text after");
    }

    #[test]
    fn nothing_makes_it_panic() {
        for a in 0..=127u8 {
            for b in 0..=127u8 {
                for pattern in ["http://{}", "http://h/{}", "http://h{}", "{}://h"] {
                    let pair: String = [a as char, b as char].iter().collect();
                    if let Ok(endpoint) = Endpoint::parse(&pattern.replace("{}", &pair)) {
                        assert!(!endpoint.host().is_empty());
                        assert!(endpoint.port() > 0);
                    }
                }
            }
        }
    }
}
