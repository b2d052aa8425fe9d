//! The inspector on real namespaces, sockets and conntrack entries. Needs root.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../space/mod.rs"]
mod space;
mod stalled;
mod steal;
mod walked;

use rustix::net::{AddressFamily, SocketType, bind, listen, netdevice::name_to_index, socket};
use space::{Space, identity, ip};
use std::fs::File;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::process::Command;
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};
use tracer_user::ctnetlink::{Settings, Stream};
use tracer_user::inspect::{ANSWERS_MAX, Examiner, Inspector};
use tracer_user::model::conntrack::Direction;
use tracer_user::model::identity::Netns;
use tracer_user::model::inquiry::{Answer, Examined, Inquiry, Question, Reply, Waiting};
use tracer_user::model::tcp::{ConntrackState, TcpState};
use tracer_user::model::time::Timestamp;
use tracer_user::model::tuple::{Endpoint, Tuple};
use walked::syn;

#[test]
fn a_redirected_connection_is_found_by_the_tuple_of_its_socket() {
    let space = Space::new();
    space.redirect("ip", 8080, 9999);
    let listener = space.inside(|| TcpListener::bind("127.0.0.1:9999").unwrap());
    let client = space.inside(|| TcpStream::connect("127.0.0.1:8080").unwrap());
    let _server = listener.accept().unwrap().0;

    let answer = examine(&space, tuple(&client));
    let seen = examined(&answer);
    let entry = seen.conntrack.unwrap();
    assert_eq!(entry.original, tuple(&client));
    assert_eq!(entry.translated().unwrap().destination.port, 9999);
    assert_eq!((entry.state, entry.zone), (Some(ConntrackState::Established), 0));
    assert!(entry.id.is_some());
    assert_eq!((seen.target, seen.target_is_local), (endpoint("127.0.0.1:9999"), true));
    assert_eq!(seen.listeners.len(), 1);
    assert_eq!(seen.listeners[0].process.unwrap().pid, std::process::id());
    let socket = seen.socket.as_ref().unwrap();
    assert_eq!((socket.state, socket.unacked), (Some(TcpState::Established), Some(0)));
    assert_eq!(socket.process.unwrap().pid, std::process::id());
    assert_eq!(answer.enter, Some(format!("/run/netns/{}", space.name).into()));
}

#[test]
fn an_entry_that_is_left_over_where_nothing_is_tracked_leads_nowhere() {
    let space = Space::new();
    space.redirect("ip", 8080, 9999);
    let _listener = space.inside(|| TcpListener::bind("127.0.0.1:9999").unwrap());
    let client = space.inside(|| TcpStream::connect("127.0.0.1:8080").unwrap());
    space.run(&["nft", "flush", "ruleset"], "");
    let answer = examine(&space, tuple(&client));
    let seen = examined(&answer);
    assert_eq!((seen.conntrack, seen.target), (None, endpoint("127.0.0.1:8080")));
    assert!(seen.listeners.is_empty());

    space.rules("table ip keep { chain o { type filter hook output priority 0; ct state new accept; }; }");
    let answer = examine(&space, tuple(&client));
    assert_eq!(examined(&answer).target, endpoint("127.0.0.1:9999"), "it acts again");
}

#[test]
fn a_server_is_found_by_its_own_tuple() {
    let space = Space::new();
    space.redirect("ip", 8080, 9999);
    let listener = space.inside(|| TcpListener::bind("127.0.0.1:9999").unwrap());
    let client = space.inside(|| TcpStream::connect("127.0.0.1:8080").unwrap());
    let accepted = listener.accept().unwrap().0;
    // As the socket has it: the kernel translates back what getsockname never shows.
    let server = Tuple::new(endpoint("127.0.0.1:9999"), accepted.peer_addr().unwrap().into());
    let answer = examine(&space, server);
    let seen = examined(&answer);
    let entry = seen.conntrack.unwrap();
    assert_eq!(
        (entry.original, entry.direction(server)),
        (tuple(&client), Some(Direction::Reply))
    );
    assert_eq!(seen.target, server.destination);
    assert!(seen.listeners.is_empty() && seen.socket.is_some());
}

