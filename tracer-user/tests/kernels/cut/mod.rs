//! Cuts a kernel's BTF down to what the product asks it for, so that every kernel can be tested from a small file.
//!
//! Members and values that nobody asks for are gone, numbers and strings are new; names, sizes, offsets and the order of
//! the types are as they were. What the product asks is known from its own tables, less a few names; that none is missing
//! is seen by comparing the answers of both.

mod read;
mod write;

use self::read::{Blob, CONST, ENUM, ENUM64, FUNC, RESTRICT, STRUCT, TYPE_TAG, TYPEDEF, Type, UNION, VOLATILE, Word};
use crate::kernel::{Kernel, VMLINUX};
use anyhow::Context as _;
use std::collections::{BTreeMap, BTreeSet};
use tracer_common::offsets::Offsets;
use tracer_user::kernel::facts;
use tracer_user::kernel::hooks::HOOKS;
use tracer_user::model::hook::How;

/// What is asked for.
pub(crate) struct Wanted {
    pub(crate) paths: BTreeSet<&'static str>,
    pub(crate) enums: BTreeSet<&'static str>,
    pub(crate) tracepoints: BTreeSet<&'static str>,
    pub(crate) functions: BTreeSet<&'static str>,
}

impl Wanted {
    pub(crate) fn new() -> Self {
        let paths = Offsets::missing().iter().map(|(path, _)| path).collect::<Vec<_>>();
        let ways = HOOKS.iter().flat_map(|spec| spec.ways);
        let targets = || ways.clone().map(|way| way.target);
        let tracepoints = ways.clone().filter(|way| way.how == How::TpBtf);
        Self {
            paths: paths.into_iter().chain(facts::PATHS).collect(),
            enums: facts::ENUMS
                .into_iter()
                .chain(["tcp_conntrack", "bpf_func_id"])
                .collect(),
            tracepoints: tracepoints.map(|way| way.target).collect(),
            functions: targets().chain(facts::FUNCTIONS).collect(),
        }
    }
}

pub(crate) fn cut(whole: &Kernel, wanted: &Wanted) -> anyhow::Result<Kernel> {
    let world = World::read(&whole.types)?;
    let mut left = Left::default();
    for index in 0..world.blobs.len() {
        for path in &wanted.paths {
            left.keep_path(&world, index, path);
        }
        for name in &wanted.enums {
            if let Some(&node) = world.named(index, name, &[ENUM, ENUM64]).first() {
                let all = 0..world.ty(node).groups.len();
                left.items.insert(node, all.collect());
            }
        }
        for name in &wanted.functions {
            left.roots.extend(world.named(index, name, &[FUNC]));
        }
        for name in &wanted.tracepoints {
            left.roots
                .extend(world.named(index, &format!("btf_trace_{name}"), &[TYPEDEF]).first());
        }
    }
    let reached = left.reach(&world);
    let symbols = wanted.functions.iter().flat_map(|name| whole.functions(name));
    let symbols =
        symbols.map(|(name, module)| module.map_or(format!("{name}\n"), |module| format!("{name}\t{module}\n")));
    Ok(Kernel {
        release: whole.release.clone(),
        types: write::write(&world, &reached, &left.items),
        symbols: symbols.collect(),
    })
}

/// A type of vmlinux (0) or of a module.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Node {
    blob: usize,
    id: u32,
}

/// vmlinux and its modules.
struct World {
    blobs: Vec<Blob>,
}

impl World {
    fn read(types: &BTreeMap<String, Vec<u8>>) -> anyhow::Result<Self> {
        let kernel = Blob::read(VMLINUX, None, types.get(VMLINUX).context("no vmlinux")?)?;
        let hooked = |name: &str| HOOKS.iter().any(|spec| spec.module == Some(name));
        let modules = types.iter().filter(|(name, _)| hooked(name));
        let modules = modules
            .map(|(name, bytes)| Blob::read(name, Some(&kernel), bytes))
            .collect::<anyhow::Result<Vec<_>>>()?;
        Ok(Self {
            blobs: [kernel].into_iter().chain(modules).collect(),
        })
    }

    fn ty(&self, node: Node) -> &Type {
        self.blobs[node.blob].get(node.id).expect("nodes are types")
    }

