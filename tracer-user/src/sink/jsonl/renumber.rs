//! Lines that go behind another one after all.

/// Appends `lines`, whole lines of this crate, to `out` with their `seq` counted from `first`; returns the next one.
///
/// What stands before `seq` in a line is our own: nothing untrusted can be taken for it.
pub(crate) fn renumber(lines: &[u8], first: u64, out: &mut Vec<u8>) -> u64 {
    let mut seq = first;
    for line in lines.split_inclusive(|byte| *byte == b'\n') {
        let start = line.windows(SEQ.len()).position(|window| window == SEQ);
        let (head, rest) = line.split_at(start.map_or(0, |start| start + SEQ.len()));
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        out.extend_from_slice(head);
        if start.is_some() {
            out.extend_from_slice(seq.to_string().as_bytes());
        }
        out.extend_from_slice(rest.get(digits..).unwrap_or_default());
        seq += 1;
    }
    seq
}

/// How many lines there are.
pub(crate) fn count(lines: &[u8]) -> u64 {
    let ends = lines.iter().filter(|byte| **byte == b'\n');
    u64::try_from(ends.count()).unwrap_or(u64::MAX)
}

const SEQ: &[u8] = b"\"seq\":";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::jsonl;
    use crate::sink::record::{Hello, Record};
    use crate::sink::sample;

    #[test]
    fn numbers_lines_anew_and_leaves_the_rest_of_them_alone() {
        let mut hello = sample::hello();
        hello.host = Some("\"seq\":7".to_owned());
        let hello: &Hello = &hello;
        let written = |first: u64| {
            let mut lines = Vec::new();
            for (record, seq) in [Record::Hello(hello), Record::Deadline(sample::ms(1))]
                .into_iter()
                .zip(first..)
            {
                lines.extend_from_slice(b"  ");
                jsonl::write(record, sample::clock(), seq, None, &mut lines);
            }
            lines
        };
        for (from, to) in [(0, 9), (9, 10), (99, 3)] {
            let mut again = Vec::new();
            assert_eq!(renumber(&written(from), to, &mut again), to + 2);
            assert_eq!(String::from_utf8(again), String::from_utf8(written(to)));
        }
        assert_eq!(count(&written(0)), 2);
    }
}
