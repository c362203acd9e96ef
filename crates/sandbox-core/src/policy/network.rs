//! Which hosts a guest may connect to.

use std::fmt;
use std::ops::RangeInclusive;

/// Ports, from the first to the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ports {
    first: u16,
    last: u16,
}

impl Ports {
    /// Whether the port is one of them.
    #[must_use]
    pub const fn contains(self, port: u16) -> bool {
        self.first <= port && port <= self.last
    }

    /// The first and the last.
    pub(super) const fn bounds(self) -> (u16, u16) {
        (self.first, self.last)
    }

    /// Whether no port is one of them.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.first > self.last
    }
}

impl From<u16> for Ports {
    fn from(port: u16) -> Self {
        Self { first: port, last: port }
    }
}

impl From<RangeInclusive<u16>> for Ports {
    fn from(ports: RangeInclusive<u16>) -> Self {
        Self { first: *ports.start(), last: *ports.end() }
    }
}

impl fmt::Display for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last {
            write!(f, "{}", self.first)
        } else {
            write!(f, "{}-{}", self.first, self.last)
        }
    }
}

/// A host that a guest may open TCP connections and send datagrams to.
///
#[doc = include_str!("../../NETWORK.md")]
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct NetworkGrant {
    /// A name, or an IP address.
    pub host: String,
    /// The ports on that host.
    pub ports: Ports,
}

impl NetworkGrant {
    pub(super) fn new(host: String, ports: Ports) -> Self {
        Self { host, ports }
    }
}

impl fmt::Display for NetworkGrant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} port {}", self.host, self.ports)
    }
}
