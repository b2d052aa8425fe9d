//! The programs' own decision, compiled here too, beside the user's filter: on anything, they decide the same.

use super::{parts, values};
use crate::decode::Tables;
use crate::filter::{Filter, Pattern, Prefix};
use crate::model::identity::Comm;
use decision::{wants_ends, wants_netns, wants_owner};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use tracer_common::event::{Connection, Header, Socket, SocketEvent};
use tracer_common::filter::{COMMS, NETNS, PART_CGROUPS, PART_NETNS, PIDS, PORTS, PREFIXES};
use tracer_common::kind::{CONNECT, CONNECTION_OWNED, FLAG_OWNED};
use tracer_common::tuple::Tuple;

#[expect(
    clippy::inline_always,
    clippy::cast_possible_truncation,
    reason = "it is the kernel's side"
)]
#[path = "../../../../tracer-ebpf/src/decision.rs"]
mod decision;
#[expect(
    clippy::inline_always,
    clippy::cast_possible_truncation,
    reason = "it is the kernel's side"
)]
#[path = "../../../../tracer-ebpf/src/mapped.rs"]
mod mapped;

/// Whether the record leaves the kernel, in a run that exports everything.
fn leaves_the_kernel(filter: &Filter, can_change: bool, record: &SocketEvent) -> bool {
    let frozen = parts(filter, true, can_change);
    let may = |parts| frozen & parts != 0;
    let filter = values(filter);
    wants_netns(may, &filter, record.header.netns_inode)
        && wants_owner(may, &filter, &record.owner, |_| false)
        && wants_ends(may, &filter, &record.socket.tuple)
}

fn user_wants(filter: &Filter, record: &SocketEvent) -> bool {
    // SAFETY: the ABI's records are `repr(C)` and without padding, so all their bytes are initialised.
    let bytes =
        unsafe { std::slice::from_raw_parts(std::ptr::from_ref(record).cast::<u8>(), size_of::<SocketEvent>()) };
    let event = Tables::default().decode(bytes, |_| None).unwrap();
    filter.wants_event(&event, None)
}

fn is_pushed_whole(filter: &Filter) -> bool {
    filter.netns.len() <= NETNS
        && filter.pids.len() <= PIDS
        && filter.comms.len() <= COMMS
        && filter.prefixes.len() <= PREFIXES
        && filter.ports.len() <= PORTS
}

/// Few, so that filters and records meet; of each kind more than fit.
fn addresses() -> impl Strategy<Value = [u8; 16]> {
    let known = [
        "::",
        "::1",
        "::10.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:10.77.0.3",
        "2001:db8::1",
        "2001:db8:1::1",
        "a00::",
    ];
    let bytes = known.map(|text| text.parse::<std::net::Ipv6Addr>().unwrap().octets());
    let v4 = [[10, 0, 0, 1], [10, 77, 0, 3], [0, 0, 0, 0], [127, 0, 0, 1]].map(|[a, b, c, d]| {
        let mut bytes = [0; 16];
        bytes[..4].copy_from_slice(&[a, b, c, d]);
        bytes
    });
    select([&bytes[..], &v4[..]].concat())
}

fn comms() -> impl Strategy<Value = Comm> {
    select(vec![
        Comm::new(b"curl"),
        Comm::new(b"curl2"),
        Comm::new(b"a-name-15-bytes"),
        Comm::new(b""),
    ])
}

fn prefixes() -> impl Strategy<Value = Prefix> {
    let addresses = [
        "10.0.0.1",
        "10.77.0.0",
        "0.0.0.0",
        "127.0.0.1",
        "::",
        "::1",
        "::ffff:10.0.0.1",
        "2001:db8::",
    ];
    (select(addresses.to_vec()), 0_u8..=128).prop_map(|(address, length)| {
        let address = address.parse::<std::net::IpAddr>().unwrap();
        let longest = if address.is_ipv4() { 32 } else { 128 };
        Prefix::new(address, length.min(longest)).unwrap()
    })
}

fn filters() -> impl Strategy<Value = Filter> {
    let numbers = || prop_oneof![4 => vec(0_u32..4, 0..3), 1 => vec(0_u32..4, 0..=2 * PIDS)];
    let ports = select(vec![0_u16, 80, 0x5000, 443, 40_000]);
    (
        numbers(),
        prop_oneof![4 => vec(ports.clone(), 0..3), 1 => vec(ports, 0..=2 * PORTS)],
        numbers(),
        prop_oneof![4 => vec(comms(), 0..3), 1 => vec(comms(), 0..=2 * COMMS)],
        prop_oneof![4 => vec(prefixes(), 0..3), 1 => vec(prefixes(), 0..=2 * PREFIXES)],
    )
        .prop_map(|(netns, ports, pids, comms, prefixes)| Filter {
            netns,
            ports,
            pids,
            comms,
            prefixes,
            pods: Vec::new(),
            containers: Vec::new(),
        })
}

fn records() -> impl Strategy<Value = SocketEvent> {
    let ports = || select(vec![0_u16, 80, 443, 40_000]);
    let tuples = (
        addresses(),
        addresses(),
        ports(),
        ports(),
        select(vec![0_u8, 4, 4, 6, 6]),
    );
    let tuples = tuples.prop_map(|(source, destination, from, to, family)| Tuple {
        source,
        destination,
        source_port: from.to_be_bytes(),
        destination_port: to.to_be_bytes(),
        family,
        pad: [0; 3],
    });
    (tuples, 0_u32..4, 0_u32..4, comms(), any::<bool>()).prop_map(|(tuple, netns_inode, tgid, comm, is_owned)| {
        SocketEvent {
            header: Header {
                kind: CONNECT,
                flags: if is_owned { FLAG_OWNED } else { 0 },
                netns_inode,
                ..Header::default()
            },
            owner: Connection {
                tgid,
                comm: comm.0,
                flags: if is_owned { CONNECTION_OWNED } else { 0 },
                ..Connection::default()
            },
            socket: Socket {
                tuple,
                ..Socket::default()
            },
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn what_leaves_the_kernel_is_what_the_user_wants_to_see(
        filter in filters(),
        record in records(),
        can_change in any::<bool>(),
    ) {
        let (leaves, wanted) = (leaves_the_kernel(&filter, can_change, &record), user_wants(&filter, &record));
        prop_assert!(leaves || !wanted);
        prop_assert!(leaves == wanted || !is_pushed_whole(&filter));
    }
}

#[test]
fn both_verdicts_are_tried_often() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let wanted = (0..1_000).filter(|_| {
        let tree = (filters(), records()).new_tree(&mut runner).unwrap();
        let (filter, record) = tree.current();
        filter != Filter::default() && user_wants(&filter, &record)
    });
    let count = wanted.count();
    assert!((25..975).contains(&count), "{count} of 1,000");
}

#[test]
fn only_namespaces_decide_where_nothing_is_exported() {
    let filter = Filter {
        netns: vec![5],
        ports: vec![80],
        pods: vec![Pattern::new("web-*")],
        ..Filter::default()
    };
    assert_eq!(parts(&filter, false, true), PART_NETNS);
    assert_eq!(parts(&Filter::default(), false, true), 0);
    assert_eq!(parts(&Filter::default(), true, false), 0);
    assert_ne!(parts(&filter, true, false) & PART_CGROUPS, 0);
}
