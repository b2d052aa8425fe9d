//! The kernel's text symbols: names for addresses, where a function lies, what became of one that was renamed.

mod parse;
mod table;

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{Read as _, Seek as _};
use std::ops::Range;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use table::Table;

/// The kernel's text symbols, read at the first question, and again where modules came or went since.
#[derive(Default)]
pub struct Symbols {
    last: Option<Reading>,
    coming: Option<JoinHandle<Reading>>,
    /// Opened while addresses were shown to us: the kernel decides at opening, and reading again needs no privilege.
    file: Option<Arc<File>>,
    /// Answers that were given.
    known: HashMap<u64, Option<Arc<str>>>,
}

impl Symbols {
    /// Begins to read at once: it takes the kernel a tenth of a second, and us half as long to pack, and the first question
    /// cannot wait.
    pub fn ahead() -> Self {
        let file = open();
        let to_read = file.clone();
        let coming = thread::Builder::new()
            .name("symbols".to_owned())
            .spawn(move || Reading::of(to_read.as_deref()));
        Self {
            coming: coming.ok(),
            file,
            ..Self::default()
        }
    }

    /// The function that the address lies in; `None` where the kernel hides its addresses.
    pub fn name(&mut self, address: u64) -> Option<Arc<str>> {
        if let Some(name) = self.known.get(&address) {
            return name.clone();
        }
        if self.read().modules != modules() {
            self.last = None;
        }
        let name = self.read().table.name(address).map(Arc::from);
        if self.known.len() >= MAX_KNOWN {
            self.known.clear();
        }
        self.known.insert(address, name.clone());
        name
    }

    fn read(&mut self) -> &Reading {
        let coming = self.coming.take();
        let file = &mut self.file;
        self.last.get_or_insert_with(|| {
            let read = coming.and_then(|coming| coming.join().ok());
            read.unwrap_or_else(|| {
                *file = file.take().or_else(open);
                Reading::of(file.as_deref())
            })
        })
    }
}

/// What was read at one time.
struct Reading {
    table: Table,
    /// What was loaded then.
    modules: Vec<String>,
}

impl Reading {
    fn of(file: Option<&File>) -> Self {
        let modules = modules();
        // Compressing into memory does not fail.
        let table = Table::of(&parse::functions(&text(file))).unwrap_or_default();
        Self { table, modules }
    }
}

/// From a function's start to that of the next one; `None` where the kernel hides its addresses.
pub(super) fn range(function: &str) -> Option<Range<u64>> {
    parse::range(&parse::functions(&text(open().as_deref())), function)
}

/// The names that a compiler gave a function that it changed (`NAME.constprop.0`, `NAME.isra.0`), where no plain one is
/// left.
pub(super) fn renamed(function: &str) -> Vec<String> {
    parse::renamed(&parse::functions(&text(open().as_deref())), function)
}

fn text(file: Option<&File>) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(mut file) = file
        && let Err(error) = file.rewind().and_then(|()| file.read_to_end(&mut bytes))
    {
        tracing::debug!(%error, "the kernel's symbols cannot be read");
    }
    bytes
}

fn open() -> Option<Arc<File>> {
    File::open(KALLSYMS).ok().map(Arc::new)
}

/// Names of the loaded modules, and where each lies.
fn modules() -> Vec<String> {
    let text = fs::read_to_string(MODULES).unwrap_or_default();
    let module = |line: &str| {
        let mut words = line.split(' ');
        let (name, address) = (words.next(), words.nth(4));
        format!("{} {}", name.unwrap_or_default(), address.unwrap_or_default())
    };
    text.lines().map(module).collect()
}

const KALLSYMS: &str = "/proc/kallsyms";
const MODULES: &str = "/proc/modules";
/// Packets are dropped at a few dozen places; past this many the answers are forgotten.
const MAX_KNOWN: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_the_same_the_second_time_and_whenever_it_was_read() {
        let text = fs::read_to_string(KALLSYMS).unwrap();
        let address = text.lines().find_map(|line| line.strip_suffix(" T tcp_v4_connect"));
        let address = u64::from_str_radix(address.expect("a kernel with TCP"), 16).unwrap();
        let expected = (address != 0).then_some("tcp_v4_connect");
        for mut symbols in [Symbols::ahead(), Symbols::default()] {
            for _ in 0..2 {
                assert_eq!(symbols.name(address).as_deref(), expected);
            }
        }
    }
}
