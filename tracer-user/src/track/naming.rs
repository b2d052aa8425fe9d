//! Which rules make a finding: what is asked of them, and what their answers add to a diagnosis. Pure.

use super::flow::{DropSeen, Flow};
use super::theory::{self, Diagnosis};
use crate::model::aspect::{Aspect, Seen};
use crate::model::conntrack::{Conntrack, Direction};
use crate::model::evidence::{Evidence, Passage, Place};
use crate::model::finding::{Cause, Confidence, Culprit, RuleRole, Way};
use crate::model::identity::Netns;
use crate::model::inquiry::{Question, Waiting};
use crate::model::reason::DropReason;
use crate::model::rules::{End, Located};
use crate::model::tcp;
use crate::model::time::Timestamp;
use crate::model::walked::{Named, Trail, Traveller, Walked};
use std::sync::Arc;

/// What is asked of one namespace.
#[derive(Clone, Debug)]
pub(super) struct Ask {
    pub(super) netns: Netns,
    pub(super) packets: Vec<Traveller>,
    pub(super) connmark: Option<u32>,
    /// What else of the namespace is looked at.
    pub(super) aspects: Vec<Aspect>,
}

impl Ask {
    pub(super) fn new(netns: Netns, packet: Traveller) -> Self {
        Self {
            netns,
            packets: vec![packet],
            connmark: None,
            aspects: Vec::new(),
        }
    }

    pub(super) fn question(&self) -> Question {
        Question::Walk {
            packets: self.packets.clone(),
            connmark: self.connmark,
            aspects: self.aspects.clone(),
        }
    }
}

/// What came of it.
#[derive(Clone, Debug)]
pub(super) struct Answered {
    pub(super) ask: Ask,
    pub(super) at: Timestamp,
    pub(super) enter: Option<Arc<str>>,
    pub(super) walked: Result<Walked, Arc<str>>,
}

impl Answered {
    /// Each packet that was asked about, with its way.
    pub(super) fn trails(&self) -> impl Iterator<Item = (&Traveller, &Trail)> {
        let trails = self.walked.iter().flat_map(|walked| &walked.trails);
        self.ask.packets.iter().zip(trails)
    }

    /// Whether the packet is one that did not come: the dropped one, if its connection had no mark.
    fn supposes(&self, packet: &Traveller) -> bool {
        let unmarked = packet.conntrack.is_some_and(|entry| entry.mark == 0);
        self.ask.connmark.is_some() && unmarked && !packet.first
    }

    /// Whether the mark that was asked for decides: without it the same rules let the packet pass.
    fn decides(&self) -> Option<bool> {
        let (_, trail) = self.trails().find(|(packet, _)| self.supposes(packet))?;
        match trail.end {
            End::Delivered | End::Left => Some(trail.certain).filter(|certain| *certain),
            End::Dropped | End::Rejected(_) | End::Queued => Some(false),
            End::Unknown => None,
        }
    }

    /// What was seen of the namespace beside its rules.
    pub(super) fn seen(&self) -> &[Seen] {
        self.walked.as_ref().map_or(&[], |walked| &walked.seen)
    }
}

/// The packet that a rule stopped, and the rule that translates the connection.
pub(super) fn dropped_and_translated(flow: &Flow) -> Vec<Ask> {
    let Some(drop) = dropped_by_rule(flow) else {
        return Vec::new();
    };
    let packet = dropped(flow, drop);
    let mut asks = vec![Ask::new(drop.netns, packet)];
    if drop.netns != flow.netns() || !packet.first {
        translation(flow, &mut asks);
    }
    asks
}

/// The rule that translates the connection.
pub(super) fn translated(flow: &Flow) -> Vec<Ask> {
    vec![Ask::new(flow.netns(), first(flow))]
}

/// Whether the rules let what it sends and what would come back pass.
pub(super) fn unanswered(flow: &Flow) -> Vec<Ask> {
    let mut ask = Ask::new(flow.netns(), own(flow));
    ask.packets.push(answer(flow, false));
    let mut asks = vec![ask];
    if flow.retransmits > 0 {
        translation(flow, &mut asks);
    }
    asks
}

/// What the rules are asked about a connection that nobody accepts.
pub(super) fn ask_waiting(waiting: &Waiting, at: Timestamp) -> Option<Ask> {
    let entry = waiting.conntrack?;
    let place = if waiting.client.is_some() {
        Place::Output
    } else {
        Place::Input
    };
    let packet = Traveller {
        at,
        tuple: entry.original,
        place,
        ifindex: None,
        tcp_flags: tcp::SYN,
        mark: None,
        uid: waiting.client.as_ref().map(|client| client.uid),
        conntrack: Some(entry),
        first: true,
        dropped: false,
    };
    Some(Ask::new(waiting.netns, packet))
}

