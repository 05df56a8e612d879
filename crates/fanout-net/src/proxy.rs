//! Which proxy a request goes through, if any.

use std::fmt;
use std::sync::Arc;

use fanout::{Error, ErrorKind};
use http::{HeaderValue, Uri};
use hyper_util::client::proxy::matcher::Matcher;

use crate::endpoint::host_port;
use crate::event::Event;
use crate::plaintext::is_loopback;

/// Which proxy requests go through.
///
/// Through a proxy, `https` goes in a tunnel (`CONNECT`), and so does HTTP/2 with prior knowledge; plain
/// HTTP/1.1 is forwarded. Only `http://` proxies are supported. Credentials of the proxy's URL are sent
/// as `Proxy-Authorization: Basic`, to the proxy alone.
///
/// # Standards
///
/// RFC 9110 sections 7.3.2, 9.3.6 and 11.7.2; RFC 9112 section 3.2.2.
#[derive(Clone)]
pub struct Proxy(Kind);

#[derive(Clone)]
enum Kind {
    None,
    FromEnv,
    Url { url: String, except: String },
}

impl Proxy {
    /// Connects directly, whatever the environment says.
    pub fn none() -> Self {
        Self(Kind::None)
    }

    /// Takes the proxy from the environment, as curl does: `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and
    /// `NO_PROXY`, in upper or lower case. This is the default.
    ///
    /// A destination that [is this machine](crate::Endpoint::is_loopback) is connected to directly: for a
    /// proxy it would be another machine. The variables are read when the client is built. In a CGI process (`REQUEST_METHOD` is set)
    /// they are ignored, because a request could set `HTTP_PROXY` there.
    pub fn from_env() -> Self {
        Self(Kind::FromEnv)
    }

    /// Sends everything through the proxy at `url`: `http://proxy.example.com:3128`, with
    /// `user:password@` before the host if it asks for that.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Build`] when it is no `http` URL with a host.
    pub fn url(url: impl AsRef<str>) -> Result<Self, Error> {
        let url = url.as_ref();
        let bad = || Error::new(ErrorKind::Build, "the proxy must be an http:// URL with a host");
        let uri: Uri = url.parse().map_err(|_| bad())?;
        if uri.scheme_str() != Some("http") || uri.host().is_none_or(str::is_empty) {
            return Err(bad());
        }
        Ok(Self(Kind::Url { url: url.to_owned(), except: String::new() }))
    }

    /// Leaves out the destinations that `rules` names, in the form of `NO_PROXY`: names with their
    /// subdomains, addresses and networks, separated by commas.
    ///
    /// Matters after [`url`](Self::url) only.
    #[must_use]
    pub fn except(mut self, rules: impl Into<String>) -> Self {
        if let Kind::Url { except, .. } = &mut self.0 {
            *except = rules.into();
        }
        self
    }

    /// Whether it was named here, and not left to the environment.
    pub(crate) fn is_named(&self) -> bool {
        matches!(self.0, Kind::Url { .. })
    }

    /// Of a client with a guard: no way through a proxy.
    pub(crate) fn into_guarded_router(self) -> Router {
        Router { guarded: true, ..self.into_router() }
    }

    pub(crate) fn into_router(self) -> Router {
        let past_loopback = matches!(self.0, Kind::FromEnv);
        let matcher = match self.0 {
            Kind::None => None,
            Kind::FromEnv => Some(Arc::new(Matcher::from_env())),
            Kind::Url { url, except } => {
                Some(Arc::new(Matcher::builder().all(url).no(except).build()))
            }
        };
        Router { matcher, past_loopback, guarded: false }
    }
}

impl Default for Proxy {
    fn default() -> Self {
        Self::from_env()
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::None => f.write_str("Proxy(none)"),
            Kind::FromEnv => f.write_str("Proxy(from_env)"),
            Kind::Url { url, .. } => {
                let uri: Option<Uri> = url.parse().ok();
                let place = uri.as_ref().map(host_port).unwrap_or_default();
                write!(f, "Proxy({place})")
            }
        }
    }
}

