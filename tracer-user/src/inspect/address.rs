//! Whether an address is local to a namespace: asked of its routing, which also knows addresses that no device has.
//!
//! Marks and sources are not given: rules of policy routing that look at them are not followed.

use crate::inspect::message::ONE;
use crate::inspect::nla::Request;
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

// uapi/linux/rtnetlink.h
const GET_ROUTE: u16 = 26;
const DESTINATION: u16 = 1;
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
        assert_eq!(parse(&[2, 32, 0, 0, 0, 0, 0]), Err(ShortRoute(7)));
    }
}
