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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::tcp::TcpState;
    use crate::model::tuple::{Endpoint, Tuple};

    #[test]
    fn only_what_nobody_accepted_waits() {
        let listeners = [listener("0.0.0.0:80", 1)];
        let connections = [connection("10.0.0.1:80", 5), connection("10.0.0.1:80", 0)];
        assert_eq!(assign(&listeners, &connections), [(&listeners[0], &connections[1])]);
    }

    #[test]
    fn the_listener_of_the_exact_address_comes_first() {
        let listeners = [listener("0.0.0.0:80", 1), listener("10.0.0.1:80", 1)];
        let connections = [connection("10.0.0.1:80", 0), connection("10.0.0.2:80", 0)];
        let pairs = assign(&listeners, &connections);
        assert_eq!(
            pairs,
            [(&listeners[1], &connections[0]), (&listeners[0], &connections[1])]
        );
    }

    #[test]
    fn no_queue_holds_more_than_it_has() {
        let listeners = [listener("0.0.0.0:80", 2), listener("0.0.0.0:80", 1)];
        let connections = [0; 5].map(|inode| connection("10.0.0.1:80", inode));
        let pairs = assign(&listeners, &connections);
        assert_eq!(pairs.len(), 3);
        assert_eq!(
            pairs.iter().filter(|(listener, _)| listener.receive_queue == 2).count(),
            2
        );
    }

    #[test]
    fn a_connection_to_another_address_is_left_out() {
        assert_eq!(
            assign(&[listener("127.0.0.1:80", 1)], &[connection("10.0.0.1:80", 0)]),
            []
        );
    }

    fn listener(address: &str, queue: u32) -> Socket {
        Socket {
            state: Some(TcpState::Listen),
            receive_queue: queue,
            inode: 9,
            ..connection(address, 9)
        }
    }

    fn connection(local: &str, inode: u32) -> Socket {
        let endpoint = |text: &str| -> Endpoint { text.parse::<std::net::SocketAddr>().unwrap().into() };
        Socket {
            tuple: Tuple::new(endpoint(local), endpoint("10.0.0.9:4000")),
            state: Some(TcpState::Established),
            receive_queue: 0,
            send_queue: 0,
            info: crate::inspect::socket::Info::default(),
            timer: None,
            retransmits: 0,
            uid: 0,
            inode,
            only_v6: false,
            transparent: None,
            interface: 0,
            cookie: None,
        }
    }
}
