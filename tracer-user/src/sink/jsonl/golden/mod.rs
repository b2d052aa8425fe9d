//! One line of each type, compared byte for byte and read by types that know every field and no other.

use crate::model::conntrack::Conntrack;
use crate::model::event::{
    Change, ConntrackChange, Destroyed, Dropped, Event, EventKind, Packet, Retransmit, RstMaker, RstSent,
};
use crate::model::evidence::Place;
use crate::model::finding::{Cause, RuleRole};
use crate::model::identity::{Comm, Owner, Process, SocketCookie};
use crate::model::inquiry::{Answer, Census, Examined, Inquiry, Question, Reply, SocketInfo, Stalled, Waiting};
use crate::model::reason::{DropReason, RstReason};
use crate::model::rules::End;
use crate::model::tcp::{ConntrackState, SYN, TcpState};
use crate::model::translation::Space;
use crate::model::walked::{Named, Repeated, Trail, Traveller, Walked};
use crate::model::who::Subject;
use crate::sink::jsonl::{Input, LINE, read, write};
use crate::sink::record::Record;
use crate::sink::sample;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Types written by hand from the contract: a field that is renamed, lost or added fails here.
mod mirror;

fn lines(records: &[Record<'_>]) -> String {
    let mut out = Vec::new();
    for (seq, record) in (0..).zip(records) {
        write(
            *record,
            sample::clock(),
            seq,
            Some(sample::hello().session.as_str()),
            &mut out,
        );
    }
    String::from_utf8(out).unwrap()
}

fn owner() -> Owner {
    Owner {
        started: sample::ms(0),
        pid: 4711,
        tid: 4712,
        uid: 1000,
        cgroup: 7321,
        comm: Comm::new(b"na\xc3\xafve \xff\\"),
    }
}

fn entry() -> Conntrack {
    Conntrack {
        zone: 2,
        id: Some(0xdead_beef),
        ..sample::entry(ConntrackState::SynSent, 1, Some("127.0.0.1:37673"))
    }
}

fn packet() -> Packet {
    Packet {
        tuple: sample::tuple("10.77.0.2:35468", "127.0.0.1:37673"),
        mark: 0x111,
        ifindex: Some(1),
        tcp_flags: SYN,
        sequence: u32::MAX,
        acknowledgement: 0,
        conntrack: Some(entry()),
    }
}

fn events() -> Vec<Event> {
    let kinds = [
        EventKind::Connect,
        EventKind::Established,
        EventKind::Failed { errno: 111 },
        EventKind::Closed { errno: 0 },
        EventKind::Retransmit(Retransmit {
            state: Some(TcpState::SynSent),
            retransmits: 2,
            unacked: 1,
            rto: Some(Duration::from_secs(2)),
        }),
        EventKind::RstSent(RstSent {
            maker: RstMaker::NoSocket,
            reason: Some(RstReason::NoSocket),
            active: false,
            state: None,
            packet: Some(packet()),
        }),
        EventKind::RstReceived {
            state: Some(TcpState::SynSent),
        },
        EventKind::Drop(Dropped {
            reason: DropReason::Netfilter,
            location: Some("nf_hook_slow".into()),
            state: Some(TcpState::SynSent),
            packet: packet(),
        }),
        EventKind::Destroyed(Destroyed {
            state: Some(TcpState::Established),
            by: Some(Process {
                pid: 4802,
                comm: Comm::new(b"ss"),
            }),
        }),
    ];
    let event = |kind| Event {
        at: sample::ms(1),
        cpu: 3,
        netns: sample::POD,
        socket: SocketCookie::new(9_007_199_254_740_993),
        tuple: Some(sample::tuple("[fd77::2]:35468", "[fd77::3]:9000")),
        owner: Some(owner()),
        kind,
    };
    let changed = Event {
        socket: None,
        tuple: None,
        owner: None,
        ..event(EventKind::Conntrack(ConntrackChange {
            change: Change::Destroy,
            entry: entry(),
            by: Some(Process {
                pid: 4801,
                comm: Comm::new(b"conntrack"),
            }),
        }))
    };
    kinds.into_iter().map(event).chain([changed]).collect()
}

fn traveller() -> Traveller {
    Traveller {
        at: sample::ms(1),
        tuple: sample::tuple("10.77.0.2:35468", "10.77.0.3:9000"),
        place: Place::Input,
        ifindex: Some(1),
        tcp_flags: SYN,
        mark: Some(0x111),
        uid: Some(1000),
        conntrack: Some(entry()),
        first: true,
        dropped: true,
    }
}

fn walked() -> Walked {
    let named = |role, rule| Named {
        role,
        rule,
        certain: true,
    };
    let rules = vec![
        named(RuleRole::Translates, sample::redirect()),
        named(RuleRole::Drops, sample::policy()),
    ];
    Walked {
        generation: Some(7),
        read_at: sample::ms(3),
        changed: Some(false),
        rules: 4,
        trails: vec![Trail {
            rules,
            end: End::Dropped,
            agrees: true,
            certain: true,
            destination: Some(sample::endpoint("127.0.0.1:37673")),
            connmark: Some(0),
            repeated: vec![Repeated {
                first: sample::redirect(),
                second: sample::redirect(),
            }],
        }],
        setters: vec![sample::redirect()],
        caveats: vec!["br_netfilter leads bridged packets through the rules".into()],
        seen: sample::seen(),
    }
}

fn inquiry(question: Question) -> Inquiry {
    Inquiry {
        id: 5,
        at: sample::ms(2),
        netns: sample::POD,
        hint: Some(4712),
        question,
    }
}

fn answers() -> [Answer; 8] {
    let socket = SocketInfo {
        state: Some(TcpState::Established),
        receive_queue: 0,
        send_queue: 9,
        unacked: Some(1),
        retransmits: 4,
        uid: 1000,
        inode: 8_100,
        process: None,
        sending: Some(sample::sending()),
    };
    let listener = sample::listener("0.0.0.0:37673", 1, 128);
    let waiting = Waiting {
        netns: sample::POD,
        enter: Some("/run/netns/pod".into()),
        listener: listener.clone(),
        tuple: sample::tuple("127.0.0.1:37673", "10.77.0.2:35468"),
        receive_queue: 9,
        conntrack: Some(entry()),
        client: Some(socket.clone()),
    };
    let stalled = Stalled {
        netns: sample::POD,
        enter: Some("/run/netns/pod".into()),
        at: sample::ms(2),
        tuple: sample::tuple("10.77.0.2:35468", "10.77.0.3:9000"),
        cookie: SocketCookie::new(9_007_199_254_740_993),
        socket: SocketInfo {
            sending: None,
            ..socket.clone()
        },
        unacked: 9,
        backoff: 4,
        rto: Some(Duration::from_millis(3_200)),
        left: Duration::from_millis(1_200),
    };
    let census = Census {
        sockets: vec![stalled],
        left_out: 3,
    };
    let examined = Examined {
        conntrack: Some(entry()),
        socket: Some(socket),
        target: sample::endpoint("127.0.0.1:37673"),
        target_is_local: true,
        listeners: vec![listener],
        seen: sample::seen(),
    };
    let replies = [
        Reply::Connection(Box::new(examined)),
        Reply::Link(Some(sample::POD)),
        Reply::Swept(vec![waiting]),
        Reply::Stalled(census),
        Reply::Walked(Box::new(walked())),
        Reply::Identity(Arc::new(sample::identity())),
        Reply::Gone,
        Reply::Unreachable("setns: Operation not permitted".into()),
    ];
    replies.map(|reply| Answer {
        id: 5,
        at: sample::ms(3),
        enter: Some("/proc/4711/ns/net".into()),
        reply,
    })
}

/// One line of every type and sub-type.
fn everything() -> String {
    let tuple = sample::tuple("10.77.0.2:0", "10.77.0.3:9000");
    let (events, answers, mut findings) = (events(), answers(), sample::findings());
    findings.extend(sample::named_findings());
    let inquiries = [
        Question::Connection {
            tuple,
            target: Some(sample::endpoint("127.0.0.1:37673")),
            aspects: sample::aspects(),
        },
        Question::Link { ifindex: 2 },
        Question::Sweep,
        Question::Stalled,
        Question::Walk {
            packets: vec![traveller()],
            connmark: Some(1),
            aspects: sample::aspects(),
        },
        Question::Who(Subject::Netns(sample::POD)),
        Question::Who(Subject::Process {
            pid: 4711,
            comm: Comm::new(b"curl"),
            cgroup: Some(7321),
        }),
    ]
    .map(inquiry);
    let ports = sample::ports();
    let (hello, stats, loss, summary) = (sample::hello(), sample::stats(), sample::loss(), sample::summary());
    let mut records = vec![Record::Hello(&hello)];
    records.extend(events.iter().map(Record::Event));
    records.extend(inquiries.iter().map(Record::Inquiry));
    records.extend(answers.iter().map(Record::Answer));
    records.push(Record::Deadline(sample::ms(3_000)));
    records.extend(findings.iter().map(Record::Finding));
    records.extend(ports.iter().map(Record::Port));
    records.extend([Record::Stats(&stats), Record::Loss(&loss), Record::Summary(&summary)]);
    lines(&records)
}

#[test]
fn every_line_is_as_it_was() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/sink/testdata/every-type.jsonl");
    let text = everything();
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    for (line, expected) in text.lines().zip(expected.lines()) {
        assert_eq!(line, expected, "BLESS=1 rewrites the file");
    }
    assert_eq!(text.lines().count(), expected.lines().count());
}

