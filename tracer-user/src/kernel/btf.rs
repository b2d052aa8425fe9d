//! A reader of the kernel's BTF: offsets of nested fields, sizes, enum values, arguments of tracepoints.
//!
//! It reads one blob (vmlinux, no module's split BTF) and loads nothing into the kernel; aya does that with its own.

use foldhash::fast::FixedState;
use std::fs;
use std::hash::BuildHasher;
use std::io;

/// The running kernel's BTF.
pub const VMLINUX: &str = "/sys/kernel/btf/vmlinux";

/// Why there is no BTF to read.
#[derive(Debug, thiserror::Error)]
pub enum BtfError {
    #[error("cannot read {VMLINUX} ({0}): this kernel was built without CONFIG_DEBUG_INFO_BTF, or /sys is not mounted")]
    Read(#[source] io::Error),
    #[error("{VMLINUX} does not start like BTF of this machine's byte order (magic {0:#06x})")]
    Magic(u16),
    #[error("the BTF ends early, or points outside itself, at byte {0}")]
    Truncated(usize),
    #[error("type {id} of the BTF is of the unknown kind {kind}")]
    Kind { id: usize, kind: u32 },
}

/// Parsed BTF. Lookups are total: whatever the bytes are, they answer `None` or something that is in them.
pub struct Btf {
    bytes: Vec<u8>,
    /// Where the strings start.
    strings: usize,
    /// Where each type starts; index 0 is type 1.
    types: Vec<u32>,
    /// Hash of the name and id of every named type, sorted.
    names: Vec<(u64, u32)>,
}

/// A type's three fixed words, and where what follows them starts.
#[derive(Clone, Copy)]
struct Type {
    name: u32,
    info: u32,
    /// Size, or the type referred to.
    size: u32,
    rest: usize,
}

/// A member of a struct or union.
struct Member {
    name: u32,
    id: u32,
    bit: u32,
}

impl Btf {
    /// The running kernel's.
    pub fn of_running_kernel() -> Result<Self, BtfError> {
        Self::parse(fs::read(VMLINUX).map_err(BtfError::Read)?)
    }

