//! Records into the rings: reserved, zeroed, filled in place, submitted. What finds no room is counted as loss.

use aya_ebpf::maps::ring_buf::RingBufEntry;
use tracer_common::{
    event::{ConntrackEvent, DestroyedEvent, Header, PacketEvent, SocketEvent},
    kind,
    stat::Hook,
};

use crate::{
    filter,
    map::{BULK, EVENTS},
    owner,
    read::{self, Entry, Struct},
    sock::Sock,
};

/// Which ring a record takes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lane {
    /// Of a connection under suspicion.
    Symptom,
    /// Of what is ordinary, where that is asked for.
    Bulk,
}

/// What every record says first.
#[derive(Clone, Copy)]
pub(crate) struct Heading {
    pub(crate) hook: Hook,
    pub(crate) kind: u8,
    pub(crate) state: u8,
    pub(crate) old_state: u8,
    pub(crate) time: u64,
}

/// Sends a record about a full TCP socket.
#[inline(always)]
pub(crate) fn socket(lane: Lane, heading: Heading, sock: Sock<impl Struct>, key: u64, entry: Option<Entry>) {
    if !filter::is_here(heading.hook, sock.net()) {
        return;
    }
    let Some(mut slot) = reserve::<SocketEvent>(lane) else {
        return lost(heading);
    };
    let event = read::zeroed(&mut slot);
    head(heading, &mut event.header);
    full_socket(event, sock, key, entry);
    slot.submit(0);
    read::count(heading.hook, |row| row.sent += 1);
}

/// Sends a record about a packet; `fill` writes what is behind the header.
#[inline(always)]
pub(crate) fn packet(heading: Heading, fill: impl FnOnce(&mut PacketEvent)) {
    let Some(mut slot) = reserve::<PacketEvent>(Lane::Symptom) else {
        return lost(heading);
    };
    let event = read::zeroed(&mut slot);
    head(heading, &mut event.event.header);
    fill(event);
    slot.submit(0);
    read::count(heading.hook, |row| row.sent += 1);
}

/// Sends a record about a conntrack entry; `fill` writes what is behind the header.
#[inline(always)]
pub(crate) fn conntrack(lane: Lane, heading: Heading, fill: impl FnOnce(&mut ConntrackEvent)) {
    let Some(mut slot) = reserve::<ConntrackEvent>(lane) else {
        return lost(heading);
    };
    let event = read::zeroed(&mut slot);
    head(heading, &mut event.header);
    fill(event);
    slot.submit(0);
    read::count(heading.hook, |row| row.sent += 1);
}

/// Sends a record about a full TCP socket that is being destroyed by the current task.
#[inline(always)]
pub(crate) fn destroyed(heading: Heading, sock: Sock<impl Struct>, key: u64, entry: Option<Entry>) {
    let Some(mut slot) = reserve::<DestroyedEvent>(Lane::Symptom) else {
        return lost(heading);
    };
    let record = read::zeroed(&mut slot);
    head(heading, &mut record.event.header);
    full_socket(&mut record.event, sock, key, entry);
    owner::fill(&mut record.by);
    slot.submit(0);
    read::count(heading.hook, |row| row.sent += 1);
}

/// Writes what a full TCP socket tells, and the owner if its connect was seen.
#[inline(always)]
pub(crate) fn full_socket(event: &mut SocketEvent, sock: Sock<impl Struct>, key: u64, entry: Option<Entry>) {
    event.header.socket = key;
    sock.namespace(&mut event.header);
    sock.fill(&mut event.socket);
    if let Some(entry) = entry {
        owner(event, entry);
    }
}

/// Writes the owner.
#[inline(always)]
pub(crate) fn owner(event: &mut SocketEvent, entry: Entry) {
    entry.copy_to(&mut event.owner);
    if event.owner.flags & kind::CONNECTION_OWNED != 0 {
        event.header.flags |= kind::FLAG_OWNED;
    }
}

impl Heading {
    /// Of a transition.
    #[inline(always)]
    pub(crate) fn of(hook: Hook, kind: u8, old_state: u8, state: u8, time: u64) -> Self {
        Self {
            hook,
            kind,
            state,
            old_state,
            time,
        }
    }

    /// Of an observation without a transition, now.
    #[inline(always)]
    pub(crate) fn now(hook: Hook, kind: u8, state: u8) -> Self {
        Self {
            hook,
            kind,
            state,
            old_state: 0,
            time: read::now(),
        }
    }
}

#[inline(always)]
fn head(heading: Heading, header: &mut Header) {
    header.kind = heading.kind;
    header.state = heading.state;
    header.old_state = heading.old_state;
    header.cpu = read::processor();
    header.time = heading.time;
}

#[inline(always)]
fn reserve<T: 'static>(lane: Lane) -> Option<RingBufEntry<T>> {
    match lane {
        Lane::Symptom => EVENTS.reserve(0),
        Lane::Bulk => BULK.reserve(0),
    }
}

#[inline(always)]
fn lost(heading: Heading) {
    read::count(heading.hook, |row| row.lost += 1);
    read::count_lost(heading.kind);
}
