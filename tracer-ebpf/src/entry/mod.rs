//! The programs: thin, one per hook and way to attach it. A program is called `WAY_FUNCTION`, a tracepoint's like it.
//!
//! Where the arguments of a kernel function have moved between versions, the loader tells their positions.

mod clock;
mod kprobe;
mod tracepoint;
mod trampoline;
