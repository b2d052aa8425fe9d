//! Targets that decide whether and where a packet is tracked.

use crate::inspect::rules::xt::draft::{Draft, listed};
use crate::inspect::rules::xt::info::Info;
use crate::model::rules::Action;

pub(super) fn ct(info: &Info<'_>, draft: &mut Draft) -> Option<()> {
    if info.revision > 2 {
        return None;
    }
    let (flags, zone) = (info.u16(0)?, info.u16(2)?);
    if flags & ALIAS != 0 {
        draft.shown_as("NOTRACK");
    } else if flags & NOTRACK != 0 {
        draft.flag(false, "notrack");
    }
    named(info, draft)?;
    for (at, name) in [(4, "ctevents"), (8, "expevents")] {
        let events = info.u32(at)?;
        let names = (0..).zip(EVENTS).filter(|(bit, _)| events & (1 << bit) != 0);
        if events != 0 && name == "ctevents" {
            draft.option(false, name, listed(names.map(|(_, name)| name)));
        } else if events & 1 != 0 {
            draft.option(false, name, "new");
        }
    }
    let direction = match flags & (ORIGINAL | REPLY) {
        ORIGINAL => Some(0),
        REPLY => Some(1),
        _ => None,
    };
    let name = match direction {
        Some(0) => "zone-orig",
        Some(_) => "zone-reply",
        None => "zone",
    };
    if flags & BY_MARK != 0 {
        draft.option(false, name, "mark");
    } else if zone != 0 {
        draft.option(false, name, zone);
    }
    if flags & NOTRACK != 0 {
        draft.act(Action::Notrack);
    } else if flags & BY_MARK != 0 {
        draft.unknown_target();
    } else {
        draft.act(Action::Zone { zone, direction });
    }
    Some(())
}

/// The helper, and from revision 1 on the timeout policy.
fn named(info: &Info<'_>, draft: &mut Draft) -> Option<()> {
    let helper = info.text(12, 16)?;
    if !helper.is_empty() {
        draft.option(false, "helper", helper);
    }
    if info.revision > 0 {
        let timeout = info.text(28, 32)?;
        if !timeout.is_empty() {
            draft.option(false, "timeout", timeout);
        }
    }
    Some(())
}

#[expect(clippy::unnecessary_wraps, reason = "one signature for all decoders")]
pub(super) fn notrack(_: &Info<'_>, draft: &mut Draft) -> Option<()> {
    draft.act(Action::Notrack);
    Some(())
}

const NOTRACK: u16 = 1;
/// Given as `-j NOTRACK`.
const ALIAS: u16 = 2;
const ORIGINAL: u16 = 4;
const REPLY: u16 = 8;
/// The zone is the packet's mark.
const BY_MARK: u16 = 16;
const EVENTS: [&str; 11] = [
    "new",
    "related",
    "destroy",
    "reply",
    "assured",
    "protoinfo",
    "helper",
    "mark",
    "natseqinfo",
    "secmark",
    "label",
];
