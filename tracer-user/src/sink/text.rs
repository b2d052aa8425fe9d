//! Untrusted text made harmless: escaped for people and for JSON, quoted for shells.

use std::fmt;

/// Bytes as text for JSON: UTF-8 as it is, other bytes and the backslash as `\xNN`, so that [`unescape`] finds the way
/// back. JSON escapes control characters itself.
#[derive(Clone, Copy)]
pub struct Escaped<'a>(pub &'a [u8]);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_escaped(self.0, |char| char == '\\', f)
    }
}

/// Bytes as text for a person: what could move the cursor, hide or reorder text is escaped too.
#[derive(Clone, Copy)]
pub struct Shown<'a>(pub &'a [u8]);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_escaped(self.0, is_treacherous, f)
    }
}

/// The bytes that [`Escaped`] wrote; a backslash that begins no `\xNN` stands for itself.
pub fn unescape(text: &str) -> impl Iterator<Item = u8> + '_ {
    let mut rest = text.as_bytes();
    std::iter::from_fn(move || {
        if let [b'\\', b'x', high, low, tail @ ..] = rest
            && let (Some(high), Some(low)) = (hex(*high), hex(*low))
        {
            rest = tail;
            return Some(high << 4 | low);
        }
        let (&first, tail) = rest.split_first()?;
        rest = tail;
        Some(first)
    })
}

/// A word for a shell: as it is where it is harmless, else in single quotes; where it would harm a terminal, in the
/// `$'...'` of bash, ksh and zsh.
pub fn quote(word: &str) -> String {
    let harmless = |byte: u8| byte.is_ascii_alphanumeric() || b"@%+=:,./-_".contains(&byte);
    if !word.is_empty() && word.bytes().all(harmless) {
        return word.to_owned();
    }
    if word.chars().any(|char| char != '\\' && is_treacherous(char)) {
        return format!("$'{}'", Inert(word));
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// The inside of `$'...'`.
struct Inert<'a>(&'a str);

impl fmt::Display for Inert<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_escaped(self.0.as_bytes(), |char| char == '\'' || is_treacherous(char), f)
    }
}

/// As much of `text` as fits into `limit` bytes.
pub fn cut(text: &str, limit: usize) -> &str {
    text.get(..text.floor_char_boundary(limit)).unwrap_or(text)
}

fn write_escaped(bytes: &[u8], escape: impl Fn(char) -> bool, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for chunk in bytes.utf8_chunks() {
        let mut rest = chunk.valid();
        while let Some((at, char)) = rest.char_indices().find(|&(_, char)| escape(char)) {
            let (before, from) = rest.split_at(at);
            let (bytes, after) = from.split_at(char.len_utf8());
            f.write_str(before)?;
            write_bytes(bytes.as_bytes(), f)?;
            rest = after;
        }
        f.write_str(rest)?;
        write_bytes(chunk.invalid(), f)?;
    }
    Ok(())
}

fn write_bytes(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "\\x{byte:02x}"))
}

/// Controls (C0, DEL, C1), line and paragraph separators, bidirectional controls, and the backslash of our escapes.
fn is_treacherous(char: char) -> bool {
    char.is_control()
        || matches!(char, '\\' | '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// What stands for what is not to be told.
pub const HIDDEN: &str = "***";

fn hex(digit: u8) -> Option<u8> {
    char::from(digit)
        .to_digit(16)
        .and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn escapes_what_could_fool_a_terminal() {
        let hostile = b"a\x1b[2J\x7f\xc2\x9b31m\xe2\x80\xae\xff\\b";
        assert_eq!(
            Shown(hostile).to_string(),
            r"a\x1b[2J\x7f\xc2\x9b31m\xe2\x80\xae\xff\x5cb"
        );
        assert_eq!(Shown("naïve-Ωmega".as_bytes()).to_string(), "naïve-Ωmega");
    }

    #[test]
    fn quotes_what_a_shell_would_act_on() {
        assert_eq!(quote("/run/netns/blue"), "/run/netns/blue");
        assert_eq!(quote("x;$(id)"), "'x;$(id)'");
        assert_eq!(quote("it's"), r"'it'\''s'");
        assert_eq!(quote(""), "''");
        assert_eq!(quote("a\x1b[2J"), r"$'a\x1b[2J'");
    }

    #[test]
    fn a_shell_reads_a_quoted_word_back() {
        for word in ["x;$(id)", "it's `id`", "-n \\ \"$HOME\"", "*", "a\nb'\\c\u{202e}0"] {
            let script = format!("printf %s {}", quote(word));
            let output = std::process::Command::new("bash")
                .args(["-c", &script])
                .output()
                .unwrap();
            assert_eq!(String::from_utf8(output.stdout).unwrap(), word);
        }
    }

    proptest! {
        #[test]
        fn unescape_is_the_way_back(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            prop_assert_eq!(unescape(&Escaped(&bytes).to_string()).collect::<Vec<_>>(), bytes);
        }

        #[test]
        fn shown_text_has_no_control_characters(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            prop_assert!(!Shown(&bytes).to_string().chars().any(char::is_control));
        }

        #[test]
        fn cut_stays_within_its_limit(text in ".{0,40}", limit in 0_usize..50) {
            prop_assert!(cut(&text, limit).len() <= limit);
        }
    }
}
