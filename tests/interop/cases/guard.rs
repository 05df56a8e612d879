//! The address guard beside Python's `ipaddress`, which was made from the same registries by others.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use fanout_net::Guard;

use crate::servers::script;
use crate::servers::script::python;

/// Every edge of every block, what lies beside it, the IPv4 ones in every wrapping, and some thousand others.
pub(crate) async fn public_addresses_are_those_of_python() {
    let addresses = addresses();
    let mut command = python();
    command
        .arg(script("addresses.py"))
        .args(addresses.iter().map(|(address, _)| address.to_string()));
    let output = command.output().expect("python runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8(output.stdout).expect("text");
    let said: Vec<_> = said.lines().map(|line| line == "public").collect();
    assert_eq!(said.len(), addresses.len());

    let guard = Guard::new();
    let mut agreed = 0;
    for ((address, core), theirs) in addresses.iter().zip(said) {
        let ours = guard.check_address(*address).is_ok();
        let known = match (ours, theirs) {
            (false, true) => &STRICTER[..],
            (true, false) => &LAXER,
            (true, true) | (false, false) => {
                agreed += 1;
                continue;
            }
        };
        let is_known =
            known.iter().any(|(network, _)| holds(network, *address) || holds(network, *core));
        assert!(is_known, "{address}: allowed here {ours}, public for python {theirs}");
    }
    assert!(agreed > 3_000, "{agreed} of {}", addresses.len());
}

/// Refused here and public for some version of Python, and why.
const STRICTER: [(&str, &str); 15] = [
    ("192.0.0.0/24", "anycast of port control and TURN: answered by the nearest box"),
    ("192.88.99.0/24", "RFC 7526: the relays of 6to4 are deprecated"),
    ("168.63.129.16/32", "Azure's own services behind a public address"),
    ("64:ff9b::/96", "python does not unwrap NAT64"),
    ("64:ff9b:1::/48", "RFC 8215, unknown to python before 3.13"),
    ("2001::/23", "anycast and identifiers: RFC 7723, RFC 8155, RFC 9665, RFC 7343, RFC 9374"),
    ("3ffe::/16", "RFC 3701: the 6bone was given back"),
    ("3fff::/20", "RFC 9637, new"),
    ("5f00::/16", "RFC 9602, new"),
    ("100:0:0:1::/64", "RFC 9780, new"),
    ("fec0::/10", "RFC 3879: site-local, deprecated"),
    ("::/3", "RFC 4291: reserved, of which python knows parts"),
    ("4000::/2", "RFC 4291: reserved, of which python knows parts"),
    ("8000::/1", "RFC 4291: reserved, of which python knows parts"),
    ("2a00::5efe:0:0/96", "python does not unwrap ISATAP"),
];

/// Allowed here and not public for some version of Python, and why.
const LAXER: [(&str, &str); 5] = [
    ("64:ff9b::/96", "python does not unwrap NAT64, and calls it reserved"),
    ("2001:3::/32", "RFC 7450: globally reachable, unknown to python before 3.13"),
    ("2001:4:112::/48", "RFC 7535: globally reachable, unknown to python before 3.13"),
    ("2001::/32", "Teredo is judged by what it wraps"),
    ("2002::/16", "6to4 is judged by what it wraps"),
];

/// Each with the address inside it, or with itself where there is none.
fn addresses() -> Vec<(IpAddr, IpAddr)> {
    let document = include_str!("../../../crates/fanout-net/docs/address-guard.md");
    let blocks = document.lines().filter_map(|line| line.strip_prefix("| `"));
    let blocks = blocks.filter_map(|line| line.split('`').next()).filter_map(network);
    let mut edges = Vec::new();
    for (is_v4, first, last) in blocks {
        edges.extend(
            [first.checked_sub(1), Some(first), Some(last), last.checked_add(1)]
                .map(|bits| bits.and_then(|bits| address(is_v4, bits))),
        );
    }
    // Knuth's constants: the same addresses every time, and spread over all of them.
    let mut state = 17_u64;
    let mut random = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        u128::from(state >> 32)
    };
    for _ in 0..2_000 {
        edges.push(address(true, random()));
        edges.push(address(false, random() << 96 | random() << 64 | random() << 32 | random()));
    }
    let mut all: Vec<_> = edges.into_iter().flatten().map(|address| (address, address)).collect();
    let wrapped: Vec<_> = all
        .iter()
        .filter_map(|(address, _)| match address {
            IpAddr::V4(v4) => Some((u128::from(v4.to_bits()), *address)),
            IpAddr::V6(_) => None,
        })
        .take(200)
        .flat_map(|(bits, core)| {
            let public = 0x0808_0808_u128;
            [
                0xffff << 32 | bits,
                0x64_ff9b << 96 | bits,
                0x2002 << 112 | bits << 80,
                0x2001 << 112 | public << 64 | (!bits & 0xffff_ffff),
                0x2001 << 112 | bits << 64 | (!public & 0xffff_ffff),
                0x2a00 << 112 | 0x5efe << 32 | bits,
            ]
            .map(|bits| (bits, core))
        })
        .filter_map(|(bits, core)| Some((address(false, bits)?, core)))
        .collect();
    all.extend(wrapped);
    all
}

/// `10.0.0.0/8` as whether it is IPv4, its first address and its last.
fn network(text: &str) -> Option<(bool, u128, u128)> {
    let (address, length) = text.split_once('/')?;
    let length: u32 = length.parse().ok()?;
    let (first, width) = match address.parse().ok()? {
        IpAddr::V4(v4) => (u128::from(v4.to_bits()), 32),
        IpAddr::V6(v6) => (v6.to_bits(), 128),
    };
    let host = u128::MAX.checked_shr(128 - width + length).unwrap_or(0);
    Some((width == 32, first, first | host))
}

fn address(is_v4: bool, bits: u128) -> Option<IpAddr> {
    if is_v4 {
        return u32::try_from(bits).ok().map(|bits| Ipv4Addr::from_bits(bits).into());
    }
    Some(Ipv6Addr::from_bits(bits).into())
}

fn holds(text: &str, address: IpAddr) -> bool {
    let (is_v4, first, last) = network(text).expect("a network");
    match address {
        IpAddr::V4(v4) => is_v4 && (first..=last).contains(&u128::from(v4.to_bits())),
        IpAddr::V6(v6) => !is_v4 && (first..=last).contains(&v6.to_bits()),
    }
}