#[test]
fn every_line_has_the_fields_of_the_contract_and_no_others() {
    let mut types: BTreeMap<String, usize> = BTreeMap::new();
    for line in everything().lines() {
        let read = mirror::read(line).unwrap_or_else(|error| panic!("{error}\n{line}"));
        *types.entry(read).or_default() += 1;
    }
    let types: Vec<_> = types.into_iter().collect();
    let expected = [
        ("answer", 8),
        ("deadline", 1),
        ("event", 10),
        ("finding", Cause::ALL.len() + 2),
        ("hello", 1),
        ("inquiry", 7),
        ("loss", 1),
        ("stats", 1),
        ("stolen-port", 4),
        ("summary", 1),
    ];
    assert_eq!(types, expected.map(|(name, count)| (name.to_owned(), count)));
}

#[test]
fn every_line_can_be_read_back() {
    for (seq, line) in (0..).zip(everything().lines()) {
        let line = read(line.as_bytes()).unwrap_or_else(|error| panic!("{error}\n{line}"));
        assert_eq!((line.seq, line.clock, line.truncated), (seq, sample::clock(), false));
    }
}

#[derive(Deserialize)]
struct Cut {
    truncated: bool,
}

#[test]
fn a_line_that_would_be_too_long_is_cut_and_stays_a_line() {
    let mut finding = sample::finding_of(Cause::ReplyRejected);
    let evidence = finding.evidence.clone();
    finding.evidence = evidence.iter().cycle().take(5000).cloned().collect();
    let mut hello = sample::hello();
    hello.host = Some("ü".repeat(LINE));
    let mut event = events().remove(7);
    if let EventKind::Drop(dropped) = &mut event.kind {
        dropped.location = Some("\u{1}".repeat(LINE).into());
    }
    let mut answer = answers()[2].clone();
    if let Reply::Swept(waiting) = &mut answer.reply {
        *waiting = vec![waiting[0].clone(); 300];
        waiting[0].enter = Some("\"".repeat(LINE).into());
    }
    let mut port = sample::ports().remove(0);
    port.translation.conditions = vec!["x".repeat(200).into(); 1000];
    let records = [
        Record::Finding(&finding),
        Record::Hello(&hello),
        Record::Event(&event),
        Record::Answer(&answer),
        Record::Port(&port),
    ];
    for record in records {
        let line = lines(&[record]);
        assert!(line.len() <= LINE && line.ends_with("}\n"), "{} bytes", line.len());
        assert_eq!(line.matches('\n').count(), 1);
        assert!(serde_json::from_str::<Cut>(&line).unwrap().truncated);
        assert!(read(line.as_bytes()).unwrap().truncated);
    }
}

