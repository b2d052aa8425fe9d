//! BTF as bytes: one walk over the types, then random access to them.
//!
//! Nothing here knows what a type is for. A module's BTF continues the numbers of vmlinux, types' and strings' alike.

use super::{Btf, BtfError};
use foldhash::fast::FixedState;
use std::hash::BuildHasher;
use std::sync::Arc;

/// A type's three fixed words, where what follows them starts, and the BTF that its numbers count in.
#[derive(Clone, Copy)]
pub(super) struct Type<'a> {
    owner: &'a Btf,
    pub(super) id: u32,
    name: u32,
    info: u32,
    /// Size, or the type referred to.
    pub(super) size: u32,
    rest: usize,
}

/// A member of a struct or union.
pub(super) struct Member<'a> {
    pub(super) name: &'a [u8],
    pub(super) id: u32,
    pub(super) bit: u32,
}

impl Btf {
    /// Walks the types of a whole kernel's BTF once.
    pub fn parse(bytes: Vec<u8>) -> Result<Self, BtfError> {
        Self::walk(None, bytes)
    }

    /// Walks the types of a module's BTF, which adds to those of the kernel that it was built for.
    ///
    /// Minimum kernel version: 5.11, with `CONFIG_DEBUG_INFO_BTF_MODULES`.
    pub fn module(base: Arc<Self>, bytes: Vec<u8>) -> Result<Self, BtfError> {
        Self::walk(Some(base), bytes)
    }

    fn walk(base: Option<Arc<Self>>, bytes: Vec<u8>) -> Result<Self, BtfError> {
        let word = |at| word(&bytes, at).ok_or(BtfError::Truncated(at));
        let magic = bytes
            .get(..2)
            .and_then(|magic| magic.try_into().ok())
            .map_or(0, u16::from_ne_bytes);
        if magic != MAGIC {
            return Err(BtfError::Magic(magic));
        }
        let header = word(4)? as usize;
        let (first, length) = (header.saturating_add(word(8)? as usize), word(12)? as usize);
        let strings = header.saturating_add(word(16)? as usize);
        let strings = strings..strings.saturating_add(word(20)? as usize);
        let end = first.saturating_add(length);
        if end > bytes.len() || strings.end > bytes.len() {
            return Err(BtfError::Truncated(bytes.len()));
        }
        let (first_id, first_string) = base
            .as_ref()
            .map_or((1, 0), |base| (base.next_id(), base.next_string()));
        let mut btf = Self {
            base,
            first_id,
            first_string,
            strings,
            types: Vec::with_capacity(length / 24),
            names: Vec::with_capacity(length / 48),
            bytes,
        };
        let mut at = first;
        while at < end {
            at = btf.add(at, end)?;
        }
        btf.names.sort_unstable();
        Ok(btf)
    }

    /// Takes in the type at `at`; returns where the next one starts.
    fn add(&mut self, at: usize, end: usize) -> Result<usize, BtfError> {
        let start = u32::try_from(at).map_err(|_| BtfError::Truncated(at))?;
        let id = self.next_id();
        let ty = self.at(at, id).ok_or(BtfError::Truncated(at))?;
        let rest = match ty.kind() {
            INT | VAR | DECL_TAG => 4,
            ARRAY => 12,
            STRUCT | UNION | DATASEC | ENUM64 => ty.count() * 12,
            ENUM | FUNC_PROTO => ty.count() * 8,
            PTR | FWD | TYPEDEF | VOLATILE | CONST | RESTRICT | FUNC | FLOAT | TYPE_TAG => 0,
            kind => return Err(BtfError::Kind { id, kind }),
        };
        let next = ty.rest + rest;
        if next > end {
            return Err(BtfError::Truncated(next));
        }
        let named = matches!(ty.kind(), STRUCT | UNION | ENUM | ENUM64 | TYPEDEF | FUNC);
        let name = ty.name().filter(|name| named && !name.is_empty()).map(hash);
        self.types.push(start);
        self.names.extend(name.map(|name| (name, id)));
        Ok(next)
    }

