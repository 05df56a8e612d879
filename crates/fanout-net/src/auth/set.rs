//! All credentials of one sink, and their proofs on one attempt: for transports.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use fanout::{Effect, Error, ErrorKind, TimeoutScope};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use percent_encoding::percent_decode_str;
use tokio::time::{Instant, timeout_at};

use super::encode::query;
use super::scrub::may_be_secret;
use super::{Credentials, Place, Proof, Renewal, Scrub};

/// All credentials of one sink, for transports. Cheap to clone.
#[derive(Clone, Default)]
pub struct CredentialSet {
    all: Vec<Arc<dyn Credentials>>,
}

/// What the credentials of a sink come to on one attempt; made by [`CredentialSet::proofs`].
#[derive(Default)]
pub struct Proofs {
    all: Vec<(Arc<dyn Credentials>, Proof)>,
    /// What stood in the headers before and may be credentials.
    others: Vec<HeaderValue>,
    /// The URL, before a proof was written in it.
    uri: Option<Uri>,
}

impl CredentialSet {
    /// Adds credentials.
    pub fn add(&mut self, credentials: impl Credentials + 'static) {
        self.all.push(Arc::new(credentials));
    }

    /// Returns whether there are none.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Returns where all of them go, as far as that is known.
    pub fn places(&self) -> Vec<Place> {
        self.all.iter().flat_map(|credentials| credentials.places()).collect()
    }

    /// Checks, when a sink is built, that nothing else goes where a proof will: neither one of `headers`
    /// nor a pair of the query nor another proof.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Build`], naming the header or the pair.
    pub fn check(&self, headers: &HeaderMap, uri: &Uri) -> Result<(), Error> {
        let places = self.places();
        for (index, place) in places.iter().enumerate() {
            match place {
                Place::Header(name) => {
                    let name = super::proof::header_name(name)?;
                    if headers.contains_key(&name) {
                        return Err(taken(&name));
                    }
                }
                Place::Query(name) if has_pair(uri, name) => return Err(taken_pair(name)),
                Place::Query(_) => {}
            }
            if places[..index].contains(place) {
                return Err(match place {
                    Place::Header(name) => twice().with_context("header", name.clone()),
                    Place::Query(name) => twice().with_context("query", name.clone()),
                });
            }
        }
        Ok(())
    }

    /// Asks all of them for their proofs, one after the other, until `deadline` at the latest.
    ///
    /// # Errors
    ///
    /// What kept one of them from it, effect `None`; [`ErrorKind::Timeout`] of scope `attempt` at the
    /// deadline.
    ///
    /// # Cancel safety
    ///
    /// As that of [`Credentials::proof`].
    pub async fn proofs(&self, deadline: Instant) -> Result<Proofs, Error> {
        let mut all = Vec::with_capacity(self.all.len());
        for credentials in &self.all {
            let proof = match timeout_at(deadline, credentials.proof(deadline)).await {
                Ok(proof) => proof.map_err(|error| error.with_effect(Effect::None))?,
                Err(_) => {
                    let text = "the credentials were not there in time";
                    let error = Error::timeout(TimeoutScope::Attempt, text);
                    return Err(error.with_effect(Effect::None));
                }
            };
            all.push((Arc::clone(credentials), proof));
        }
        Ok(Proofs { all, others: Vec::new(), uri: None })
    }
}

impl Proofs {
    /// Returns whether there are none.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Returns the names of the headers that will be written.
    pub fn header_names(&self) -> impl Iterator<Item = &HeaderName> {
        self.each().flat_map(|proof| &proof.headers).map(|(name, _)| name)
    }

    /// Returns whether there are pairs for a query.
    pub fn has_query(&self) -> bool {
        self.each().any(|proof| !proof.query.is_empty())
    }

    /// Writes the headers, and takes note of what is there already and may be a credential.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Build`] when one is there already: neither the sink nor a message may set what a
    /// credential writes.
    pub fn write_headers(&mut self, headers: &mut HeaderMap) -> Result<(), Error> {
        let others = headers.iter().filter(|(name, value)| may_be_secret(name, value));
        self.others.extend(others.map(|(_, value)| value.clone()));
        for (name, value) in self.all.iter().flat_map(|(_, proof)| &proof.headers) {
            if headers.contains_key(name) {
                return Err(taken(name));
            }
            headers.insert(name.clone(), value.clone());
        }
        Ok(())
    }

    /// Adds the pairs to the query of `uri`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Build`] when there is a pair of the same name, or the URL becomes too long.
    pub fn write_query(&mut self, uri: &mut Uri) -> Result<(), Error> {
        self.uri = Some(uri.clone());
        for (name, value) in self.each().flat_map(|proof| &proof.query) {
            if has_pair(uri, name) {
                return Err(taken_pair(name));
            }
            add_pair(uri, name, value)?;
        }
        Ok(())
    }

