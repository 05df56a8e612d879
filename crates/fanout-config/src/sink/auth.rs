//! `auth`: who we are, to the other side.

use std::sync::Arc;

use fanout::Secret;
use fanout_net::auth::{ApiKey, Basic, Bearer, Credentials};

use super::oauth;
use crate::clients::Clients;
use crate::reader::{Entry, Table};
use crate::{ConfigError, keys};

/// Credentials that both transports take.
pub(super) type Shared = Arc<dyn Credentials>;

/// Reads `{ bearer = SECRET }`, `{ basic = { user = "..", password = SECRET } }`,
/// `{ api_key = { header = "..", value = SECRET } }` or `{ oauth2 = { .. } }`.
pub(super) fn read(entry: &Entry<'_>, clients: &mut Clients) -> Result<Shared, ConfigError> {
    if !entry.is_table() {
        return Err(entry.unexpected(HELP));
    }
    let table = entry.table()?;
    table.allow(keys::AUTH)?;
    let mut ways = table.entries().into_iter();
    let (Some(way), None) = (ways.next(), ways.next()) else {
        return Err(entry.error("this has to say one way to prove who we are").with_help(HELP));
    };
    match way.name {
        "bearer" => Ok(Arc::new(Bearer::new(way.secret()?))),
        "basic" => basic(&way),
        "oauth2" => Ok(Arc::new(oauth::read(&way, clients)?)),
        _ => api_key(&way),
    }
}

fn basic(way: &Entry<'_>) -> Result<Shared, ConfigError> {
    let table = way.table()?;
    table.allow(keys::BASIC)?;
    let Some(user) = table.get("user") else { return Err(missing(way, "user")) };
    let user = user.text("user = \"ada\"")?;
    Ok(Arc::new(Basic::new(&*user, secret(way, &table, "password")?)))
}

fn api_key(way: &Entry<'_>) -> Result<Shared, ConfigError> {
    let table = way.table()?;
    table.allow(keys::API_KEY)?;
    let value = |name| secret(way, &table, name);
    match (table.get("header"), table.get("query")) {
        (Some(name), None) => {
            let name = name.text("header = \"x-api-key\"")?;
            Ok(Arc::new(ApiKey::header(&*name, value("value")?)))
        }
        (None, Some(name)) => {
            let name = name.text("query = \"api_key\"")?;
            Ok(Arc::new(ApiKey::query(&*name, value("value")?)))
        }
        _ => Err(way.error("the key goes either into a header or into the query").with_help(
            "write api_key = { header = \"x-api-key\", value = { env = \"API_KEY\" } }",
        )),
    }
}

fn secret(way: &Entry<'_>, table: &Table<'_>, name: &str) -> Result<Secret, ConfigError> {
    match table.get(name) {
        Some(entry) => entry.secret(),
        None => Err(missing(way, name)),
    }
}

fn missing(way: &Entry<'_>, name: &str) -> ConfigError {
    way.error(format!("{name} is missing")).with_help(HELP)
}

const HELP: &str = "write auth = { bearer = { env = \"TOKEN\" } }, \
                    { basic = { user = \"ada\", password = { env = \"PASSWORD\" } } }, \
                    { api_key = { header = \"x-api-key\", value = { env = \"API_KEY\" } } } or \
                    { oauth2 = { token_url = \"https://idp.example.com/token\", .. } }";
