//! OAuth 2.0 client credentials: tokens that are fetched, shared and renewed.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use fanout::{
    BodyState, Error, ErrorKind, Exposed, RetryAdvice, Secret, TimeoutScope, async_trait,
};
use futures_util::FutureExt as _;
use tokio::time::Instant;
use zeroize::Zeroizing;

use super::cache::{Cache, Failure, Fetched};
use super::token_endpoint::{self, ClientAuth};
use super::{Credentials, Place, Proof, Renewal, Scrub};
use crate::{Client, Endpoint, OutBody, read_to_limit_by};

/// Tokens of OAuth 2.0 by client credentials, sent as `Authorization: Bearer`.
///
/// Cheap to clone; clones share the token, so that several sinks of one API need but one.
///
/// # Behavior
///
/// - **One request for all**: sends that need a token wait for the same request, whoever began it, and
///   share its failure too. Dropping some of them does not disturb the others; dropping all of them
///   gives the request up.
/// - **In time**: a token is renewed [some time](OAuth2Builder::refresh_margin) before it ends, by one send,
///   which waits for it half of the time that it has at most, while the others use the token that there is. When that
///   fails, the old token stays until its end; the next try is 5 s later.
/// - **Refused**: a token that a sink was refused with is thrown away, if it is still the current one, and
///   the sink advises one more attempt. A new token that is refused within 5 s too is kept: it is not the
///   token that is wrong.
/// - **Lifetime**, by `expires_in` from the time of the request: less than a second counts as one, more than a day as
///   a day; a number as text is read as well; none, or one that cannot be read, counts as an hour.
/// - **Failures** have the effect [`None`](fanout::Effect::None), for the message never left. A token
///   endpoint that refuses us (400, 401 and their like) is not asked again for 1 s, one that says
///   `Retry-After` not before that or 60 s have passed, and after any other failure for 100 ms. Of its answers the
///   code of an error is shown and nothing else. Redirects are not followed.
///
/// # Examples
///
/// ```no_run
/// use fanout::Secret;
/// use fanout_net::auth::OAuth2;
///
/// let secret = Secret::from_env("BILLING_SECRET")?;
/// let oauth = OAuth2::client_credentials("https://idp.example.com/token", "billing", secret)
///     .scope("orders:write")
///     .build()?;
/// # Ok::<(), fanout::Error>(())
/// ```
///
/// # Standards
///
/// RFC 6749 sections 2.3.1, 4.4, 5.1 and 5.2; RFC 6750 section 2.1.
#[derive(Clone)]
pub struct OAuth2 {
    source: Arc<Source>,
    cache: Arc<Cache>,
}

/// Builds [`OAuth2`] credentials.
#[must_use]
#[derive(Clone)]
pub struct OAuth2Builder {
    token_url: String,
    id: String,
    secret: Secret,
    params: Vec<(String, String)>,
    auth: ClientAuth,
    client: Option<Client>,
    allow_plaintext: bool,
    timeout: Duration,
    margin: Duration,
}

/// Where tokens come from.
struct Source {
    client: Client,
    endpoint: Endpoint,
    id: String,
    secret: Secret,
    params: Vec<(String, String)>,
    auth: ClientAuth,
    timeout: Duration,
}

impl OAuth2 {
    /// Begins credentials for the client `client_id`, whose tokens come from `token_url`.
    ///
    /// A secret from a file follows the file.
    pub fn client_credentials(
        token_url: impl Into<String>,
        client_id: impl Into<String>,
        client_secret: Secret,
    ) -> OAuth2Builder {
        OAuth2Builder {
            token_url: token_url.into(),
            id: client_id.into(),
            secret: client_secret,
            params: Vec::new(),
            auth: ClientAuth::default(),
            client: None,
            allow_plaintext: false,
            timeout: Duration::from_secs(10),
            margin: Duration::from_secs(30),
        }
    }
}

impl OAuth2Builder {
    /// Asks for this scope; several are separated by spaces. Default: none, which leaves it to the server.
    pub fn scope(self, scope: impl Into<String>) -> Self {
        self.param("scope", scope)
    }

    /// Says which API the token is for, as some servers want it. Default: nothing.
    pub fn audience(self, audience: impl Into<String>) -> Self {
        self.param("audience", audience)
    }

    /// Adds a parameter to the request for a token: `resource`. May be called again to add more.
    pub fn param(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.params.push((name.into(), value.into()));
        self
    }

    /// Sets how the client shows who it is. Default: [`ClientAuth::Basic`].
    pub fn client_auth(mut self, auth: ClientAuth) -> Self {
        self.auth = auth;
        self
    }

    /// Fetches tokens over this client, and shares its connections. Default: a client of its own.
    pub fn client(mut self, client: &Client) -> Self {
        self.client = Some(client.clone());
        self
    }

    /// Allows a token endpoint without TLS on another machine, where everybody on the way reads the
    /// secret. Default: false.
    pub fn allow_plaintext(mut self, allow: bool) -> Self {
        self.allow_plaintext = allow;
        self
    }

