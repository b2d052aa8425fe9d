//! The hidden subcommand: a process that is one host of a lab, or one application on a host.
//!
//! A host is a process in a network namespace of its own, an application a process that joined a host's. Nothing else
//! holds the namespace and every child ends with its stdin, so a lab leaves nothing behind however its maker ends.

mod client;
mod frame;
mod lossy;
mod packet;
mod phantom;
mod proxy;
mod relay;
mod responder;
mod server;
mod stream;

use crate::lab::wire::{Answer, Command};
pub(super) use frame::HARDWARE_ADDRESS;

use client::Client;
use phantom::Phantom;
use rustix::process::{Gid, Uid};
use rustix::thread::{LinkNameSpaceType, UnshareFlags};
use std::ffi::{CString, OsString};
use std::fs::{self, File};
use std::io::{self, BufRead, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::process::{self, ExitCode, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;

/// Plays a host or an application until stdin ends. `arguments` are those after the subcommand.
///
/// Must be called before the process has any other thread: namespace and user belong to the calling thread alone.
pub fn host_main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let settled = settle(arguments);
    let (answer, code) = match &settled {
        Ok(netns) => (Answer::Hello { netns: *netns }, ExitCode::SUCCESS),
        Err(error) => (failed(error), ExitCode::from(2)),
    };
    if say(&answer).is_ok() && settled.is_ok() {
        let _ = obey(&commands());
    }
    code
}

/// Takes name, namespace and user; returns the namespace's inode.
fn settle(arguments: impl IntoIterator<Item = OsString>) -> io::Result<u32> {
    let mut arguments = arguments.into_iter().filter_map(|argument| argument.into_string().ok());
    let (Some(name), Some(joins), Some(uid)) = (arguments.next(), arguments.next(), arguments.next()) else {
        return Err(io::Error::other("this subcommand is for the demo's own use"));
    };
    rustix::thread::set_name(&CString::new(name)?)?;
    if joins == "new" {
        // SAFETY: a raw system call without pointers; CLONE_FILES, its one danger, is not among the flags.
        unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNET) }?;
    } else {
        let namespace = File::open(format!("/proc/{joins}/ns/net"))?;
        rustix::thread::move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))?;
    }
    let uid: u32 = uid.parse().map_err(io::Error::other)?;
    if uid != 0 {
        rustix::thread::set_thread_groups(&[])?;
        rustix::thread::set_thread_gid(Gid::from_raw(uid))?;
        rustix::thread::set_thread_uid(Uid::from_raw(uid))?;
    }
    let inode = fs::metadata("/proc/thread-self/ns/net")?.ino();
    u32::try_from(inode).map_err(io::Error::other)
}

/// Commands as they come; the process ends with stdin, whatever it is doing.
fn commands() -> Receiver<Command> {
    let (sender, commands) = mpsc::channel();
    thread::spawn(move || {
        for line in io::stdin().lock().lines().map_while(Result::ok) {
            match serde_json::from_str(&line) {
                Ok(command) => drop(sender.send(command)),
                Err(_) => break,
            }
        }
        process::exit(0);
    });
    commands
}

fn obey(commands: &Receiver<Command>) -> io::Result<()> {
    let mut client = Client::default();
    let mut phantom = None;
    for command in commands {
        let answer = execute(command, &mut client, &mut phantom).unwrap_or_else(|error| failed(&error));
        say(&answer)?;
    }
    Ok(())
}

fn execute(command: Command, client: &mut Client, phantom: &mut Option<Phantom>) -> io::Result<Answer> {
    match command {
        Command::Run {
            program,
            arguments,
            input,
        } => return run(&program, &arguments, &input),
        Command::HasRetransmitted => {
            let retransmitted = retransmitted(&fs::read_to_string("/proc/thread-self/net/snmp")?);
            if retransmitted.is_none_or(|segments| segments == 0) {
                return Err(io::Error::other("nothing was sent again"));
            }
        }
        Command::Set { path, value } => fs::write(path, value)?,
        Command::Serve(server) => server::start(server)?,
        Command::Proxy(proxy) => proxy::start(proxy)?,
        Command::Relay { listen, connections } => relay::start(listen, connections)?,
        Command::Connect {
            slot,
            to,
            from_port,
            give_up_ms,
        } => client.connect(slot, to, from_port, give_up_ms)?,
        Command::Send { slot, line } => client.send(slot, &line)?,
        Command::Receive { slot } => return client.receive(slot).map(Answer::Line),
        Command::AwaitUnread { slot } => client.await_unread(slot)?,
        Command::Fill { slot, bytes } => client.fill(slot, bytes)?,
        Command::HalfClose { slot } => client.half_close(slot)?,
        Command::Close { slot } => client.close(slot)?,
        Command::Abort { slot } => client.abort(slot)?,
        Command::Phantom { device, manner } => *phantom = Some(Phantom::start(&device, manner)?),
        Command::PhantomReset => phantom.as_ref().ok_or(io::ErrorKind::NotConnected)?.reset()?,
        Command::PhantomProbe { hardware, from, to } => {
            let phantom = phantom.as_ref().ok_or(io::ErrorKind::NotConnected)?;
            phantom.probe(hardware, from, to)?;
        }
        Command::LossyWire { devices, lose_every } => lossy::start(&devices, lose_every)?,
        Command::PhantomDeaf { port } => phantom.as_ref().ok_or(io::ErrorKind::NotConnected)?.ignore(port),
        Command::PhantomForge => phantom.as_ref().ok_or(io::ErrorKind::NotConnected)?.forge()?,
        Command::Listen { listen } => client.listen(listen)?,
        Command::Accept { slot, proxy } => client.accept(slot, proxy)?,
    }
    Ok(Answer::Done)
}

fn run(program: &str, arguments: &[String], input: &str) -> io::Result<Answer> {
    let mut child = process::Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        // A program that ends without reading says why by its status.
        let _ = stdin.write_all(input.as_bytes());
    }
    let output = child.wait_with_output()?;
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&output.stderr));
    Ok(Answer::Ran {
        success: output.status.success(),
        output: text.trim().to_owned(),
    })
}

/// Of a namespace's counters: a line of names and one of numbers.
fn retransmitted(counters: &str) -> Option<u64> {
    let mut lines = counters.lines().filter_map(|line| line.strip_prefix("Tcp: "));
    let column = lines.next()?.split(' ').position(|name| name == "RetransSegs")?;
    lines.next()?.split(' ').nth(column)?.parse().ok()
}

fn failed(error: &io::Error) -> Answer {
    Answer::Failed {
        errno: error.raw_os_error(),
        message: error.to_string(),
    }
}

fn say(answer: &Answer) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    serde_json::to_writer(&mut stdout, answer)?;
    stdout.write_all(b"\n")?;
    stdout.flush()
}
