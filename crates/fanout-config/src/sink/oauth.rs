//! `oauth2` of `auth`: tokens of client credentials. Sinks with equal settings share them.

use std::path::PathBuf;
use std::time::Duration;

use fanout::{Error, Secret};
use fanout_net::HttpVersion;
use fanout_net::auth::{ClientAuth, OAuth2, OAuth2Builder};

use super::{network, tls};
use crate::clients::{Clients, Way, is_loopback};
use crate::reader::{Entry, Text, Value};
use crate::{ConfigError, keys};

/// What tells one source of tokens from another. It holds credentials, so it is never shown.
#[derive(Clone, PartialEq)]
pub(crate) struct Source {
    token_url: String,
    client_id: String,
    secret: Known,
    params: Vec<(String, String)>,
    client_auth: ClientAuth,
    timeout: Option<Duration>,
    refresh_margin: Option<Duration>,
    allow_plaintext: bool,
    way: Way,
}

/// A secret that can be compared: two files are two secrets, whatever they hold now.
#[derive(Clone)]
struct Known(Secret, Option<PathBuf>);

impl PartialEq for Known {
    fn eq(&self, other: &Self) -> bool {
        self.1 == other.1 && (self.1.is_some() || *self.0.expose() == *other.0.expose())
    }
}

/// Reads `{ token_url = "..", client_id = "..", client_secret = SECRET }`.
pub(super) fn read(way: &Entry<'_>, clients: &mut Clients) -> Result<OAuth2, ConfigError> {
    if !way.is_table() {
        return Err(way.unexpected(HELP));
    }
    let table = way.table()?;
    table.allow(keys::OAUTH2)?;
    let part = |name| table.get(name).ok_or_else(|| missing(way, name));
    let (url, id, secret) = (part("token_url")?, part("client_id")?, part("client_secret")?);
    // First, so that what it misses is told with what the texts miss.
    let known = Known(secret.secret()?, secret.path_of_secret()?);
    let url_text = url.text("token_url = \"https://idp.example.com/token\"")?;
    let id_text = id.text("client_id = \"billing\"")?;
    let is_loopback = is_loopback(&url_text);
    let mut source = Source {
        token_url: url_text.to_string(),
        client_id: id_text.to_string(),
        secret: known,
        params: Vec::new(),
        client_auth: ClientAuth::default(),
        timeout: table.get("timeout").map(|entry| entry.duration()).transpose()?,
        refresh_margin: table.get("refresh_margin").map(|entry| entry.duration()).transpose()?,
        allow_plaintext: table.get("allow_plaintext").map_or(Ok(false), |entry| entry.flag())?,
        way: Way {
            version: HttpVersion::Negotiate,
            connect_timeout: None,
            max_response_head: None,
            via: network::read(&table, is_loopback, false)?,
            tls: tls::read(&table, &url_text)?,
            guard: None,
        },
    };
    if let Some(entry) = table.get("client_auth") {
        source.client_auth = entry.choice(&WAYS)?;
    }
    let wrong = |entry: &Entry<'_>, text: &Text<'_>, error: &Error| {
        entry.error(text.hide_in(error.to_chain()))
    };
    if id_text.is_empty() {
        return Err(id.error("the name of the client is empty"));
    }
    // Each thing as it is added, so that what is wrong is said at its own line.
    build(&source, clients).map_err(|error| wrong(&url, &url_text, &error))?;
    for name in ["scope", "audience"] {
        if let Some(entry) = table.get(name) {
            let text = entry.text(&format!("{name} = \"orders\""))?;
            source.params.push((name.to_owned(), text.to_string()));
        }
    }
    if let Some(params) = table.get("params") {
        for pair in params.pairs()? {
            let Value::Text(text) = pair.value else {
                let help = "only client_secret is one; write the value as a text in quotes";
                return Err(pair.place.error("a parameter is no secret").with_help(help));
            };
            source.params.push((pair.name.to_owned(), text.to_string()));
            build(&source, clients)
                .map_err(|error| pair.place.error(text.hide_in(error.to_chain())))?;
        }
    }
    let built = build(&source, clients).map_err(|error| wrong(&url, &url_text, &error))?;
    Ok(clients.tokens(source, built))
}

fn build(source: &Source, clients: &mut Clients) -> Result<OAuth2, Error> {
    let client = clients.client(source.way.clone())?;
    let Known(secret, _) = &source.secret;
    let builder = OAuth2::client_credentials(&source.token_url, &source.client_id, secret.clone())
        .client(&client)
        .client_auth(source.client_auth)
        .allow_plaintext(source.allow_plaintext);
    let with = |builder, time, set: fn(OAuth2Builder, Duration) -> OAuth2Builder| match time {
        Some(time) => set(builder, time),
        None => builder,
    };
    let builder = with(builder, source.timeout, OAuth2Builder::timeout);
    let builder = with(builder, source.refresh_margin, OAuth2Builder::refresh_margin);
    let params = source.params.iter();
    params.fold(builder, |builder, (name, value)| builder.param(name, value)).build()
}

fn missing(way: &Entry<'_>, name: &str) -> ConfigError {
    way.error(format!("{name} is missing")).with_help(HELP)
}

const WAYS: [(&str, ClientAuth); 2] = [("basic", ClientAuth::Basic), ("body", ClientAuth::Body)];

const HELP: &str = "write oauth2 = { token_url = \"https://idp.example.com/token\", client_id = \"billing\", \
                    client_secret = { env = \"SECRET\" } }";
