//! What replay needs comes back as it was: model → line → model, for any values.

use crate::model::aspect::{Aspect, Seen};
use crate::model::conntrack::Conntrack;
use crate::model::event::{
    Change, ConntrackChange, Destroyed, Dropped, Event, EventKind, Packet, Retransmit, RstMaker, RstSent,
};
use crate::model::evidence::Place;
use crate::model::finding::RuleRole;
use crate::model::identity::{Comm, Netns, Owner, Process, SocketCookie};
use crate::model::inquiry::{
    Answer, Census, Examined, Inquiry, Listener, Question, Reply, Sending, SocketInfo, Stalled, Waiting,
};
use crate::model::reason::{DropReason, RstReason};
use crate::model::rules::{Backend, Component, End, Family, Hook, Located, Reject};
use crate::model::tcp::{ConntrackState, TcpState};
use crate::model::time::Timestamp;
use crate::model::tuple::{Endpoint, Tuple};
use crate::model::walked::{Named, Repeated, Trail, Traveller, Walked};
use crate::model::who::{Container, Identity, Pod, Runtime, Subject};
use crate::sink::clock::Clock;
use crate::sink::jsonl::write::write_by_type;
use crate::sink::jsonl::{Input, read, write};
use crate::sink::jsont::schema;
use crate::sink::record::Record;
use crate::sink::sample;
use proptest::collection::{btree_map, vec};
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

fn timestamp() -> impl Strategy<Value = Timestamp> {
    any::<u64>().prop_map(Timestamp::from_nanos)
}

fn endpoint() -> impl Strategy<Value = Endpoint> {
    (any::<IpAddr>(), any::<u16>()).prop_map(|(address, port)| Endpoint::new(address, port))
}

fn tuple() -> impl Strategy<Value = Tuple> {
    (endpoint(), endpoint()).prop_map(|(source, destination)| Tuple::new(source, destination))
}

fn netns() -> impl Strategy<Value = Netns> {
    (any::<u64>(), any::<u32>()).prop_map(|(cookie, inode)| Netns { cookie, inode })
}

fn comm() -> impl Strategy<Value = Comm> {
    vec(1_u8.., 0..16).prop_map(|name| Comm::new(&name))
}

fn text() -> impl Strategy<Value = Arc<str>> {
    any::<String>().prop_map(Arc::from)
}

fn process() -> impl Strategy<Value = Process> {
    (any::<u32>(), comm()).prop_map(|(pid, comm)| Process { pid, comm })
}

fn tcp_state() -> impl Strategy<Value = Option<TcpState>> {
    any::<u8>().prop_map(TcpState::from_number)
}

fn owner() -> BoxedStrategy<Owner> {
    let numbers = (any::<u32>(), any::<u32>(), any::<u32>());
    (timestamp(), numbers, any::<u64>(), comm())
        .prop_map(|(started, (pid, tid, uid), cgroup, comm)| Owner {
            started,
            pid,
            tid,
            uid,
            cgroup,
            comm,
        })
        .boxed()
}

fn conntrack() -> BoxedStrategy<Conntrack> {
    let state = any::<u8>().prop_map(ConntrackState::from_number);
    let numbers = (any::<u32>(), any::<u32>(), any::<u16>(), of(any::<u32>()));
    (tuple(), tuple(), state, numbers)
        .prop_map(|(original, reply, state, (status, mark, zone, id))| Conntrack {
            original,
            reply,
            status,
            state,
            mark,
            zone,
            id,
        })
        .boxed()
}

fn packet() -> BoxedStrategy<Packet> {
    let numbers = (any::<u32>(), of(any::<u32>()), any::<u8>(), any::<u32>(), any::<u32>());
    (tuple(), numbers, of(conntrack()))
        .prop_map(|(tuple, numbers, conntrack)| {
            let (mark, ifindex, tcp_flags, sequence, acknowledgement) = numbers;
            Packet {
                tuple,
                mark,
                ifindex,
                tcp_flags,
                sequence,
                acknowledgement,
                conntrack,
            }
        })
        .boxed()
}

