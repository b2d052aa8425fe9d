//! Every raw pointer of the programs: kernel memory and helpers here, the programs' own memory in [`own`], the place
//! of a call in [`frame`], what the helpers tell of the moment in [`helper`].
//!
//! It knows no kernel type; the accessors above it say which offset is what.

mod frame;
mod helper;
mod own;

use core::{ffi::c_void, mem::MaybeUninit};

use aya_ebpf::helpers::generated::{bpf_get_socket_cookie, bpf_probe_read_kernel, bpf_skc_to_tcp_sock};
pub(crate) use frame::{frame_at_entry, frame_at_return};
pub(crate) use helper::{bytes, cgroup_id, now, processor, task, task_name};
pub(crate) use own::{Entry, Slot, count, count_lost, enter_call, frozen, is_listed, leave_call, window, zeroed};
use tracer_common::{offsets::MISSING, stat::Hook};

/// The frozen offset of a field.
macro_rules! offset {
    ($field:ident) => {
        $crate::read::frozen(&$crate::map::OFFSETS.$field)
    };
}

/// A frozen setting.
macro_rules! config {
    ($field:ident) => {
        $crate::read::frozen(&$crate::map::CONFIG.$field)
    };
}

pub(crate) use {config, offset};

/// What can be read as it lies in memory.
///
/// # Safety
/// Any bytes are a value of the type.
pub(crate) unsafe trait Plain: Copy {}
// SAFETY: integers and arrays of them.
unsafe impl Plain for u8 {}
// SAFETY: as above.
unsafe impl Plain for u16 {}
// SAFETY: as above.
unsafe impl Plain for u32 {}
// SAFETY: as above.
unsafe impl Plain for u64 {}
// SAFETY: as above.
unsafe impl<const N: usize> Plain for [u64; N] {}

/// A struct of the kernel: how its fields are read depends on what the verifier knows of the pointer, and the bodies of
/// the hooks are written once for both.
pub(crate) trait Struct: Copy {
    /// Whether the verifier knows what it is: not in programs of kprobes.
    const IS_TYPED: bool;

    fn address(self) -> u64;

    /// The part `inner` bytes into the field at a frozen offset; `None` where this kernel has no such field, or it could
    /// not be read.
    fn load_at<T: Plain>(self, offset: u32, inner: usize) -> Option<T>;

    /// The struct that a pointer field leads to.
    fn follow(self, offset: u32) -> Option<Self>;

    /// Of a socket: the `struct tcp_sock` that it is; `None` for anything but a full TCP socket.
    fn tcp_sock(self) -> Option<Self>;

    /// Of a socket: its cookie, made on first use where that can be.
    fn socket_cookie(self) -> u64;

    /// The field at a frozen offset.
    #[inline(always)]
    fn load<T: Plain>(self, offset: u32) -> Option<T> {
        self.load_at(offset, 0)
    }
}

/// A pointer whose type the verifier knows: fields are plain loads, which it checks against the kernel's BTF.
#[derive(Clone, Copy)]
pub(crate) struct Object(*const u8);

impl Object {
    #[inline(always)]
    pub(crate) fn new(pointer: *const u8) -> Option<Self> {
        if pointer.is_null() { None } else { Some(Self(pointer)) }
    }
}

impl Struct for Object {
    const IS_TYPED: bool = true;

    #[inline(always)]
    fn address(self) -> u64 {
        self.0 as u64
    }

    #[inline(always)]
    fn load_at<T: Plain>(self, offset: u32, inner: usize) -> Option<T> {
        if offset == MISSING {
            return None;
        }
        // SAFETY: the verifier admits the load only where type, bounds and fault handling are sound. Volatile, so that
        // neighbouring loads are not merged into one that spans two fields, which it refuses.
        Some(unsafe { self.0.add(offset as usize).add(inner).cast::<T>().read_volatile() })
    }

    #[inline(always)]
    fn follow(self, offset: u32) -> Option<Self> {
        if offset == MISSING {
            return None;
        }
        // SAFETY: as in `load_at`; the pointer keeps its type for the verifier.
        Self::new(unsafe { self.0.add(offset as usize).cast::<*const u8>().read_volatile() })
    }

    #[inline(always)]
    fn tcp_sock(self) -> Option<Self> {
        // SAFETY: the helper checks the socket; the verifier checks that it is one.
        Self::new(unsafe { bpf_skc_to_tcp_sock(self.0.cast_mut().cast()) }.cast())
    }

    #[inline(always)]
    fn socket_cookie(self) -> u64 {
        // SAFETY: the verifier checks that it is a socket.
        unsafe { bpf_get_socket_cookie(self.0.cast_mut().cast()) }
    }
}

/// The number that a pointer is: with what it knows to be a pointer the verifier allows no arithmetic.
#[inline(always)]
pub(crate) fn number(pointer: u64) -> u64 {
    let mut number = 0_u64;
    // SAFETY: both are eight bytes of this program's stack. A read that fails leaves 0.
    unsafe { bpf_probe_read_kernel((&raw mut number).cast(), 8, (&raw const pointer).cast()) };
    number
}

/// Kernel memory known by its address only: every read is checked at run time, and a failed one is counted.
#[derive(Clone, Copy)]
pub(crate) struct Memory {
    pub(crate) address: u64,
    pub(crate) hook: Hook,
}

impl Memory {
    /// What an argument of a probed function points to.
    #[inline(always)]
    pub(crate) fn new(address: u64, hook: Hook) -> Option<Self> {
        (address != 0).then_some(Self { address, hook })
    }

    #[inline(always)]
    pub(crate) fn add(self, bytes: u64) -> Self {
        Self {
            address: self.address.wrapping_add(bytes),
            hook: self.hook,
        }
    }
}

impl Memory {
    /// What lies at a frozen offset; `None` where this kernel has no such field.
    #[inline(always)]
    pub(crate) fn field(self, offset: u32) -> Option<Self> {
        (offset != MISSING).then(|| self.add(u64::from(offset)))
    }
}

impl Struct for Memory {
    const IS_TYPED: bool = false;

    #[inline(always)]
    fn address(self) -> u64 {
        self.address
    }

    #[inline(always)]
    fn follow(self, offset: u32) -> Option<Self> {
        Self::new(self.load(offset)?, self.hook)
    }

    /// The caller has asked for the protocol: a TCP socket begins where its `struct sock` does.
    #[inline(always)]
    fn tcp_sock(self) -> Option<Self> {
        Some(self)
    }

    /// No helper makes one for a pointer that the verifier does not know; connects got theirs from the tracepoint.
    #[inline(always)]
    fn socket_cookie(self) -> u64 {
        self.load(offset!(sk_cookie)).unwrap_or(0)
    }

    #[inline(always)]
    fn load_at<T: Plain>(self, offset: u32, inner: usize) -> Option<T> {
        if offset == MISSING {
            return None;
        }
        let mut value = MaybeUninit::<T>::uninit();
        let source = self.address.wrapping_add(u64::from(offset) + inner as u64) as *const c_void;
        // SAFETY: the destination is `size_of::<T>()` bytes; the helper tolerates any source.
        if unsafe { bpf_probe_read_kernel(value.as_mut_ptr().cast(), size_of::<T>() as u32, source) } == 0 {
            // SAFETY: the helper filled it, and any bytes are a `T`.
            Some(unsafe { value.assume_init() })
        } else {
            count(self.hook, |row| row.failed_reads += 1);
            None
        }
    }
}
