//! Where the other end of a veth is: the requests of rtnetlink, and their answers.
//!
//! Does not know which namespaces there are; an id of a namespace means something only in the namespace it was asked in.

use crate::inspect::message::ONE;
use crate::inspect::nla::{Attribute, NlaError, Request, attributes};
use thiserror::Error;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum LinkError {
    #[error("link message: {0}")]
    Attribute(#[from] NlaError),
    #[error("a link message of {0} bytes")]
    Short(usize),
}

/// Where the peer of a device is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// The device has none.
    None,
    SameNamespace,
    /// The namespace that the asked one calls by this id.
    Namespace(i32),
}

/// Asks for a device.
pub fn get(sequence: u32, ifindex: u32) -> Vec<u8> {
    let mut header = [0; INTERFACE];
    if let Some((_, rest)) = header.split_first_chunk_mut::<4>()
        && let Some(slot) = rest.first_chunk_mut::<4>()
    {
        *slot = ifindex.to_ne_bytes();
    }
    Request::new(GET_LINK, ONE, sequence, &header).finish()
}

/// The answer to [`get`].
pub fn parse(payload: &[u8]) -> Result<Peer, LinkError> {
    let (mut linked, mut namespace, mut paired) = (false, None, false);
    for attribute in attributes(payload.get(INTERFACE..).ok_or(LinkError::Short(payload.len()))?) {
        let attribute = attribute?;
        match attribute.kind {
            LINK => linked = attribute.u32()? != 0,
            LINK_NETNSID => namespace = Some(attribute.i32()?),
            LINKINFO => paired = is_pair(attribute)?,
            _ => {}
        }
    }
    Ok(match namespace {
        // A VLAN or macvlan has a lower device, which is no peer.
        _ if !paired => Peer::None,
        Some(id) if id >= 0 => Peer::Namespace(id),
        None if linked => Peer::SameNamespace,
        Some(_) | None => Peer::None,
    })
}

/// Asks which id this namespace has for the one behind the descriptor.
pub fn get_id(sequence: u32, descriptor: i32) -> Vec<u8> {
    Request::new(GET_NSID, ONE, sequence, &[0])
        .with(NSID_FD, &descriptor.to_ne_bytes())
        .finish()
}

/// Has this namespace give the one behind the descriptor an id, the lowest that is free. It keeps that for as long as
/// both live, and is not kept alive by it.
pub fn give_id(sequence: u32, descriptor: i32) -> Vec<u8> {
    Request::new(NEW_NSID, ONE, sequence, &[0])
        .with(NSID, &ANY_ID.to_ne_bytes())
        .with(NSID_FD, &descriptor.to_ne_bytes())
        .finish()
}

/// The id in the answer to [`get_id`], or in what the kernel tells of one ([`NEW_NSID`], [`DEL_NSID`]); `None`: there is
/// none.
pub fn parse_id(payload: &[u8]) -> Result<Option<i32>, LinkError> {
    for attribute in attributes(payload.get(GENERIC..).ok_or(LinkError::Short(payload.len()))?) {
        let attribute = attribute?;
        if attribute.kind == NSID {
            return Ok(Some(attribute.i32()?).filter(|&id| id >= 0));
        }
    }
    Ok(None)
}

fn is_pair(attribute: Attribute<'_>) -> Result<bool, NlaError> {
    for part in attribute.nested() {
        let part = part?;
        if part.kind == INFO_KIND {
            let name = part.value.strip_suffix(&[0]).unwrap_or(part.value);
            return Ok(PAIRED.contains(&name));
        }
    }
    Ok(false)
}

/// Kinds of devices that come in pairs.
const PAIRED: [&[u8]; 2] = [b"veth", b"netkit"];

/// `struct ifinfomsg`.
const INTERFACE: usize = 16;
/// `struct rtgenmsg`, padded.
const GENERIC: usize = 4;
// uapi/linux/{rtnetlink,if_link,net_namespace}.h
const GET_LINK: u16 = 18;
/// The type of a message about an id that was given.
pub const NEW_NSID: u16 = 88;
/// The type of a message about an id that is free again.
pub const DEL_NSID: u16 = 89;
const GET_NSID: u16 = 90;
const LINK: u16 = 5;
const LINKINFO: u16 = 18;
const INFO_KIND: u16 = 1;
const LINK_NETNSID: u16 = 37;
const NSID: u16 = 1;
const NSID_FD: u16 = 3;
const ANY_ID: i32 = -1;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const VETH: &[u8] = include_bytes!("testdata/link_veth.bin");
    const VETH_SAME: &[u8] = include_bytes!("testdata/link_veth_same.bin");
    const LO: &[u8] = include_bytes!("testdata/link_lo.bin");
    const ID: &[u8] = include_bytes!("testdata/namespace_id.bin");
    const NO_ID: &[u8] = include_bytes!("testdata/namespace_id_none.bin");

    #[test]
    fn the_peer_of_a_veth_is_told() {
        assert_eq!(parse(VETH), Ok(Peer::Namespace(0)));
        assert_eq!(parse(VETH_SAME), Ok(Peer::SameNamespace));
        assert_eq!(parse(LO), Ok(Peer::None));
    }

    #[test]
    fn only_paired_devices_have_a_peer() {
        let vlan = Request::new(16, 0, 0, &[0; INTERFACE]).with(LINK, &3_u32.to_ne_bytes());
        let vlan = vlan
            .with(LINK_NETNSID, &1_i32.to_ne_bytes())
            .with_nested(LINKINFO, |inside| inside.with(INFO_KIND, b"vlan\0"));
        assert_eq!(parse(&vlan.finish()[16..]), Ok(Peer::None));
    }

    #[test]
    fn an_id_is_told_where_there_is_one() {
        assert_eq!((parse_id(ID), parse_id(NO_ID)), (Ok(Some(0)), Ok(None)));
    }

    #[test]
    fn every_prefix_is_an_error_or_a_link() {
        for message in [VETH, VETH_SAME, LO, ID] {
            for end in 0..message.len() {
                let _ = (parse(&message[..end]), parse_id(&message[..end]));
            }
        }
        assert_eq!(parse(&VETH[..8]), Err(LinkError::Short(8)));
    }

    proptest! {
        #[test]
        fn hostile_bytes_do_not_panic(at in 0..VETH.len(), byte in any::<u8>()) {
            let mut bytes = VETH.to_vec();
            bytes[at] = byte;
            let _ = (parse(&bytes), parse_id(&bytes));
        }
    }
}
