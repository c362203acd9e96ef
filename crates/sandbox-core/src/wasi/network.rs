//! Which addresses a guest may connect to.
//!
//! A granted address is reached as it is. A granted name is looked up by the host when the guest asks for it, and
//! what the lookup gave is all that the name opens. Who rules over a name could point it at the host itself or
//! at a machine beside it. So a name opens only public addresses, and others only if they are granted
//! by themselves. The name `localhost` opens this machine.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;

use super::lookups::{LookupFailure, Lookups};
use crate::error::{GrantKind, Result, SandboxError};
use crate::policy::{GrantUse, Ports, SecurityPolicy};
use crate::watchdog::CallControl;

/// The longest name that there is.
pub(super) const MOST_NAME_BYTES: usize = 253;

const LOCALHOST: &str = "localhost";

/// The grants of one instance.
#[derive(Debug)]
pub(super) struct NetworkGrants {
    grants: Vec<Grant>,
    /// Those of the sandbox.
    lookups: Arc<Lookups>,
}

#[derive(Debug)]
struct Grant {
    host: Host,
    ports: Ports,
}

#[derive(Debug)]
enum Host {
    Address(IpAddr),
    Name {
        name: String,
        /// Addresses that the last lookup gave, without those that a name cannot open.
        addresses: Vec<IpAddr>,
    },
}

/// Refuses what cannot be granted, also to guests that have no use for it.
///
/// # Errors
/// [`SandboxError::InvalidGrant`].
pub(crate) fn check(policy: &SecurityPolicy) -> Result<()> {
    for grant in &policy.network {
        let refused = |message: &str| {
            Err(SandboxError::InvalidGrant {
                kind: GrantKind::NetworkHost,
                grant: grant.to_string(),
                message: message.to_owned(),
                error: None,
            })
        };
        if policy.network_grants == GrantUse::Refused {
            return refused("the policy refuses grants of the network");
        }
        if grant.ports.is_empty() {
            return refused("the first port is greater than the last");
        }
        if address_in(&grant.host).is_none() && !is_name(&grant.host) {
            return refused("give an IP address, or a name of letters, digits, `-` and `.`");
        }
    }
    Ok(())
}

impl NetworkGrants {
    /// The grants of a policy that has been checked, if it grants anything.
    pub(super) fn of(policy: &SecurityPolicy, lookups: &Arc<Lookups>) -> Option<Self> {
        if policy.network.is_empty() {
            return None;
        }
        let grants = policy.network.iter().map(|grant| Grant {
            host: match address_in(&grant.host) {
                Some(address) => Host::Address(address),
                None => Host::Name { name: canonical_name(&grant.host), addresses: Vec::new() },
            },
            ports: grant.ports,
        });
        Some(Self { grants: grants.collect(), lookups: Arc::clone(lookups) })
    }

    /// Whether the guest may connect to that address.
    pub(super) fn permits(&self, to: SocketAddr) -> bool {
        let ip = to.ip().to_canonical();
        self.grants.iter().any(|grant| {
            grant.ports.contains(to.port())
                && match &grant.host {
                    Host::Address(address) => *address == ip,
                    Host::Name { addresses, .. } => addresses.contains(&ip),
                }
        })
    }

    /// Looks up a name, if it is granted. An address is its own answer, which opens nothing.
    pub(super) fn look_up(
        &mut self,
        name: &str,
        control: &CallControl,
    ) -> Result<Vec<IpAddr>, LookupFailure> {
        if let Some(address) = address_in(name) {
            return Ok(vec![address]);
        }
        let name = canonical_name(name);
        let is_granted =
            |grant: &Grant| matches!(&grant.host, Host::Name { name: known, .. } if *known == name);
        if !self.grants.iter().any(is_granted) {
            return Err(LookupFailure::NotGranted);
        }
        let looked_up = name.clone();
        let found = self.lookups.look_up(control, move || {
            let found = (looked_up.as_str(), 0).to_socket_addrs()?;
            Ok(found.map(|to| to.ip().to_canonical()).collect())
        })?;
        let (opened, granted): (Vec<IpAddr>, Vec<IpAddr>) = found
            .into_iter()
            .filter(|ip| may_be_opened_by(&name, *ip) || self.is_granted_itself(*ip))
            .partition(|ip| may_be_opened_by(&name, *ip));
        for grant in &mut self.grants {
            if let Host::Name { name: known, addresses } = &mut grant.host
                && *known == name
            {
                addresses.clone_from(&opened);
            }
        }
        let all: Vec<IpAddr> = opened.into_iter().chain(granted).collect();
        if all.is_empty() { Err(LookupFailure::NotFound) } else { Ok(all) }
    }

    fn is_granted_itself(&self, ip: IpAddr) -> bool {
        self.grants
            .iter()
            .any(|grant| matches!(grant.host, Host::Address(address) if address == ip))
    }
}

