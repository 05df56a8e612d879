//! IPv4 addresses inside IPv6 addresses: where a translator or a tunnel would send a packet.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

/// How an IPv6 address wraps IPv4 addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wrapping {
    Mapped,
    Nat64,
    SixToFour,
    Teredo,
    Isatap,
}

impl Wrapping {
    /// Returns the IPv4 addresses in `address`, which is known to be wrapped like this.
    pub(super) fn inside(self, address: Ipv6Addr) -> [Option<Ipv4Addr>; 2] {
        let bits = address.to_bits();
        // The 32 bits that begin so many bits from the right.
        let at = |shift: u32| Ipv4Addr::from_bits((bits >> shift) as u32);
        match self {
            Self::Mapped | Self::Nat64 | Self::Isatap => [Some(at(0)), None],
            Self::SixToFour => [Some(at(80)), None],
            // RFC 4380 section 4: the server, and the client with all its bits turned over.
            Self::Teredo => [Some(at(64)), Some(Ipv4Addr::from_bits(!at(0).to_bits()))],
        }
    }
}

impl fmt::Display for Wrapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Mapped => "an IPv4-mapped address",
            Self::Nat64 => "a translated address (NAT64)",
            Self::SixToFour => "a 6to4 address",
            Self::Teredo => "a Teredo address",
            Self::Isatap => "an ISATAP address",
        })
    }
}

/// Whether the interface identifier is that of ISATAP, which may follow any prefix (RFC 5214 section 6.1).
pub(super) fn is_isatap(address: Ipv6Addr) -> bool {
    let [_, _, _, _, flags, marker, _, _] = address.segments();
    // The universal bit says whether the IPv4 address is a public one; nothing holds a sender to that.
    marker == 0x5efe && matches!(flags, 0 | 0x200)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inside(wrapping: Wrapping, address: &str) -> Vec<String> {
        let found = wrapping.inside(address.parse().unwrap());
        found.into_iter().flatten().map(|address| address.to_string()).collect()
    }

    /// The examples of the documents themselves.
    #[test]
    fn embedded_addresses_are_where_the_standards_put_them() {
        assert_eq!(inside(Wrapping::Mapped, "::ffff:129.144.52.38"), ["129.144.52.38"]);
        assert_eq!(inside(Wrapping::Nat64, "64:ff9b::192.0.2.33"), ["192.0.2.33"]);
        assert_eq!(inside(Wrapping::SixToFour, "2002:c000:0204::1"), ["192.0.2.4"]);
        let teredo = "2001:0:4136:e378:8000:63bf:3fff:fdd2";
        assert_eq!(inside(Wrapping::Teredo, teredo), ["65.54.227.120", "192.0.2.45"]);
        assert_eq!(inside(Wrapping::Isatap, "2a00::5efe:192.0.2.143"), ["192.0.2.143"]);
    }

    #[test]
    fn isatap_is_known_by_its_identifier() {
        for (address, expected) in [
            ("2a00::5efe:10.0.0.1", true),
            ("2a00::200:5efe:10.0.0.1", true),
            ("2a00::100:5efe:10.0.0.1", false),
            ("2a00::5eff:10.0.0.1", false),
        ] {
            assert_eq!(is_isatap(address.parse().unwrap()), expected, "{address}");
        }
    }
}