fn kind() -> BoxedStrategy<EventKind> {
    prop_oneof![
        Just(EventKind::Connect),
        (
            select(vec![Change::New, Change::Update, Change::Destroy]),
            conntrack(),
            of(process())
        )
            .prop_map(|(change, entry, by)| EventKind::Conntrack(ConntrackChange { change, entry, by })),
        Just(EventKind::Established),
        any::<u32>().prop_map(|errno| EventKind::Failed { errno }),
        any::<u32>().prop_map(|errno| EventKind::Closed { errno }),
        retransmit().prop_map(EventKind::Retransmit),
        rst_sent().prop_map(EventKind::RstSent),
        tcp_state().prop_map(|state| EventKind::RstReceived { state }),
        (tcp_state(), of(process())).prop_map(|(state, by)| EventKind::Destroyed(Destroyed { state, by })),
        (select(DropReason::ALL), of(text()), tcp_state(), packet()).prop_map(|(reason, location, state, packet)| {
            EventKind::Drop(Dropped {
                reason,
                location,
                state,
                packet,
            })
        }),
    ]
    .boxed()
}

fn retransmit() -> impl Strategy<Value = Retransmit> {
    let rto = of(any::<u64>().prop_map(Duration::from_nanos));
    (tcp_state(), any::<u32>(), any::<u32>(), rto).prop_map(|(state, retransmits, unacked, rto)| Retransmit {
        state,
        retransmits,
        unacked,
        rto,
    })
}

fn rst_sent() -> BoxedStrategy<RstSent> {
    let maker = select(vec![
        RstMaker::Socket,
        RstMaker::NoSocket,
        RstMaker::Netfilter,
        RstMaker::Remote,
        RstMaker::Unknown,
    ]);
    let reason = of(select(RstReason::ALL));
    (maker, reason, any::<bool>(), tcp_state(), of(packet()))
        .prop_map(|(maker, reason, active, state, packet)| RstSent {
            maker,
            reason,
            active,
            state,
            packet,
        })
        .boxed()
}

fn event() -> impl Strategy<Value = Event> {
    let socket = any::<u64>().prop_map(SocketCookie::new);
    (
        timestamp(),
        any::<u32>(),
        netns(),
        socket,
        of(tuple()),
        of(owner()),
        kind(),
    )
        .prop_map(|(at, cpu, netns, socket, tuple, owner, kind)| Event {
            at,
            cpu,
            netns,
            socket,
            tuple,
            // An entry belongs to nobody; its line has room for one process.
            owner: owner.filter(|_| !matches!(kind, EventKind::Conntrack(_))),
            kind,
        })
}

fn identity() -> impl Strategy<Value = Identity> {
    let container =
        (text(), of(text()), of(select(Runtime::ALL))).prop_map(|(id, name, runtime)| Container { id, runtime, name });
    let labels = btree_map(text(), text(), 0..3).prop_map(|labels| labels.into_iter().collect());
    let pod = (of(text()), of(text()), of(text()), labels).prop_map(|(name, namespace, uid, labels)| Pod {
        name,
        namespace,
        uid,
        labels,
    });
    (of(text()), of(text()), of(container), of(pod.prop_map(Arc::new))).prop_map(
        |(executable, command_line, container, pod)| Identity {
            executable,
            command_line,
            container,
            pod,
        },
    )
}

