//! A reader of the kernel's BTF: offsets of nested fields, sizes, enum values, arguments of tracepoints and functions.
//!
//! It reads vmlinux and, on top of it, a module's split BTF; it loads nothing into the kernel.

mod function;
mod parse;
mod targets;

pub use function::{Function, Parameter, ParameterKind};

use parse::{DEPTH, ENUM, ENUM64, FUNC, FUNC_PROTO, PTR, STRUCT, TYPEDEF, Type, UNION};
use std::fs;
use std::io::{self, ErrorKind};
use std::ops::Range;
use std::sync::Arc;

/// The running kernel's BTF.
pub const VMLINUX: &str = "/sys/kernel/btf/vmlinux";

/// Why there is no BTF to read.
#[derive(Debug, thiserror::Error)]
pub enum BtfError {
    #[error("cannot read {VMLINUX} ({0}): this kernel was built without CONFIG_DEBUG_INFO_BTF, or /sys is not mounted")]
    Read(#[source] io::Error),
    #[error("cannot read the BTF of the module {name}: {source}")]
    ReadModule { name: String, source: io::Error },
    #[error("the BTF does not start like one of this machine's byte order (magic {0:#06x})")]
    Magic(u16),
    #[error("the BTF ends early, or points outside itself, at byte {0}")]
    Truncated(usize),
    #[error("type {id} of the BTF is of the unknown kind {kind}")]
    Kind { id: u32, kind: u32 },
}

/// Parsed BTF. Lookups are total: whatever the bytes are, they answer `None` or something that is in them.
pub struct Btf {
    /// What a module's BTF adds to.
    base: Option<Arc<Self>>,
    /// The number of the first type and the offset of the first string that are not the base's.
    first_id: u32,
    first_string: u32,
    bytes: Vec<u8>,
    /// Where in the bytes the strings are.
    strings: Range<usize>,
    /// Where in the bytes each type starts.
    types: Vec<u32>,
    /// Hash of the name and id of every named type, sorted.
    names: Vec<(u64, u32)>,
}

impl Btf {
    /// The running kernel's.
    pub fn of_running_kernel() -> Result<Self, BtfError> {
        Self::parse(fs::read(VMLINUX).map_err(BtfError::Read)?)
    }

    /// A loaded module's; `None` where it is not loaded, or has no BTF.
    pub fn of_running_module(base: &Arc<Self>, name: &str) -> Result<Option<Self>, BtfError> {
        match fs::read(format!("/sys/kernel/btf/{name}")) {
            Ok(bytes) => Self::module(Arc::clone(base), bytes).map(Some),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(source) => Err(BtfError::ReadModule {
                name: name.to_owned(),
                source,
            }),
        }
    }

    /// Resolves `struct.member.member` (members of unnamed parts included) to bytes, `sizeof struct` to its size.
    pub fn offset(&self, path: &str) -> Option<u32> {
        if let Some(name) = path.strip_prefix("sizeof ") {
            return Some(self.named(name, STRUCTS)?.size);
        }
        let mut parts = path.split('.');
        let mut ty = self.named(parts.next()?, STRUCTS)?;
        let mut bits = 0u32;
        for name in parts {
            let (bit, member) = ty.member(name.as_bytes(), 0, &mut { MEMBERS })?;
            bits = bits.checked_add(bit)?;
            ty = member;
        }
        bits.is_multiple_of(8).then_some(bits / 8)
    }

    /// The names and values of an enum.
    pub fn enum_values(&self, name: &str) -> impl Iterator<Item = (&str, u64)> {
        self.named(name, &[ENUM, ENUM64]).into_iter().flat_map(Type::values)
    }

    /// How many arguments a tracepoint hands to a program; `None` where the kernel has no such tracepoint.
    pub fn tracepoint_args(&self, name: &str) -> Option<u32> {
        let typedef = self.named(&tracepoint_type(name), &[TYPEDEF])?;
        let pointer = typedef.target().filter(|ty| ty.kind() == PTR)?;
        let proto = pointer.target().filter(|ty| ty.kind() == FUNC_PROTO)?;
        // The first parameter is the tracepoint's private data.
        u32::try_from(proto.count().checked_sub(1)?).ok()
    }

    /// Whether the kernel has a function of that name. It may be inlined everywhere all the same.
    pub fn has_function(&self, name: &str) -> bool {
        self.named(name, &[FUNC]).is_some()
    }
}

impl Type<'_> {
    /// Bits from the start of the struct to the member, and the member's type; looks at most at `left` members.
    fn member(self, name: &[u8], depth: u32, left: &mut u32) -> Option<(u32, Self)> {
        if !STRUCTS.contains(&self.kind()) || depth > DEPTH {
            return None;
        }
        self.members().find_map(|member| {
            *left = left.checked_sub(1)?;
            let ty = || self.stripped(member.id);
            match member.name {
                b"" => {
                    let (bit, inner) = ty()?.member(name, depth + 1, left)?;
                    Some((member.bit.checked_add(bit)?, inner))
                }
                text => (text == name).then_some((member.bit, ty()?)),
            }
        })
    }
}

/// The typedef of a tracepoint's functions.
fn tracepoint_type(tracepoint: &str) -> String {
    format!("btf_trace_{tracepoint}")
}

const STRUCTS: &[u32] = &[STRUCT, UNION];
/// More members than any kernel's struct has: ends the search in broken BTF.
const MEMBERS: u32 = 1 << 16;

#[cfg(test)]
mod tests;
