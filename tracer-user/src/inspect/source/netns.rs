//! Network namespaces: finds one by its identity, enters it, and leaves it again.
//!
//! Keeps paths, never a descriptor of a foreign namespace: that would keep a deleted namespace and its devices alive.

use super::paths::{names, process_path, processes, thread_paths};
use super::raw::{cookie, open_by_handle};
use crate::model::identity::Netns;
use rustix::io::Errno;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use thiserror::Error;

#[derive(Debug, Error)]
pub(crate) enum NetnsError {
    #[error("the namespace is gone")]
    Gone,
    #[error("its namespace is not known")]
    Unknown,
    #[error("net:[{inode}] was not found; not all processes can be looked at")]
    NotFound { inode: u32 },
    #[error("cannot open net:[{inode}]: {error}")]
    Open { inode: u32, error: io::Error },
    #[error("cannot enter net:[{inode}]: {error}")]
    Enter { inode: u32, error: Errno },
}

/// A namespace that was found; `None` as descriptor: the own one.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) inode: u32,
    cookie: u64,
    descriptor: Option<OwnedFd>,
    /// See [`crate::model::inquiry::Answer::enter`].
    pub(crate) enter: Option<Arc<str>>,
}

impl Found {
    pub(crate) fn descriptor(&self) -> Option<RawFd> {
        self.descriptor.as_ref().map(AsRawFd::as_raw_fd)
    }
}

/// Where a namespace was found.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) inode: u32,
    pub(crate) path: Arc<str>,
    /// Of `ip netns`.
    pub(crate) names: Vec<Arc<str>>,
    /// The first process in it.
    pub(crate) process: Option<u32>,
}

#[derive(Debug)]
pub(crate) struct Namespaces {
    home: File,
    own: Netns,
    device: u64,
    by_handle: bool,
    paths: HashMap<u32, Arc<str>>,
    stranded: bool,
}

impl Namespaces {
    /// The calling thread's namespace is the own one, to which [`Self::inside`] goes back.
    pub(crate) fn new() -> io::Result<Self> {
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
        namespaces.by_handle = open_by_handle(namespaces.home.as_fd(), own).is_ok();
        Ok(namespaces)
    }

    /// Finds namespaces by path only, as before Linux 6.18.
    #[must_use]
    pub(crate) fn without_handles(self) -> Self {
        Self {
            by_handle: false,
            ..self
        }
    }

    pub(crate) fn own(&self) -> Netns {
        self.own
    }

    /// The descriptor of the own namespace.
    pub(crate) fn home(&self) -> RawFd {
        self.home.as_raw_fd()
    }

    /// Whether the thread could not go back to its own namespace: it must end.
    pub(crate) fn stranded(&self) -> bool {
        self.stranded
    }

    pub(crate) fn find(&mut self, wanted: Netns, hint: Option<u32>) -> Result<Found, NetnsError> {
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
        match self.reach(wanted) {
            Ok(reached) => {
                // Searching for a path can take long, and meanwhile nothing is held.
                drop(reached);
                let enter = self.path_of(wanted.inode, hint).ok();
                return self.reach(wanted).map(|found| Found { enter, ..found });
            }
            Err(NetnsError::Gone) => return Err(NetnsError::Gone),
            Err(_) => {}
        }
        self.find_by_path(wanted, hint)
    }

    /// [`Self::find`] without a path to it, unless there is no other way.
    pub(crate) fn find_quickly(&mut self, wanted: Netns) -> Result<Found, NetnsError> {
        if same(wanted, self.own) {
            return Ok(Found {
                inode: self.own.inode,
                cookie: 0,
                descriptor: None,
                enter: None,
            });
        }
        match self.reach(wanted) {
            Err(NetnsError::Unknown) => self.find_by_path(wanted, None),
            result => result,
        }
    }

    /// By its handle; [`NetnsError::Unknown`] where that is not possible.
    fn reach(&self, wanted: Netns) -> Result<Found, NetnsError> {
        if !self.by_handle || wanted.cookie == 0 {
            return Err(NetnsError::Unknown);
        }
        match open_by_handle(self.home.as_fd(), wanted) {
            Ok(descriptor) => Ok(Found {
                inode: wanted.inode,
                cookie: wanted.cookie,
                descriptor: Some(descriptor),
                enter: None,
            }),
            Err(Errno::STALE) if sees_all() => Err(NetnsError::Gone),
            Err(_) => Err(NetnsError::Unknown),
        }
    }