#[test]
fn the_connections_that_hang_already_fit_into_one_line() {
    let mut answer = answers()[3].clone();
    let Reply::Stalled(census) = &mut answer.reply else {
        panic!("another answer")
    };
    let one = Stalled {
        enter: Some("/proc/4194304/ns/net".into()),
        at: sample::ms(u32::MAX.into()),
        tuple: sample::tuple(
            "[2001:db8:1111:2222:3333:4444:5555:6666]:35468",
            "[2001:db8:7777:8888:9999:aaaa:bbbb:cccc]:9000",
        ),
        socket: SocketInfo {
            process: Some(Process {
                pid: 4_194_304,
                comm: Comm::new(b"a-long-name-of-"),
            }),
            ..census.sockets[0].socket.clone()
        },
        ..census.sockets[0].clone()
    };
    census.sockets = vec![one; 96];
    let whole = lines(&[Record::Answer(&answer)]);
    assert!(!read(whole.as_bytes()).unwrap().truncated, "{} bytes", whole.len());

    // What is cut nevertheless is counted.
    let Reply::Stalled(census) = &mut answer.reply else {
        panic!("another answer")
    };
    census.sockets = vec![census.sockets[0].clone(); 960];
    let cut = lines(&[Record::Answer(&answer)]);
    let line = read(cut.as_bytes()).unwrap();
    let Input::Answer(Answer {
        reply: Reply::Stalled(read),
        ..
    }) = line.input
    else {
        panic!("another line")
    };
    assert!(line.truncated);
    assert_eq!(read.sockets.len() + usize::try_from(read.left_out).unwrap(), 963);
}

#[test]
fn the_last_rung_is_short_enough_for_anything() {
    let long: String = "\u{1}".repeat(LINE);
    let mut finding = sample::finding_of(Cause::ReplyRejected);
    let mut connection = finding.connection.take().unwrap();
    connection.enter = Some(format!("/run/netns/{long}").into());
    finding.victims = vec![connection.clone(); 5];
    finding.connection = Some(connection);
    finding.examples = finding.victims.clone();
    let mut hello = sample::hello();
    hello.options = (0..50)
        .map(|number| (format!("{number}{long}"), long.clone()))
        .collect();
    let mut port = sample::ports().remove(0);
    let long: Arc<str> = long.into();
    if let Some(rule) = &mut port.translation.rule {
        (rule.text, rule.chain, rule.table) = (long.clone(), long.clone(), long.clone());
    }
    port.space = Arc::new(Space {
        names: vec![long.clone()],
        ..Space::default()
    });
    port.translation.target.unknown = Some(long);
    for record in [Record::Finding(&finding), Record::Hello(&hello), Record::Port(&port)] {
        let line = lines(&[record]);
        assert!(line.len() <= LINE, "{} bytes", line.len());
        assert!(read(line.as_bytes()).unwrap().truncated);
    }
}
