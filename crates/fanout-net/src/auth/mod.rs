//! Who we are, to the other side: credentials, and what they come to on one attempt.

mod cache;
mod encode;
mod fixed;
mod oauth;
mod proof;
mod scrub;
mod set;
mod token_endpoint;

use std::sync::Arc;

use fanout::{Error, async_trait};
use tokio::time::Instant;

pub use self::fixed::{ApiKey, Basic, Bearer};
pub use self::oauth::{OAuth2, OAuth2Builder};
pub use self::proof::{Place, Proof};
pub use self::scrub::{Scrub, is_credential_header};
pub use self::set::{CredentialSet, Proofs};
pub use self::token_endpoint::ClientAuth;

/// Something that proves who we are: a fixed token, or one that is fetched and renewed.
///
/// It is asked anew for every attempt, after the request is built and within the time of the attempt;
/// nothing of the message has left then. One value may serve many sinks and many sends at once.
///
/// # Contract
///
/// - [`proof`](Self::proof) must have ended by `deadline`; it is dropped then, and when the send is.
/// - An error says that there is no proof, so the message is not sent: its effect counts as
///   [`None`](fanout::Effect::None), and its kind and advice as they are.
/// - The proof's headers and query pairs must be set by nothing else of the sink or the message: a send
///   where one is fails as [`Build`](fanout::ErrorKind::Build).
///
/// # Examples
///
/// ```
/// use fanout::{Error, async_trait};
/// use fanout_net::auth::{Credentials, Proof};
/// use tokio::time::Instant;
///
/// /// A token that another program keeps fresh.
/// struct Agent;
///
/// #[async_trait]
/// impl Credentials for Agent {
///     async fn proof(&self, _deadline: Instant) -> Result<Proof, Error> {
///         Proof::bearer("the token of the moment")
///     }
/// }
/// ```
#[async_trait]
pub trait Credentials: Send + Sync {
    /// Returns what proves who we are, for one attempt, before `deadline`.
    ///
    /// # Errors
    ///
    /// Whatever kept it from it; the send fails with this error.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves nothing behind that another call would need.
    async fn proof(&self, deadline: Instant) -> Result<Proof, Error>;

    /// Learns that the other side refused `proof`: HTTP 401, gRPC `UNAUTHENTICATED`. Answers whether the
    /// next proof may be another one, so that one more attempt, at once, makes sense.
    ///
    /// The refusal of an old proof says nothing about a newer one: [`Proof::version`] tells them
    /// apart. Default: [`Renewal::Impossible`].
    fn refused(&self, proof: &Proof) -> Renewal {
        let _ = proof;
        Renewal::Impossible
    }

    /// Returns where the proof will be, as far as that is known before it is made, so that a clash is
    /// found when the sink is built. Default: nowhere that is known.
    fn places(&self) -> Vec<Place> {
        Vec::new()
    }
}

/// Whether a refused proof can be replaced by a fresh one.
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Renewal {
    /// The next proof may be another one.
    Possible,
    /// The next proof would be the same.
    Impossible,
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<C: Credentials + ?Sized> Credentials for Arc<C> {
    async fn proof(&self, deadline: Instant) -> Result<Proof, Error> {
        (**self).proof(deadline).await
    }

    fn refused(&self, proof: &Proof) -> Renewal {
        (**self).refused(proof)
    }

    fn places(&self) -> Vec<Place> {
        (**self).places()
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<C: Credentials + ?Sized> Credentials for Box<C> {
    async fn proof(&self, deadline: Instant) -> Result<Proof, Error> {
        (**self).proof(deadline).await
    }

    fn refused(&self, proof: &Proof) -> Renewal {
        (**self).refused(proof)
    }

    fn places(&self) -> Vec<Place> {
        (**self).places()
    }
}
