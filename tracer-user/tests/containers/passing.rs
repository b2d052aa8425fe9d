//! Namespaces and cgroups that come and go while they are asked for: nothing of them is held.

use super::{namer_off, netns, now, process, unified};
use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tracer_user::model::who::Subject;

#[test]
fn namespaces_and_cgroups_die_at_once_and_nothing_grows() {
    let mut namer = namer_off();
    let pods = Pods::new();
    let before = descriptors();
    let begin = Instant::now();
    for number in 0..ROUNDS {
        let mut pod = pods.start(number);
        let cgroup = fs::metadata(&pod.cgroup).unwrap().ino();
        let named = namer.name(process(pod.pid(), Some(cgroup)), now());
        assert_eq!(
            named.container.map(|container| container.id.to_string()),
            Some(id(number))
        );
        let named = namer.name(Subject::Netns(netns(pod.pid())), now());
        assert_eq!(
            named.container.map(|container| container.id.to_string()),
            Some(id(number))
        );
        pod.end();
        // A cgroup that somebody has open is only hidden.
        fs::remove_dir(&pod.cgroup).unwrap();
        assert_eq!(descriptors(), before);
    }
    println!("{ROUNDS} in {:?}, {:?}", begin.elapsed(), namer.health());
    await_that("all cgroups are dead", || pods.dying() == 0);
    await_that("all namespaces are dead", || pods.links() == 0);
    let health = namer.health();
    assert!(
        health.entries <= 4 * usize::try_from(ROUNDS).unwrap() + 200,
        "{health:?}"
    );
}

/// A namespace to watch the others from, and a cgroup to make the others in.
struct Pods {
    watch: Child,
    cgroup: PathBuf,
}

impl Pods {
    fn new() -> Self {
        let cgroup = Path::new(unified()).join(format!("conntracer-passing-{}", std::process::id()));
        fs::create_dir(&cgroup).unwrap();
        let (watch, _) = shell();
        Self { watch, cgroup }
    }

    /// A process in a network namespace of its own, one end of a veth pair with it, and in a cgroup of its own.
    fn start(&self, number: u32) -> Pod {
        let cgroup = self.cgroup.join("docker").join(id(number));
        fs::create_dir_all(&cgroup).unwrap();
        let (child, _) = shell();
        fs::write(cgroup.join("cgroup.procs"), child.id().to_string()).unwrap();
        let link = format!("v{number}");
        let other = child.id().to_string();
        let added = self.ip(&[
            "link", "add", &link, "type", "veth", "peer", "name", "e0", "netns", &other,
        ]);
        assert!(added.is_some());
        Pod { child, cgroup }
    }

    fn links(&self) -> usize {
        let links = self.ip(&["-br", "link", "show", "type", "veth"]).unwrap();
        links.lines().count()
    }

    fn dying(&self) -> u32 {
        let statistics = fs::read_to_string(self.cgroup.join("cgroup.stat")).unwrap();
        let dying = statistics
            .lines()
            .find_map(|line| line.strip_prefix("nr_dying_descendants "));
        dying.unwrap().parse().unwrap()
    }

    fn ip(&self, words: &[&str]) -> Option<String> {
        let target = self.watch.id().to_string();
        let output = Command::new("nsenter")
            .args(["--net", "--target", &target, "ip"])
            .args(words)
            .output();
        let output = output.unwrap();
        output
            .status
            .success()
            .then(|| String::from_utf8(output.stdout).unwrap())
    }
}

impl Drop for Pods {
    fn drop(&mut self) {
        end(&mut self.watch);
        for folder in [self.cgroup.join("docker"), self.cgroup.clone()] {
            fs::remove_dir(folder).unwrap();
        }
    }
}

struct Pod {
    child: Child,
    cgroup: PathBuf,
}

impl Pod {
    fn pid(&self) -> u32 {
        self.child.id()
    }

    fn end(&mut self) {
        end(&mut self.child);
    }
}

/// A shell in a network namespace of its own, that waits for its input's end.
fn shell() -> (Child, String) {
    let mut command = Command::new("unshare");
    command.args(["--net", "sh", "-c", "echo there; read line"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut said = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut said)
        .unwrap();
    (child, said)
}

fn end(child: &mut Child) {
    let mut input = child.stdin.take().unwrap();
    input.write_all(b"\n").unwrap();
    child.wait().unwrap();
}

fn id(number: u32) -> String {
    format!("{number:064x}")
}

/// What this process's descriptors lead to.
fn descriptors() -> BTreeSet<PathBuf> {
    let entries = fs::read_dir("/proc/self/fd").unwrap().map_while(Result::ok);
    let links = entries.filter_map(|entry| fs::read_link(entry.path()).ok());
    let is_of_others = |link: &PathBuf| {
        let text = link.to_string_lossy();
        text.starts_with("net:[")
            || text.starts_with("/sys/fs/cgroup")
            || (text.starts_with("/proc/") && !text.ends_with("/fd"))
    };
    links.filter(is_of_others).collect()
}

fn await_that(what: &str, is_so: impl Fn() -> bool) {
    let begin = Instant::now();
    while !is_so() {
        assert!(begin.elapsed() < Duration::from_mins(1), "not so: {what}");
        std::thread::yield_now();
    }
    println!("{what}: after {:?}", begin.elapsed());
}

const ROUNDS: u32 = 200;
