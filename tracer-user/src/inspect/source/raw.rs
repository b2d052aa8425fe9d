//! The system calls about namespaces and rules that have no safe wrapper.
//!
//! Decides nothing.

use crate::model::identity::Netns;
use rustix::io::Errno;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// The cookie of the thread's namespace; `None` before Linux 5.14.
pub(super) fn cookie() -> Option<u64> {
    let socket = rustix::net::socket(rustix::net::AddressFamily::UNIX, rustix::net::SocketType::DGRAM, None).ok()?;
    let mut cookie = 0_u64;
    let mut length = libc::socklen_t::try_from(size_of::<u64>()).ok()?;
    // SAFETY: both pointers are to live values, and `length` is the size of the first.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_NETNS_COOKIE,
            (&raw mut cookie).cast(),
            &raw mut length,
        )
    };
    (result == 0).then_some(cookie)
}

/// Asks a socket for an option, whose buffer also carries the question; how many bytes were written.
pub(super) fn socket_option(socket: BorrowedFd<'_>, level: i32, name: i32, buffer: &mut [u8]) -> Result<usize, Errno> {
    let mut length = libc::socklen_t::try_from(buffer.len()).map_err(|_| Errno::INVAL)?;
    // SAFETY: the buffer has as many bytes as `length` says, and both outlive the call.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            level,
            name,
            buffer.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    if result == 0 {
        Ok(usize::try_from(length).unwrap_or_default().min(buffer.len()))
    } else {
        Err(Errno::from_io_error(&io::Error::last_os_error()).unwrap_or(Errno::IO))
    }
}

/// The id of the BPF link that follows this one; `None`: there is no other, or we may not ask.
pub(super) fn link_after(id: u32) -> Option<u32> {
    let mut attributes = LinkId { id, next: 0, flags: 0 };
    bpf(LINK_GET_NEXT_ID, &mut attributes).ok()?;
    Some(attributes.next)
}

/// The start of a link's `struct bpf_link_info`.
pub(super) fn link_info(id: u32) -> Option<[u8; LINK_INFO]> {
    let mut attributes = LinkId { id, next: 0, flags: 0 };
    let descriptor = bpf(LINK_GET_FD_BY_ID, &mut attributes).ok()?;
    // SAFETY: the call returned a new descriptor that nobody else owns.
    let link = unsafe { OwnedFd::from_raw_fd(descriptor) };
    let mut info = [0; LINK_INFO];
    let mut attributes = Info {
        descriptor: u32::try_from(link.as_raw_fd()).ok()?,
        length: u32::try_from(LINK_INFO).ok()?,
        answer: (&raw mut info).expose_provenance() as u64,
    };
    bpf(OBJ_GET_INFO_BY_FD, &mut attributes).ok()?;
    Some(info)
}

/// How many programs are attached to a control group in this way; `None`: it is none of the unified hierarchy.
pub(super) fn programs_attached(cgroup: &File, attach_type: u32) -> Option<u32> {
    let mut attributes = Query {
        target: u32::try_from(cgroup.as_raw_fd()).ok()?,
        attach_type,
        ..Query::default()
    };
    bpf(PROG_QUERY, &mut attributes).ok()?;
    Some(attributes.count)
}

fn bpf<T>(command: i32, attributes: &mut T) -> Result<i32, Errno> {
    // SAFETY: every command here reads and writes no more than the attributes and what their pointers lead to, which all
    // outlive the call.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, &raw mut *attributes, size_of::<T>()) };
    match i32::try_from(result) {
        Ok(result) if result >= 0 => Ok(result),
        _ => Err(Errno::from_io_error(&io::Error::last_os_error()).unwrap_or(Errno::IO)),
    }
}

/// Of `union bpf_attr`, for `BPF_LINK_GET_NEXT_ID` and `BPF_LINK_GET_FD_BY_ID`.
#[repr(C)]
struct LinkId {
    id: u32,
    next: u32,
    flags: u32,
}

/// And for `BPF_OBJ_GET_INFO_BY_FD`.
#[repr(C)]
struct Info {
    descriptor: u32,
    length: u32,
    answer: u64,
}

/// And for `BPF_PROG_QUERY`, with no room for the programs' ids.
#[repr(C)]
#[derive(Default)]
struct Query {
    target: u32,
    attach_type: u32,
    flags: u32,
    attach_flags: u32,
    ids: u64,
    count: u32,
    pad: u32,
}

/// Opens a namespace without any path to it, held by whatever (from Linux 6.18 the cookie is the handle's id).
/// `mount` is a descriptor of any namespace.
pub(super) fn open_by_handle(mount: BorrowedFd<'_>, wanted: Netns) -> Result<OwnedFd, Errno> {
    let mut handle = Handle {
        bytes: 16,
        kind: FILEID_NSFS,
        id: wanted.cookie,
        namespace: libc::CLONE_NEWNET,
        inode: wanted.inode,
    };
    // SAFETY: the handle is a struct file_handle with 16 bytes, as it says, and outlives the call.
    let descriptor = unsafe {
        libc::syscall(
            libc::SYS_open_by_handle_at,
            mount.as_raw_fd(),
            &raw mut handle,
            libc::O_RDONLY | libc::O_CLOEXEC,
        )
    };
    match i32::try_from(descriptor) {
        // SAFETY: the call returned a new descriptor that nobody else owns.
        Ok(descriptor) if descriptor >= 0 => Ok(unsafe { OwnedFd::from_raw_fd(descriptor) }),
        _ => Err(Errno::from_io_error(&io::Error::last_os_error()).unwrap_or(Errno::IO)),
    }
}

/// `struct file_handle` with `struct nsfs_file_handle`.
#[repr(C)]
struct Handle {
    bytes: u32,
    kind: i32,
    id: u64,
    namespace: i32,
    inode: u32,
}

/// Bytes of `struct bpf_link_info` that are asked for: all kinds' first fields.
pub(super) const LINK_INFO: usize = 40;
const OBJ_GET_INFO_BY_FD: i32 = 15;
const PROG_QUERY: i32 = 16;
const LINK_GET_FD_BY_ID: i32 = 30;
const LINK_GET_NEXT_ID: i32 = 31;
const FILEID_NSFS: i32 = 0xf1;
