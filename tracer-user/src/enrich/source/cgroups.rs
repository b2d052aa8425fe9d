//! The place of a cgroup by its id, which is the inode of its folder in the unified hierarchy.
//!
//! The tree is walked for it, at most once a second: opening by handle would be quicker, and needs CAP_DAC_READ_SEARCH,
//! which opens every file of the host. No descriptor of a folder is kept: it would keep a deleted cgroup in memory.

use crate::enrich::cgroup::{Place, in_path};
use crate::enrich::kept::Kept;
use crate::model::time::Timestamp;
use rustix::fs::statfs;
use std::fs;
use std::os::unix::fs::DirEntryExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The cgroups that were seen, also those that are gone: ids are not given again.
#[derive(Debug)]
pub(super) struct Cgroups {
    root: Option<PathBuf>,
    places: Kept<u64, Found>,
    walked: Option<Timestamp>,
}

#[derive(Debug)]
struct Found {
    place: Place,
    /// The tree shows it there. What a process tells is where that process is by now.
    is_its_own: bool,
}

impl Cgroups {
    /// Looks for the host's tree first: in a container the own one may begin at the container.
    pub(super) fn new() -> Self {
        Self::at(ROOTS.map(Path::new).into_iter().find(|root| is_unified(root)))
    }

    fn at(root: Option<&Path>) -> Self {
        Self {
            root: root.map(Path::to_owned),
            places: Kept::new(PLACES_MAX, KEPT),
            walked: None,
        }
    }

    pub(super) fn find(&mut self, id: u64, now: Timestamp) -> Place {
        if self.places.get(&id, now).is_none() {
            self.walk_if_due(now);
        }
        self.places
            .get(&id, now)
            .map(|found| found.place.clone())
            .unwrap_or_default()
    }

    /// Whether this is the place of the cgroup itself, and so of whoever runs in it.
    pub(super) fn is_at(&mut self, id: u64, place: &Place, now: Timestamp) -> bool {
        let is_its_own = |found: &Found| found.is_its_own;
        if !self.places.get(&id, now).is_some_and(is_its_own) {
            self.walk_if_due(now);
        }
        let found = self.places.get(&id, now);
        found.is_some_and(|found| found.is_its_own && found.place == *place)
    }

    /// Remembers what a process told of its own.
    pub(super) fn learn(&mut self, id: u64, place: &Place, now: Timestamp) {
        if self.places.get(&id, now).is_none_or(|found| !found.is_its_own) {
            self.keep(id, place.clone(), false, now);
        }
    }

    fn keep(&mut self, id: u64, place: Place, is_its_own: bool, now: Timestamp) {
        self.places.insert(id, Found { place, is_its_own }, now);
    }

    fn walk_if_due(&mut self, now: Timestamp) {
        if self.walked.is_none_or(|walked| now.since(walked) >= WALK_EVERY) {
            self.walked = Some(now);
            self.walk(now);
        }
    }

    pub(super) fn entries(&self) -> usize {
        self.places.len()
    }

    pub(super) fn evictions(&self) -> u64 {
        self.places.evictions()
    }

    /// Breadth first, so that a deep tree of somebody hides nobody else's.
    fn walk(&mut self, now: Timestamp) {
        let Some(root) = self.root.clone() else {
            return;
        };
        let until = Instant::now() + TIME_MAX;
        let mut level = vec![root.clone()];
        let mut folders = 0;
        while !level.is_empty() {
            let mut next = Vec::new();
            for folder in level {
                folders += 1;
                if folders > FOLDERS_MAX || Instant::now() > until {
                    tracing::debug!(folders, "too many cgroups to look at all");
                    return;
                }
                next.extend(inside(&folder).map(|(id, path)| {
                    let below = path.strip_prefix(&root).unwrap_or(&path);
                    self.keep(id, in_path(&format!("/{}", below.display())), true, now);
                    path
                }));
            }
            level = next;
        }
    }
}

/// Cgroups right below this one.
fn inside(folder: &Path) -> impl Iterator<Item = (u64, PathBuf)> + use<> {
    let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    entries
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| (entry.ino(), entry.path()))
}

fn is_unified(root: &Path) -> bool {
    statfs(root).is_ok_and(|statistics| statistics.f_type == UNIFIED)
}

