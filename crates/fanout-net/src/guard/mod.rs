//! The address guard: which hosts a client may connect to (SSRF).

mod asked;
mod embedded;
mod host;
mod refusal;
mod rule;
mod table;

use std::net::IpAddr;

use fanout::{Error, ErrorKind};

pub use self::asked::Guarding;
use self::embedded::{Wrapping, is_isatap};
use self::host::Host;
pub(crate) use self::refusal::Refusal;
use self::refusal::Why;
use self::rule::Rules;
use self::table::Meaning;
use crate::plaintext::{LOCALHOST, is_localhost};

/// Says where a client may connect to, for URLs that other people write.
///
/// A server that sends to URLs of its users can be made to send to itself, to its neighbours, and to the
/// metadata service of its cloud (server-side request forgery). A client with a guard connects to public
/// addresses alone. **A client has none by default**: URLs that the operator writes may lead anywhere.
///
/// The guard stands where the connection is made. A name is looked up once, its addresses are judged, and
/// those that passed are the ones that are dialled; so a name that answers otherwise the next time gains
/// nothing, and a pooled connection is one that was judged. Of a name with several addresses the refused
/// ones are left out, and it is an error when none is left. Hosts that are written as an address are
/// judged as well, and refused in any but the plain spelling (`0x7f.1`, `127.1`, `2130706433`: RFC 6943
/// section 3.1.1), whatever they stand for.
///
/// What is refused fails as [`Forbidden`](ErrorKind::Forbidden) with effect `None` and advice `Never`: it
/// is not tried again, and no circuit breaker counts it.
///
/// # Rules
///
/// [`allow`](Self::allow) and [`deny`](Self::deny) take a network (`10.0.0.0/8`), an address, a host
/// (`hooks.internal`) or all hosts below a name (`*.internal`). What is denied is refused, whatever is
/// allowed.
///
/// **An allowed network** lets addresses pass, whatever they are, and IPv6 addresses that wrap one of them.
///
/// **An allowed host** lets a name pass *with whatever addresses it has*: they are not checked, but for those
/// that are denied. Whoever answers for that name in the DNS says where it leads. The name is compared as
/// it is written in the URL, in any case, with or without the dot at its end.
///
/// # What an error tells
///
/// The text names the host and what kind of address it has, such as `a private address (RFC 1918)`; for a
/// name never the address itself. That much still tells whoever may read it whether an internal name exists.
/// Reports are for operators; to the author of a URL say no more than that it is not allowed.
///
/// # Limits
///
/// A guard judges addresses, not what is behind them: a public address that leads back into one's own
/// network (its own public address, a load balancer, a router that maps ports) has to be
/// [denied](Self::deny), and so has the prefix of a translator other than `64:ff9b::/96` (NAT64). It does
/// not judge ports. A proxy would look names up where no guard sees it, so the two do not go together.
///
/// # Examples
///
/// ```
/// use fanout_net::{Client, Guard, Proxy};
///
/// let guard = Guard::new().allow("10.20.0.0/16")?.deny("*.corp.example")?;
/// assert!(guard.check("hooks.example.com").is_ok()); // its addresses are judged when it is connected to
/// assert!(guard.check("[::ffff:127.0.0.1]").is_err());
/// let client = Client::builder().proxy(Proxy::none()).guard(guard).build()?;
/// # Ok::<(), fanout::Error>(())
/// ```
///
#[doc = include_str!("../../docs/address-guard.md")]
#[must_use]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Guard {
    allow: Rules,
    deny: Rules,
}

impl Guard {
    /// Makes the standard guard: public addresses and no others.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets a network, an address, a host, or all hosts below a name pass. See *Rules* above.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Build`] when the rule is none of these, or has an address inside a network where the
    /// network is meant (`10.1.2.3/8`).
    pub fn allow(mut self, rule: impl AsRef<str>) -> Result<Self, Error> {
        self.allow.add(rule.as_ref())?;
        Ok(self)
    }

