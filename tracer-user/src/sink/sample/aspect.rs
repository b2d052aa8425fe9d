//! One of each thing that is looked at because a theory needs it.

use crate::model::aspect::{Aspect, Connected, Seen, Setting};
use crate::model::inquiry::SocketInfo;
use crate::model::tcp::TcpState;
use crate::sink::sample::{endpoint, tuple};

pub(in crate::sink) fn aspects() -> Vec<Aspect> {
    vec![
        Aspect::Setting("net/ipv4/ip_local_port_range".into()),
        Aspect::DeviceSetting {
            path: "net/ipv4/conf/{}/rp_filter".into(),
            ifindex: 2,
        },
        Aspect::ConntrackCount,
        Aspect::Sockets {
            local: endpoint("10.77.0.2:35468"),
        },
    ]
}

pub(in crate::sink) fn seen() -> Vec<Seen> {
    vec![
        Seen::Setting(setting()),
        Seen::ConntrackCount(262_144),
        Seen::Sockets {
            local: endpoint("10.77.0.2:35468"),
            sockets: vec![connected()],
        },
    ]
}

pub(in crate::sink) fn setting() -> Setting {
    Setting {
        path: "net/ipv4/conf/eth0.7/rp_filter".into(),
        value: "1".into(),
    }
}

pub(in crate::sink) fn connected() -> Connected {
    Connected {
        tuple: tuple("10.77.0.2:35468", "10.77.0.3:9000"),
        socket: SocketInfo {
            state: Some(TcpState::Established),
            receive_queue: 0,
            send_queue: 0,
            unacked: None,
            retransmits: 0,
            uid: 1000,
            inode: 8_101,
            process: None,
        },
    }
}
