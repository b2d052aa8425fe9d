//! One reading of a namespace's nf_tables: the answers go in one by one, the rules come out.
//!
//! In the order tables, chains, sets and their elements, rules: what refers to another comes after it. Families other
//! than ip, ip6, inet, bridge and netdev are left out.

use super::block::Block;
use super::chain;
use super::request::SetAddress;
use super::rule::{self, Decoded, Surroundings};
use super::set::{self, Layout, Raw};
use super::table::{Table, family};
use crate::inspect::nla::{NlaError, attributes};
use crate::inspect::rules::Part;
use crate::inspect::rules::text::{Lookup, iptables_rule, nft_rule};
use crate::inspect::rules::xt::{SetNames, settle_netmap};
use crate::model::rules::{Backend, Bypass, ChainId, Family, Item, Link, Rule, Ruleset, Set, SetId};
use std::collections::HashMap;
use std::sync::Arc;
use thiserror::Error;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NftError {
    #[error("nf_tables message: {0}")]
    Attribute(#[from] NlaError),
    #[error("an nf_tables message of {0} bytes")]
    Short(usize),
    #[error("an nf_tables message without the {0}")]
    Missing(&'static str),
}

#[derive(Debug, Default)]
pub struct Reading {
    /// Names of devices and of ip sets, for texts.
    links: HashMap<u32, Arc<str>>,
    names: SetNames,
    ruleset: Ruleset,
    tables: HashMap<Family, HashMap<Arc<str>, Table>>,
    layouts: Vec<Layout>,
    /// Elements of the set that is being read.
    raw: Vec<Raw>,
    elements: usize,
    rules: usize,
    misjudged: bool,
    cut: bool,
}

impl Reading {
    /// `links` and `names`: the devices and ip sets of the namespace, which some rules name by their numbers.
    pub fn new(links: &[Link], names: SetNames) -> Self {
        Self {
            links: links.iter().map(|link| (link.index, link.name.clone())).collect(),
            names,
            ..Self::default()
        }
    }

    pub fn table(&mut self, payload: &[u8]) -> Result<(), NftError> {
        let (number, body) = open(payload)?;
        let Some(family) = family(number) else { return Ok(()) };
        let name = body.text(TABLE_NAME).ok_or(NftError::Missing("table's name"))?;
        let dormant = body.u32(TABLE_FLAGS).unwrap_or(0) & DORMANT != 0;
        let tables = self.tables.entry(family).or_default();
        if tables.len() >= TABLES_MAX {
            self.cut = true;
            return Ok(());
        }
        let table = Table::new(name, dormant);
        tables.insert(table.name.clone(), table);
        Ok(())
    }

    pub fn chain(&mut self, payload: &[u8]) -> Result<(), NftError> {
        let (number, body) = open(payload)?;
        let Some(family) = family(number) else { return Ok(()) };
        let id = ChainId(u32::try_from(self.ruleset.chains.len()).unwrap_or(u32::MAX));
        let Some(table) = table_of(&mut self.tables, family, body) else {
            // Made since the tables were read: the generation tells.
            self.cut = true;
            return Ok(());
        };
        if self.ruleset.chains.len() >= CHAINS_MAX {
            self.cut = true;
            return Ok(());
        }
        let (chain, sound) = chain::decode(body, family, table).ok_or(NftError::Missing("chain's name"))?;
        if !sound {
            let gap = format!("chain {} of table {} has an unknown hook", chain.name, chain.table);
            self.ruleset.gaps.push(gap.into());
        }
        table.chains.insert(chain.name.clone(), id);
        self.ruleset.chains.push(chain);
        Ok(())
    }

    /// After all chains: finds out whose tables they are.
    pub fn chains_end(&mut self) {
        for (&family, tables) in &mut self.tables {
            for table in tables.values_mut() {
                let chains = table.chains.values().filter_map(|&id| self.ruleset.chain(id));
                table.backend = chain::backend(family, &table.name, chains);
            }
        }
        self.assign_chains();
    }

    /// After all rules: whether a table that looked like one of iptables' has rules that iptables cannot have written.
    /// It is nft's then, and all rules have to be told once more.
    pub fn misjudged(&mut self) -> bool {
        if !std::mem::take(&mut self.misjudged) {
            return false;
        }
        self.assign_chains();
        self.rules = 0;
        for chain in &mut self.ruleset.chains {
            chain.rules.clear();
        }
        true
    }

    fn assign_chains(&mut self) {
        for chain in &mut self.ruleset.chains {
            let tables = self.tables.get(&chain.family);
            if let Some(table) = tables.and_then(|tables| tables.get(&chain.table)) {
                chain.backend = table.backend;
            }
        }
    }

    pub fn set(&mut self, payload: &[u8]) -> Result<(), NftError> {
        let (number, body) = open(payload)?;
        let Some(family) = family(number) else { return Ok(()) };
        let id = SetId(u32::try_from(self.ruleset.sets.len()).unwrap_or(u32::MAX));
        let Some(table) = table_of(&mut self.tables, family, body) else {
            self.cut = true;
            return Ok(());
        };
        if self.ruleset.sets.len() >= SETS_MAX {
            self.cut = true;
            return Ok(());
        }
        let (set, layout) =
            set::decode(body, family, number, table).ok_or(NftError::Missing("set's name or length"))?;
        table.sets.insert(set.name.clone(), id);
        self.ruleset.sets.push(set);
        self.layouts.push(layout);
        Ok(())
    }

    /// The sets whose elements have to be asked for.
    pub fn sets(&self) -> impl Iterator<Item = (SetId, SetAddress)> + use<> {
        let addresses: Vec<_> = self.layouts.iter().map(|layout| layout.address.clone()).collect();
        (0..).map(SetId).zip(addresses)
    }

    /// A part of the elements of a set; [`Self::elements_end`] follows after the last one.
    pub fn elements(&mut self, id: SetId, payload: &[u8]) -> Result<(), NftError> {
        let (_, body) = open(payload)?;
        let index = usize::try_from(id.0).unwrap_or(usize::MAX);
        let (Some(set), Some(layout)) = (self.ruleset.sets.get_mut(index), self.layouts.get(index)) else {
            return Ok(());
        };
        let tables = self.tables.get(&set.family);
        let Some(table) = tables.and_then(|tables| tables.get(&set.table)) else {
            return Ok(());
        };
        let room = ELEMENTS_MAX.saturating_sub(self.elements);
        set::add(body, set, layout, table, &mut self.raw, room);
        Ok(())
    }

    /// `whole`: nothing was lost or changed while the elements were read.
    pub fn elements_end(&mut self, id: SetId, whole: bool) {
        let raw = std::mem::take(&mut self.raw);
        self.elements = self.elements.saturating_add(raw.len());
        let index = usize::try_from(id.0).unwrap_or(usize::MAX);
        if let (Some(set), Some(layout)) = (self.ruleset.sets.get_mut(index), self.layouts.get(index)) {
            set.incomplete |= !whole;
            set::finish(set, layout, raw);
        }
    }

    pub fn rule(&mut self, payload: &[u8]) -> Result<(), NftError> {
        let (number, body) = open(payload)?;
        let Some(family) = family(number) else { return Ok(()) };
        let name = body.text(RULE_CHAIN).ok_or(NftError::Missing("rule's chain"))?;
        let place = table_of(&mut self.tables, family, body)
            .and_then(|table| table.chains.get(name.as_str()).copied().map(|id| (table, id)));
        let Some((table, id)) = place else {
            self.cut = true;
            return Ok(());
        };
        if self.rules >= RULES_MAX {
            self.cut = true;
            return Ok(());
        }
        self.rules += 1;
        let around = Surroundings {
            family,
            table: &*table,
            layouts: &self.layouts,
            names: &self.names,
        };
        let expressions = body.inside(RULE_EXPRESSIONS).unwrap_or(Block(&[]));
        let decoded = rule::decode(expressions, body.bytes(RULE_USERDATA).unwrap_or_default(), around);
        let lookup = Names {
            ruleset: &self.ruleset,
            links: &self.links,
        };
        let text = text(&lookup, table.backend, &name, family, &decoded).unwrap_or_else(|| {
            table.backend = Backend::Nft;
            self.misjudged = true;
            native_text(&lookup, family, &decoded)
        });
        let rule = Rule {
            handle: body.u64(RULE_HANDLE),
            items: flatten(decoded.parts),
            counters: decoded.counters,
            comment: decoded.comment.map(Into::into),
            text: text.into(),
        };
        if let Some(chain) = usize::try_from(id.0)
            .ok()
            .and_then(|index| self.ruleset.chains.get_mut(index))
        {
            chain.rules.push(rule);
        }
        Ok(())
    }

    pub fn flowtable(&mut self, payload: &[u8]) -> Result<(), NftError> {
        let (number, body) = open(payload)?;
        let Some(family) = family(number) else { return Ok(()) };
        if self.ruleset.bypasses.len() >= BYPASSES_MAX {
            self.cut = true;
            return Ok(());
        }
        self.ruleset.bypasses.push(Bypass::Flowtable {
            family,
            table: body.text(1).ok_or(NftError::Missing("flowtable's table"))?.into(),
            name: body.text(2).ok_or(NftError::Missing("flowtable's name"))?.into(),
        });
        Ok(())
    }

    pub fn finish(mut self, generation: Option<u32>) -> Ruleset {
        self.ruleset.generation = generation;
        settle_netmap(&mut self.ruleset.chains);
        if self.cut {
            let gap = "more rules, chains or sets of nf_tables than are read, or some that appeared meanwhile";
            self.ruleset.gaps.push(gap.into());
        }
        self.ruleset
    }
}

/// The generation in the answer to [`super::request::generation`].
pub fn generation(payload: &[u8]) -> Result<u32, NftError> {
    let (_, body) = open(payload)?;
    body.u32(GENERATION_ID).ok_or(NftError::Missing("generation"))
}

/// The family and the attributes of a message, which are all whole.
fn open(payload: &[u8]) -> Result<(u8, Block<'_>), NftError> {
    let (&[family, ..], rest) = payload
        .split_first_chunk::<GENERIC>()
        .ok_or(NftError::Short(payload.len()))?;
    attributes(rest).try_for_each(|attribute| attribute.map(drop))?;
    Ok((family, Block(rest)))
}

/// The table that a message names as the first thing.
fn table_of<'a>(
    tables: &'a mut HashMap<Family, HashMap<Arc<str>, Table>>,
    family: Family,
    body: Block<'_>,
) -> Option<&'a mut Table> {
    tables.get_mut(&family)?.get_mut(body.text(NAMED_TABLE)?.as_str())
}

