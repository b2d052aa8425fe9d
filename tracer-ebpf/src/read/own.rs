//! The programs' own memory: frozen globals, map values and ring records.

use core::mem::MaybeUninit;

use tracer_common::{
    config::DROP_REASON_SLOTS,
    event::Connection,
    stat::{Counters, Hook},
};

use crate::{
    limit::{Share, Shares},
    map::{
        self, CALLS, Call, DROP_REASONS, LIMITER, LOST, Limited, OVERFLOW, SHARES, SLOTS, STATS, WINDOWS_OF_EACH,
        Window,
    },
};

/// Reads a frozen global; the verifier knows the value and drops the branches it rules out.
#[inline(always)]
pub(crate) fn frozen<T: Copy>(value: &'static T) -> T {
    // SAFETY: a reference is valid to read. Volatile, because the loader changes what the compiler saw.
    unsafe { core::ptr::from_ref(value).read_volatile() }
}

/// Whether drops for this reason are sent.
#[inline(always)]
pub(crate) fn is_listed(reason: u32) -> bool {
    if reason as usize >= DROP_REASON_SLOTS {
        return false;
    }
    // SAFETY: the index was checked. Volatile as in `frozen`.
    unsafe {
        (&raw const DROP_REASONS)
            .cast::<u8>()
            .add(reason as usize)
            .read_volatile()
            != 0
    }
}

/// Changes the row of a hook on this processor.
#[inline(always)]
pub(crate) fn count(hook: Hook, change: impl FnOnce(&mut Counters)) {
    if let Some(row) = STATS.get_ptr_mut(hook as u32) {
        // SAFETY: the row is this processor's own, and a program does not interrupt itself.
        change(unsafe { &mut *row });
    }
}

/// Counts a record that found no room.
#[inline(always)]
pub(crate) fn count_lost(kind: u8) {
    if let Some(count) = LOST.get_ptr_mut(u32::from(kind)) {
        // SAFETY: as in `count`.
        unsafe { *count += 1 };
    }
}

/// This processor's window of the limiter: of everything, or of a share.
#[inline(always)]
pub(crate) fn window(of: Limited, share: Share) -> Option<&'static mut Window> {
    let place = match share {
        Share::All => 0,
        Share::Netns(inode) => 1 + inode % SHARES,
        Share::Port(Shares { netns, port }) => 1 + SHARES + netns.wrapping_add(port) % SHARES,
    };
    let index = of as u32 * WINDOWS_OF_EACH + place;
    // SAFETY: as in `count`; only one program uses each.
    LIMITER.get_ptr_mut(index).map(|window| unsafe { &mut *window })
}

/// Keeps what the return of a call needs to know.
#[inline(always)]
pub(crate) fn enter_call(frame: u64, call: Call) {
    // A call that finds no room is one whose end will not be told.
    let _ = CALLS.insert(frame, call, 0);
}

/// What was kept for a function's call that has returned, or that begins: then it is of one whose end was missed.
#[inline(always)]
pub(crate) fn leave_call(frame: u64, hook: Hook) -> Option<Call> {
    // SAFETY: copied at once; only the call itself has this frame.
    let call = unsafe { CALLS.get(frame).copied() }?;
    let _ = CALLS.remove(frame);
    (call.hook == hook as u32).then_some(call)
}

/// A place of the flat table.
#[derive(Clone, Copy)]
pub(crate) struct Slot(*mut map::Slot);

impl Slot {
    #[inline(always)]
    pub(crate) fn at(index: u32) -> Option<Self> {
        SLOTS.get_ptr_mut(index).map(Self)
    }

    /// Whose it is; 0: nobody's.
    #[inline(always)]
    pub(crate) fn key(self) -> u64 {
        // SAFETY: a map value stays readable while the program runs.
        unsafe { (&raw const (*self.0).key).read_volatile() }
    }

