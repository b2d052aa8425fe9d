//! What a rule is made of while it is decoded: enough to print it as its own tool would, and to understand it.

use crate::model::rules::Item;
use std::sync::Arc;

/// One expression of an nf_tables rule, or one extension of an xt rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// An nf_tables expression (or several that make up one item).
    Native(Item),
    /// The same, where its text says more than the item.
    Detailed(Item, Detail),
    /// A match or target of xtables: in a legacy rule, or carried in an nf_tables expression.
    Extension(Extension),
}

/// What a packet's way does not depend on, and a rule's text does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Detail {
    /// How the only range of a [`crate::model::rules::Match::Number`] was asked for.
    Comparison(Comparison),
    /// `NFT_REJECT_*` (0 of the packet's family, 1 RST, 2 of any family) and the code.
    Reject { kind: u32, code: u8 },
    /// `NF_NAT_RANGE_PROTO_RANDOM_FULLY` rather than `NF_NAT_RANGE_PROTO_RANDOM`.
    FullyRandom,
    /// `NFT_QUEUE_FLAG_CPU_FANOUT`.
    Fanout,
    /// Whether there is anything at all was asked (`fib … missing`).
    Presence,
    /// The network protocol was asked for as an EtherType (`meta protocol`).
    EtherType,
    /// No question of its own, but the family that the next expression says it is of (`dnat ip to`, `tproxy ip to`).
    Family,
    /// The item's text says less than the rule does.
    Partial,
    /// How a random number or a hash is made: `numgen inc mod 2`, `jhash ip saddr mod 2`.
    Operand(Arc<str>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
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
