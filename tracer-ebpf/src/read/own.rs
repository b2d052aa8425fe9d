//! The programs' own memory: frozen globals, map values and ring records.

use core::mem::MaybeUninit;

use tracer_common::{
    config::DROP_REASON_SLOTS,
    event::Connection,
    stat::{Counters, Hook},
};

use crate::map::{CALLS, CONNECTIONS, Call, DROP_REASONS, LIMITER, Limited, STATS, Window};

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

/// This processor's window of the limiter.
#[inline(always)]
pub(crate) fn window(of: Limited) -> Option<&'static mut Window> {
    // SAFETY: as in `count`; only one program uses each.
    LIMITER.get_ptr_mut(of as u32).map(|window| unsafe { &mut *window })
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

/// An entry of the table of connections, in place. Another processor may change it at the same time.
#[derive(Clone, Copy)]
pub(crate) struct Entry(*mut Connection);

impl Entry {
    #[inline(always)]
    pub(crate) fn find(key: u64) -> Option<Self> {
        CONNECTIONS.get_ptr_mut(key).map(Self)
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
