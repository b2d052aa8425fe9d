//! What is filtered out does not leave the kernel, and is counted: with everything exported, what the ring holds.

use crate::scene::{self, Scene};
use rustix::net::{AddressFamily, SocketType, bind, connect, socket};
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};
use tracer_common::filter::{
    Filter, PART_CGROUPS, PART_COMMS, PART_NETNS, PART_PIDS, PART_PORTS, PART_PREFIXES, Prefix,
};
use tracer_common::stat::Hook;
use tracer_common::tuple::{IPV4, IPV6};
use tracer_user::kernel::load::Settings;
use tracer_user::model::event::{Event, EventKind};

/// Of the connections in a namespace of the test's own.
const WANTED: u16 = 1_001;
const OTHER: u16 = 1_002;
const PATIENCE: Duration = Duration::from_secs(10);

fn scene(filters: u32, change: impl FnOnce(&mut Filter)) -> Scene {
    let mut filter = Filter::default();
    change(&mut filter);
    Scene::with(&Settings {
        export_all: true,
        filter,
        filters,
        ..Settings::default()
    })
}

fn listen(address: SocketAddr) -> TcpListener {
    let begun = Instant::now();
    loop {
        match TcpListener::bind(address) {
            // Another test's child, which did not run its program yet, has a copy of our last listener.
            Err(error) if error.kind() == ErrorKind::AddrInUse && begun.elapsed() < PATIENCE => {
                thread::sleep(Duration::from_millis(1));
            }
            result => return result.unwrap(),
        }
    }
}

/// Opens and closes a connection.
fn visit(address: &str, port: u16) {
    let address = SocketAddr::new(address.parse().unwrap(), port);
    let listener = listen(address);
    let client = TcpStream::connect(address).unwrap();
    drop(client);
    drop(listener.accept().unwrap());
}

/// What was told since the last time, up to a failure, which always is.
fn told(scene: &mut Scene) -> Vec<(u16, EventKind)> {
    let marker = scene::refuse("127.0.0.1");
    let events = scene.until("the marker", |event| matches!(event.kind, EventKind::Failed { .. }));
    let told = events
        .iter()
        .map(|event| (scene::port(event).unwrap(), event.kind.clone()));
    told.filter(|(port, _)| *port != marker).collect()
}

fn left_out(scene: &Scene) -> u64 {
    [Hook::Connect, Hook::SetState]
        .map(|hook| scene.counted(hook).filtered)
        .iter()
        .sum()
}

fn whole(port: u16) -> Vec<(u16, EventKind)> {
    let kinds = [
        EventKind::Connect,
        EventKind::Established,
        EventKind::Closed { errno: 0 },
    ];
    kinds.map(|kind| (port, kind)).to_vec()
}

/// Three events are told of the wanted connection, and the three of the other are counted.
#[track_caller]
fn assert_one_of_two(scene: &mut Scene, wanted: impl FnOnce(), other: impl FnOnce()) {
    let before = left_out(scene);
    wanted();
    other();
    assert_eq!(told(scene), whole(WANTED));
    assert!(left_out(scene) >= before + 3);
}

#[test]
fn without_values_everything_passes() {
    let mut scene = scene(u32::MAX, |_| ());
    visit("127.0.0.1", WANTED);
    assert_eq!(told(&mut scene), whole(WANTED));
}

#[test]
fn ports_pass_at_either_end() {
    let mut scene = scene(PART_PORTS, |filter| {
        filter.counts.ports = 2;
        filter.ports[..2].copy_from_slice(&[7_u16.to_be(), WANTED.to_be()]);
    });
    assert_one_of_two(&mut scene, || visit("127.0.0.1", WANTED), || visit("127.0.0.1", OTHER));
    let listener = listen(([127, 0, 0, 1], OTHER).into());
    let client = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    bind(&client, &SocketAddr::from(([127, 0, 0, 1], WANTED))).unwrap();
    connect(&client, &listener.local_addr().unwrap()).unwrap();
    drop(client);
    drop(listener.accept().unwrap());
    assert_eq!(told(&mut scene), whole(OTHER));
}

#[test]
fn prefixes_pass_for_their_family_only() {
    for (address, other, family, first, mask) in [
        ("127.1.2.3", "127.2.2.3", IPV4, [127, 1, 0, 0, 0, 0, 0, 0], 2),
        ("127.1.2.3", "::1", IPV4, [127, 0, 0, 0, 0, 0, 0, 0], 1),
        ("::1", "127.0.0.1", IPV6, [0; 8], 8),
    ] {
        let mut scene = scene(PART_PREFIXES, |filter| {
            filter.counts.prefixes = 1;
            let mut bits = [0; 8];
            bits[..mask].fill(0xff);
            filter.prefixes[0] = Prefix {
                address: [u64::from_ne_bytes(first), 0],
                mask: [u64::from_ne_bytes(bits), 0],
                family: family.into(),
            };
        });
        // The other end must not pass instead.
        let visit_from = |address: &str, port: u16| {
            let address = SocketAddr::new(address.parse().unwrap(), port);
            let listener = listen(address);
            let kind = if address.is_ipv4() {
                AddressFamily::INET
            } else {
                AddressFamily::INET6
            };
            let client = socket(kind, SocketType::STREAM, None).unwrap();
            bind(&client, &SocketAddr::new(address.ip(), 0)).unwrap();
            connect(&client, &address).unwrap();
            drop(client);
            drop(listener.accept().unwrap());
        };
        assert_one_of_two(&mut scene, || visit_from(address, WANTED), || visit_from(other, OTHER));
    }
}