    /// A type that one of the blob names; `None`: void.
    fn node(&self, blob: usize, id: u32) -> Option<Node> {
        let blob = if id < self.blobs[blob].first_id { 0 } else { blob };
        (id > 0).then_some(Node { blob, id })
    }

    fn text(&self, blob: usize, offset: u32) -> &[u8] {
        let own = self.blobs[blob].text(offset);
        own.or_else(|| self.blobs[0].text(offset)).expect("strings are there")
    }

    /// The blob's own types of that name, in their order.
    fn named(&self, blob: usize, name: &str, kinds: &[u32]) -> Vec<Node> {
        let nodes = self.blobs[blob].ids().map(|id| Node { blob, id });
        nodes
            .filter(|&node| {
                let ty = self.ty(node);
                kinds.contains(&ty.kind()) && self.text(blob, ty.name) == name.as_bytes()
            })
            .collect()
    }

    fn stripped(&self, node: Node) -> Option<Node> {
        let ty = self.ty(node);
        if matches!(ty.kind(), TYPEDEF | VOLATILE | CONST | RESTRICT | TYPE_TAG) {
            self.stripped(self.node(node.blob, ty.size)?)
        } else {
            Some(node)
        }
    }

    /// The way to a member: structs and their members, more than one where parts have no name.
    fn member(&self, node: Node, name: &str) -> Option<Vec<(Node, usize)>> {
        let ty = self.ty(node);
        if !STRUCTS.contains(&ty.kind()) {
            return None;
        }
        ty.groups
            .iter()
            .enumerate()
            .find_map(|(index, words)| match self.text(node.blob, words[0]) {
                b"" => {
                    let inner = self.stripped(self.node(node.blob, words[1])?)?;
                    let mut way = self.member(inner, name)?;
                    way.insert(0, (node, index));
                    Some(way)
                }
                text => (text == name.as_bytes()).then(|| vec![(node, index)]),
            })
    }
}

/// What is left over.
#[derive(Default)]
struct Left {
    /// The members and values that are kept of structs and enums; of others none are.
    items: BTreeMap<Node, BTreeSet<usize>>,
    roots: BTreeSet<Node>,
}

impl Left {
    fn keep_path(&mut self, world: &World, blob: usize, path: &str) {
        let mut parts = path.strip_prefix("sizeof ").unwrap_or(path).split('.');
        let name = parts.next().unwrap_or_default();
        let Some(&first) = world.named(blob, name, STRUCTS).first() else {
            return;
        };
        self.items.entry(first).or_default();
        let mut node = first;
        for name in parts {
            let Some(way) = world.member(node, name) else { return };
            for &(part, index) in &way {
                self.items.entry(part).or_default().insert(index);
            }
            let Some(&(part, index)) = way.last() else { return };
            let member = world.node(part.blob, world.ty(part).groups[index][1]);
            let Some(next) = member.and_then(|member| world.stripped(member)) else {
                return;
            };
            node = next;
        }
    }

    /// Everything that is named by what is left, down to structs and enums without members.
    fn reach(&mut self, world: &World) -> BTreeSet<Node> {
        let mut reached = BTreeSet::new();
        let mut next: Vec<Node> = self.roots.iter().chain(self.items.keys()).copied().collect();
        while let Some(node) = next.pop() {
            if !reached.insert(node) {
                continue;
            }
            let ty = world.ty(node);
            if matches!(ty.kind(), STRUCT | UNION | ENUM | ENUM64) {
                self.items.entry(node).or_default();
            }
            let target = ty.refers().then_some(ty.size);
            let groups = ty.groups.iter().enumerate();
            let groups = groups.filter(|(index, _)| self.items.get(&node).is_none_or(|items| items.contains(index)));
            let words = groups.flat_map(|(_, words)| ty.group().iter().zip(words));
            let types = words.filter(|(word, _)| **word == Word::Type).map(|(_, &id)| id);
            next.extend(
                target
                    .into_iter()
                    .chain(types)
                    .filter_map(|id| world.node(node.blob, id)),
            );
        }
        reached
    }
}

const STRUCTS: &[u32] = &[STRUCT, UNION];
