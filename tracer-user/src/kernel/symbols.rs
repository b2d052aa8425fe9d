//! Names for addresses of kernel code, for the place where a packet was dropped.

use std::fs;
use std::sync::Arc;

/// The kernel's text symbols, read at the first question.
#[derive(Default)]
pub struct Symbols {
    table: Option<Table>,
}

impl Symbols {
    /// The function that the address lies in; `None` where the kernel hides its addresses.
    pub fn name(&mut self, address: u64) -> Option<Arc<str>> {
        let table = self
            .table
            .get_or_insert_with(|| Table::parse(&fs::read(KALLSYMS).unwrap_or_default()));
        table.name(address)
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