fn inquiry() -> impl Strategy<Value = Inquiry> {
    let question = prop_oneof![
        (tuple(), of(endpoint()), vec(aspect(), 0..3)).prop_map(|(tuple, target, aspects)| Question::Connection {
            tuple,
            target,
            aspects
        }),
        any::<u32>().prop_map(|ifindex| Question::Link { ifindex }),
        Just(Question::Sweep),
        Just(Question::Stalled),
        (vec(traveller(), 0..3), of(any::<u32>()), vec(aspect(), 0..3)).prop_map(|(packets, connmark, aspects)| {
            Question::Walk {
                packets,
                connmark,
                aspects,
            }
        }),
        netns().prop_map(|netns| Question::Who(Subject::Netns(netns))),
        (any::<u32>(), comm(), of(1_u64..))
            .prop_map(|(pid, comm, cgroup)| { Question::Who(Subject::Process { pid, comm, cgroup }) }),
    ];
    (any::<u64>(), timestamp(), netns(), of(any::<u32>()), question).prop_map(|(id, at, netns, hint, question)| {
        // The line of a question about a namespace has room for that one.
        let netns = if let Question::Who(Subject::Netns(of)) = question {
            of
        } else {
            netns
        };
        Inquiry {
            id,
            at,
            netns,
            hint,
            question,
        }
    })
}

fn traveller() -> BoxedStrategy<Traveller> {
    let place = select(vec![Place::Output, Place::Input, Place::Forward]);
    let numbers = (of(any::<u32>()), any::<u8>(), of(any::<u32>()), of(any::<u32>()));
    let flags = (any::<bool>(), any::<bool>());
    (timestamp(), tuple(), place, numbers, of(conntrack()), flags)
        .prop_map(|(at, tuple, place, numbers, conntrack, (first, dropped))| {
            let (ifindex, tcp_flags, mark, uid) = numbers;
            Traveller {
                at,
                tuple,
                place,
                ifindex,
                tcp_flags,
                mark,
                uid,
                conntrack,
                first,
                dropped,
            }
        })
        .boxed()
}

fn located() -> BoxedStrategy<Located> {
    let place = (select(Backend::ALL), select(Family::ALL), text(), text());
    let numbers = (
        of(select(Hook::ALL)),
        of(any::<u32>()),
        of(any::<u64>()),
        of(any::<u64>()),
    );
    (place, numbers, text(), of(text()), of(select(Component::ALL)))
        .prop_map(|((backend, family, table, chain), numbers, text, comment, owner)| {
            let (hook, index, handle, packets) = numbers;
            Located {
                backend,
                family,
                table,
                chain,
                hook,
                index,
                handle,
                text,
                comment,
                owner,
                packets,
            }
        })
        .boxed()
}

fn trail() -> BoxedStrategy<Trail> {
    let end = select(vec![
        End::Delivered,
        End::Left,
        End::Dropped,
        End::Rejected(Reject::TcpReset),
        End::Rejected(Reject::Icmp),
        End::Queued,
        End::Unknown,
    ]);
    let named = (select(RuleRole::ALL), located(), any::<bool>()).prop_map(|(role, rule, certain)| Named {
        role,
        rule,
        certain,
    });
    let repeated = (located(), located()).prop_map(|(first, second)| Repeated { first, second });
    let flags = (any::<bool>(), any::<bool>());
    let lists = (vec(named, 0..3), vec(repeated, 0..2));
    (lists, end, flags, of(endpoint()), of(any::<u32>()))
        .prop_map(
            |((rules, repeated), end, (agrees, certain), destination, connmark)| Trail {
                rules,
                end,
                agrees,
                certain,
                destination,
                connmark,
                repeated,
            },
        )
        .boxed()
}

fn walked() -> BoxedStrategy<Walked> {
    let numbers = (of(any::<u32>()), timestamp(), of(any::<bool>()), any::<u32>());
    let lists = (vec(located(), 0..3), vec(text(), 0..3), vec(seen(), 0..3));
    (numbers, vec(trail(), 0..3), lists)
        .prop_map(|(numbers, trails, (setters, caveats, seen))| {
            let (generation, read_at, changed, rules) = numbers;
            Walked {
                generation,
                read_at,
                changed,
                rules,
                trails,
                setters,
                caveats,
                seen,
            }
        })
        .boxed()
}

