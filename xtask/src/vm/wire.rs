//! How a guest sends files to the host: records of a name and bytes, one after the other, in a byte stream.
//!
//! Records of the same name belong together. A stream that ends early loses nothing but its last record.

use std::{
    collections::BTreeMap,
    io::{self, Write},
};

pub(super) fn send(stream: &mut impl Write, name: &str, bytes: &[u8]) -> io::Result<()> {
    let too_long = |_| io::Error::from(io::ErrorKind::InvalidInput);
    let name_length = u8::try_from(name.len()).map_err(too_long)?;
    for bytes in bytes.chunks(CHUNK) {
        let length = u32::try_from(bytes.len()).map_err(too_long)?;
        let mut record = vec![name_length];
        record.extend(name.as_bytes());
        record.extend(length.to_le_bytes());
        record.extend(bytes);
        stream.write_all(&record)?;
    }
    Ok(())
}

pub(super) fn receive(mut stream: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::<_, Vec<u8>>::new();
    while let Some((name, bytes, rest)) = record(stream) {
        files
            .entry(String::from_utf8_lossy(name).into_owned())
            .or_default()
            .extend(bytes);
        stream = rest;
    }
    files
}

fn record(stream: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let (length, rest) = stream.split_first()?;
    let (name, rest) = rest.split_at_checked(usize::from(*length))?;
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let (bytes, rest) = rest.split_at_checked(usize::try_from(u32::from_le_bytes(*length)).ok()?)?;
    Some((name, bytes, rest))
}

const CHUNK: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_arrive_whole_and_in_order_though_their_records_are_mixed() {
        let mut stream = Vec::new();
        let long = vec![7; CHUNK + 1];
        send(&mut stream, "a", b"one ").unwrap();
        send(&mut stream, "long", &long).unwrap();
        send(&mut stream, "a", b"two").unwrap();
        let files = receive(&stream);
        assert_eq!(files["a"], b"one two");
        assert_eq!(files["long"], long);
    }

    #[test]
    fn a_stream_that_breaks_off_keeps_what_came_before() {
        let mut stream = Vec::new();
        send(&mut stream, "a", b"one").unwrap();
        let whole = stream.len();
        send(&mut stream, "b", b"two").unwrap();
        for end in whole..stream.len() {
            assert_eq!(receive(&stream[..end]).len(), 1);
        }
    }
}
