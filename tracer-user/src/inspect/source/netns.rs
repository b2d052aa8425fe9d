//! Network namespaces: finds one by its identity, enters it, and leaves it again.
//!
//! Keeps paths, never a descriptor of a foreign namespace: that would keep a deleted namespace and its devices alive.

use crate::model::identity::Netns;
use rustix::io::Errno;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use thiserror::Error;

#[derive(Debug, Error)]
pub(super) enum NetnsError {
    #[error("the namespace is gone")]
    Gone,
    #[error("its namespace is not known")]
    Unknown,
    #[error("net:[{inode}] was not found, but {unread} processes could not be looked at")]
    NotFound { inode: u32, unread: usize },
    #[error("cannot open net:[{inode}]: {error}")]
    Open { inode: u32, error: io::Error },
    #[error("cannot enter net:[{inode}]: {error}")]
    Enter { inode: u32, error: Errno },
}

/// A namespace that was found; `None` as descriptor: the own one.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) inode: u32,
    cookie: u64,
    descriptor: Option<OwnedFd>,
    /// See [`crate::model::inquiry::Answer::enter`].
    pub(super) enter: Option<Arc<str>>,
}

impl Found {
    pub(super) fn descriptor(&self) -> Option<RawFd> {
        self.descriptor.as_ref().map(AsRawFd::as_raw_fd)
    }
}

#[derive(Debug)]
pub(super) struct Namespaces {
    home: File,
    own: Netns,
    device: u64,
    by_handle: bool,
    paths: HashMap<u32, Arc<str>>,
    stranded: bool,
}

impl Namespaces {
    /// The calling thread's namespace is the own one, to which [`Self::inside`] goes back.
    pub(super) fn new() -> io::Result<Self> {
        let home = File::open("/proc/thread-self/ns/net")?;
        let metadata = home.metadata()?;
        let own = Netns {
            cookie: cookie().unwrap_or(0),
            inode: number(metadata.ino()),
        };
        let mut namespaces = Self {
            home,
            own,
            device: metadata.dev(),
            by_handle: false,
            paths: HashMap::new(),
            stranded: false,
        };
        namespaces.by_handle = namespaces.open_by_handle(own).is_ok();
        Ok(namespaces)
    }

    /// Finds namespaces by path only, as before Linux 6.18.
    #[must_use]
    pub(super) fn without_handles(self) -> Self {
        Self {
            by_handle: false,
            ..self
        }
    }

    /// The descriptor of the own namespace.
    pub(super) fn home(&self) -> RawFd {
        self.home.as_raw_fd()
    }

    /// Whether the thread could not go back to its own namespace: it must end.
    pub(super) fn stranded(&self) -> bool {
        self.stranded
    }

    pub(super) fn find(&mut self, wanted: Netns, hint: Option<u32>) -> Result<Found, NetnsError> {
        if wanted.inode == 0 {
            return Err(NetnsError::Unknown);
        }
        if same(wanted, self.own) {
            let enter = self.path_of(self.own.inode, hint).ok();
            return Ok(Found {
                inode: self.own.inode,
                cookie: 0,
                descriptor: None,
                enter,
            });
        }
        if self.by_handle && wanted.cookie != 0 {
            match self.open_by_handle(wanted) {
                Ok(descriptor) => {
                    let enter = self.path_of(wanted.inode, hint).ok();
                    return Ok(Found {
                        inode: wanted.inode,
                        cookie: wanted.cookie,
                        descriptor: Some(descriptor),
                        enter,
                    });
                }
                Err(Errno::STALE) => return Err(NetnsError::Gone),
                Err(_) => {}
            }
        }
        let path = self.path_of(wanted.inode, hint)?;
        self.open(wanted, path)
    }

