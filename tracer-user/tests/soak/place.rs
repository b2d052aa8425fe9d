//! Anonymous network namespaces, each held by a process that ends with its standard input.

use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space, unshare_unsafe};
use std::fs::File;
use std::io::Write;
use std::os::fd::AsFd;
use std::process::{Child, Command, Stdio};
use std::thread::{self, JoinHandle};

pub(crate) struct Place {
    holder: Child,
    file: File,
}

impl Place {
    pub(crate) fn new() -> Self {
        let hold = || {
            // SAFETY: a raw system call without pointers; CLONE_FILES, its one danger, is not among the flags.
            unsafe { unshare_unsafe(UnshareFlags::NEWNET) }.unwrap();
            let mut command = Command::new("cat");
            command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap()
        };
        let holder = thread::spawn(hold).join().unwrap();
        let file = File::open(format!("/proc/{}/ns/net", holder.id())).unwrap();
        let place = Self { holder, file };
        place.ip(&["link set lo up"]);
        place
    }

    pub(crate) fn pid(&self) -> u32 {
        self.holder.id()
    }

    /// A thread inside; sockets that it opens stay there.
    pub(crate) fn spawn<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
        let file = self.file.try_clone().unwrap();
        thread::spawn(move || {
            enter(&file);
            work()
        })
    }

    /// Takes the calling thread inside.
    pub(crate) fn enter(&self) {
        enter(&self.file);
    }

    pub(crate) fn ip(&self, lines: &[&str]) {
        self.run("ip -batch -", &lines.join("\n"));
    }

    pub(crate) fn run(&self, command: &str, input: &str) {
        let (words, input) = (command.to_owned(), input.to_owned());
        let program = move || {
            let mut words = words.split_whitespace();
            let mut child = Command::new(words.next().unwrap())
                .args(words)
                .stdin(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap();
            // A program that ends without reading says why by its status.
            let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
            child.wait_with_output().unwrap()
        };
        let output = self.spawn(program).join().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{command}: {error}");
    }

    /// A sysctl of the namespace, which is the reader's own wherever the file system was mounted.
    pub(crate) fn set(&self, name: &str, value: &str) {
        let path = format!("/proc/sys/net/{name}");
        let value = value.to_owned();
        self.spawn(move || std::fs::write(path, value)).join().unwrap().unwrap();
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        drop(self.holder.stdin.take());
        let _ = self.holder.wait();
    }
}

fn enter(file: &File) {
    move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
}
