//! Matches on what follows the network header: ports, flags, ICMP types.

use crate::inspect::rules::text::iptables::tcp_flags;
use crate::inspect::rules::xt::draft::{Draft, all, compared, listed};
use crate::inspect::rules::xt::info::Info;
use crate::model::rules::{Field, Match};
use std::ops::RangeInclusive;

pub(super) fn tcp(info: &Info<'_>, draft: &mut Draft) -> Option<()> {
    let (option, mask, flags, inverted) = (info.u8(8)?, info.u8(9)?, info.u8(10)?, info.u8(11)?);
    ports(info, draft, inverted)?;
    if option != 0 || inverted & 8 != 0 {
        draft.option(inverted & 8 != 0, "tcp-option", option);
        draft.unknown_match();
    }
    if mask != 0 || inverted & 4 != 0 {
        draft.option(inverted & 4 != 0, "tcp-flags", tcp_flags(mask));
        draft.word(tcp_flags(flags));
        let asked = compared(Field::TcpFlags, mask.into(), flags.into());
        draft.ask(asked.negate(inverted & 4 != 0));
    }
    Some(())
}

pub(super) fn udp(info: &Info<'_>, draft: &mut Draft) -> Option<()> {
    ports(info, draft, info.u8(8)?)
}

/// The ports of `struct xt_tcp` and `struct xt_udp`.
fn ports(info: &Info<'_>, draft: &mut Draft, inverted: u8) -> Option<()> {
    let ends = [
        (0, 1, "sport", Field::SourcePort),
        (4, 2, "dport", Field::DestinationPort),
    ];
    for (at, bit, name, field) in ends {
        let (first, last, negated) = (info.u16(at)?, info.u16(at + 2)?, inverted & bit != 0);
        if first != 0 || last != u16::MAX || negated {
            draft.range(negated, name, first, last);
            draft.ask(within(field, first, last).negate(negated));
        }
    }
    Some(())
}

fn within(field: Field, first: u16, last: u16) -> Match {
    Match::within(field, u128::from(first)..=u128::from(last))
}

pub(super) fn sctp(info: &Info<'_>, draft: &mut Draft) -> Option<()> {
    let (flags, inverted) = (info.u32(284)?, info.u32(288)?);
    flagged_ports(info, draft, flags, inverted)?;
    if flags & 4 != 0 {
        draft.flag(inverted & 4 != 0, "chunk-types");
        chunks(info, draft)?;
        draft.unknown_match();
    }
    Some(())
}

/// The ports of `struct xt_sctp_info` and `struct xt_dccp_info`: the destination comes first.
fn flagged_ports(info: &Info<'_>, draft: &mut Draft, flags: u32, inverted: u32) -> Option<()> {
    let ends = [
        (4, 1, "sport", Field::SourcePort),
        (0, 2, "dport", Field::DestinationPort),
    ];
    for (at, bit, name, field) in ends {
        if flags & bit != 0 {
            let (first, last, negated) = (info.u16(at)?, info.u16(at + 2)?, inverted & bit != 0);
            draft.range(negated, name, first, last);
            draft.ask(within(field, first, last).negate(negated));
        }
    }
    Some(())
}

fn chunks(info: &Info<'_>, draft: &mut Draft) -> Option<()> {
    draft.word(match info.u32(264)? {
        1 => "any",
        2 => "all",
        4 => "only",
        _ => return None,
    });
    let set = |kind: u8| {
        let word = info.u32(8 + usize::from(kind / 32) * 4)?;
        Some(word & (1 << (kind % 32)) != 0)
    };
    let all = (0..=u8::MAX).all(|kind| set(kind) == Some(true));
    if all {
        draft.word("ALL");
        return Some(());
    }
    let mut names = Vec::new();
    for kind in (0..=u8::MAX).filter(|&kind| set(kind) == Some(true)) {
        let (_, name) = CHUNKS.iter().find(|(number, _)| *number == kind)?;
        names.push(format!("{name}{}", chunk_flags(info, kind)?));
    }
    draft.word(if names.is_empty() {
        "NONE".to_owned()
    } else {
        listed(names)
    });
    Some(())
}

/// `:` and the flags that are asked of a chunk: upper case where set, lower case where not.
fn chunk_flags(info: &Info<'_>, kind: u8) -> Option<String> {
    let letters = match kind {
        0 => "-----IUBE",
        6 | 14 => "-------T",
        _ => "--------",
    };
    // DATA's letters are those of the lower four bits.
    let letters = letters.trim_start_matches('-');
    let count = usize::try_from(info.u32(280)?).ok()?.min(4);
    for entry in 0..count {
        let at = 268 + entry * 3;
        let (chunk, flags, mask) = (info.u8(at)?, info.u8(at + 1)?, info.u8(at + 2)?);
        if chunk != kind {
            continue;
        }
        let mut shown = String::from(":");
        for bit in (0..8).rev().filter(|bit| mask & (1 << bit) != 0) {
            let letter = letters.chars().rev().nth(bit)?;
            shown.push(if flags & (1 << bit) == 0 {
                letter.to_ascii_lowercase()
            } else {
                letter
            });
        }
        return Some(shown);
    }
    Some(String::new())
}

