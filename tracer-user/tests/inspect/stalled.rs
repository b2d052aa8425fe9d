//! Which connections the question for those that hang already finds.

use crate::space::{Space, identity};
use crate::{ask, endpoint, tuple};
use rustix::net::{AddressFamily, SocketFlags, SocketType, connect, getsockname, socket_with};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::thread;
use std::time::{Duration, Instant};
use tracer_user::model::inquiry::{Question, Reply, Stalled};
use tracer_user::model::tcp::TcpState;
use tracer_user::model::tuple::Tuple;

/// Drops what comes in for that port, in both families: data that a rule in OUTPUT drops counts as not sent.
fn drop_to(space: &Space, port: u16) {
    space.rules(&format!(
        "table inet drop{port} {{ chain i {{ type filter hook input priority 0; tcp dport {port} drop; }}; }}"
    ));
}

/// Begins to connect from a socket of the family that the address is written in.
fn begin(to: &str) -> OwnedFd {
    let to: SocketAddr = to.parse().unwrap();
    let family = if to.is_ipv4() {
        AddressFamily::INET
    } else {
        AddressFamily::INET6
    };
    let socket = socket_with(family, SocketType::STREAM, SocketFlags::NONBLOCK, None).unwrap();
    assert_eq!(connect(&socket, &to), Err(rustix::io::Errno::INPROGRESS));
    socket
}

/// What hangs in this namespace: other tests run at the same time.
fn stalled(space: &Space) -> Vec<Stalled> {
    let answer = ask(space, Question::Stalled);
    let Reply::Stalled(census) = answer.reply else {
        panic!("{answer:?}")
    };
    let mut sockets = census.sockets;
    sockets.retain(|stalled| stalled.netns == space.netns);
    sockets
}

/// Asks until the answer is as wanted.
fn stalled_when(space: &Space, wanted: impl Fn(&[Stalled]) -> bool) -> Vec<Stalled> {
    let begun = Instant::now();
    loop {
        let found = stalled(space);
        if wanted(&found) {
            return found;
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "{found:#?}");
        thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_connect_without_an_answer_is_found_in_both_families_and_where_the_address_is_mapped() {
    let space = Space::new();
    drop_to(&space, 7001);
    let destinations = ["127.0.0.1:7001", "[::1]:7001", "[::ffff:127.0.0.1]:7001"];
    let sockets = space.inside(|| destinations.map(begin));
    let found = stalled_when(&space, |found| {
        found.len() == 3 && found.iter().all(|stalled| stalled.socket.retransmits > 0)
    });
    for (socket, destination) in sockets.iter().zip(destinations) {
        let local: SocketAddr = getsockname(socket).unwrap().try_into().unwrap();
        let tuple = Tuple::new(local.into(), endpoint(destination));
        let of_it = |stalled: &&Stalled| stalled.tuple == tuple;
        let stalled = found
            .iter()
            .find(of_it)
            .unwrap_or_else(|| panic!("{tuple}: {found:#?}"));
        assert_eq!((stalled.socket.state, stalled.unacked), (Some(TcpState::SynSent), 1));
        assert_eq!(stalled.socket.process.unwrap().pid, std::process::id());
        let cookie = rustix::net::sockopt::socket_cookie(socket).unwrap();
        assert_eq!(stalled.cookie.unwrap().get(), cookie);
        assert!(stalled.rto.unwrap() >= stalled.left && stalled.rto.unwrap() >= Duration::from_secs(1));
        assert_eq!(stalled.enter, Some(format!("/run/netns/{}", space.name).into()));
    }
}

#[test]
fn data_without_an_acknowledgement_is_found_and_what_is_idle_or_waits_for_room_is_not() {
    let space = Space::new();
    for (listen, to) in [("127.0.0.1:0", "127.0.0.1"), ("[::1]:0", "[::1]")] {
        let listeners = space.inside(|| [listen; 2].map(|listen| TcpListener::bind(listen).unwrap()));
        let [port, other_port] = listeners.each_ref().map(|one| one.local_addr().unwrap().port());
        let connect = |port: u16| TcpStream::connect(format!("{to}:{port}")).unwrap();
        let (mut hung, _idle, mut full) = space.inside(|| (connect(port), connect(port), connect(other_port)));
        full.set_nonblocking(true).unwrap();
        while full.write(&[0; 1 << 13]).is_ok() {}
        drop_to(&space, port);
        hung.write_all(b"hello").unwrap();
        let found = stalled_when(&space, |found| {
            found
                .iter()
                .any(|stalled| stalled.tuple == tuple(&hung) && stalled.socket.retransmits > 1)
        });
        // A peer that does not read is none, even if its window closed over what was under way.
        let [stalled] = &found[..] else { panic!("{found:#?}") };
        assert_eq!(
            (stalled.socket.state, stalled.unacked),
            (Some(TcpState::Established), 5)
        );
        assert_eq!(stalled.backoff, stalled.socket.retransmits);
        assert_eq!(stalled.socket.process.unwrap().pid, std::process::id());
        space.rules(&format!("delete table inet drop{port}"));
        // What goes through again hangs no more.
        stalled_when(&space, <[Stalled]>::is_empty);
    }
}

/// With 10,000 ordinary connections; prints how long the question took.
#[test]
fn many_ordinary_connections_cost_little() {
    let space = Space::new();
    let listener = space.inside(|| TcpListener::bind("127.0.0.1:7002").unwrap());
    let accepting = thread::spawn(move || {
        let accepted = listener.incoming().take(CONNECTIONS).map(Result::unwrap);
        accepted.collect::<Vec<_>>()
    });
    let mut clients = space.inside(|| {
        let connect = |_| TcpStream::connect("127.0.0.1:7002").unwrap();
        (0..CONNECTIONS).map(connect).collect::<Vec<_>>()
    });
    let mut servers = accepting.join().unwrap();
    let begun = Instant::now();
    let found = stalled(&space);
    let took = begun.elapsed();
    println!("{} connections: {took:?}", 2 * CONNECTIONS);
    assert!(found.is_empty() && identity() != space.netns);
    assert!(took < Duration::from_secs(1), "{took:?}");
    clients[0].write_all(b"x").unwrap();
    servers[0].read_exact(&mut [0]).unwrap();
}

/// Each with two sockets.
const CONNECTIONS: usize = 300;
