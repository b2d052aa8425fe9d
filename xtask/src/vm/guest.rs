//! The first process of a guest: mounts, loads modules, does its job, sends the results to the host, and ends the guest.
//!
//! It is this same program: the host puts it at `/init`.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufRead as _, BufReader, Read as _},
    os::unix::process::ExitStatusExt as _,
    path::PathBuf,
    process::{Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use rustix::{
    mount::{MountFlags, mount},
    process::{WaitOptions, wait},
    system::{RebootCommand, init_module, reboot, sethostname},
};

use super::{
    job::{self, Job, Step},
    wire::send,
};

/// Whether this process is a guest's first one.
pub(crate) fn is_first() -> bool {
    std::process::id() == 1 && fs::exists(job::PLACE).unwrap_or(false)
}

/// Does the guest's job; the end of it is the end of the guest.
pub(crate) fn init() -> anyhow::Result<()> {
    let done = work();
    if let Err(error) = &done {
        println!("guest: {error:#}");
    }
    restart()
}

/// The host starts QEMU so that a restart is the end.
fn restart() -> anyhow::Result<()> {
    reboot(RebootCommand::Restart).context("cannot restart")
}

fn work() -> anyhow::Result<()> {
    let mut notes = prepare();
    let job = fs::read(job::PLACE).context("cannot read the job")?;
    let job: Job = serde_json::from_slice(&job).context("the job is not readable")?;
    let limit = Duration::from_secs(job.limit);
    thread::spawn(move || {
        thread::sleep(limit);
        println!("guest: no end within {} s", limit.as_secs());
        restart()
    });
    for module in &job.modules {
        if let Err(error) = load(module) {
            notes.push(format!("{module}: {error:#}"));
        }
    }
    let mut port = port()?;
    for note in &notes {
        println!("guest: {note}");
        send(&mut port, "notes", format!("{note}\n").as_bytes())?;
    }
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    send(&mut port, "release", release.as_bytes())?;
    // Links are judged by their peers in other namespaces; lo is the only one here.
    let _ = run(&mut port, &job, &lo_up());
    for step in &job.steps {
        if let Err(error) = run(&mut port, &job, step) {
            send(&mut port, "notes", format!("{}: {error:#}\n", step.name).as_bytes())?;
        }
    }
    if job.collect {
        collect(&mut port)?;
    }
    send(&mut port, job::END, b"done")?;
    Ok(())
}

/// Mounts what a program expects of a Linux system; what fails is told, since not every kernel has everything.
fn prepare() -> Vec<String> {
    let mut notes = Vec::new();
    for (kind, place) in MOUNTS {
        let made = fs::create_dir_all(place)
            .and_then(|()| mount(kind, place, kind, MountFlags::empty(), None).map_err(io::Error::from));
        if let Err(error) = made {
            notes.push(format!("cannot mount {kind} at {place}: {error}"));
        }
    }
    let links = [
        ("/proc/self/fd", "/dev/fd"),
        ("/proc/self/fd/0", "/dev/stdin"),
        ("/proc/self/fd/1", "/dev/stdout"),
    ];
    for (target, link) in links {
        // devtmpfs may have them.
        let _ = std::os::unix::fs::symlink(target, link);
    }
    if let Err(error) = sethostname(b"guest") {
        notes.push(format!("cannot set the host's name: {error}"));
    }
    notes
}

fn load(path: &str) -> anyhow::Result<()> {
    let code = fs::read(path).context("cannot read it")?;
    match init_module(&code, c"") {
        // Built in, or loaded by another.
        Ok(()) | Err(rustix::io::Errno::EXIST) => Ok(()),
        Err(error) => Err(error).context("cannot load it"),
    }
}

/// Opens the port to the host, which appears some time after its driver was loaded.
fn port() -> anyhow::Result<File> {
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        if let Some(device) = port_device() {
            return OpenOptions::new()
                .write(true)
                .open(&device)
                .with_context(|| format!("cannot open {}", device.display()));
        }
        thread::sleep(Duration::from_millis(20));
    }
    bail!("no port called {} to the host", job::PORT)
}