    /// Walks the types once.
    pub fn parse(bytes: Vec<u8>) -> Result<Self, BtfError> {
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
        let end = first.saturating_add(length);
        if end > bytes.len() || strings > bytes.len() {
            return Err(BtfError::Truncated(bytes.len()));
        }
        let mut btf = Self {
            strings,
            types: Vec::with_capacity(length / 24),
            names: Vec::new(),
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
        let ty = self.at(at).ok_or(BtfError::Truncated(at))?;
        self.types.push(u32::try_from(at).map_err(|_| BtfError::Truncated(at))?);
        let id = self.types.len();
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
        if matches!(ty.kind(), STRUCT | UNION | ENUM | ENUM64 | TYPEDEF | FUNC)
            && let Some(name) = self.text(ty.name).filter(|name| !name.is_empty())
            && let Ok(id) = u32::try_from(id)
        {
            self.names.push((hash(name), id));
        }
        Ok(next)
    }

    /// Resolves `struct.member.member` (members of unnamed parts included) to bytes, `sizeof struct` to its size.
    pub fn offset(&self, path: &str) -> Option<u32> {
        if let Some(name) = path.strip_prefix("sizeof ") {
            return Some(self.named(name, &[STRUCT, UNION])?.size);
        }
        let mut parts = path.split('.');
        let mut ty = self.named(parts.next()?, &[STRUCT, UNION])?;
        let mut bits = 0u32;
        for name in parts {
            let (bit, id) = self.member(ty, name.as_bytes(), 0)?;
            bits = bits.checked_add(bit)?;
            ty = self.stripped(id)?;
        }
        bits.is_multiple_of(8).then_some(bits / 8)
    }

    /// The names and values of an enum.
    pub fn enum_values(&self, name: &str) -> impl Iterator<Item = (&str, u64)> {
        let found = self.named(name, &[ENUM, ENUM64]);
        let count = found.map_or(0, Type::count);
        (0..count).filter_map(move |index| self.enum_value(found?, index))
    }

    /// How many arguments a tracepoint hands to a program; `None` where the kernel has no such tracepoint.
    pub fn tracepoint_args(&self, name: &str) -> Option<u32> {
        let typedef = self.named(&format!("btf_trace_{name}"), &[TYPEDEF])?;
        let pointer = self.stripped(typedef.size).filter(|ty| ty.kind() == PTR)?;
        let proto = self.stripped(pointer.size).filter(|ty| ty.kind() == FUNC_PROTO)?;
        // The first parameter is the tracepoint's private data.
        u32::try_from(proto.count().checked_sub(1)?).ok()
    }

    /// Whether the kernel has a function of that name. It may be inlined everywhere all the same.
    pub fn has_function(&self, name: &str) -> bool {
        self.named(name, &[FUNC]).is_some()
    }

    /// Bits from the start of `ty` to the member, and the member's type.
    fn member(&self, ty: Type, name: &[u8], depth: u32) -> Option<(u32, u32)> {
        if !matches!(ty.kind(), STRUCT | UNION) || depth > DEPTH {
            return None;
        }
        (0..ty.count()).find_map(|index| {
            let member = self.member_at(ty, index)?;
            match self.text(member.name)? {
                b"" => {
                    let (bit, id) = self.member(self.stripped(member.id)?, name, depth + 1)?;
                    Some((member.bit.checked_add(bit)?, id))
                }
                text => (text == name).then_some((member.bit, member.id)),
            }
        })
    }

    fn member_at(&self, ty: Type, index: usize) -> Option<Member> {
        let at = ty.rest + index * 12;
        let bit = word(&self.bytes, at + 8)?;
        // With the kind flag the upper byte is the width of a bit field.
        let bit = if ty.info >> 31 == 1 { bit & 0x00ff_ffff } else { bit };
        Some(Member {
            name: word(&self.bytes, at)?,
            id: word(&self.bytes, at + 4)?,
            bit,
        })
    }

    fn enum_value(&self, ty: Type, index: usize) -> Option<(&str, u64)> {
        let wide = ty.kind() == ENUM64;
        let at = ty.rest + index * if wide { 12 } else { 8 };
        let high = if wide { word(&self.bytes, at + 8)? } else { 0 };
        let value = u64::from(high) << 32 | u64::from(word(&self.bytes, at + 4)?);
        Some((std::str::from_utf8(self.text(word(&self.bytes, at)?)?).ok()?, value))
    }

    /// The type of that name and one of the kinds.
    fn named(&self, name: &str, kinds: &[u32]) -> Option<Type> {
        let wanted = hash(name.as_bytes());
        let start = self.names.partition_point(|&(hash, _)| hash < wanted);
        self.names
            .get(start..)?
            .iter()
            .take_while(|&&(hash, _)| hash == wanted)
            .filter_map(|&(_, id)| self.get(id))
            .find(|ty| kinds.contains(&ty.kind()) && self.text(ty.name) == Some(name.as_bytes()))
    }

    /// The type without typedefs and qualifiers.
    fn stripped(&self, mut id: u32) -> Option<Type> {
        for _ in 0..DEPTH {
            let ty = self.get(id)?;
            if !matches!(ty.kind(), TYPEDEF | VOLATILE | CONST | RESTRICT | TYPE_TAG) {
                return Some(ty);
            }
            id = ty.size;
        }
        None
    }

    fn get(&self, id: u32) -> Option<Type> {
        self.at(*self.types.get((id as usize).checked_sub(1)?)? as usize)
    }

    fn at(&self, at: usize) -> Option<Type> {
        let word = |index: usize| word(&self.bytes, at + index * 4);
        Some(Type {
            name: word(0)?,
            info: word(1)?,
            size: word(2)?,
            rest: at + 12,
        })
    }

    fn text(&self, offset: u32) -> Option<&[u8]> {
        let text = self.bytes.get(self.strings.checked_add(offset as usize)?..)?;
        text.split(|&byte| byte == 0).next()
    }
}

impl Type {
    fn kind(self) -> u32 {
        self.info >> 24 & 0x1f
    }

