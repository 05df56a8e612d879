//! Credentials that are what they are: a token, a user with a password, a key.

use std::fmt;

use fanout::{Error, Exposed, Secret, async_trait};
use tokio::time::Instant;

use super::{Credentials, Place, Proof, Renewal};

/// A token that is sent as `Authorization: Bearer`.
///
/// One from a file follows the file; after a refusal it is looked at once more, and when it has changed,
/// the sink advises another attempt.
///
/// # Standards
///
/// RFC 6750 section 2.1.
#[derive(Clone, Debug)]
pub struct Bearer {
    token: Secret,
}

/// A user name with a password, sent as `Authorization: Basic` in UTF-8.
///
/// A password from a file follows the file, as that of [`Bearer`] does.
///
/// # Standards
///
/// RFC 7617.
#[derive(Clone)]
pub struct Basic {
    user: String,
    password: Secret,
}

/// A key that is sent in a header, over gRPC in the metadata, or in the query.
///
/// Queries get into the logs of servers and proxies: prefer a header where the API knows both. A key
/// from a file follows the file, as the token of [`Bearer`] does.
#[derive(Clone, Debug)]
pub struct ApiKey {
    place: Place,
    key: Secret,
}

impl Bearer {
    /// Makes credentials of this token.
    pub fn new(token: Secret) -> Self {
        Self { token }
    }
}

impl Basic {
    /// Makes credentials of this user name and password. The name cannot have a colon.
    pub fn new(user: impl Into<String>, password: Secret) -> Self {
        Self { user: user.into(), password }
    }
}

impl ApiKey {
    /// Makes a key that is sent in the header `name`: `x-api-key`.
    pub fn header(name: impl AsRef<str>, key: Secret) -> Self {
        Self { place: Place::header(name), key }
    }

    /// Makes a key that is sent in the query, as the value of `name`. Not for gRPC, which has none.
    pub fn query(name: impl Into<String>, key: Secret) -> Self {
        Self { place: Place::query(name), key }
    }
}

#[async_trait]
impl Credentials for Bearer {
    async fn proof(&self, _: Instant) -> Result<Proof, Error> {
        of(&self.token, |token| Proof::bearer(token))
    }

    fn refused(&self, proof: &Proof) -> Renewal {
        changed(&self.token, proof)
    }

    fn places(&self) -> Vec<Place> {
        vec![Place::header("authorization")]
    }
}

#[async_trait]
impl Credentials for Basic {
    async fn proof(&self, _: Instant) -> Result<Proof, Error> {
        of(&self.password, |password| Proof::basic(&self.user, password))
    }

    fn refused(&self, proof: &Proof) -> Renewal {
        changed(&self.password, proof)
    }

    fn places(&self) -> Vec<Place> {
        vec![Place::header("authorization")]
    }
}

#[async_trait]
impl Credentials for ApiKey {
    async fn proof(&self, _: Instant) -> Result<Proof, Error> {
        of(&self.key, |key| match &self.place {
            Place::Header(name) => Proof::new().with_header(name, key),
            Place::Query(name) => Ok(Proof::new().with_query(name, key)),
        })
    }

    fn refused(&self, proof: &Proof) -> Renewal {
        changed(&self.key, proof)
    }

    fn places(&self) -> Vec<Place> {
        vec![self.place.clone()]
    }
}

impl fmt::Debug for Basic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The name of a user is often half of a credential.
        f.debug_struct("Basic").field("password", &self.password).finish_non_exhaustive()
    }
}

/// Makes the proof of a secret as it is now; an error says where the secret came from.
fn of(
    secret: &Secret,
    make: impl FnOnce(&Exposed) -> Result<Proof, Error>,
) -> Result<Proof, Error> {
    let text = secret.expose();
    let proof = make(&text).map_err(|error| error.with_context("secret", format!("{secret:?}")))?;
    Ok(proof.with_version(text.generation()))
}

/// Whether the secret is no longer the one that was refused.
fn changed(secret: &Secret, proof: &Proof) -> Renewal {
    if secret.check_now() == proof.version() { Renewal::Impossible } else { Renewal::Possible }
}

