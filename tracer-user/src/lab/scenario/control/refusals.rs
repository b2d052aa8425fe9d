//! Connects that are refused or given up for ordinary reasons.

use super::echo_pair;
use crate::lab::address::{self, Link, NOBODY, POD, with_prefix};
use crate::lab::options::{Backend, Family};
use crate::lab::scenario::reply::ask_once;
use crate::lab::scenario::{Cure, KERNEL_PEER, Outcome, PHANTOM_PEER, Scenario};
use crate::lab::script::Connect;
use crate::lab::wire::Manner;

pub(in crate::lab::scenario) const REFUSED_PORT: Scenario = Scenario {
    name: "refused-port",
    summary: "control: an ordinary port where nobody listens",
    expected: None,
    client: Outcome::Refused,
    families: Family::ALL,
    backends: Backend::ALL,
    peers: KERNEL_PEER,
    set_up: echo_pair,
    drive: |script| script.connect("app", 9999, Outcome::Refused),
    cure: Cure::None,
    conntrack_events: false,
};

pub(in crate::lab::scenario) const LOCAL_REFUSED_PORT: Scenario = Scenario {
    name: "local-refused-port",
    summary: "control: ports of this host where nobody listens, by its own address and by loopback",
    expected: None,
    client: Outcome::Refused,
    families: Family::ALL,
    backends: Backend::ALL,
    peers: KERNEL_PEER,
    set_up: echo_pair,
    drive: |script| {
        let family = script.world.options.family;
        for address in [address::address(family, Link::Near, POD), address::loopback(family)] {
            script.connect_as("app", Connect::to((address, 9999).into()), Outcome::Refused)?;
        }
        Ok(())
    },
    cure: Cure::None,
    conntrack_events: false,
};

pub(in crate::lab::scenario) const ONE_GIVE_UP: Scenario = Scenario {
    name: "one-give-up",
    summary: "control: one connect without an answer, given up after a second",
    expected: None,
    client: Outcome::GivesUp,
    families: Family::ALL,
    backends: Backend::ALL,
    peers: PHANTOM_PEER,
    set_up: |world| {
        world.wire_pair()?;
        world.start_phantom(Manner::Silent)?;
        world.add_app("app", "pod", 0)
    },
    drive: |script| {
        let to = script.world.peer(9000);
        let connect = Connect {
            to,
            slot: 0,
            from_port: None,
            give_up_ms: Some(1000),
        };
        script.connect_as("app", connect, Outcome::GivesUp)
    },
    cure: Cure::None,
    conntrack_events: false,
};

pub(in crate::lab::scenario) const HAPPY_EYEBALLS: Scenario = Scenario {
    name: "happy-eyeballs",
    summary: "control: IPv6 leads nowhere, and every client gives it up for IPv4 after a quarter of a second",
    expected: None,
    client: Outcome::Works,
    // IPv4 is the one that wins.
    families: &[Family::Ipv4],
    backends: Backend::ALL,
    peers: KERNEL_PEER,
    set_up: |world| {
        echo_pair(world)?;
        let silent = with_prefix(Family::Ipv6, Link::Near, NOBODY);
        let silent = silent.split('/').next().unwrap_or_default();
        // Nobody has this hardware address: what is sent there is lost without a word.
        let neighbour = format!("neighbour replace {silent} lladdr 02:77:00:00:00:63 dev eth0 nud permanent");
        world.ip("pod", &[neighbour])
    },
    drive: |script| {
        let silent = address::address(Family::Ipv6, Link::Near, NOBODY);
        for _ in 0..4 {
            let loses = Connect {
                give_up_ms: Some(250),
                ..Connect::to((silent, 9000).into())
            };
            script.connect_as("app", loses, Outcome::GivesUp)?;
            ask_once(script, 0)?;
        }
        Ok(())
    },
    cure: Cure::None,
    conntrack_events: false,
};
