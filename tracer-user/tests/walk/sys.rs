//! The sockets of the test, by raw system calls where no library has them.

use rustix::net::netdevice::name_to_index;
use rustix::net::{self, AddressFamily, RecvFlags, SocketFlags, SocketType};
use std::ffi::c_int;
use std::mem::zeroed;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// Sees all frames that come to `device` and sends on it.
pub(crate) fn packet(device: &str) -> OwnedFd {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = net::socket_with(AddressFamily::PACKET, SocketType::RAW, flags, None).unwrap();
    set(&socket, libc::SOL_PACKET, PACKET_IGNORE_OUTGOING, &1_i32);
    let address = libc::sockaddr_ll {
        sll_family: u16::try_from(libc::AF_PACKET).unwrap(),
        sll_protocol: u16::try_from(libc::ETH_P_ALL).unwrap().to_be(),
        sll_ifindex: i32::try_from(name_to_index(&socket, device).unwrap()).unwrap(),
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 0,
        sll_addr: [0; 8],
    };
    let length = libc::socklen_t::try_from(size_of_val(&address)).unwrap();
    // SAFETY: the pointer and length are those of a whole `sockaddr_ll`, which outlives the call.
    let result = unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), length) };
    assert_eq!(result, 0, "{device}: {}", std::io::Error::last_os_error());
    socket
}

/// Sends whole IP packets, as a socket of this user and group.
pub(crate) fn sender(v6: bool, uid: u32, gid: u32) -> OwnedFd {
    // SAFETY: numbers only; they change the calling thread alone.
    unsafe {
        libc::setfsgid(gid);
        libc::setfsuid(uid);
    }
    let socket = raw(v6, libc::IPPROTO_RAW);
    // SAFETY: as above.
    unsafe {
        libc::setfsuid(0);
        libc::setfsgid(0);
    }
    transparent(&socket, v6);
    socket
}

/// Gets a copy of what is delivered to this host.
pub(crate) fn listener(v6: bool, protocol: c_int) -> OwnedFd {
    let socket = raw(v6, protocol);
    if v6 {
        set(&socket, libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO, &1_i32);
    }
    socket
}

fn raw(v6: bool, protocol: c_int) -> OwnedFd {
    let domain = if v6 { libc::AF_INET6 } else { libc::AF_INET };
    own(
        domain,
        libc::SOCK_RAW | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC,
        protocol,
    )
}

/// A socket on a port that swallows everything, so that the kernel answers nothing.
pub(crate) fn sink(tcp: bool, port: u16, is_transparent: bool) -> OwnedFd {
    let kind = if tcp { libc::SOCK_STREAM } else { libc::SOCK_DGRAM };
    let socket = own(libc::AF_INET6, kind | libc::SOCK_CLOEXEC, 0);
    let mut program = [libc::sock_filter {
        code: 6,
        jt: 0,
        jf: 0,
        k: 0,
    }];
    let filter = libc::sock_fprog {
        len: 1,
        filter: program.as_mut_ptr(),
    };
    set(&socket, libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, &filter);
    if is_transparent {
        transparent(&socket, true);
    }
    net::bind(&socket, &SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), port)).unwrap();
    if tcp {
        net::listen(&socket, 1).unwrap();
    }
    socket
}

fn transparent(socket: &OwnedFd, v6: bool) {
    if v6 {
        set(socket, libc::IPPROTO_IPV6, libc::IPV6_TRANSPARENT, &1_i32);
    } else {
        set(socket, libc::IPPROTO_IP, libc::IP_TRANSPARENT, &1_i32);
    }
}

pub(crate) fn mark(socket: &OwnedFd, mark: u32) {
    set(socket, libc::SOL_SOCKET, libc::SO_MARK, &mark);
}

fn own(domain: c_int, kind: c_int, protocol: c_int) -> OwnedFd {
    // SAFETY: numbers only.
    let descriptor = unsafe { libc::socket(domain, kind, protocol) };
    assert!(descriptor >= 0, "socket: {}", std::io::Error::last_os_error());
    // SAFETY: the kernel has just made it, and nobody else knows it.
    unsafe { OwnedFd::from_raw_fd(descriptor) }
}

fn set<T>(socket: &OwnedFd, level: c_int, name: c_int, value: &T) {
    let length = libc::socklen_t::try_from(size_of::<T>()).unwrap();
    // SAFETY: the pointer and length are those of a value that outlives the call.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            name,
            std::ptr::from_ref(value).cast(),
            length,
        )
    };
    assert_eq!(result, 0, "option {level} {name}: {}", std::io::Error::last_os_error());
}

/// The next packet without its addresses, which are beside it (IPv6's raw sockets show no header). `None`: no more.
pub(crate) fn receive_v6(socket: &OwnedFd, buffer: &mut [u8]) -> Option<(usize, IpAddr, IpAddr)> {
    // SAFETY: all three are plain data for which zeros are valid.
    let (mut name, mut control, mut message) = unsafe {
        (
            zeroed::<libc::sockaddr_in6>(),
            zeroed::<[u64; 16]>(),
            zeroed::<libc::msghdr>(),
        )
    };
    let mut part = libc::iovec {
        iov_base: buffer.as_mut_ptr().cast(),
        iov_len: buffer.len(),
    };
    message.msg_name = (&raw mut name).cast();
    message.msg_namelen = libc::socklen_t::try_from(size_of_val(&name)).unwrap();
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = (&raw mut control).cast();
    message.msg_controllen = size_of_val(&control);
    // SAFETY: all pointers in the header are to live values of the given lengths.
    let length = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut message, 0) };
    let length = usize::try_from(length).ok()?;
    // SAFETY: the kernel has filled the control buffer, of which the first header is asked.
    let first = unsafe { libc::CMSG_FIRSTHDR(&raw const message).as_ref() }.unwrap();
    assert_eq!(first.cmsg_type, libc::IPV6_PKTINFO);
    // SAFETY: a message of this type holds this structure.
    let info = unsafe { libc::CMSG_DATA(first).cast::<libc::in6_pktinfo>().read_unaligned() };
    let address = |bytes: [u8; 16]| IpAddr::from(Ipv6Addr::from(bytes));
    Some((length, address(name.sin6_addr.s6_addr), address(info.ipi6_addr.s6_addr)))
}

/// The next packet with its header. `None`: no more.
pub(crate) fn receive(socket: &OwnedFd, buffer: &mut [u8]) -> Option<usize> {
    net::recv(socket, buffer, RecvFlags::DONTWAIT)
        .ok()
        .map(|(length, _)| length)
}

/// Runs everything of this thread and of the kernel's queues behind it on one processor, in order.
pub(crate) fn pin() {
    let mut only = rustix::thread::CpuSet::new();
    only.set(rustix::thread::sched_getcpu());
    rustix::thread::sched_setaffinity(None, &only).unwrap();
}

const PACKET_IGNORE_OUTGOING: c_int = 23;
