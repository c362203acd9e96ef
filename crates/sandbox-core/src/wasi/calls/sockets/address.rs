//! Addresses as a guest reads and writes them, and names.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use super::{place, sockets};
use crate::wasi::calls::{Context, Errno, load, store};
use crate::wasi::network::{LookupFailure, MOST_NAME_BYTES};

pub(super) const INET4: u8 = 1;
pub(super) const INET6: u8 = 2;

/// An address and a port as WASIX lays them out: family, padding, port, address.
pub(super) const ADDRESS_PORT_BYTES: usize = 20;
/// An address: family, padding, address.
const ADDRESS_BYTES: usize = 18;

/// Reads an address that a socket of that family is to lead to.
pub(super) fn read(context: &Context<'_>, at: i32, family: u8) -> Result<SocketAddr, Errno> {
    let bytes = load::<ADDRESS_PORT_BYTES>(context, place(at), 0)?;
    let address = parse(&bytes).ok_or(Errno::Inval)?;
    if bytes[0] == family { Ok(address) } else { Err(Errno::Afnosupport) }
}

/// Writes an address.
pub(super) fn write(context: &Context<'_>, at: i32, address: SocketAddr) -> Result<(), Errno> {
    store(context, place(at), 0, &written(address))
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
    match address.ip() {
        IpAddr::V4(ip) => {
            bytes[0] = INET4;
            bytes[4..8].copy_from_slice(&ip.octets());
        }
        IpAddr::V6(ip) => {
            bytes[0] = INET6;
            bytes[4..20].copy_from_slice(&ip.octets());
        }
    }
    bytes
}

pub(super) fn resolve(
    mut context: Context<'_>,
    host: i32,
    host_len: i32,
    _port: i32,
    out: i32,
    room: i32,
    out_count: i32,
) -> i32 {
    Errno::of((|| {
        let len = host_len.cast_unsigned() as usize;
        if len > MOST_NAME_BYTES + 1 {
            return Err(Errno::Inval);
        }
        let name = super::transfer::bytes_at(&context, place(host), len)?;
        let name = String::from_utf8(name).map_err(|_| Errno::Inval)?;
        let control = Arc::clone(&context.data().control);
        let sockets = sockets(&mut context)?;
        let found = sockets.gate.look_up(&name, &control).map_err(|failure| match failure {
            LookupFailure::NotGranted => {
                sockets.refusals.deny(format!("a lookup of the host {name:?}"));
                Errno::Notcapable
            }
            LookupFailure::NotFound => Errno::Hostunreach,
            LookupFailure::Busy => Errno::Again,
            LookupFailure::Stopped => Errno::Canceled,
        })?;
        let mut count = 0u32;
        for ip in found.into_iter().take(room.cast_unsigned() as usize) {
            let mut bytes = [0; ADDRESS_BYTES];
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
            store(&context, place(out), u64::from(count) * ADDRESS_BYTES as u64, &bytes)?;
            count += 1;
        }
        store(&context, place(out_count), 0, &count.to_le_bytes())
    })())
}
