//! Hosts as they are written in URLs, and the spellings of addresses that resolvers understand.

use std::net::{IpAddr, Ipv4Addr};

/// What the host of a URL is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Host {
    /// An address in the one spelling that every program reads alike.
    Address(IpAddr),
    /// A number, or numbers with dots, which one program reads as an address and another as a name. It may
    /// stand for the address given.
    Odd(Option<Ipv4Addr>),
    /// A name: small letters, no dot at the end.
    Name(String),
    /// Nothing that a resolver should be asked for.
    Unusable,
}

impl Host {
    /// Reads a host, with or without the brackets of an IPv6 address.
    pub(super) fn read(written: &str) -> Self {
        let bare = written.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        if let Ok(address) = bare.unwrap_or(written).parse() {
            return Self::Address(address);
        }
        // Brackets are for addresses (RFC 3986 section 3.2.2). With a zone (RFC 6874) it is of one
        // machine's links alone.
        if bare.is_some() || !written.bytes().all(is_of_names) {
            return Self::Unusable;
        }
        let name = written.strip_suffix('.').unwrap_or(written);
        if name.is_empty() || name.len() > LONGEST_NAME || name.split('.').any(str::is_empty) {
            return Self::Unusable;
        }
        let last = name.rsplit('.').next().unwrap_or_default();
        if is_number(last) {
            return Self::Odd(loose(name));
        }
        Self::Name(name.to_ascii_lowercase())
    }
}

/// What a host may be made of. Underscores are in names that exist, against RFC 1123.
fn is_of_names(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_')
}

/// A label of digits, or `0x` with hexadecimal digits or nothing after it. No top-level domain is like that
/// (RFC 3696 section 2), and every resolver that knows loose addresses looks for it.
fn is_number(label: &str) -> bool {
    let hex = label.strip_prefix("0x").or_else(|| label.strip_prefix("0X"));
    match hex {
        Some(digits) => digits.bytes().all(|b| b.is_ascii_hexdigit()),
        None => label.bytes().all(|b| b.is_ascii_digit()),
    }
}

/// Reads the loose form of `inet_aton`: one to four parts, decimal, octal after `0`, hexadecimal after `0x`;
/// the last part fills all the bytes that are left.
///
/// It serves to tell a person what such a host stands for: it is refused whatever that is.
fn loose(name: &str) -> Option<Ipv4Addr> {
    let parts: Vec<_> = name.split('.').map(part).collect::<Option<_>>()?;
    let (last, first) = parts.split_last()?;
    if first.len() > 3 || first.iter().any(|part| *part > 255) {
        return None;
    }
    let left = 32 - 8 * first.len() as u32;
    if u64::from(*last) >= 1 << left {
        return None;
    }
    let high = first.iter().fold(0_u64, |sum, part| sum << 8 | u64::from(*part));
    u32::try_from(high << left | u64::from(*last)).ok().map(Ipv4Addr::from_bits)
}

fn part(text: &str) -> Option<u32> {
    let hex = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    match (hex, text.strip_prefix('0')) {
        (Some(digits), _) => u32::from_str_radix(digits, 16).ok(),
        (None, Some(digits)) if !digits.is_empty() => u32::from_str_radix(digits, 8).ok(),
        _ => text.parse().ok(),
    }
}

/// RFC 1035 section 2.3.4, without the dot at the end.
const LONGEST_NAME: usize = 253;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_one_spelling() {
        let address = |text: &str| Host::Address(text.parse().unwrap());
        assert_eq!(Host::read("127.0.0.1"), address("127.0.0.1"));
        assert_eq!(Host::read("[::1]"), address("::1"));
        assert_eq!(Host::read("[::FFFF:7F00:1]"), address("::ffff:127.0.0.1"));
        assert_eq!(Host::read("::1"), address("::1"));
    }

    /// What `inet_aton` makes of each, as glibc's has it.
    #[test]
    fn odd_spellings_are_known_with_what_they_stand_for() {
        let loopback = ["0x7f.1", "017700000001", "2130706433", "127.1", "0X7F000001", "0177.1"];
        let more = ["127.0x0.0.01", "00000177.0.0.1", "127.0.1", "127.0.0.1.", "0x7f.1."];
        for host in loopback.into_iter().chain(more) {
            assert_eq!(Host::read(host), Host::Odd(Some(Ipv4Addr::LOCALHOST)), "{host}");
        }
        assert_eq!(Host::read("0"), Host::Odd(Some(Ipv4Addr::UNSPECIFIED)));
        assert_eq!(Host::read("4294967295"), Host::Odd(Some(Ipv4Addr::BROADCAST)));
        let nothing = ["4294967296", "256.1.1.1", "127.0.0.256", "1.2.3.4.5", "127.0.0.08", "08"];
        for host in nothing.into_iter().chain(["0x", "1.0x", "a.1", "1.65536.1", "1..1x.1"]) {
            let found = Host::read(host);
            assert!(matches!(found, Host::Odd(None) | Host::Unusable), "{host}: {found:?}");
        }
    }

    #[test]
    fn names_are_made_alike() {
        for host in ["example.com", "EXAMPLE.com.", "Example.Com"] {
            assert_eq!(Host::read(host), Host::Name("example.com".to_owned()));
        }
        let unusable = ["", ".", "a..b", "a b", "1２7.0.0.1", "127。0。0。1", "%31.0.0.1", "[a]"];
        let zones = ["[fe80::1%25eth0]", "fe80::1%eth0", "[::1", "[127.0.0.1.]", "a:b"];
        for host in unusable.into_iter().chain(zones) {
            assert_eq!(Host::read(host), Host::Unusable, "{host}");
        }
        assert_eq!(Host::read(&"a".repeat(254)), Host::Unusable);
    }
}
