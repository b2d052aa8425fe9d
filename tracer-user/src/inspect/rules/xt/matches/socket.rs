//! Matches on the socket that a packet belongs to.

use crate::inspect::rules::xt::draft::{Draft, quoted};
use crate::inspect::rules::xt::info::Info;
use crate::model::rules::{Assign, Field, Match, Operand, Source, Target};

/// A packet without a socket fits where all that is asked is inverted; so an inverted question is "not".
pub(super) fn owner(info: &Info<'_>, draft: &mut Draft) -> Option<()> {
    if info.revision != 1 {
        return None;
    }
    let (asked, inverted) = (info.u8(16)?, info.u8(17)?);
    let groups = asked & SUPPLEMENTARY != 0;
    let exists = Match::within(Field::SocketUid, 0..=u128::from(u32::MAX));
    if asked & EXISTS != 0 {
        let negated = inverted & EXISTS != 0;
        draft.flag(negated, "socket-exists");
        draft.ask(inverted_whole(exists, negated));
    }
    for (bit, at, name, field) in [
        (UID, 0, "uid-owner", Field::SocketUid),
        (GID, 8, "gid-owner", Field::SocketGid),
    ] {
        if asked & bit == 0 {
            continue;
        }
        let (first, last, negated) = (info.u32(at)?, info.u32(at + 4)?, inverted & bit != 0);
        if first == last {
            draft.option(negated, name, first);
        } else {
            draft.option(negated, name, format_args!("{first}-{last}"));
        }
        let mut owned = Match::within(field, first.into()..=last.into());
        if bit == GID && groups {
            owned = Match::Any(vec![owned, Match::Unknown("--suppl-groups".into())]);
        }
        draft.ask(inverted_whole(owned, negated));
    }
    if groups {
        draft.flag(inverted & SUPPLEMENTARY != 0, "suppl-groups");
    }
    Some(())
}

fn inverted_whole(asked: Match, negated: bool) -> Match {
    if negated { Match::NotAll(vec![asked]) } else { asked }
}

/// A socket is looked for; `--restore-skmark` also writes its mark to the packet.
pub(super) fn socket(info: &Info<'_>, draft: &mut Draft) -> Option<()> {
    let flags = match info.revision {
        0 => 0,
        1..=3 => info.u8(0)?,
        _ => return None,
    };
    let transparent = flags & 1 != 0;
    let any_address = flags & 2 != 0;
    if transparent {
        draft.flag(false, "transparent");
        draft.ask(Match::equals(Field::SocketTransparent, 1));
    }
    if any_address {
        draft.flag(false, "nowildcard");
    }
    draft.ask(Match::within(Field::SocketWildcard, 0..=u128::from(any_address)));
    if flags & 4 != 0 {
        draft.flag(false, "restore-skmark");
        draft.assign(Assign {
            target: Target::Mark,
            keep: 0,
            source: Source::Operand(Operand::field(Field::SocketMark)),
            value: 0,
        });
    }
    Some(())
}

pub(super) fn cgroup(info: &Info<'_>, draft: &mut Draft) -> Option<()> {
    draft.unknown_match();
    if info.revision == 0 {
        draft.option(info.u32(4)? != 0, "cgroup", info.u32(0)?);
        return Some(());
    }
    let [has_path, has_class, other_path, other_class] = info.array(0)?;
    let class_at = match info.revision {
        1 => 4 + 4096,
        2 => 4,
        _ => return None,
    };
    if has_path != 0 {
        let length = if info.revision == 1 { 4096 } else { 512 };
        draft.option(other_path != 0, "path", quoted(&info.text(4, length)?));
    }
    if has_class != 0 {
        draft.option(other_class != 0, "cgroup", info.u32(class_at)?);
    }
    Some(())
}

const UID: u8 = 1;
const GID: u8 = 2;
const EXISTS: u8 = 4;
const SUPPLEMENTARY: u8 = 8;
