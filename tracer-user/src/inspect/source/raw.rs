//! The system calls about namespaces and rules that have no safe wrapper.
//!
//! Decides nothing.

use crate::model::identity::Netns;
use rustix::io::Errno;
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

const FILEID_NSFS: i32 = 0xf1;
