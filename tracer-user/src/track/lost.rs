//! Conntrack entries of live, translated connections that were deleted; bounded.

use super::answers::Asker;
use super::config::MAX_LOST;
use super::tracker::Tracker;
use crate::model::conntrack::Conntrack;
use crate::model::event::ConntrackChange;
use crate::model::identity::{Netns, Process};
use crate::model::inquiry::{Question, Reply};
use crate::model::tcp::ConntrackState;
use crate::model::time::Timestamp;
use crate::model::tuple::Tuple;
use foldhash::fast::RandomState;
use std::collections::{HashMap, VecDeque};

#[derive(Clone, Debug)]
pub(super) struct Deleted {
    pub(super) at: Timestamp,
    /// As it was.
    pub(super) entry: Conntrack,
    /// Who deleted it, where that was seen.
    pub(super) by: Option<Process>,
    /// The connection was not accepted yet where its translation led; `false` also where that is not known.
    pub(super) unaccepted: bool,
}

/// By namespace and tuple of the answers.
#[derive(Debug, Default)]
pub(super) struct Lost {
    deleted: HashMap<(u64, Tuple), Deleted, RandomState>,
    /// Oldest first; what was forgotten meanwhile is skipped.
    ages: VecDeque<(u64, Tuple)>,
}

impl Lost {
    /// The deleted entry that would translate this packet back.
    pub(super) fn of(&self, netns: Netns, packet: Tuple) -> Option<&Deleted> {
        self.deleted.get(&(netns.id(), packet))
    }

    fn remember(&mut self, netns: Netns, deleted: Deleted) {
        if self.ages.len() >= MAX_LOST
            && let Some(oldest) = self.ages.pop_front()
        {
            self.deleted.remove(&oldest);
        }
        let key = (netns.id(), deleted.entry.reply);
        if self.deleted.insert(key, deleted).is_none() {
            self.ages.push_back(key);
        }
    }

    /// There is an entry again.
    fn forget(&mut self, netns: Netns, entry: &Conntrack) {
        let key = (netns.id(), entry.reply);
        if self.deleted.remove(&key).is_some() {
            self.ages.retain(|known| *known != key);
        }
    }
}

impl Tracker {
    /// Remembers that a live connection lost its translation, and asks whether it was accepted by then.
    pub(super) fn entry_deleted(&mut self, at: Timestamp, netns: Netns, changed: &ConntrackChange) {
        let entry = changed.entry;
        let alive = matches!(entry.state, Some(ConntrackState::SynRecv | ConntrackState::Established));
        if !alive || entry.translated().is_none() || !self.config.wants(netns) {
            return;
        }
        self.lost.remember(
            netns,
            Deleted {
                at,
                entry,
                by: changed.by,
                unaccepted: false,
            },
        );
        let question = Question::Connection {
            tuple: entry.reply,
            target: None,
            aspects: Vec::new(),
        };
        let asker = Asker::Deleted {
            netns,
            reply: entry.reply,
        };
        let asked = !entry.redirects()
            || self.inquiries.has_room(at, &mut self.totals)
                && self.strays.pace.take(at)
                && self.inquiries.ask(at, asker, netns, None, question, &mut self.totals);
        self.totals.unexamined += u64::from(!asked);
    }

    pub(super) fn entry_came(&mut self, netns: Netns, entry: &Conntrack) {
        self.lost.forget(netns, entry);
    }

    pub(super) fn deleted_answered(&mut self, netns: Netns, tuple: Tuple, reply: Reply) {
        let Reply::Connection(examined) = reply else {
            return;
        };
        if let Some(deleted) = self.lost.deleted.get_mut(&(netns.id(), tuple)) {
            deleted.unaccepted = examined.socket.is_some_and(|socket| socket.inode == 0);
        }
    }
}
