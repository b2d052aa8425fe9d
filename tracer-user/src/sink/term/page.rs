//! Layout: labelled paragraphs in a column, wrapped at words.

use crate::sink::term::style;
use anstyle::Style;
use std::fmt::Write;

/// Where lines are laid out.
#[derive(Debug)]
pub(super) struct Page<'a> {
    out: &'a mut String,
    width: usize,
}

impl<'a> Page<'a> {
    pub(super) fn new(out: &'a mut String, width: usize) -> Self {
        Self { out, width }
    }

    pub(super) fn blank(&mut self) {
        self.out.push('\n');
    }

    /// One line of styled parts, not wrapped.
    pub(super) fn line(&mut self, parts: &[(Style, &str)]) {
        for (part, (style, text)) in parts.iter().enumerate() {
            if part > 0 {
                self.out.push_str("  ");
            }
            self.styled(*style, text);
        }
        self.out.push('\n');
    }

    /// A wrapped paragraph from the left edge.
    pub(super) fn paragraph(&mut self, style: Style, text: &str) {
        for line in wrap(text, self.width) {
            self.styled(style, &line);
            self.out.push('\n');
        }
    }

    /// A wrapped paragraph in the text column, with a label before its first line; an empty label continues the one above.
    pub(super) fn field(&mut self, label: &str, text: &str) {
        self.hanging(label, "", text);
    }

    /// As `field`, with `mark` before the text and under it the text's further lines.
    pub(super) fn hanging(&mut self, label: &str, mark: &str, text: &str) {
        let indent = mark.chars().count();
        let width = self.width.saturating_sub(COLUMN + indent);
        for (at, line) in wrap(text, width).into_iter().enumerate() {
            let (label, mark) = if at == 0 { (label, mark) } else { ("", "") };
            self.label(label);
            // Writing to a String cannot fail.
            let _ = writeln!(self.out, "{mark:indent$}{line}");
        }
    }

    /// A wrapped paragraph behind `mark`, and further lines under it.
    pub(super) fn marked(&mut self, mark: &str, style: Style, text: &str) {
        let indent = mark.chars().count();
        for (at, line) in wrap(text, self.width.saturating_sub(indent)).into_iter().enumerate() {
            let mark = if at == 0 { mark } else { "" };
            let _ = write!(self.out, "{mark:indent$}");
            self.styled(style, &line);
            self.out.push('\n');
        }
    }

    /// A command on a line of its own, never broken.
    pub(super) fn command(&mut self, command: &str) {
        self.label("");
        self.out.push_str("   ");
        self.styled(style::COMMAND, command);
        self.out.push('\n');
    }

    fn label(&mut self, label: &str) {
        let padding = COLUMN.saturating_sub(2 + label.chars().count());
        self.out.push_str("  ");
        self.styled(style::DIM, label);
        self.out.extend(std::iter::repeat_n(' ', padding));
    }

    fn styled(&mut self, style: Style, text: &str) {
        if style.is_plain() || text.is_empty() {
            self.out.push_str(text);
        } else {
            let _ = write!(self.out, "{style}{text}{style:#}");
        }
    }
}

/// Lines of at most `width` characters, broken at spaces; a longer word has a line to itself.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let (mut line, mut length) = (String::new(), 0);
    for word in text.split(' ') {
        let word_length = word.chars().count();
        if length > 0 && length + 1 + word_length > width {
            lines.push(std::mem::take(&mut line));
            length = 0;
        }
        if length > 0 {
            line.push(' ');
            length += 1;
        }
        line.push_str(word);
        length += word_length;
    }
    lines.push(line);
    lines
}

/// Where the text of labelled paragraphs begins.
const COLUMN: usize = 14;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wraps_at_spaces_and_never_within_a_word() {
        assert_eq!(wrap("one two three", 8), ["one two", "three"]);
        assert_eq!(wrap("a 123456789012 b", 8), ["a", "123456789012", "b"]);
        assert_eq!(wrap("", 8), [""]);
    }
}
