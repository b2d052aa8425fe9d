//! One entry of a legacy table: `struct ipt_entry` or `struct ip6t_entry` with its matches and its target.

use super::draft::compared;
use super::info::{Info, number};
use super::matching;
use super::sets::SetNames;
use super::table::XtError;
use crate::inspect::rules::bytes::{self, until_nul};
use crate::inspect::rules::text::iptables::{Asked, Head, interface};
use crate::model::rules::{Action, ChainId, Counters, Family, Field, Item, Match, Rule, Verdict};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::sync::Arc;

/// Where a family's entry has what.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    family: Family,
    /// Length of an address; the source is first, then the destination and their masks.
    address: usize,
    protocol: usize,
    flags: usize,
    inverted: usize,
    target: usize,
    counters: usize,
    whole: usize,
    goto: u8,
}

impl Layout {
    pub(super) fn of(family: Family) -> Self {
        if family == Family::Ip6 {
            Self {
                family,
                address: 16,
                protocol: 128,
                flags: 131,
                inverted: 132,
                target: 140,
                counters: 152,
                whole: 168,
                goto: 4,
            }
        } else {
            Self {
                family: Family::Ip,
                address: 4,
                protocol: 80,
                flags: 82,
                inverted: 83,
                target: 88,
                counters: 96,
                whole: 112,
                goto: 2,
            }
        }
    }
}

/// The chains that a verdict can lead to, by the offset of their first rule.
pub(super) struct Jumps<'a> {
    pub(super) targets: &'a BTreeMap<usize, ChainId>,
    pub(super) names: &'a [Arc<str>],
    pub(super) sets: &'a SetNames,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Entry<'a> {
    pub(super) offset: usize,
    pub(super) counters: Counters,
    layout: Layout,
    bytes: &'a [u8],
    /// Of its target, in `bytes`.
    target: usize,
}

/// Cuts a table into its entries.
pub(super) fn all(layout: Layout, bytes: &[u8]) -> Result<Vec<Entry<'_>>, XtError> {
    let mut entries = Vec::new();
    let mut offset = 0;
    while offset < bytes.len() {
        let entry = Entry::parse(layout, bytes, offset).ok_or(XtError::Entry(offset))?;
        offset = entry.next();
        entries.push(entry);
    }
    Ok(entries)
}

impl<'a> Entry<'a> {
    fn parse(layout: Layout, bytes: &'a [u8], offset: usize) -> Option<Self> {
        let info = Info::new(0, bytes.get(offset..)?, layout.family);
        let (target, next) = (info.u16(layout.target)?.into(), info.u16(layout.target + 2)?.into());
        let counters = Counters {
            packets: info.u64(layout.counters)?,
            bytes: info.u64(layout.counters + 8)?,
        };
        // So every entry is longer than nothing.
        let fits = layout.whole <= target && target + HEADER <= next;
        fits.then_some(Self {
            offset,
            counters,
            layout,
            bytes: info.bytes(0, next)?,
            target,
        })
    }

    /// Where the entry behind it begins.
    pub(super) fn next(&self) -> usize {
        self.offset.saturating_add(self.bytes.len())
    }

