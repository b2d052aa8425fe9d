//! A packet with the way that it is sent.

use crate::frame::{Shot, TCP};
use crate::world::{BOX, Side, User, address, side_of};
use std::net::IpAddr;
use tracer_user::model::rules::{Fact, Journey, Network};

#[derive(Clone, Copy, Debug)]
pub(crate) struct Trip {
    pub(crate) shot: Shot,
    pub(crate) way: Way,
    pub(crate) mark: u32,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Way {
    FromHere(User),
    FromFar(Side),
}

impl Trip {
    /// As conntrack's entry for it may depend on: its protocol and its tuple are looked up.
    pub(crate) fn is_tcp(&self) -> bool {
        self.shot.protocol == TCP
    }

    /// Whether packets of its connection were sent before it.
    pub(crate) fn follows(&self) -> bool {
        self.shot.number >= FOLLOWING
    }

    pub(crate) fn user(&self) -> Option<User> {
        match self.way {
            Way::FromHere(user) => Some(user),
            Way::FromFar(_) => None,
        }
    }

    pub(crate) fn journey(&self, network: &Network) -> Journey {
        let index = |name: &str| Fact::Known(network.named(name.as_bytes()).unwrap().index);
        let to = self.shot.destination.ip();
        match self.way {
            Way::FromHere(_) if is_own(to) => Journey::Output { device: index("lo") },
            Way::FromHere(_) => Journey::Output {
                device: index(side_of(to).device()),
            },
            Way::FromFar(side) => Journey::Arrival {
                device: index(side.device()),
                leaves_by: if is_own(to) {
                    Fact::Unknown
                } else {
                    index(side_of(to).device())
                },
            },
        }
    }
}

/// Whether it is an address of the router.
pub(crate) fn is_own(of: IpAddr) -> bool {
    of.is_loopback()
        || [Side::Lan, Side::Wan]
            .map(|side| address(of.is_ipv6(), side, BOX))
            .contains(&of)
}

/// Added to a packet's number for each that follows it.
pub(crate) const FOLLOWING: u64 = 1000;