fn port_device() -> Option<PathBuf> {
    let ports = fs::read_dir("/sys/class/virtio-ports").ok()?.flatten();
    let mut named =
        ports.filter(|port| fs::read_to_string(port.path().join("name")).is_ok_and(|name| name.trim() == job::PORT));
    let device = PathBuf::from("/dev").join(named.next()?.file_name());
    device.exists().then_some(device)
}

fn run(port: &mut File, job: &Job, step: &Step) -> anyhow::Result<()> {
    let start = Instant::now();
    let (mut output, input) = io::pipe().context("no pipe")?;
    let mut command = Command::new(&step.program);
    command
        .args(&step.args)
        .env_clear()
        .envs(job.environment.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .stdout(input.try_clone().context("no second end of the pipe")?)
        .stderr(input);
    let child = command
        .spawn()
        .with_context(|| format!("cannot start {}", step.program))?;
    // It holds the pipe's writing ends.
    drop(command);
    let mut buffer = vec![0; 64 << 10];
    let waiter = thread::spawn(move || reap(child.id()));
    loop {
        let length = output.read(&mut buffer).context("cannot read the program's output")?;
        if length == 0 {
            break;
        }
        send(port, &step.name, buffer.get(..length).unwrap_or_default())?;
    }
    let status = waiter.join().ok().flatten().context("the program's end was not seen")?;
    let code = status
        .code()
        .unwrap_or_else(|| 128 + status.signal().unwrap_or_default());
    send(port, &format!("{}.code", step.name), code.to_string().as_bytes())?;
    send(
        port,
        &format!("{}.ms", step.name),
        start.elapsed().as_millis().to_string().as_bytes(),
    )?;
    Ok(())
}

/// Takes the end of every process, as the first one has to, until that of this child.
fn reap(child: u32) -> Option<ExitStatus> {
    loop {
        match wait(WaitOptions::empty()) {
            Ok(Some((id, status))) if id.as_raw_pid().cast_unsigned() == child => {
                return Some(ExitStatus::from_raw(status.as_raw()));
            }
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(_) => return None,
        }
    }
}

/// Sends the types of the kernel and of its modules, and the names of its functions.
fn collect(port: &mut File) -> anyhow::Result<()> {
    for name in TYPES {
        // Modules have none on older kernels.
        if let Ok(types) = fs::read(format!("/sys/kernel/btf/{name}")) {
            send(port, name, &types)?;
        }
    }
    let symbols = File::open("/proc/kallsyms").context("cannot read the kernel's symbols")?;
    let mut functions = String::new();
    for line in BufReader::new(symbols).lines() {
        let line = line.context("cannot read the kernel's symbols")?;
        let mut words = line.split_whitespace().skip(1);
        if let (Some("t" | "T" | "w" | "W"), Some(name)) = (words.next(), words.next()) {
            functions.push_str(name);
            if let Some(module) = words.next() {
                functions.push('\t');
                functions.push_str(module.trim_matches(['[', ']']));
            }
            functions.push('\n');
        }
    }
    Ok(send(port, "symbols", functions.as_bytes())?)
}

fn lo_up() -> Step {
    Step {
        name: job::OWN.to_owned(),
        program: "ip".to_owned(),
        args: ["link", "set", "lo", "up"].map(str::to_owned).into(),
    }
}

const MOUNTS: [(&str, &str); 10] = [
    ("proc", "/proc"),
    ("sysfs", "/sys"),
    ("devtmpfs", "/dev"),
    ("devpts", "/dev/pts"),
    ("tmpfs", "/dev/shm"),
    ("tmpfs", "/tmp"),
    ("tmpfs", "/run"),
    ("bpf", "/sys/fs/bpf"),
    ("tracefs", "/sys/kernel/tracing"),
    ("cgroup2", "/sys/fs/cgroup"),
];
const TYPES: [&str; 10] = [
    "vmlinux",
    "nf_conntrack",
    "nf_conntrack_netlink",
    "nf_nat",
    "nf_reject_ipv4",
    "nf_reject_ipv6",
    "nf_tables",
    "x_tables",
    "ip_tables",
    "inet_diag",
];
const PATIENCE: Duration = Duration::from_secs(30);
