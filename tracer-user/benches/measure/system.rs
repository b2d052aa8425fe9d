//! Raw system calls: an empty program beside ours, and the CPU clock of another process.

use anyhow::Context as _;
use rustix::thread::{UnshareFlags, unshare_unsafe};
use std::ffi::CStr;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd, RawFd};
use std::process::Child;
use std::time::Duration;
use std::{io, thread};

/// A program that only returns, at a tracepoint. Raw tracepoints and `tp_btf` are run, and timed, by the same kernel
/// code, so what the kernel says it costs is what the timing itself costs.
pub(crate) struct Empty {
    program: OwnedFd,
    /// Attached for as long as this is open.
    _link: OwnedFd,
}

impl Empty {
    pub(crate) fn attach(tracepoint: &CStr) -> io::Result<Self> {
        let load = Load {
            kind: PROG_TYPE_RAW_TRACEPOINT,
            instructions: 2,
            code: RETURN_0.as_ptr() as u64,
            license: c"Dual MIT/GPL".as_ptr() as u64,
            rest: [0; 3],
        };
        let program = bpf(PROG_LOAD, &load)?;
        let open = Open {
            name: tracepoint.as_ptr() as u64,
            program: program.as_raw_fd(),
            pad: 0,
        };
        let link = bpf(RAW_TRACEPOINT_OPEN, &open)?;
        Ok(Self { program, _link: link })
    }

    pub(crate) fn descriptor(&self) -> RawFd {
        self.program.as_raw_fd()
    }
}

/// Does the work in a network namespace of its own, which goes with the thread that does it.
pub(crate) fn in_own_network<T: Send>(work: impl FnOnce() -> anyhow::Result<T> + Send) -> anyhow::Result<T> {
    let inside = || {
        // SAFETY: only the namespace is unshared, no file table.
        unsafe { unshare_unsafe(UnshareFlags::NEWNET) }.context("a network namespace of its own")?;
        work()
    };
    let done = thread::scope(|scope| scope.spawn(inside).join());
    done.ok().context("the measuring thread panicked")?
}

/// User and system time of a process, all its threads, those that ended too.
pub(crate) fn cpu_time(pid: u32) -> io::Result<Duration> {
    let pid = libc::pid_t::try_from(pid).map_err(io::Error::other)?;
    let mut clock = 0;
    // SAFETY: the clock's id is written to a variable that lives.
    let error = unsafe { libc::clock_getcpuclockid(pid, &raw mut clock) };
    if error != 0 {
        return Err(io::Error::from_raw_os_error(error));
    }
    let mut time = MaybeUninit::<libc::timespec>::uninit();
    // SAFETY: the time is written to a variable that lives.
    if unsafe { libc::clock_gettime(clock, time.as_mut_ptr()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call succeeded, so it was written.
    let time = unsafe { time.assume_init() };
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanos = u32::try_from(time.tv_nsec).unwrap_or(0);
    Ok(Duration::new(seconds, nanos))
}

/// Waits for a process to end well; the most memory it had, in bytes.
pub(crate) fn peak_memory(child: &Child) -> io::Result<u64> {
    let pid = libc::pid_t::try_from(child.id()).map_err(io::Error::other)?;
    let mut status = 0;
    let mut usage = MaybeUninit::<libc::rusage>::uninit();
    // SAFETY: both results are written to variables that live.
    if unsafe { libc::wait4(pid, &raw mut status, 0, usage.as_mut_ptr()) } != pid {
        return Err(io::Error::last_os_error());
    }
    if status != 0 {
        return Err(io::Error::other(format!("it ended with status {status:#x}")));
    }
    // SAFETY: the call succeeded, so it was written.
    let kibibytes = unsafe { usage.assume_init() }.ru_maxrss;
    Ok(u64::try_from(kibibytes).unwrap_or(0) * 1024)
}

fn bpf<T>(command: libc::c_int, attributes: &T) -> io::Result<OwnedFd> {
    // SAFETY: both commands read the attributes, whose pointers lead to data that outlives the call, and write nothing.
    let fd = unsafe { libc::syscall(libc::SYS_bpf, command, attributes, size_of::<T>()) };
    let fd = RawFd::try_from(fd).map_err(io::Error::other)?;
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel just made it, for us.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// The start of `union bpf_attr` for `BPF_PROG_LOAD`.
#[repr(C)]
struct Load {
    kind: u32,
    instructions: u32,
    code: u64,
    license: u64,
    /// The verifier's log, the kernel version, flags: none.
    rest: [u64; 3],
}

/// And for `BPF_RAW_TRACEPOINT_OPEN`.
#[repr(C)]
struct Open {
    name: u64,
    program: RawFd,
    pad: u32,
}

const PROG_LOAD: libc::c_int = 5;
const RAW_TRACEPOINT_OPEN: libc::c_int = 17;
const PROG_TYPE_RAW_TRACEPOINT: u32 = 17;
/// `r0 = 0; exit`.
static RETURN_0: [[u8; 8]; 2] = [[0xb7, 0, 0, 0, 0, 0, 0, 0], [0x95, 0, 0, 0, 0, 0, 0, 0]];
