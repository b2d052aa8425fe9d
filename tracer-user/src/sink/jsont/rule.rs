//! A rule, as culprits, answers and the inventory show it.

use crate::model::rules::{Backend, Component, Family, Hook, Located};
use crate::sink::jsont::{Limits, Spelled};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::sync::Arc;

#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Rule<'a> {
    pub backend: Spelled<Backend>,
    pub family: Spelled<Family>,
    #[serde(borrow)]
    pub table: Cow<'a, str>,
    #[serde(borrow)]
    pub chain: Cow<'a, str>,
    /// Where the packet met it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hook: Option<Spelled<Hook>>,
    /// From 1; absent: the chain's policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handle: Option<u64>,
    /// As iptables-save or nft would print it.
    #[serde(borrow)]
    pub text: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Option::is_none", borrow)]
    pub comment: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<Spelled<Component>>,
    /// Where the rule counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub packets: Option<u64>,
}

impl<'a> Rule<'a> {
    pub fn new(rule: &'a Located, limits: Limits) -> Self {
        Self {
            backend: Spelled(rule.backend),
            family: Spelled(rule.family),
            table: limits.text(&rule.table),
            chain: limits.text(&rule.chain),
            hook: rule.hook.map(Spelled),
            index: rule.index,
            handle: rule.handle,
            text: limits.text(&rule.text),
            comment: rule.comment.as_deref().map(|comment| limits.text(comment)),
            owner: rule.owner.map(Spelled),
            packets: rule.packets,
        }
    }
}

impl From<Rule<'_>> for Located {
    fn from(rule: Rule<'_>) -> Self {
        let text = |text: Cow<'_, str>| Arc::from(text);
        Self {
            backend: rule.backend.0,
            family: rule.family.0,
            table: text(rule.table),
            chain: text(rule.chain),
            hook: rule.hook.map(|hook| hook.0),
            index: rule.index,
            handle: rule.handle,
            text: text(rule.text),
            comment: rule.comment.map(text),
            owner: rule.owner.map(|owner| owner.0),
            packets: rule.packets,
        }
    }
}
