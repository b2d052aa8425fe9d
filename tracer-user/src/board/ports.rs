//! The stolen ports, as they were last looked at.

use crate::board::RuleOwner;
use crate::model::named::named;
use crate::model::translation::{Listening, Port};
use std::collections::BTreeMap;
use std::sync::Arc;

#[derive(Clone, Debug, Default)]
pub struct Ports {
    rows: Arc<Vec<Port>>,
    left_out: u64,
}

named! {
    /// Whether somebody takes the connections of a port.
    Listens {
        Somebody = "somebody",
        Nobody = "nobody",
        Unknown = "unknown",
        Elsewhere = "elsewhere",
    }
}

impl Ports {
    pub(super) fn new(mut rows: Vec<Port>) -> Self {
        let left_out = rows.len().saturating_sub(MAX_PORTS);
        rows.truncate(MAX_PORTS);
        Self {
            rows: Arc::new(rows),
            left_out: u64::try_from(left_out).unwrap_or(u64::MAX),
        }
    }

    pub(super) fn add(&mut self, port: Port) {
        if self.rows.len() < MAX_PORTS {
            Arc::make_mut(&mut self.rows).push(port);
        } else {
            self.left_out += 1;
        }
    }

    pub fn rows(&self) -> &[Port] {
        &self.rows
    }

    /// Ports that are not among the rows because there were too many.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    /// How many rows there are of whose rules, and who listens.
    pub fn counts(&self) -> BTreeMap<(RuleOwner, Listens), u64> {
        let mut counts = BTreeMap::new();
        for port in self.rows() {
            *counts.entry((owner(port), listens(port))).or_default() += 1;
        }
        counts
    }
}

fn owner(port: &Port) -> RuleOwner {
    match (&port.translation.rule, port.translation.owner()) {
        (_, Some(component)) => RuleOwner::Known(component),
        (Some(_), None) => RuleOwner::Other,
        (None, None) => RuleOwner::None,
    }
}

fn listens(port: &Port) -> Listens {
    match port.translation.listening {
        Listening::By(_) => Listens::Somebody,
        Listening::Nobody => Listens::Nobody,
        Listening::Unknown(_) => Listens::Unknown,
        Listening::Elsewhere => Listens::Elsewhere,
    }
}

/// Past it a port is only counted.
pub(super) const MAX_PORTS: usize = 1_024;
