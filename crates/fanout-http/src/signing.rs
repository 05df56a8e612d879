//! Webhook signatures: three headers that are made again for every request.

use fanout::{Error, ErrorKind, Message};
use fanout_webhook::{ID, SIGNATURE, Signer, TIMESTAMP};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::HttpSinkBuilder;

impl HttpSinkBuilder {
    /// Signs every request as Standard Webhooks has it. Needs the feature `webhook`.
    ///
    /// # Behavior
    ///
    /// - `webhook-id` is `msg_` and the id of the message: the same on every attempt, at every sink and on
    ///   every resend of this message. Receivers know a duplicate by it.
    /// - `webhook-timestamp` is the time of the attempt, and `webhook-signature` is made again with it, with
    ///   each of the keys. What is signed is the body as it leaves, an empty one too; the URL and other
    ///   headers are not.
    /// - These headers are the signer's alone: [`build`](Self::build) refuses them among the sink's own, and a
    ///   message that has one of them in its metadata is refused as [`ErrorKind::Build`].
    /// - It does not go with [`compression`](Self::compression): whether a receiver sees the body before or
    ///   after something in front of it has decoded it is not known here. Sign what arrives: encode the
    ///   payload yourself, and set its `content-encoding`, where both ends have agreed on that.
    ///
    /// # Examples
    ///
    /// ```
    /// use fanout_http::{HttpSink, Signer};
    ///
    /// let signer = Signer::new("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")?;
    /// let hook = HttpSink::post("https://customer.example/hooks").sign(signer).build()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Standards
    ///
    /// [Standard Webhooks](https://www.standardwebhooks.com) 1.0.0.
    pub fn sign(self, signer: Signer) -> Self {
        self.signer(signer)
    }
}

/// Refuses headers of the user's where the sink writes its own.
pub(crate) fn no_others(headers: &HeaderMap) -> Result<(), Error> {
    match [ID, TIMESTAMP, SIGNATURE].into_iter().find(|name| headers.contains_key(*name)) {
        None => Ok(()),
        Some(name) => Err(Error::new(
            ErrorKind::Build,
            "this sink signs its requests and writes this header itself: take yours out",
        )
        .with_context("header", name)),
    }
}

/// Adds the headers for `message`, whose request has this `body`.
pub(crate) fn sign(
    signer: &Signer,
    message: &Message,
    body: &[u8],
    headers: &mut HeaderMap,
) -> Result<(), Error> {
    no_others(headers)?;
    let signed = signer.sign(&format!("msg_{}", message.id()), body).map_err(|error| {
        Error::new(ErrorKind::Build, "the request cannot be signed").with_source(error)
    })?;
    for (name, value) in signed.pairs() {
        let mut value = HeaderValue::from_str(value).expect("visible ASCII and spaces");
        // Another one for every request: not worth a place in a compression table of HTTP/2.
        value.set_sensitive(name == SIGNATURE);
        headers.insert(HeaderName::from_static(name), value);
    }
    Ok(())
}
