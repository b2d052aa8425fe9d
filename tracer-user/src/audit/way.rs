//! The ways from base chains to a rule, and packets that fit what is asked on one.
//!
//! Which packets fit is not computed here: the rules of the way are left alone in a ruleset, and packets are led through.

#![expect(clippy::wildcard_enum_match_arm, reason = "only what packets are made of is picked")]

use crate::model::rules::{
    Action, Chain, ChainId, Fact, Family, Field, Hook, Item, Match, Nat, NatTarget, Network, Operand, Packet, Rule,
    RuleId, Ruleset, Set, SetId, Tracking, Verdict,
};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The rules that lead from a base chain to one rule, that one included.
#[derive(Clone, Debug)]
pub(super) struct Way {
    pub(super) hook: Hook,
    pub(super) family: Family,
    pub(super) rules: Vec<RuleId>,
}

/// Who jumps to each chain.
pub(super) fn callers(ruleset: &Ruleset) -> BTreeMap<ChainId, Vec<RuleId>> {
    let mut callers: BTreeMap<ChainId, Vec<RuleId>> = BTreeMap::new();
    for (chain, own) in ruleset.numbered() {
        for (index, rule) in (0..).zip(&own.rules) {
            for item in &rule.items {
                if let Item::Action(Action::Verdict(Verdict::Jump(Some(to)) | Verdict::Goto(Some(to)))) = item {
                    callers.entry(*to).or_default().push(RuleId { chain, index });
                }
            }
        }
    }
    callers
}

/// All ways to the rule, at most [`WAYS_MAX`]; `None`: there are more.
pub(super) fn ways(ruleset: &Ruleset, callers: &BTreeMap<ChainId, Vec<RuleId>>, to: RuleId) -> Option<Vec<Way>> {
    let mut found = Vec::new();
    let mut open = vec![vec![to]];
    while let Some(rules) = open.pop() {
        let chain = rules.first().map(|rule| rule.chain)?;
        let own = ruleset.chain(chain)?;
        if let Some(base) = &own.base {
            found.push(Way {
                hook: base.hook,
                family: own.family,
                rules: rules.clone(),
            });
        }
        for caller in callers.get(&chain).into_iter().flatten() {
            let again = rules.iter().any(|rule| rule.chain == caller.chain);
            if !again && rules.len() <= DEPTH_MAX {
                open.push([&[*caller], rules.as_slice()].concat());
            }
        }
        if found.len() + open.len() > WAYS_MAX {
            return None;
        }
    }
    Some(found)
}

/// The ruleset with nothing in it but the way.
pub(super) fn alone(ruleset: &Ruleset, way: &Way) -> Ruleset {
    let chains = ruleset.numbered().map(|(id, chain)| {
        let rules = way.rules.iter().find(|rule| rule.chain == id).map(|on_way| {
            // What is ahead of it keeps its place, and does nothing.
            let ahead = (0..on_way.index).map(|_| idle());
            ahead.chain(ruleset.rule(*on_way).cloned()).collect()
        });
        Chain {
            backend: chain.backend,
            family: chain.family,
            table: chain.table.clone(),
            name: chain.name.clone(),
            base: chain.base.clone(),
            rules: rules.unwrap_or_default(),
            dormant: chain.dormant,
            counters: None,
        }
    });
    let used = used(ruleset, way);
    let sets = (0..).map(SetId).zip(&ruleset.sets).map(|(id, set)| {
        let elements = if used.contains(&id) {
            set.elements.clone()
        } else {
            Vec::new()
        };
        Set {
            family: set.family,
            table: set.table.clone(),
            name: set.name.clone(),
            anonymous: set.anonymous,
            dynamic: set.dynamic,
            incomplete: set.incomplete,
            elements,
            default: set.default.clone(),
        }
    });
    Ruleset {
        generation: None,
        chains: chains.collect(),
        sets: sets.collect(),
        bypasses: Vec::new(),
        gaps: Vec::new(),
    }
}