#[test]
fn nobody_listens_behind_a_redirect() {
    let space = Space::new();
    space.redirect("ip", 8080, 9999);
    let listener = space.inside(|| TcpListener::bind("127.0.0.1:9999").unwrap());
    let client = space.inside(|| TcpStream::connect("127.0.0.1:8080").unwrap());
    let _server = listener.accept().unwrap();
    drop(listener);
    let answer = examine(&space, tuple(&client));
    let seen = examined(&answer);
    assert_eq!(seen.target, endpoint("127.0.0.1:9999"));
    assert!(seen.target_is_local && seen.listeners.is_empty());
}

#[test]
fn ipv6_is_redirected_and_found_alike() {
    let space = Space::new();
    space.redirect("ip6", 8080, 9999);
    let _listener = space.inside(|| TcpListener::bind("[::1]:9999").unwrap());
    let client = space.inside(|| TcpStream::connect("[::1]:8080").unwrap());
    let answer = examine(&space, tuple(&client));
    let seen = examined(&answer);
    assert_eq!(seen.conntrack.unwrap().original, tuple(&client));
    assert_eq!((seen.target, seen.listeners.len()), (endpoint("[::1]:9999"), 1));
    assert!(seen.socket.is_some());
}

#[test]
fn an_entry_of_another_zone_is_found() {
    let space = Space::new();
    space.rules(
        "table ip zones { chain o { type filter hook output priority raw; ct zone set 7; };
         chain p { type filter hook prerouting priority raw; ct zone set 7; };
         chain u { type filter hook output priority 0; ct state new accept; }; }",
    );
    let listener = space.inside(|| TcpListener::bind("127.0.0.1:9999").unwrap());
    let client = space.inside(|| TcpStream::connect("127.0.0.1:9999").unwrap());
    let server = listener.accept().unwrap().0;
    for socket in [&client, &server] {
        let answer = examine(&space, tuple(socket));
        let entry = examined(&answer).conntrack.unwrap();
        assert_eq!((entry.zone, entry.original), (7, tuple(&client)));
    }
}

#[test]
fn a_wildcard_ipv6_listener_serves_ipv4_unless_it_refuses() {
    let space = Space::new();
    let any = Ipv6Addr::UNSPECIFIED.into();
    let both = File::from(space.inside(|| listen_on(any, 7001, false, 8)));
    let _only = space.inside(|| listen_on(any, 7002, true, 8));
    let client = space.inside(|| TcpStream::connect("127.0.0.1:7001").unwrap());
    let answer = examine(&space, tuple(&client));
    let listeners = &examined(&answer).listeners;
    assert_eq!(listeners.len(), 1);
    assert_eq!(listeners[0].address, endpoint("[::]:7001"));
    assert_eq!(u64::from(listeners[0].inode), both.metadata().unwrap().ino());

    let target = Some(endpoint("127.0.0.1:7002"));
    let answer = ask(
        &space,
        Question::Connection {
            tuple: tuple(&client),
            target,
            aspects: Vec::new(),
        },
    );
    assert!(examined(&answer).listeners.is_empty());
}

#[test]
fn an_ipv4_tuple_of_an_ipv6_socket_is_found() {
    let space = Space::new();
    let _listener = space.inside(|| TcpListener::bind("127.0.0.1:7003").unwrap());
    let client = space.inside(|| TcpStream::connect("[::ffff:127.0.0.1]:7003").unwrap());
    assert!(client.local_addr().unwrap().is_ipv6());
    let answer = examine(&space, tuple(&client));
    let socket = examined(&answer).socket.as_ref().unwrap();
    assert_eq!(socket.process.unwrap().pid, std::process::id());
}

#[test]
fn a_full_listener_queue_is_seen() {
    let space = Space::new();
    let _listener = space.inside(|| listen_on(Ipv4Addr::LOCALHOST.into(), 7004, false, 0));
    let client = space.inside(|| TcpStream::connect("127.0.0.1:7004").unwrap());
    let answer = examine(&space, tuple(&client));
    let listener = &examined(&answer).listeners[0];
    assert_eq!((listener.queue, listener.backlog, listener.is_full()), (1, 0, true));
}

