//! Conntrack entries: confirmed, changed, deleted. Of TCP only.
//!
//! Unless every change is asked for, only what should not happen to an entry is sent: one picked up in mid-flow, and
//! one deleted while its connection lives.

use tracer_common::{
    event::{Connection, Header},
    kind::{CONNTRACK_DESTROY, CONNTRACK_NEW, CONNTRACK_UPDATE, FLAG_OWNED},
    stat::Hook,
};

use crate::{
    ct::{self, Entry},
    emit::{self, Heading, Lane},
    filter, limit,
    map::Limited,
    owner,
    read::{self, config},
    sock,
};

/// A verdict of netfilter: go on.
const NF_ACCEPT: u32 = 1;

/// Whether the return of `__nf_conntrack_confirm` for this entry will matter.
#[inline(always)]
pub(crate) fn is_wanted(entry: Entry) -> bool {
    config!(conntrack_all) != 0 || entry.state() == ct::ESTABLISHED
}

/// `__nf_conntrack_confirm(skb)` returned: from now on the entry decides.
#[inline(always)]
pub(crate) fn confirmed(entry: Entry, verdict: u32) {
    if verdict != NF_ACCEPT || !is_wanted(entry) || !entry.is_tcp() {
        return;
    }
    send(Hook::ConntrackNew, CONNTRACK_NEW, entry, |_, _| ());
}

/// `nf_conntrack_tcp_packet(ct, …)` returned; `before` is the TCP state at its entry. Attached only where every change
/// is wanted: it runs for every packet.
#[inline(always)]
pub(crate) fn packet_seen(entry: Entry, before: u8) {
    // Until it is confirmed, nobody else has seen the entry; one that the packet has deleted was told with its last state.
    if entry.state() != before && entry.is_confirmed() && !entry.is_dying() {
        send(Hook::ConntrackUpdate, CONNTRACK_UPDATE, entry, |_, _| ());
    }
}

/// `nf_ct_delete(ct, portid, report)`: by the process that runs, if a netlink socket asked for it.
#[inline(always)]
pub(crate) fn deleted(entry: Entry, portid: u32) {
    if entry.is_dying() || !is_loss(entry) {
        return;
    }
    send(Hook::ConntrackDestroy, CONNTRACK_DESTROY, entry, |by, header| {
        if portid != 0 {
            owner::by_helpers(by);
            header.flags |= FLAG_OWNED;
        }
    });
}

/// `nf_conntrack_destroy(nfct)`: the last reference is gone, some time after the deletion.
#[inline(always)]
pub(crate) fn destroyed(entry: Entry) {
    if is_loss(entry) {
        send(Hook::ConntrackDestroy, CONNTRACK_DESTROY, entry, |_, _| ());
    }
}

/// Whether the end of this entry is to be told.
#[inline(always)]
fn is_loss(entry: Entry) -> bool {
    let is_alive = matches!(entry.state(), ct::SYN_RECV | ct::ESTABLISHED);
    (is_alive || config!(conntrack_all) != 0) && entry.is_confirmed() && entry.is_tcp()
}

#[inline(always)]
fn send(hook: Hook, kind: u8, entry: Entry, complete: impl FnOnce(&mut Connection, &mut Header)) {
    if !filter::is_here(hook, entry.net()) {
        return;
    }
    let time = read::now();
    let lane = if config!(conntrack_all) == 0 {
        if !limit::admits(Limited::Entries, hook, time, None) {
            return;
        }
        Lane::Symptom
    } else {
        Lane::Bulk
    };
    let heading = Heading {
        hook,
        kind,
        state: 0,
        old_state: 0,
        time,
    };
    emit::conntrack(lane, heading, |event| {
        entry.fill(&mut event.conntrack);
        if let Some(net) = entry.net() {
            sock::namespace(net, &mut event.header);
        }
        complete(&mut event.by, &mut event.header);
    });
}
