//! Which listener's queue an unaccepted connection is in.
//!
//! The kernel does not tell: it follows from the address, and among listeners of one address (`SO_REUSEPORT`) from how
//! many each has, so a particular connection may be in the queue of a sibling.

use crate::inspect::socket::Socket;

/// Pairs each connection that nobody accepted with a listener whose queue is not empty. A connection without one was
/// accepted meanwhile, or its listener is gone, and is left out.
pub fn assign<'a>(listeners: &'a [Socket], connections: &'a [Socket]) -> Vec<(&'a Socket, &'a Socket)> {
    let mut room: Vec<u32> = listeners.iter().map(|listener| listener.receive_queue).collect();
    let mut pairs = Vec::new();
    for connection in connections.iter().filter(|connection| connection.inode == 0) {
        let mut candidates: Vec<_> = listeners
            .iter()
            .zip(&mut room)
            .filter(|(listener, room)| **room > 0 && listener.serves(connection.tuple.source))
            .collect();
        // The kernel prefers a listener of the exact address.
        candidates.sort_by_key(|(listener, _)| listener.tuple.source.address.is_unspecified());
        if let Some((listener, room)) = candidates.into_iter().next() {
            *room -= 1;
            pairs.push((listener, connection));
        }
    }
    pairs
}