    fn find_by_path(&mut self, wanted: Netns, hint: Option<u32>) -> Result<Found, NetnsError> {
        let path = self.path_of(wanted.inode, hint)?;
        match self.open(wanted, path) {
            // The process ended since; another may be there.
            Err(NetnsError::Gone) => {
                let path = self.path_of(wanted.inode, hint)?;
                self.open(wanted, path)
            }
            result => result,
        }
    }

    /// Every namespace that has a name or a process, once. Those of a mere thread or socket are not among them.
    pub(crate) fn all(&mut self) -> Vec<(u32, Arc<str>)> {
        let places = self.places().into_iter();
        places.map(|place| (place.inode, place.path)).collect()
    }

    /// [`Self::all`] with what they are known by.
    pub(crate) fn places(&self) -> Vec<Place> {
        let mut all: Vec<Place> = Vec::new();
        let mut known = HashMap::new();
        let named = names().map(|path| (path, None));
        for (path, process) in named.chain(processes().map(|process| (process_path(process), Some(process)))) {
            let Ok(Some(inode)) = self.inode_of(&path) else {
                continue;
            };
            let path: Arc<str> = path.into();
            let index = *known.entry(inode).or_insert(all.len());
            if index == all.len() {
                if all.len() >= NAMESPACES_MAX {
                    tracing::warn!(NAMESPACES_MAX, "more network namespaces than are looked at");
                    break;
                }
                all.push(Place {
                    inode,
                    path: Arc::clone(&path),
                    names: Vec::new(),
                    process: None,
                });
            }
            if let Some(place) = all.get_mut(index) {
                place.names.extend(path.strip_prefix(NAMED).map(Arc::from));
                place.process = place.process.or(process);
            }
        }
        all
    }

    /// Opens what [`Self::all`] found.
    pub(crate) fn open_path(&self, inode: u32, path: Arc<str>) -> Result<Found, NetnsError> {
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
    pub(crate) fn inside<T>(&mut self, found: &Found, work: impl FnOnce(Netns) -> T) -> Result<T, NetnsError> {
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
        let failed = |error: io::Error| {
            if error.kind() == io::ErrorKind::NotFound {
                NetnsError::Gone
            } else {
                NetnsError::Open {
                    inode: wanted.inode,
                    error,
                }
            }
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
        let mut unread = !sees_all_processes();
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
                Err(_) => unread = true,
            }
        }
        if unread {
            Err(NetnsError::NotFound { inode })
        } else {
            Err(NetnsError::Gone)
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
}

/// Whether `/proc` shows all processes: in another pid namespace it does not.
pub(crate) fn sees_all_processes() -> bool {
    is_initial("pid", INITIAL_PID)
}

/// Whether a handle that is not accepted is stale: the kernel says so too where the permission is missing.
fn sees_all() -> bool {
    is_initial("user", INITIAL_USER)
        && caps::has_cap(None, caps::CapSet::Effective, caps::Capability::CAP_SYS_ADMIN).unwrap_or(false)
}

fn is_initial(kind: &str, inode: u64) -> bool {
    fs::metadata(format!("/proc/self/ns/{kind}")).is_ok_and(|metadata| metadata.ino() == inode)
}

/// Whether both are the same one, as far as both tell their cookie.
fn same(a: Netns, b: Netns) -> bool {
    if a.cookie != 0 && b.cookie != 0 {
        a.cookie == b.cookie
    } else {
        a.inode == b.inode
    }
}

/// Inodes of namespaces are 32 bits wide.
fn number(inode: u64) -> u32 {
    u32::try_from(inode).unwrap_or(0)
}

/// Where `ip netns` keeps its names.
const NAMED: &str = "/run/netns/";
const NAMESPACES_MAX: usize = 4096;
const PATHS_MAX: usize = 1024;
const THREADS_MAX: usize = 20_000;
/// `PROC_USER_INIT_INO`.
const INITIAL_USER: u64 = 0xEFFF_FFFD;
/// `PROC_PID_INIT_INO`.
const INITIAL_PID: u64 = 0xEFFF_FFFC;