pub(super) fn dccp(info: &Info<'_>, draft: &mut Draft) -> Option<()> {
    let (flags, inverted, types) = (info.u16(8)?, info.u16(10)?, info.u16(12)?);
    flagged_ports(info, draft, flags.into(), inverted.into())?;
    if flags & 4 != 0 {
        let set = (0..).zip(DCCP_TYPES).filter(|(bit, _)| types & (1 << bit) != 0);
        draft.option(inverted & 4 != 0, "dccp-types", listed(set.map(|(_, name)| name)));
        draft.unknown_match();
    }
    if flags & 8 != 0 {
        draft.option(inverted & 8 != 0, "dccp-option", info.u8(14)?);
        draft.unknown_match();
    }
    Some(())
}

pub(super) fn icmp(info: &Info<'_>, draft: &mut Draft) -> Option<()> {
    let [kind, first, last, inverted] = info.array(0)?;
    let negated = inverted & 1 != 0;
    if kind == u8::MAX {
        draft.option(negated, "icmp-type", "any");
        draft.ask(Match::within(Field::IcmpType, 0..=255).negate(negated));
        return Some(());
    }
    icmp_type(draft, "icmp-type", negated, kind, [first, last]);
    let code = (Field::IcmpCode, first, last);
    draft.ask(typed(Field::IcmpType, kind, code, negated));
    Some(())
}

pub(super) fn icmp6(info: &Info<'_>, draft: &mut Draft) -> Option<()> {
    let [kind, first, last, inverted] = info.array(0)?;
    let negated = inverted & 1 != 0;
    icmp_type(draft, "icmpv6-type", negated, kind, [first, last]);
    let code = (Field::Icmp6Code, first, last);
    draft.ask(typed(Field::Icmp6Type, kind, code, negated));
    Some(())
}

fn icmp_type(draft: &mut Draft, name: &str, negated: bool, kind: u8, code: [u8; 2]) {
    if code == [0, u8::MAX] {
        draft.option(negated, name, kind);
    } else {
        draft.option(negated, name, format_args!("{kind}/{}", code[0]));
    }
}

fn typed(field: Field, kind: u8, (code, first, last): (Field, u8, u8), negated: bool) -> Match {
    let of_type = Match::equals(field, kind.into());
    if (first, last) == (0, u8::MAX) {
        return of_type.negate(negated);
    }
    let of_code = Match::within(code, first.into()..=last.into());
    // A packet without a type is no ICMP, which the rule's protocol excludes.
    if negated {
        Match::NotAll(vec![of_type, of_code])
    } else {
        all(vec![of_type, of_code])
    }
}

pub(super) fn multiport(info: &Info<'_>, draft: &mut Draft) -> Option<()> {
    let (kind, count) = (info.u8(0)?, usize::from(info.u8(1)?));
    let negated = info.revision == 1 && info.u8(47)? != 0;
    let mut ranges = Vec::new();
    let mut at = 0;
    while at < count.min(15) {
        let first = info.u16(2 + at * 2)?;
        let paired = info.revision == 1 && info.u8(32 + at)? != 0;
        at += usize::from(paired);
        ranges.push(first..=info.u16(2 + at * 2)?);
        at += 1;
    }
    if info.revision > 1 || count > 15 {
        return None;
    }
    let name = *["sports", "dports", "ports"].get(usize::from(kind))?;
    draft.option(negated, name, listed(ranges.iter().map(shown)));
    draft.ask(match kind {
        0 => in_list(Field::SourcePort, &ranges).negate(negated),
        1 => in_list(Field::DestinationPort, &ranges).negate(negated),
        _ => either(&ranges, negated),
    });
    Some(())
}

fn in_list(field: Field, ranges: &[RangeInclusive<u16>]) -> Match {
    let wide = |range: &RangeInclusive<u16>| u128::from(*range.start())..=u128::from(*range.end());
    Match::of(field, ranges.iter().map(wide).collect())
}

/// The kernel lets no packet without ports pass, negated or not.
fn either(ranges: &[RangeInclusive<u16>], negated: bool) -> Match {
    let source = in_list(Field::SourcePort, ranges).negate(negated);
    let destination = in_list(Field::DestinationPort, ranges).negate(negated);
    if negated {
        all(vec![source, destination])
    } else {
        Match::Any(vec![source, destination])
    }
}

fn shown(range: &RangeInclusive<u16>) -> String {
    if range.start() == range.end() {
        range.start().to_string()
    } else {
        format!("{}:{}", range.start(), range.end())
    }
}

const CHUNKS: &[(u8, &str)] = &[
    (0, "DATA"),
    (1, "INIT"),
    (2, "INIT_ACK"),
    (3, "SACK"),
    (4, "HEARTBEAT"),
    (5, "HEARTBEAT_ACK"),
    (6, "ABORT"),
    (7, "SHUTDOWN"),
    (8, "SHUTDOWN_ACK"),
    (9, "ERROR"),
    (10, "COOKIE_ECHO"),
    (11, "COOKIE_ACK"),
    (12, "ECN_ECNE"),
    (13, "ECN_CWR"),
    (14, "SHUTDOWN_COMPLETE"),
    (0x40, "I_DATA"),
    (0x82, "RE_CONFIG"),
    (0x84, "PAD"),
    (0xc1, "ASCONF"),
    (0x80, "ASCONF_ACK"),
    (0xc0, "FORWARD_TSN"),
    (0xc2, "I_FORWARD_TSN"),
];
const DCCP_TYPES: [&str; 11] = [
    "REQUEST", "RESPONSE", "DATA", "ACK", "DATAACK", "CLOSEREQ", "CLOSE", "RESET", "SYNC", "SYNCACK", "INVALID",
];
