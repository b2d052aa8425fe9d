//! Writes what is left of BTF, with new numbers and strings.

use super::read::{Blob, Type, Word};
use super::{Node, World};
use std::collections::{BTreeMap, BTreeSet};

/// Writes the reached types of vmlinux and of each module, in the order that they had. A module of which nothing is left
/// is left out.
pub(super) fn write(
    world: &World,
    reached: &BTreeSet<Node>,
    items: &BTreeMap<Node, BTreeSet<usize>>,
) -> BTreeMap<String, Vec<u8>> {
    let of = |blob: usize| reached.iter().filter(move |node| node.blob == blob).copied();
    let mut written = BTreeMap::new();
    let mut base = Strings {
        first: 0,
        bytes: vec![0],
        known: BTreeMap::from([(Vec::new(), 0)]),
    };
    let kernel: BTreeMap<Node, u32> = of(0).zip(1..).collect();
    for (index, Blob { name, .. }) in world.blobs.iter().enumerate() {
        let mut ids = kernel.clone();
        let mut strings = base.clone();
        if index > 0 {
            strings.first = length(&base.bytes);
            strings.bytes.clear();
            ids.extend(of(index).zip(length(kernel.keys()) + 1..));
        }
        let mut types = Vec::new();
        for node in of(index) {
            let ty = renumbered(world, node, &ids, &mut strings, items.get(&node));
            types.extend([ty.name, ty.info, ty.size]);
            types.extend(ty.groups.into_iter().flatten());
        }
        if !types.is_empty() {
            written.insert(name.clone(), file(&types, &strings.bytes));
        }
        if index == 0 {
            base = strings;
        }
    }
    written
}

fn renumbered(
    world: &World,
    node: Node,
    ids: &BTreeMap<Node, u32>,
    strings: &mut Strings,
    items: Option<&BTreeSet<usize>>,
) -> Type {
    let id = |id: u32| world.node(node.blob, id).map_or(0, |node| ids[&node]);
    let mut ty = world.ty(node).clone();
    let group = ty.group();
    if let Some(items) = items {
        ty.groups = items.iter().map(|&index| ty.groups[index].clone()).collect();
        ty.info = ty.info & 0xffff_0000 | length(&ty.groups);
    }
    ty.name = strings.add(world.text(node.blob, ty.name));
    if ty.refers() {
        ty.size = id(ty.size);
    }
    for (word, value) in ty.groups.iter_mut().flat_map(|words| group.iter().zip(words)) {
        match word {
            Word::Name => *value = strings.add(world.text(node.blob, *value)),
            Word::Type => *value = id(*value),
            Word::Number => {}
        }
    }
    ty
}

/// The strings of one file.
#[derive(Clone)]
struct Strings {
    first: u32,
    bytes: Vec<u8>,
    known: BTreeMap<Vec<u8>, u32>,
}

impl Strings {
    fn add(&mut self, text: &[u8]) -> u32 {
        if let Some(&at) = self.known.get(text) {
            return at;
        }
        let at = self.first + length(&self.bytes);
        self.bytes.extend(text);
        self.bytes.push(0);
        self.known.insert(text.to_vec(), at);
        at
    }
}

fn file(types: &[u32], strings: &[u8]) -> Vec<u8> {
    let size = length(types) * 4;
    let mut bytes = 0xeb9f_u16.to_ne_bytes().to_vec();
    bytes.extend([1, 0]);
    let head = [24, 0, size, size, length(strings)];
    bytes.extend(head.iter().chain(types).flat_map(|word| word.to_ne_bytes()));
    bytes.extend(strings);
    bytes
}

fn length<T>(items: impl IntoIterator<Item = T>) -> u32 {
    items.into_iter().map(|_| 1).sum()
}