fn flatten(parts: Vec<Part>) -> Vec<Item> {
    let mut items = Vec::with_capacity(parts.len());
    for part in parts {
        match part {
            Part::Native(item) | Part::Detailed(item, _) => items.push(item),
            Part::Extension(extension) => items.extend(extension.items),
        }
    }
    items.shrink_to_fit();
    items
}

struct Names<'a> {
    ruleset: &'a Ruleset,
    links: &'a HashMap<u32, Arc<str>>,
}

impl Lookup for Names<'_> {
    fn chain(&self, id: ChainId) -> Option<&str> {
        Lookup::chain(self.ruleset, id)
    }

    fn set(&self, id: SetId) -> Option<&Set> {
        self.ruleset.set(id)
    }

    fn link(&self, index: u32) -> Option<&str> {
        self.links.get(&index).map(|name| &**name)
    }
}

/// The rule as its own tool prints it; `None`: it is not of this tool.
fn text(lookup: &dyn Lookup, backend: Backend, chain: &str, family: Family, rule: &Decoded) -> Option<String> {
    match backend {
        Backend::Nft => Some(native_text(lookup, family, rule)),
        Backend::IptablesNft | Backend::IptablesLegacy => {
            iptables_rule(family, chain, &rule.parts, rule.comment.as_deref(), lookup)
        }
    }
}

