//! What happens on healthy nodes all day: a tracer must stay silent about it.

pub(super) mod closes;
pub(super) mod proxies;
pub(super) mod refusals;
pub(super) mod rules;
pub(super) mod slow;

use crate::lab::error::LabError;
use crate::lab::wire::Accepts;
use crate::lab::world::World;

/// A client in the pod, and an echo server at the peer.
fn echo_pair(world: &mut World) -> Result<(), LabError> {
    world.wire_pair()?;
    world.add_server("server", "peer", 9000, Accepts::Echo, 128)?;
    world.add_app("app", "pod", 0)
}