    fn count(self) -> usize {
        (self.info & 0xffff) as usize
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

fn hash(name: &[u8]) -> u64 {
    FixedState::default().hash_one(name)
}

const MAGIC: u16 = 0xeb9f;
/// Deeper nesting than any kernel's: ends a cycle in broken BTF.
const DEPTH: u32 = 32;
const INT: u32 = 1;
const PTR: u32 = 2;
const ARRAY: u32 = 3;
const STRUCT: u32 = 4;
const UNION: u32 = 5;
const ENUM: u32 = 6;
const FWD: u32 = 7;
const TYPEDEF: u32 = 8;
const VOLATILE: u32 = 9;
const CONST: u32 = 10;
const RESTRICT: u32 = 11;
const FUNC: u32 = 12;
const FUNC_PROTO: u32 = 13;
const VAR: u32 = 14;
const DATASEC: u32 = 15;
const FLOAT: u32 = 16;
const DECL_TAG: u32 = 17;
const TYPE_TAG: u32 = 18;
const ENUM64: u32 = 19;

#[cfg(test)]
mod tests {
    use super::*;
    use tracer_common::offsets::{MISSING, Offsets};

    fn running() -> Btf {
        Btf::of_running_kernel().expect("the tests need a kernel with BTF")
    }

    #[test]
    fn offsets_that_no_kernel_ever_moved_are_found() {
        let btf = running();
        for (path, offset) in [
            ("sock.__sk_common.skc_daddr", 0),
            ("sock.__sk_common.skc_rcv_saddr", 4),
            ("sock.__sk_common.skc_dport", 12),
            ("sock.__sk_common.skc_state", 18),
            ("sock.__sk_common.skc_net.net", 48),
            ("sock.__sk_common.skc_v6_daddr", 56),
            ("sk_buff.sk", 24),
            ("nf_conntrack_tuple.dst.u.tcp.port", 36),
            ("sizeof nf_conntrack_tuple_hash", 56),
        ] {
            assert_eq!(btf.offset(path), Some(offset), "{path}");
        }
    }

    #[test]
    fn every_field_the_probes_read_is_in_the_running_kernel() {
        let btf = running();
        let offsets = Offsets::resolve(|path| btf.offset(path));
        let missing: Vec<_> = offsets.iter().filter(|&(_, offset)| offset == MISSING).collect();
        assert!(missing.is_empty(), "missing: {missing:?}");
    }

    #[test]
    fn absent_names_and_members_are_none() {
        let btf = running();
        for path in [
            "",
            "sock",
            "no_such_struct.member",
            "sock.no_such_member",
            "sock.sk_err.deeper",
            "sizeof nothing",
        ] {
            assert!(
                btf.offset(path).is_none_or(|offset| path == "sock" && offset == 0),
                "{path}"
            );
        }
        assert_eq!(btf.tracepoint_args("no_such_tracepoint"), None);
        assert_eq!(btf.enum_values("no_such_enum").count(), 0);
    }

    #[test]
    fn enum_values_and_tracepoint_arguments_are_read() {
        let btf = running();
        assert!(
            btf.enum_values("tcp_conntrack")
                .any(|value| value == ("TCP_CONNTRACK_CLOSE", 8))
        );
        assert_eq!(btf.tracepoint_args("inet_sock_set_state"), Some(3));
        assert!(btf.has_function("tcp_v4_rcv") && !btf.has_function("tcp_v4_rcv_not"));
    }

    #[test]
    fn truncated_bytes_are_an_error() {
        let bytes = fs::read(VMLINUX).unwrap();
        for length in [0, 1, 2, 3, 8, 23, 24, 25, 36, 1000, bytes.len() / 2] {
            assert!(Btf::parse(bytes[..length].to_vec()).is_err(), "{length} bytes");
        }
    }

    #[test]
    fn a_typedef_of_itself_ends() {
        let mut bytes = Vec::new();
        bytes.extend(MAGIC.to_ne_bytes());
        bytes.extend([1, 0]);
        for word in [24u32, 0, 12, 12, 13, 1, TYPEDEF << 24, 1] {
            bytes.extend(word.to_ne_bytes());
        }
        bytes.extend(b"\0btf_trace_a\0");
        let btf = Btf::parse(bytes).unwrap();
        assert_eq!(btf.tracepoint_args("a"), None);
    }
}
