//! What a rule's text tells beside addresses: comments, and bytes that may be addresses.

use crate::sink::text::HIDDEN;

/// The text with `instead` in place of each comment.
pub(super) fn without_comments(text: &str, instead: &str) -> String {
    let text = without_values(text, &["--comment"], instead);
    // nft prints it last, and does not escape what is in it.
    let found = text
        .find(NFT)
        .map(|at| at + 1)
        .or_else(|| text.starts_with(NFT.trim_start()).then_some(0));
    match found.and_then(|at| text.get(..at)) {
        Some(rule) => format!("{rule}comment \"{instead}\""),
        None => text,
    }
}

/// The text without the bytes that a rule compares and that have no words: an address is among them in no spelling.
pub(super) fn without_bytes(text: &str) -> String {
    let text = without_values(text, &["--u32", "--bytecode", "--hex-string"], HIDDEN);
    if !text.contains(UNKNOWN) {
        return text;
    }
    let mut parts = text.split("0x");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        out.push_str("0x");
        let digits = part.bytes().take_while(u8::is_ascii_hexdigit).count();
        let hidden = digits >= ADDRESS_DIGITS;
        out.push_str(if hidden {
            HIDDEN
        } else {
            part.get(..digits).unwrap_or_default()
        });
        out.push_str(part.get(digits..).unwrap_or_default());
    }
    out
}

/// With `instead` for the value of each of these options of iptables.
fn without_values(text: &str, options: &[&str], instead: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((at, option)) = first_of(rest, options) {
        let (before, after) = rest.split_at(at + option.len() + 1);
        out.push_str(before);
        out.extend(["\"", instead, "\""]);
        rest = after.get(value_length(after)..).unwrap_or_default();
    }
    out + rest
}

/// The first of the options that has a value.
fn first_of<'a>(text: &str, options: &[&'a str]) -> Option<(usize, &'a str)> {
    let found = options.iter().filter_map(|option| {
        let mut places = text.match_indices(option).map(|(at, _)| at);
        let has_value = |at: &usize| text.as_bytes().get(at + option.len()) == Some(&b' ');
        Some((places.find(has_value)?, *option))
    });
    found.min()
}

/// Of a word, or of what stands in double quotes, where a backslash keeps the next character.
fn value_length(text: &str) -> usize {
    let Some(quoted) = text.strip_prefix('"') else {
        return text.find(' ').unwrap_or(text.len());
    };
    let mut escaped = false;
    let end = quoted.find(|char| {
        let ends = char == '"' && !escaped;
        escaped = char == '\\' && !escaped;
        ends
    });
    end.map_or(text.len(), |end| end + 2)
}

const NFT: &str = " comment \"";
const UNKNOWN: &str = "[unknown: ";
/// Hexadecimal digits of the shortest address.
const ADDRESS_DIGITS: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_go_however_they_are_quoted() {
        for (text, expected) in [
            (
                r#"-A X -m comment --comment "a \"b\" c" -j Y"#,
                r#"-A X -m comment --comment "***" -j Y"#,
            ),
            (
                "-A X -m comment --comment word -m comment --comment two",
                r#"-A X -m comment --comment "***" -m comment --comment "***""#,
            ),
            (
                r#"tcp dport 80 accept comment "a " b""#,
                r#"tcp dport 80 accept comment "***""#,
            ),
            (r#"comment "x""#, r#"comment "***""#),
            (r#"-A X --comment "open"#, r#"-A X --comment "***""#),
            (
                r#"[xt: -m comment --comment "secret"] accept"#,
                r#"[xt: -m comment --comment "***"] accept"#,
            ),
            ("-A X -j ACCEPT", "-A X -j ACCEPT"),
            ("-A X -m comment --comment", "-A X -m comment --comment"),
        ] {
            assert_eq!(without_comments(text, HIDDEN), expected, "{text}");
        }
    }

    #[test]
    fn bytes_that_may_be_an_address_go() {
        for (text, expected) in [
            (
                "[unknown: @nh,96,32 == 0x0a4d0002] drop",
                "[unknown: @nh,96,32 == 0x***] drop",
            ),
            ("[unknown: x] meta mark set 0x4000", "[unknown: x] meta mark set 0x4000"),
            ("meta mark set 0x00004000", "meta mark set 0x00004000"),
            (r#"--u32 "0xc=0xa4d0002" -j X"#, r#"--u32 "***" -j X"#),
            (r#"--bytecode "2,6 0 0 1,6 0 0 0""#, r#"--bytecode "***""#),
        ] {
            assert_eq!(without_bytes(text), expected, "{text}");
        }
    }
}