fn native_text(lookup: &dyn Lookup, family: Family, rule: &Decoded) -> String {
    nft_rule(family, &rule.parts, rule.counters, rule.comment.as_deref(), lookup)
}

const TABLES_MAX: usize = 4096;
const CHAINS_MAX: usize = 262_144;
const SETS_MAX: usize = 65_536;
const ELEMENTS_MAX: usize = 262_144;
const RULES_MAX: usize = 262_144;
const BYPASSES_MAX: usize = 256;
/// `struct nfgenmsg`.
const GENERIC: usize = 4;
const TABLE_NAME: u16 = 1;
const TABLE_FLAGS: u16 = 2;
/// `NFT_TABLE_F_DORMANT`.
const DORMANT: u32 = 1;
/// `NFTA_CHAIN_TABLE`, `NFTA_RULE_TABLE` and `NFTA_SET_TABLE` alike.
const NAMED_TABLE: u16 = 1;
const RULE_CHAIN: u16 = 2;
const RULE_HANDLE: u16 = 3;
const RULE_EXPRESSIONS: u16 = 4;
const RULE_USERDATA: u16 = 7;
const GENERATION_ID: u16 = 1;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inspect::message::{Body, messages};
    use crate::inspect::nla::Request;
    use crate::model::rules::{Action, Backend, Data, Element, Field, Hook, Match, Reject, Value, Verdict};
    use proptest::prelude::*;

    const NEW_CHAIN: u16 = 3;
    const NEW_RULE: u16 = 6;
    const NEW_SET: u16 = 9;
    const NEW_ELEMENTS: u16 = 12;
    const NEW_FLOWTABLE: u16 = 22;

    /// What the kernel says of the rules in `testdata/nft.bin`, each message with its kind.
    fn dumped() -> Vec<(u16, Vec<u8>)> {
        let whole = include_bytes!("../../testdata/nft.bin");
        let bodies = messages(whole).map(|message| message.unwrap().body);
        bodies
            .map(|body| match body {
                Body::Data { kind, payload } => (kind & 0xff, payload.to_vec()),
                Body::End(_) | Body::Overrun | Body::Nothing => panic!("no message of nf_tables"),
            })
            .collect()
    }

    fn read(all: &[(u16, Vec<u8>)]) -> Ruleset {
        let mut reading = Reading::default();
        for (kind, payload) in all {
            // Every one is on its own.
            let _ = match *kind {
                0 => reading.table(payload),
                NEW_CHAIN => reading.chain(payload),
                NEW_SET => {
                    reading.chains_end();
                    reading.set(payload)
                }
                NEW_ELEMENTS => elements(&mut reading, payload),
                NEW_RULE => reading.rule(payload),
                NEW_FLOWTABLE => reading.flowtable(payload),
                _ => Ok(()),
            };
        }
        reading.finish(Some(1))
    }

    fn elements(reading: &mut Reading, payload: &[u8]) -> Result<(), NftError> {
        let (_, body) = open(payload)?;
        let name = body.name(2).unwrap_or_default();
        let found = reading.sets().find(|(_, address)| *address.name == *name);
        let Some((id, _)) = found else { return Ok(()) };
        reading.elements(id, payload)?;
        reading.elements_end(id, true);
        Ok(())
    }

    fn items<'a>(ruleset: &'a Ruleset, chain: &str) -> Vec<&'a [Item]> {
        let chain = ruleset.chains.iter().find(|found| &*found.name == chain).unwrap();
        chain.rules.iter().map(|rule| rule.items.as_slice()).collect()
    }

    #[test]
    fn what_the_kernel_tells_is_understood() {
        let ruleset = read(&dumped());
        let names: Vec<_> = ruleset.chains.iter().map(|chain| &*chain.name).collect();
        assert_eq!(names, ["c2", "nat", "f", "pre"]);
        assert!(ruleset.gaps.is_empty() && ruleset.sets.iter().all(|set| !set.incomplete));
        let unknown = |item: &&Item| format!("{item:?}").contains("Unknown");
        assert_eq!(
            ruleset
                .chains
                .iter()
                .flat_map(|chain| &chain.rules)
                .flat_map(|rule| &rule.items)
                .find(unknown),
            None
        );
        let input = ruleset.chains[2].base.as_ref().unwrap();
        assert_eq!((input.hook, &input.policy), (Hook::Input, &Verdict::Drop));
        assert_eq!(ruleset.chains[2].rules[0].comment.as_deref(), Some("ten"));
        assert_eq!(ruleset.chains[2].rules[0].counters.unwrap().packets, 0);
        assert_eq!(
            items(&ruleset, "f").last().unwrap()[1],
            Item::Action(Action::Verdict(Verdict::Reject(Reject::TcpReset)))
        );
        assert_eq!(
            items(&ruleset, "nat")[0][1],
            Item::Match(Match::within(Field::DestinationPort, 80..=90))
        );
    }

    #[test]
    fn intervals_are_closed_again_and_the_default_is_told() {
        let ruleset = read(&dumped());
        let set = |name: &str| ruleset.sets.iter().find(|set| &*set.name == name).unwrap();
        let element = |from: u32, to: Option<u32>| Element {
            key: vec![Value::Number(from.into())],
            last: to.map(|to| vec![Value::Number(to.into())]),
            data: None,
        };
        assert_eq!(
            set("nets").elements,
            [
                element(0x0a00_0000, Some(0x0aff_ffff)),
                element(0xc0a8_0100, Some(0xc0a8_0109)),
                element(0xffff_ffff, None),
            ]
        );
        assert_eq!(set("markr").elements, [element(0x500, Some(0x5ff))]);
        assert_eq!(set("vm").default, Some(Data::Verdict(Verdict::Drop)));
        assert!(set("dyn").dynamic && !set("vm").dynamic);
        let wild = &set("wild").elements[0];
        assert_eq!(wild.key, [Value::Name(b"eth"[..].into())]);
        assert!(wild.last.as_ref().unwrap()[0] > Value::Name(b"ethereal"[..].into()));
    }

    #[test]
    fn a_message_that_is_cut_is_an_error_or_has_less_in_it() {
        let all = dumped();
        let whole = read(&all).len();
        for index in 0..all.len() {
            let mut cut = all.clone();
            let length = cut[index].1.len();
            for end in (0..length).rev().step_by(3) {
                cut[index].1.truncate(end);
                assert!(read(&cut[..=index]).len() <= whole);
            }
        }
        let (kind, payload) = all.last().unwrap();
        assert_eq!(*kind, NEW_RULE);
        let mut reading = Reading::default();
        assert_eq!(reading.rule(&payload[..3]), Err(NftError::Short(3)));
        assert!(matches!(
            reading.rule(&payload[..payload.len() - 1]),
            Err(NftError::Attribute(_))
        ));
        assert_eq!(reading.rule(&payload[..4]), Err(NftError::Missing("rule's chain")));
        assert_eq!(reading.rule(&[3, 0, 0, 0]), Ok(()), "of a family that is left out");
    }

    fn named(kind: u16, text: &[u8]) -> impl FnOnce(Request) -> Request + use<'_> {
        move |request| request.with(kind, &[text, &[0]].concat())
    }

    fn rule(name: &[u8], data: impl FnOnce(Request) -> Request) -> Vec<u8> {
        let request = named(2, b"c")(named(1, b"t")(Request::new(0, 0, 0, &[2, 0, 0, 0])));
        let request = request.with_nested(RULE_EXPRESSIONS, |list| {
            list.with_nested(1, |expression| named(1, name)(expression).with_nested(2, data))
        });
        request.finish().split_off(16)
    }

    fn table_with_chain() -> Vec<(u16, Vec<u8>)> {
        let header = || Request::new(0, 0, 0, &[2, 0, 0, 0]);
        let table = named(1, b"t")(header()).finish().split_off(16);
        let chain = named(3, b"c")(named(1, b"t")(header())).finish().split_off(16);
        vec![(0, table), (NEW_CHAIN, chain)]
    }

    #[test]
    fn an_expression_that_is_not_known_is_an_action_that_may_do_anything() {
        let mut all = table_with_chain();
        all.push((NEW_RULE, rule(b"frobnicate", |data| data)));
        all.push((NEW_RULE, rule(b"immediate", |data| data)));
        all.push((
            NEW_RULE,
            rule(b"queue", |data| {
                data.with(1, &1_u16.to_be_bytes())
                    .with(2, &3_u16.to_be_bytes())
                    .with(3, &1_u16.to_be_bytes())
            }),
        ));
        let ruleset = read(&all);
        let unknown = |text: &str| Item::Action(Action::Unknown(text.into()));
        let queue = Item::Action(Action::Verdict(Verdict::Queue {
            queues: 1..=3,
            bypass: true,
        }));
        assert_eq!(
            items(&ruleset, "c"),
            [&[unknown("frobnicate")][..], &[unknown("immediate")], &[queue]]
        );
        assert_eq!(ruleset.chains[0].backend, Backend::Nft);
    }

    #[test]
    fn a_table_like_one_of_iptables_is_nfts_where_a_rule_is() {
        let hook = |list: Request| list.with(1, &0_u32.to_be_bytes()).with(2, &(-100_i32).to_be_bytes());
        let header = || named(1, b"nat")(Request::new(0, 0, 0, &[2, 0, 0, 0]));
        let rule = |name: &[u8]| {
            let list = |list: Request| list.with_nested(1, |one| named(1, name)(one).with_nested(2, |data| data));
            let rule = named(2, b"PREROUTING")(header()).with_nested(RULE_EXPRESSIONS, list);
            rule.finish().split_off(16)
        };
        let told = |rules: &[Vec<u8>]| {
            let chain = named(7, b"nat")(named(3, b"PREROUTING")(header())).with_nested(4, hook);
            let mut reading = Reading::default();
            reading.table(&header().finish().split_off(16)).unwrap();
            reading.chain(&chain.finish().split_off(16)).unwrap();
            reading.chains_end();
            let read = |reading: &mut Reading| rules.iter().try_for_each(|payload| reading.rule(payload));
            read(&mut reading).unwrap();
            if reading.misjudged() {
                read(&mut reading).unwrap();
                assert!(!reading.misjudged());
            }
            let chain = reading.finish(Some(1)).chains.remove(0);
            let texts: Vec<_> = chain.rules.iter().map(|rule| rule.text.to_string()).collect();
            (chain.backend, texts)
        };
        let texts = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect::<Vec<_>>();
        let counter = "counter packets 0 bytes 0";
        assert_eq!(
            told(&[rule(b"counter")]),
            (Backend::IptablesNft, texts(&["-A PREROUTING"]))
        );
        assert_eq!(
            told(&[rule(b"counter"), rule(b"redir"), rule(b"counter")]),
            (Backend::Nft, texts(&[counter, "redirect", counter]))
        );
    }

    #[test]
    fn a_rule_of_a_chain_that_was_not_listed_is_a_gap() {
        let mut all = table_with_chain();
        all.remove(1);
        all.push((NEW_RULE, rule(b"notrack", |data| data)));
        assert_eq!(read(&all).gaps.len(), 1);
    }

    #[test]
    fn a_flowtable_leads_around_the_rules() {
        let flowtable = named(2, b"f")(named(1, b"t")(Request::new(0, 0, 0, &[1, 0, 0, 0])));
        let ruleset = read(&[(NEW_FLOWTABLE, flowtable.finish().split_off(16))]);
        let expected = Bypass::Flowtable {
            family: Family::Inet,
            table: "t".into(),
            name: "f".into(),
        };
        assert_eq!(ruleset.bypasses, [expected]);
    }

    proptest! {
        #[test]
        fn any_bytes_of_a_rule_are_decoded(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let mut all = table_with_chain();
            for name in [&b"payload"[..], b"cmp", b"bitwise", b"lookup", b"nat", b"limit"] {
                all.push((NEW_RULE, rule(name, |data| data.with(1, &bytes).with(2, &bytes).with(3, &bytes))));
            }
            all.push((NEW_SET, [&[2, 0, 0, 0][..], &bytes].concat()));
            prop_assert!(read(&all).len() >= 6);
        }

        #[test]
        fn changed_bytes_are_decoded(changes in proptest::collection::vec((any::<usize>(), any::<u8>()), 1..40)) {
            let mut all = dumped();
            let total = all.len();
            for (place, byte) in changes {
                let payload = &mut all[place % total].1;
                let length = payload.len();
                payload[place / total % length] = byte;
            }
            let ruleset = read(&all);
            prop_assert!(ruleset.len() <= total);
        }
    }
}
