//! One of each thing that is looked at because a theory needs it.

use super::findings::socket;
use super::{endpoint, entry, listener, tuple};
use crate::model::aspect::{
    Aspect, Attached, Connected, ConntrackStatistics, Filter, Leg, Neighbour, NeighbourState, Seen, Setting, SocketsTo,
    Through,
};
use crate::model::identity::{Comm, Process};
use crate::model::tcp::ConntrackState;

pub(in crate::sink) fn aspects() -> Vec<Aspect> {
    vec![
        Aspect::Setting("net/ipv4/ip_local_port_range".into()),
        Aspect::DeviceSetting {
            path: "net/ipv4/conf/{}/rp_filter".into(),
            ifindex: 2,
        },
        Aspect::ConntrackCount,
        Aspect::ConnectionsOpened,
        Aspect::ConntrackStatistics,
        Aspect::Neighbour(None),
        Aspect::Neighbour(Some([10, 77, 0, 9].into())),
        Aspect::Attached { ifindex: 2 },
        Aspect::Through {
            destination: endpoint("10.77.0.3:9000"),
            process: 4711,
        },
        Aspect::SocketsTo {
            source: endpoint("10.77.0.2:0").address,
            destination: endpoint("10.77.0.3:9000"),
        },
        Aspect::Listeners(9000),
        Aspect::Sockets {
            local: endpoint("10.77.0.2:35468"),
        },
        Aspect::OtherEnd,
    ]
}

pub(in crate::sink) fn seen() -> Vec<Seen> {
    vec![
        Seen::Setting(setting()),
        Seen::ConntrackCount(262_144),
        Seen::ConnectionsOpened(1_234),
        statistics(),
        Seen::Neighbour(Neighbour {
            address: [10, 77, 0, 9].into(),
            state: NeighbourState::Failed,
        }),
        attached(),
        Seen::Through(Through {
            legs: vec![leg()],
            left_out: 7,
        }),
        Seen::SocketsTo(Box::new(sockets_to())),
        Seen::Listening(listener("10.77.0.2:9000", 0, 128)),
        Seen::Sockets {
            local: endpoint("10.77.0.2:35468"),
            sockets: vec![connected()],
        },
    ]
}

pub(in crate::sink) fn statistics() -> Seen {
    Seen::ConntrackStatistics(ConntrackStatistics {
        drop: 7,
        early_drop: 1,
        insert_failed: 0,
    })
}

pub(in crate::sink) fn attached() -> Seen {
    let filter = |kind: &str, program: Option<&str>| Filter {
        egress: true,
        kind: kind.into(),
        preference: 49_152,
        handle: 1,
        drops: program.is_none(),
        program: program.map(Into::into),
    };
    Seen::Attached(Attached {
        device: "eth0".into(),
        filters: vec![filter("flower", None), filter("bpf", Some("cil_to_container"))],
        xdp: 17,
    })
}

fn leg() -> Leg {
    Leg {
        tuple: tuple("10.77.0.2:41000", "10.77.0.3:9000"),
        entry: entry(ConntrackState::Established, 0, Some("127.0.0.1:15001")),
        socket: socket(),
    }
}

/// No port is left.
pub(in crate::sink) fn sockets_to() -> SocketsTo {
    SocketsTo {
        destination: endpoint("10.77.0.3:9000"),
        sockets: 28_232,
        time_wait: 28_000,
        holder: Some((
            Process {
                pid: 4711,
                comm: Comm::new(b"curl"),
            },
            230,
        )),
        range: Some(32_768..=60_999),
        taken: 28_232,
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
