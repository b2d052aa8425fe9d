//! Targets that end a packet's way through the rules.

use crate::inspect::rules::xt::draft::Draft;
use crate::inspect::rules::xt::info::Info;
use crate::model::rules::{Reject, Verdict};

#[expect(clippy::unnecessary_wraps, reason = "one signature for all decoders")]
pub(super) fn accept(_: &Info<'_>, draft: &mut Draft) -> Option<()> {
    draft.verdict(Verdict::Accept);
    Some(())
}

#[expect(clippy::unnecessary_wraps, reason = "one signature for all decoders")]
pub(super) fn drop(_: &Info<'_>, draft: &mut Draft) -> Option<()> {
    draft.verdict(Verdict::Drop);
    Some(())
}

#[expect(clippy::unnecessary_wraps, reason = "one signature for all decoders")]
pub(super) fn r#return(_: &Info<'_>, draft: &mut Draft) -> Option<()> {
    draft.verdict(Verdict::Return);
    Some(())
}

#[expect(clippy::unnecessary_wraps, reason = "one signature for all decoders")]
pub(super) fn queue(_: &Info<'_>, draft: &mut Draft) -> Option<()> {
    draft.verdict(Verdict::Queue {
        queues: 0..=0,
        bypass: false,
    });
    Some(())
}

pub(super) fn reject(info: &Info<'_>, draft: &mut Draft) -> Option<()> {
    refused(info, draft, REJECTS)
}

pub(super) fn reject6(info: &Info<'_>, draft: &mut Draft) -> Option<()> {
    refused(info, draft, REJECTS_IPV6)
}

fn refused(info: &Info<'_>, draft: &mut Draft, names: &[&str]) -> Option<()> {
    let with = usize::try_from(info.u32(0)?).ok()?;
    let name = *names.get(with)?;
    draft.option(false, "reject-with", name);
    draft.verdict(Verdict::Reject(if name == TCP_RESET {
        Reject::TcpReset
    } else {
        Reject::Icmp
    }));
    Some(())
}

pub(super) fn nfqueue(info: &Info<'_>, draft: &mut Draft) -> Option<()> {
    let first = info.u16(0)?;
    let total = if info.revision == 0 { 1 } else { info.u16(2)? };
    let flags = match info.revision {
        0 | 1 => 0,
        2 => u16::from(info.u16(4)? != 0),
        3 => info.u16(4)?,
        _ => return None,
    };
    let last = first.saturating_add(total.saturating_sub(1));
    if total > 1 {
        draft.option(false, "queue-balance", format_args!("{first}:{last}"));
    } else {
        draft.option(false, "queue-num", first);
    }
    if flags & 1 != 0 {
        draft.flag(false, "queue-bypass");
    }
    if flags & 2 != 0 {
        draft.flag(false, "queue-cpu-fanout");
    }
    draft.verdict(Verdict::Queue {
        queues: first..=last,
        bypass: flags & 1 != 0,
    });
    Some(())
}

/// Answers in the listener's place, and takes the packets of the handshake.
pub(super) fn synproxy(info: &Info<'_>, draft: &mut Draft) -> Option<()> {
    let [options, scale] = info.array(0)?;
    if options & 8 != 0 {
        draft.flag(false, "sack-perm");
    }
    if options & 4 != 0 {
        draft.flag(false, "timestamp");
    }
    if options & 2 != 0 {
        draft.option(false, "wscale", scale);
    }
    if options & 1 != 0 {
        draft.option(false, "mss", info.u16(2)?);
    }
    if options & 16 != 0 {
        draft.flag(false, "ecn");
    }
    draft.unknown_target();
    Some(())
}

const TCP_RESET: &str = "tcp-reset";
const REJECTS: &[&str] = &[
    "icmp-net-unreachable",
    "icmp-host-unreachable",
    "icmp-proto-unreachable",
    "icmp-port-unreachable",
    "echo-reply",
    "icmp-net-prohibited",
    "icmp-host-prohibited",
    TCP_RESET,
    "icmp-admin-prohibited",
];
const REJECTS_IPV6: &[&str] = &[
    "icmp6-no-route",
    "icmp6-adm-prohibited",
    "icmp6-not-neighbour",
    "icmp6-addr-unreachable",
    "icmp6-port-unreachable",
    "echo-reply",
    TCP_RESET,
    "icmp6-policy-fail",
    "icmp6-reject-route",
];
