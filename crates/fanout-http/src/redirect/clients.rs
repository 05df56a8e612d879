//! Which client a request goes by: the sink's own, or abroad one that nothing is trusted to.

use fanout_net::Client;

use super::{Redirects, Trail};

/// The clients of one sink.
#[derive(Clone)]
pub(crate) struct Clients {
    own: Client,
    /// For other origins, where they may be gone to: with a guard, and without our certificate.
    abroad: Option<Box<Client>>,
}

impl Clients {
    pub(crate) fn new(own: Client, redirects: Redirects) -> Self {
        let abroad = redirects.leave_the_origin().then(|| Box::new(own.abroad()));
        Self { own, abroad }
    }

    /// Returns the client for the sink's own origin.
    pub(crate) fn own(&self) -> &Client {
        &self.own
    }

    /// Returns the client for where the trail leads now.
    pub(crate) fn on(&self, trail: &Trail<'_>) -> &Client {
        match &self.abroad {
            Some(abroad) if trail.has_left() && !self.is_at_home(trail) => abroad,
            _ => &self.own,
        }
    }

    /// A service of this machine that sends us to another one of it shows us nothing new. A guard that
    /// there is has its own say.
    fn is_at_home(&self, trail: &Trail<'_>) -> bool {
        trail.is_local() && !self.own.is_guarded() && !self.own.is_for_one_server()
    }
}
