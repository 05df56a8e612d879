//! What the builder of a sink was told about a guard, the same for every transport.

use fanout::{Error, ErrorKind};

use super::Guard;
use crate::{Client, ClientBuilder};

/// Whether a sink is to be guarded, and by which [`Guard`]; for authors of transports.
///
/// A guard belongs to a client. This is what a builder keeps until it knows which client that is: one of
/// its own, which gets the guard, or a shared one, which must have one already.
#[derive(Clone, Debug, Default)]
pub struct Guarding(Asked);

#[derive(Clone, Debug, Default)]
enum Asked {
    #[default]
    No,
    Standard,
    By(Guard),
}

impl Guarding {
    /// Asks for the standard guard, unless one was given.
    #[must_use]
    pub fn or_standard(self) -> Self {
        match self.0 {
            Asked::By(_) => self,
            Asked::No | Asked::Standard => Self(Asked::Standard),
        }
    }

    /// Returns whether a guard is asked for.
    pub fn is_asked(&self) -> bool {
        !matches!(self.0, Asked::No)
    }

    /// Gives the guard to a client that is made for the sink.
    pub fn onto(self, client: ClientBuilder) -> ClientBuilder {
        match self.0 {
            Asked::No => client,
            Asked::Standard => client.guard(Guard::new()),
            Asked::By(guard) => client.guard(guard),
        }
    }

    /// Checks a client that the sink shares with others.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Build`] when a guard is asked for and the client has none, or when one was given, for
    /// it would come too late: connections may be open.
    pub fn fits(&self, client: &Client) -> Result<(), Error> {
        let text = match self.0 {
            Asked::Standard if !client.is_guarded() => {
                "the sink is untrusted and its shared client has no guard: build the client with one"
            }
            Asked::By(_) => "the guard belongs to the shared client: build the client with it",
            Asked::No | Asked::Standard => return Ok(()),
        };
        Err(Error::new(ErrorKind::Build, text))
    }
}

impl From<Guard> for Guarding {
    fn from(guard: Guard) -> Self {
        Self(Asked::By(guard))
    }
}
