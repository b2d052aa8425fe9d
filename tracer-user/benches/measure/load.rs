//! The load: a process in a network namespace of its own that makes connections, one command a line.
//!
//! It ends when its standard input does, so it never outlives the bench, and its namespace never outlives it.

use anyhow::{Context as _, bail};
use rustix::io::Errno;
use rustix::net::sockopt::set_socket_linger;
use rustix::net::{AddressFamily, SocketFlags, SocketType, connect, listen, socket_with};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs, io};

pub(crate) const SUBCOMMAND: &str = "load";

/// The bench's side of it.
pub(crate) struct Load {
    child: Child,
    commands: ChildStdin,
    replies: BufReader<ChildStdout>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Job {
    /// Connect, accept, close, one after the other.
    Connect(u32),
    /// Connect to a port that nobody listens on.
    Refuse(u32),
    /// Connect, accept, close with a RST.
    Abort(u32),
    /// Connect where a rule drops the SYN, and go on.
    Hang(u32),
    /// Connect, accept, keep both ends.
    Hold(u32),
    /// Close what is kept.
    Release,
}

impl Load {
    pub(crate) fn start() -> anyhow::Result<Self> {
        let mut child = Command::new("unshare")
            .arg("--net")
            .arg(env::current_exe()?)
            .arg(SUBCOMMAND)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start `unshare`")?;
        let commands = child.stdin.take().context("the load's input")?;
        let replies = BufReader::new(child.stdout.take().context("the load's output")?);
        let mut load = Self {
            child,
            commands,
            replies,
        };
        load.reply()?;
        Ok(load)
    }

    /// Does the job; returns how long it took.
    pub(crate) fn run(&mut self, job: Job) -> anyhow::Result<Duration> {
        let start = Instant::now();
        self.begin(job)?;
        self.reply()?;
        Ok(start.elapsed())
    }

    /// Begins the job; [`Self::reply`] waits for its end.
    pub(crate) fn begin(&mut self, job: Job) -> anyhow::Result<()> {
        let (word, count) = match job {
            Job::Connect(count) => ("connect", count),
            Job::Refuse(count) => ("refuse", count),
            Job::Abort(count) => ("abort", count),
            Job::Hang(count) => ("hang", count),
            Job::Hold(count) => ("hold", count),
            Job::Release => ("release", 0),
        };
        Ok(writeln!(self.commands, "{word} {count}")?)
    }

    /// The process, which is in the load's namespace.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn reply(&mut self) -> anyhow::Result<()> {
        let mut line = String::new();
        if self.replies.read_line(&mut line)? == 0 {
            bail!("the load ended early: {:?}", self.child.wait());
        }
        Ok(())
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        // It is done with, one way or the other.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How many connections a load can hold, both ends of each: the limit of open files may not be raised everywhere.
pub(crate) fn capacity() -> u32 {
    const OWN_FILES: u64 = 100;
    let files = getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX);
    u32::try_from(files.saturating_sub(OWN_FILES) / 2).unwrap_or(u32::MAX)
}

/// The other side: what the process of the load does.
pub(crate) fn main() -> anyhow::Result<()> {
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(
        Resource::Nofile,
        Rlimit {
            current: maximum,
            maximum,
        },
    )?;
    // Past it the kernel resets what is closed in order.
    fs::write("/proc/sys/net/ipv4/tcp_max_tw_buckets", TIME_WAITS).context("tcp_max_tw_buckets")?;
    command("ip", "link set lo up", "")?;
    command("nft", "-f -", RULES)?;
    let mut scene = Scene::new()?;
    let mut output = io::stdout();
    writeln!(output, "ready")?;
    for line in io::stdin().lines() {
        let line = line?;
        let (word, count) = line.split_once(' ').context("a job and a number")?;
        let count: u32 = count.parse()?;
        match word {
            "connect" => scene.each(count, |client, server| drop((client, server)))?,
            "abort" => scene.each(count, |client, server| {
                if set_socket_linger(&client, Some(Duration::ZERO)).is_ok() {
                    drop(client);
                }
                drop(server);
            })?,
            "refuse" => refuse(count)?,
            "hang" => scene.hang(count)?,
            "hold" => {
                let mut held = Vec::new();
                scene.each(count, |client, server| held.push((client, server)))?;
                scene.held = held;
            }
            _ => {
                scene.held.clear();
                scene.hanging.clear();
            }
        }
        writeln!(output, "done")?;
    }
    Ok(())
}

struct Scene {
    listener: TcpListener,
    held: Vec<(TcpStream, TcpStream)>,
    hanging: Vec<OwnedFd>,
}

impl Scene {
    fn new() -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, OPEN))?;
        listen(&listener, 128)?;
        Ok(Self {
            listener,
            held: Vec::new(),
            hanging: Vec::new(),
        })
    }

    fn each(&self, count: u32, mut then: impl FnMut(TcpStream, TcpStream)) -> anyhow::Result<()> {
        for index in 0..count {
            let client = TcpStream::connect(address(index, OPEN)).context("connect")?;
            let (server, _) = self.listener.accept().context("accept")?;
            then(client, server);
        }
        Ok(())
    }

    fn hang(&mut self, count: u32) -> anyhow::Result<()> {
        for index in 0..count {
            let socket = socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::NONBLOCK, None)?;
            match connect(&socket, &address(index, DROPPED)) {
                Err(Errno::INPROGRESS) => self.hanging.push(socket),
                other => bail!("a connect that was to hang: {other:?}"),
            }
        }
        Ok(())
    }
}

fn refuse(count: u32) -> anyhow::Result<()> {
    for index in 0..count {
        if TcpStream::connect(address(index, CLOSED)).is_ok() {
            bail!("port {CLOSED} is open");
        }
    }
    Ok(())
}

/// Many addresses, so that the ports of one never run out.
fn address(index: u32, port: u16) -> SocketAddrV4 {
    let [.., low] = (index % ADDRESSES).to_be_bytes();
    SocketAddrV4::new(Ipv4Addr::new(127, 1, low, 1), port)
}

pub(crate) fn command(program: &str, arguments: &str, input: &str) -> anyhow::Result<()> {
    let mut child = Command::new(program)
        .args(arguments.split(' '))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .with_context(|| format!("cannot start `{program}`"))?;
    child.stdin.take().context("its input")?.write_all(input.as_bytes())?;
    let status = child.wait()?;
    if !status.success() {
        bail!("{program} {arguments}: {status}");
    }
    Ok(())
}

const OPEN: u16 = 9000;
const CLOSED: u16 = 9001;
const DROPPED: u16 = 9002;
const ADDRESSES: u32 = 200;
const TIME_WAITS: &str = "2000000";
const RULES: &str = "\
add table ip bench
add chain ip bench in { type filter hook input priority 0; }
add rule ip bench in tcp dport 9002 drop
";
