//! The floods, each in namespaces of its own, and how much of what it makes the program has to account for.

use crate::packets::{Template, initial_sequence, listener, sender};
use crate::place::Place;
use crate::until_over;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::collections::VecDeque;
use std::fmt;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt as _;
use std::process::{Child, Command, ExitCode, Stdio};
use std::thread;
use std::time::Duration;

pub(crate) struct Flood {
    pub(crate) name: &'static str,
    /// The event that it makes most of, and the hook that tells it.
    pub(crate) event: &'static str,
    pub(crate) hook: &'static str,
    /// How long it has been there when the innocent connections fail.
    pub(crate) under_way: Duration,
    pub(crate) prepare: fn() -> Scene,
}

pub(crate) struct Scene {
    pub(crate) flood: Box<dyn FnOnce() -> Flooded + Send>,
}

pub(crate) struct Flooded {
    /// The inode of the namespace.
    pub(crate) netns: u64,
    /// How many of its events happened, at least.
    pub(crate) happened: u64,
    what: String,
}

impl fmt::Display for Flooded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in {}", self.what, self.netns)
    }
}

pub(crate) const FLOODS: &[Flood] = &[
    Flood {
        name: "syns_from_a_million_addresses",
        event: "rst-sent",
        hook: "tcp_send_reset",
        under_way: SOON,
        prepare: spoofed_syns,
    },
    Flood {
        name: "a_scan_of_closed_ports",
        event: "rst-sent",
        hook: "tcp_send_reset",
        under_way: SOON,
        prepare: port_scan,
    },
    Flood {
        name: "resets_into_established_connections",
        event: "rst-received",
        hook: "tcp_receive_reset",
        under_way: SOON,
        prepare: resets,
    },
    Flood {
        name: "a_storm_of_short_processes",
        event: "rst-sent",
        hook: "tcp_send_reset",
        under_way: SOON,
        prepare: fork_storm,
    },
    Flood {
        name: "twenty_thousand_connects_that_hang",
        event: "drop",
        hook: "kfree_skb",
        under_way: Duration::from_millis(1_200),
        prepare: hung_connects,
    },
];

const SOON: Duration = Duration::from_millis(300);

/// A host on a network whose other hosts, 10.0.0.0/8, answer nothing.
struct Target {
    place: Place,
    /// Holds the other end of its device.
    _outside: Place,
}

impl Target {
    fn new() -> Self {
        let [place, outside] = [Place::new(), Place::new()];
        place.ip(&[
            &format!("link add eth0 type veth peer name out netns {}", outside.pid()),
            "link set eth0 up",
            &format!("address add {TARGET}/32 dev lo"),
            "address add 172.16.0.1/24 dev eth0",
            // Nobody has this hardware address: what is sent there is lost without a word.
            "neighbour replace 172.16.0.2 lladdr 02:78:00:00:00:66 dev eth0 nud permanent",
            "route add 10.0.0.0/8 via 172.16.0.2",
        ]);
        outside.ip(&["link set out up"]);
        Self {
            place,
            _outside: outside,
        }
    }

    /// The flood runs inside; `work` returns how many events it made if that is more than RSTs, and what it did.
    fn scene(self, work: impl FnOnce() -> (Option<u64>, String) + Send + 'static) -> Scene {
        let flood = move || {
            // As a whole: the other end of its device goes with it.
            let target = self;
            target.place.enter();
            let before = resets_sent();
            let (happened, what) = work();
            Flooded {
                netns: inode(),
                happened: happened.unwrap_or_else(|| resets_sent() - before),
                what,
            }
        };
        Scene { flood: Box::new(flood) }
    }
}

fn spoofed_syns() -> Scene {
    let target = Target::new();
    target.place.set("ipv4/tcp_syncookies", "1");
    target.scene(|| {
        let _listener = TcpListener::bind((TARGET, 80)).unwrap();
        let socket = sender();
        let mut syn = Template::syn(SocketAddrV4::new(spoofed(0), 40_000), SocketAddrV4::new(TARGET, 80));
        let is_over = until_over();
        let mut sent = 0;
        while sent < 1_000_000 && !is_over() {
            syn.set_source(spoofed(sent));
            sent += u32::from(syn.send(&socket));
        }
        (None, format!("{sent} SYNs from as many addresses"))
    })
}

fn port_scan() -> Scene {
    Target::new().scene(|| {
        let socket = sender();
        let mut syn = Template::syn(SocketAddrV4::new(spoofed(1), 40_000), SocketAddrV4::new(TARGET, 1));
        let is_over = until_over();
        let mut sent = 0_u64;
        let mut scans = 0;
        while !is_over() {
            for port in 1..=u16::MAX {
                syn.set_destination_port(port);
                sent += u64::from(syn.send(&socket));
            }
            scans += 1;
        }
        (None, format!("{sent} SYNs to closed ports, {scans} times all of them"))
    })
}

