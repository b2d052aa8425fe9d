//! Connections that fail in a namespace of their own, for causes that take every capability to explain.

use crate::space::Space;
use rustix::net::{AddressFamily, SocketFlags, SocketType, connect, socket_with};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;

pub(crate) struct Traffic {
    pub(crate) space: Space,
    _listener: TcpListener,
}

impl Traffic {
    /// Rules of nf_tables and of a legacy table, and a listener that never accepts.
    pub(crate) fn new() -> Self {
        let space = Space::new();
        for words in [
            "ip address add 10.9.9.1/24 dev lo",
            "iptables-nft -w 20 -A OUTPUT -p tcp --dport 9000 -j DROP",
            "iptables-nft -w 20 -t nat -A OUTPUT -p tcp --dport 9001 -j REDIRECT --to-ports 37673",
            "iptables-nft -w 20 -t nat -A OUTPUT -p tcp --dport 9002 -j REDIRECT --to-ports 37674",
            "iptables-legacy -w 20 -A OUTPUT -p tcp --dport 9003 -j DROP",
        ] {
            space.run(&words.split(' ').collect::<Vec<_>>(), "");
        }
        let listener = space.inside(|| TcpListener::bind("0.0.0.0:37674").unwrap());
        Self {
            space,
            _listener: listener,
        }
    }

    /// One connection to each port.
    pub(crate) fn begin(&self) -> Vec<OwnedFd> {
        self.space.inside(|| (9000..=9003).map(begin).collect())
    }
}

fn begin(port: u16) -> OwnedFd {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = socket_with(AddressFamily::INET, SocketType::STREAM, flags, None).unwrap();
    // It is on its way.
    let _: Result<(), _> = connect(&socket, &SocketAddr::from(([10, 9, 9, 2], port)));
    socket
}
