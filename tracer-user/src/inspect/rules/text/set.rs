//! Sets and maps inside a rule.

use super::nft::Context;
use super::value::Style;
use super::{interface, unknown};
use crate::model::rules::{Data, Element, Field, Operand, Set, SetId, Value};
use std::cmp::{Ordering, Reverse};

/// What a map's data stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    Mark,
    /// An address, a port, or both.
    Target {
        address: bool,
    },
    Number,
}

impl Context<'_> {
    pub(super) fn set(&self, id: SetId, key: &[Operand]) -> String {
        self.map(id, key, Meaning::Number)
    }

    pub(super) fn map(&self, id: SetId, key: &[Operand], meaning: Meaning) -> String {
        let Some(set) = self.lookup.set(id) else {
            return unknown("set");
        };
        if !set.anonymous {
            return format!("@{}", set.name);
        }
        let mut elements: Vec<_> = set.elements.iter().collect();
        let ranges = elements.iter().any(|element| element.last.is_some());
        elements.sort_by(|left, right| ordered(key, ranges, left, right));
        let mut texts: Vec<_> = elements
            .into_iter()
            .map(|element| self.element(key, element, meaning))
            .collect();
        if let Some(data) = &set.default {
            texts.push(format!("* : {}", self.data(data, meaning)));
        }
        if set.incomplete {
            texts.push(unknown("more"));
        }
        format!("{{ {} }}", texts.join(", "))
    }

    fn element(&self, key: &[Operand], element: &Element, meaning: Meaning) -> String {
        let mut parts = Vec::new();
        for (place, first) in element.key.iter().enumerate() {
            let last = element.last.as_ref().and_then(|last| last.get(place));
            parts.push(self.part(field(key, place), first, last.unwrap_or(first)));
        }
        let text = parts.join(" . ");
        match &element.data {
            Some(data) => format!("{text} : {}", self.data(data, meaning)),
            None => text,
        }
    }

    fn part(&self, field: Option<Field>, first: &Value, last: &Value) -> String {
        match (first, last) {
            (Value::Name(first), Value::Name(last)) => interface::nft(first, first != last),
            (Value::Number(first), Value::Number(last)) => {
                let style = field.map_or(Style::Decimal, |field| self.style(field, *first));
                self.range(style, *first, *last)
            }
            (first, _) => field.map_or_else(|| unknown("key"), |field| self.value(field, first)),
        }
    }

    fn data(&self, data: &Data, meaning: Meaning) -> String {
        let values = match data {
            Data::Verdict(verdict) => return self.verdict(verdict),
            Data::Values(values) => values,
        };
        let parts = values.iter().enumerate().map(|(place, value)| match (value, meaning) {
            (Value::Name(name), _) => interface::nft(name, false),
            (Value::Number(number), Meaning::Mark) => self.styled(Style::Mark, *number),
            (Value::Number(number), Meaning::Target { address: true }) if place == 0 => {
                self.styled(self.address(*number), *number)
            }
            (Value::Number(number), _) => number.to_string(),
        });
        parts.collect::<Vec<_>>().join(" . ")
    }

    /// Whether a map gives IPv6 addresses.
    pub(super) fn gives_ipv6(&self, id: SetId) -> bool {
        let wide = |value: &Value| value.number().is_some_and(|number| number > u128::from(u32::MAX));
        let first = |set: &Set| {
            set.elements.iter().any(|element| match &element.data {
                Some(Data::Values(values)) => values.first().is_some_and(wide),
                _ => false,
            })
        };
        self.lookup.set(id).is_some_and(first)
    }
}

fn field(key: &[Operand], place: usize) -> Option<Field> {
    let Operand::Field { field, .. } = key.get(place)? else {
        return None;
    };
    Some(*field)
}

/// nft's order: by number, where several flags at once count as none, and names count by their last byte first.
fn ordered(key: &[Operand], ranges: bool, left: &Element, right: &Element) -> Ordering {
    let flags = key.len() == 1 && field(key, 0) == Some(Field::TcpFlags);
    let rank = |value: &Value| match value {
        Value::Number(bits) if flags && bits.count_ones() > 1 => 0,
        Value::Number(number) => *number,
        Value::Name(_) => 0,
    };
    let mut pairs = left.key.iter().zip(&right.key);
    let order = pairs.find_map(|(left, right)| {
        let order = match (left, right) {
            (Value::Name(left), Value::Name(right)) if ranges => left.cmp(right),
            (Value::Name(left), Value::Name(right)) => {
                (left.len(), left.iter().rev().collect::<Vec<_>>()).cmp(&(right.len(), right.iter().rev().collect()))
            }
            (left, right) => rank(left).cmp(&rank(right)),
        };
        (order != Ordering::Equal).then_some(order)
    });
    // Of two that begin alike the longer range comes first.
    order.unwrap_or_else(|| Reverse(&left.last).cmp(&Reverse(&right.last)))
}