/// The address that a text is, in the form in which addresses are compared.
fn address_in(host: &str) -> Option<IpAddr> {
    let inner = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    inner.parse::<IpAddr>().ok().map(|ip| ip.to_canonical())
}

fn is_name(host: &str) -> bool {
    let name = host.strip_suffix('.').unwrap_or(host);
    let fits = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    // A last label of digits alone makes it something that some resolvers take for an address.
    let last_is_number =
        name.rsplit('.').next().is_some_and(|last| last.starts_with(|c: char| c.is_ascii_digit()));
    name.len() <= MOST_NAME_BYTES && name.split('.').all(fits) && !last_is_number
}

fn canonical_name(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

/// Whether a name may lead there.
fn may_be_opened_by(name: &str, ip: IpAddr) -> bool {
    if name == LOCALHOST {
        return ip.is_loopback();
    }
    match ip.to_canonical() {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => is_public_v6(ip),
    }
}

/// Not one of the blocks that IANA lists as reserved for something else than hosts of the internet.
fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    let shared = a == 100 && (64..128).contains(&b);
    let benchmarks = a == 198 && (b == 18 || b == 19);
    let assignments = a == 192 && b == 0 && c == 0;
    !(a == 0
        || a >= 240
        || shared
        || benchmarks
        || assignments
        || ip.is_private()
        || ip.is_loopback()
        || ip.is_link_local()
        || ip.is_multicast()
        || ip.is_documentation())
}

/// In the one block that is given out to hosts of the internet, and no way to wrap an IPv4 address.
fn is_public_v6(ip: Ipv6Addr) -> bool {
    let [a, b, ..] = ip.segments();
    let unicast = (0x2000..0x4000).contains(&a);
    let teredo_and_other_protocols = a == 0x2001 && b < 0x200;
    let documentation = (a == 0x2001 && b == 0xdb8) || a == 0x3fff;
    let six_to_four = a == 0x2002;
    unicast && !teredo_and_other_protocols && !documentation && !six_to_four
}

#[cfg(test)]
mod tests {
    use super::*;

    fn granted(hosts: &[(&str, u16)]) -> NetworkGrants {
        let policy = hosts.iter().fold(SecurityPolicy::permissive(), |policy, (host, port)| {
            policy.with_network_host(*host, *port)
        });
        check(&policy).unwrap();
        NetworkGrants::of(&policy, &Arc::default()).unwrap()
    }

    #[test]
    fn an_address_opens_itself_on_its_ports_in_each_way_to_write_it() {
        let network = granted(&[("127.0.0.1", 80), ("[::1]", 81)]);
        for (to, permitted) in [
            ("127.0.0.1:80", true),
            ("[::ffff:127.0.0.1]:80", true),
            ("127.0.0.1:81", false),
            ("127.0.0.2:80", false),
            ("0.0.0.0:80", false),
            ("[::1]:81", true),
            ("[::1]:80", false),
        ] {
            assert_eq!(network.permits(to.parse().unwrap()), permitted, "{to}");
        }
    }

    #[test]
    fn a_name_opens_nothing_before_it_is_looked_up() {
        assert!(!granted(&[("localhost", 80)]).permits("127.0.0.1:80".parse().unwrap()));
    }

    #[test]
    fn names_lead_only_to_public_addresses() {
        for inside in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "127.0.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "192.0.0.1",
            "192.168.1.1",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:10.0.0.1",
            "64:ff9b::a00:1",
            "fe80::1",
            "fd00::1",
            "ff02::1",
            "2002:a00:1::",
            "2001::1",
            "::127.0.0.1",
        ] {
            assert!(!may_be_opened_by("evil.example", inside.parse().unwrap()), "{inside}");
        }
        for outside in ["1.1.1.1", "93.184.216.34", "2606:4700:4700::1111", "2001:4860::8888"] {
            assert!(may_be_opened_by("good.example", outside.parse().unwrap()), "{outside}");
        }
        assert!(may_be_opened_by("localhost", "127.0.0.1".parse().unwrap()));
        assert!(!may_be_opened_by("localhost", "1.1.1.1".parse().unwrap()));
    }

    #[test]
    fn what_is_neither_name_nor_address_cannot_be_granted() {
        for host in ["", "a b", "host:80", "http://host", "127.1", "1", "0x7f.1", "*", "a..b", "ä"]
        {
            let policy = SecurityPolicy::permissive().with_network_host(host, 80);
            assert!(matches!(check(&policy), Err(SandboxError::InvalidGrant { .. })), "{host:?}");
        }
        #[expect(clippy::reversed_empty_ranges, reason = "that is the mistake")]
        let policy = SecurityPolicy::permissive().with_network_host("host.example", 9..=8);
        assert!(check(&policy).is_err());
    }
}