#[test]
fn the_sweep_sees_who_waits_to_be_accepted() {
    let space = Space::new();
    space.redirect("ip", 8080, 9999);
    let listener = space.inside(|| TcpListener::bind("0.0.0.0:9999").unwrap());
    let mut clients = space.inside(|| [0; 2].map(|_| TcpStream::connect("127.0.0.1:8080").unwrap()));
    let _accepted = listener.accept().unwrap();
    clients[1].write_all(b"hello").unwrap();

    let waiting = sweep(&space);
    assert_eq!(waiting.len(), 1, "{waiting:?}");
    let one = &waiting[0];
    assert_eq!(
        (one.receive_queue, one.listener.queue, one.listener.address.port),
        (5, 1, 9999)
    );
    assert_eq!(one.listener.process.unwrap().pid, std::process::id());
    assert_eq!(one.conntrack.unwrap().original, tuple(&clients[1]));
    assert_eq!(one.client.as_ref().unwrap().process.unwrap().pid, std::process::id());
    assert_eq!(one.enter, Some(format!("/run/netns/{}", space.name).into()));

    let _second = listener.accept().unwrap();
    assert_eq!(sweep(&space), []);
}

#[test]
fn the_other_end_of_a_veth_is_found() {
    let (one, two) = (Space::new(), Space::new());
    ip(&[
        "-n", &one.name, "link", "add", "there", "type", "veth", "peer", "name", "back", "netns", &two.name,
    ]);
    ip(&[
        "-n", &one.name, "link", "add", "left", "type", "veth", "peer", "name", "right",
    ]);
    assert_eq!(link(&one, "there"), Some(two.netns));
    assert_eq!(link(&two, "back"), Some(one.netns));
    assert_eq!(link(&two, "back").unwrap().inode, one.netns.inode);
    assert_eq!(link(&one, "left"), Some(one.netns));
    assert_eq!(link(&one, "lo"), None);
}

#[test]
fn an_address_of_a_device_is_local_and_others_are_not() {
    let space = Space::new();
    ip(&[
        "-n",
        &space.name,
        "link",
        "add",
        "d0",
        "type",
        "veth",
        "peer",
        "name",
        "d1",
    ]);
    ip(&["-n", &space.name, "addr", "add", "10.9.9.1/24", "dev", "d0"]);
    for device in ["d0", "d1"] {
        ip(&["-n", &space.name, "link", "set", device, "up"]);
    }
    let tuple = Tuple::new(endpoint("10.9.9.1:1"), endpoint("10.9.9.2:2"));
    let local = ["10.9.9.1:80", "127.3.4.5:80", "[::1]:80"].map(|text| (text, true));
    let remote = ["10.9.9.2:80", "192.0.2.1:80", "[2001:db8::1]:80"].map(|text| (text, false));
    for (text, local) in local.into_iter().chain(remote) {
        let answer = ask(
            &space,
            Question::Connection {
                tuple,
                target: Some(endpoint(text)),
                aspects: Vec::new(),
            },
        );
        let seen = examined(&answer);
        assert_eq!(seen.target_is_local, local, "{text}");
        assert!(seen.conntrack.is_none() && seen.socket.is_none());
    }
}

#[test]
fn a_namespace_that_is_gone_is_an_answer() {
    let space = Space::new();
    let inquiry = inquiry(&space, Question::Link { ifindex: 1 });
    assert_eq!(on_own_thread(&inquiry, false).reply, Reply::Link(None));
    drop(space);
    let deleted = Instant::now();
    // The sweep of another test may be in it just now.
    while on_own_thread(&inquiry, false).reply != Reply::Gone {
        assert!(deleted.elapsed() < Duration::from_secs(10), "it lives on");
        // Asking holds it, too.
        thread::sleep(Duration::from_millis(20));
    }
    // By path only, processes that cannot be looked at leave a doubt.
    let reply = on_own_thread(&inquiry, true).reply;
    assert!(matches!(reply, Reply::Gone | Reply::Unreachable(_)), "{reply:?}");
}