    fn info(&self) -> Info<'a> {
        Info::new(0, self.bytes, self.layout.family)
    }

    fn extension(&self, at: usize) -> Result<Part<'a>, XtError> {
        Part::parse(self.bytes, at).ok_or(XtError::Entry(self.offset))
    }

    fn target(&self) -> Result<Part<'a>, XtError> {
        self.extension(self.target)
    }

    /// The name that the head of a chain carries.
    pub(super) fn error_name(&self) -> Option<&'a [u8]> {
        let target = self.target().ok()?;
        (target.name == b"ERROR").then(|| until_nul(target.data.get(..30).unwrap_or(target.data)))
    }

    fn verdict(&self) -> Option<i32> {
        let target = self.target().ok()?;
        let verdict = target.data.first_chunk().map(|bytes| i32::from_ne_bytes(*bytes));
        verdict.filter(|_| target.name.is_empty())
    }

    pub(super) fn policy(&self) -> Option<Verdict> {
        match self.verdict()? {
            DROP => Some(Verdict::Drop),
            ACCEPT => Some(Verdict::Accept),
            _ => None,
        }
    }

    /// It asks nothing, and its verdict is RETURN.
    pub(super) fn returns_always(&self) -> bool {
        let asked = self.bytes.get(..self.layout.inverted + 1).unwrap_or_default();
        self.target == self.layout.whole && asked.iter().all(|&byte| byte == 0) && self.verdict() == Some(RETURN)
    }

    pub(super) fn rule(&self, chain: &str, jumps: &Jumps<'_>) -> Result<Rule, XtError> {
        let (head, mut items) = self.head().ok_or(XtError::Entry(self.offset))?;
        let mut text = format!("-A {chain}{head}");
        let mut comment = None;
        let mut at = self.layout.whole;
        while at < self.target {
            let part = self.extension(at)?;
            at += part.size;
            if at > self.target {
                return Err(XtError::Entry(self.offset));
            }
            let name = bytes::text(part.name);
            let extension = matching(&name, part.revision, part.data, self.layout.family, jumps.sets);
            if name == "comment" {
                comment.get_or_insert_with(|| bytes::text(until_nul(part.data)).into());
            }
            items.extend(extension.items);
            let _ = write!(text, " {}", extension.text);
        }
        self.conclude(jumps, &mut items, &mut text)?;
        Ok(Rule {
            handle: None,
            items,
            counters: Some(self.counters),
            comment,
            text: text.into(),
        })
    }

    /// The target, and what it says.
    fn conclude(&self, jumps: &Jumps<'_>, items: &mut Vec<Item>, text: &mut String) -> Result<(), XtError> {
        let target = self.target()?;
        if !target.name.is_empty() {
            let name = bytes::text(target.name);
            let extension = super::target(&name, target.revision, target.data, self.layout.family, jumps.sets);
            items.extend(extension.items);
            let _ = write!(text, " {}", extension.text);
            return Ok(());
        }
        let verdict = self.verdict().ok_or(XtError::Entry(self.offset))?;
        let goes = self.info().u8(self.layout.flags).unwrap_or_default() & self.layout.goto != 0;
        let Ok(offset) = usize::try_from(verdict) else {
            let (verdict, name) = plain(verdict).ok_or(XtError::Entry(self.offset))?;
            let _ = write!(text, " -j {name}");
            items.push(Item::Action(Action::Verdict(verdict)));
            return Ok(());
        };
        if offset == self.next() {
            return Ok(());
        }
        let id = jumps.targets.get(&offset).copied();
        let name = id.and_then(|id| jumps.names.get(usize::try_from(id.0).ok()?));
        let switch = if goes { 'g' } else { 'j' };
        let _ = write!(text, " -{switch} {}", name.map_or("[unknown]", |name| name));
        let verdict = if goes { Verdict::Goto(id) } else { Verdict::Jump(id) };
        items.push(Item::Action(Action::Verdict(verdict)));
        Ok(())
    }

    /// What is asked of the network header.
    fn head(&self) -> Option<(Head, Vec<Item>)> {
        let (info, layout) = (self.info(), self.layout);
        let (flags, inverted) = (info.u8(layout.flags)?, info.u8(layout.inverted)?);
        let protocol = info.u16(layout.protocol)?;
        let fields = if layout.family == Family::Ip6 {
            [Field::Ip6Source, Field::Ip6Destination]
        } else {
            [Field::Ip4Source, Field::Ip4Destination]
        };
        let mut items = Vec::new();
        let [source, destination] = fields;
        let source = self.address(0, (source, inverted & 8 != 0), &mut items)?;
        let destination = self.address(1, (destination, inverted & 16 != 0), &mut items)?;
        let input = self.interface(0, (Field::InputName, inverted & 1 != 0), &mut items)?;
        let output = self.interface(1, (Field::OutputName, inverted & 2 != 0), &mut items)?;
        let mut head = Head {
            source,
            destination,
            input,
            output,
            protocol: None,
            fragment: None,
        };
        if protocol != 0 {
            let negated = inverted & 64 != 0;
            items.push(Item::Match(
                Match::equals(Field::L4Proto, protocol.into()).negate(negated),
            ));
            head.protocol = Some(asked(negated, protocol));
        }
        if layout.family == Family::Ip && flags & 1 != 0 {
            let negated = inverted & 32 != 0;
            items.push(Item::Match(
                Match::masked(Field::Ip4Fragment, 0x1fff, 0).negate(!negated),
            ));
            head.fragment = Some(asked(negated, ()));
        }
        Some((head, items))
    }

    /// `index`: 0 the source, 1 the destination.
    fn address(&self, index: usize, (field, negated): (Field, bool), items: &mut Vec<Item>) -> Option<Network> {
        let (info, length) = (self.info(), self.layout.address);
        let (address, mask) = (info.address(index * length)?, info.address((index + 2) * length)?);
        if address.is_unspecified() && mask.is_unspecified() && !negated {
            return Some(None);
        }
        let fits = compared(field, number(mask), number(address));
        items.push(Item::Match(fits.negate(negated)));
        Some(Some(asked(negated, (address, mask))))
    }

    /// A packet without such a device has an empty name there: it fits what is inverted.
    fn interface(&self, index: usize, (field, negated): (Field, bool), items: &mut Vec<Item>) -> Option<Device> {
        let (info, begin) = (self.info(), self.layout.address * 4);
        let (name, mask) = (info.array(begin + index * 16)?, info.array(begin + 32 + index * 16)?);
        let Some(shown) = interface(&name, &mask) else {
            if negated {
                items.push(Item::Match(Match::Any(Vec::new())));
            }
            return Some(None);
        };
        let compared = mask.iter().take_while(|&&byte| byte == u8::MAX).count();
        let named = until_nul(&name);
        let regular = mask.iter().skip(compared).all(|&byte| byte == 0);
        let fits = if regular && compared >= named.len() {
            Match::Name {
                field,
                name: named.into(),
                prefix: compared == named.len(),
                negated: false,
            }
        } else {
            Match::Unknown(shown.as_str().into())
        };
        items.push(Item::Match(if negated { Match::NotAll(vec![fits]) } else { fits }));
        Some(Some(asked(negated, shown)))
    }
}

