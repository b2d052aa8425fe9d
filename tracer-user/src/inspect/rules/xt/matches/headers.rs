//! Matches on IPsec's headers and on IPv6's extension headers: the model has no fields for them, so they are only shown.

use crate::inspect::rules::text::iptables::Numeric;
use crate::inspect::rules::xt::draft::{Draft, listed};
use crate::inspect::rules::xt::info::Info;

pub(super) fn ah(info: &Info<'_>, draft: &mut Draft) -> Option<()> {
    spis(info, draft, "ahspi", info.u8(8)? & 1 != 0)
}

pub(super) fn esp(info: &Info<'_>, draft: &mut Draft) -> Option<()> {
    spis(info, draft, "espspi", info.u8(8)? & 1 != 0)
}

pub(super) fn ipcomp(info: &Info<'_>, draft: &mut Draft) -> Option<()> {
    let (first, last, negated) = (info.u32(0)?, info.u32(4)?, info.u8(8)? & 1 != 0);
    if first != 0 || last != u32::MAX {
        draft.range(negated, "ipcompspi", first, last);
    }
    if info.u8(9)? != 0 {
        draft.flag(false, "compres");
    }
    draft.unknown_match();
    Some(())
}

fn spis(info: &Info<'_>, draft: &mut Draft, name: &str, negated: bool) -> Option<()> {
    let (first, last) = (info.u32(0)?, info.u32(4)?);
    if first != 0 || last != u32::MAX || negated {
        draft.range(negated, name, first, last);
    }
    draft.unknown_match();
    Some(())
}

pub(super) fn ah6(info: &Info<'_>, draft: &mut Draft) -> Option<()> {
    let (length, reserved, inverted) = (info.u32(8)?, info.u8(12)?, info.u8(13)?);
    spis(info, draft, "ahspi", inverted & 1 != 0)?;
    if length != 0 || inverted & 2 != 0 {
        draft.option(inverted & 2 != 0, "ahlen", length);
    }
    if reserved != 0 {
        draft.flag(false, "ahres");
    }
    Some(())
}

pub(super) fn frag(info: &Info<'_>, draft: &mut Draft) -> Option<()> {
    let (first, last, length) = (info.u32(0)?, info.u32(4)?, info.u32(8)?);
    let (flags, inverted) = (info.u8(12)?, info.u8(13)?);
    if first != 0 || last != u32::MAX || inverted & 1 != 0 {
        draft.range(inverted & 1 != 0, "fragid", first, last);
    }
    if flags & 2 != 0 || length != 0 {
        draft.option(inverted & 2 != 0, "fraglen", length);
    }
    for (bit, name) in [(4, "fragres"), (8, "fragfirst"), (16, "fragmore"), (32, "fraglast")] {
        if flags & bit != 0 {
            draft.flag(false, name);
        }
    }
    draft.unknown_match();
    Some(())
}

pub(super) fn rt(info: &Info<'_>, draft: &mut Draft) -> Option<()> {
    let (kind, first, last, length) = (info.u32(0)?, info.u32(4)?, info.u32(8)?, info.u32(12)?);
    let (flags, inverted) = (info.u8(16)?, info.u8(17)?);
    if flags & 1 != 0 {
        draft.option(inverted & 1 != 0, "rt-type", kind);
    }
    if first != 0 || last != u32::MAX || inverted & 2 != 0 {
        draft.range(inverted & 2 != 0, "rt-segsleft", first, last);
    }
    if flags & 4 != 0 {
        draft.option(inverted & 4 != 0, "rt-len", length);
    }
    if flags & 8 != 0 {
        draft.flag(false, "rt-0-res");
    }
    let count = usize::from(info.u8(276)?).min(16);
    if count > 0 {
        let addresses = (0..count)
            .map(|hop| info.ipv6(20 + hop * 16).map(|address| Numeric(address.into())))
            .collect::<Option<Vec<_>>>()?;
        draft.option(false, "rt-0-addrs", listed(addresses));
    }
    if flags & 0x20 != 0 {
        draft.flag(false, "rt-0-not-strict");
    }
    draft.unknown_match();
    Some(())
}

pub(super) fn hbh(info: &Info<'_>, draft: &mut Draft) -> Option<()> {
    options(info, draft, ["hbh-len", "hbh-opts"])
}

pub(super) fn dst(info: &Info<'_>, draft: &mut Draft) -> Option<()> {
    options(info, draft, ["dst-len", "dst-opts"])
}

/// `struct ip6t_opts`.
fn options(info: &Info<'_>, draft: &mut Draft, [length, list]: [&str; 2]) -> Option<()> {
    let (flags, inverted) = (info.u8(4)?, info.u8(5)?);
    if flags & 1 != 0 {
        draft.option(inverted & 1 != 0, length, info.u32(0)?);
    }
    let count = usize::from(info.u8(38)?).min(16);
    if count > 0 {
        let option = |index: usize| {
            let value = info.u16(6 + index * 2)?;
            let (kind, length) = (value >> 8, value & 0xff);
            Some(if length == 0xff {
                kind.to_string()
            } else {
                format!("{kind}:{length}")
            })
        };
        draft.option(false, list, listed((0..count).map(option).collect::<Option<Vec<_>>>()?));
    }
    draft.unknown_match();
    Some(())
}

pub(super) fn ipv6header(info: &Info<'_>, draft: &mut Draft) -> Option<()> {
    let [headers, inverted, soft] = info.array(0)?;
    let names = [
        (128, "hop-by-hop"),
        (64, "ipv6-opts"),
        (32, "ipv6-route"),
        (16, "ipv6-frag"),
        (8, "ah"),
        (4, "esp"),
        (2, "ipv6-nonxt"),
        (1, "protocol"),
    ];
    let set = names.iter().filter(|(bit, _)| headers & bit != 0);
    draft.option(inverted != 0, "header", listed(set.map(|(_, name)| name)));
    if soft != 0 {
        draft.flag(false, "soft");
    }
    draft.unknown_match();
    Some(())
}

pub(super) fn mh(info: &Info<'_>, draft: &mut Draft) -> Option<()> {
    let [first, last, inverted] = info.array(0)?;
    if (first, last) != (0, u8::MAX) || inverted & 1 != 0 {
        draft.range(inverted & 1 != 0, "mh-type", first, last);
    }
    draft.unknown_match();
    Some(())
}