    /// Every namespace that has a name or a process, once. Those of a mere thread or socket are not among them.
    pub(super) fn all(&mut self) -> Vec<(u32, Arc<str>)> {
        let mut seen = HashSet::new();
        let mut all = Vec::new();
        for path in names().chain(processes().map(process_path)) {
            if all.len() >= NAMESPACES_MAX {
                tracing::warn!(NAMESPACES_MAX, "more network namespaces than are looked at");
                break;
            }
            if let Ok(Some(inode)) = self.inode_of(&path)
                && seen.insert(inode)
            {
                all.push((inode, Arc::from(path)));
            }
        }
        all
    }

    /// Opens what [`Self::all`] found.
    pub(super) fn open_path(&self, inode: u32, path: Arc<str>) -> Result<Found, NetnsError> {
        if inode == self.own.inode {
            return Ok(Found {
                inode,
                cookie: 0,
                descriptor: None,
                enter: Some(path),
            });
        }
        self.open(Netns { cookie: 0, inode }, path)
    }

    /// Does `work` inside the namespace, and comes back. `work` gets the namespace's identity.
    pub(super) fn inside<T>(&mut self, found: &Found, work: impl FnOnce(Netns) -> T) -> Result<T, NetnsError> {
        let Some(descriptor) = &found.descriptor else {
            return Ok(work(self.own));
        };
        let inode = found.inode;
        move_into_link_name_space(descriptor.as_fd(), Some(LinkNameSpaceType::Network))
            .map_err(|error| NetnsError::Enter { inode, error })?;
        let cookie = cookie().unwrap_or(0);
        let result = if found.cookie != 0 && cookie != 0 && cookie != found.cookie {
            // The inode belongs to another one by now.
            Err(NetnsError::Gone)
        } else {
            Ok(work(Netns { cookie, inode }))
        };
        if let Err(error) = move_into_link_name_space(self.home.as_fd(), Some(LinkNameSpaceType::Network)) {
            tracing::error!(%error, "cannot go back to the own network namespace");
            self.stranded = true;
        }
        result
    }

    fn open(&self, wanted: Netns, path: Arc<str>) -> Result<Found, NetnsError> {
        let failed = |error| match io::Error::kind(&error) {
            io::ErrorKind::NotFound => NetnsError::Gone,
            _ => NetnsError::Open {
                inode: wanted.inode,
                error,
            },
        };
        let file = File::open(&*path).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        if metadata.dev() != self.device || number(metadata.ino()) != wanted.inode {
            return Err(NetnsError::Gone);
        }
        Ok(Found {
            inode: wanted.inode,
            cookie: wanted.cookie,
            descriptor: Some(file.into()),
            enter: Some(path),
        })
    }

    /// A path to the namespace, from the likeliest place to the least likely.
    fn path_of(&mut self, inode: u32, hint: Option<u32>) -> Result<Arc<str>, NetnsError> {
        if let Some(path) = self.paths.get(&inode) {
            if matches!(self.inode_of(path), Ok(Some(found)) if found == inode) {
                return Ok(path.clone());
            }
            self.paths.remove(&inode);
        }
        let mut unread = 0;
        let candidates = names()
            .chain(hint.map(process_path))
            .chain(processes().map(process_path))
            .chain(processes().flat_map(thread_paths).take(THREADS_MAX));
        for path in candidates {
            match self.inode_of(&path) {
                Ok(Some(found)) if found == inode => {
                    let path: Arc<str> = path.into();
                    if self.paths.len() >= PATHS_MAX {
                        self.paths.clear();
                    }
                    self.paths.insert(inode, path.clone());
                    return Ok(path);
                }
                Ok(_) => {}
                Err(_) => unread += 1,
            }
        }
        if unread == 0 {
            Err(NetnsError::Gone)
        } else {
            Err(NetnsError::NotFound { inode, unread })
        }
    }

