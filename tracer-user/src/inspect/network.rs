//! The devices and addresses of a namespace: the requests of rtnetlink, and their answers.
//!
//! Of routes only those that always lead here are read, and no routing rules.

use crate::inspect::message::DUMP;
use crate::inspect::nla::{NlaError, Request, attributes};
use crate::model::rules::{Address, Link, LocalRoute};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use thiserror::Error;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NetworkError {
    #[error("device, address or route message: {0}")]
    Attribute(#[from] NlaError),
    #[error("a device, address or route message of {0} bytes")]
    Short(usize),
}

/// Asks for all devices.
pub fn links(sequence: u32) -> Vec<u8> {
    Request::new(GET_LINK, DUMP, sequence, &[0; INTERFACE]).finish()
}

/// One device in the answer to [`links`]; `None`: it has no name.
pub fn link(payload: &[u8]) -> Result<Option<Link>, NetworkError> {
    let (header, rest) = payload
        .split_first_chunk::<INTERFACE>()
        .ok_or(NetworkError::Short(payload.len()))?;
    let &[_, _, _, _, i0, i1, i2, i3, f0, f1, f2, f3, ..] = header;
    let mut name = None;
    for attribute in attributes(rest) {
        let attribute = attribute?;
        if attribute.kind == NAME {
            let bytes = attribute.value.strip_suffix(&[0]).unwrap_or(attribute.value);
            name = Some(String::from_utf8_lossy(bytes).into());
        }
    }
    Ok(name.map(|name| Link {
        index: u32::from_ne_bytes([i0, i1, i2, i3]),
        name,
        loopback: u32::from_ne_bytes([f0, f1, f2, f3]) & LOOPBACK != 0,
    }))
}

/// Whether the device in the answer to [`links`] is a bridge.
pub fn is_bridge(payload: &[u8]) -> Result<bool, NetworkError> {
    for attribute in attributes(payload.get(INTERFACE..).unwrap_or_default()) {
        let attribute = attribute?;
        if attribute.kind != LINKINFO {
            continue;
        }
        for part in attribute.nested() {
            let part = part?;
            if part.kind == INFO_KIND {
                return Ok(part.value.strip_suffix(&[0]).unwrap_or(part.value) == b"bridge");
            }
        }
    }
    Ok(false)
}

/// Asks for the addresses of all devices.
pub fn addresses(sequence: u32) -> Vec<u8> {
    Request::new(GET_ADDRESS, DUMP, sequence, &[0; HEADER]).finish()
}

/// One address in the answer to [`addresses`]; `None`: of another family.
pub fn address(payload: &[u8]) -> Result<Option<Address>, NetworkError> {
    let (&[_, prefix, _, _, i0, i1, i2, i3], rest) = payload
        .split_first_chunk::<HEADER>()
        .ok_or(NetworkError::Short(payload.len()))?;
    let (mut own, mut peer) = (None, None);
    for attribute in attributes(rest) {
        let attribute = attribute?;
        match attribute.kind {
            // On a point-to-point device that is the other end's.
            PEER => peer = ip(attribute.value),
            LOCAL => own = ip(attribute.value),
            _ => {}
        }
    }
    Ok(own.or(peer).map(|address| Address {
        address,
        prefix,
        link: u32::from_ne_bytes([i0, i1, i2, i3]),
    }))
}

/// Asks for the routes to this host. A socket that does not check strictly tells all routes.
pub fn local_routes(sequence: u32, ipv6: bool) -> Vec<u8> {
    let family = if ipv6 { IPV6 } else { IPV4 };
    let header = [family, 0, 0, 0, TABLE_LOCAL, 0, 0, TYPE_LOCAL, 0, 0, 0, 0];
    Request::new(GET_ROUTE, DUMP, sequence, &header).finish()
}

/// One route in the answer to [`local_routes`]; `None`: not always to this host, or made by an address.
pub fn local_route(payload: &[u8]) -> Result<Option<LocalRoute>, NetworkError> {
    let (&[family, prefix, _, _, table, protocol, _, kind, ..], rest) = payload
        .split_first_chunk::<ROUTE>()
        .ok_or(NetworkError::Short(payload.len()))?;
    let mut address = match family {
        IPV4 => Ipv4Addr::UNSPECIFIED.into(),
        IPV6 => Ipv6Addr::UNSPECIFIED.into(),
        _ => return Ok(None),
    };
    for attribute in attributes(rest) {
        let attribute = attribute?;
        if attribute.kind == DESTINATION
            && let Some(destination) = ip(attribute.value)
        {
            address = destination;
        }
    }
    let is_one = (table, kind) == (TABLE_LOCAL, TYPE_LOCAL) && protocol != BY_KERNEL;
    Ok(is_one.then_some(LocalRoute { address, prefix }))
}

fn ip(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(bytes) = <[u8; 4]>::try_from(bytes) {
        return Some(bytes.into());
    }
    <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from)
}

