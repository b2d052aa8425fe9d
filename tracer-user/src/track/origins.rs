//! Where connections come from: the few pairs of a namespace and a thread that many of them share.

use crate::model::identity::{Comm, Netns, Owner};
use crate::model::time::Timestamp;
use foldhash::fast::RandomState;
use hashbrown::HashTable;
use std::hash::BuildHasher;
use std::sync::Arc;

#[derive(Debug)]
pub(super) struct Origin {
    pub(super) netns: Netns,
    caller: Option<Caller>,
}

/// Who calls connect: an [`Owner`] of any connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Caller {
    pid: u32,
    tid: u32,
    uid: u32,
    cgroup: u64,
    comm: Comm,
}

impl Origin {
    /// As the owner of a connection that was started then.
    pub(super) fn owner(&self, started: Timestamp) -> Option<Owner> {
        let Caller {
            pid,
            tid,
            uid,
            cgroup,
            comm,
        } = self.caller?;
        Some(Owner {
            started,
            pid,
            tid,
            uid,
            cgroup,
            comm,
        })
    }

    fn is(&self, netns: Netns, caller: Option<Caller>) -> bool {
        (self.netns.cookie, self.netns.inode) == (netns.cookie, netns.inode) && self.caller == caller
    }
}

impl From<Owner> for Caller {
    fn from(owner: Owner) -> Self {
        let Owner {
            started: _,
            pid,
            tid,
            uid,
            cgroup,
            comm,
        } = owner;
        Self {
            pid,
            tid,
            uid,
            cgroup,
            comm,
        }
    }
}

/// At most about twice as many as connections have.
#[derive(Debug, Default)]
pub(super) struct Origins {
    known: HashTable<Arc<Origin>>,
    /// At so many those that no connection has any more are forgotten.
    limit: usize,
    random: RandomState,
}

impl Origins {
    pub(super) fn of(&mut self, netns: Netns, owner: Option<Owner>) -> Arc<Origin> {
        let caller = owner.map(Caller::from);
        let hash = hash_of(&self.random, netns, caller);
        if let Some(origin) = self.known.find(hash, |origin| origin.is(netns, caller)) {
            return Arc::clone(origin);
        }
        if self.known.len() >= self.limit {
            self.known.retain(|origin| Arc::strong_count(origin) > 1);
            self.limit = LIMIT_MIN.max(self.known.len() * 2);
        }
        let origin = Arc::new(Origin { netns, caller });
        let random = &self.random;
        self.known.insert_unique(hash, Arc::clone(&origin), |origin| {
            hash_of(random, origin.netns, origin.caller)
        });
        origin
    }
}

/// Threads are told apart by their numbers; the rest is compared.
fn hash_of(random: &RandomState, netns: Netns, caller: Option<Caller>) -> u64 {
    let thread = caller.map_or(0, |caller| u64::from(caller.pid) << 32 | u64::from(caller.tid));
    random.hash_one((netns.cookie, netns.inode, thread))
}

const LIMIT_MIN: usize = 1_024;

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(pid: u32) -> Owner {
        Owner {
            started: Timestamp::from_nanos(u64::from(pid)),
            pid,
            tid: pid,
            uid: 0,
            cgroup: 1,
            comm: Comm::new(b"app"),
        }
    }

    #[test]
    fn connections_of_one_thread_share_an_origin_and_others_do_not() {
        let netns = Netns { cookie: 1, inode: 2 };
        let other = Netns { cookie: 2, inode: 2 };
        let mut origins = Origins::default();
        let first = origins.of(netns, Some(owner(1)));
        assert!(Arc::ptr_eq(&first, &origins.of(netns, Some(owner(1)))));
        for another in [
            origins.of(netns, Some(owner(2))),
            origins.of(other, Some(owner(1))),
            origins.of(netns, None),
        ] {
            assert!(!Arc::ptr_eq(&first, &another));
        }
        assert_eq!(first.owner(owner(1).started), Some(owner(1)));
    }

    #[test]
    fn those_that_no_connection_has_are_forgotten() {
        let mut origins = Origins::default();
        let kept = origins.of(Netns::default(), Some(owner(0)));
        for pid in 1..100_000 {
            origins.of(Netns::default(), Some(owner(pid)));
        }
        assert!(origins.known.len() <= LIMIT_MIN);
        assert!(Arc::ptr_eq(&kept, &origins.of(Netns::default(), Some(owner(0)))));
    }
}
