//! Chains: where they are hooked, and which tool made them.
//!
//! iptables-nft leaves no mark of its own: its tables are known by their names, by the chains that they must have, and by
//! rules that it can have written (see [`super::Reading::misjudged`]).

use super::block::Block;
use super::table::Table;
use crate::inspect::rules::bytes::{text, until_nul};
use crate::model::rules::{Backend, Base, Chain, ChainKind, Counters, Family, Hook, Verdict};
use std::sync::Arc;

/// A chain without its rules, and whether its hook is known; `None`: it has no name.
pub(super) fn decode(body: Block<'_>, family: Family, table: &Table) -> Option<(Chain, bool)> {
    let name = body.text(NAME)?;
    let base = body.inside(HOOK).map(|hook| base(body, hook, family));
    let counters = body.inside(COUNTERS).map(|counters| Counters {
        bytes: counters.u64(1).unwrap_or(0),
        packets: counters.u64(2).unwrap_or(0),
    });
    let sound = !matches!(base, Some(None));
    let chain = Chain {
        backend: Backend::Nft,
        family,
        table: table.name.clone(),
        name: name.into(),
        base: base.flatten(),
        rules: Vec::new(),
        dormant: table.dormant,
        counters,
    };
    Some((chain, sound))
}

fn base(body: Block<'_>, attribute: Block<'_>, family: Family) -> Option<Base> {
    let mut devices: Vec<Arc<str>> = attribute.text(HOOK_DEVICE).map(Into::into).into_iter().collect();
    if let Some(list) = attribute.inside(HOOK_DEVICES) {
        let named = list.all().map(|device| until_nul(device.value));
        devices = named.map(|name| text(name).into()).collect();
    }
    Some(Base {
        kind: ChainKind::from_name(&body.text(TYPE)?)?,
        hook: hook(family, attribute.u32(HOOK_NUMBER)?)?,
        priority: i32::from_be_bytes(attribute.find(HOOK_PRIORITY)?.array().ok()?),
        policy: match body.u32(POLICY) {
            Some(0) => Verdict::Drop,
            Some(_) | None => Verdict::Accept,
        },
        devices,
    })
}

fn hook(family: Family, number: u32) -> Option<Hook> {
    let hooks: &[Hook] = match family {
        Family::Netdev => &[Hook::Ingress, Hook::Egress],
        Family::Inet => &[
            Hook::Prerouting,
            Hook::Input,
            Hook::Forward,
            Hook::Output,
            Hook::Postrouting,
            Hook::Ingress,
        ],
        Family::Ip | Family::Ip6 | Family::Bridge => &[
            Hook::Prerouting,
            Hook::Input,
            Hook::Forward,
            Hook::Output,
            Hook::Postrouting,
        ],
        Family::Arp => &[],
    };
    hooks.get(usize::try_from(number).ok()?).copied()
}

/// Which tool made a table, by all of its chains.
pub(super) fn backend<'a>(family: Family, table: &str, chains: impl Iterator<Item = &'a Chain>) -> Backend {
    let is_xt = matches!(family, Family::Ip | Family::Ip6);
    let mut bases = chains
        .filter_map(|chain| Some((&*chain.name, chain.base.as_ref()?)))
        .peekable();
    if is_xt && bases.peek().is_some() && bases.all(|(name, base)| is_builtin(table, name, base)) {
        Backend::IptablesNft
    } else {
        Backend::Nft
    }
}

fn is_builtin(table: &str, name: &str, base: &Base) -> bool {
    let hook = match name {
        "PREROUTING" => Hook::Prerouting,
        "INPUT" => Hook::Input,
        "FORWARD" => Hook::Forward,
        "OUTPUT" => Hook::Output,
        "POSTROUTING" => Hook::Postrouting,
        _ => return false,
    };
    let sources = matches!(hook, Hook::Input | Hook::Postrouting);
    let (priority, kind) = match (table, hook) {
        ("raw", Hook::Prerouting | Hook::Output) => (-300, ChainKind::Filter),
        ("mangle", Hook::Output) => (-150, ChainKind::Route),
        ("mangle", _) => (-150, ChainKind::Filter),
        ("nat", Hook::Prerouting | Hook::Input | Hook::Output | Hook::Postrouting) => {
            (if sources { 100 } else { -100 }, ChainKind::Nat)
        }
        ("filter", Hook::Input | Hook::Forward | Hook::Output) => (0, ChainKind::Filter),
        ("security", Hook::Input | Hook::Forward | Hook::Output) => (50, ChainKind::Filter),
        _ => return false,
    };
    (base.hook, base.priority, base.kind) == (hook, priority, kind)
}

// enum nft_chain_attributes
const NAME: u16 = 3;
const HOOK: u16 = 4;
const POLICY: u16 = 5;
const TYPE: u16 = 7;
const COUNTERS: u16 = 8;
// enum nft_hook_attributes
const HOOK_NUMBER: u16 = 1;
const HOOK_PRIORITY: u16 = 2;
const HOOK_DEVICE: u16 = 3;
const HOOK_DEVICES: u16 = 4;