/// The rejected answer, and who set the mark that its connection carries.
pub(super) fn reply(flow: &Flow) -> Vec<Ask> {
    let drop = dropped_by_rule(flow);
    let (netns, packet) = match drop {
        Some(drop) => (drop.netns, dropped(flow, drop)),
        None => (flow.netns(), answer(flow, true)),
    };
    let mut ask = Ask::new(netns, packet);
    let entry = packet.conntrack.filter(|entry| entry.mark != 0);
    if let Some(entry) = entry {
        ask.connmark = Some(entry.mark);
        let begun = Traveller {
            conntrack: Some(entry),
            tuple: entry.original,
            ..first(flow)
        };
        // Where the answer only passes through, nothing is known of the device by which the first packet came.
        let place = if netns == flow.netns() {
            begun.place
        } else {
            Place::Forward
        };
        ask.packets.push(Traveller { place, ..begun });
        ask.packets.push(unmarked(packet, entry));
    }
    if netns == flow.netns() {
        ask.aspects = around(flow);
    }
    let mut asks = vec![ask];
    if netns != flow.netns() {
        translation(flow, &mut asks);
    }
    asks
}

/// The same packet if its connection had no mark.
fn unmarked(packet: Traveller, entry: Conntrack) -> Traveller {
    Traveller {
        conntrack: Some(Conntrack { mark: 0, ..entry }),
        dropped: false,
        ..packet
    }
}

/// Who else waits for the answers, and how long the hang can last.
fn around(flow: &Flow) -> Vec<Aspect> {
    let connection = flow.connection();
    let process = connection.owner.map(|owner| owner.pid);
    let process = process.or_else(|| connection.holder.map(|holder| holder.pid));
    let process = process.filter(|_| connection.way == Way::Outbound);
    let through = process.map(|process| Aspect::Through {
        destination: flow.tuple.destination,
        process,
    });
    let kept = Aspect::Setting(TIMEOUT_CLOSE.into());
    std::iter::once(kept).chain(through).collect()
}

/// The rule of its own namespace that translates the connection.
pub(super) fn translation(flow: &Flow, asks: &mut Vec<Ask>) {
    if flow.entry().is_none_or(|entry| !entry.redirects()) {
        return;
    }
    match asks.iter_mut().find(|ask| ask.netns == flow.netns()) {
        Some(ask) => ask.packets.push(first(flow)),
        None => asks.push(Ask::new(flow.netns(), first(flow))),
    }
}

pub(super) fn dropped_by_rule(flow: &Flow) -> Option<&DropSeen> {
    flow.main_drop().filter(|drop| drop.reason == DropReason::Netfilter)
}

/// The packet that was dropped, as it began its way through the namespace where that happened.
pub(super) fn dropped(flow: &Flow, drop: &DropSeen) -> Traveller {
    let entry = drop.conntrack;
    let direction = entry.and_then(|entry| entry.direction(drop.packet));
    let tuple = match (entry, direction) {
        (Some(entry), Some(Direction::Original)) => entry.original,
        (Some(entry), Some(Direction::Reply)) => entry.reply,
        _ => drop.packet,
    };
    let is_syn = drop.tcp_flags & (tcp::SYN | tcp::ACK) == tcp::SYN;
    let own = drop.netns == flow.netns() && drop.direction == Direction::Original;
    Traveller {
        at: drop.at,
        tuple,
        place: drop.place,
        ifindex: drop.ifindex,
        tcp_flags: drop.tcp_flags,
        mark: Some(drop.mark),
        uid: flow.owner().filter(|_| own).map(|owner| owner.uid),
        conntrack: entry,
        first: is_syn && direction != Some(Direction::Reply),
        dropped: true,
    }
}

/// A packet that the rules let pass, and that was dropped afterwards.
pub(super) fn passed(flow: &Flow, drop: &DropSeen) -> Traveller {
    Traveller {
        dropped: false,
        ..dropped(flow, drop)
    }
}

