//! Addresses as a guest reads and writes them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::wasi::errno::Errno;
use crate::wasi::memory::Memory;
use crate::wasi::socket::Family;

const INET4: u8 = 1;
const INET6: u8 = 2;

/// An address and a port as WASIX lays them out: family, padding, port, address.
pub(super) const ADDRESS_PORT_BYTES: usize = 20;
/// An address: family, padding, address.
pub(super) const IP_BYTES: usize = 18;

/// Reads an address that a socket of that family is to lead to.
pub(super) fn read(memory: &Memory<'_>, at: u32, family: Family) -> Result<SocketAddr, Errno> {
    let bytes = memory.load::<ADDRESS_PORT_BYTES>(at, 0)?;
    let address = parse(&bytes).ok_or(Errno::Inval)?;
    let fits = match family {
        Family::V4 => bytes[0] == INET4,
        Family::V6 => bytes[0] == INET6,
    };
    if fits { Ok(address) } else { Err(Errno::AfNoSupport) }
}

/// Writes an address.
pub(super) fn write(memory: &mut Memory<'_>, at: u32, address: SocketAddr) -> Result<(), Errno> {
    memory.store(at, 0, &written(address))
}

/// WASIX reads the port of an address in the byte order of the guest, and writes it in that of the network.
fn parse(bytes: &[u8; ADDRESS_PORT_BYTES]) -> Option<SocketAddr> {
    let port = u16::from_le_bytes([bytes[2], bytes[3]]);
    let ip = match bytes[0] {
        INET4 => IpAddr::V4(Ipv4Addr::from(<[u8; 4]>::try_from(&bytes[4..8]).ok()?)),
        INET6 => IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(&bytes[4..20]).ok()?)),
        _ => return None,
    };
    Some(SocketAddr::new(ip.to_canonical(), port))
}

fn written(address: SocketAddr) -> [u8; ADDRESS_PORT_BYTES] {
    let mut bytes = [0; ADDRESS_PORT_BYTES];
    bytes[2..4].copy_from_slice(&address.port().to_be_bytes());
    let ip = ip_bytes(address.ip());
    bytes[0] = ip[0];
    bytes[4..].copy_from_slice(&ip[2..]);
    bytes
}

/// An address without a port.
pub(super) fn ip_bytes(ip: IpAddr) -> [u8; IP_BYTES] {
    let mut bytes = [0; IP_BYTES];
    match ip {
        IpAddr::V4(ip) => {
            bytes[0] = INET4;
            bytes[2..6].copy_from_slice(&ip.octets());
        }
        IpAddr::V6(ip) => {
            bytes[0] = INET6;
            bytes[2..18].copy_from_slice(&ip.octets());
        }
    }
    bytes
}
