//! Why the guard refused a host, and how that reads.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use fanout::{Error, ErrorKind};

use super::embedded::Wrapping;

/// A host that was refused. Tells the address only where the host is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal(String);

/// What is wrong with an address or a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Why {
    Meaning { what: &'static str, standard: &'static str },
    Inside { wrapping: Wrapping, inner: IpAddr, why: Box<Self> },
    Denied,
    Odd(Option<Ipv4Addr>),
    Unusable,
}

impl Refusal {
    /// Of what stands in the URL itself.
    pub(super) fn of_literal(written: &str, why: Why) -> Self {
        let host = shown(written);
        Self(match why {
            Why::Denied => format!("{host} is denied by a rule of the address guard"),
            Why::Inside { wrapping, inner, why } => {
                let why = Self::of_literal(&inner.to_string(), *why);
                format!("{host} is {wrapping} with {inner} in it: {why}")
            }
            Why::Meaning { .. } | Why::Odd(_) | Why::Unusable => format!("{host} is {why}"),
        })
    }

    /// Of what a name was found to lead to. The address is not for the author of the name to know.
    pub(super) fn of_name(written: &str, why: Why) -> Self {
        let host = shown(written);
        Self(match why {
            Why::Denied => {
                format!("{host} leads to an address that a rule of the address guard denies")
            }
            Why::Inside { wrapping, why, .. } => match *why {
                Why::Denied => Self::of_name(written, Why::Denied).0,
                why => format!("{host} leads to {wrapping} with {why} in it"),
            },
            why => format!("{host} leads to {why}"),
        })
    }

    pub(crate) fn into_error(self) -> Error {
        // By its kind: effect `None`, advice `Never`, and no breaker counts it.
        Error::new(ErrorKind::Forbidden, format!("the address guard refuses the host: {self}"))
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Meaning { what, standard } => write!(f, "{what} ({standard})"),
            Self::Odd(Some(meant)) => {
                write!(f, "an odd spelling of {meant} (RFC 6943 section 3.1.1)")
            }
            Self::Odd(None) => f.write_str("a number in place of a name (RFC 6943 section 3.1.1)"),
            Self::Unusable => f.write_str("no host that can be judged (RFC 3986 section 3.2.2)"),
            Self::Denied => f.write_str("denied"),
            Self::Inside { wrapping, why, .. } => write!(f, "{wrapping} with {why} in it"),
        }
    }
}

/// A host is anybody's text: at most so much of it, and nothing that moves a cursor.
fn shown(written: &str) -> String {
    let bare = written.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let plain = bare.unwrap_or(written).chars().filter(|c| c.is_ascii_graphic());
    let text: String = plain.take(MOST_SHOWN).collect();
    if text.is_empty() { "the host".to_owned() } else { text }
}

const MOST_SHOWN: usize = 100;
