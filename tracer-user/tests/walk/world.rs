//! One router, `box`, between two links whose far ends are bare devices that the test plays itself.
//!
//! The calling thread lives in the router's namespace from then on. Nothing outlives the process: the namespaces have no
//! names. Everything runs on one processor, so that a packet sent later is handled later.

use crate::frame::{self, Kind, Seen, Shot, TTL, UDP};
use crate::sys;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{self, SendFlags};
use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space, unshare_unsafe};
use std::fs::{self, File};
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, Command, Stdio};

pub(crate) struct World {
    far: [OwnedFd; 2],
    /// By family and user.
    senders: Vec<(bool, User, OwnedFd)>,
    /// UDP and TCP, IPv4 and IPv6, and ICMP of both.
    listeners: Vec<(bool, u8, OwnedFd)>,
    _sinks: Vec<OwnedFd>,
    sentinel: u64,
    far_end: Child,
    here: File,
}

/// What the running kernel has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kernel {
    pub(crate) nft_queue: bool,
}

/// User and group of a sending socket.
pub(crate) type User = (u32, u32);

/// A link of the router.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Lan,
    Wan,
}

/// Where a packet was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// It left by this link.
    Far(Side),
    /// It was delivered to this host.
    Here,
}

impl World {
    pub(crate) fn new() -> Self {
        sys::pin();
        unshare();
        let far_end = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        fs::write("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1").unwrap();
        let far = own_namespace();
        unshare();
        let here = own_namespace();
        wire(far_end.id());
        enter(&far);
        input("ip", &["-batch", "-"], "link set lan1 up\nlink set wan1 up\n");
        let far = ["lan1", "wan1"].map(sys::packet);
        enter(&here);
        let mut senders = Vec::new();
        let mut listeners = Vec::new();
        for v6 in [false, true] {
            for user in USERS {
                senders.push((v6, user, sys::sender(v6, user.0, user.1)));
            }
            let icmp = if v6 { frame::ICMP6 } else { frame::ICMP };
            for protocol in [UDP, frame::TCP, icmp] {
                listeners.push((v6, protocol, sys::listener(v6, protocol.into())));
            }
        }
        let ports = (LOW_PORT..LOW_PORT + LOW_PORTS).chain(SOURCE_PORT..SOURCE_PORT + SINKS);
        let sinks = ports.flat_map(|port| [true, false].map(|tcp| sys::sink(tcp, port, is_transparent(port))));
        Self {
            far,
            senders,
            listeners,
            _sinks: sinks.collect(),
            sentinel: 0,
            far_end,
            here,
        }
    }

    /// The calling thread goes to the router's namespace.
    pub(crate) fn enter(&self) {
        enter(&self.here);
    }

    /// From a local socket of this user.
    pub(crate) fn send_from_here(&self, shot: &Shot, user: User, mark: u32) -> Result<(), Errno> {
        let mut found = self.senders.iter();
        let found = found.find(|(v6, other, _)| (*v6, *other) == (shot.is_v6(), user));
        let socket = &found.unwrap().2;
        sys::mark(socket, mark);
        let to = SocketAddr::new(shot.destination.ip(), 0);
        // A packet that a rule drops is an error of the sender's.
        net::sendto(socket, &shot.packet(TTL), SendFlags::empty(), &to).map(drop)
    }

    pub(crate) fn send_from_far(&self, shot: &Shot, side: Side) {
        self.send_frame(&shot.packet(TTL), side);
    }

    fn send_frame(&self, packet: &[u8], side: Side) {
        let frame = frame::framed(packet, hardware(side, 0), hardware(side, 1));
        net::send(&self.far[side as usize], &frame, SendFlags::empty()).unwrap();
    }