/// `struct ifinfomsg`.
const INTERFACE: usize = 16;
/// `struct ifaddrmsg`.
const HEADER: usize = 8;
// uapi/linux/{rtnetlink,if_link,if_addr,if}.h
const GET_LINK: u16 = 18;
const GET_ADDRESS: u16 = 22;
const GET_ROUTE: u16 = 26;
const NAME: u16 = 3;
const LINKINFO: u16 = 18;
const INFO_KIND: u16 = 1;
const PEER: u16 = 1;
const LOCAL: u16 = 2;
/// `IFF_LOOPBACK`.
const LOOPBACK: u32 = 8;
/// `struct rtmsg`.
const ROUTE: usize = 12;
const DESTINATION: u16 = 1;
const IPV4: u8 = 2;
const IPV6: u8 = 10;
/// `RTN_LOCAL`.
const TYPE_LOCAL: u8 = 2;
/// `RTPROT_KERNEL`.
const BY_KERNEL: u8 = 2;
/// `RT_TABLE_LOCAL`.
const TABLE_LOCAL: u8 = 255;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_the_local_one_of_its_device() {
        let message = Request::new(20, 0, 1, &[2, 24, 0, 0, 7, 0, 0, 0])
            .with(PEER, &[10, 0, 0, 9])
            .with(LOCAL, &[10, 0, 0, 1])
            .finish();
        let expected = Address {
            address: IpAddr::from([10, 0, 0, 1]),
            prefix: 24,
            link: u32::from_ne_bytes([7, 0, 0, 0]),
        };
        assert_eq!(address(&message[16..]), Ok(Some(expected)));
        assert_eq!(address(&message[16..20]), Err(NetworkError::Short(4)));
        assert!(address(&message[16..message.len() - 1]).is_err());
    }

    #[test]
    fn a_local_route_is_one_that_no_address_made() {
        let route = |table, protocol, kind| {
            let message = Request::new(24, 0, 1, &[2, 16, 0, 0, table, protocol, 254, kind, 0, 0, 0, 0])
                .with(DESTINATION, &[10, 9, 0, 0])
                .finish();
            local_route(&message[16..]).unwrap()
        };
        let expected = LocalRoute {
            address: [10, 9, 0, 0].into(),
            prefix: 16,
        };
        assert_eq!(route(255, 3, 2), Some(expected));
        assert_eq!(route(100, 3, 2), None, "for some packets");
        assert_eq!(route(255, 2, 2), None, "made by an address");
        assert_eq!(route(254, 3, 1), None, "unicast");
        assert_eq!(local_route(&[2, 16]), Err(NetworkError::Short(2)));
        let default = local_route(&[10, 0, 0, 0, 255, 3, 0, 2, 0, 0, 0, 0]).unwrap();
        assert_eq!(
            default.map(|route| (route.address, route.prefix)),
            Some(("::".parse().unwrap(), 0))
        );
    }

    #[test]
    fn loopback_is_told_by_its_flag() {
        let mut header = [0; INTERFACE];
        header[4..8].copy_from_slice(&1_u32.to_ne_bytes());
        header[8..12].copy_from_slice(&0x49_u32.to_ne_bytes());
        let message = Request::new(16, 0, 1, &header).with(NAME, b"lo\0").finish();
        let lo = link(&message[16..]).unwrap().unwrap();
        assert_eq!((lo.index, &*lo.name, lo.loopback), (1, "lo", true));
        assert_eq!(link(&message[16..30]), Err(NetworkError::Short(14)));
    }
}
