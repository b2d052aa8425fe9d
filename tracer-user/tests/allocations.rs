//! Ordinary events pass from the ring's bytes to lines without an allocation.

#![expect(clippy::unwrap_used, reason = "the whole crate is tests")]

use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;
use std::fs::OpenOptions;
use std::time::Duration;
use tracer_common::event::{Connection, Header, Socket, SocketEvent};
use tracer_common::kind;
use tracer_common::tuple::{IPV4, IPV6, Tuple};
use tracer_user::decode::Tables;
use tracer_user::model::event::Event;
use tracer_user::model::time::Timestamp;
use tracer_user::sink::{Clock, Format, Record, Writer, jsonl};
use tracer_user::track::{Config, Tracker};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// One after the other: the allocator counts for the whole process.
#[test]
fn ordinary_events_allocate_nothing() {
    let records: Vec<SocketEvent> = (0..WARM_UP + EVENTS).map(record).collect();
    let (before, after) = records.split_at(WARM_UP.try_into().unwrap());
    assert_eq!(allocations_to_a_line(before, after), 0);
    let writing = allocations_of_a_writer(before, after);
    assert!(writing <= WRITING, "{writing} allocations");
}

fn allocations_to_a_line(before: &[SocketEvent], after: &[SocketEvent]) -> usize {
    let tables = Tables::default();
    let mut tracker = Tracker::new(Config::default(), Timestamp::default());
    let mut line = Vec::new();
    let mut pass = |records: &[SocketEvent]| {
        let mut bytes = 0;
        for record in records {
            let event = decode(&tables, record);
            tracker.handle_event(&event);
            line.clear();
            jsonl::write(Record::Event(&event), CLOCK, u64::MAX, Some(SESSION), &mut line);
            bytes += line.len();
        }
        assert!(bytes > 400 * records.len(), "{}", String::from_utf8_lossy(&line));
    };
    pass(before);
    let region = Region::new(ALLOCATOR);
    pass(after);
    count(&region)
}

/// In batches, as the shell hands them over.
fn allocations_of_a_writer(before: &[SocketEvent], after: &[SocketEvent]) -> usize {
    let tables = Tables::default();
    let output = OpenOptions::new().write(true).open("/dev/null").unwrap();
    let writer = Writer::start(Box::new(output), Format::Json, CLOCK).unwrap();
    let mut events = Vec::with_capacity(BATCH);
    let mut pass = |records: &[SocketEvent]| {
        for records in records.chunks(BATCH) {
            events.extend(records.iter().map(|record| decode(&tables, record)));
            writer.extend(events.iter().map(Record::Event));
            events.clear();
        }
    };
    pass(before);
    let region = Region::new(ALLOCATOR);
    pass(after);
    let report = writer.finish_within(Duration::from_mins(1));
    let allocations = count(&region);
    assert_eq!((report.written, report.lost_events), (WARM_UP + EVENTS, 0));
    allocations
}

fn count(region: &Region<'_, System>) -> usize {
    let change = region.change();
    change.allocations + change.reallocations
}

fn decode(tables: &Tables, record: &SocketEvent) -> Event {
    let bytes = std::ptr::from_ref(record).cast::<u8>();
    // SAFETY: the ABI's records are `repr(C)` and without padding, so all their bytes are initialised.
    let bytes = unsafe { std::slice::from_raw_parts(bytes, size_of::<SocketEvent>()) };
    tables.decode(bytes, |_| None).unwrap()
}

/// Connect, established and closed, of one connection after the other.
fn record(number: u64) -> SocketEvent {
    let connection = number / 3;
    let started = 1_000_000_000 + connection * 50_000;
    let kind = match number % 3 {
        0 => kind::CONNECT,
        1 => kind::ESTABLISHED,
        _ => kind::CLOSED,
    };
    let port = u16::try_from(connection % 0xffff).unwrap() + 1;
    SocketEvent {
        header: Header {
            kind,
            flags: kind::FLAG_OWNED,
            cpu: 1,
            time: started + (number % 3) * 10_000,
            socket: 1 + connection,
            netns_cookie: 4097,
            netns_inode: 4_026_531_840,
            ..Header::default()
        },
        owner: Connection {
            started,
            cgroup: 7321,
            tgid: 4711,
            pid: 4712,
            uid: 1000,
            comm: *b"curl\0\0\0\0\0\0\0\0\0\0\0\0",
            ..Connection::default()
        },
        socket: Socket {
            tuple: Tuple {
                source: [0xfd; 16],
                destination: [0xfe; 16],
                source_port: port.to_be_bytes(),
                destination_port: 443_u16.to_be_bytes(),
                family: if connection.is_multiple_of(2) { IPV4 } else { IPV6 },
                ..Tuple::default()
            },
            ..Socket::default()
        },
    }
}

const CLOCK: Clock = Clock {
    offset: 1_772_600_000_000_000_000,
};
const SESSION: &str = "6fa459ea-ee8a-4ca4-894e-db77e160355e";
const WARM_UP: u64 = 10_000;
const EVENTS: u64 = 10_000;
/// As many as the shell takes in one go.
const BATCH: usize = 512;
/// Room for what waits, where more waits at once than in the beginning, and the end.
const WRITING: usize = 32;