type Network = Option<Asked<(IpAddr, IpAddr)>>;
type Device = Option<Asked<String>>;

fn asked<T>(inverted: bool, value: T) -> Asked<T> {
    Asked { inverted, value }
}

/// A verdict that leads to no chain.
fn plain(verdict: i32) -> Option<(Verdict, &'static str)> {
    Some(match verdict {
        DROP => (Verdict::Drop, "DROP"),
        ACCEPT => (Verdict::Accept, "ACCEPT"),
        QUEUE => {
            let queues = 0..=0;
            (Verdict::Queue { queues, bypass: false }, "QUEUE")
        }
        RETURN => (Verdict::Return, "RETURN"),
        _ => return None,
    })
}

/// `struct xt_entry_match` or `struct xt_entry_target`.
struct Part<'a> {
    size: usize,
    name: &'a [u8],
    revision: u8,
    data: &'a [u8],
}

impl<'a> Part<'a> {
    fn parse(bytes: &'a [u8], at: usize) -> Option<Self> {
        let info = Info::new(0, bytes.get(at..)?, Family::Ip);
        let size = usize::from(info.u16(0)?);
        Some(Self {
            size,
            name: until_nul(info.bytes(2, 29)?),
            revision: info.u8(31)?,
            data: info.bytes(0, size)?.get(HEADER..)?,
        })
    }
}

/// Of a match or target, before its data.
const HEADER: usize = 32;
// A verdict is less by one than the negative of its number.
const DROP: i32 = -1;
const ACCEPT: i32 = -2;
const QUEUE: i32 = -4;
const RETURN: i32 = -5;
