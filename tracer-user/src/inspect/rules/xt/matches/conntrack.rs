//! Matches on the connection that a packet belongs to.

use crate::inspect::rules::text::iptables::network;
use crate::inspect::rules::xt::draft::{Draft, compared, listed, quoted};
use crate::inspect::rules::xt::info::{Info, number};
use crate::model::rules::{Field, Match};

pub(super) fn state(info: &Info<'_>, draft: &mut Draft) -> Option<()> {
    let mask = u16::try_from(info.u32(0)?).ok()?;
    // Its bit for untracked is nft's.
    draft.option(false, "state", listed(state_names(mask, 64)));
    draft.ask(state_match(mask, 64, false));
    Some(())
}

fn state_names(mask: u16, untracked: u16) -> impl Iterator<Item = &'static str> {
    let names = [
        (1, "INVALID"),
        (8, "NEW"),
        (4, "RELATED"),
        (2, "ESTABLISHED"),
        (untracked, "UNTRACKED"),
        (SNAT, "SNAT"),
        (DNAT, "DNAT"),
    ];
    let translated = untracked != SNAT;
    names
        .into_iter()
        .filter(move |(bit, name)| mask & bit != 0 && (translated || !name.ends_with("NAT")))
        .map(|(_, name)| name)
}

/// xt's bits of a state to nft's; SNAT and DNAT are bits of the status there.
fn state_match(mask: u16, untracked: u16, negated: bool) -> Match {
    let mut bits = u128::from(mask & 0xf);
    if mask & untracked != 0 {
        bits |= 64;
    }
    let states = any_bit(Field::CtState, bits);
    let status = match untracked {
        SNAT => 0,
        _ => u128::from(mask & SNAT != 0) << 4 | u128::from(mask & DNAT != 0) << 5,
    };
    if status == 0 {
        return states.negate(negated);
    }
    let either = Match::Any(vec![states, any_bit(Field::CtStatus, status)]);
    if negated { Match::NotAll(vec![either]) } else { either }
}

/// One of these bits is set.
fn any_bit(field: Field, bits: u128) -> Match {
    Match::Number {
        field,
        mask: bits,
        // Without a bit nothing fits.
        within: if bits == 0 { Vec::new() } else { vec![1..=u128::MAX] },
        negated: false,
    }
}

/// Where the structure of a revision has what follows the addresses.
struct Layout {
    flags: usize,
    inverted: usize,
    state: u16,
    status: u16,
    /// Last ports; the first ones are at 138.
    last_ports: Option<usize>,
}

fn layout(info: &Info<'_>) -> Option<Layout> {
    let (flags, inverted) = (146, 148);
    let wide = |last_ports| {
        Some(Layout {
            flags,
            inverted,
            state: info.u16(150)?,
            status: info.u16(152)?,
            last_ports,
        })
    };
    match info.revision {
        1 => Some(Layout {
            flags,
            inverted,
            state: info.u8(150)?.into(),
            status: info.u8(151)?.into(),
            last_ports: None,
        }),
        2 => wide(None),
        3 => wide(Some(154)),
        _ => None,
    }
}

