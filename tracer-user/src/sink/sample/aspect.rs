//! One of each thing that is looked at because a theory needs it.

use super::findings::socket;
use super::{endpoint, entry, tuple};
use crate::model::aspect::{Aspect, Connected, Leg, Seen, Setting, Through};
use crate::model::tcp::ConntrackState;

pub(in crate::sink) fn aspects() -> Vec<Aspect> {
    vec![
        Aspect::Setting("net/ipv4/ip_local_port_range".into()),
        Aspect::DeviceSetting {
            path: "net/ipv4/conf/{}/rp_filter".into(),
            ifindex: 2,
        },
        Aspect::ConntrackCount,
        Aspect::Through {
            destination: endpoint("10.77.0.3:9000"),
            process: 4711,
        },
        Aspect::Sockets {
            local: endpoint("10.77.0.2:35468"),
        },
    ]
}

pub(in crate::sink) fn seen() -> Vec<Seen> {
    vec![
        Seen::Setting(setting()),
        Seen::ConntrackCount(262_144),
        Seen::Through(Through {
            legs: vec![leg()],
            left_out: 7,
        }),
        Seen::Sockets {
            local: endpoint("10.77.0.2:35468"),
            sockets: vec![connected()],
        },
    ]
}

fn leg() -> Leg {
    Leg {
        tuple: tuple("10.77.0.2:41000", "10.77.0.3:9000"),
        entry: entry(ConntrackState::Established, 0, Some("127.0.0.1:15001")),
        socket: socket(),
    }
}

pub(in crate::sink) fn setting() -> Setting {
    Setting {
        path: "net/ipv4/conf/eth0.7/rp_filter".into(),
        value: "1".into(),
    }
}

fn connected() -> Connected {
    Connected {
        tuple: tuple("10.77.0.2:35468", "10.77.0.3:9000"),
        socket: socket(),
    }
}