fn resets() -> Scene {
    Target::new().scene(|| {
        let server = TcpListener::bind((TARGET, 80)).unwrap();
        let (socket, heard) = (sender(), listener());
        let connections: Vec<_> = (0..CONNECTIONS).map(|_| Connection::new(&server, &heard)).collect();
        let is_over = until_over();
        let mut sent = 0_u64;
        while !is_over() {
            for connection in &connections {
                let far = u32::try_from(sent).unwrap().wrapping_mul(7_919) | 1 << 30;
                let forged = connection.reset(connection.next.wrapping_add(far));
                sent += u64::from(forged.send(&socket));
            }
        }
        for connection in &connections {
            assert!(connection.reset(connection.next).send(&socket));
        }
        let reset = connections.iter().filter(|connection| connection.is_reset()).count();
        assert_eq!(reset, CONNECTIONS);
        let what = format!("{sent} RSTs out of the window, and one in it for each of {reset} connections");
        (u64::try_from(reset).ok(), what)
    })
}

/// One that is established, and what its client expects next.
struct Connection {
    client: TcpStream,
    client_address: SocketAddrV4,
    _server: TcpStream,
    next: u32,
}

impl Connection {
    fn new(server: &TcpListener, heard: &OwnedFd) -> Self {
        let client = TcpStream::connect((TARGET, 80)).unwrap();
        let (accepted, _) = server.accept().unwrap();
        let (from, to) = (client.peer_addr().unwrap(), client.local_addr().unwrap());
        let initial = initial_sequence(heard, from, to).expect("its SYN ACK was heard");
        client.set_nonblocking(true).unwrap();
        let SocketAddr::V4(client_address) = to else {
            panic!("{to} is of another family");
        };
        Self {
            client,
            client_address,
            _server: accepted,
            next: initial.wrapping_add(1),
        }
    }

    fn reset(&self, sequence: u32) -> Template {
        Template::rst(SocketAddrV4::new(TARGET, 80), self.client_address, sequence)
    }

    fn is_reset(&self) -> bool {
        let read = (&self.client).read(&mut [0]);
        read.is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionReset)
    }
}

fn fork_storm() -> Scene {
    Target::new().scene(|| {
        let visitor = || visitor(&format!("connect {TARGET}:9"));
        let mut running = VecDeque::new();
        for _ in 0..PROCESSES {
            running.push_back(visitor());
            if running.len() > 50 {
                end(running.pop_front().unwrap());
            }
        }
        running.into_iter().for_each(end);
        (None, format!("{PROCESSES} processes with one connect each"))
    })
}

fn hung_connects() -> Scene {
    let target = Target::new();
    target
        .place
        .run("iptables-nft -w 20 -A OUTPUT -p tcp --dport 9000 -j DROP", "");
    target.scene(|| {
        let is_over = until_over();
        let mut holders: Vec<_> = (0..HOLDERS)
            .map(|_| visitor(&format!("hang 10.0.0.9:9000 {}", HUNG / HOLDERS)))
            .collect();
        let ready = |holder: &mut Child| {
            let mut stdout = BufReader::new(holder.stdout.take().unwrap());
            let mut line = String::new();
            stdout.read_line(&mut line).unwrap();
            line.trim().parse::<u64>().unwrap()
        };
        let hung: u64 = holders.iter_mut().map(ready).sum();
        while !is_over() {
            thread::sleep(Duration::from_millis(10));
        }
        holders.into_iter().for_each(end);
        (Some(hung), format!("{hung} sockets in SYN_SENT"))
    })
}

/// This program as another process, in the namespace of the calling thread.
fn visitor(work: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args([VISITOR, work])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

fn end(mut visitor: Child) {
    drop(visitor.stdin.take());
    assert!(visitor.wait().unwrap().success());
}

/// What such a process does.
pub(crate) fn visit(work: &str) -> ExitCode {
    let words: Vec<_> = work.split(' ').collect();
    match words[..] {
        ["connect", to] => {
            // It is refused.
            let _ = TcpStream::connect(to);
        }
        ["hang", to, count] => {
            let to = to.parse().unwrap();
            let limit = getrlimit(Resource::Nofile);
            let enough = Rlimit {
                current: limit.maximum,
                ..limit
            };
            setrlimit(Resource::Nofile, enough).unwrap();
            let hung: Vec<_> = (0..count.parse().unwrap())
                .map(|_: usize| crate::innocent::begin(to))
                .collect();
            println!("{}", hung.len());
            // Until it is told to end.
            let _ = std::io::stdin().read(&mut [0]);
        }
        _ => return ExitCode::FAILURE,
    }
    ExitCode::SUCCESS
}

/// One of sixteen million.
fn spoofed(number: u32) -> Ipv4Addr {
    Ipv4Addr::from(0x0a00_0000 | number & 0x00ff_ffff)
}

/// The RSTs that this namespace's TCP has sent.
fn resets_sent() -> u64 {
    let text = fs::read_to_string("/proc/thread-self/net/snmp").unwrap();
    let mut rows = text.lines().filter_map(|line| line.strip_prefix("Tcp: "));
    let (names, values) = (rows.next().unwrap(), rows.next().unwrap());
    let mut pairs = names.split(' ').zip(values.split(' '));
    let (_, value) = pairs.find(|(name, _)| *name == "OutRsts").unwrap();
    value.parse().unwrap()
}

/// Of the namespace of the calling thread.
pub(crate) fn inode() -> u64 {
    fs::metadata("/proc/thread-self/ns/net").unwrap().ino()
}

pub(crate) const VISITOR: &str = "--visitor";
const TARGET: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const CONNECTIONS: usize = 200;
const PROCESSES: usize = 1_000;
/// A process has 20,000 descriptors at most.
const HOLDERS: usize = 2;
const HUNG: usize = 20_000;
