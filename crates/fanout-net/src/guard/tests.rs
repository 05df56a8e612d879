//! Tests of the guard against its document, and at the edges of every block.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv6Addr};

use ipnet::IpNet;

use super::*;

const DOCUMENT: &str = include_str!("../../docs/address-guard.md");

/// The cells of the rows of the table that begins with the given heading.
fn rows(heading: &str) -> Vec<[&'static str; 4]> {
    let lines = DOCUMENT.lines().skip_while(|line| !line.starts_with(heading));
    let lines = lines.skip(2).take_while(|line| line.starts_with('|'));
    let cells = |line: &'static str| {
        let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
        cells.try_into().unwrap_or_else(|cells| panic!("{cells:?}"))
    };
    lines.map(cells).collect()
}

fn refusal(guard: &Guard, host: &str) -> Option<String> {
    guard.check(host).err().map(|error| {
        assert_eq!(error.kind(), ErrorKind::Forbidden);
        assert_eq!(error.effect(), fanout::Effect::None);
        assert_eq!(error.advice(), fanout::RetryAdvice::Never);
        assert!(!fanout::resilience::counts_for_breaker(&error));
        error.message().to_owned()
    })
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// Both directions: what the code has is documented, in its order, and nothing else is.
#[test]
fn the_blocks_are_those_of_the_document() {
    let mut expected = String::new();
    for block in table::BLOCKS {
        let (verdict, what) = match block.meaning {
            Meaning::Refused(what) => ("refused", what.to_owned()),
            Meaning::Public(what) => ("allowed", what.to_owned()),
            Meaning::Wraps(wrapping) => ("by what it wraps", wrapping.to_string()),
        };
        let (net, standard) = (block.net, block.standard);
        writeln!(expected, "| `{net}` | {verdict} | {what} | {standard} |").unwrap();
    }
    let found: String = rows("| Block ").iter().fold(String::new(), |all, row| {
        let [net, verdict, what, standard] = row;
        all + &format!("| {net} | {verdict} | {what} | {standard} |\n")
    });
    assert_eq!(found, expected);
}

#[test]
fn every_host_of_the_document_is_judged_as_it_says() {
    let guard = Guard::new();
    let rows = rows("| Host ");
    assert!(rows.len() >= 60, "{}", rows.len());
    let mut kinds = std::collections::BTreeSet::new();
    for [host, verdict, why, standard] in rows {
        let host = host.trim_matches('`');
        let refused = refusal(&guard, host);
        match (verdict, refused) {
            ("allowed", None) => assert!(matches!(Host::read(host), Host::Address(_)), "{host}"),
            ("looked up", None) => assert!(matches!(Host::read(host), Host::Name(_)), "{host}"),
            ("refused", Some(text)) => {
                assert!(text.contains(why) && !why.is_empty(), "{host}: {text}");
                assert!(text.contains(&format!("({standard})")), "{host}: {text}");
                kinds.insert(why);
            }
            (verdict, refused) => panic!("{host}: {verdict}, and found {refused:?}"),
        }
    }
    // The other direction: each kind of block has an example.
    for block in table::BLOCKS {
        if let Meaning::Refused(what) = block.meaning {
            assert!(kinds.iter().any(|kind| what.contains(kind)), "no example of {what}");
        }
    }
}

/// The first and the last address of each block, and those next to it.
#[test]
fn blocks_begin_and_end_where_they_should() {
    let guard = Guard::new();
    for (at, block) in table::BLOCKS.iter().enumerate() {
        let (first, last) = (block.net.network(), block.net.broadcast());
        for edge in [first, last] {
            assert!(block.net.contains(&edge));
            let found = table::block(edge).expect("the block is there");
            assert!(found.net.prefix_len() >= block.net.prefix_len(), "{edge}: {}", found.net);
            if let Meaning::Refused(_) = block.meaning {
                let inside = found.meaning;
                let is_hole = matches!(inside, Meaning::Public(_) | Meaning::Wraps(_));
                assert!(is_hole || guard.check_address(edge).is_err(), "{edge}");
            }
        }
        for neighbour in [step(first, -1), step(last, 1)].into_iter().flatten() {
            assert!(!block.net.contains(&neighbour), "{neighbour}");
            if table::block(neighbour).is_none() && inside(neighbour).is_none() {
                assert!(guard.check_address(neighbour).is_ok(), "{neighbour}");
            }
        }
        // A wide block before a narrow one would hide it.
        let hidden = table::BLOCKS[..at].iter().find(|wide| wide.net.contains(&block.net));
        assert!(hidden.is_none(), "{} is hidden by {}", block.net, hidden.unwrap().net);
    }
}

/// What is judged as IPv4 is judged alike in every wrapping.
#[test]
fn a_wrapped_address_fares_as_the_address_itself() {
    let guard = Guard::new();
    let edges = table::BLOCKS.iter().filter(|block| block.net.addr().is_ipv4()).flat_map(|block| {
        let (first, last) = (block.net.network(), block.net.broadcast());
        [Some(first), Some(last), step(first, -1), step(last, 1)].into_iter().flatten()
    });
    for edge in edges {
        let IpAddr::V4(v4) = edge else { panic!("{edge}") };
        let bits = u128::from(v4.to_bits());
        let expected = guard.check_address(edge).is_ok();
        let public = 0x0808_0808_u128;
        let inverted = |bits: u128| !bits & 0xffff_ffff;
        let wrapped = [
            0xffff_u128 << 32 | bits,
            0x64_ff9b << 96 | bits,
            0x2002 << 112 | bits << 80 | 1,
            0x2001 << 112 | public << 64 | inverted(bits),
            0x2001 << 112 | bits << 64 | inverted(public),
            0x2a00 << 112 | 0x5efe << 32 | bits,
            0x2a00 << 112 | 0x0200_5efe << 32 | bits,
        ];
        for bits in wrapped {
            let wrapped = IpAddr::V6(Ipv6Addr::from_bits(bits));
            assert_eq!(guard.check_address(wrapped).is_ok(), expected, "{wrapped} of {edge}");
        }
        // Forms that nothing routes are refused whatever is in them.
        for prefix in [0_u128, 0xffff_0000 << 32, 0x64_ff9b_0001 << 80] {
            let wrapped = IpAddr::V6(Ipv6Addr::from_bits(prefix | bits));
            assert!(guard.check_address(wrapped).is_err(), "{wrapped}");
        }
    }
}

#[test]
fn allowed_networks_pass_in_every_wrapping_and_denied_ones_never() {
    let allowing = Guard::new().allow("10.0.0.0/8").unwrap();
    for open in ["10.1.2.3", "[::ffff:10.1.2.3]", "[64:ff9b::10.1.2.3]", "[2002:a01:203::1]"] {
        assert_eq!(refusal(&allowing, open), None);
    }
    for closed in ["11.0.0.1.", "192.168.0.1", "[::10.1.2.3]", "10.1", "[fd00::1]"] {
        assert!(refusal(&allowing, closed).is_some(), "{closed}");
    }
    // A Teredo address has two of them.
    let half = allowing.check_address(address("2001:0:a01:203::80ff:fffe"));
    assert!(half.is_err());

    let denying = Guard::new().deny("8.8.8.0/24").unwrap().deny("*.corp.example").unwrap();
    let denied = ["8.8.8.8", "[::ffff:8.8.8.8]", "[64:ff9b::808:808]", "a.CORP.example."];
    for closed in denied {
        let text = refusal(&denying, closed).expect(closed);
        assert!(text.contains("by a rule of the address guard"), "{text}");
    }
    assert_eq!(refusal(&denying, "8.8.4.4"), None);
    // What is denied stays so in an allowed network, and of an allowed host.
    let both = Guard::new().allow("0.0.0.0/0").unwrap().deny("10.0.0.0/8").unwrap();
    let both = both.allow("db.internal").unwrap();
    assert_eq!(refusal(&both, "127.0.0.1"), None);
    assert!(refusal(&both, "10.0.0.1").is_some());
    assert!(both.judge_found("db.internal", address("192.168.0.1")).is_ok());
    assert!(both.judge_found("db.internal", address("::ffff:10.0.0.1")).is_err());
}

#[test]
fn an_allowed_host_passes_with_whatever_addresses() {
    let guard = Guard::new().allow("hooks.internal").unwrap().allow("*.dev.example").unwrap();
    for host in ["hooks.internal", "HOOKS.internal.", "a.dev.example"] {
        assert!(guard.judge_found(host, address("10.0.0.1")).is_ok(), "{host}");
    }
    for host in ["a.hooks.internal", "dev.example", "hooks.internal.example", "10.0.0.1"] {
        assert!(guard.judge_found(host, address("10.0.0.1")).is_err(), "{host}");
    }
    let local = Guard::new().allow("localhost").unwrap();
    assert_eq!(refusal(&local, "localhost"), None);
    assert!(refusal(&local, "a.localhost").is_some());
    assert!(refusal(&local, "127.0.0.1").is_some());
    let loopback = Guard::new().allow("127.0.0.0/8").unwrap();
    assert_eq!(refusal(&loopback, "localhost"), None);
}

#[test]
fn a_refusal_tells_of_a_name_no_address() {
    let guard = Guard::new().deny("8.8.8.8").unwrap();
    let tells = |host: &str, found: &str, expected: &str| {
        let refusal = guard.judge_found(host, address(found)).expect_err(found).to_string();
        assert_eq!(refusal, expected);
    };
    tells("a.example", "10.1.2.3", "a.example leads to a private address (RFC 1918)");
    let expected =
        "a.example leads to an IPv4-mapped address with a private address (RFC 1918) in it";
    tells("a.example", "::ffff:10.1.2.3", expected);
    let expected = "a.example leads to an address that a rule of the address guard denies";
    tells("a.example", "8.8.8.8", expected);
    tells("a.example", "::ffff:8.8.8.8", expected);

    let text = refusal(&guard, "[2002:7f00:1::]").unwrap();
    let expected = "the address guard refuses the host: 2002:7f00:1:: is a 6to4 address with \
                    127.0.0.1 in it: 127.0.0.1 is a loopback address (RFC 1122 section 3.2.1.3)";
    assert_eq!(text, expected);
    // A host is anybody's text.
    let text = refusal(&guard, &format!("\u{1b}[2J\r\n{}", "a".repeat(10_000))).unwrap();
    assert!(text.len() < 300 && !text.contains(char::is_control), "{text}");
}

#[test]
fn no_text_makes_it_panic_or_passes_as_an_address() {
    let guard = Guard::new();
    let bytes = || (0..=127_u8).map(char::from);
    for a in bytes() {
        for b in bytes() {
            for host in [format!("{a}{b}"), format!("127.0.0.{a}{b}"), format!("[::{a}{b}]")] {
                // Whatever passes is an address that was judged, or a name that will be.
                if guard.check(&host).is_ok() {
                    assert!(matches!(Host::read(&host), Host::Name(_) | Host::Address(_)));
                }
            }
        }
    }
}

fn step(address: IpAddr, by: i128) -> Option<IpAddr> {
    match address {
        IpAddr::V4(v4) => {
            let bits = i128::from(v4.to_bits()) + by;
            u32::try_from(bits).ok().map(|bits| IpAddr::V4(bits.into()))
        }
        IpAddr::V6(v6) => {
            v6.to_bits().checked_add_signed(by).map(|bits| IpAddr::V6(Ipv6Addr::from_bits(bits)))
        }
    }
}

/// So that the list of the test above is what it says: no network has bits after its prefix.
#[test]
fn blocks_are_networks() {
    for block in table::BLOCKS {
        assert_eq!(block.net, IpNet::trunc(&block.net));
    }
}