    /// Everything that came somewhere since the last time.
    pub(crate) fn collect(&mut self) -> Vec<(Place, Seen)> {
        let mut all = Vec::new();
        // The kernel may have put an answer of its own behind the first sentinel, and that one's way behind the second.
        for _ in 0..3 {
            self.wait_for_sentinel(&mut all);
        }
        let mut buffer = vec![0; 2048];
        for (socket, side) in self.far.iter().zip([Side::Lan, Side::Wan]) {
            while let Some(length) = sys::receive(socket, &mut buffer) {
                let seen = frame::parse(buffer.get(14..length).unwrap_or_default());
                all.extend(seen.map(|seen| (Place::Far(side), seen)));
            }
        }
        for index in 0..self.listeners.len() {
            while let Ok(seen) = self.receive(index, &mut buffer) {
                all.extend(seen.map(|seen| (Place::Here, seen)));
            }
        }
        all.retain(|(_, seen)| !matches!(seen.kind, Kind::Shot(number) if number >= SENTINEL));
        all
    }

    /// A packet that all rules let through has come: so has whatever was sent before it.
    fn wait_for_sentinel(&mut self, all: &mut Vec<(Place, Seen)>) {
        self.sentinel += 1;
        let number = SENTINEL + self.sentinel;
        let shot = Shot {
            number,
            protocol: UDP,
            source: SocketAddr::new(address(false, Side::Lan, 4), LOW_PORT),
            destination: SocketAddr::new(address(false, Side::Lan, BOX), LOW_PORT),
            flags: 0,
            sequence: 0,
            acknowledgment: 0,
        };
        self.send_frame(&shot.packet(64), Side::Lan);
        let mut buffer = vec![0; 2048];
        loop {
            let Ok(seen) = self.receive(0, &mut buffer) else {
                let patience = Timespec { tv_sec: 20, tv_nsec: 0 };
                let ready = poll(&mut [PollFd::new(&self.listeners[0].2, PollFlags::IN)], Some(&patience));
                assert_eq!(ready, Ok(1), "a packet that nothing stops did not come");
                continue;
            };
            if seen.is_some_and(|seen| seen.kind == Kind::Shot(number)) {
                return;
            }
            all.extend(seen.map(|seen| (Place::Here, seen)));
        }
    }

    /// The next packet that a listener got, where it is of interest.
    fn receive(&self, listener: usize, buffer: &mut [u8]) -> Result<Option<Seen>, Drained> {
        let (v6, protocol, socket) = &self.listeners[listener];
        if *v6 {
            let (length, source, destination) = sys::receive_v6(socket, buffer).ok_or(Drained)?;
            return Ok(frame::transport(*protocol, source, destination, &buffer[..length]));
        }
        let length = sys::receive(socket, buffer).ok_or(Drained)?;
        Ok(frame::parse(&buffer[..length]))
    }
}

/// A listener has got no more.
struct Drained;

impl Drop for World {
    fn drop(&mut self) {
        let _ = self.far_end.kill();
        let _ = self.far_end.wait();
    }
}

impl Kernel {
    /// Tries it in the namespace of the calling thread.
    pub(crate) fn probe() -> Self {
        let chain = "add table ip probe; add chain ip probe c { type filter hook input priority 0; }";
        let try_rule = |rule: &str| {
            let text = format!("{chain}; add rule ip probe c {rule}");
            let output = Command::new("nft").arg(text).output().unwrap();
            input("nft", &["flush", "ruleset"], "");
            output.status.success()
        };
        assert!(try_rule("accept"), "nft cannot make a rule");
        Self {
            nft_queue: try_rule("queue num 5"),
        }
    }
}

/// Runs a program in the router with this input, and says what it complained of.
pub(crate) fn input(program: &str, arguments: &[&str], text: &str) {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {complaint}\n{text}");
}

/// An address on a link; host 1 is the router's own.
pub(crate) fn address(v6: bool, side: Side, host: u8) -> IpAddr {
    let net = side as u8 + 1;
    if v6 {
        Ipv6Addr::new(0xfd00 + u16::from(net), 0, 0, 0, 0, 0, 0, host.into()).into()
    } else {
        Ipv4Addr::new(10, net, 0, host).into()
    }
}

