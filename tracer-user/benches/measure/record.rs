//! Records of the real ring, and as many more of them as wanted: the same story at a later time, of other sockets.

use crate::feed::BATCH;
use crate::inside::Inside;
use crate::load::{Job, Load};
use std::mem::offset_of;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;
use tracer_common::event::{Conntrack, Header, Packet, PacketEvent, SocketEvent};
use tracer_common::tuple::{IPV4, Tuple};
use tracer_user::decode::Tables;
use tracer_user::model::time::Timestamp;

/// What came through the ring, in its order.
pub(crate) struct Recording {
    pub(crate) records: Vec<Vec<u8>>,
    pub(crate) tables: Tables,
    /// When the first one was made.
    pub(crate) begin: Timestamp,
    /// From the first record to the last.
    span: u64,
}

impl Recording {
    pub(crate) fn of(export_all: bool, jobs: &[Job], patience: Duration) -> anyhow::Result<Self> {
        let mut load = Load::start()?;
        let taken = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::clone(&taken);
        let inside = Inside::start(export_all, move |bytes| {
            shared
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(bytes.to_vec());
        })?;
        for &job in jobs {
            load.run(job)?;
        }
        thread::sleep(patience);
        load.run(Job::Release)?;
        let tables = inside.tables();
        inside.finish();
        let records = std::mem::take(&mut *taken.lock().unwrap_or_else(PoisonError::into_inner));
        Ok(Self::new(records, tables))
    }

    /// How many records of which size the buffer holds.
    pub(crate) fn describe(&self) -> String {
        let packets = self.records.iter().filter(|record| is_packet(record)).count();
        format!("{} records, {packets} of them with a packet", self.records.len())
    }

    /// The whole recording, told for the `number`-th time.
    pub(crate) fn retell(&self, number: u32) -> Vec<Vec<u8>> {
        let shift = u64::from(number) * (self.span + 1_000_000);
        self.records
            .iter()
            .map(|record| retold(record, number, shift))
            .collect()
    }

    /// So many tellings at the same time, a batch of one after a batch of another.
    pub(crate) fn retell_together(&self, tellings: u32) -> impl Iterator<Item = Vec<Vec<u8>>> {
        self.records.chunks(BATCH).flat_map(move |batch| {
            (1..=tellings).map(move |number| batch.iter().map(|record| retold(record, number, 0)).collect())
        })
    }

    pub(crate) fn new(records: Vec<Vec<u8>>, tables: Tables) -> Self {
        let times = || records.iter().map(|record| word(record, TIME));
        let begin = times().min().unwrap_or(0);
        let span = times().max().unwrap_or(0) - begin;
        let begin = Timestamp::from_nanos(begin);
        Self {
            records,
            tables,
            begin,
            span,
        }
    }
}

fn retold(record: &[u8], number: u32, shift: u64) -> Vec<u8> {
    let mut record = record.to_vec();
    add(&mut record, TIME, shift);
    add(&mut record, SOCKET, u64::from(number) << 32);
    add(&mut record, STARTED, shift);
    for &tuple in tuples(&record) {
        move_addresses(&mut record, tuple, number);
    }
    record
}

/// Where the tuples of a record are.
fn tuples(record: &[u8]) -> &'static [usize] {
    if is_packet(record) { &TUPLES } else { &TUPLES[..1] }
}

fn is_packet(record: &[u8]) -> bool {
    record.len() >= size_of::<PacketEvent>()
}

/// 127.1.x.1 becomes 127.n.x.m.
fn move_addresses(record: &mut [u8], tuple: usize, number: u32) {
    let [.., third, fourth] = number.to_be_bytes();
    if record.get(tuple + offset_of!(Tuple, family)) != Some(&IPV4) {
        return;
    }
    for end in [offset_of!(Tuple, source), offset_of!(Tuple, destination)] {
        let start = tuple + end;
        if let Some([127, second, _, last]) = record.get_mut(start..start + 4) {
            *second = fourth;
            *last = third;
        }
    }
}

/// Adds to a word that is there, unless it is 0: unknown.
fn add(record: &mut [u8], at: usize, amount: u64) {
    let old = word(record, at);
    if old != 0
        && let Some(bytes) = record.get_mut(at..at + 8)
    {
        bytes.copy_from_slice(&(old + amount).to_ne_bytes());
    }
}

fn word(record: &[u8], at: usize) -> u64 {
    let bytes = record.get(at..at + 8).and_then(|bytes| bytes.try_into().ok());
    bytes.map_or(0, u64::from_ne_bytes)
}

const TIME: usize = offset_of!(SocketEvent, header) + offset_of!(Header, time);
const SOCKET: usize = offset_of!(SocketEvent, header) + offset_of!(Header, socket);
const STARTED: usize = offset_of!(SocketEvent, owner.started);
const PACKET: usize = offset_of!(PacketEvent, packet) + offset_of!(Packet, tuple);
const CONNTRACK: usize = offset_of!(PacketEvent, conntrack);
const TUPLES: [usize; 4] = [
    offset_of!(SocketEvent, socket.tuple),
    PACKET,
    CONNTRACK + offset_of!(Conntrack, original),
    CONNTRACK + offset_of!(Conntrack, reply),
];