    /// Sets the longest time that fetching a token may take. Default: 10 s; a send waits as long as its own
    /// time allows. Zero is refused by [`build`](Self::build), more than a day counts as a day.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout.min(DAY);
        self
    }

    /// Sets how long before its end a token is renewed. Default: 30 s; never more than a quarter of the
    /// token's lifetime. Zero renews it when it has ended.
    pub fn refresh_margin(mut self, margin: Duration) -> Self {
        self.margin = margin.min(DAY);
        self
    }

    /// Builds the credentials. Does no I/O: the first send fetches the first token.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Build`] when the URL is none, or is without TLS and [was not
    /// allowed](Self::allow_plaintext) to be; when the client's name is empty, or a parameter is there
    /// twice or is one that is written here (`grant_type`, `client_id`, `client_secret`); when the
    /// timeout is zero.
    pub fn build(self) -> Result<OAuth2, Error> {
        let bad = |text: &'static str| Err(Error::new(ErrorKind::Build, text));
        let endpoint = Endpoint::parse(&self.token_url)
            .map_err(|error| error.with_context("setting", "token_url"))?;
        if !self.allow_plaintext {
            endpoint
                .refuse_plaintext()
                .map_err(|error| error.with_context("setting", "token_url"))?;
        }
        if self.id.is_empty() {
            return bad("the name of the client is empty");
        }
        if self.timeout.is_zero() {
            return bad("the timeout for fetching a token must be longer than zero");
        }
        for (index, (name, _)) in self.params.iter().enumerate() {
            if OURS.contains(&name.as_str()) || self.params[..index].iter().any(|(n, _)| n == name)
            {
                let shown: String = name.chars().take(64).flat_map(char::escape_debug).collect();
                let text = "this parameter of the token request is there already";
                return Err(Error::new(ErrorKind::Build, text).with_context("parameter", shown));
            }
        }
        let client = match self.client {
            Some(client) => client,
            None => Client::builder().build()?,
        };
        let source = Arc::new(Source {
            client,
            endpoint,
            id: self.id,
            secret: self.secret,
            params: self.params,
            auth: self.auth,
            timeout: self.timeout,
        });
        let asked = Arc::clone(&source);
        let cache = Cache::new(self.margin, move || {
            let source = Arc::clone(&asked);
            async move { source.fetch().await }.boxed()
        });
        Ok(OAuth2 { source, cache: Arc::new(cache) })
    }
}

#[async_trait]
impl Credentials for OAuth2 {
    async fn proof(&self, deadline: Instant) -> Result<Proof, Error> {
        let token = self.cache.token(deadline).await?;
        Ok(Proof::bearer(&token.text.expose())?.with_version(token.version))
    }

    fn refused(&self, proof: &Proof) -> Renewal {
        self.cache.refused(proof.version())
    }

    fn places(&self) -> Vec<Place> {
        vec![Place::header("authorization")]
    }
}

impl Source {
    async fn fetch(&self) -> Result<Fetched, Failure> {
        let deadline = Instant::now() + self.timeout;
        let secret = self.secret.expose();
        let pair = (self.id.as_str(), &*secret);
        let request = token_endpoint::request(self.endpoint.uri(), self.auth, pair, &self.params);
        let response = match self.client.send_by(request.map(OutBody::whole), Some(deadline)).await
        {
            Ok(response) => response,
            Err(error) => return Err(self.lost(&error)),
        };
        let (head, body) = response.into_parts();
        let (body, state) = read_to_limit_by(body, MOST_BYTES, Some(deadline)).await;
        let whole = state == BodyState::Complete;
        token_endpoint::answer(head.status, &head.headers, &body, whole).map_err(|refusal| {
            // A secret that was rotated while we asked with the old one.
            let rotated = refusal.client && self.secret.check_now() != secret.generation();
            let late = !whole && refusal.kind == ErrorKind::Protocol && Instant::now() >= deadline;
            let text = if late {
                "the answer of the token endpoint did not end in time".to_owned()
            } else {
                refusal.text
            };
            Failure {
                kind: if late { ErrorKind::Timeout } else { refusal.kind },
                advice: if rotated { RetryAdvice::Once } else { refusal.advice },
                scope: late.then_some(TimeoutScope::Attempt),
                text: self.scrubbed(text, &secret),
                place: self.place(),
            }
        })
    }

    /// What a failure of the connection means: the message was not sent, so another try harms nobody.
    fn lost(&self, error: &Error) -> Failure {
        let advice = match error.advice() {
            RetryAdvice::Never if error.kind() == ErrorKind::Interrupted => RetryAdvice::Backoff,
            RetryAdvice::Once => RetryAdvice::Backoff,
            advice => advice,
        };
        Failure {
            kind: error.kind(),
            advice,
            scope: error.scope(),
            text: error.message().into(),
            place: self.place(),
        }
    }

    /// The code of an error may be our own secret: whoever echoes it will.
    fn scrubbed(&self, text: String, secret: &Exposed) -> Arc<str> {
        let mut scrub = Scrub::default();
        scrub.add(secret);
        let pair = Zeroizing::new(format!("{}:{}", self.id, &**secret));
        scrub.add(&pair);
        let text = scrub.text(&text).unwrap_or(text);
        let proxy = self.client.proxy_secrets(self.endpoint.uri());
        proxy.text(&text).unwrap_or(text).into()
    }

    fn place(&self) -> Arc<str> {
        format!("{}:{}", self.endpoint.host(), self.endpoint.port()).into()
    }
}

impl fmt::Debug for OAuth2 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OAuth2")
            .field("token_endpoint", &self.source.place())
            .field("secret", &self.source.secret)
            .field("auth", &self.source.auth)
            .field("timeout", &self.source.timeout)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for OAuth2Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The URL is not checked yet, so it may hold a password.
        f.debug_struct("OAuth2Builder")
            .field("secret", &self.secret)
            .field("params", &self.params.iter().map(|(name, _)| name).collect::<Vec<_>>())
            .field("auth", &self.auth)
            .field("timeout", &self.timeout)
            .field("refresh_margin", &self.margin)
            .finish_non_exhaustive()
    }
}

/// Parameters that are written here.
const OURS: [&str; 3] = ["grant_type", "client_id", "client_secret"];
/// Tokens with all their claims are a few KiB.
const MOST_BYTES: usize = 64 << 10;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
