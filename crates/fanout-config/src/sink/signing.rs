//! `signing`: signatures of requests, by which a receiver knows who sent them.

use fanout_http::Signer;

use crate::reader::Entry;
use crate::{ConfigError, keys};

/// Reads `{ keys = SECRET }`, or a list of secrets while one takes the place of another.
pub(super) fn read(entry: &Entry<'_>) -> Result<Signer, ConfigError> {
    if !entry.is_table() {
        return Err(entry.unexpected(HELP));
    }
    let table = entry.table()?;
    table.allow(keys::SIGNING)?;
    let Some(list) = table.get("keys") else {
        return Err(entry.error("keys is missing").with_help(HELP));
    };
    let mut signer: Option<Signer> = None;
    for key in list.one_or_more() {
        let secret = key.secret()?;
        if key.place.misses_something() {
            continue;
        }
        let added = match signer {
            None => Signer::new(secret),
            Some(signer) => signer.key(secret),
        };
        signer = Some(added.map_err(|error| key.error(error.to_string()))?);
    }
    signer.ok_or_else(|| list.error("there is no key to sign with").with_help(HELP))
}

const HELP: &str = "write signing = { keys = [{ env = \"WEBHOOK_KEY\" }] }, with keys that begin with whsec_ or whsk_";
