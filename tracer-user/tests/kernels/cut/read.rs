//! BTF as a list of types that can be cut. It trusts its input: what it cuts is compared with the product's own reader.

use anyhow::Context as _;

/// The types of vmlinux or of one module. Numbers and strings of a module go on where those of vmlinux end.
pub(super) struct Blob {
    pub(super) name: String,
    pub(super) first_id: u32,
    first_string: u32,
    types: Vec<Type>,
    strings: Vec<u8>,
}

/// Three words, and as many groups of words as it has members, values or parameters.
#[derive(Clone)]
pub(super) struct Type {
    pub(super) name: u32,
    pub(super) info: u32,
    pub(super) size: u32,
    pub(super) groups: Vec<Vec<u32>>,
}

/// What a word is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Word {
    Name,
    Type,
    Number,
}

impl Blob {
    pub(super) fn read(name: &str, base: Option<&Self>, bytes: &[u8]) -> anyhow::Result<Self> {
        let head = words(bytes.get(..24).context("no header")?);
        let (header, types, length) = (head[1] as usize, head[2] as usize, head[3] as usize);
        let (strings, end) = (header + head[4] as usize, header + (head[4] + head[5]) as usize);
        let words = words(bytes.get(header + types..header + types + length).context("types")?);
        let mut blob = Self {
            name: name.to_owned(),
            first_id: base.map_or(1, Self::next_id),
            first_string: base.map_or(0, |base| base.strings.len().try_into().unwrap_or(u32::MAX)),
            types: Vec::new(),
            strings: bytes.get(strings..end).context("strings")?.to_owned(),
        };
        let mut rest = words.as_slice();
        while !rest.is_empty() {
            let (head, after) = rest.split_at_checked(3).context("a type's head")?;
            let mut ty = Type {
                name: head[0],
                info: head[1],
                size: head[2],
                groups: Vec::new(),
            };
            let group = ty.group().len();
            let (groups, after) = after.split_at_checked(group * ty.count()).context("a type's rest")?;
            ty.groups = groups.chunks(group.max(1)).map(<[u32]>::to_vec).collect();
            blob.types.push(ty);
            rest = after;
        }
        Ok(blob)
    }

    pub(super) fn next_id(&self) -> u32 {
        self.first_id + u32::try_from(self.types.len()).unwrap_or(u32::MAX)
    }

    /// The numbers of its own types.
    pub(super) fn ids(&self) -> impl Iterator<Item = u32> {
        self.first_id..self.next_id()
    }

    pub(super) fn get(&self, id: u32) -> Option<&Type> {
        self.types.get(id.checked_sub(self.first_id)? as usize)
    }

    /// `None`: it is one of vmlinux.
    pub(super) fn text(&self, offset: u32) -> Option<&[u8]> {
        let own = self.strings.get(offset.checked_sub(self.first_string)? as usize..)?;
        own.split(|&byte| byte == 0).next()
    }
}

impl Type {
    pub(super) fn kind(&self) -> u32 {
        self.info >> 24 & 0x1f
    }

    /// Whether the third word is a type, and not a size.
    pub(super) fn refers(&self) -> bool {
        matches!(
            self.kind(),
            PTR | TYPEDEF | VOLATILE | CONST | RESTRICT | FUNC | FUNC_PROTO | VAR | DECL_TAG | TYPE_TAG
        )
    }

    pub(super) fn group(&self) -> &'static [Word] {
        use Word::{Name, Number, Type};
        match self.kind() {
            INT | VAR | DECL_TAG => &[Number],
            ARRAY => &[Type, Type, Number],
            STRUCT | UNION => &[Name, Type, Number],
            ENUM => &[Name, Number],
            ENUM64 => &[Name, Number, Number],
            FUNC_PROTO => &[Name, Type],
            DATASEC => &[Type, Number, Number],
            _ => &[],
        }
    }

    fn count(&self) -> usize {
        match self.kind() {
            INT | VAR | DECL_TAG | ARRAY => 1,
            _ => (self.info & 0xffff) as usize,
        }
    }
}

fn words(bytes: &[u8]) -> Vec<u32> {
    let words = bytes.as_chunks().0.iter();
    words.map(|word| u32::from_ne_bytes(*word)).collect()
}

const INT: u32 = 1;
const PTR: u32 = 2;
const ARRAY: u32 = 3;
pub(super) const STRUCT: u32 = 4;
pub(super) const UNION: u32 = 5;
pub(super) const ENUM: u32 = 6;
pub(super) const TYPEDEF: u32 = 8;
pub(super) const VOLATILE: u32 = 9;
pub(super) const CONST: u32 = 10;
pub(super) const RESTRICT: u32 = 11;
pub(super) const FUNC: u32 = 12;
const FUNC_PROTO: u32 = 13;
const VAR: u32 = 14;
const DATASEC: u32 = 15;
const DECL_TAG: u32 = 17;
pub(super) const TYPE_TAG: u32 = 18;
pub(super) const ENUM64: u32 = 19;
