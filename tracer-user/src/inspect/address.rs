//! Whether an address is local to a namespace: asked of its routing, which also knows addresses that no device has.
//!
//! Marks and sources are not given: rules of policy routing that look at them are not followed.

use crate::inspect::message::ONE;
use crate::inspect::nla::{NlaError, Request, attributes};
use std::net::IpAddr;
use thiserror::Error;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a route message of {0} bytes")]
pub struct ShortRoute(usize);

/// Asks for the route to an address.
pub fn get(sequence: u32, address: IpAddr) -> Vec<u8> {
    let (family, bits) = match address {
        IpAddr::V4(_) => (libc::AF_INET, 32),
        IpAddr::V6(_) => (libc::AF_INET6, 128),
    };
    let family = u8::try_from(family).unwrap_or_default();
    let request = Request::new(GET_ROUTE, ONE, sequence, &[family, bits, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    match address {
        IpAddr::V4(address) => request.with(DESTINATION, &address.octets()).finish(),
        IpAddr::V6(address) => request.with(DESTINATION, &address.octets()).finish(),
    }
}

/// The answer to [`get`]: whether packets to the address are delivered here.
pub fn parse(payload: &[u8]) -> Result<bool, ShortRoute> {
    payload
        .get(TYPE)
        .map(|&kind| kind == LOCAL)
        .ok_or(ShortRoute(payload.len()))
}

/// The device of the route in the answer to [`get`].
pub fn device(payload: &[u8]) -> Result<Option<u32>, NlaError> {
    for attribute in attributes(payload.get(HEADER..).unwrap_or_default()) {
        let attribute = attribute?;
        if attribute.kind == OUTPUT {
            return attribute.u32().map(Some);
        }
    }
    Ok(None)
}

// uapi/linux/rtnetlink.h
const GET_ROUTE: u16 = 26;
const DESTINATION: u16 = 1;
/// `RTA_OIF`.
const OUTPUT: u16 = 4;
/// `struct rtmsg`.
const HEADER: usize = 12;
/// Offset of `rtm_type` in `struct rtmsg`.
const TYPE: usize = 7;
/// `RTN_LOCAL`.
const LOCAL: u8 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_local_route_is_told_from_others() {
        assert_eq!(parse(include_bytes!("testdata/route_local.bin")), Ok(true));
        assert_eq!(parse(include_bytes!("testdata/route_elsewhere.bin")), Ok(false));
        assert_eq!(device(include_bytes!("testdata/route_local.bin")), Ok(Some(1)));
        assert!(device(include_bytes!("testdata/route_elsewhere.bin")).unwrap() > Some(1));
        assert_eq!(parse(&[2, 32, 0, 0, 0, 0, 0]), Err(ShortRoute(7)));
    }
}