/// Of the host where its processes can be seen; below, of a hybrid setup.
const ROOTS: [&str; 4] = [
    "/proc/1/root/sys/fs/cgroup",
    "/proc/1/root/sys/fs/cgroup/unified",
    "/sys/fs/cgroup",
    "/sys/fs/cgroup/unified",
];
/// `CGROUP2_SUPER_MAGIC`, include/uapi/linux/magic.h.
const UNIFIED: rustix::fs::FsWord = 0x6367_7270;
/// Cgroups that are remembered; past it those seen longest ago go first, and are counted.
const PLACES_MAX: usize = 16_384;
const KEPT: Duration = Duration::from_hours(1);
const WALK_EVERY: Duration = Duration::from_secs(1);
/// A walk that takes longer is given up, and what it has not seen stays unknown.
const TIME_MAX: Duration = Duration::from_millis(50);
const FOLDERS_MAX: usize = 16_384;

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;

    fn second(second: u64) -> Timestamp {
        Timestamp::from_nanos(second * 1_000_000_000)
    }

    /// A tree of plain folders: ids and names are all that counts.
    struct Tree(PathBuf);

    impl Tree {
        fn new(name: &str) -> Self {
            let root = std::env::temp_dir().join(format!("conntracer-cgroups-{name}-{}", std::process::id()));
            fs::create_dir(&root).unwrap();
            Self(root)
        }

        fn make(&self, path: &str) -> u64 {
            let folder = self.0.join(path);
            fs::create_dir_all(&folder).unwrap();
            fs::metadata(folder).unwrap().ino()
        }
    }

    impl Drop for Tree {
        fn drop(&mut self) {
            fs::remove_dir_all(&self.0).unwrap();
        }
    }

    #[test]
    fn a_cgroup_is_found_and_known_after_its_end() {
        let tree = Tree::new("found");
        let id = "a".repeat(64);
        let inode = tree.make(&format!("kubepods/podab/{id}/inner"));
        let mut cgroups = Cgroups::at(Some(&tree.0));
        let place = cgroups.find(inode, second(1));
        assert_eq!(place.pod.as_deref(), Some("ab"));
        assert_eq!(place.container.as_ref().map(|container| &*container.id), Some(&*id));
        fs::remove_dir_all(tree.0.join("kubepods")).unwrap();
        assert_eq!(cgroups.find(inode, second(3_000)), place);
    }

    #[test]
    fn the_tree_is_walked_at_most_once_a_second() {
        let tree = Tree::new("pace");
        let mut cgroups = Cgroups::at(Some(&tree.0));
        assert!(cgroups.find(1, second(1)).is_empty());
        let inode = tree.make(&format!("docker/{}", "a".repeat(64)));
        assert!(cgroups.find(inode, second(1)).is_empty());
        assert!(!cgroups.find(inode, second(2)).is_empty());
    }

    #[test]
    fn what_a_process_told_needs_no_tree() {
        let mut cgroups = Cgroups::at(None);
        let place = in_path(&format!("/docker/{}", "a".repeat(64)));
        cgroups.learn(7, &place, second(1));
        assert_eq!(cgroups.find(7, second(2)), place);
        assert!(cgroups.find(8, second(2)).is_empty());
    }

    #[test]
    fn only_the_tree_tells_whose_a_cgroup_is() {
        let tree = Tree::new("own");
        let docker = |digit: &str| format!("docker/{}", digit.repeat(64));
        let (own, other) = (docker("a"), docker("b"));
        let inode = tree.make(&own);
        let place = |path: &str| in_path(&format!("/{path}"));
        let mut cgroups = Cgroups::at(Some(&tree.0));
        // It was in this cgroup when it connected, and moved on.
        cgroups.learn(inode, &place(&other), second(1));
        assert!(!cgroups.is_at(inode, &place(&other), second(1)));
        assert!(cgroups.is_at(inode, &place(&own), second(1)));
        cgroups.learn(inode, &place(&other), second(2));
        assert!(cgroups.is_at(inode, &place(&own), second(2)));
        let mut blind = Cgroups::at(None);
        blind.learn(inode, &place(&own), second(1));
        assert!(!blind.is_at(inode, &place(&own), second(1)));
    }
}