    /// Takes the place if nobody has it. Programs have no compare-and-swap before 5.12, but they can add: two that come
    /// at once both read a sum that is neither's key, and take their keys out again.
    #[inline(always)]
    pub(crate) fn claim(self, key: u64) -> bool {
        if self.key() != 0 {
            return false;
        }
        self.add(key);
        let is_mine = self.key() == key;
        if !is_mine {
            self.release(key);
        }
        is_mine
    }

    /// Leaves the place, which `key` has.
    #[inline(always)]
    pub(crate) fn release(self, key: u64) {
        self.add(key.wrapping_neg());
    }

    #[inline(always)]
    pub(crate) fn entry(self) -> Entry {
        // SAFETY: a field of a map value, which stays while the program runs.
        Entry(unsafe { &raw mut (*self.0).connection })
    }

    #[inline(always)]
    fn add(self, key: u64) {
        // SAFETY: the word is aligned, and stays while the program runs.
        unsafe { add(&raw mut (*self.0).key, key) };
    }
}

/// Adds to a word that other processors add to, too. The target has no atomic types; this is one instruction on every
/// kernel as long as nobody looks at the result.
///
/// # Safety
/// The pointer is aligned, and valid to read and write.
#[cfg(target_arch = "bpf")]
#[inline(always)]
unsafe fn add(word: *mut u64, value: u64) {
    use core::intrinsics::{AtomicOrdering, atomic_xadd};
    // SAFETY: as the caller says.
    unsafe { atomic_xadd::<u64, u64, { AtomicOrdering::Relaxed }>(word, value) };
}

/// For the lints, which look at the programs as the host's.
///
/// # Safety
/// As above.
#[cfg(not(target_arch = "bpf"))]
unsafe fn add(word: *mut u64, value: u64) {
    use core::sync::atomic::{AtomicU64, Ordering};
    // SAFETY: as the caller says.
    unsafe { AtomicU64::from_ptr(word) }.fetch_add(value, Ordering::Relaxed);
}

/// An entry of the table of connections, in place. Another processor may change it at the same time.
#[derive(Clone, Copy)]
pub(crate) struct Entry(*mut Connection);

impl Entry {
    /// Of those whose place was taken.
    #[inline(always)]
    pub(crate) fn in_overflow(key: u64) -> Option<Self> {
        OVERFLOW.get_ptr_mut(key).map(Self)
    }

    #[inline(always)]
    pub(crate) fn write(self, connection: &Connection) {
        // SAFETY: a map value stays writable while the program runs; nobody else has the key.
        unsafe { self.0.write(*connection) }
    }

    #[inline(always)]
    pub(crate) fn flags(self) -> u32 {
        // SAFETY: a map value stays readable while the program runs.
        unsafe { (&raw const (*self.0).flags).read_volatile() }
    }

    #[inline(always)]
    pub(crate) fn set(self, flags: u32) {
        // SAFETY: a map value stays writable while the program runs; a lost race costs a flag, never memory.
        unsafe { (&raw mut (*self.0).flags).write_volatile(self.flags() | flags) }
    }

    #[inline(always)]
    pub(crate) fn copy_to(self, owner: &mut Connection) {
        // SAFETY: as in `flags`; every bit pattern is a `Connection`.
        *owner = unsafe { *self.0 };
    }
}

/// Zeroes a fresh ring record, word by word: the record is larger than what may lie on the stack.
#[inline(always)]
pub(crate) fn zeroed<T>(record: &mut MaybeUninit<T>) -> &mut T {
    const { assert!(align_of::<T>() == 8 && size_of::<T>().is_multiple_of(8)) };
    let words = record.as_mut_ptr().cast::<u64>();
    for index in 0..size_of::<T>() / 8 {
        // SAFETY: within the record, which is aligned to 8. Volatile, so that no call to memset comes of it.
        unsafe { words.add(index).write_volatile(0) };
    }
    // SAFETY: records consist of integers; all zero is a value.
    unsafe { record.assume_init_mut() }
}