/// The first packet of the connection in its own namespace.
pub(super) fn first(flow: &Flow) -> Traveller {
    let reset = flow.signs().reset.as_deref();
    let entry = flow.entry().copied().or_else(|| reset?.conntrack);
    let inbound = is_inbound(flow, entry.as_ref());
    Traveller {
        at: reset.map_or(flow.first_seen, |reset| reset.at),
        tuple: entry.map_or(flow.tuple, |entry| entry.original),
        place: if inbound { Place::Input } else { Place::Output },
        ifindex: reset.filter(|_| inbound).and_then(|reset| reset.ifindex),
        tcp_flags: tcp::SYN,
        mark: reset.map(|reset| reset.mark),
        uid: flow.owner().filter(|_| !inbound).map(|owner| owner.uid),
        conntrack: entry,
        first: true,
        dropped: false,
    }
}

/// What the connection's socket sends and nobody answers.
pub(super) fn own(flow: &Flow) -> Traveller {
    if flow.retransmits == 0 {
        return first(flow);
    }
    Traveller {
        at: flow.last_retransmit.unwrap_or(flow.first_seen),
        tuple: flow.tuple,
        place: Place::Output,
        ifindex: None,
        tcp_flags: tcp::ACK,
        mark: None,
        uid: flow.owner().map(|owner| owner.uid),
        conntrack: flow.entry().copied(),
        first: false,
        dropped: false,
    }
}

/// What would come back to it.
pub(super) fn answer(flow: &Flow, dropped: bool) -> Traveller {
    let entry = flow.entry().copied();
    let tuple = match entry {
        Some(entry) if is_inbound(flow, Some(&entry)) => entry.original,
        Some(entry) => entry.reply,
        None => flow.tuple.inverted(),
    };
    let is_syn = flow.retransmits == 0;
    Traveller {
        at: flow.last_retransmit.unwrap_or(flow.first_seen),
        tuple,
        place: Place::Input,
        ifindex: None,
        tcp_flags: if is_syn { tcp::SYN | tcp::ACK } else { tcp::ACK },
        mark: Some(0),
        uid: None,
        conntrack: entry,
        first: false,
        dropped,
    }
}

fn is_inbound(flow: &Flow, entry: Option<&Conntrack>) -> bool {
    flow.way() == Way::Inbound || entry.is_some_and(|entry| entry.reply == flow.tuple)
}

/// The diagnosis with the rules that the answers name.
pub(super) fn name(diagnosis: &Diagnosis, answers: &[Answered]) -> Diagnosis {
    let mut named = diagnosis.clone();
    for answered in answers {
        match &answered.walked {
            Ok(walked) => name_of(&mut named, answered, walked),
            Err(why) => named.evidence.push(Evidence::RulesNotRead {
                at: answered.at,
                netns: answered.ask.netns,
                why: Arc::clone(why),
            }),
        }
    }
    if let Some(theory) = theory::of(diagnosis.cause) {
        (theory.refine)(&mut named, answers);
    }
    if named.culprits.iter().any(is_nameless) {
        accuse_unseen(&mut named, answers);
    }
    named
}

fn name_of(named: &mut Diagnosis, answered: &Answered, walked: &Walked) {
    let asked = answered.trails().filter(|(packet, _)| !answered.supposes(packet));
    for (packet, trail) in asked {
        let evidence = named.evidence.len();
        named
            .evidence
            .push(walk_evidence(answered.ask.netns, walked, packet, trail));
        if !trail.agrees {
            continue;
        }
        let at_fault = trail
            .rules
            .iter()
            .filter(|of| is_at_fault(of, named.cause, packet, trail));
        let at_fault: Vec<_> = at_fault.cloned().collect();
        for of in at_fault {
            let unsure = !of.certain || !walked.caveats.is_empty();
            if unsure && packet.dropped && ends(&of) {
                named.confidence = named.confidence.min(Confidence::Likely);
            }
            add(named, answered, of.role, of.rule, evidence);
        }
    }
    name_setter(named, answered, walked);
}

pub(super) fn is_nameless(culprit: &Culprit) -> bool {
    matches!(culprit, Culprit::Rule { rule: None, .. })
}

/// The rules were asked before a drop was seen: those that stop it for certain are the ones.
fn accuse_unseen(named: &mut Diagnosis, answers: &[Answered]) {
    let fits = |packet: &Traveller| is_answer(packet) == (named.cause == Cause::ReplyRejected);
    let found = answers.iter().find_map(|answered| {
        let mut trails = answered.trails();
        let (packet, trail) = trails.find(|(packet, trail)| fits(packet) && trail.is_stopped())?;
        Some((answered, packet, trail))
    });
    if let Some((answered, packet, trail)) = found {
        accuse(named, answered, packet, trail);
    }
}

/// What would come back to the socket, not what it sends.
pub(super) fn is_answer(packet: &Traveller) -> bool {
    packet.place == Place::Input && !packet.first
}

