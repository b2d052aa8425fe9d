//! Sets and maps, indexed: a service of thousands costs as much to look up as one.

use super::number::{Number, Truth};
use crate::model::rules::{Data, Element, Set, Value};
use foldhash::fast::RandomState;
use std::collections::HashMap;

/// A key as far as it is known, part by part.
pub(super) struct Key {
    pub(super) parts: [Number; KEY_PARTS],
    pub(super) len: usize,
}

impl Key {
    fn known(&self) -> &[Number] {
        self.parts.get(..self.len).unwrap_or_default()
    }

    /// The packet does not have what is asked for.
    pub(super) fn is_absent(&self) -> bool {
        self.known().contains(&Number::Absent)
    }

    fn exact(&self) -> Option<Exact> {
        let mut exact = [0; KEY_PARTS];
        for (exact, part) in exact.iter_mut().zip(self.known()) {
            *exact = part.exact()?;
        }
        Some(exact)
    }
}

/// A set, ready for being asked.
pub(super) struct Index<'a> {
    set: &'a Set,
    exact: HashMap<Exact, usize, RandomState>,
    /// Intervals by their first part, ascending.
    ranges: Vec<Range>,
    /// An element that cannot be compared: what is not found may be there.
    odd: bool,
}

/// What a map has for a key.
pub(super) struct Found<'a> {
    pub(super) data: Vec<&'a Data>,
    /// The key may have no element.
    pub(super) missing: bool,
    /// There is more than is told.
    pub(super) more: bool,
}

type Exact = [u128; KEY_PARTS];

struct Range {
    first: Exact,
    last: Exact,
    /// No range that stands before ends, in its first part, after this.
    reach: u128,
    element: usize,
}

impl<'a> Index<'a> {
    pub(super) fn new(set: &'a Set) -> Self {
        let mut index = Self {
            set,
            exact: HashMap::default(),
            ranges: Vec::new(),
            odd: false,
        };
        for (number, element) in set.elements.iter().enumerate() {
            index.add(number, element);
        }
        index.ranges.sort_by_key(|range| range.first);
        let mut reach = 0;
        for range in &mut index.ranges {
            let [last, ..] = range.last;
            reach = last.max(reach);
            range.reach = reach;
        }
        index
    }

    fn add(&mut self, element: usize, of: &Element) {
        let Some(first) = numbers(&of.key) else {
            self.odd = true;
            return;
        };
        let last = of.last.as_deref().map_or(Some(first), numbers);
        match last {
            Some(last) if last == first => {
                self.exact.insert(first, element);
            }
            Some(last) => self.ranges.push(Range {
                first,
                last,
                reach: 0,
                element,
            }),
            None => self.odd = true,
        }
    }

    /// Whether the key is in the set.
    pub(super) fn contains(&self, key: &Key) -> Truth {
        let open = self.set.dynamic || self.set.incomplete || self.odd;
        let Some(exact) = key.exact() else {
            if self.set.elements.is_empty() && !open {
                return Truth::No;
            }
            return self.covers(key);
        };
        match self.element(&exact) {
            Some(_) if !self.set.dynamic => Truth::Yes,
            None if !open => Truth::No,
            Some(_) | None => Truth::Maybe,
        }
    }

    /// What the map says of the key. An absent key has no element.
    pub(super) fn find(&self, key: &Key) -> Found<'a> {
        let mut found = Found {
            data: Vec::new(),
            missing: false,
            more: self.set.dynamic || self.set.incomplete || self.odd,
        };
        if key.is_absent() {
            found.missing = true;
            found.more = false;
            return found;
        }
        if let Some(exact) = key.exact() {
            let element = self.element(&exact).and_then(|element| self.set.elements.get(element));
            found.data.extend(element.and_then(|element| element.data.as_ref()));
            found.missing = element.is_none() || self.set.dynamic;
            found.more &= element.is_none() || self.set.dynamic;
        } else {
            found.missing = self.covers(key) != Truth::Yes;
            for element in &self.set.elements {
                if let Some(data) = &element.data
                    && may_fit(key, element) != Truth::No
                    && !found.data.contains(&data)
                {
                    if found.data.len() >= CANDIDATES {
                        found.more = true;
                        break;
                    }
                    found.data.push(data);
                }
            }
        }
        if found.missing
            && let Some(default) = &self.set.default
        {
            found.data.push(default);
            found.missing = found.more;
        }
        found
    }

    fn element(&self, exact: &Exact) -> Option<usize> {
        if let Some(element) = self.exact.get(exact) {
            return Some(*element);
        }
        let after = self.ranges.partition_point(|range| leads(range, exact));
        let before = self.ranges.get(..after).unwrap_or_default();
        let [part, ..] = exact;
        let mut reaching = before.iter().rev().take_while(|range| range.reach >= *part);
        let found = reaching.find(|range| {
            let bounds = range.first.iter().zip(&range.last);
            exact
                .iter()
                .zip(bounds)
                .all(|(part, (first, last))| (first..=last).contains(&part))
        });
        found.map(|range| range.element)
    }

    /// Whether a key that is not all known is in the set, whatever it is.
    fn covers(&self, key: &Key) -> Truth {
        if self.set.dynamic {
            return Truth::Maybe;
        }
        let answers = self.set.elements.iter().map(|element| may_fit(key, element));
        let any = answers.max().unwrap_or(Truth::No);
        if any == Truth::No && (self.set.incomplete || self.odd) {
            return Truth::Maybe;
        }
        match key.known() {
            // `numgen` and hashes: the elements take up the whole range.
            [Number::Range(first, last)] if any == Truth::Maybe => {
                let numbers = self.set.elements.iter().filter_map(|element| {
                    let first = numbers(&element.key)?;
                    let last = element.last.as_deref().map_or(Some(first), numbers)?;
                    let ([first, ..], [last, ..]) = (first, last);
                    Some((first, last))
                });
                let mut spans = numbers.collect::<Vec<_>>();
                spans.sort_unstable();
                let mut next = *first;
                for (from, to) in spans {
                    if from <= next && to >= next {
                        next = to.saturating_add(1);
                    }
                }
                if next > *last { Truth::Yes } else { Truth::Maybe }
            }
            _ => any,
        }
    }
}

/// Whether the range begins with the same or a lower first part: the other parts do not order overlapping ranges.
fn leads(range: &Range, exact: &Exact) -> bool {
    let ([first, ..], [part, ..]) = (range.first, *exact);
    first <= part
}

fn may_fit(key: &Key, element: &Element) -> Truth {
    let Some(first) = numbers(&element.key) else {
        return Truth::Maybe;
    };
    let Some(last) = element.last.as_deref().map_or(Some(first), numbers) else {
        return Truth::Maybe;
    };
    let bounds = first.into_iter().zip(last);
    let answers = key.known().iter().zip(bounds);
    answers
        .map(|(part, (first, last))| part.within(&(first..=last)))
        .min()
        .unwrap_or(Truth::Maybe)
}

fn numbers(values: &[Value]) -> Option<Exact> {
    let mut numbers = [0; KEY_PARTS];
    for (number, value) in numbers.get_mut(..values.len())?.iter_mut().zip(values) {
        *number = match value {
            Value::Number(number) => *number,
            Value::Name(name) => super::field::packed(name)?,
        };
    }
    Some(numbers)
}

/// Parts of a concatenation; nft's keys have room for 16 registers of 4 bytes, and real ones use up to five parts.
pub(super) const KEY_PARTS: usize = 8;
/// What a key that is not all known may find; past that it may find anything.
const CANDIDATES: usize = 128;