/// The sets that the rules of the way look into.
fn used(ruleset: &Ruleset, way: &Way) -> BTreeSet<SetId> {
    let rules = way.rules.iter().filter_map(|id| ruleset.rule(*id));
    let mut used = BTreeSet::new();
    for item in rules.flat_map(|rule| &rule.items) {
        match item {
            Item::Match(found) => of_match(found, &mut used),
            Item::Action(
                Action::VerdictMap { key, map }
                | Action::Nat(Nat {
                    target: NatTarget::Map { key, map, .. },
                    ..
                }),
            ) => of_operands(key, Some(*map), &mut used),
            Item::Action(_) => {}
        }
    }
    used
}

fn of_match(found: &Match, used: &mut BTreeSet<SetId>) {
    match found {
        Match::Lookup { key, set, .. } => of_operands(key, Some(*set), used),
        Match::Equal { left, right, .. } => {
            of_operands(std::slice::from_ref(left), None, used);
            of_operands(std::slice::from_ref(right), None, used);
        }
        Match::Any(all) | Match::NotAll(all) => all.iter().for_each(|found| of_match(found, used)),
        _ => {}
    }
}

fn of_operands(operands: &[Operand], set: Option<SetId>, used: &mut BTreeSet<SetId>) {
    used.extend(set);
    for operand in operands {
        if let Operand::Map { key, map } = operand {
            of_operands(key, Some(*map), used);
        }
    }
}

/// The ports that the rules of the ways name.
pub(super) fn asked_ports(ruleset: &Ruleset, ways: &[Way]) -> Vec<u16> {
    let mut ports: Vec<u16> = ways.iter().flat_map(|way| Asked::named(ruleset, way).ports).collect();
    ports.sort_unstable();
    ports.dedup();
    ports
}

/// A first packet of a connection, and the device that it comes in by, where it does.
#[derive(Clone, Copy, Debug)]
pub(super) struct Candidate {
    pub(super) packet: Packet,
    pub(super) port: u16,
    pub(super) input: Fact<u32>,
    pub(super) output: Fact<u32>,
}

/// Packets that may fit: combinations of what the rules of the way name, and of what is ordinary.
pub(super) fn candidates(ruleset: &Ruleset, network: &Network, way: &Way) -> Vec<Candidate> {
    let asked = Asked::of(ruleset, network, way);
    let families: &[bool] = match way.family {
        Family::Ip => &[false],
        Family::Ip6 => &[true],
        Family::Inet => &[false, true],
        Family::Bridge | Family::Netdev | Family::Arp => &[],
    };
    let output = way.hook == Hook::Output;
    let mut all = Vec::new();
    for &six in families {
        let ends = ends(network, six, way.hook, &asked);
        for sender in asked.senders(output) {
            for &port in &asked.ports {
                all.extend(ends.iter().map(|&(source, destination, loopback)| {
                    let link = asked.device.unwrap_or_else(|| device(network, loopback, six));
                    Candidate {
                        packet: syn(source, destination, port, sender),
                        port,
                        input: if output { Fact::Absent } else { link },
                        output: if output { link } else { Fact::Absent },
                    }
                }));
                if all.len() >= CANDIDATES_MAX {
                    return all;
                }
            }
        }
    }
    all
}

/// Who sends a packet, and the mark that it begins with.
#[derive(Clone, Copy)]
struct Sender {
    uid: Fact<u32>,
    gid: Fact<u32>,
    mark: u32,
}

/// What the rules of a way name.
#[derive(Default)]
struct Asked {
    ports: Vec<u16>,
    uids: Vec<u32>,
    gids: Vec<u32>,
    marks: Vec<u32>,
    sources: Vec<IpAddr>,
    destinations: Vec<IpAddr>,
    names: Vec<Box<[u8]>>,
    device: Option<Fact<u32>>,
}

