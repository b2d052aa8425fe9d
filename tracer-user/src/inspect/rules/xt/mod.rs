//! Matches, targets and tables of xtables: from the kernel's structures to the model, and to `iptables-save`'s text.
//!
//! Pure and total: what is cut, of a strange revision or not known becomes "unknown". Ip sets are known by number alone:
//! their names have to be given.

mod draft;
mod entry;
mod info;
mod matches;
mod sets;
mod table;
mod targets;
#[cfg(test)]
mod tests;

pub(super) use draft::quoted;
pub use sets::{QUESTION, SetNames};
pub use table::{INFO, Shape, XtError, rebase, settle_netmap, table};

use super::Extension;
use crate::model::rules::{Action, Family, Item, Match};
use draft::Draft;
use info::Info;

/// Decodes one part of an extension's options; `None`: it is not what this decoder knows.
type Decoder = fn(&Info<'_>, &mut Draft) -> Option<()>;

/// A match, in a legacy rule or carried by an nf_tables expression.
pub fn matching(name: &str, revision: u8, data: &[u8], family: Family, sets: &SetNames) -> Extension {
    let info = Info::new(revision, data, family).with_sets(sets);
    let mut draft = Draft::default();
    if matches::decoder(name, family)
        .and_then(|decode| decode(&info, &mut draft))
        .is_some()
    {
        return draft.finish("-m", name);
    }
    let text = format!("-m {name} [unknown]");
    Extension {
        name: name.into(),
        items: vec![Item::Match(Match::Unknown(text.as_str().into()))],
        text,
    }
}

/// A target that is no plain verdict, likewise.
pub fn target(name: &str, revision: u8, data: &[u8], family: Family, sets: &SetNames) -> Extension {
    let info = Info::new(revision, data, family).with_sets(sets);
    let mut draft = Draft::default();
    if targets::decoder(name, family)
        .and_then(|decode| decode(&info, &mut draft))
        .is_some()
    {
        return draft.finish("-j", name);
    }
    let text = format!("-j {name} [unknown]");
    Extension {
        name: name.into(),
        items: vec![Item::Action(Action::Unknown(text.as_str().into()))],
        text,
    }
}
