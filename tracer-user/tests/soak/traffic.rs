//! How many of which kind, and who makes them.

use crate::client::{self, Client};
use crate::tally::Tally;
use crate::world::World;
use std::collections::VecDeque;
use std::sync::Mutex;
use std::thread;

struct Kind {
    name: &'static str,
    /// Of a hundred connections.
    share: usize,
    make: Client,
}

const fn kind(name: &'static str, share: usize, make: Client) -> Kind {
    Kind { name, share, make }
}

const NODE: &[Kind] = &[
    kind("keep-alive", 25, client::keep_alive),
    kind("half-close", 8, client::half_close),
    kind(BROWSER, 7, client::browser),
    kind(BALANCER, 7, client::balancer),
    kind(HEALTH_CHECK, 6, client::health_check),
    kind("dial timeout", 2, client::dial_timeout),
    kind("happy eyeballs", 4, client::happy_eyeballs),
    kind("slow reader", 3, client::slow_reader),
    kind("stopped reader", 1, client::stopped_reader),
    kind("restarting server", 9, client::restarting),
    kind("service", 10, client::service),
];
const MESH: &[Kind] = &[kind("through a sidecar", 9, client::through_sidecar)];
const PEER: &[Kind] = &[
    kind(HEALTH_CHECK_OF_NODE, 5, client::health_check_of_node),
    kind("into the mesh", 4, client::to_mesh),
];

/// The kinds whose connections one end resets of its own accord.
pub(crate) const RESET: &[&str] = &[BROWSER, BALANCER, HEALTH_CHECK, HEALTH_CHECK_OF_NODE];
const BROWSER: &str = "reset by a browser";
const BALANCER: &str = "reset by a load balancer";
const HEALTH_CHECK: &str = "health check";
const HEALTH_CHECK_OF_NODE: &str = "health check of the node";

/// Makes so many connections, mixed, and returns when all have ended.
pub(crate) fn run(world: &World, connections: usize, tally: &Tally) {
    let places = [(&world.node, NODE, 24), (&world.mesh, MESH, 4), (&world.peer, PEER, 4)];
    let all: Vec<_> = places
        .iter()
        .enumerate()
        .flat_map(|(place, (_, kinds, _))| kinds.iter().flat_map(move |kind| vec![(place, kind); kind.share]))
        .collect();
    assert_eq!(all.len(), 100);
    let queues: Vec<_> = places.iter().map(|_| Mutex::new(VecDeque::new())).collect();
    for number in 0..connections {
        // A step without a common divisor mixes them.
        let (place, kind) = all[number * 61 % all.len()];
        queues[place].lock().unwrap().push_back((number, kind));
    }
    thread::scope(|scope| {
        for ((place, _, threads), queue) in places.iter().zip(&queues) {
            for _ in 0..*threads {
                scope.spawn(|| {
                    place.enter();
                    work_off(queue, tally);
                });
            }
        }
    });
}

fn work_off(queue: &Mutex<VecDeque<(usize, &Kind)>>, tally: &Tally) {
    loop {
        let next = queue.lock().unwrap().pop_front();
        let Some((number, kind)) = next else {
            return;
        };
        let outcome = (kind.make)(number, tally);
        tally.made_one(kind.name, outcome);
    }
}