impl Asked {
    fn named(ruleset: &Ruleset, way: &Way) -> Self {
        let mut asked = Self::default();
        let rules = way.rules.iter().filter_map(|id| ruleset.rule(*id));
        for item in rules.flat_map(|rule| &rule.items) {
            if let Item::Match(found) = item {
                asked.take(ruleset, found);
            }
        }
        asked.ports.truncate(VALUES_MAX);
        asked.sources.truncate(ADDRESSES_MAX);
        asked.destinations.truncate(VALUES_MAX);
        asked
    }

    /// With what is ordinary where nothing is named.
    fn of(ruleset: &Ruleset, network: &Network, way: &Way) -> Self {
        let mut asked = Self::named(ruleset, way);
        if asked.ports.is_empty() {
            asked.ports.extend(ORDINARY_PORTS);
        }
        for ids in [&mut asked.uids, &mut asked.gids] {
            ids.insert(0, ORDINARY_ID);
            ids.truncate(IDS_MAX);
        }
        asked.marks.insert(0, 0);
        asked.marks.truncate(IDS_MAX);
        let mut devices = asked.names.iter().filter_map(|name| network.named(name));
        asked.device = asked
            .device
            .or_else(|| devices.next().map(|link| Fact::Known(link.index)));
        asked
    }

    fn senders(&self, local: bool) -> Vec<Sender> {
        let nobody = || vec![Fact::Absent];
        let known = |ids: &[u32]| ids.iter().copied().map(Fact::Known).collect();
        let uids = if local { known(&self.uids) } else { nobody() };
        let gids: Vec<_> = if local { known(&self.gids) } else { nobody() };
        let mut all = Vec::new();
        for &uid in &uids {
            for &gid in &gids {
                all.extend(self.marks.iter().map(|&mark| Sender { uid, gid, mark }));
            }
        }
        all
    }

    fn take(&mut self, ruleset: &Ruleset, found: &Match) {
        match found {
            Match::Number {
                field,
                within,
                negated: false,
                ..
            } => {
                for range in within {
                    self.value(*field, *range.start());
                    self.value(*field, *range.end());
                }
            }
            Match::Lookup {
                key,
                set,
                negated: false,
            } => {
                let fields = key.iter().map(|operand| match operand {
                    Operand::Field { field, .. } => Some(*field),
                    _ => None,
                });
                let fields: Vec<_> = fields.collect();
                let elements = ruleset.set(*set).into_iter().flat_map(|set| set.elements.iter());
                for element in elements.take(VALUES_MAX) {
                    for (field, value) in fields.iter().zip(&element.key) {
                        if let (Some(field), Some(number)) = (field, value.number()) {
                            self.value(*field, number);
                        }
                    }
                }
            }
            Match::Name {
                field: Field::InputName | Field::OutputName,
                name,
                negated: false,
                ..
            } => self.names.push(name.clone()),
            Match::Any(all) => all.iter().for_each(|found| self.take(ruleset, found)),
            _ => {}
        }
    }

    fn value(&mut self, field: Field, number: u128) {
        match field {
            Field::DestinationPort => self.ports.extend(u16::try_from(number).ok()),
            Field::SocketUid => self.uids.extend(u32::try_from(number).ok()),
            Field::SocketGid => self.gids.extend(u32::try_from(number).ok()),
            Field::Mark => self.marks.extend(u32::try_from(number).ok()),
            Field::InputInterface | Field::OutputInterface => {
                self.device = u32::try_from(number).ok().map(Fact::Known);
            }
            Field::Ip4Source => {
                let address = u32::try_from(number).ok().map(Ipv4Addr::from);
                self.sources.extend(address.map(IpAddr::from));
            }
            Field::Ip6Source => self.sources.push(Ipv6Addr::from(number).into()),
            Field::Ip4Destination => {
                let address = u32::try_from(number).ok().map(Ipv4Addr::from);
                self.destinations.extend(address.map(IpAddr::from));
            }
            Field::Ip6Destination => self.destinations.push(Ipv6Addr::from(number).into()),
            _ => {}
        }
    }
}

