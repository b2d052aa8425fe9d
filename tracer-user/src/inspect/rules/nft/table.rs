//! Tables with the numbers of their chains and sets, by name.
//!
//! Names are unique within their table only.

use super::block::Block;
use crate::inspect::rules::bytes::text;
use crate::model::rules::{Backend, ChainId, Family, SetId, Verdict};
use std::collections::HashMap;
use std::sync::Arc;

#[derive(Debug)]
pub(super) struct Table {
    pub(super) name: Arc<str>,
    pub(super) backend: Backend,
    pub(super) dormant: bool,
    pub(super) chains: HashMap<Arc<str>, ChainId>,
    pub(super) sets: HashMap<Arc<str>, SetId>,
}

impl Table {
    pub(super) fn new(name: String, dormant: bool) -> Self {
        Self {
            name: name.into(),
            backend: Backend::Nft,
            dormant,
            chains: HashMap::new(),
            sets: HashMap::new(),
        }
    }

    /// The verdict in a nested `NFTA_DATA_VERDICT`; `None`: one that is not known.
    pub(super) fn verdict(&self, data: Block<'_>) -> Option<Verdict> {
        let verdict = data.inside(DATA_VERDICT)?;
        let code = i32::from_be_bytes(verdict.find(VERDICT_CODE)?.array().ok()?);
        let chain = || self.chains.get(text(verdict.name(VERDICT_CHAIN)?).as_str()).copied();
        Some(match code {
            0 => Verdict::Drop,
            1 => Verdict::Accept,
            -1 => Verdict::Continue,
            -3 => Verdict::Jump(chain()),
            -4 => Verdict::Goto(chain()),
            -5 => Verdict::Return,
            _ => return None,
        })
    }
}

/// `None`: of a family that is not read.
pub(super) fn family(number: u8) -> Option<Family> {
    Some(match number {
        1 => Family::Inet,
        2 => Family::Ip,
        5 => Family::Netdev,
        7 => Family::Bridge,
        10 => Family::Ip6,
        _ => return None,
    })
}

const DATA_VERDICT: u16 = 2;
const VERDICT_CODE: u16 = 1;
const VERDICT_CHAIN: u16 = 2;
