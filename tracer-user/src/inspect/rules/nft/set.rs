//! Sets and maps, and their elements.
//!
//! The kernel keeps an interval as two elements, its beginning and what follows its end; here they are one again.

use super::block::Block;
use super::datatype::{Form, Order, Part, parts};
use super::request::SetAddress;
use super::table::Table;
use crate::inspect::nla::attributes;
use crate::inspect::rules::bytes::{text, until_nul};
use crate::model::rules::{Data, Element, Family, Set, Value};
use std::cmp::Reverse;

/// How the bytes of a set's elements are to be read.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) address: SetAddress,
    pub(super) key: Vec<Part>,
    pub(super) data: Vec<Part>,
    intervals: bool,
}

impl Layout {
    /// Bytes that a value of the map takes in registers.
    pub(super) fn data_length(&self) -> usize {
        match *self.data.as_slice() {
            [part] => part.length,
            ref parts => parts.iter().map(|part| part.padded()).sum(),
        }
    }

    /// In which order the bytes of a single value lie.
    pub(super) fn data_order(&self) -> Order {
        match self.data.as_slice() {
            [
                Part {
                    form: Form::Number(order),
                    ..
                },
            ] => *order,
            _ => Order::Wire,
        }
    }
}

/// One element as the kernel has it.
#[derive(Debug)]
pub(super) struct Raw {
    key: Box<[u8]>,
    key_end: Option<Box<[u8]>>,
    ends: bool,
    data: Option<Data>,
}

/// A set without its elements; `None`: it has no name.
pub(super) fn decode(body: Block<'_>, family: Family, number: u8, table: &Table) -> Option<(Set, Layout)> {
    let name = body.name(NAME)?;
    let flags = body.u32(FLAGS).unwrap_or(0);
    let intervals = flags & INTERVAL != 0;
    let notes = body.bytes(USERDATA).unwrap_or_default();
    let mut key = parts(
        body.u32(KEY_TYPE).unwrap_or(0),
        body.length(KEY_LENGTH)?,
        &sizes(body),
        order(notes, KEY_ORDER),
    );
    if intervals {
        key = key.into_iter().map(Part::in_intervals).collect();
    }
    let data_type = body.u32(DATA_TYPE).unwrap_or(VERDICTS);
    let data = if flags & MAP != 0 && data_type != VERDICTS {
        parts(data_type, body.length(DATA_LENGTH)?, &[], order(notes, DATA_ORDER))
    } else {
        Vec::new()
    };
    let set = Set {
        family,
        table: table.name.clone(),
        name: text(name).into(),
        anonymous: flags & ANONYMOUS != 0,
        dynamic: flags & (TIMEOUT | EVALUATED) != 0,
        incomplete: false,
        elements: Vec::new(),
        default: None,
    };
    let layout = Layout {
        address: SetAddress {
            family: number,
            table: body.name(TABLE)?.into(),
            name: name.into(),
        },
        key,
        data,
        intervals,
    };
    Some((set, layout))
}

/// Adds what is in one message to the elements. What is not understood makes the set incomplete.
pub(super) fn add(body: Block<'_>, set: &mut Set, layout: &Layout, table: &Table, raw: &mut Vec<Raw>, room: usize) {
    let Some(list) = body.inside(LIST_ELEMENTS) else { return };
    for item in attributes(list.0) {
        let Ok(item) = item else {
            set.incomplete = true;
            return;
        };
        let element = Block(item.value);
        let flags = element.u32(ELEMENT_FLAGS).unwrap_or(0);
        let data = element.inside(ELEMENT_DATA).map(|block| data(block, layout, table));
        set.incomplete |= matches!(data, Some(None)) || raw.len() >= room;
        if flags & CATCH_ALL != 0 {
            set.default = data.flatten();
            // In a plain set every key is in it then.
            set.incomplete |= set.default.is_none();
            continue;
        }
        let Some(key) = element.value(ELEMENT_KEY) else {
            set.incomplete = true;
            continue;
        };
        if raw.len() < room {
            raw.push(Raw {
                key: key.into(),
                key_end: element.value(ELEMENT_KEY_END).map(Into::into),
                ends: flags & INTERVAL_END != 0,
                data: data.flatten(),
            });
        }
    }
}

/// The elements in the model's form.
pub(super) fn finish(set: &mut Set, layout: &Layout, mut raw: Vec<Raw>) {
    let paired = layout.intervals && raw.iter().all(|element| element.key_end.is_none());
    if !paired {
        set.elements.reserve_exact(raw.len());
        for element in raw {
            push(set, layout, &element.key, element.key_end.as_deref(), element.data);
        }
        return;
    }
    // Where one interval ends and the next begins, the beginning counts.
    raw.sort_unstable_by(|a, b| (&a.key, Reverse(a.ends)).cmp(&(&b.key, Reverse(b.ends))));
    let mut rest = raw.into_iter().peekable();
    while let Some(element) = rest.next() {
        if element.ends {
            continue;
        }
        let last = rest
            .peek()
            .map_or_else(|| vec![u8::MAX; element.key.len()].into(), |next| before(&next.key));
        let last = Some(&*last).filter(|&last| *last != *element.key);
        push(set, layout, &element.key, last, element.data);
    }
}