/// Pairs of addresses, and whether the packet is on the loopback device.
fn ends(network: &Network, six: bool, hook: Hook, asked: &Asked) -> Vec<(IpAddr, IpAddr, bool)> {
    let own = network.addresses.iter().map(|own| own.address);
    let own = own.filter(|address| address.is_ipv6() == six && !address.is_loopback());
    let loopback = if six {
        IpAddr::from(Ipv6Addr::LOCALHOST)
    } else {
        Ipv4Addr::LOCALHOST.into()
    };
    let own: Vec<IpAddr> = own.take(ADDRESSES_MAX).collect();
    let remote: IpAddr = if six { REMOTE_6.into() } else { REMOTE_4.into() };
    let first = own.first().copied().unwrap_or(loopback);
    let named = asked
        .destinations
        .iter()
        .copied()
        .filter(|address| address.is_ipv6() == six);
    if hook == Hook::Output {
        let there = std::iter::once(remote).chain(named).map(|to| (first, to, false));
        return there
            .chain([(loopback, loopback, true), (first, first, true)])
            .collect();
    }
    let sources = asked.sources.iter().copied().filter(|address| address.is_ipv6() == six);
    let sources: Vec<IpAddr> = sources.chain([remote]).collect();
    let here: Vec<IpAddr> = own.iter().copied().chain(named).collect();
    let pairs = here
        .iter()
        .flat_map(|&to| sources.iter().map(move |&from| (from, to, false)));
    pairs.chain([(loopback, loopback, true)]).collect()
}

/// The loopback device, or the first other one with an address of the family: a redirect needs one.
fn device(network: &Network, loopback: bool, six: bool) -> Fact<u32> {
    let is_addressed = |index: u32| {
        let mut own = network.addresses.iter().filter(|own| own.link == index);
        own.any(|own| own.address.is_ipv6() == six)
    };
    let mut links = network.links.iter();
    let link = links.find(|link| link.loopback == loopback && (loopback || is_addressed(link.index)));
    link.map(|link| link.index).into()
}

fn syn(source: IpAddr, destination: IpAddr, port: u16, sender: Sender) -> Packet {
    Packet {
        source,
        destination,
        protocol: TCP,
        source_port: Fact::Known(SOURCE_PORT),
        destination_port: Fact::Known(port),
        tcp_flags: Fact::Known(SYN),
        icmp: Fact::Absent,
        length: Fact::Known(60),
        time_to_live: Fact::Known(64),
        dscp: Fact::Known(0),
        mark: Fact::Known(sender.mark),
        uid: sender.uid,
        gid: sender.gid,
        tracking: Tracking::New,
    }
}

/// The first packet of an ordinary connection to this address and port of the namespace: from another host, or of a
/// local program to loopback.
pub(super) fn ordinary(to: IpAddr, port: u16) -> Packet {
    let local = to.is_loopback();
    let source = match to {
        _ if local => to,
        IpAddr::V4(_) => REMOTE_4.into(),
        IpAddr::V6(_) => REMOTE_6.into(),
    };
    let owner = if local { Fact::Known(ORDINARY_ID) } else { Fact::Absent };
    let sender = Sender {
        uid: owner,
        gid: owner,
        mark: 0,
    };
    syn(source, to, port, sender)
}

/// A rule that does nothing.
fn idle() -> Rule {
    Rule {
        handle: None,
        items: Vec::new(),
        counters: None,
        comment: None,
        text: "".into(),
    }
}

const TCP: u8 = 6;
const SYN: u8 = 2;
const SOURCE_PORT: u16 = 45_678;
const ORDINARY_PORTS: [u16; 3] = [80, 8080, 9000];
/// Of documentation: no namespace has them.
const REMOTE_4: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 77);
const REMOTE_6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x77);
/// The kernel's own bound on jumps.
const DEPTH_MAX: usize = 16;
const WAYS_MAX: usize = 64;
const VALUES_MAX: usize = 16;
const ADDRESSES_MAX: usize = 4;
/// Users, groups and marks that are tried.
const IDS_MAX: usize = 4;
const ORDINARY_ID: u32 = 1000;
const CANDIDATES_MAX: usize = 512;