/// A packet without an entry is judged by its state alone, where that is asked; else it does not fit.
pub(super) fn conntrack(info: &Info<'_>, draft: &mut Draft) -> Option<()> {
    let layout = layout(info)?;
    let (flags, inverted) = (info.u16(layout.flags)?, info.u16(layout.inverted)?);
    let negated = |bit: u16| inverted & bit != 0;
    let mut asked = Vec::new();
    if flags & STATE != 0 {
        let alias = flags & ALIAS != 0;
        if alias {
            draft.shown_as("state");
        }
        let name = if alias { "state" } else { "ctstate" };
        let names = state_names(layout.state, UNTRACKED);
        draft.option(negated(STATE), name, listed(names));
        draft.ask(state_match(layout.state, UNTRACKED, negated(STATE)));
    }
    if flags & PROTOCOL != 0 {
        let protocol = info.u16(136)?;
        draft.option(negated(PROTOCOL), "ctproto", protocol);
        asked.push(Match::equals(Field::CtL4Proto, protocol.into()).negate(negated(PROTOCOL)));
    }
    for (at, bit, name, field) in ADDRESSES {
        if flags & bit != 0 {
            asked.push(address(info, draft, (at, name, field), negated(bit))?);
        }
    }
    for (index, bit, name, field) in PORTS {
        if flags & bit != 0 {
            let (first, last) = ports(info, &layout, index)?;
            draft.range(negated(bit), name, first, last);
            asked.push(Match::within(field, first.into()..=last.into()).negate(negated(bit)));
        }
    }
    if flags & STATUS != 0 {
        draft.option(negated(STATUS), "ctstatus", status_names(layout.status));
        asked.push(any_bit(Field::CtStatus, layout.status.into()).negate(negated(STATUS)));
    }
    if flags & EXPIRES != 0 {
        draft.range(negated(EXPIRES), "ctexpire", info.u32(128)?, info.u32(132)?);
        asked.push(Match::Unknown("--ctexpire".into()));
    }
    if flags & DIRECTION != 0 {
        let reply = negated(DIRECTION);
        draft.option(false, "ctdir", if reply { "REPLY" } else { "ORIGINAL" });
        asked.push(Match::equals(Field::CtDirection, reply.into()));
    }
    let stateless = (layout.state & (1 | UNTRACKED) != 0) != negated(STATE);
    for question in asked {
        draft.ask(if flags & STATE != 0 && stateless {
            Match::Any(vec![any_bit(Field::CtState, 1 | 64), question])
        } else {
            question
        });
    }
    Some(())
}

fn address(
    info: &Info<'_>,
    draft: &mut Draft,
    (at, name, field): (usize, &str, Field),
    negated: bool,
) -> Option<Match> {
    let (address, mask) = (info.address(at)?, info.address(at + 16)?);
    draft.option(negated, name, network(address, mask));
    let (value, mask) = (number(address), number(mask));
    Some(compared(field, mask, value).negate(negated))
}

fn ports(info: &Info<'_>, layout: &Layout, index: usize) -> Option<(u16, u16)> {
    let at = 138 + index * 2;
    match layout.last_ports {
        Some(last) => Some((info.u16(at)?, info.u16(last + index * 2)?)),
        // The older revisions have one port, in network order.
        None => info.be16(at).map(|port| (port, port)),
    }
}

fn status_names(mask: u16) -> String {
    let names = [(1, "EXPECTED"), (2, "SEEN_REPLY"), (4, "ASSURED"), (8, "CONFIRMED")];
    let set = names.into_iter().filter(|(bit, _)| mask & bit != 0);
    let shown = listed(set.map(|(_, name)| name));
    if shown.is_empty() { "NONE".to_owned() } else { shown }
}

pub(super) fn helper(info: &Info<'_>, draft: &mut Draft) -> Option<()> {
    draft.option(info.u32(0)? != 0, "helper", quoted(&info.text(4, 30)?));
    draft.unknown_match();
    Some(())
}

pub(super) fn connlabel(info: &Info<'_>, draft: &mut Draft) -> Option<()> {
    let options = info.u16(2)?;
    draft.option(options & 1 != 0, "label", format_args!("\"{}\"", info.u16(0)?));
    if options & 2 != 0 {
        draft.flag(false, "set");
    }
    draft.unknown_match();
    Some(())
}

const STATE: u16 = 1;
const PROTOCOL: u16 = 1 << 1;
const STATUS: u16 = 1 << 6;
const EXPIRES: u16 = 1 << 7;
const DIRECTION: u16 = 1 << 12;
/// Given as `-m state`.
const ALIAS: u16 = 1 << 13;
const SNAT: u16 = 1 << 6;
const DNAT: u16 = 1 << 7;
const UNTRACKED: u16 = 1 << 8;
const ADDRESSES: [(usize, u16, &str, Field); 4] = [
    (0, 1 << 2, "ctorigsrc", Field::CtOriginalSource),
    (32, 1 << 3, "ctorigdst", Field::CtOriginalDestination),
    (64, 1 << 4, "ctreplsrc", Field::CtReplySource),
    (96, 1 << 5, "ctrepldst", Field::CtReplyDestination),
];
const PORTS: [(usize, u16, &str, Field); 4] = [
    (0, 1 << 8, "ctorigsrcport", Field::CtOriginalSourcePort),
    (1, 1 << 9, "ctorigdstport", Field::CtOriginalDestinationPort),
    (2, 1 << 10, "ctreplsrcport", Field::CtReplySourcePort),
    (3, 1 << 11, "ctrepldstport", Field::CtReplyDestinationPort),
];