#[test]
fn a_process_passes_by_its_number_and_a_thread_by_its_name() {
    for (pid, passes) in [(std::process::id(), true), (1, false)] {
        let mut scene = scene(PART_PIDS, |filter| {
            filter.counts.pids = 1;
            filter.pids[0] = pid;
        });
        visit("127.0.0.1", WANTED);
        assert_eq!(told(&mut scene), if passes { whole(WANTED) } else { Vec::new() });
        assert!(passes || left_out(&scene) >= 3);
    }
    let mut scene = scene(PART_COMMS, |filter| {
        filter.counts.comms = 1;
        let mut name = [0; 8];
        name[..6].copy_from_slice(b"wanted");
        filter.comms[0] = [u64::from_ne_bytes(name), 0];
    });
    let by = |name: &str, port| {
        let thread = thread::Builder::new().name(name.to_owned());
        thread.spawn(move || visit("127.0.0.1", port)).unwrap().join().unwrap();
    };
    assert_one_of_two(&mut scene, || by("wanted", WANTED), || by("wanted-not", OTHER));
}

#[test]
fn a_cgroup_that_nobody_wants_is_left_out_until_it_is_readmitted() {
    let mut scene = scene(PART_CGROUPS, |_| ());
    let mut filters = scene.filters();
    visit("127.0.0.1", WANTED);
    scene::refuse("127.0.0.1");
    let is_last = |event: &Event| matches!(event.kind, EventKind::Failed { .. });
    let events = scene.until("the marker", is_last);
    let cgroup = events[0].owner.unwrap().cgroup;
    filters.leave_out(cgroup + 1).unwrap();
    visit("127.0.0.1", WANTED);
    assert_eq!(told(&mut scene), whole(WANTED));
    filters.leave_out(cgroup).unwrap();
    let before = left_out(&scene);
    visit("127.0.0.1", WANTED);
    assert_eq!(told(&mut scene), []);
    assert!(left_out(&scene) >= before + 3);
    filters.readmit().unwrap();
    visit("127.0.0.1", WANTED);
    assert_eq!(told(&mut scene), whole(WANTED));
}

#[test]
fn another_filter_counts_from_then_on() {
    let ports = |port: u16| {
        let mut filter = Filter::default();
        filter.counts.ports = 1;
        filter.ports[0] = port.to_be();
        filter
    };
    let mut scene = scene(PART_PORTS, |filter| *filter = ports(OTHER));
    let mut filters = scene.filters();
    filters.set(ports(WANTED)).unwrap();
    assert_one_of_two(&mut scene, || visit("127.0.0.1", WANTED), || visit("127.0.0.1", OTHER));
}

#[test]
fn suspects_are_told_whatever_the_filter_wants() {
    let mut scene = scene(PART_PORTS | PART_PIDS, |filter| {
        (filter.counts.ports, filter.counts.pids) = (1, 1);
        (filter.ports[0], filter.pids[0]) = (WANTED.to_be(), 1);
    });
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    scene::abort(listener.accept().unwrap().0);
    let events = scene.until("the end", |event| matches!(event.kind, EventKind::Closed { .. }));
    assert!(
        events
            .iter()
            .any(|event| matches!(event.kind, EventKind::RstReceived { .. })),
        "{events:#?}"
    );
    drop(client);
}

#[test]
fn of_another_namespace_only_packets_are_told() {
    let mut scene = scene(PART_NETNS, |filter| {
        filter.counts.netns = 1;
        filter.netns[0] = 1;
    });
    let before = scene.counted(Hook::ReceiveReset).filtered;
    let (sets, connects) = (Hook::SetState, Hook::Connect);
    let left_before = scene.counted(sets).filtered + scene.counted(connects).filtered;
    visit("127.0.0.1", WANTED);
    let listener = listen(([127, 0, 0, 1], OTHER).into());
    let _client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    scene::refuse("127.0.0.1");
    // The last one, which is told wherever it is.
    scene::abort(listener.accept().unwrap().0);
    let is_last = |event: &Event| matches!(&event.kind, EventKind::RstSent(rst) if rst.active);
    let events = scene.until("the abort", is_last);
    assert!(
        events.iter().all(|event| matches!(event.kind, EventKind::RstSent(_))),
        "{events:#?}"
    );
    assert!(
        scene.counted(Hook::ReceiveReset).filtered > before,
        "of the refused connect"
    );
    assert!(scene.counted(sets).filtered + scene.counted(connects).filtered >= left_before + 6);
}
