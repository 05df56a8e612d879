//! An HTTP server of either kind, with what its script says of the requests.

use serde_json::Value;

use super::certificates::Certificates;
use super::nginx::Nginx;
use super::script::Script;

/// Which server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Via {
    Python,
    Node,
    /// nginx, and Python behind it.
    Nginx,
}

/// A running server.
#[derive(Debug)]
pub(crate) struct Front {
    port: u16,
    tls: bool,
    pub(crate) script: Script,
    nginx: Option<Nginx>,
    pub(crate) certificates: Certificates,
}

/// What a script says of a request.
#[derive(Debug)]
pub(crate) struct Seen(Value);

impl Front {
    /// HTTP/1.1 in clear text.
    pub(crate) async fn clear(via: Via) -> Self {
        let certificates = Certificates::new();
        match via {
            Via::Python => Self::direct(Script::python(None).await, certificates, false),
            Via::Node => Self::direct(Script::node(None).await, certificates, false),
            Via::Nginx => Self::nginx(certificates, |nginx| nginx.plain, false).await,
        }
    }

    /// The newest HTTP that the server has, over TLS, for the name `localhost`: HTTP/1.1 with Python,
    /// HTTP/2 with the others.
    pub(crate) async fn tls(via: Via) -> Self {
        let certificates = Certificates::new();
        match via {
            Via::Python => {
                Self::direct(Script::python(Some(&certificates)).await, certificates, true)
            }
            Via::Node => Self::direct(Script::node(Some(&certificates)).await, certificates, true),
            Via::Nginx => Self::nginx(certificates, |nginx| nginx.tls, true).await,
        }
    }

    /// nginx with HTTP/1.1 alone, over TLS, for the name `localhost`.
    pub(crate) async fn nginx_tls1() -> Self {
        Self::nginx(Certificates::new(), |nginx| nginx.tls1, true).await
    }

    /// nginx which closes each connection after one answer, and says so.
    pub(crate) async fn nginx_once() -> Self {
        Self::nginx(Certificates::new(), |nginx| nginx.once, false).await
    }

    /// nginx which closes an idle connection after 200 ms without a word.
    pub(crate) async fn nginx_brief() -> Self {
        Self::nginx(Certificates::new(), |nginx| nginx.brief, false).await
    }

    fn direct(script: Script, certificates: Certificates, tls: bool) -> Self {
        Self { port: script.port(), tls, script, nginx: None, certificates }
    }

    async fn nginx(certificates: Certificates, port: fn(&Nginx) -> u16, tls: bool) -> Self {
        let script = Script::python(None).await;
        let nginx = Nginx::start(script.port(), &certificates).await;
        Self { port: port(&nginx), tls, script, nginx: Some(nginx), certificates }
    }

    /// The URL of a path, on the name that the certificate is for.
    pub(crate) fn url(&self, path: &str) -> String {
        self.url_of("localhost", path)
    }

    /// The URL of a path, on an address that the certificate is not for.
    pub(crate) fn url_of_address(&self, path: &str) -> String {
        self.url_of("127.0.0.1", path)
    }

    fn url_of(&self, host: &str, path: &str) -> String {
        let scheme = if self.tls { "https" } else { "http" };
        format!("{scheme}://{host}:{}{path}", self.port)
    }

    /// The nginx in front.
    pub(crate) fn of_nginx(&self) -> &Nginx {
        self.nginx.as_ref().expect("there is an nginx")
    }

    /// The next request, which must come.
    pub(crate) async fn next(&mut self) -> Seen {
        Seen(self.script.next().await)
    }
}

impl Seen {
    pub(crate) fn text(&self, key: &str) -> &str {
        self.0[key].as_str().unwrap_or_else(|| panic!("{key} in {}", self.0))
    }

    /// The body, in hexadecimal digits.
    pub(crate) fn body(&self) -> &str {
        self.text("body")
    }

    /// The port of the client.
    pub(crate) fn peer(&self) -> u64 {
        self.0["peer"].as_u64().expect("the port of the client")
    }

    /// All values of a header, in their order.
    pub(crate) fn header(&self, name: &str) -> Vec<&str> {
        let pairs = self.0["headers"].as_array().expect("a list of headers");
        pairs.iter().filter(|pair| pair[0] == name).filter_map(|pair| pair[1].as_str()).collect()
    }
}