fn aspect() -> impl Strategy<Value = Aspect> {
    select(sample::aspects())
}

fn seen() -> impl Strategy<Value = Seen> {
    select(sample::seen())
}

fn socket() -> BoxedStrategy<SocketInfo> {
    let queues = (any::<u32>(), any::<u32>(), of(any::<u32>()), any::<u8>());
    (tcp_state(), queues, any::<[u32; 2]>(), of(process()), of(sending()))
        .prop_map(|(state, queues, [uid, inode], process, sending)| {
            let (receive_queue, send_queue, unacked, retransmits) = queues;
            SocketInfo {
                state,
                receive_queue,
                send_queue,
                unacked,
                retransmits,
                uid,
                inode,
                process,
                sending,
            }
        })
        .boxed()
}

fn sending() -> impl Strategy<Value = Sending> {
    let window = of(any::<u32>());
    (any::<[u32; 5]>(), any::<u64>(), window).prop_map(|(numbers, acknowledged, window)| {
        let [mss, path_mtu, in_flight, sacked, heard] = numbers;
        Sending {
            mss,
            path_mtu,
            in_flight,
            sacked,
            acknowledged,
            window,
            last_heard: Duration::from_millis(heard.into()),
        }
    })
}

fn listener() -> BoxedStrategy<Listener> {
    (endpoint(), any::<[u32; 4]>(), of(process()))
        .prop_map(|(address, [queue, backlog, uid, inode], process)| Listener {
            address,
            queue,
            backlog,
            uid,
            inode,
            process,
        })
        .boxed()
}

fn examined() -> BoxedStrategy<Examined> {
    (
        of(conntrack()),
        of(socket()),
        endpoint(),
        any::<bool>(),
        vec(listener(), 0..3),
        vec(seen(), 0..3),
    )
        .prop_map(
            |(conntrack, socket, target, target_is_local, listeners, seen)| Examined {
                conntrack,
                socket,
                target,
                target_is_local,
                listeners,
                seen,
            },
        )
        .boxed()
}

fn waiting() -> BoxedStrategy<Waiting> {
    let ends = (of(conntrack()), of(socket()));
    (netns(), of(text()), listener(), tuple(), any::<u32>(), ends)
        .prop_map(
            |(netns, enter, listener, tuple, receive_queue, (conntrack, client))| Waiting {
                netns,
                enter,
                listener,
                tuple,
                receive_queue,
                conntrack,
                client,
            },
        )
        .boxed()
}

fn stalled() -> BoxedStrategy<Stalled> {
    let place = (netns(), of(text()), timestamp(), tuple());
    let cookie = any::<u64>().prop_map(SocketCookie::new);
    let timer = (any::<u8>(), of(any::<u64>()), any::<u64>());
    (place, cookie, socket(), any::<u32>(), timer)
        .prop_map(
            |((netns, enter, at, tuple), cookie, socket, unacked, (backoff, rto, left))| Stalled {
                netns,
                enter,
                at,
                tuple,
                cookie,
                socket,
                unacked,
                backoff,
                rto: rto.map(Duration::from_nanos),
                left: Duration::from_nanos(left),
            },
        )
        .boxed()
}

fn answer() -> impl Strategy<Value = Answer> {
    let reply = prop_oneof![
        examined().prop_map(|examined| Reply::Connection(Box::new(examined))),
        of(netns()).prop_map(Reply::Link),
        vec(waiting(), 0..3).prop_map(Reply::Swept),
        (vec(stalled(), 0..3), any::<u32>())
            .prop_map(|(sockets, left_out)| Reply::Stalled(Census { sockets, left_out })),
        walked().prop_map(|walked| Reply::Walked(Box::new(walked))),
        identity().prop_map(|identity| Reply::Identity(Arc::new(identity))),
        Just(Reply::Gone),
        text().prop_map(Reply::Unreachable),
    ];
    (any::<u64>(), timestamp(), of(text()), reply).prop_map(|(id, at, enter, reply)| Answer { id, at, enter, reply })
}