/// Which link an address of the far ends is on.
pub(crate) fn side_of(address: IpAddr) -> Side {
    let net = match address {
        IpAddr::V4(address) => u16::from(address.octets()[1]),
        IpAddr::V6(address) => address.segments()[0] & 0xff,
    };
    if net == 1 { Side::Lan } else { Side::Wan }
}

impl Side {
    pub(crate) fn device(self) -> &'static str {
        match self {
            Self::Lan => "lan0",
            Self::Wan => "wan0",
        }
    }
}

pub(crate) fn has_sink(port: u16) -> bool {
    (LOW_PORT..LOW_PORT + LOW_PORTS).contains(&port) || (SOURCE_PORT..SOURCE_PORT + SINKS).contains(&port)
}

pub(crate) fn is_transparent(port: u16) -> bool {
    port.is_multiple_of(2)
}

fn unshare() {
    // SAFETY: a raw system call without pointers; CLONE_FILES, its one danger, is not among the flags.
    unsafe { unshare_unsafe(UnshareFlags::NEWNET) }.expect("this test makes network namespaces: run it as root");
}

fn own_namespace() -> File {
    File::open("/proc/thread-self/ns/net").unwrap()
}

fn enter(namespace: &File) {
    move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
}

fn hardware(side: Side, end: u8) -> [u8; 6] {
    [2, 0, 0, 0, side as u8 + 1, end]
}

/// Devices, addresses, neighbours and routes of the router.
fn wire(far_end: u32) {
    for (path, value) in SETTINGS {
        fs::write(format!("/proc/sys/net/{path}"), value).unwrap();
    }
    let mut lines = vec!["link set lo up".to_owned()];
    for side in [Side::Lan, Side::Wan] {
        let device = side.device();
        let peer = device.replace('0', "1");
        let mac = |end| hardware(side, end).map(|byte| format!("{byte:02x}")).join(":");
        lines.push(format!(
            "link add {device} address {} type veth peer name {peer} address {} netns {far_end}",
            mac(0),
            mac(1)
        ));
        lines.push(format!("link set {device} up"));
        for (v6, length) in [(false, "24"), (true, "64 nodad")] {
            lines.push(format!("address add {}/{length} dev {device}", address(v6, side, BOX)));
            lines.extend((2..10).map(|host| {
                let address = address(v6, side, host);
                format!(
                    "neighbour replace {address} lladdr {} dev {device} nud permanent",
                    mac(1)
                )
            }));
        }
    }
    input("ip", &["-batch", "-"], &lines.join("\n"));
    for family in ["-4", "-6"] {
        // What TPROXY takes is routed to this host.
        input(
            "ip",
            &[family, "rule", "add", "fwmark", "0x100/0x100", "lookup", "100"],
            "",
        );
        input(
            "ip",
            &[family, "route", "add", "local", "default", "dev", "lo", "table", "100"],
            "",
        );
    }
}

const SETTINGS: [(&str, &str); 9] = [
    ("ipv4/ip_forward", "1"),
    ("ipv6/conf/all/forwarding", "1"),
    ("ipv6/conf/default/accept_dad", "0"),
    ("ipv4/conf/all/rp_filter", "0"),
    ("ipv4/conf/default/rp_filter", "0"),
    ("ipv4/conf/all/route_localnet", "1"),
    // Errors are told without a limit.
    ("ipv4/icmp_ratemask", "0"),
    ("ipv6/icmp/ratelimit", "0"),
    ("ipv6/icmp/ratemask", "\n"),
];
/// Users and groups of the sending sockets.
pub(crate) const USERS: [User; 4] = [(0, 0), (1000, 1000), (1000, 2000), (2000, 2000)];
/// The router's own addresses.
pub(crate) const BOX: u8 = 1;
/// Ports that packets go to or are translated to; something swallows what comes to them.
pub(crate) const LOW_PORT: u16 = 80;
pub(crate) const LOW_PORTS: u16 = 16;
/// The first source port; each packet of a ruleset has its own.
pub(crate) const SOURCE_PORT: u16 = 2000;
/// How many of the source ports can get an answer.
const SINKS: u16 = 64;
const SENTINEL: u64 = 1 << 63;
