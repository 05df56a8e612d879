//! The special-purpose address blocks of IANA, and what the guard makes of each.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::embedded::Wrapping;

/// A block of addresses that are not like any other.
pub(super) struct Block {
    pub(super) net: IpNet,
    pub(super) meaning: Meaning,
    /// The document that says so.
    pub(super) standard: &'static str,
}

/// What the guard makes of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// Refused; the text goes after "is".
    Refused(&'static str),
    /// Let pass, although it is part of a block that is refused; the text says what it is.
    Public(&'static str),
    /// As good as the IPv4 addresses in it.
    Wraps(Wrapping),
}

/// Returns the narrowest block that holds `address`; `None` when it is an address like any other.
pub(super) fn block(address: IpAddr) -> Option<&'static Block> {
    // The narrow ones stand before the wide ones.
    BLOCKS.iter().find(|block| block.net.contains(&address))
}

const fn v4(octets: [u8; 4], length: u8, meaning: Meaning, standard: &'static str) -> Block {
    let [a, b, c, d] = octets;
    let net = Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), length);
    Block { net: IpNet::V4(net), meaning, standard }
}

/// The address is written as its first four and its last four groups.
const fn v6(
    first: [u16; 4],
    last: [u16; 4],
    length: u8,
    meaning: Meaning,
    standard: &'static str,
) -> Block {
    let ([a, b, c, d], [e, f, g, h]) = (first, last);
    let net = Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, d, e, f, g, h), length);
    Block { net: IpNet::V6(net), meaning, standard }
}

const ZERO: [u16; 4] = [0; 4];

const METADATA: Meaning = Meaning::Refused("a cloud metadata address");
const PRIVATE: Meaning = Meaning::Refused("a private address");
const DOCUMENTATION: Meaning = Meaning::Refused("a documentation address");
const BENCHMARKING: Meaning = Meaning::Refused("a benchmarking address");
const MULTICAST: Meaning = Meaning::Refused("a multicast address");
const LOOPBACK: Meaning = Meaning::Refused("a loopback address");
const LINK_LOCAL: Meaning = Meaning::Refused("a link-local address");
const UNSPECIFIED: Meaning = Meaning::Refused("the unspecified address");
const RESERVED: Meaning = Meaning::Refused("a reserved address");
const PROTOCOLS: Meaning = Meaning::Refused("an address of IETF protocols");
const IDENTIFIER: Meaning = Meaning::Refused("an identifier and no place");
const AS112: Meaning = Meaning::Public("AS112, an anycast service of the public network");
const AMT: Meaning = Meaning::Public("AMT relays, an anycast service of the public network");

