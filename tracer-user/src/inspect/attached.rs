//! What is attached to a device and may drop its packets: filters of tc, and the XDP program.

use crate::inspect::message::DUMP;
use crate::inspect::nla::{Attribute, NlaError, Request, attributes};
use crate::model::aspect::Filter;
use std::sync::Arc;
use thiserror::Error;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum AttachedError {
    #[error("filter or device message: {0}")]
    Attribute(#[from] NlaError),
    #[error("a filter or device message of {0} bytes")]
    Short(usize),
}

/// Asks for the filters of a device's clsact queueing discipline; the ingress one's are its ingress filters.
pub fn filters(sequence: u32, ifindex: u32, egress: bool) -> Vec<u8> {
    let mut header = [0; HEADER];
    let parent = if egress { EGRESS } else { INGRESS };
    for (at, value) in [(INDEX, ifindex), (PARENT, parent)] {
        if let Some(slot) = header.get_mut(at..at + 4) {
            slot.copy_from_slice(&value.to_ne_bytes());
        }
    }
    Request::new(GET_FILTER, DUMP, sequence, &header).finish()
}

/// One filter in the answer to [`filters`]; `None`: only the head of those of one priority.
pub fn filter(payload: &[u8], egress: bool) -> Result<Option<Filter>, AttachedError> {
    let (header, rest) = payload
        .split_first_chunk::<HEADER>()
        .ok_or(AttachedError::Short(payload.len()))?;
    let &[_, _, _, _, _, _, _, _, h0, h1, h2, h3, _, _, _, _, i0, i1, i2, i3] = header;
    let handle = u32::from_ne_bytes([h0, h1, h2, h3]);
    let info = u32::from_ne_bytes([i0, i1, i2, i3]);
    let mut kind: Option<Arc<str>> = None;
    let mut options = None;
    for attribute in attributes(rest) {
        let attribute = attribute?;
        match attribute.kind {
            KIND => kind = Some(text(attribute.value)),
            OPTIONS => options = Some(attribute),
            _ => {}
        }
    }
    let (Some(kind), Some(options)) = (kind, options.filter(|_| handle != 0)) else {
        return Ok(None);
    };
    let (acts, name) = match &*kind {
        "flower" | "basic" => (3, None),
        "u32" => (7, None),
        "matchall" => (2, None),
        "fw" => (4, None),
        "bpf" => (1, Some(BPF_NAME)),
        _ => (0, None),
    };
    let (mut drops, mut program) = (false, None);
    for option in options.nested() {
        let option = option?;
        if option.kind == acts && acts != 0 {
            drops |= has_drop(option)?;
        } else if Some(option.kind) == name {
            program = Some(text(option.value));
        }
    }
    Ok(Some(Filter {
        egress,
        kind,
        preference: u16::try_from(info >> 16).unwrap_or_default(),
        handle,
        drops,
        program,
    }))
}

/// Whether one of a filter's actions drops.
fn has_drop(actions: Attribute<'_>) -> Result<bool, NlaError> {
    for action in actions.nested() {
        let (mut generic, mut shot) = (false, false);
        for part in action?.nested() {
            let part = part?;
            match part.kind {
                KIND => generic = &*text(part.value) == "gact",
                OPTIONS => {
                    for parameter in part.nested() {
                        let parameter = parameter?;
                        let action = parameter.value.get(ACTION..ACTION + 4);
                        let action = action.and_then(|bytes| bytes.first_chunk::<4>());
                        shot |= parameter.kind == PARAMETERS && action == Some(&SHOT.to_ne_bytes());
                    }
                }
                _ => {}
            }
        }
        if generic && shot {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The id of the XDP program in a message about a device; 0: it has none.
pub fn xdp(payload: &[u8]) -> Result<u32, AttachedError> {
    let rest = payload.get(LINK..).ok_or(AttachedError::Short(payload.len()))?;
    for attribute in attributes(rest) {
        let attribute = attribute?;
        if attribute.kind != XDP {
            continue;
        }
        for part in attribute.nested() {
            let part = part?;
            if part.kind == XDP_PROGRAM {
                return Ok(part.u32()?);
            }
        }
    }
    Ok(0)
}

fn text(bytes: &[u8]) -> Arc<str> {
    String::from_utf8_lossy(bytes.strip_suffix(&[0]).unwrap_or(bytes)).into()
}

// uapi/linux/{rtnetlink,pkt_sched,pkt_cls,act_api,tc_act/tc_gact,if_link}.h
const GET_FILTER: u16 = 46;
/// `struct tcmsg`: its size, and the offsets of `tcm_ifindex` and `tcm_parent`.
const HEADER: usize = 20;
const INDEX: usize = 4;
const PARENT: usize = 12;
/// `TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS)` and `…EGRESS`.
const INGRESS: u32 = 0xffff_fff2;
const EGRESS: u32 = 0xffff_fff3;
/// `TCA_KIND`, `TCA_OPTIONS`, and the same of an action.
const KIND: u16 = 1;
const OPTIONS: u16 = 2;
const BPF_NAME: u16 = 7;
/// `TCA_GACT_PARMS`, and the offset of `action` in `struct tc_gact`.
const PARAMETERS: u16 = 2;
const ACTION: usize = 8;
/// `TC_ACT_SHOT`.
const SHOT: u32 = 2;
/// `struct ifinfomsg`.
const LINK: usize = 16;
const XDP: u16 = 43;
const XDP_PROGRAM: u16 = 4;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn flower(action: u32) -> Vec<u8> {
        let mut header = [0; HEADER];
        header[8..12].copy_from_slice(&1_u32.to_ne_bytes());
        header[16..20].copy_from_slice(&(49_152_u32 << 16 | 8).to_ne_bytes());
        let mut parameters = [0; 20];
        parameters[8..12].copy_from_slice(&action.to_ne_bytes());
        let message = Request::new(44, 0, 1, &header)
            .with(KIND, b"flower\0")
            .with_nested(OPTIONS, |options| {
                options.with_nested(3, |actions| {
                    actions.with_nested(1, |one| {
                        one.with(KIND, b"gact\0")
                            .with_nested(OPTIONS, |inside| inside.with(PARAMETERS, &parameters))
                    })
                })
            });
        message.finish()[16..].to_vec()
    }

    #[test]
    fn a_filter_is_told_with_whether_it_drops() {
        let expected = Filter {
            egress: true,
            kind: "flower".into(),
            preference: 49_152,
            handle: 1,
            drops: true,
            program: None,
        };
        assert_eq!(filter(&flower(2), true), Ok(Some(expected)));
        let passes = filter(&flower(0), false).unwrap().unwrap();
        assert!(!passes.drops && !passes.egress);
        assert_eq!(filter(&[0; 8], true), Err(AttachedError::Short(8)));
        assert_eq!(filter(&[0; HEADER], true), Ok(None), "the head of a priority");
    }

    #[test]
    fn the_program_of_a_bpf_filter_has_a_name() {
        let mut header = [0; HEADER];
        header[8] = 1;
        let message = Request::new(44, 0, 1, &header)
            .with(KIND, b"bpf\0")
            .with_nested(OPTIONS, |options| options.with(BPF_NAME, b"drop_all\0"))
            .finish();
        let filter = filter(&message[16..], false).unwrap().unwrap();
        assert_eq!((filter.program.as_deref(), filter.drops), (Some("drop_all"), false));
    }

    #[test]
    fn a_device_tells_its_xdp_program() {
        let message = Request::new(16, 0, 1, &[0; LINK])
            .with_nested(XDP, |inside| {
                inside.with(2, &[2]).with(XDP_PROGRAM, &17_u32.to_ne_bytes())
            })
            .finish();
        assert_eq!((xdp(&message[16..]), xdp(&[0; LINK])), (Ok(17), Ok(0)));
    }

    proptest! {
        #[test]
        fn hostile_bytes_do_not_panic(at in 0..flower(2).len(), byte in any::<u8>(), end in 0..flower(2).len()) {
            let mut bytes = flower(2);
            bytes[at] = byte;
            let _ = (filter(&bytes, true), filter(&bytes[..end], true), xdp(&bytes));
        }
    }
}
