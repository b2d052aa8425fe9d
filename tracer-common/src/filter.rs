//! What a user wants to see, as far as the programs decide it: the map `FILTER`, of one entry, which may change while
//! they run.
//!
//! Values of one part are alternatives, parts add up, and a part without values lets everything pass.

/// The frozen global `FILTERS`: the parts that may ever have values, as `PART_*`. The verifier drops the others.
pub const PART_NETNS: u32 = 1;
pub const PART_PIDS: u32 = 2;
pub const PART_COMMS: u32 = 4;
pub const PART_PREFIXES: u32 = 8;
pub const PART_PORTS: u32 = 16;
/// The map `UNWANTED` says which cgroups are left out.
pub const PART_CGROUPS: u32 = 32;

/// Values that each part has room for.
pub const NETNS: usize = 16;
pub const PIDS: usize = 16;
pub const COMMS: usize = 8;
pub const PREFIXES: usize = 16;
pub const PORTS: usize = 16;

/// Entries of the map `UNWANTED`; past it the one that was not met for longest is forgotten, and wanted.
pub const UNWANTED: u32 = 4_096;

/// The entry of the map `FILTER`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    pub counts: Counts,
    /// As [`crate::event::Header::netns_inode`].
    pub netns: [u32; NETNS],
    /// As [`crate::event::Connection::tgid`].
    pub pids: [u32; PIDS],
    /// As [`crate::event::Connection::comm`], by words.
    pub comms: [[u64; 2]; COMMS],
    /// Of either end.
    pub prefixes: [Prefix; PREFIXES],
    /// Of either end, in network byte order.
    pub ports: [u16; PORTS],
}

/// How many of the values are meant.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub netns: u32,
    pub pids: u32,
    pub comms: u32,
    pub prefixes: u32,
    pub ports: u32,
    pub pad: u32,
}

/// An address prefix: addresses as in [`crate::tuple::Tuple`], by words.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Prefix {
    pub address: [u64; 2],
    /// The bits that decide; `address` has no others.
    pub mask: [u64; 2],
    /// As [`crate::tuple::Tuple::family`].
    pub family: u64,
}

const _: () = assert!(size_of::<Counts>() == 24);
const _: () = assert!(size_of::<Prefix>() == 40);
const _: () = assert!(size_of::<Filter>() == 952);

// SAFETY: `repr(C)`, integers and arrays only, no padding (the sizes above are the sums of the fields).
#[cfg(feature = "user")]
unsafe impl aya::Pod for Filter {}