fn push(set: &mut Set, layout: &Layout, key: &[u8], last: Option<&[u8]>, data: Option<Data>) {
    let decoded = || {
        let last = match last {
            Some(last) => Some(values(last, &layout.key)?),
            None => None,
        };
        Some((values(key, &layout.key)?, last))
    };
    match decoded() {
        Some((key, last)) => set.elements.push(Element { key, last, data }),
        None => set.incomplete = true,
    }
}

fn data(block: Block<'_>, layout: &Layout, table: &Table) -> Option<Data> {
    if let Some(bytes) = block.bytes(DATA_VALUE) {
        values(bytes, &layout.data).map(Data::Values)
    } else {
        table.verdict(block).map(Data::Verdict)
    }
}

/// The values of all parts; `None`: there are fewer bytes, or none are expected.
fn values(bytes: &[u8], parts: &[Part]) -> Option<Vec<Value>> {
    let mut rest = bytes;
    let mut all = Vec::with_capacity(parts.len());
    for part in parts {
        all.push(part.value(rest.get(..part.length)?)?);
        rest = rest.get(part.padded()..).unwrap_or_default();
    }
    (!all.is_empty()).then_some(all)
}

/// The number of so many bytes that comes before.
fn before(key: &[u8]) -> Box<[u8]> {
    let mut bytes: Box<[u8]> = key.into();
    for byte in bytes.iter_mut().rev() {
        *byte = byte.wrapping_sub(1);
        if *byte != u8::MAX {
            break;
        }
    }
    bytes
}

/// The lengths of a concatenation's parts.
fn sizes(body: Block<'_>) -> Vec<usize> {
    let Some(concatenation) = body.inside(DESCRIPTION).and_then(|inside| inside.inside(CONCATENATION)) else {
        return Vec::new();
    };
    concatenation
        .all()
        .filter_map(|part| Block(part.value).length(FIELD_LENGTH))
        .collect()
}

/// nft's note of the order of bytes: records of type, length and value.
fn order(notes: &[u8], kind: u8) -> Option<Order> {
    let value = note(notes, kind)?;
    match u32::from_ne_bytes(value.try_into().ok()?) {
        1 => Some(Order::Host),
        2 => Some(Order::Wire),
        _ => None,
    }
}

/// The first record of a kind in user data.
pub(super) fn note(notes: &[u8], kind: u8) -> Option<&[u8]> {
    let mut rest = notes;
    while let [found, length, tail @ ..] = rest {
        let (value, next) = tail.split_at_checked(usize::from(*length))?;
        if *found == kind {
            return Some(value);
        }
        rest = next;
    }
    None
}

/// A remark in a rule's user data.
pub(super) fn comment(notes: &[u8]) -> Option<String> {
    note(notes, COMMENT).map(|bytes| text(until_nul(bytes)))
}

// enum nft_set_attributes
const TABLE: u16 = 1;
const NAME: u16 = 2;
const FLAGS: u16 = 3;
const KEY_TYPE: u16 = 4;
const KEY_LENGTH: u16 = 5;
const DATA_TYPE: u16 = 6;
const DATA_LENGTH: u16 = 7;
const DESCRIPTION: u16 = 9;
const USERDATA: u16 = 13;
const CONCATENATION: u16 = 2;
const FIELD_LENGTH: u16 = 1;
// enum nft_set_flags
const ANONYMOUS: u32 = 0x1;
const INTERVAL: u32 = 0x4;
const MAP: u32 = 0x8;
const TIMEOUT: u32 = 0x10;
const EVALUATED: u32 = 0x20;
/// `NFT_DATA_VERDICT`.
const VERDICTS: u32 = 0xffff_ff00;
// enum nft_set_elem_attributes
const LIST_ELEMENTS: u16 = 3;
const ELEMENT_KEY: u16 = 1;
const ELEMENT_DATA: u16 = 2;
const ELEMENT_FLAGS: u16 = 3;
const ELEMENT_KEY_END: u16 = 10;
const INTERVAL_END: u32 = 1;
const CATCH_ALL: u32 = 2;
const DATA_VALUE: u16 = 1;
/// nft's records about sets and rules.
const KEY_ORDER: u8 = 0;
const DATA_ORDER: u8 = 1;
const COMMENT: u8 = 0;
