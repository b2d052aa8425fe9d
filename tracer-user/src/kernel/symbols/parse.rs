//! The lines of /proc/kallsyms. Pure.

use std::ops::Range;

/// One of the kernel's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Function<'a> {
    /// The address of its first byte.
    pub(super) start: u64,
    pub(super) name: &'a str,
}

/// The functions among the lines, by address; whatever else is in the bytes is left out, and functions whose address
/// the kernel hides.
pub(super) fn functions(bytes: &[u8]) -> Vec<Function<'_>> {
    let mut functions: Vec<_> = bytes.split(|&byte| byte == b'\n').filter_map(function).collect();
    functions.sort_by_key(|function| function.start);
    functions
}

/// From a function's start to that of the next one.
pub(super) fn range(functions: &[Function<'_>], name: &str) -> Option<Range<u64>> {
    let start = functions.iter().find(|function| function.name == name)?.start;
    let after = functions.partition_point(|next| next.start <= start);
    Some(start..functions.get(after)?.start)
}

/// The names that a compiler gave a function that it changed, where no plain one is left.
pub(super) fn renamed(functions: &[Function<'_>], name: &str) -> Vec<String> {
    if functions.iter().any(|function| function.name == name) {
        return Vec::new();
    }
    let suffix = |of: &str| of.strip_prefix(name).is_some_and(|rest| rest.starts_with('.'));
    let names = functions.iter().map(|function| function.name);
    names
        .filter(|of| suffix(of) && of.strip_suffix(".cold").is_none())
        .map(str::to_owned)
        .collect()
}

fn function(line: &[u8]) -> Option<Function<'_>> {
    let mut words = std::str::from_utf8(line).ok()?.split_ascii_whitespace();
    let start = u64::from_str_radix(words.next()?, 16)
        .ok()
        .filter(|&start| start != 0)?;
    matches!(words.next()?, "t" | "T" | "w" | "W").then_some(())?;
    let name = words.next()?;
    Some(Function { start, name })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_come_by_address_and_data_not_at_all() {
        let functions = functions(b"ffffffff81000010 T b\nffffffff81000000 t a\nffffffff81000018 D data\n");
        let names: Vec<_> = functions.iter().map(|function| function.name).collect();
        assert_eq!(names, ["a", "b"]);
        assert_eq!(
            range(&functions, "a"),
            Some(0xffff_ffff_8100_0000..0xffff_ffff_8100_0010)
        );
        assert_eq!(range(&functions, "b"), None);
    }

    #[test]
    fn hidden_addresses_and_broken_lines_are_left_out() {
        let bytes = b"0000000000000000 T hidden\nxyz T a\nffffffff81000000\n\xff\xfe T b\n\n";
        assert_eq!(functions(bytes), []);
    }

    #[test]
    fn a_renamed_function_is_found_unless_a_plain_one_is_left() {
        let text = b"ffffffff81000000 t f.constprop.0\nffffffff81000010 t f.cold\nffffffff81000020 t g\nffffffff81000030 t g.isra.0\n";
        let functions = functions(text);
        assert_eq!(renamed(&functions, "f"), ["f.constprop.0"]);
        assert_eq!(renamed(&functions, "g"), Vec::<String>::new());
    }
}
