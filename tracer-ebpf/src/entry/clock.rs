//! What the kernel's run-time statistics add to each run: the run time of a program that does nothing. It is attached
//! nowhere; user space has it run on request.

use aya_ebpf::{macros::raw_tracepoint, programs::RawTracePointContext};

#[raw_tracepoint]
fn nothing(_ctx: RawTracePointContext) -> i32 {
    0
}
