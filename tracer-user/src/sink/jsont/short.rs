//! Short texts on the stack: serde would hand every piece of a formatted value to the writer by itself.

use serde::Serializer;
use std::fmt::{self, Display, Write};

/// Serialises the value's text, in one piece if it is short.
pub(super) fn serialize<S: Serializer>(value: &impl Display, serializer: S) -> Result<S::Ok, S::Error> {
    let mut short = Short {
        bytes: [0; 64],
        length: 0,
    };
    match write!(short, "{value}") {
        Ok(()) => serializer.serialize_str(short.text()),
        Err(fmt::Error) => serializer.collect_str(value),
    }
}

struct Short {
    bytes: [u8; 64],
    length: usize,
}

impl Short {
    fn text(&self) -> &str {
        let written = self.bytes.get(..self.length).unwrap_or_default();
        // Only whole strings were written.
        std::str::from_utf8(written).unwrap_or_default()
    }
}

impl Write for Short {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.length + text.len();
        self.bytes
            .get_mut(self.length..end)
            .ok_or(fmt::Error)?
            .copy_from_slice(text.as_bytes());
        self.length = end;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_and_long_texts_come_out_the_same() {
        for length in [0, 1, 63, 64, 65, 200] {
            let text = "é".repeat(length / 2) + &"x".repeat(length % 2);
            let mut out = Vec::new();
            serialize(&text, &mut serde_json::Serializer::new(&mut out)).unwrap();
            assert_eq!(out, serde_json::to_vec(&text).unwrap());
        }
    }
}