    /// The types of that name and one of the kinds: the module's own if it has one, else the kernel's.
    pub(super) fn all_named<'a>(&'a self, name: &str, kinds: &[u32]) -> impl Iterator<Item = Type<'a>> {
        let has_own = self.own_named(name, kinds).next().is_some();
        let base = self.base.as_deref().filter(|_| !has_own);
        // A module's base is a kernel, which has no base.
        self.own_named(name, kinds)
            .chain(base.into_iter().flat_map(move |base| base.own_named(name, kinds)))
    }

    /// The first type of that name and one of the kinds.
    pub(super) fn named(&self, name: &str, kinds: &[u32]) -> Option<Type<'_>> {
        self.all_named(name, kinds).next()
    }

    fn own_named<'a>(&'a self, name: &str, kinds: &[u32]) -> impl Iterator<Item = Type<'a>> {
        let wanted = hash(name.as_bytes());
        let start = self.names.partition_point(|&(hash, _)| hash < wanted);
        let equal = self.names.get(start..).unwrap_or_default().iter();
        equal
            .take_while(move |&&(hash, _)| hash == wanted)
            .filter_map(|&(_, id)| self.get(id))
            .filter(move |ty| kinds.contains(&ty.kind()) && ty.name() == Some(name.as_bytes()))
    }

    /// The type without typedefs and qualifiers.
    pub(super) fn stripped(&self, mut id: u32) -> Option<Type<'_>> {
        for _ in 0..DEPTH {
            let ty = self.get(id)?;
            if !matches!(ty.kind(), TYPEDEF | VOLATILE | CONST | RESTRICT | TYPE_TAG) {
                return Some(ty);
            }
            id = ty.size;
        }
        None
    }

    fn get(&self, id: u32) -> Option<Type<'_>> {
        match id.checked_sub(self.first_id) {
            Some(index) => self.at(*self.types.get(index as usize)? as usize, id),
            None => self.base.as_ref()?.get(id),
        }
    }

    fn at(&self, at: usize, id: u32) -> Option<Type<'_>> {
        let word = |index: usize| word(&self.bytes, at + index * 4);
        Some(Type {
            owner: self,
            id,
            name: word(0)?,
            info: word(1)?,
            size: word(2)?,
            rest: at + 12,
        })
    }

    fn text(&self, offset: u32) -> Option<&[u8]> {
        let Some(offset) = offset.checked_sub(self.first_string) else {
            return self.base.as_ref()?.text(offset);
        };
        let strings = self.bytes.get(self.strings.clone())?;
        strings.get(offset as usize..)?.split(|&byte| byte == 0).next()
    }

    pub(super) fn next_id(&self) -> u32 {
        u32::try_from(self.types.len()).map_or(u32::MAX, |count| self.first_id.saturating_add(count))
    }

    pub(super) fn next_string(&self) -> u32 {
        u32::try_from(self.strings.len()).map_or(u32::MAX, |length| self.first_string.saturating_add(length))
    }
}

impl<'a> Type<'a> {
    pub(super) fn kind(self) -> u32 {
        self.info >> 24 & 0x1f
    }

    pub(super) fn count(self) -> usize {
        (self.info & 0xffff) as usize
    }

    pub(super) fn name(self) -> Option<&'a [u8]> {
        self.owner.text(self.name)
    }

    /// What a pointer, typedef, function or the like refers to, without typedefs and qualifiers.
    pub(super) fn target(self) -> Option<Self> {
        self.owner.stripped(self.size)
    }

    /// A type that this one names, without typedefs and qualifiers.
    pub(super) fn stripped(self, id: u32) -> Option<Self> {
        self.owner.stripped(id)
    }

    /// The members of a struct or union.
    pub(super) fn members(self) -> impl Iterator<Item = Member<'a>> {
        (0..self.count()).map_while(move |index| {
            let at = self.rest + index * 12;
            let bit = self.word(at + 8)?;
            Some(Member {
                name: self.owner.text(self.word(at)?)?,
                id: self.word(at + 4)?,
                // With the kind flag the upper byte is the width of a bit field.
                bit: if self.info >> 31 == 1 { bit & 0x00ff_ffff } else { bit },
            })
        })
    }

    /// The names and values of an enum.
    pub(super) fn values(self) -> impl Iterator<Item = (&'a str, u64)> {
        let wide = self.kind() == ENUM64;
        (0..self.count()).filter_map(move |index| {
            let at = self.rest + index * if wide { 12 } else { 8 };
            let high = if wide { self.word(at + 8)? } else { 0 };
            let value = u64::from(high) << 32 | u64::from(self.word(at + 4)?);
            let name = self.owner.text(self.word(at)?)?;
            Some((std::str::from_utf8(name).ok()?, value))
        })
    }

    /// The names and types of a prototype's parameters.
    pub(super) fn parameters(self) -> impl Iterator<Item = (&'a str, u32)> {
        (0..self.count()).map_while(move |index| {
            let at = self.rest + index * 8;
            let name = self.owner.text(self.word(at)?).unwrap_or_default();
            Some((std::str::from_utf8(name).unwrap_or_default(), self.word(at + 4)?))
        })
    }

    fn word(self, at: usize) -> Option<u32> {
        word(&self.owner.bytes, at)
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

fn hash(name: &[u8]) -> u64 {
    FixedState::default().hash_one(name)
}

pub(super) const MAGIC: u16 = 0xeb9f;
/// Deeper nesting than any kernel's: ends a cycle in broken BTF.
pub(super) const DEPTH: u32 = 32;
pub(super) const INT: u32 = 1;
pub(super) const PTR: u32 = 2;
const ARRAY: u32 = 3;
pub(super) const STRUCT: u32 = 4;
pub(super) const UNION: u32 = 5;
pub(super) const ENUM: u32 = 6;
pub(super) const FWD: u32 = 7;
pub(super) const TYPEDEF: u32 = 8;
pub(super) const VOLATILE: u32 = 9;
pub(super) const CONST: u32 = 10;
const RESTRICT: u32 = 11;
pub(super) const FUNC: u32 = 12;
pub(super) const FUNC_PROTO: u32 = 13;
const VAR: u32 = 14;
const DATASEC: u32 = 15;
const FLOAT: u32 = 16;
const DECL_TAG: u32 = 17;
const TYPE_TAG: u32 = 18;
pub(super) const ENUM64: u32 = 19;
