//! One sentence for each piece of evidence.

use crate::model::conntrack::Conntrack;
use crate::model::event::RstMaker;
use crate::model::evidence::{Evidence, Passage};
use crate::model::finding::Finding;
use crate::model::identity::Process;
use crate::model::inquiry::{Listener, SocketInfo};
use crate::model::rules::{End, Located, Reject};
use crate::model::tcp::TcpState;
use crate::model::time::Timestamp;
use crate::sink::text::Shown;
use crate::sink::words::{aspect, count, errno, facts, flags, inspected, netns, process, rule_name, seconds, status};
use std::time::Duration;

/// When it was seen.
pub fn at(evidence: &Evidence) -> Timestamp {
    match evidence {
        Evidence::Drop { at, .. }
        | Evidence::RstSent { at, .. }
        | Evidence::RstReceived { at, .. }
        | Evidence::Destroyed { at, .. }
        | Evidence::Errno { at, .. }
        | Evidence::Retransmits { at, .. }
        | Evidence::Conntrack { at, .. }
        | Evidence::NoConntrack { at }
        | Evidence::ConntrackDeleted { at, .. }
        | Evidence::NoListener { at, .. }
        | Evidence::Listener { at, .. }
        | Evidence::Socket { at, .. }
        | Evidence::NotAccepted { at, .. }
        | Evidence::GaveUp { at, .. }
        | Evidence::ResetsRecur { at, .. }
        | Evidence::RulesWalked { at, .. }
        | Evidence::MarkSetter { at, .. }
        | Evidence::RulesNotRead { at, .. }
        | Evidence::Inspected { at, .. }
        | Evidence::RepeatedJump { at, .. }
        | Evidence::Expiry { at, .. }
        | Evidence::Aspect { at, .. }
        | Evidence::NotExamined { at, .. } => *at,
    }
}

/// The hook or query that it came from; `None` for what follows from several.
pub fn source(evidence: &Evidence) -> Option<&'static str> {
    match evidence {
        Evidence::Drop { .. } => Some("kfree_skb"),
        Evidence::RstSent { maker, .. } => match maker {
            RstMaker::Socket | RstMaker::NoSocket => Some("tcp_send_reset"),
            RstMaker::Netfilter | RstMaker::Remote | RstMaker::Unknown => None,
        },
        Evidence::RstReceived { .. } => Some("tcp_receive_reset"),
        Evidence::Destroyed { .. } => Some("inet_sock_set_state"),
        Evidence::Retransmits { queried: false, .. } => Some("tcp_retransmit_skb"),
        Evidence::Conntrack { queried: false, .. } => Some("skb"),
        Evidence::Conntrack { queried: true, .. } | Evidence::NoConntrack { .. } => Some("ctnetlink"),
        Evidence::Retransmits { queried: true, .. }
        | Evidence::NoListener { .. }
        | Evidence::Listener { .. }
        | Evidence::Socket { .. }
        | Evidence::NotAccepted { .. } => Some("sock_diag"),
        Evidence::ConntrackDeleted { .. } => Some("conntrack-destroy"),
        Evidence::RulesWalked { .. }
        | Evidence::MarkSetter { .. }
        | Evidence::RepeatedJump { .. }
        | Evidence::Inspected { .. } => Some("rules"),
        Evidence::Expiry { .. } => Some("sysctl"),
        Evidence::Aspect { seen, .. } => Some(aspect::source(seen)),
        Evidence::Errno { .. }
        | Evidence::GaveUp { .. }
        | Evidence::ResetsRecur { .. }
        | Evidence::RulesNotRead { .. }
        | Evidence::NotExamined { .. } => None,
    }
}

/// What was seen, in one sentence without its full stop.
pub fn sentence(finding: &Finding, evidence: &Evidence) -> String {
    match evidence {
        Evidence::Drop { .. } => dropped(finding, evidence),
        Evidence::RstSent {
            netns: of,
            maker,
            reason,
            packet,
            ..
        } => {
            let reason = reason.map_or(String::new(), |reason| format!(" ({})", reason.name()));
            let packet = packet.map_or(String::new(), |packet| format!(", in answer to {packet}"));
            format!(
                "{} sent a RST{reason} in {}{packet}",
                maker_phrase(*maker),
                netns(finding, *of)
            )
        }
        Evidence::RstReceived { state, .. } => {
            let state = state.map_or(String::new(), |state| format!(" in state {}", state.name()));
            format!("the socket received a RST{state}")
        }
        Evidence::Destroyed { state, by, .. } => destroyed(*state, *by),
        Evidence::Errno { errno: number, .. } => format!("the connection failed with {}", errno(*number)),
        Evidence::Retransmits { .. } => sent_again(evidence),
        Evidence::Conntrack { entry, queried, .. } => conntrack(entry, *queried),
        Evidence::NoConntrack { .. } => "conntrack has no entry for the connection".to_owned(),
        Evidence::ConntrackDeleted { entry, by, .. } => deleted(entry, *by),
        Evidence::NoListener { endpoint, .. } => format!("nobody listens on {endpoint}"),
        Evidence::Listener { listener, .. } => listens(listener),
        Evidence::Socket { socket, .. } => own_socket(socket),
        Evidence::NotAccepted { .. } => not_accepted(evidence),
        Evidence::GaveUp { count: times, .. } => {
            format!(
                "{} to this destination given up one after the other",
                count(u64::from(*times), "connect")
            )
        }
        Evidence::ResetsRecur { .. } => resets_recur(evidence),
        Evidence::RulesWalked { netns: of, passage, .. } => walked(&netns(finding, *of), passage),
        Evidence::MarkSetter {
            netns: of,
            connmark,
            rules,
            decides,
            ..
        } => setters(&netns(finding, *of), *connmark, *rules) + decided(*decides),
        Evidence::RulesNotRead { netns: of, why, .. } => {
            let netns = netns(finding, *of);
            format!("the rules of {netns} could not be read: {}", Shown(why.as_bytes()))
        }
        Evidence::Inspected { what, .. } => inspected::sentence(what),
        Evidence::RepeatedJump { first, second, .. } => repeated(first, second),
        Evidence::Expiry { at, kept, ends } => expiry(*at, *kept, *ends),
        Evidence::Aspect { netns: of, seen, .. } => aspect::sentence(&netns(finding, *of), seen),
        Evidence::NotExamined { why, .. } => {
            format!("the namespace could not be looked at: {}", Shown(why.as_bytes()))
        }
    }
}

