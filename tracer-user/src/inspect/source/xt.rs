//! The legacy tables of the thread's network namespace.
//!
//! Only those that exist: getsockopt would create the others. Decodes nothing (`inspect::rules::xt`).

use super::raw;
use crate::inspect::rules::xt::{self, INFO, SetNames, Shape};
use crate::model::rules::{Chain, Family};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketType, socket};
use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::sync::Arc;
use thiserror::Error;

/// All tables of both families; chains are numbered by their places. What could not be read is said in sentences.
pub fn read() -> (Vec<Chain>, Vec<Arc<str>>) {
    read_with(&set_names())
}

/// The same, with the names of ip sets.
pub(super) fn read_with(names: &SetNames) -> (Vec<Chain>, Vec<Arc<str>>) {
    let mut all: Vec<Chain> = Vec::new();
    let gaps = each(|family, name, socket| {
        let mut chains = table(family, name, socket, names)?;
        xt::rebase(&mut chains, u32::try_from(all.len()).unwrap_or(u32::MAX));
        all.append(&mut chains);
        Ok(())
    });
    (all, gaps)
}

/// The names of all ip sets; none where the kernel has no ip sets.
pub(super) fn set_names() -> SetNames {
    let mut names = SetNames::default();
    let Ok(socket) = socket(AddressFamily::INET, SocketType::DGRAM, None) else {
        return names;
    };
    // The first number that the kernel refuses is past the last one.
    for number in 0..=u16::MAX {
        let mut question = SetNames::request(number);
        if raw::socket_option(socket.as_fd(), libc::IPPROTO_IP, IP_SET, &mut question).is_err() {
            break;
        }
        names.learn(number, &question);
    }
    names
}

/// What tells a table from what it was before, unless a rule was replaced by one of the same size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    pub family: Family,
    pub table: Arc<str>,
    pub shape: Shape,
}

/// A key of each table, without its entries.
pub fn keys() -> (Vec<Key>, Vec<Arc<str>>) {
    let mut keys = Vec::new();
    let gaps = each(|family, name, socket| {
        let info = info(family, name, socket)?;
        keys.push(Key {
            family,
            table: name.into(),
            shape: Shape::parse(&info)?,
        });
        Ok(())
    });
    (keys, gaps)
}

#[derive(Debug, Error)]
enum Trouble {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("{0}")]
    Call(#[from] Errno),
    #[error("{0}")]
    Decode(#[from] xt::XtError),
    #[error("it has {0} bytes, more than are read")]
    TooLarge(u32),
    #[error("it changed while it was read")]
    Changing,
}

/// Visits the tables that exist, of both families.
fn each(mut visit: impl FnMut(Family, &str, BorrowedFd<'_>) -> Result<(), Trouble>) -> Vec<Arc<str>> {
    let mut gaps = Vec::new();
    for (family, domain, path) in [
        (Family::Ip, AddressFamily::INET, "/proc/thread-self/net/ip_tables_names"),
        (
            Family::Ip6,
            AddressFamily::INET6,
            "/proc/thread-self/net/ip6_tables_names",
        ),
    ] {
        let names = match names(path) {
            Ok(names) if names.is_empty() => continue,
            Ok(names) => names,
            Err(error) => {
                gaps.push(format!("cannot read {path}: {error}").into());
                continue;
            }
        };
        let socket = match socket(domain, SocketType::DGRAM, None) {
            Ok(socket) => socket,
            Err(error) => {
                gaps.push(format!("cannot read the legacy tables of {}: {error}", family.name()).into());
                continue;
            }
        };
        for name in names.lines() {
            match visit(family, name, socket.as_fd()) {
                // It vanished in between.
                Ok(()) | Err(Trouble::Call(Errno::NOENT)) => {}
                Err(error) => {
                    gaps.push(format!("cannot read the legacy table {} {name}: {error}", family.name()).into());
                }
            }
        }
    }
    gaps
}

/// Without legacy iptables in the kernel there is no such file.
fn names(path: &str) -> io::Result<String> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(String::new()),
        Err(error) => return Err(error),
    };
    let mut names = String::new();
    file.take(NAMES_MAX).read_to_string(&mut names)?;
    Ok(names)
}

fn table(family: Family, name: &str, socket: BorrowedFd<'_>, names: &SetNames) -> Result<Vec<Chain>, Trouble> {
    for _ in 0..ATTEMPTS {
        let info = info(family, name, socket)?;
        let size = Shape::parse(&info)?.size;
        if size > SIZE_MAX {
            return Err(Trouble::TooLarge(size));
        }
        let mut request = named(name, ENTRIES + usize::try_from(size).unwrap_or_default());
        if let Some(slot) = request.get_mut(NAME..NAME + 4) {
            slot.copy_from_slice(&size.to_ne_bytes());
        }
        let (level, number) = (level(family), GET_ENTRIES);
        match raw::socket_option(socket, level, number, &mut request) {
            Ok(length) => {
                let entries = request.get(ENTRIES..length).unwrap_or_default();
                return Ok(xt::table(family, name, &info, entries, names)?);
            }
            Err(Errno::AGAIN) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(Trouble::Changing)
}

fn info(family: Family, name: &str, socket: BorrowedFd<'_>) -> Result<Vec<u8>, Errno> {
    let mut request = named(name, INFO);
    let length = raw::socket_option(socket, level(family), GET_INFO, &mut request)?;
    request.truncate(length);
    Ok(request)
}

/// A request begins with the table's name.
fn named(name: &str, length: usize) -> Vec<u8> {
    let mut request = vec![0; length];
    // The last byte stays NUL.
    for (slot, byte) in request.iter_mut().take(NAME - 1).zip(name.bytes()) {
        *slot = byte;
    }
    request
}

fn level(family: Family) -> i32 {
    if family == Family::Ip6 {
        libc::IPPROTO_IPV6
    } else {
        libc::IPPROTO_IP
    }
}

/// `XT_TABLE_MAXNAMELEN`.
const NAME: usize = 32;
/// `sizeof(struct ipt_get_entries)`.
const ENTRIES: usize = 40;
/// `IPT_SO_GET_INFO` and `IP6T_SO_GET_INFO`; next to it what gets the entries.
const GET_INFO: i32 = 64;
const GET_ENTRIES: i32 = 65;
/// `SO_IP_SET`.
const IP_SET: i32 = 83;
/// 20,000 rules of kube-proxy have 8 MiB.
const SIZE_MAX: u32 = 128 << 20;
const NAMES_MAX: u64 = 4096;
const ATTEMPTS: u32 = 8;
