//! The board in the text formats that Prometheus reads. Pure.
//!
//! Labels have values out of closed sets, or of bounded ones: never a pod, a port or a chain.

mod cost;
mod families;
mod found;
mod kernel;
mod own;
mod plain;

pub(super) use own::Connections;
pub(super) use plain::plain;

use crate::board::Board;
use families::Families;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, text};
use prometheus_client::registry::Registry;
use std::fmt;

/// In the format OpenMetrics 1.0.
pub(super) fn openmetrics(board: Board, connections: Connections) -> Result<String, fmt::Error> {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Exposition { board, connections }));
    let mut text = String::new();
    text::encode(&mut text, &registry)?;
    Ok(text)
}

/// What is told in one scrape.
#[derive(Debug)]
struct Exposition {
    board: Board,
    connections: Connections,
}

impl Collector for Exposition {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut families = Families::new(encoder);
        found::encode(&self.board, &mut families)?;
        kernel::encode(&self.board, &mut families)?;
        cost::encode(&self.board, &mut families)?;
        own::encode(&self.board, self.connections, &mut families)
    }
}

#[cfg(test)]
mod tests;
