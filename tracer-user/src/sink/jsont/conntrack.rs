//! Conntrack entries.

use crate::model;
use crate::model::tcp::ConntrackState;
use crate::sink::jsont::{Spelled, Status, Tuple};
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Conntrack {
    pub original: Tuple,
    pub reply: Tuple,
    pub status: Status,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<Spelled<ConntrackState>>,
    pub mark: u32,
    pub zone: u16,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<u32>,
}

impl From<&model::conntrack::Conntrack> for Conntrack {
    fn from(entry: &model::conntrack::Conntrack) -> Self {
        let &model::conntrack::Conntrack {
            original,
            reply,
            status,
            state,
            mark,
            zone,
            id,
        } = entry;
        Self {
            original: original.into(),
            reply: reply.into(),
            status: Status(status),
            state: state.map(Spelled),
            mark,
            zone,
            id,
        }
    }
}

impl From<Conntrack> for model::conntrack::Conntrack {
    fn from(entry: Conntrack) -> Self {
        Self {
            original: entry.original.into(),
            reply: entry.reply.into(),
            status: entry.status.0,
            state: entry.state.map(|state| state.0),
            mark: entry.mark,
            zone: entry.zone,
            id: entry.id,
        }
    }
}