fn destroyed(state: Option<TcpState>, by: Option<Process>) -> String {
    let state = state.map_or(String::new(), |state| format!(" in state {}", state.name()));
    let by = by.map_or("somebody".to_owned(), |by| process(by.pid, by.comm));
    format!("{by} destroyed the socket{state}: its connection ended with ECONNABORTED")
}

fn sent_again(evidence: &Evidence) -> String {
    let Evidence::Retransmits {
        at,
        since,
        count: times,
        unacked,
        syn,
        queried,
    } = evidence
    else {
        return String::new();
    };
    let (times, waited) = (count(u64::from(*times), "time"), seconds(at.since(*since)));
    let before = if *queried { ", before tracing began" } else { "" };
    if *syn {
        format!("the SYN was sent again {times}, unanswered for {waited}{before}")
    } else {
        let bytes = count(u64::from(*unacked), "byte");
        format!("{bytes} sent again {times}, unacknowledged for {waited}{before}")
    }
}

fn resets_recur(evidence: &Evidence) -> String {
    let Evidence::ResetsRecur {
        at,
        since,
        resets,
        opened,
    } = evidence
    else {
        return String::new();
    };
    format!(
        "{} by this peer within {}, of {} that the namespace opened or accepted in that time, to wherever",
        count(u64::from(*resets), "reset"),
        seconds(at.since(*since)),
        count(*opened, "connection")
    )
}

fn deleted(entry: &Conntrack, by: Option<Process>) -> String {
    let by = by.map_or(String::new(), |by| format!(" by {}", process(by.pid, by.comm)));
    format!(
        "the conntrack entry was deleted{by} while the connection lived: {}, translated to {}, {}",
        entry.original,
        entry.leaving(),
        entry_state(entry)
    )
}

fn not_accepted(evidence: &Evidence) -> String {
    let Evidence::NotAccepted {
        at,
        since,
        tuple,
        receive_queue,
    } = evidence
    else {
        return String::new();
    };
    format!(
        "{tuple} is complete and waits to be accepted for {}, with {} unread",
        seconds(at.since(*since)),
        count(u64::from(*receive_queue), "byte")
    )
}

fn repeated(first: &Located, second: &Located) -> String {
    format!(
        "{} repeats {} (`{}`): harmless, what the first one returns the second one returns as well",
        rule_name(second),
        rule_name(first),
        Shown(second.text.as_bytes())
    )
}

fn dropped(finding: &Finding, evidence: &Evidence) -> String {
    let Evidence::Drop {
        count: packets,
        reason,
        location,
        netns: of,
        place,
        packet,
        tcp_flags,
        mark,
        conntrack,
        rejected,
        ..
    } = evidence
    else {
        return String::new();
    };
    let mut parts = vec![format!(
        "the kernel dropped {} {} in {}: {packet} [{}], {}",
        count(u64::from(*packets), "packet"),
        facts::hooks(*place),
        netns(finding, *of),
        flags(*tcp_flags),
        reason.name()
    )];
    parts.extend(
        location
            .as_ref()
            .map(|location| format!(" in {}", Shown(location.as_bytes()))),
    );
    parts.extend((*mark != 0).then(|| format!(", packet mark {mark:#x}")));
    parts.extend(
        conntrack
            .as_ref()
            .map(|entry| format!(", conntrack {}", entry_state(entry))),
    );
    if *rejected {
        parts.push("; the entry was CLOSE at the first of them already: the rule had answered with a RST".to_owned());
    }
    parts.concat()
}