    /// Refuses a network, an address, a host, or all hosts below a name. See *Rules* above.
    ///
    /// # Errors
    ///
    /// As [`allow`](Self::allow).
    pub fn deny(mut self, rule: impl AsRef<str>) -> Result<Self, Error> {
        self.deny.add(rule.as_ref())?;
        Ok(self)
    }

    /// Judges the host of a URL as it is written there, without looking it up.
    ///
    /// A name passes here unless it is denied or is `localhost` (RFC 6761 section 6.3); its addresses are
    /// judged when it is connected to. So this is for telling the author of a URL early, and protects
    /// nothing by itself.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Forbidden`] when the host is refused.
    pub fn check(&self, host: &str) -> Result<(), Error> {
        self.judge_host(host).map_err(|refusal| refusal.into_error())
    }

    /// Judges an address.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Forbidden`] when it is refused.
    pub fn check_address(&self, address: IpAddr) -> Result<(), Error> {
        let refused = |why| Refusal::of_literal(&address.to_string(), why).into_error();
        self.judge(address).map_err(refused)
    }

    pub(crate) fn judge_host(&self, written: &str) -> Result<(), Refusal> {
        let refused = |why| Err(Refusal::of_literal(written, why));
        let name = match Host::read(written) {
            Host::Address(address) => {
                return self.judge(address).or_else(refused);
            }
            Host::Odd(meant) => return refused(Why::Odd(meant)),
            Host::Unusable => return refused(Why::Unusable),
            Host::Name(name) => name,
        };
        if self.deny.has_name(&name) {
            return refused(Why::Denied);
        }
        let passes = self.allow.has_name(&name) || !is_localhost(&name);
        if passes || LOCALHOST.into_iter().any(|address| self.judge(address).is_ok()) {
            return Ok(());
        }
        refused(Why::Meaning { what: "a loopback name", standard: "RFC 6761 section 6.3" })
    }

    /// Judges an address that was found for the host `written`.
    pub(crate) fn judge_found(&self, written: &str, address: IpAddr) -> Result<(), Refusal> {
        let refused = |why| Refusal::of_name(written, why);
        let is_allowed =
            matches!(Host::read(written), Host::Name(name) if self.allow.has_name(&name));
        if is_allowed {
            return if self.is_denied(address) { Err(refused(Why::Denied)) } else { Ok(()) };
        }
        self.judge(address).map_err(refused)
    }

    fn judge(&self, address: IpAddr) -> Result<(), Why> {
        if self.is_denied(address) {
            return Err(Why::Denied);
        }
        if self.allow.has_address(address) {
            return Ok(());
        }
        if let Some(block) = table::block(address)
            && let Meaning::Refused(what) = block.meaning
        {
            return Err(Why::Meaning { what, standard: block.standard });
        }
        let Some((wrapping, inside)) = inside(address) else { return Ok(()) };
        for inner in inside {
            // An IPv4 address wraps nothing, so this goes one step down and no further.
            self.judge(inner).map_err(|why| Why::Inside { wrapping, inner, why: Box::new(why) })?;
        }
        Ok(())
    }

    /// Whether the address, or one that it wraps, is denied.
    fn is_denied(&self, address: IpAddr) -> bool {
        let inside = inside(address).into_iter().flat_map(|(_, inside)| inside);
        std::iter::once(address).chain(inside).any(|address| self.deny.has_address(address))
    }
}

/// The addresses that `address` wraps, and how.
fn inside(address: IpAddr) -> Option<(Wrapping, impl Iterator<Item = IpAddr>)> {
    let IpAddr::V6(v6) = address else { return None };
    let wrapping = match table::block(address).map(|block| block.meaning) {
        Some(Meaning::Wraps(wrapping)) => wrapping,
        _ if is_isatap(v6) => Wrapping::Isatap,
        _ => return None,
    };
    Some((wrapping, wrapping.inside(v6).into_iter().flatten().map(IpAddr::V4)))
}

/// The error for a client that has both a guard and a proxy.
pub(crate) fn no_proxy() -> Error {
    Error::new(
        ErrorKind::Build,
        "a guarded client cannot use a proxy, which looks names up where no guard sees it: \
         set no proxy, or let the proxy do the guarding",
    )
}

#[cfg(test)]
mod tests;
