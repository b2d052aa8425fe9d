//! Functions by address, packed: a kernel has more than a hundred thousand, and nearly none of them is ever asked for.

use super::parse::Function;
use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use std::fmt::Write as _;
use std::io::{self, Read as _, Write as _};

#[derive(Debug, Default)]
pub(super) struct Table {
    /// By address.
    blocks: Vec<Block>,
}

/// Some functions in a row.
#[derive(Debug)]
struct Block {
    /// Where the first one begins.
    start: u64,
    /// A line for each, compressed: its distance from the one before, and its name.
    packed: Box<[u8]>,
}

impl Table {
    /// Of functions in the order of their addresses.
    pub(super) fn of(functions: &[Function<'_>]) -> io::Result<Self> {
        let blocks = functions.chunks(BLOCK).map(Block::of);
        Ok(Self {
            blocks: blocks.collect::<io::Result<_>>()?,
        })
    }

    /// The function that the address lies in.
    pub(super) fn name(&self, address: u64) -> Option<String> {
        let index = self.blocks.partition_point(|block| block.start <= address);
        self.blocks.get(index.checked_sub(1)?)?.name(address)
    }
}

impl Block {
    fn of(functions: &[Function<'_>]) -> io::Result<Self> {
        let start = functions.first().map_or(0, |function| function.start);
        let (mut lines, mut before) = (String::new(), start);
        for Function { start, name } in functions {
            let _ = writeln!(lines, "{:x} {name}", start - before);
            before = *start;
        }
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(lines.as_bytes())?;
        let packed = encoder.finish()?.into_boxed_slice();
        Ok(Self { start, packed })
    }

    fn name(&self, address: u64) -> Option<String> {
        let mut lines = String::new();
        DeflateDecoder::new(&*self.packed).read_to_string(&mut lines).ok()?;
        let (mut start, mut last) = (self.start, None);
        for line in lines.lines() {
            let (distance, name) = line.split_once(' ')?;
            start += u64::from_str_radix(distance, 16).ok()?;
            if start > address {
                break;
            }
            last = Some((start, name));
        }
        let (start, name) = last?;
        (address - start < LARGEST_FUNCTION).then(|| name.to_owned())
    }
}

/// Functions of a block, which takes a tenth of a millisecond to look through.
const BLOCK: usize = 512;
/// An address farther behind a symbol than this is not in its function.
const LARGEST_FUNCTION: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_belongs_to_the_function_before_it() {
        let function = |start, name| Function { start, name };
        let table = Table::of(&[function(0x8100_0000, "a"), function(0x8100_0010, "b")]).unwrap();
        assert_eq!(table.name(0x8100_000f).as_deref(), Some("a"));
        assert_eq!(table.name(0x8100_0020).as_deref(), Some("b"));
        assert_eq!(table.name(0x80ff_ffff), None);
        assert_eq!(table.name(0x9100_0000), None);
    }

    #[test]
    fn every_function_of_many_blocks_is_found_from_its_first_byte_to_its_last() {
        let names: Vec<_> = (0..2_000).map(|number| format!("function_{number}")).collect();
        let functions = names.iter().zip(0..).map(|(name, number)| Function {
            start: 0xffff_ffff_8100_0000 + number * 48,
            name,
        });
        let functions: Vec<_> = functions.collect();
        let table = Table::of(&functions).unwrap();
        for function in functions {
            for address in [function.start, function.start + 47] {
                assert_eq!(table.name(address).as_deref(), Some(function.name));
            }
        }
    }

    #[test]
    fn nothing_is_found_among_none() {
        assert_eq!(Table::of(&[]).unwrap().name(1), None);
    }
}
