//! The ways from base chains to a rule, and packets that fit what is asked on one.
//!
//! Which packets fit is not computed here: the rules of the way are left alone in a ruleset, and packets are led through.

#![expect(clippy::wildcard_enum_match_arm, reason = "only what packets are made of is picked")]

use crate::model::rules::{
    Action, Chain, ChainId, Fact, Family, Field, Hook, Item, Match, Network, Packet, RuleId, Ruleset, Tracking, Verdict,
};
use std::collections::BTreeMap;
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
        let of = |index: u32| way.rules.contains(&RuleId { chain: id, index });
        let kept = way.rules.iter().any(|rule| rule.chain == id);
        let mut rules = if kept { chain.rules.clone() } else { Vec::new() };
        for (index, rule) in (0..).zip(&mut rules) {
            if !of(index) {
                rule.items.clear();
            }
        }
        Chain {
            backend: chain.backend,
            family: chain.family,
            table: chain.table.clone(),
            name: chain.name.clone(),
            base: chain.base.clone(),
            rules,
            dormant: chain.dormant,
            counters: None,
        }
    });
    Ruleset {
        generation: None,
        chains: chains.collect(),
        sets: ruleset.sets.clone(),
        bypasses: Vec::new(),
        gaps: Vec::new(),
    }
}

/// A first packet of a connection, and the device that it comes in by, where it does.
#[derive(Clone, Copy, Debug)]
pub(super) struct Candidate {
    pub(super) packet: Packet,
    pub(super) port: u16,
    pub(super) input: Fact<u32>,
    pub(super) output: Fact<u32>,
}

/// Packets that may fit: every combination of what the rules of the way name, and of what is ordinary.
pub(super) fn candidates(ruleset: &Ruleset, network: &Network, way: &Way) -> Vec<Candidate> {
    let asked = Asked::of(ruleset, way);
    let families: &[bool] = match way.family {
        Family::Ip => &[false],
        Family::Ip6 => &[true],
        Family::Inet => &[false, true],
        Family::Bridge | Family::Netdev | Family::Arp => &[],
    };
    let mut all = Vec::new();
    for &six in families {
        for &port in &asked.ports {
            for uid in asked.uids.iter().copied() {
                for (source, destination, loopback) in ends(network, six, way.hook, &asked) {
                    let link = device(network, loopback, six);
                    let packet = syn(source, destination, port, (way.hook == Hook::Output).then_some(uid));
                    all.push(Candidate {
                        packet,
                        port,
                        input: if way.hook == Hook::Output { Fact::Absent } else { link },
                        output: if way.hook == Hook::Output { link } else { Fact::Absent },
                    });
                }
            }
        }
    }
    all.truncate(CANDIDATES_MAX);
    all
}

/// What the rules of a way name.
struct Asked {
    ports: Vec<u16>,
    uids: Vec<u32>,
    destinations: Vec<IpAddr>,
}

impl Asked {
    fn of(ruleset: &Ruleset, way: &Way) -> Self {
        let mut asked = Self {
            ports: Vec::new(),
            uids: vec![1000],
            destinations: Vec::new(),
        };
        let rules = way.rules.iter().filter_map(|id| ruleset.rule(*id));
        for item in rules.flat_map(|rule| &rule.items) {
            if let Item::Match(found) = item {
                asked.take(ruleset, found);
            }
        }
        asked.ports.truncate(VALUES_MAX);
        asked.uids.truncate(VALUES_MAX);
        asked.destinations.truncate(VALUES_MAX);
        if asked.ports.is_empty() {
            asked.ports.extend(ORDINARY_PORTS);
        }
        asked
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
                    crate::model::rules::Operand::Field { field, .. } => Some(*field),
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
            Match::Any(all) => all.iter().for_each(|found| self.take(ruleset, found)),
            _ => {}
        }
    }

    fn value(&mut self, field: Field, number: u128) {
        match field {
            Field::DestinationPort => self.ports.extend(u16::try_from(number).ok()),
            Field::SocketUid => self.uids.extend(u32::try_from(number).ok()),
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
    let here = own.iter().copied().chain(named).map(|to| (remote, to, false));
    here.chain([(loopback, loopback, true)]).collect()
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

fn syn(source: IpAddr, destination: IpAddr, port: u16, uid: Option<u32>) -> Packet {
    let owner = uid.map_or(Fact::Absent, Fact::Known);
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
        mark: Fact::Known(0),
        uid: owner,
        gid: owner,
        tracking: Tracking::New,
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
const CANDIDATES_MAX: usize = 512;