    /// Adds the pairs that are not there yet: to a URL of the same origin that a redirect has led to.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Build`] when the URL becomes too long.
    pub fn complete_query(&self, uri: &mut Uri) -> Result<(), Error> {
        for (name, value) in self.each().flat_map(|proof| &proof.query) {
            if !has_pair(uri, name) {
                add_pair(uri, name, value)?;
            }
        }
        Ok(())
    }

    /// Says that the other side refused the proofs. Answers whether one of them can be renewed.
    pub fn refused(&self) -> Renewal {
        // All of them are told: nobody knows which it was.
        let answers = self.all.iter().map(|(credentials, proof)| credentials.refused(proof));
        answers.fold(Renewal::Impossible, |so_far, answer| match answer {
            Renewal::Possible => Renewal::Possible,
            Renewal::Impossible => so_far,
        })
    }

    /// Takes these proofs, and the credentials that were there already, out of the texts of an error.
    #[must_use]
    pub fn scrub(&self, error: Error) -> Error {
        self.secrets().error(error)
    }

    /// Takes them out of a text.
    #[must_use]
    pub fn scrub_text(&self, text: String) -> String {
        self.secrets().text(&text).unwrap_or(text)
    }

    /// Returns whether one of these proofs is in a text, in any form in which it may be repeated: for a URL
    /// that somebody else made.
    pub fn are_shown_in(&self, text: &str) -> bool {
        self.own_secrets().text(text).is_some()
    }

    fn own_secrets(&self) -> Scrub {
        let mut scrub = Scrub::default();
        for secret in self.each().flat_map(|proof| &proof.secrets) {
            scrub.add(secret);
        }
        for (_, value) in self.each().flat_map(|proof| &proof.headers) {
            scrub.add_header(value);
        }
        scrub
    }

    fn secrets(&self) -> Scrub {
        let mut scrub = self.own_secrets();
        for value in &self.others {
            scrub.add_header(value);
        }
        if let Some(uri) = &self.uri {
            scrub.add_url(uri);
        }
        scrub
    }

    fn each(&self) -> impl Iterator<Item = &Proof> {
        self.all.iter().map(|(_, proof)| proof)
    }
}

impl fmt::Debug for CredentialSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CredentialSet").field(&self.places()).finish()
    }
}

impl fmt::Debug for Proofs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.each()).finish()
    }
}

/// Whether the query has a pair of this name, however it is encoded.
fn has_pair(uri: &Uri, name: &str) -> bool {
    let pairs = uri.query().unwrap_or_default().split('&');
    pairs
        .map(|pair| pair.split('=').next().unwrap_or_default())
        .any(|other| percent_decode_str(&other.replace('+', "%20")).eq(name.bytes()))
}

fn add_pair(uri: &mut Uri, name: &str, value: &str) -> Result<(), Error> {
    let mut parts = std::mem::take(uri).into_parts();
    let before = parts.path_and_query.as_ref().map_or("/", PathAndQuery::as_str);
    let separator = match before.split_once('?') {
        None => "?",
        Some((_, pairs)) if pairs.is_empty() || pairs.ends_with('&') => "",
        Some(_) => "&",
    };
    let text = format!("{before}{separator}{}={}", query(name), query(value));
    // The cause would quote the key.
    let too_long = || Error::new(ErrorKind::Build, "the URL with its key is too long");
    parts.path_and_query = Some(PathAndQuery::from_str(&text).map_err(|_| too_long())?);
    *uri = Uri::from_parts(parts).map_err(|_| too_long())?;
    Ok(())
}

fn taken(name: &HeaderName) -> Error {
    Error::new(ErrorKind::Build, "this header is written by the credentials: do not set it")
        .with_context("header", name.as_str())
}

fn taken_pair(name: &str) -> Error {
    Error::new(ErrorKind::Build, "this query pair is written by the credentials: take it out")
        .with_context("query", name)
}

fn twice() -> Error {
    Error::new(ErrorKind::Build, "two credentials would be written to the same place")
}

#[cfg(test)]
mod tests {
    use fanout::Secret;

    use super::*;
    use crate::auth::{ApiKey, Bearer};

    fn set(all: Vec<Box<dyn Credentials>>) -> CredentialSet {
        let mut set = CredentialSet::default();
        all.into_iter().for_each(|one| set.add(one));
        set
    }

    fn bearer() -> Box<dyn Credentials> {
        Box::new(Bearer::new(Secret::new("s3cret")))
    }

    fn key(name: &str) -> Box<dyn Credentials> {
        Box::new(ApiKey::query(name, Secret::new("s3cret &")))
    }