/// Names the rules that stop the packet.
pub(super) fn accuse(named: &mut Diagnosis, answered: &Answered, packet: &Traveller, trail: &Trail) {
    let is_walk = |evidence: &Evidence| {
        matches!(evidence, Evidence::RulesWalked { netns, passage, .. }
            if *netns == answered.ask.netns && passage.packet == packet.tuple)
    };
    let evidence = named.evidence.iter().position(is_walk).unwrap_or_default();
    for of in trail.rules.iter().filter(|of| ends(of)) {
        add(named, answered, of.role, of.rule.clone(), evidence);
    }
}

/// Who set the mark that the connection carries, where no rule that its first packet met did.
fn name_setter(named: &mut Diagnosis, answered: &Answered, walked: &Walked) {
    let Some(connmark) = answered.ask.connmark else {
        return;
    };
    let known = |culprit: &Culprit| {
        matches!(
            culprit,
            Culprit::Rule {
                role: RuleRole::SetsMark,
                ..
            }
        )
    };
    if named.culprits.iter().any(known) {
        return;
    }
    let evidence = named.evidence.len();
    named.evidence.push(Evidence::MarkSetter {
        at: walked.read_at,
        netns: answered.ask.netns,
        decides: answered.decides(),
        connmark,
        rules: u32::try_from(walked.setters.len()).unwrap_or(u32::MAX),
    });
    for setter in &walked.setters {
        add(named, answered, RuleRole::SetsMark, setter.clone(), evidence);
    }
}

/// Whether the rule did what the finding is about, as far as it was seen.
fn is_at_fault(named: &Named, cause: Cause, packet: &Traveller, trail: &Trail) -> bool {
    match named.role {
        RuleRole::Drops | RuleRole::Rejects => packet.dropped,
        RuleRole::Translates => packet.first,
        RuleRole::SetsMark => {
            let mark = packet.conntrack.map(|entry| entry.mark);
            cause == Cause::ReplyRejected && packet.first && mark.is_some() && trail.connmark == mark
        }
        RuleRole::SetsPacketMark => cause == Cause::ReversePathFiltered,
        RuleRole::Ends | RuleRole::Jumps | RuleRole::MatchesMark | RuleRole::Acts => false,
    }
}

fn ends(named: &Named) -> bool {
    matches!(named.role, RuleRole::Drops | RuleRole::Rejects)
}

/// Names the rule: in the place of one that had no name yet, if it does what that one does.
fn add(named: &mut Diagnosis, answered: &Answered, role: RuleRole, rule: Located, evidence: usize) {
    let netns = answered.ask.netns;
    let ends = |role: RuleRole| matches!(role, RuleRole::Drops | RuleRole::Rejects);
    let nameless = |culprit: &Culprit| {
        matches!(culprit, Culprit::Rule { netns: of, rule: None, role: its, .. }
            if *of == netns && ends(*its) == ends(role))
    };
    let same = |culprit: &Culprit| {
        matches!(culprit, Culprit::Rule { netns: of, rule: Some(known), role: its, .. }
            if *of == netns && **known == rule && *its == role)
    };
    if named.culprits.iter().any(same) {
        return;
    }
    let culprit = Culprit::Rule {
        netns,
        enter: answered.enter.clone(),
        rule: Some(Box::new(rule)),
        role,
        evidence: Some(evidence),
    };
    if let Some(index) = named.culprits.iter().position(nameless) {
        if let Some(slot) = named.culprits.get_mut(index) {
            *slot = culprit;
        }
    } else if named.culprits.len() < MAX_CULPRITS {
        // The rules stand together, ahead of listeners and entries.
        let is_rule = |culprit: &&Culprit| matches!(culprit, Culprit::Rule { .. });
        let index = named.culprits.iter().take_while(is_rule).count();
        named.culprits.insert(index, culprit);
    }
}

fn walk_evidence(netns: Netns, walked: &Walked, packet: &Traveller, trail: &Trail) -> Evidence {
    let passage = Passage {
        generation: walked.generation,
        rules: walked.rules,
        changed: walked.changed,
        packet: packet.tuple,
        end: trail.end,
        agrees: trail.agrees,
        certain: trail.certain,
        caveats: walked.caveats.clone(),
    };
    Evidence::RulesWalked {
        at: walked.read_at,
        netns,
        passage: Box::new(passage),
    }
}

/// How long conntrack keeps the entry of a connection that it saw a RST of, in seconds.
pub(super) const TIMEOUT_CLOSE: &str = "net/netfilter/nf_conntrack_tcp_timeout_close";
/// What a finding names at most.
const MAX_CULPRITS: usize = 16;
