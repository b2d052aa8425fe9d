//! Names as the kernel keeps them: bytes up to a NUL.
//!
//! Escapes only what is not UTF-8; who shows a name escapes the rest.

/// What stands before the first NUL.
pub(super) fn until_nul(bytes: &[u8]) -> &[u8] {
    bytes.split(|&byte| byte == 0).next().unwrap_or_default()
}

/// A name as text; bytes that are not UTF-8 are escaped `\xNN`.
pub(super) fn text(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().escape_ascii().map(char::from));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_bytes_of_a_name_are_escaped() {
        assert_eq!(text(b"a\xffb\xc3\xa4"), "a\\xffb\u{e4}");
        assert_eq!(until_nul(b"eth0\0\0x"), b"eth0");
        assert_eq!(until_nul(b"\0x"), b"");
    }
}