#[test]
fn a_reused_inode_is_another_namespace() {
    let space = Space::new();
    let mut inquiry = inquiry(&space, Question::Link { ifindex: 1 });
    inquiry.netns.cookie += 1_000_000;
    assert_eq!(on_own_thread(&inquiry, false).reply, Reply::Gone);
    assert_eq!(on_own_thread(&inquiry, true).reply, Reply::Gone);
}

#[test]
fn a_namespace_of_one_thread_is_found_by_its_hint_and_without() {
    let (go, wait) = channel::<()>();
    let (tell, told) = channel();
    let holder = thread::spawn(move || {
        // SAFETY: only the network namespace is unshared.
        unsafe { rustix::thread::unshare_unsafe(rustix::thread::UnshareFlags::NEWNET).unwrap() };
        tell.send((identity(), rustix::thread::gettid().as_raw_nonzero().get()))
            .unwrap();
        let _ = wait.recv();
    });
    let (netns, thread) = told.recv().unwrap();
    let thread = u32::try_from(thread).unwrap();
    for (hint, by_path) in [(Some(thread), true), (None, true), (Some(thread), false), (None, false)] {
        let question = Question::Link { ifindex: 1 };
        let inquiry = Inquiry {
            id: 1,
            at: Timestamp::default(),
            netns,
            hint,
            question,
        };
        let answer = on_own_thread(&inquiry, by_path);
        assert_eq!(answer.reply, Reply::Link(None), "{hint:?} {by_path}");
        assert!(answer.enter.unwrap().starts_with("/proc/"));
    }
    drop(go);
    holder.join().unwrap();
}

#[test]
fn an_unknown_namespace_is_unreachable() {
    let netns = Netns { cookie: 5, inode: 0 };
    let question = Question::Link { ifindex: 1 };
    let answer = on_own_thread(
        &Inquiry {
            id: 3,
            at: Timestamp::default(),
            netns,
            hint: None,
            question,
        },
        false,
    );
    assert!(matches!(answer.reply, Reply::Unreachable(_)) && answer.id == 3);
}

#[test]
fn without_permission_it_is_unreachable() {
    let space = Space::new();
    let inquiry = inquiry(&space, Question::Link { ifindex: 1 });
    // Capabilities are of one thread.
    let powerless = thread::spawn(move || {
        let mut examiner = Examiner::new().unwrap();
        caps::clear(None, caps::CapSet::Effective).unwrap();
        examiner.answer(&inquiry)
    });
    let answer = powerless.join().unwrap();
    assert!(
        matches!(&answer.reply, Reply::Unreachable(why) if why.contains("not permitted")),
        "{answer:?}"
    );
}

#[test]
fn a_deleted_namespace_does_not_live_on_in_the_inspector() {
    let (here, there) = (Space::new(), Space::new());
    ip(&[
        "-n",
        &here.name,
        "link",
        "add",
        "veth0",
        "type",
        "veth",
        "peer",
        "name",
        "veth1",
        "netns",
        &there.name,
    ]);
    // The stream of conntrack changes looks at it, too.
    let _stream = here.inside(|| Stream::start(Settings::default()).unwrap());
    let (outbox, mut answers) = tokio::sync::mpsc::channel(ANSWERS_MAX);
    let inspector = Inspector::start(outbox).unwrap();
    let tuple = Tuple::new(endpoint("127.0.0.1:1"), endpoint("127.0.0.1:2"));
    let connection = Question::Connection {
        tuple,
        target: None,
        aspects: Vec::new(),
    };
    let everywhere = [Question::Sweep, Question::Stalled];
    let walk = Question::Walk {
        packets: vec![syn(tuple)],
        connmark: Some(1),
        aspects: Vec::new(),
    };
    for question in [connection.clone(), Question::Link { ifindex: 2 }, walk.clone()]
        .into_iter()
        .chain(everywhere)
    {
        inspector.ask(inquiry(&there, question)).unwrap();
        answers.blocking_recv().unwrap();
    }
    // Some are under way while it is deleted.
    for question in [connection.clone(), walk].iter().cycle().take(20) {
        inspector.ask(inquiry(&there, question.clone())).unwrap();
    }
    let last = inquiry(&there, connection);
    drop(there);
    let deleted = Instant::now();
    while Command::new("ip")
        .args(["-n", &here.name, "link", "show", "veth0"])
        .output()
        .unwrap()
        .status
        .success()
    {
        assert!(deleted.elapsed() < Duration::from_secs(1), "the veth lives on");
        thread::sleep(Duration::from_millis(5));
    }
    inspector.ask(last).unwrap();
    let last = (0..21).map(|_| answers.blocking_recv().unwrap()).last().unwrap();
    assert_eq!(last.reply, Reply::Gone);
}