#[cfg(test)]
mod tests {
    use fanout::ErrorKind;

    use super::*;

    async fn header(credentials: impl Credentials) -> String {
        let proof = credentials.proof(Instant::now()).await.unwrap();
        let [(name, value)] = proof.headers.as_slice() else { panic!("{proof:?}") };
        assert!(value.is_sensitive());
        assert_eq!(credentials.places(), [Place::header(name)]);
        format!("{name}: {}", std::str::from_utf8(value.as_bytes()).unwrap())
    }

    async fn refusal(credentials: impl Credentials) -> String {
        let error = credentials.proof(Instant::now()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Build);
        let text = format!("{} {error:?}", error.to_chain());
        assert!(!text.contains("s3cret"), "{text}");
        error.to_chain()
    }

    #[tokio::test]
    async fn tokens_and_passwords_are_written_as_their_standards_say() {
        // RFC 6750 section 2.1.
        let token = Bearer::new(Secret::new("mF_9.B5f-4.1JqM"));
        assert_eq!(header(token).await, "authorization: Bearer mF_9.B5f-4.1JqM");
        // RFC 7617 sections 2 and 2.1.
        let basic = |user: &str, password: &str| Basic::new(user, Secret::new(password));
        let value = header(basic("Aladdin", "open sesame")).await;
        assert_eq!(value, "authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        let value = header(basic("test", "123\u{a3}")).await;
        assert_eq!(value, "authorization: Basic dGVzdDoxMjPCow==");
        assert_eq!(header(basic("", "a:b")).await, "authorization: Basic OmE6Yg==");
        let key = ApiKey::header("X-Api-Key", Secret::new("k"));
        assert_eq!(header(key).await, "x-api-key: k");
    }

    #[tokio::test]
    async fn what_cannot_be_sent_is_refused_without_being_shown() {
        for token in ["", "s3cret x", "s3cret\n", "s3crét"] {
            let text = refusal(Bearer::new(Secret::new(token))).await;
            assert!(text.ends_with("(secret: Secret(***))"), "{text}");
        }
        let text = refusal(Basic::new("s3cret:x", Secret::new("p"))).await;
        assert!(text.contains("colon"), "{text}");
        refusal(Basic::new("s3cret\n", Secret::new("p"))).await;
        refusal(Basic::new("u", Secret::new("s3cret\0"))).await;
        refusal(ApiKey::header("a b", Secret::new("s3cret"))).await;
        let text = refusal(ApiKey::header("x-key", Secret::new("s3cret\r\nx: y"))).await;
        assert!(text.contains("header: x-key"), "{text}");
        refusal(ApiKey::header("x-key", Secret::new(""))).await;
    }

    #[tokio::test]
    async fn a_file_that_has_changed_makes_another_attempt_worth_while() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        std::fs::write(&path, "one").unwrap();
        let token = Bearer::new(Secret::from_file(&path).unwrap());
        let proof = token.proof(Instant::now()).await.unwrap();
        assert_eq!(token.refused(&proof), Renewal::Impossible);
        std::fs::write(&path, "two").unwrap();
        assert_eq!(token.refused(&proof), Renewal::Possible);
        let fresh = token.proof(Instant::now()).await.unwrap();
        assert_eq!(token.refused(&fresh), Renewal::Impossible);
        assert_eq!(token.refused(&proof), Renewal::Possible, "an old proof says nothing");
    }

    #[test]
    fn nothing_shows_itself() {
        let shown = [
            format!("{:?}", Bearer::new(Secret::new("s3cret"))),
            format!("{:?}", Basic::new("s3cret", Secret::new("s3cret"))),
            format!("{:?}", ApiKey::header("x-key", Secret::new("s3cret"))),
            format!("{:?}", ApiKey::query("key", Secret::new("s3cret"))),
            format!("{:?}", Proof::bearer("s3cret").unwrap().with_query("key", "s3cret")),
        ];
        assert!(!shown.concat().contains("s3cret"), "{shown:?}");
    }
}
