//! Whether a host on a link answers: asked of the neighbour table, one address at a time (Linux 5.0).

use crate::inspect::message::ONE;
use crate::inspect::nla::Request;
use crate::model::aspect::NeighbourState;
use std::net::IpAddr;
use thiserror::Error;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a neighbour message of {0} bytes")]
pub struct ShortNeighbour(usize);

/// Asks for the neighbour of this address on a device.
pub fn get(sequence: u32, address: IpAddr, ifindex: u32) -> Vec<u8> {
    let family = if address.is_ipv4() { IPV4 } else { IPV6 };
    let [i0, i1, i2, i3] = ifindex.to_ne_bytes();
    let request = Request::new(
        GET_NEIGHBOUR,
        ONE,
        sequence,
        &[family, 0, 0, 0, i0, i1, i2, i3, 0, 0, 0, 0],
    );
    match address {
        IpAddr::V4(address) => request.with(DESTINATION, &address.octets()).finish(),
        IpAddr::V6(address) => request.with(DESTINATION, &address.octets()).finish(),
    }
}

/// The answer to [`get`]; `None`: a state that is not known.
pub fn parse(payload: &[u8]) -> Result<Option<NeighbourState>, ShortNeighbour> {
    let state = payload.get(STATE..STATE + 2).and_then(|bytes| bytes.first_chunk::<2>());
    let state = u16::from_ne_bytes(*state.ok_or(ShortNeighbour(payload.len()))?);
    Ok(Some(match state {
        0x00 => NeighbourState::None,
        0x01 => NeighbourState::Incomplete,
        0x02 => NeighbourState::Reachable,
        0x04 => NeighbourState::Stale,
        0x08 => NeighbourState::Delay,
        0x10 => NeighbourState::Probe,
        0x20 => NeighbourState::Failed,
        0x40 => NeighbourState::NoArp,
        0x80 => NeighbourState::Permanent,
        _ => return Ok(None),
    }))
}

// uapi/linux/{rtnetlink,neighbour}.h
const GET_NEIGHBOUR: u16 = 30;
/// `NDA_DST`.
const DESTINATION: u16 = 1;
/// Offset of `ndm_state` in `struct ndmsg`.
const STATE: usize = 8;
const IPV4: u8 = 2;
const IPV6: u8 = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_is_told_and_an_unknown_one_is_not_taken_for_another() {
        let message = |state: u8| [2, 0, 0, 0, 7, 0, 0, 0, state, 0, 0, 1];
        assert_eq!(parse(&message(0x20)), Ok(Some(NeighbourState::Failed)));
        assert_eq!(parse(&message(0x02)), Ok(Some(NeighbourState::Reachable)));
        assert_eq!(parse(&message(0x22)), Ok(None));
        for end in 0..10 {
            assert_eq!(parse(&message(1)[..end]), Err(ShortNeighbour(end)));
        }
    }
}
