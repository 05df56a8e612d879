//! `proxy`: by which way a sink is reached.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::wrong;
use crate::clients::Via;
use crate::reader::{Entry, Table};
use crate::words::suggest;
use crate::{ConfigError, keys};

/// Which way leads to the sink, past or through a proxy.
pub(super) fn read(
    table: &Table<'_>,
    is_loopback: bool,
    is_guarded: bool,
) -> Result<Via, ConfigError> {
    let Some(entry) = table.get("proxy") else {
        // No proxy can reach this machine for us.
        return Ok(if is_loopback { Via::Direct } else { Via::Environment });
    };
    let via = via(&entry)?;
    if is_guarded && matches!(via, Via::Proxy { .. }) {
        return Err(entry.error("an untrusted sink cannot have a proxy").with_help(
            "a proxy looks names up where no guard sees it: let the proxy do the guarding, or \
             write proxy = \"none\"",
        ));
    }
    Ok(via)
}

/// `proxy = "http://proxy.example.com:3128"`, `"none"`, `"environment"`, or a table.
fn via(entry: &Entry<'_>) -> Result<Via, ConfigError> {
    let proxy = |place: &Entry<'_>, url: String, except: String| {
        let via = Via::Proxy { url, except };
        via.proxy().map_err(|error| wrong(&place.place, &error))?;
        Ok(via)
    };
    if !entry.is_table() {
        let text = entry.text("proxy = \"http://proxy.example.com:3128\"")?;
        return match &*text {
            "none" => Ok(Via::Direct),
            "environment" => Ok(Via::Environment),
            url if url.contains("://") => proxy(entry, url.to_owned(), String::new()),
            // It may be a URL with credentials: only what is written like a word is repeated.
            word if word.chars().all(|c| c.is_ascii_alphabetic()) && !text.is_foreign() => {
                let help = suggest(word, "allowed are", ["none", "environment", "a URL"]);
                Err(entry.error(format!("\"{}\" is not known", text.shown())).with_help(help))
            }
            _ => Err(entry
                .error("the proxy must be an http:// URL with a host")
                .with_help("allowed are none, environment and a URL")),
        };
    }
    let table = entry.table()?;
    table.allow(keys::PROXY)?;
    let Some(url) = table.get("url") else {
        return Err(entry
            .error("the proxy has no url")
            .with_help("write proxy = { url = \"http://proxy.example.com:3128\" }"));
    };
    let text = url.text("url = \"http://proxy.example.com:3128\"")?;
    let with_user = signed_in(&table, &text, entry)?;
    let mut except = Vec::new();
    if let Some(list) = table.get("except") {
        for (rule, _) in list.texts("[\"localhost\", \".internal\", \"10.0.0.0/8\"]")? {
            except.push(rule.to_string());
        }
    }
    proxy(&url, with_user, except.join(","))
}

/// The URL with the user and the password that stand beside it, as far as there are some.
fn signed_in(table: &Table<'_>, url: &str, entry: &Entry<'_>) -> Result<String, ConfigError> {
    let (user, password) = match (table.get("user"), table.get("password")) {
        (None, None) => return Ok(url.to_owned()),
        (Some(user), Some(password)) => (user.text("user = \"ada\"")?, password.secret()?),
        (Some(_), None) => return Err(entry.error("password is missing").with_help(SIGN_IN)),
        (None, Some(_)) => return Err(entry.error("user is missing").with_help(SIGN_IN)),
    };
    let Some((scheme, rest)) = url.split_once("://") else { return Ok(url.to_owned()) };
    if rest.split('/').next().unwrap_or_default().contains('@') {
        return Err(entry.error("the URL has a user already").with_help(SIGN_IN));
    }
    let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    Ok(format!("{scheme}://{}:{}@{rest}", encoded(&user), encoded(&password.expose())))
}

const SIGN_IN: &str = "write proxy = { url = \"http://proxy.example.com:3128\", user = \"ada\", \
                       password = { env = \"PASSWORD\" } }";