fn line(record: Record<'_>) -> Vec<u8> {
    let clock = Clock {
        offset: 1_772_600_000_000_000_000,
    };
    let mut out = Vec::new();
    write(record, clock, 7, None, &mut out);
    schema::strict().line(str::from_utf8(&out).unwrap());
    out
}

/// `Debug` too: namespaces are equal when their cookies are, but the inode must come back as well.
fn same<T: PartialEq + std::fmt::Debug>(before: &T, after: &T) {
    assert_eq!(before, after);
    assert_eq!(format!("{before:?}"), format!("{after:?}"));
}

/// Kinds whose lines are written straight out, of owners and namespaces that are also partly unknown.
fn ordinary() -> impl Strategy<Value = Event> {
    let kinds = prop_oneof![
        Just(EventKind::Connect),
        Just(EventKind::Established),
        (0_u32..3).prop_map(|errno| EventKind::Failed { errno }),
        any::<u32>().prop_map(|errno| EventKind::Closed { errno }),
    ];
    (event(), kinds, 0_u8..32).prop_map(|(event, kind, unknown)| {
        let is_unknown = |bit: u8| unknown >> bit & 1 == 1;
        let mut event = Event { kind, ..event };
        if is_unknown(0) {
            event.netns.cookie = 0;
        }
        if is_unknown(1) {
            event.netns.inode = 0;
        }
        if let Some(tuple) = event.tuple.as_mut().filter(|_| is_unknown(2)) {
            tuple.source.port = 0;
        }
        if let Some(owner) = event.owner.as_mut().filter(|_| is_unknown(3)) {
            owner.cgroup = 0;
        }
        if let Some(owner) = event.owner.as_mut().filter(|_| is_unknown(4)) {
            owner.comm = Comm::new(b"curl");
        }
        event
    })
}

proptest! {
    #[test]
    fn ordinary_lines_are_as_the_wire_types_write_them(
        event in ordinary(),
        offset in any::<i128>(),
        seq in any::<u64>(),
        session in of(any::<String>()),
    ) {
        let (record, clock) = (Record::Event(&event), Clock { offset: offset >> (offset & 0x7f) });
        let (mut written, mut expected) = (b"before\n".to_vec(), b"before\n".to_vec());
        write(record, clock, seq, session.as_deref(), &mut written);
        write_by_type(record, clock, seq, session.as_deref(), &mut expected);
        prop_assert_eq!(String::from_utf8(written), String::from_utf8(expected));
    }

    #[test]
    fn events_come_back(event in event()) {
        let line = line(Record::Event(&event));
        let Input::Event(read) = read(&line).unwrap().input else {
            panic!("not a event");
        };
        same(&event, &read);
    }

    #[test]
    fn inquiries_come_back(inquiry in inquiry()) {
        let line = line(Record::Inquiry(&inquiry));
        let Input::Inquiry(read) = read(&line).unwrap().input else {
            panic!("not a inquiry");
        };
        same(&inquiry, &read);
    }

    #[test]
    fn answers_come_back(answer in answer()) {
        let line = line(Record::Answer(&answer));
        let Input::Answer(read) = read(&line).unwrap().input else {
            panic!("not a answer");
        };
        same(&answer, &read);
    }

    #[test]
    fn deadlines_come_back(at in timestamp()) {
        let line = line(Record::Deadline(at));
        let read = read(&line).unwrap();
        prop_assert!(matches!(read.input, Input::Deadline));
        prop_assert_eq!(read.at, at);
    }

    #[test]
    fn reading_never_panics(mut line in event().prop_map(|event| line(Record::Event(&event))), at in any::<usize>(), byte in any::<u8>(), cut in any::<usize>()) {
        let length = line.len();
        line[at % length] = byte;
        line.truncate(cut % (length + 1));
        let _ = read(&line);
    }
}
