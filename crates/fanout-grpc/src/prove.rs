//! Credentials in the metadata of a call, after that is made and before it leaves.

use fanout::{Error, ErrorKind};
use fanout_net::auth::{CredentialSet, Place, Proofs};
use http::HeaderMap;

use crate::request::add;

/// Checks, when the sink is built, that credentials can go where they want to.
pub(crate) fn check(credentials: &CredentialSet, metadata: &HeaderMap) -> Result<(), Error> {
    for place in credentials.places() {
        match place {
            Place::Header(name) => text(&name)?,
            _ => return Err(no_query()),
        }
    }
    credentials.check(metadata, &http::Uri::default())
}

/// Writes proofs into the metadata of one call.
pub(crate) fn write(proofs: &mut Proofs, metadata: &mut HeaderMap) -> Result<(), Error> {
    if proofs.has_query() {
        return Err(no_query());
    }
    for name in proofs.header_names() {
        text(name.as_str())?;
    }
    proofs.write_headers(metadata)
}

/// Refuses names that are gRPC's own, or no names of metadata that is text.
fn text(name: &str) -> Result<(), Error> {
    if name.ends_with("-bin") {
        return Err(Error::new(
            ErrorKind::Build,
            "a credential is text, and metadata that ends in -bin is binary",
        )
        .with_context("metadata", name));
    }
    add(&mut HeaderMap::new(), name, "")
}

fn no_query() -> Error {
    Error::new(ErrorKind::Build, "gRPC has no query: send the key as metadata")
}
