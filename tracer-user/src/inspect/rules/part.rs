//! What a rule is made of while it is decoded: enough to print it as its own tool would, and to understand it.

use crate::model::rules::Item;
use std::sync::Arc;

/// One expression of an nf_tables rule, or one extension of an xt rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// An nf_tables expression (or several that make up one item).
    Native(Item),
    /// A match or target of xtables: in a legacy rule, or carried in an nf_tables expression.
    Extension(Extension),
}

/// A decoded xt match or target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extension {
    /// `tcp`, `mark`, `REDIRECT`.
    pub name: Arc<str>,
    /// What it asks and does; a target has an action, and may have none that matters.
    pub items: Vec<Item>,
    /// As `iptables-save` prints it, `-m` or `-j` included: `-m mark ! --mark 0x1/0xff`, `-j REDIRECT --to-ports 1`.
    pub text: String,
}
