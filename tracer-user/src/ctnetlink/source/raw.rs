//! The system calls about the socket that have no safe wrapper.
//!
//! Decides nothing.

use crate::ctnetlink::filter::Instruction;
use std::io;
use std::mem::{MaybeUninit, zeroed};
use std::os::fd::{AsRawFd, BorrowedFd};

/// One datagram that was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Received {
    /// Of the datagram; more than the buffer has where it was cut.
    pub(super) length: usize,
    /// Other processes could send to the socket as well.
    pub(super) from_kernel: bool,
    /// What our namespace calls the one that it is from; `None`: our own.
    pub(super) nsid: Option<i32>,
}

/// Takes the next datagram, if there is one.
pub(super) fn receive(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<Received> {
    let mut control = MaybeUninit::<[u64; CONTROL_WORDS]>::zeroed();
    let mut part = libc::iovec {
        iov_base: buffer.as_mut_ptr().cast(),
        iov_len: buffer.len(),
    };
    // SAFETY: all of these are plain data for which zeros are a value.
    let (mut from, mut header) = unsafe { (zeroed::<libc::sockaddr_nl>(), zeroed::<libc::msghdr>()) };
    header.msg_name = (&raw mut from).cast();
    header.msg_namelen = libc::socklen_t::try_from(size_of::<libc::sockaddr_nl>()).unwrap_or(0);
    header.msg_iov = &raw mut part;
    header.msg_iovlen = 1;
    header.msg_control = control.as_mut_ptr().cast();
    header.msg_controllen = size_of::<[u64; CONTROL_WORDS]>();
    // SAFETY: every pointer in the header is to a live value of the size that stands beside it.
    let length = unsafe {
        libc::recvmsg(
            socket.as_raw_fd(),
            &raw mut header,
            libc::MSG_DONTWAIT | libc::MSG_TRUNC | libc::MSG_CMSG_CLOEXEC,
        )
    };
    let length = usize::try_from(length).map_err(|_| io::Error::last_os_error())?;
    Ok(Received {
        length,
        from_kernel: from.nl_pid == 0,
        nsid: nsid(&header),
    })
}

/// The kernel's message about the sender's namespace.
fn nsid(header: &libc::msghdr) -> Option<i32> {
    // SAFETY: the kernel filled the control buffer, which is alive, zeroed and aligned for its headers, and
    // set its length.
    let mut next = unsafe { libc::CMSG_FIRSTHDR(header) };
    // SAFETY: a pointer from these macros is null or to a whole header within the buffer.
    while let Some(control) = unsafe { next.as_ref() } {
        let whole = control.cmsg_len >= LENGTH;
        if whole && control.cmsg_level == libc::SOL_NETLINK && control.cmsg_type == libc::NETLINK_LISTEN_ALL_NSID {
            // SAFETY: the message is as long as a header with an int, which need not be aligned.
            return Some(unsafe { libc::CMSG_DATA(control).cast::<i32>().read_unaligned() });
        }
        // SAFETY: both pointers are of the same message.
        next = unsafe { libc::CMSG_NXTHDR(header, control) };
    }
    None
}

/// Messages that the kernel could not give to the socket, since it was opened; the count runs over.
pub(super) fn drops(socket: BorrowedFd<'_>) -> io::Result<u32> {
    let mut counts = [0_u32; MEMINFO_WORDS];
    let mut length = libc::socklen_t::try_from(size_of_val(&counts)).unwrap_or(0);
    // SAFETY: both pointers are to live values, and `length` is the size of the first.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_MEMINFO,
            counts.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    match counts {
        [.., drops] if result == 0 => Ok(drops),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Has the kernel give the socket only what the program lets through.
pub(super) fn attach_filter(socket: BorrowedFd<'_>, program: &[Instruction]) -> io::Result<()> {
    let mut program: Vec<_> = program
        .iter()
        .map(|&Instruction { code, yes, no, value }| libc::sock_filter {
            code,
            jt: yes,
            jf: no,
            k: value,
        })
        .collect();
    let program = libc::sock_fprog {
        len: u16::try_from(program.len()).unwrap_or(0),
        filter: program.as_mut_ptr(),
    };
    // SAFETY: the value is a struct sock_fprog whose instructions are alive and as many as it says.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_ATTACH_FILTER,
            (&raw const program).cast(),
            libc::socklen_t::try_from(size_of_val(&program)).unwrap_or(0),
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Room for one message about a namespace, and some more.
const CONTROL_WORDS: usize = 8;
/// A `struct cmsghdr` and an int.
const LENGTH: usize = size_of::<libc::cmsghdr>() + size_of::<i32>();
/// `SK_MEMINFO_VARS`; the last of them is `SK_MEMINFO_DROPS`.
const MEMINFO_WORDS: usize = 9;
