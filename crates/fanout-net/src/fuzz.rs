//! What must hold for any text as a URL: run by `cargo fuzz`, and over its seeds as tests.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use fanout::{Effect, ErrorKind};

use crate::{Endpoint, Guard, Proxy};

/// A URL: what is accepted is whole and without credentials, and no secret of it is ever shown.
pub fn endpoint(data: &[u8]) {
    let Ok(url) = str::from_utf8(data) else { return };
    if let Ok(endpoint) = Endpoint::parse(url) {
        let uri = endpoint.uri().to_string();
        assert!(!endpoint.host().is_empty() && endpoint.port() > 0, "{uri}");
        assert!(endpoint.path().starts_with('/'), "{uri}");
        let authority = endpoint.uri().authority().map_or("", |authority| authority.as_str());
        assert!(authority.starts_with(endpoint.host()) && !authority.contains('@'), "{uri}");
        assert!(uri.bytes().all(|byte| byte.is_ascii_graphic()), "{uri}");
        assert!(!uri.contains('#'), "{uri}");
        // What it was read as is read as the same.
        assert_eq!(Endpoint::parse(&uri).ok().as_ref(), Some(&endpoint));
        assert_eq!(endpoint.is_tls(), endpoint.uri().scheme_str() == Some("https"));
        // Shown without its query, and that again is a URL.
        let shown = Endpoint::parse(&endpoint.to_string());
        assert!(shown.is_ok_and(|shown| shown.query().is_none()), "{endpoint}");
    }
    never_shown(&format!("{url}?key={SECRET}"));
    never_shown(&format!("{url}#{SECRET}"));
    if let Some((scheme, rest)) = url.split_once("://") {
        let with_password = format!("{scheme}://user:{SECRET}@{rest}");
        never_shown(&with_password);
        assert!(Endpoint::parse(&with_password).is_err(), "{with_password}");
    }
}

/// The host of a URL from a stranger: the guard lets no inner address pass, however it is written.
pub fn guard(data: &[u8]) {
    let guard = Guard::new();
    if let [a, b, c, d] = *data {
        four(&guard, Ipv4Addr::new(a, b, c, d));
    }
    if let Ok(octets) = <[u8; 16]>::try_from(data) {
        address(&guard, Ipv6Addr::from(octets).into());
    }
    let Ok(host) = str::from_utf8(data) else { return };
    let verdict = guard.check(host);
    let rules = [guard.clone().allow(host), guard.clone().deny(host)];
    for rules in rules.into_iter().flatten() {
        let _unusable = rules.check(host).is_err();
    }
    match parsed(host) {
        Some(plain) => {
            let as_address = guard.check_address(plain);
            assert_eq!(verdict.is_ok(), as_address.is_ok(), "{host}");
            address(&guard, plain);
        }
        // What the C library takes for an address is one, whatever a resolver makes of it.
        None => assert!(verdict.is_err() || inet_aton(host).is_none(), "{host}"),
    }
    if let Err(error) = guard.check(host) {
        assert_eq!((error.kind(), error.effect()), (ErrorKind::Forbidden, Effect::None), "{host}");
    }
}

fn four(guard: &Guard, v4: Ipv4Addr) {
    let verdict = guard.check_address(v4.into()).is_ok();
    let inner = v4.is_private() || v4.is_loopback() || v4.is_link_local() || v4.is_unspecified();
    let special = v4.is_multicast() || v4.is_broadcast() || v4.is_documentation();
    assert!(!verdict || !(inner || special), "{v4}");
    let [a, b, c, d] = v4.octets();
    let (high, low) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
    for wrapped in [
        v4.to_ipv6_mapped(),
        Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 1),
        Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low),
    ] {
        let passes = guard.check_address(wrapped.into()).is_ok();
        assert!(verdict || !passes, "{v4} is refused, and passes as {wrapped}");
        let denied = guard.clone().deny(v4.to_string()).expect("an address is a rule");
        assert!(denied.check_address(wrapped.into()).is_err(), "{v4} in {wrapped}");
    }
    let mapped = guard.check_address(v4.to_ipv6_mapped().into()).is_ok();
    assert_eq!(mapped, verdict, "{v4}");
    address(guard, v4.into());
}

/// What is denied is refused, what is allowed passes, and `deny` wins.
fn address(guard: &Guard, address: IpAddr) {
    let text = address.to_string();
    let allowed = guard.clone().allow(&text).expect("an address is a rule");
    assert!(allowed.check_address(address).is_ok(), "{text}");
    let denied = allowed.deny(&text).expect("an address is a rule");
    assert!(denied.check_address(address).is_err(), "{text}");
    let inner = address.is_loopback() || address.is_unspecified() || address.is_multicast();
    assert!(!inner || guard.check_address(address).is_err(), "{text}");
}

/// An address in its plain spelling, as a URL has it.
fn parsed(host: &str) -> Option<IpAddr> {
    match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(inside) => inside.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        None => host.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
    }
}

/// As the C library reads an address: one to four numbers, octal, decimal or hexadecimal.
fn inet_aton(host: &str) -> Option<u32> {
    let number = |part: &str| match part.strip_prefix("0x").or(part.strip_prefix("0X")) {
        Some("") => Some(0),
        _ if part.contains(['+', '-']) || part.is_empty() => None,
        Some(hex) => u32::from_str_radix(hex, 16).ok(),
        None if part.len() > 1 && part.starts_with('0') => u32::from_str_radix(part, 8).ok(),
        None => part.parse().ok(),
    };
    let parts: Vec<_> = host.split('.').map(number).collect::<Option<_>>()?;
    let (last, first) = parts.split_last()?;
    let room = 32_u32.checked_sub(8 * u32::try_from(first.len()).ok()?).filter(|bits| *bits > 0)?;
    let fits = first.iter().all(|part| *part < 256) && u64::from(*last) < 1 << room;
    fits.then_some(*last)
}

fn never_shown(url: &str) {
    let shown = match Endpoint::parse(url) {
        Ok(endpoint) => format!("{endpoint} {endpoint:?}"),
        Err(error) => format!("{error} {error:?} {error:#?}"),
    };
    // A fragment is always refused, a query in the path is not one.
    assert!(!shown.contains(SECRET), "{shown}");
    let shown = match Proxy::url(url) {
        Ok(proxy) => format!("{proxy:?} {:?}", proxy.clone().into_router()),
        Err(error) => format!("{error} {error:?} {error:#?}"),
    };
    assert!(!shown.contains(SECRET), "{shown}");
}

/// Found in nothing that is said about URLs otherwise.
const SECRET: &str = "s3cr3tc4n4ry";

#[cfg(test)]
#[path = "../../../fuzz/replay.rs"]
mod replay;

#[cfg(test)]
mod tests {
    use super::replay::replay;

    #[test]
    fn guard_holds_for_its_seeds() {
        replay("guard", super::guard);
    }

    #[test]
    fn endpoint_holds_for_its_seeds() {
        replay("endpoint", super::endpoint);
    }
}
