//! Who and where: namespaces, sockets, processes. Identities that the kernel does not reuse.

use crate::model::time::Timestamp;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::num::NonZeroU64;

/// A network namespace. Equal when the cookies are (from kernel 5.12), else when the inodes are.
#[derive(Clone, Copy, Debug, Default)]
pub struct Netns {
    /// `net->net_cookie`, never reused; 0 where the kernel does not tell.
    pub cookie: u64,
    /// Inode of `/proc/PID/ns/net`. Reused at once after the namespace is gone: for display and for finding it.
    pub inode: u32,
}

impl Netns {
    /// The identity: the cookie, or the inode where there is none (the two ranges do not meet in practice: inodes of
    /// namespaces start at `0xf000_0000`).
    pub fn id(self) -> u64 {
        if self.cookie == 0 {
            u64::from(self.inode)
        } else {
            self.cookie
        }
    }
}

impl PartialEq for Netns {
    fn eq(&self, other: &Self) -> bool {
        self.id() == other.id()
    }
}

impl Eq for Netns {}

impl Hash for Netns {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.id().hash(state);
    }
}

/// A socket cookie (`SO_COOKIE`), never reused until reboot.
pub type SocketCookie = NonZeroU64;

/// A thread's name as the kernel keeps it: any bytes, untrusted.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Comm(pub [u8; 16]);

impl Comm {
    /// Takes the first 15 bytes of `name`.
    pub fn new(name: &[u8]) -> Self {
        let mut bytes = [0; 16];
        for (to, from) in bytes.iter_mut().take(15).zip(name) {
            *to = *from;
        }
        Self(bytes)
    }

    /// The bytes before the first NUL.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.split(|&byte| byte == 0).next().unwrap_or_default()
    }
}

impl fmt::Debug for Comm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.as_bytes().escape_ascii().to_string())
    }
}

/// Who called connect, taken in its own context at that moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// When connect was called.
    pub started: Timestamp,
    /// Process id.
    pub pid: u32,
    /// Thread id.
    pub tid: u32,
    pub uid: u32,
    /// Id of the cgroup in the unified hierarchy.
    pub cgroup: u64,
    /// Name of the thread.
    pub comm: Comm,
}

/// A process found by looking (listener, holder of a socket), not by an event of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Process {
    pub pid: u32,
    pub comm: Comm,
}
