//! An extension while it is decoded: the model's items and the text grow side by side.
//!
//! Decides nothing.

use super::Extension;
use crate::model::rules::{Action, Assign, Field, Item, Match, Verdict};
use std::fmt::{Display, Write as _};

#[derive(Debug, Default)]
pub(super) struct Draft {
    items: Vec<Item>,
    /// The options, each with a space before it.
    text: String,
    /// The name it is shown by, where that is another one.
    alias: Option<&'static str>,
    blurred: Option<Blur>,
}

/// Why an extension as a whole has no item of its own.
#[derive(Clone, Copy, Debug)]
enum Blur {
    UnknownMatch,
    Chance,
    Harmless,
    UnknownTarget,
}

impl Draft {
    /// ` --name`, or ` ! --name`.
    pub(super) fn flag(&mut self, negated: bool, name: &str) {
        if negated {
            self.text.push_str(" !");
        }
        self.text.push_str(" --");
        self.text.push_str(name);
    }

    /// ` --name value`, or ` ! --name value`.
    pub(super) fn option(&mut self, negated: bool, name: &str, value: impl Display) {
        self.flag(negated, name);
        self.word(value);
    }

    /// A word after a space.
    pub(super) fn word(&mut self, word: impl Display) {
        // Writing to a String cannot fail.
        let _ = write!(self.text, " {word}");
    }

    /// ` --name first:last`, or the one value that both are.
    pub(super) fn range<T: Copy + Display + PartialEq>(&mut self, negated: bool, name: &str, first: T, last: T) {
        if first == last {
            self.option(negated, name, first);
        } else {
            self.option(negated, name, format_args!("{first}:{last}"));
        }
    }

    pub(super) fn shown_as(&mut self, alias: &'static str) {
        self.alias = Some(alias);
    }

    pub(super) fn ask(&mut self, matching: Match) {
        self.items.push(Item::Match(matching));
    }

    pub(super) fn act(&mut self, action: Action) {
        self.items.push(Item::Action(action));
    }

    pub(super) fn assign(&mut self, assign: Assign) {
        self.act(Action::Assign(assign));
    }

    pub(super) fn verdict(&mut self, verdict: Verdict) {
        self.act(Action::Verdict(verdict));
    }

    /// The match has no field in the model: its text stands for it, besides what is asked.
    pub(super) fn unknown_match(&mut self) {
        self.blurred = Some(Blur::UnknownMatch);
    }

    pub(super) fn chance(&mut self) {
        self.blurred = Some(Blur::Chance);
    }

    pub(super) fn harmless(&mut self) {
        self.blurred = Some(Blur::Harmless);
    }

    pub(super) fn unknown_target(&mut self) {
        self.blurred = Some(Blur::UnknownTarget);
    }

    pub(super) fn finish(mut self, switch: &str, name: &str) -> Extension {
        let text = format!("{switch} {}{}", self.alias.unwrap_or(name), self.text);
        if let Some(blur) = self.blurred {
            let shown = text.as_str().into();
            self.items.push(match blur {
                Blur::UnknownMatch => Item::Match(Match::Unknown(shown)),
                Blur::Chance => Item::Match(Match::Chance(shown)),
                Blur::Harmless => Item::Action(Action::Harmless(shown)),
                Blur::UnknownTarget => Item::Action(Action::Unknown(shown)),
            });
        }
        Extension {
            name: name.into(),
            items: self.items,
            text,
        }
    }
}

/// All of them at once.
pub(super) fn all(matches: Vec<Match>) -> Match {
    Match::NotAll(vec![Match::NotAll(matches)])
}

/// `field & mask == value`, also where the mask is empty: in the model that is no mask.
pub(super) fn compared(field: Field, mask: u128, value: u128) -> Match {
    match (mask, value) {
        (0, 0) => Match::within(field, 0..=u128::MAX),
        (0, _) => Match::of(field, Vec::new()),
        _ => Match::masked(field, mask, value),
    }
}

/// A string as `iptables-save` quotes it.
pub(in crate::inspect::rules) fn quoted(value: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if !value.is_empty() && value.bytes().all(plain) {
        return value.to_owned();
    }
    let mut quoted = String::with_capacity(value.len().saturating_add(2));
    quoted.push('"');
    for char in value.chars() {
        if matches!(char, '"' | '\\' | '\'') {
            quoted.push('\\');
        }
        quoted.push(char);
    }
    quoted.push('"');
    quoted
}

/// Words with commas between them.
pub(super) fn listed<T: Display>(words: impl IntoIterator<Item = T>) -> String {
    let mut list = String::new();
    for word in words {
        if !list.is_empty() {
            list.push(',');
        }
        let _ = write!(list, "{word}");
    }
    list
}

/// ` ! --mark 0x1/0xff`'s value: the mask is shown where it is not all ones.
pub(super) fn masked(value: u32, mask: u32) -> String {
    if mask == u32::MAX {
        format!("{value:#x}")
    } else {
        format!("{value:#x}/{mask:#x}")
    }
}
