//! The kernel's text symbols: names for addresses, where a function lies, what became of one that was renamed.

use std::fs;
use std::ops::Range;
use std::sync::Arc;

/// The kernel's text symbols, read at the first question.
#[derive(Default)]
pub struct Symbols {
    table: Option<Table>,
}

impl Symbols {
    /// The function that the address lies in; `None` where the kernel hides its addresses.
    pub fn name(&mut self, address: u64) -> Option<Arc<str>> {
        self.table().name(address)
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
        self.table
            .get_or_insert_with(|| Table::parse(&fs::read(KALLSYMS).unwrap_or_default()))
    }
}

/// Start addresses and names, sorted.
struct Table(Vec<(u64, Arc<str>)>);

impl Table {
    /// Takes the lines of /proc/kallsyms that are functions; whatever else is in the bytes is left out.
    fn parse(bytes: &[u8]) -> Self {
        let mut symbols: Vec<_> = bytes.split(|&byte| byte == b'\n').filter_map(parse_line).collect();
        symbols.sort_by_key(|&(address, _)| address);
        Self(symbols)
    }

    fn name(&self, address: u64) -> Option<Arc<str>> {
        let after = self.0.partition_point(|&(start, _)| start <= address);
        let (start, name) = self.0.get(after.checked_sub(1)?)?;
        (address - start < LARGEST_FUNCTION).then(|| Arc::clone(name))
    }

    fn range(&self, function: &str) -> Option<Range<u64>> {
        let index = self.0.iter().position(|(_, name)| **name == *function)?;
        let (start, _) = self.0.get(index)?;
        let (end, _) = self.0.iter().skip(index).find(|(next, _)| next > start)?;
        Some(*start..*end)
    }

    fn renamed(&self, function: &str) -> Vec<String> {
        if self.0.iter().any(|(_, name)| **name == *function) {
            return Vec::new();
        }
        let suffix = |name: &str| name.strip_prefix(function).is_some_and(|rest| rest.starts_with('.'));
        let names = self
            .0
            .iter()
            .filter(|(_, name)| suffix(name) && !name.ends_with(".cold"));
        names.map(|(_, name)| name.to_string()).collect()
    }
}

fn parse_line(line: &[u8]) -> Option<(u64, Arc<str>)> {
    let mut words = std::str::from_utf8(line).ok()?.split_ascii_whitespace();
    let address = u64::from_str_radix(words.next()?, 16)
        .ok()
        .filter(|&address| address != 0)?;
    matches!(words.next()?, "t" | "T" | "w" | "W").then_some(())?;
    Some((address, words.next()?.into()))
}

const KALLSYMS: &str = "/proc/kallsyms";
/// An address farther behind a symbol than this is not in its function.
const LARGEST_FUNCTION: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_belongs_to_the_function_before_it() {
        let table = Table::parse(b"ffffffff81000010 T b\nffffffff81000000 t a\nffffffff81000018 D data\n");
        assert_eq!(table.name(0xffff_ffff_8100_000f).as_deref(), Some("a"));
        assert_eq!(table.name(0xffff_ffff_8100_0020).as_deref(), Some("b"));
        assert_eq!(table.name(0xffff_ffff_7fff_ffff), None);
        assert_eq!(table.name(0xffff_ffff_9100_0000), None);
    }

    #[test]
    fn hidden_addresses_and_broken_lines_are_left_out() {
        let table = Table::parse(b"0000000000000000 T hidden\nxyz T a\nffffffff81000000\n\xff\xfe T b\n\n");
        assert_eq!(table.name(0xffff_ffff_8100_0000), None);
    }
}
