//! The kernel's text symbols: names for addresses, where a function lies, what became of one that was renamed.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{Read as _, Seek as _};
use std::ops::Range;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

/// The kernel's text symbols, read at the first question, and again where modules came or went since.
#[derive(Default)]
pub struct Symbols {
    table: Option<Table>,
    reading: Option<JoinHandle<Table>>,
    /// Opened while addresses were shown to us: the kernel decides at opening, and reading again needs no privilege.
    file: Option<Arc<File>>,
    /// Answers that were given.
    known: HashMap<u64, Option<Arc<str>>>,
}

impl Symbols {
    /// Begins to read at once: it takes the kernel a tenth of a second, and the first question cannot wait.
    pub fn ahead() -> Self {
        let file = open();
        let to_read = file.clone();
        let reading = thread::Builder::new()
            .name("symbols".to_owned())
            .spawn(move || Table::read(to_read.as_deref()));
        Self {
            reading: reading.ok(),
            file,
            ..Self::default()
        }
    }

    /// The function that the address lies in; `None` where the kernel hides its addresses.
    pub fn name(&mut self, address: u64) -> Option<Arc<str>> {
        if let Some(name) = self.known.get(&address) {
            return name.clone();
        }
        if self.table().modules != modules() {
            self.table = None;
        }
        let name = self.table().name(address).map(Arc::from);
        if self.known.len() >= MAX_KNOWN {
            self.known.clear();
        }
        self.known.insert(address, name.clone());
        name
    }

    /// From a function's start to that of the next one; `None` where the kernel hides its addresses.
    pub fn range(&mut self, function: &str) -> Option<Range<u64>> {
        self.table().range(function)
    }

    /// The names that a compiler gave a function that it changed (`NAME.constprop.0`, `NAME.isra.0`), where no plain one
    /// is left.
    pub fn renamed(&mut self, function: &str) -> Vec<String> {
        self.table().renamed(function)
    }

    fn table(&mut self) -> &Table {
        let reading = self.reading.take();
        let file = &mut self.file;
        self.table.get_or_insert_with(|| {
            let read = reading.and_then(|reading| reading.join().ok());
            read.unwrap_or_else(|| {
                *file = file.take().or_else(open);
                Table::read(file.as_deref())
            })
        })
    }
}

/// Kernels have more than a hundred thousand: they lie side by side, without an allocation for each.
struct Table {
    /// Start addresses, sorted.
    starts: Vec<u64>,
    /// Where the name of each begins in `names`; it ends where the next one begins.
    begins: Vec<u32>,
    names: String,
    /// What was loaded when it was read.
    modules: Vec<String>,
}

impl Table {
    fn read(file: Option<&File>) -> Self {
        let modules = modules();
        let mut bytes = Vec::new();
        if let Some(mut file) = file
            && let Err(error) = file.rewind().and_then(|()| file.read_to_end(&mut bytes))
        {
            tracing::debug!(%error, "the kernel's symbols cannot be read");
        }
        Self {
            modules,
            ..Self::parse(&bytes)
        }
    }

    /// Takes the lines of /proc/kallsyms that are functions; whatever else is in the bytes is left out.
    fn parse(bytes: &[u8]) -> Self {
        let mut symbols: Vec<_> = bytes.split(|&byte| byte == b'\n').filter_map(parse_line).collect();
        symbols.sort_by_key(|&(address, _)| address);
        let mut table = Self {
            starts: Vec::with_capacity(symbols.len()),
            begins: Vec::with_capacity(symbols.len()),
            names: String::with_capacity(symbols.iter().map(|(_, name)| name.len()).sum()),
            modules: Vec::new(),
        };
        for (address, name) in symbols {
            // A kernel has a few megabytes of names.
            let Ok(begin) = u32::try_from(table.names.len()) else {
                break;
            };
            table.starts.push(address);
            table.begins.push(begin);
            table.names.push_str(name);
        }
        table
    }

    fn symbols(&self) -> impl Iterator<Item = (u64, &str)> {
        let starts = self.starts.iter().enumerate();
        starts.filter_map(|(index, &start)| Some((start, self.name_at(index)?)))
    }

    fn name_at(&self, index: usize) -> Option<&str> {
        let begin = usize::try_from(*self.begins.get(index)?).ok()?;
        let end = self.begins.get(index + 1).and_then(|&end| usize::try_from(end).ok());
        self.names.get(begin..end.unwrap_or(self.names.len()))
    }

    fn name(&self, address: u64) -> Option<&str> {
        let index = self.starts.partition_point(|&start| start <= address).checked_sub(1)?;
        let start = self.starts.get(index)?;
        if address - start >= LARGEST_FUNCTION {
            return None;
        }
        self.name_at(index)
    }

    fn range(&self, function: &str) -> Option<Range<u64>> {
        let (start, _) = self.symbols().find(|(_, name)| *name == function)?;
        let after = self.starts.partition_point(|&next| next <= start);
        Some(start..*self.starts.get(after)?)
    }

    fn renamed(&self, function: &str) -> Vec<String> {
        if self.symbols().any(|(_, name)| name == function) {
            return Vec::new();
        }
        let suffix = |name: &str| name.strip_prefix(function).is_some_and(|rest| rest.starts_with('.'));
        let names = self
            .symbols()
            .filter(|(_, name)| suffix(name) && name.strip_suffix(".cold").is_none());
        names.map(|(_, name)| name.to_owned()).collect()
    }
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

fn parse_line(line: &[u8]) -> Option<(u64, &str)> {
    let mut words = std::str::from_utf8(line).ok()?.split_ascii_whitespace();
    let address = u64::from_str_radix(words.next()?, 16)
        .ok()
        .filter(|&address| address != 0)?;
    matches!(words.next()?, "t" | "T" | "w" | "W").then_some(())?;
    Some((address, words.next()?))
}

const KALLSYMS: &str = "/proc/kallsyms";
const MODULES: &str = "/proc/modules";
/// Packets are dropped at a few dozen places; past this many the answers are forgotten.
const MAX_KNOWN: usize = 4096;
/// An address farther behind a symbol than this is not in its function.
const LARGEST_FUNCTION: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_belongs_to_the_function_before_it() {
        let table = Table::parse(b"ffffffff81000010 T b\nffffffff81000000 t a\nffffffff81000018 D data\n");
        assert_eq!(table.name(0xffff_ffff_8100_000f), Some("a"));
        assert_eq!(table.name(0xffff_ffff_8100_0020), Some("b"));
        assert_eq!(table.name(0xffff_ffff_7fff_ffff), None);
        assert_eq!(table.name(0xffff_ffff_9100_0000), None);
    }

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

    #[test]
    fn hidden_addresses_and_broken_lines_are_left_out() {
        let table = Table::parse(b"0000000000000000 T hidden\nxyz T a\nffffffff81000000\n\xff\xfe T b\n\n");
        assert_eq!(table.name(0xffff_ffff_8100_0000), None);
    }
}
