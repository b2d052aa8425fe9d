use super::*;
use proptest::prelude::*;
use tracer_common::event::{Connection, Conntrack as RawConntrack, DestroyedEvent, Packet as RawPacket, Socket};

/// The bytes of a record, as the kernel side writes them.
fn bytes_of<T: Copy>(record: &T) -> Vec<u8> {
    // SAFETY: the ABI's records are `repr(C)` and without padding, so all their bytes are initialised.
    unsafe { std::slice::from_raw_parts(std::ptr::from_ref(record).cast::<u8>(), size_of::<T>()) }.to_vec()
}

fn tables() -> Tables {
    Tables {
        drop_reasons: HashMap::from([(12, DropReason::Netfilter)]),
        rst_reasons: HashMap::from([(1, RstReason::NoSocket)]),
        jiffy: Some(Duration::from_millis(4)),
    }
}

fn decode(record: &impl Copy) -> Result<Event, DecodeError> {
    tables().decode(&bytes_of(record), |address| {
        (address == 7).then(|| "nf_hook_slow".into())
    })
}

fn raw_v4(source: ([u8; 4], u16), destination: ([u8; 4], u16)) -> family::Tuple {
    let mut tuple = family::Tuple {
        family: family::IPV4,
        ..Default::default()
    };
    tuple.source[..4].copy_from_slice(&source.0);
    tuple.destination[..4].copy_from_slice(&destination.0);
    tuple.source_port = source.1.to_be_bytes();
    tuple.destination_port = destination.1.to_be_bytes();
    tuple
}

fn v4(text: &str) -> Endpoint {
    text.parse::<std::net::SocketAddr>().unwrap().into()
}

fn socket_event(kind: u8) -> SocketEvent {
    SocketEvent {
        header: Header {
            kind,
            flags: kind::FLAG_OWNED,
            state: 2,
            cpu: 3,
            time: 5_000,
            socket: 42,
            netns_cookie: 9,
            netns_inode: 4_026_531_840,
            ..Default::default()
        },
        owner: Connection {
            started: 1_000,
            cgroup: 77,
            tgid: 10,
            pid: 11,
            uid: 1000,
            flags: 4,
            comm: *b"curl\0\0\0\0\0\0\0\0\0\0\0\0",
        },
        socket: Socket {
            tuple: raw_v4(([10, 0, 0, 1], 4000), ([10, 0, 0, 2], 80)),
            error: 111,
            retransmits: 2,
            rto_jiffies: 500,
            unacked: 1,
            ..Default::default()
        },
    }
}

fn drop_event() -> PacketEvent {
    let packet = raw_v4(([10, 0, 0, 1], 4000), ([10, 0, 0, 2], 80));
    let mut event = socket_event(kind::DROP);
    event.header.flags |= kind::FLAG_PACKET | kind::FLAG_CONNTRACK | kind::FLAG_REASON;
    PacketEvent {
        event,
        packet: RawPacket {
            tuple: packet,
            location: 7,
            reason: 12,
            mark: 1,
            sequence: 5,
            tcp_flags: 2,
            ..Default::default()
        },
        conntrack: RawConntrack {
            original: packet,
            reply: raw_v4(([127, 0, 0, 1], 9999), ([10, 0, 0, 1], 4000)),
            status: 0x120,
            state: 1,
            zone: 3,
            mark: 1,
            ..Default::default()
        },
    }
}

#[test]
fn a_failed_connect_carries_owner_tuple_and_errno() {
    let event = decode(&socket_event(kind::FAILED)).unwrap();
    assert_eq!(event.kind, EventKind::Failed { errno: 111 });
    assert_eq!(event.tuple, Some(Tuple::new(v4("10.0.0.1:4000"), v4("10.0.0.2:80"))));
    assert_eq!(event.socket, SocketCookie::new(42));
    let owner = event.owner.unwrap();
    assert_eq!(
        (owner.pid, owner.tid, owner.uid, owner.comm.as_bytes()),
        (10, 11, 1000, &b"curl"[..])
    );
    assert_eq!((event.netns.cookie, event.cpu), (9, 3));
}

#[test]
fn an_owner_that_was_not_seen_is_absent() {
    let mut record = socket_event(kind::RETRANSMIT);
    record.header.flags = 0;
    let event = decode(&record).unwrap();
    assert_eq!(event.owner, None);
    let EventKind::Retransmit(retransmit) = event.kind else {
        panic!("{event:?}")
    };
    assert_eq!((retransmit.state, retransmit.retransmits), (Some(TcpState::SynSent), 2));
    assert_eq!(retransmit.rto, Some(Duration::from_secs(2)));
}

#[test]
fn a_drop_names_reason_place_and_both_tuples() {
    let event = decode(&drop_event()).unwrap();
    let EventKind::Drop(dropped) = event.kind else {
        panic!("{event:?}")
    };
    assert_eq!(dropped.reason, DropReason::Netfilter);
    assert_eq!(dropped.location.as_deref(), Some("nf_hook_slow"));
    assert_eq!(dropped.packet.ifindex, None);
    let conntrack = dropped.packet.conntrack.unwrap();
    assert_eq!(conntrack.leaving().destination, v4("127.0.0.1:9999"));
    assert_eq!((conntrack.state, conntrack.zone), (Some(ConntrackState::SynSent), 3));
}