/// Says for each destination which way leads there.
#[derive(Clone, Debug)]
pub(crate) struct Router {
    matcher: Option<Arc<Matcher>>,
    /// Whether this machine is reached directly, whatever the matcher says.
    past_loopback: bool,
    /// A proxy would look names up where no guard sees it.
    guarded: bool,
}

/// A proxy on the way.
pub(crate) struct Via {
    pub(crate) uri: Uri,
    pub(crate) auth: Option<HeaderValue>,
}

impl Router {
    pub(crate) fn via(&self, destination: &Uri) -> Result<Option<Via>, Event> {
        let found = self.matcher.as_ref().and_then(|matcher| matcher.intercept(destination));
        let Some(found) = found else { return Ok(None) };
        if self.past_loopback && is_loopback(destination.host().unwrap_or_default()) {
            return Ok(None);
        }
        if self.guarded {
            return Err(Event::ProxyGuarded);
        }
        if found.uri().scheme_str() != Some("http") {
            return Err(Event::ProxyUnsupported);
        }
        Ok(Some(Via { uri: found.uri().clone(), auth: found.basic_auth().cloned() }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn via(proxy: Proxy, destination: &'static str) -> Option<String> {
        let via = proxy.into_router().via(&Uri::from_static(destination)).unwrap();
        via.map(|via| host_port(&via.uri))
    }

    #[test]
    fn exceptions_are_those_of_no_proxy() {
        let proxy =
            || Proxy::url("http://p:3128").unwrap().except("localhost, .in.example,10.0.0.0/8");
        assert_eq!(via(proxy(), "http://api.example/"), Some("p:3128".to_owned()));
        assert_eq!(via(proxy(), "https://127.0.0.1/"), Some("p:3128".to_owned()));
        assert_eq!(via(proxy(), "http://localhost:8080/"), None);
        assert_eq!(via(proxy(), "https://a.in.example/"), None);
        assert_eq!(via(proxy(), "https://10.1.2.3/"), None);
        assert_eq!(via(Proxy::none(), "http://api.example/"), None);
    }

    /// Whatever the environment says: past the proxy of an exception, never through one.
    #[test]
    fn a_guarded_client_goes_through_no_proxy() {
        let proxy = Proxy::url("http://p:3128").unwrap().except("in.example");
        let router = proxy.into_guarded_router();
        let refused = router.via(&Uri::from_static("http://api.example/")).map(|_| ());
        assert_eq!(refused, Err(Event::ProxyGuarded));
        let direct = router.via(&Uri::from_static("http://in.example/")).unwrap();
        assert!(direct.is_none());
    }

    #[test]
    fn this_machine_is_reached_past_a_proxy_of_the_environment() {
        let matcher = Some(Arc::new(Matcher::builder().all("http://p:3128").build()));
        let via = |past_loopback, url: &'static str| {
            let router = Router { matcher: matcher.clone(), past_loopback, guarded: false };
            router.via(&Uri::from_static(url)).unwrap().is_some()
        };
        for url in ["http://localhost:1/", "http://127.0.0.1/", "https://[::1]/"] {
            assert!(!via(true, url) && via(false, url), "{url}");
        }
        assert!(via(true, "http://api.example/"));
    }

    #[test]
    fn a_bad_proxy_is_refused_and_credentials_are_never_shown() {
        for bad in ["", "p:3128", "socks5://p", "https://p", "http://", "http://a b"] {
            assert_eq!(Proxy::url(bad).expect_err(bad).kind(), ErrorKind::Build);
        }
        let proxy = Proxy::url("http://user:s3cret@p:3128").unwrap();
        assert_eq!(format!("{proxy:?}"), "Proxy(p:3128)");
        let via = proxy.into_router().via(&Uri::from_static("http://h/")).unwrap().unwrap();
        assert_eq!(via.auth.unwrap(), "Basic dXNlcjpzM2NyZXQ=");
    }
}