    /// The namespace at a path; `None`: there is nothing, or something else.
    fn inode_of(&self, path: &str) -> io::Result<Option<u32>> {
        match fs::metadata(path) {
            Ok(metadata) if metadata.dev() == self.device => Ok(Some(number(metadata.ino()))),
            Ok(_) => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            // The process ended just now.
            Err(error) if error.raw_os_error() == Some(libc::ESRCH) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Opens a namespace without any path to it, held by whatever (from Linux 6.18 the cookie is the handle's id).
    fn open_by_handle(&self, wanted: Netns) -> Result<OwnedFd, Errno> {
        let mut handle = Handle {
            bytes: 16,
            kind: FILEID_NSFS,
            id: wanted.cookie,
            namespace: libc::CLONE_NEWNET,
            inode: wanted.inode,
        };
        // SAFETY: the handle is a struct file_handle with 16 bytes, as it says, and outlives the call.
        let descriptor = unsafe {
            libc::syscall(
                libc::SYS_open_by_handle_at,
                self.home.as_raw_fd(),
                &raw mut handle,
                libc::O_RDONLY | libc::O_CLOEXEC,
            )
        };
        match i32::try_from(descriptor) {
            // SAFETY: the call returned a new descriptor that nobody else owns.
            Ok(descriptor) if descriptor >= 0 => Ok(unsafe { OwnedFd::from_raw_fd(descriptor) }),
            _ => Err(Errno::from_io_error(&io::Error::last_os_error()).unwrap_or(Errno::IO)),
        }
    }
}

/// `struct file_handle` with `struct nsfs_file_handle`.
#[repr(C)]
struct Handle {
    bytes: u32,
    kind: i32,
    id: u64,
    namespace: i32,
    inode: u32,
}

/// Whether both are the same one, as far as both tell their cookie.
fn same(a: Netns, b: Netns) -> bool {
    if a.cookie != 0 && b.cookie != 0 {
        a.cookie == b.cookie
    } else {
        a.inode == b.inode
    }
}

/// The cookie of the thread's namespace; `None` before Linux 5.14.
fn cookie() -> Option<u64> {
    let socket = rustix::net::socket(rustix::net::AddressFamily::UNIX, rustix::net::SocketType::DGRAM, None).ok()?;
    let mut cookie = 0_u64;
    let mut length = libc::socklen_t::try_from(size_of::<u64>()).ok()?;
    // SAFETY: both pointers are to live values, and `length` is the size of the first.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_NETNS_COOKIE,
            (&raw mut cookie).cast(),
            &raw mut length,
        )
    };
    (result == 0).then_some(cookie)
}

fn names() -> impl Iterator<Item = String> {
    NAMES
        .iter()
        .flat_map(|directory| entries(directory.as_ref()))
        .filter_map(|entry| entry.path().into_os_string().into_string().ok())
}

/// Ids of all processes.
pub(super) fn processes() -> impl Iterator<Item = u32> {
    entries("/proc".as_ref())
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .take(PROCESSES_MAX)
}

fn process_path(id: u32) -> String {
    format!("/proc/{id}/ns/net")
}

fn thread_paths(process: u32) -> impl Iterator<Item = String> {
    let directory = format!("/proc/{process}/task");
    entries(directory.as_ref())
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
        .filter(move |&thread| thread != process)
        .map(move |thread| format!("/proc/{process}/task/{thread}/ns/net"))
}

fn entries(directory: &Path) -> impl Iterator<Item = fs::DirEntry> + use<> {
    fs::read_dir(directory).into_iter().flatten().filter_map(Result::ok)
}

/// Inodes of namespaces are 32 bits wide.
fn number(inode: u64) -> u32 {
    u32::try_from(inode).unwrap_or(0)
}

/// Where `ip netns` and Docker mount namespaces.
const NAMES: [&str; 2] = ["/run/netns", "/run/docker/netns"];
const FILEID_NSFS: i32 = 0xf1;
const NAMESPACES_MAX: usize = 4096;
const PATHS_MAX: usize = 1024;
const PROCESSES_MAX: usize = 65_536;
const THREADS_MAX: usize = 20_000;
