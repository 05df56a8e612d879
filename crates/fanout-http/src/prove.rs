//! Credentials on a request, after it is built and before it leaves.

use bytes::Bytes;
use fanout::{Effect, Error};
use fanout_net::auth::{CredentialSet, Place, Proofs};
use http::{HeaderMap, Request};
use tokio::time::Instant;

use crate::request::{header, not_reserved};

/// Checks, when the sink is built, that credentials can go where they want to.
pub(crate) fn check(
    credentials: &CredentialSet,
    headers: &HeaderMap,
    uri: &http::Uri,
) -> Result<(), Error> {
    for place in credentials.places() {
        if let Place::Header(name) = place {
            header(&name, "")?;
        }
    }
    credentials.check(headers, uri)
}

/// Gets the proofs for one attempt and writes them on its request. Whatever goes wrong, nothing was sent.
pub(crate) async fn prove(
    credentials: &CredentialSet,
    request: &mut Request<Bytes>,
    deadline: Instant,
) -> Result<Proofs, Error> {
    let mut proofs = credentials.proofs(deadline).await?;
    write(&mut proofs, request).map_err(|error| error.with_effect(Effect::None))?;
    Ok(proofs)
}

fn write(proofs: &mut Proofs, request: &mut Request<Bytes>) -> Result<(), Error> {
    for name in proofs.header_names() {
        not_reserved(name)?;
    }
    proofs.write_headers(request.headers_mut())?;
    proofs.write_query(request.uri_mut())
}