fn setters(netns: &str, connmark: u32, rules: u32) -> String {
    if rules == 0 {
        return format!(
            "no current rule in {netns} sets connmark {connmark:#x}: it came from outside the rules, such as by \
             `conntrack -U`"
        );
    }
    format!(
        "the first packet of the connection meets no rule in {netns} that sets connmark {connmark:#x}, but {} can set it",
        count(u64::from(rules), "other rule")
    )
}

fn decided(decides: Option<bool>) -> &'static str {
    match decides {
        Some(true) => "; without that mark the same rules let the packet pass",
        Some(false) => "; without that mark the same rules stop the packet, too",
        None => "",
    }
}

fn expiry(at: Timestamp, kept: Duration, ends: Option<Timestamp>) -> String {
    let kept = kept.as_secs();
    let setting =
        format!("conntrack keeps a closed entry {kept} s after its last packet (nf_conntrack_tcp_timeout_close)");
    match ends {
        Some(ends) => format!(
            "{setting}: left alone, a retransmission finds it gone in about {}, and the hang ends",
            seconds(ends.since(at))
        ),
        None => format!("{setting}, and each retransmission renews it: the hang does not end by itself"),
    }
}

fn walked(netns: &str, passage: &Passage) -> String {
    let generation = passage
        .generation
        .map_or(String::new(), |number| format!(", generation {number}"));
    let rules = count(u64::from(passage.rules), "rule");
    let end = match passage.end {
        End::Delivered => "let it in",
        End::Left => "let it out",
        End::Dropped => "drop it",
        End::Rejected(Reject::TcpReset) => "reject it with a TCP reset",
        End::Rejected(Reject::Icmp) => "reject it with an ICMP error",
        End::Queued => "hand it to a program (NFQUEUE)",
        End::Unknown => "do something that is not understood",
    };
    let sure = if passage.certain {
        ""
    } else {
        " if what is not known of it fits"
    };
    let mut parts = vec![format!(
        "the rules of {netns} ({rules}{generation}) {end}{sure}: {}",
        passage.packet
    )];
    if !passage.agrees {
        parts.push("; that is not what was seen, so no rule is named".to_owned());
    }
    if passage.changed == Some(true) {
        parts.push("; the rules changed between the packet and the reading".to_owned());
    }
    for caveat in &passage.caveats {
        parts.push(format!("; {}", Shown(caveat.as_bytes())));
    }
    parts.concat()
}

fn maker_phrase(maker: RstMaker) -> &'static str {
    match maker {
        RstMaker::Socket => "a socket of this host",
        RstMaker::NoSocket => "this host, which has no such socket,",
        RstMaker::Netfilter => "a REJECT rule",
        RstMaker::Remote => "somebody beyond this host",
        RstMaker::Unknown => "an unknown sender",
    }
}

fn conntrack(entry: &Conntrack, queried: bool) -> String {
    let translation = match entry.translated() {
        Some(leaving) => format!(", translated to {leaving}"),
        None => ", not translated".to_owned(),
    };
    let zone = match entry.zone {
        0 => String::new(),
        zone => format!(", zone {zone}"),
    };
    let seen = if queried {
        "conntrack has"
    } else {
        "the packet carried the conntrack entry"
    };
    format!("{seen} {}{translation}: {}{zone}", entry.original, entry_state(entry))
}

/// `CLOSE [SEEN_REPLY ASSURED], connmark 0x1`.
fn entry_state(entry: &Conntrack) -> String {
    let state = entry.state.map_or(String::new(), |state| format!("{} ", state.name()));
    let mark = match entry.mark {
        0 => "no connmark".to_owned(),
        mark => format!("connmark {mark:#x}"),
    };
    format!("{state}[{}], {mark}", status(entry))
}

pub(super) fn listens(listener: &Listener) -> String {
    let who = listener
        .process
        .map_or("an unknown process".to_owned(), |of| process(of.pid, of.comm));
    let full = if listener.is_full() { ": full" } else { "" };
    format!(
        "{who} listens on {}, {} to be accepted, backlog {}{full}",
        listener.address,
        count(u64::from(listener.queue), "connection") + " waiting",
        listener.backlog
    )
}

fn own_socket(socket: &SocketInfo) -> String {
    let state = socket.state.map_or("in an unknown state", |state| state.name());
    let mut parts = vec![format!(
        "the socket is {state}, with {} to send or unacknowledged (Send-Q) and {} unread (Recv-Q)",
        count(u64::from(socket.send_queue), "byte"),
        count(u64::from(socket.receive_queue), "byte")
    )];
    if socket.retransmits > 0 {
        parts.push(format!("{} in a row", count(u64::from(socket.retransmits), "timeout")));
    }
    if socket.inode == 0 {
        parts.push("held by no process".to_owned());
    }
    parts.extend(socket.sending.filter(|sending| sending.in_flight > 0).map(|sending| {
        let sacked = match sending.sacked {
            0 => String::new(),
            sacked => format!(" ({} of the peer's behind a gap)", count(u64::from(sacked), "segment")),
        };
        let bytes = count(u64::from(sending.in_flight), "byte");
        format!("{bytes} under way in segments of up to {}{sacked}", sending.mss)
    }));
    parts.join(", ")
}