#[test]
fn an_inspector_gives_inquiries_back_when_too_many_wait() {
    let space = Space::new();
    let (outbox, mut answers) = tokio::sync::mpsc::channel(ANSWERS_MAX);
    let inspector = Inspector::start(outbox).unwrap();
    let mut asked = 0;
    while inspector.ask(inquiry(&space, Question::Link { ifindex: 1 })).is_ok() {
        asked += 1;
        assert!(asked < 10_000);
    }
    for _ in 0..asked {
        assert_eq!(answers.blocking_recv().unwrap().reply, Reply::Link(None));
    }
    drop(inspector);
    assert_eq!(answers.blocking_recv(), None);
}

fn examine(space: &Space, tuple: Tuple) -> Answer {
    ask(
        space,
        Question::Connection {
            tuple,
            target: None,
            aspects: Vec::new(),
        },
    )
}

fn ask(space: &Space, question: Question) -> Answer {
    on_own_thread(&inquiry(space, question), false)
}

fn inquiry(space: &Space, question: Question) -> Inquiry {
    Inquiry {
        id: 7,
        at: Timestamp::default(),
        netns: space.netns,
        hint: None,
        question,
    }
}

fn on_own_thread(inquiry: &Inquiry, by_path: bool) -> Answer {
    let inquiry = inquiry.clone();
    let work = move || {
        let mut examiner = Examiner::new().unwrap();
        if by_path {
            examiner = examiner.without_handles();
        }
        let home = identity();
        let answer = examiner.answer(&inquiry);
        assert_eq!(identity(), home);
        answer
    };
    thread::spawn(work).join().unwrap()
}

fn examined(answer: &Answer) -> &Examined {
    let Reply::Connection(examined) = &answer.reply else {
        panic!("{answer:?}")
    };
    examined
}

fn link(space: &Space, device: &str) -> Option<Netns> {
    let ifindex = space.inside(|| {
        let any = socket(AddressFamily::INET, SocketType::DGRAM, None).unwrap();
        name_to_index(any, device).unwrap()
    });
    let answer = ask(space, Question::Link { ifindex });
    let Reply::Link(peer) = answer.reply else {
        panic!("{answer:?}")
    };
    peer
}

/// What waits in this namespace: other tests run at the same time.
fn sweep(space: &Space) -> Vec<Waiting> {
    let answer = ask(space, Question::Sweep);
    let Reply::Swept(mut waiting) = answer.reply else {
        panic!("{answer:?}")
    };
    waiting.retain(|waiting| waiting.netns == space.netns);
    waiting
}

fn tuple(stream: &TcpStream) -> Tuple {
    Tuple::new(stream.local_addr().unwrap().into(), stream.peer_addr().unwrap().into())
}

fn endpoint(text: &str) -> Endpoint {
    text.parse::<SocketAddr>().unwrap().into()
}

fn listen_on(address: IpAddr, port: u16, only_v6: bool, backlog: i32) -> OwnedFd {
    let family = if address.is_ipv4() {
        AddressFamily::INET
    } else {
        AddressFamily::INET6
    };
    let listener = socket(family, SocketType::STREAM, None).unwrap();
    if address.is_ipv6() {
        rustix::net::sockopt::set_ipv6_v6only(&listener, only_v6).unwrap();
    }
    bind(&listener, &SocketAddr::new(address, port)).unwrap();
    listen(&listener, backlog).unwrap();
    listener
}