#[test]
fn a_reset_without_socket_is_made_by_no_socket() {
    let mut record = drop_event();
    record.event = SocketEvent {
        header: Header {
            kind: kind::RST_SENT,
            flags: kind::FLAG_PACKET | kind::FLAG_REASON,
            ..Default::default()
        },
        ..Default::default()
    };
    record.packet.reason = 1;
    let event = decode(&record).unwrap();
    let EventKind::RstSent(rst) = event.kind else {
        panic!("{event:?}")
    };
    assert_eq!(
        (rst.maker, rst.reason, rst.active),
        (RstMaker::NoSocket, Some(RstReason::NoSocket), false)
    );
    assert_eq!(
        (event.socket, event.tuple, rst.packet.unwrap().conntrack),
        (None, None, None)
    );
}

#[test]
fn a_reset_by_a_rule_is_made_by_netfilter() {
    let mut record = drop_event();
    record.event.header.kind = kind::RST_SENT;
    record.event.header.flags |= kind::FLAG_RULE;
    let EventKind::RstSent(rst) = decode(&record).unwrap().kind else {
        panic!("not a reset")
    };
    assert_eq!(rst.maker, RstMaker::Netfilter);
}

#[test]
fn a_deleted_entry_names_who_deleted_it_and_belongs_to_no_socket() {
    let mut record = ConntrackEvent {
        header: Header {
            kind: kind::CONNTRACK_DESTROY,
            netns_cookie: 9,
            ..Default::default()
        },
        by: socket_event(kind::FAILED).owner,
        conntrack: drop_event().conntrack,
    };
    let nobody = decode(&record).unwrap();
    record.header.flags = kind::FLAG_OWNED;
    let event = decode(&record).unwrap();
    let EventKind::Conntrack(changed) = event.kind else {
        panic!("{event:?}")
    };
    assert_eq!(
        (changed.change, changed.by.map(|by| by.pid)),
        (Change::Destroy, Some(10))
    );
    assert_eq!((event.owner, event.socket, event.netns.cookie), (None, None, 9));
    assert!(matches!(
        nobody.kind,
        EventKind::Conntrack(ConntrackChange { by: None, .. })
    ));
    record.conntrack.reply.family = 0;
    assert_eq!(decode(&record), Err(DecodeError::NoEntry));
}

#[test]
fn who_destroyed_a_socket_is_told_unless_nobody_did() {
    let mut record = DestroyedEvent {
        event: socket_event(kind::DESTROYED),
        by: socket_event(kind::FAILED).owner,
    };
    record.event.header.old_state = 2;
    let event = decode(&record).unwrap();
    let EventKind::Destroyed(destroyed) = event.kind else {
        panic!("{event:?}")
    };
    assert_eq!(destroyed.state, Some(TcpState::SynSent));
    assert_eq!(destroyed.by.unwrap().pid, record.by.tgid);
    assert!(event.owner.is_some() && event.tuple.is_some());
    record.by.tgid = 0;
    let EventKind::Destroyed(destroyed) = decode(&record).unwrap().kind else {
        panic!("a record of the same kind")
    };
    assert_eq!(destroyed.by, None);
}

#[test]
fn unknown_kinds_reasons_and_unreadable_packets_are_errors() {
    assert_eq!(decode(&socket_event(0)), Err(DecodeError::Kind(0)));
    assert_eq!(decode(&socket_event(200)), Err(DecodeError::Kind(200)));
    let mut record = drop_event();
    record.packet.reason = 13;
    assert_eq!(decode(&record), Err(DecodeError::DropReason(13)));
    let mut record = drop_event();
    record.packet.tuple.family = 99;
    assert_eq!(decode(&record), Err(DecodeError::NoPacket));
}

#[test]
fn every_other_length_is_an_error() {
    for (full, kind) in [
        (bytes_of(&socket_event(kind::FAILED)), kind::FAILED),
        (bytes_of(&drop_event()), kind::DROP),
        (
            bytes_of(&ConntrackEvent {
                header: Header {
                    kind: kind::CONNTRACK_NEW,
                    ..Default::default()
                },
                ..Default::default()
            }),
            kind::CONNTRACK_NEW,
        ),
    ] {
        for length in 1..full.len() {
            let error = tables().decode(&full[..length], |_| None);
            assert_eq!(error, Err(DecodeError::Length { kind, length }));
        }
        let longer = [&full[..], &[0]].concat();
        assert!(tables().decode(&longer, |_| None).is_err());
    }
    assert_eq!(tables().decode(&[], |_| None), Err(DecodeError::Kind(0)));
}

proptest! {
    #[test]
    fn hostile_bytes_never_panic(kind in 0_u8..12, rest in proptest::collection::vec(any::<u8>(), 0..400)) {
        let bytes = [&[kind][..], &rest].concat();
        let _ = tables().decode(&bytes, |_| None);
    }

    #[test]
    fn hostile_records_of_the_right_length_never_panic(
        kind in 1_u8..12,
        rest in proptest::collection::vec(any::<u8>(), size_of::<PacketEvent>() - 1),
    ) {
        let bytes = [&[kind][..], &rest].concat();
        let _ = tables().decode(&bytes, |_| None);
        let _ = tables().decode(&bytes[..size_of::<SocketEvent>()], |_| None);
        let _ = tables().decode(&bytes[..size_of::<ConntrackEvent>()], |_| None);
    }
}