    async fn proofs(all: Vec<Box<dyn Credentials>>) -> Proofs {
        set(all).proofs(Instant::now() + std::time::Duration::from_secs(9)).await.unwrap()
    }

    fn refuses<T: fmt::Debug>(result: Result<T, Error>, expected: &str) {
        let error = result.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Build);
        assert!(error.to_chain().contains(expected), "{}", error.to_chain());
        assert!(!error.to_chain().contains("s3cret"), "{}", error.to_chain());
    }

    #[test]
    fn two_for_one_place_are_refused_when_the_sink_is_built() {
        let uri = Uri::from_static("http://u.example/?key=x");
        let mut headers = HeaderMap::new();
        assert!(set(vec![bearer(), key("k")]).check(&headers, &uri).is_ok());
        refuses(set(vec![bearer(), bearer()]).check(&headers, &uri), "header: authorization");
        refuses(set(vec![key("a"), key("a")]).check(&headers, &uri), "query: a");
        refuses(set(vec![key("key")]).check(&headers, &uri), "query: key");
        headers.insert("authorization", HeaderValue::from_static("s3cret"));
        refuses(set(vec![bearer()]).check(&headers, &uri), "header: authorization");
    }

    #[tokio::test]
    async fn proofs_are_written_where_nothing_is() {
        let mut proofs = proofs(vec![bearer(), key("my key")]).await;
        let mut headers = HeaderMap::new();
        proofs.write_headers(&mut headers).unwrap();
        assert_eq!(headers["authorization"], "Bearer s3cret");
        refuses(proofs.write_headers(&mut headers), "header: authorization");
        for (before, after) in [
            ("http://h", "http://h/?my%20key=s3cret%20%26"),
            ("http://h/a?", "http://h/a?my%20key=s3cret%20%26"),
            ("https://h:1/a?b=c", "https://h:1/a?b=c&my%20key=s3cret%20%26"),
        ] {
            let mut uri = Uri::from_static(before);
            proofs.write_query(&mut uri).unwrap();
            assert_eq!(uri, after);
            refuses(proofs.write_query(&mut uri), "query: my key");
        }
        assert!(proofs.has_query());
    }

    #[tokio::test]
    async fn a_pair_is_known_however_its_name_is_encoded_and_completed_where_it_is_missing() {
        let mut proofs = proofs(vec![key("my key")]).await;
        for taken in ["http://h/?my%20key=1", "http://h/?a&my+key", "http://h/?%6Dy%20k%65y=2"] {
            let mut uri = Uri::from_static(taken);
            refuses(set(vec![key("my key")]).check(&HeaderMap::new(), &uri), "query: my key");
            refuses(proofs.write_query(&mut uri), "query: my key");
            proofs.complete_query(&mut uri).unwrap();
            assert_eq!(uri, taken);
        }
        let mut uri = Uri::from_static("http://h/b?page=2");
        proofs.complete_query(&mut uri).unwrap();
        assert_eq!(uri, "http://h/b?page=2&my%20key=s3cret%20%26");
    }

    #[tokio::test]
    async fn a_url_that_becomes_too_long_is_an_error_without_the_key() {
        let key = ApiKey::query("key", Secret::new("s3cret".repeat(20_000)));
        let mut proofs = proofs(vec![Box::new(key)]).await;
        refuses(proofs.write_query(&mut Uri::from_static("http://h/")), "too long");
    }

    #[tokio::test]
    async fn what_an_answer_repeats_is_taken_out() {
        let mut proofs = proofs(vec![bearer(), key("k")]).await;
        let mut headers = HeaderMap::new();
        headers.insert("cookie", HeaderValue::from_static("session=abcdef"));
        headers.insert("x-tenant", HeaderValue::from_static("blue"));
        proofs.write_headers(&mut headers).unwrap();
        let text =
            proofs.secrets().text("s3cret &, s3cret%20%26, session=abcdef, blue, Bearer s3cret");
        assert_eq!(text.as_deref(), Some("***, ***, ***, blue, ***"));
    }

    #[tokio::test(start_paused = true)]
    async fn credentials_that_take_too_long_end_at_the_deadline() {
        struct Never;

        #[fanout::async_trait]
        impl Credentials for Never {
            async fn proof(&self, _: Instant) -> Result<Proof, Error> {
                std::future::pending().await
            }
        }
        let deadline = Instant::now() + std::time::Duration::from_secs(3);
        let error = set(vec![Box::new(Never)]).proofs(deadline).await.unwrap_err();
        assert_eq!((error.kind(), error.effect()), (ErrorKind::Timeout, Effect::None));
        assert_eq!(Instant::now(), deadline);
    }
}