/// Sources: the IANA registries of special-purpose addresses for IPv4 and IPv6, of multicast addresses,
/// and of the IPv6 address space; the documentation of the clouds for their metadata services.
pub(super) const BLOCKS: &[Block] = &[
    // Metadata services: what an attacker wants first. Each but Azure's is inside a block below.
    v4([169, 254, 169, 254], 32, METADATA, "RFC 3927"),
    v4([169, 254, 170, 2], 32, METADATA, "RFC 3927"),
    v4([169, 254, 170, 23], 32, METADATA, "RFC 3927"),
    v4([100, 100, 100, 200], 32, METADATA, "RFC 6598"),
    v4([192, 0, 0, 192], 32, METADATA, "RFC 6890"),
    v4([168, 63, 129, 16], 32, METADATA, "documentation of Azure"),
    // IPv4.
    v4([0, 0, 0, 0], 32, UNSPECIFIED, "RFC 1122 section 3.2.1.3"),
    v4([0, 0, 0, 0], 8, Meaning::Refused("an address of \"this network\""), "RFC 791 section 3.2"),
    v4([10, 0, 0, 0], 8, PRIVATE, "RFC 1918"),
    v4([100, 64, 0, 0], 10, Meaning::Refused("a shared address"), "RFC 6598"),
    v4([127, 0, 0, 0], 8, LOOPBACK, "RFC 1122 section 3.2.1.3"),
    v4([169, 254, 0, 0], 16, LINK_LOCAL, "RFC 3927"),
    v4([172, 16, 0, 0], 12, PRIVATE, "RFC 1918"),
    v4([192, 0, 0, 0], 24, PROTOCOLS, "RFC 6890 section 2.1"),
    v4([192, 0, 2, 0], 24, DOCUMENTATION, "RFC 5737"),
    v4([192, 31, 196, 0], 24, AS112, "RFC 7535"),
    v4([192, 52, 193, 0], 24, AMT, "RFC 7450"),
    v4([192, 88, 99, 0], 24, Meaning::Refused("a relay address of 6to4"), "RFC 7526"),
    v4([192, 168, 0, 0], 16, PRIVATE, "RFC 1918"),
    v4([192, 175, 48, 0], 24, AS112, "RFC 7534"),
    v4([198, 18, 0, 0], 15, BENCHMARKING, "RFC 2544"),
    v4([198, 51, 100, 0], 24, DOCUMENTATION, "RFC 5737"),
    v4([203, 0, 113, 0], 24, DOCUMENTATION, "RFC 5737"),
    v4([224, 0, 0, 0], 4, MULTICAST, "RFC 5771"),
    v4([255, 255, 255, 255], 32, Meaning::Refused("the broadcast address"), "RFC 919 section 7"),
    v4([240, 0, 0, 0], 4, RESERVED, "RFC 1112 section 4"),
    // Metadata services over IPv6.
    v6([0xfd00, 0xec2, 0, 0], [0, 0, 0, 0x254], 128, METADATA, "RFC 4193"),
    v6([0xfd00, 0xec2, 0, 0], [0, 0, 0, 0x23], 128, METADATA, "RFC 4193"),
    v6([0xfd20, 0xce, 0, 0], [0, 0, 0, 0x254], 128, METADATA, "RFC 4193"),
    v6([0xfd00, 0x42, 0, 0], [0, 0, 0, 0x42], 128, METADATA, "RFC 4193"),
    v6([0xfd00, 0xc1, 0, 0], [0, 0, 0xa9fe, 0xa9fe], 128, METADATA, "RFC 4193"),
    v6([0xfe80, 0, 0, 0], [0, 0, 0xa9fe, 0xa9fe], 128, METADATA, "RFC 4291 section 2.5.6"),
    // IPv6.
    v6(ZERO, [0, 0, 0, 0], 128, UNSPECIFIED, "RFC 4291 section 2.5.2"),
    v6(ZERO, [0, 0, 0, 1], 128, LOOPBACK, "RFC 4291 section 2.5.3"),
    v6(ZERO, [0, 0xffff, 0, 0], 96, Meaning::Wraps(Wrapping::Mapped), "RFC 4291 section 2.5.5.2"),
    v6(ZERO, ZERO, 96, Meaning::Refused("an IPv4-compatible address"), "RFC 4291 section 2.5.5.1"),
    v6([0x64, 0xff9b, 0, 0], ZERO, 96, Meaning::Wraps(Wrapping::Nat64), "RFC 6052 section 3.1"),
    v6(
        [0x64, 0xff9b, 1, 0],
        ZERO,
        48,
        Meaning::Refused("an address of a local translator (NAT64)"),
        "RFC 8215",
    ),
    v6([0x100, 0, 0, 0], ZERO, 64, Meaning::Refused("a discard-only address"), "RFC 6666"),
    v6([0x100, 0, 0, 1], ZERO, 64, Meaning::Refused("a dummy address"), "RFC 9780"),
    v6([0x2001, 0, 0, 0], ZERO, 32, Meaning::Wraps(Wrapping::Teredo), "RFC 4380 section 4"),
    v6([0x2001, 2, 0, 0], ZERO, 48, BENCHMARKING, "RFC 5180 section 8"),
    v6([0x2001, 3, 0, 0], ZERO, 32, AMT, "RFC 7450"),
    v6([0x2001, 4, 0x112, 0], ZERO, 48, AS112, "RFC 7535"),
    v6([0x2001, 0x10, 0, 0], ZERO, 28, IDENTIFIER, "RFC 4843"),
    v6([0x2001, 0x20, 0, 0], ZERO, 28, IDENTIFIER, "RFC 7343"),
    v6([0x2001, 0x30, 0, 0], ZERO, 28, IDENTIFIER, "RFC 9374"),
    v6([0x2001, 0, 0, 0], ZERO, 23, PROTOCOLS, "RFC 2928"),
    v6([0x2001, 0xdb8, 0, 0], ZERO, 32, DOCUMENTATION, "RFC 3849"),
    v6([0x2002, 0, 0, 0], ZERO, 16, Meaning::Wraps(Wrapping::SixToFour), "RFC 3056 section 2"),
    v6([0x2620, 0x4f, 0x8000, 0], ZERO, 48, AS112, "RFC 7534"),
    v6([0x3ffe, 0, 0, 0], ZERO, 16, Meaning::Refused("an address of the 6bone"), "RFC 3701"),
    v6([0x3fff, 0, 0, 0], ZERO, 20, DOCUMENTATION, "RFC 9637"),
    v6([0x5f00, 0, 0, 0], ZERO, 16, Meaning::Refused("a segment of a route (SRv6)"), "RFC 9602"),
    v6([0xfc00, 0, 0, 0], ZERO, 7, Meaning::Refused("a unique local address"), "RFC 4193"),
    v6([0xfe80, 0, 0, 0], ZERO, 10, LINK_LOCAL, "RFC 4291 section 2.5.6"),
    v6([0xfec0, 0, 0, 0], ZERO, 10, Meaning::Refused("a site-local address"), "RFC 3879"),
    v6([0xff00, 0, 0, 0], ZERO, 8, MULTICAST, "RFC 4291 section 2.7"),
    // Whatever is left outside 2000::/3 is not given to anybody.
    v6(ZERO, ZERO, 3, RESERVED, "RFC 4291 section 2.4"),
    v6([0x4000, 0, 0, 0], ZERO, 2, RESERVED, "RFC 4291 section 2.4"),
    v6([0x8000, 0, 0, 0], ZERO, 1, RESERVED, "RFC 4291 section 2.4"),
];
