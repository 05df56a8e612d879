//! Rules: a network or a host that is allowed or denied.

use std::net::IpAddr;

use fanout::{Error, ErrorKind};
use ipnet::IpNet;

use super::host::Host;

/// The rules of one kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Rules {
    networks: Vec<IpNet>,
    hosts: Vec<HostRule>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum HostRule {
    Exact(String),
    /// Everything below this name, and not the name itself.
    Below(String),
}

impl Rules {
    /// Adds a rule as it is written.
    pub(super) fn add(&mut self, rule: &str) -> Result<(), Error> {
        if let Some((address, length)) = rule.split_once('/') {
            self.networks.push(network(rule, address, length)?);
            return Ok(());
        }
        let (name, below) = match rule.strip_prefix("*.") {
            Some(name) => (name, true),
            None => (rule, false),
        };
        match Host::read(name) {
            Host::Address(address) if !below => self.networks.push(canonical(address.into())),
            Host::Name(name) if below => self.hosts.push(HostRule::Below(name)),
            Host::Name(name) => self.hosts.push(HostRule::Exact(name)),
            _ => return Err(wrong(rule, "is no network, no address and no host name", HELP)),
        }
        Ok(())
    }

    pub(super) fn has_address(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(&address))
    }

    /// Whether a rule names `name`, which is in small letters and has no dot at the end.
    pub(super) fn has_name(&self, name: &str) -> bool {
        self.hosts.iter().any(|rule| match rule {
            HostRule::Exact(exact) => exact == name,
            HostRule::Below(above) => {
                name.strip_suffix(above.as_str()).is_some_and(|rest| rest.ends_with('.'))
            }
        })
    }
}

fn network(rule: &str, address: &str, length: &str) -> Result<IpNet, Error> {
    let Ok(address) = address.parse::<IpAddr>() else {
        return Err(wrong(rule, "is no network: its address is not valid", HELP));
    };
    // `parse` would take a plus sign.
    let digits = length.bytes().all(|b| b.is_ascii_digit()) && !length.is_empty();
    let parsed = length.parse().ok().filter(|_| digits);
    let Some(network) = parsed.and_then(|length| IpNet::new(address, length).ok()) else {
        let most = if address.is_ipv4() { "32" } else { "128" };
        return Err(wrong(
            rule,
            "is no network",
            &format!("after the slash goes a number from 0 to {most}"),
        ));
    };
    if network.trunc() != network {
        return Err(wrong(
            rule,
            "is an address inside a network",
            &format!("write {} for the network", network.trunc()),
        ));
    }
    Ok(canonical(network))
}

/// An IPv4-mapped network is the IPv4 network, so that there is one form to compare.
fn canonical(network: IpNet) -> IpNet {
    if let IpNet::V6(v6) = network
        && let Some(v4) = v6.addr().to_ipv4_mapped()
        && let Some(length) = v6.prefix_len().checked_sub(96)
        && let Ok(network) = IpNet::new(v4.into(), length)
    {
        return network;
    }
    network
}

fn wrong(rule: &str, problem: &str, help: &str) -> Error {
    let shown: String = rule.chars().filter(|c| !c.is_control()).take(MOST_SHOWN).collect();
    Error::new(ErrorKind::Build, format!("the guard's rule \"{shown}\" {problem}: {help}"))
}

const HELP: &str =
    "write it like 10.0.0.0/8, 2001:db8::/32, 10.1.2.3, hooks.internal or *.internal";
const MOST_SHOWN: usize = 80;

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(all: &[&str]) -> Rules {
        let mut rules = Rules::default();
        for rule in all {
            rules.add(rule).unwrap_or_else(|error| panic!("{error}"));
        }
        rules
    }

    #[test]
    fn networks_addresses_and_names_are_told_apart() {
        let rules = rules(&[
            "10.0.0.0/8",
            "::1",
            "[fd00::1]",
            "Hooks.Internal.",
            "*.example.com",
            "::ffff:192.168.0.0/112",
        ]);
        for (address, expected) in [
            ("10.0.0.0", true),
            ("10.255.255.255", true),
            ("11.0.0.0", false),
            ("::1", true),
            ("::2", false),
            ("fd00::1", true),
            ("192.168.255.1", true),
            ("192.169.0.0", false),
        ] {
            assert_eq!(rules.has_address(address.parse().unwrap()), expected, "{address}");
        }
        for (name, expected) in [
            ("hooks.internal", true),
            ("a.hooks.internal", false),
            ("a.example.com", true),
            ("a.b.example.com", true),
            ("example.com", false),
            ("evilexample.com", false),
            ("example.com.evil", false),
        ] {
            assert_eq!(rules.has_name(name), expected, "{name}");
        }
    }

    #[test]
    fn a_rule_that_means_nothing_is_refused_with_help() {
        let refuses = |rule: &str, expected: &str| {
            let error = Rules::default().add(rule).expect_err(rule);
            assert_eq!(error.kind(), ErrorKind::Build);
            assert!(error.message().contains(expected), "{rule}: {error}");
        };
        refuses("10.1.2.3/8", "write 10.0.0.0/8 for the network");
        refuses("10.0.0.0/33", "from 0 to 32");
        refuses("::/129", "from 0 to 128");
        refuses("10.0.0.0/+8", "from 0 to 32");
        refuses("10.0.0.0/", "from 0 to 32");
        refuses("010.0.0.0/8", "address is not valid");
        refuses("10/8", "address is not valid");
        for odd in ["", "*", "*.", "a*b.com", "0x7f.1", "127.1", "*.10.0.0.1", "a b", "https://a"] {
            refuses(odd, "write it like");
        }
        assert!(Rules::default().add("https://example.com/").is_err());
    }
}
