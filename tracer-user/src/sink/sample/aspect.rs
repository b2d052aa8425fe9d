//! One of each thing that is looked at because a theory needs it.

use crate::model::aspect::{Aspect, Seen, Setting};

pub(in crate::sink) fn aspects() -> Vec<Aspect> {
    vec![
        Aspect::Setting("net/ipv4/ip_local_port_range".into()),
        Aspect::DeviceSetting {
            path: "net/ipv4/conf/{}/rp_filter".into(),
            ifindex: 2,
        },
        Aspect::ConntrackCount,
        Aspect::ConnectionsOpened,
    ]
}

pub(in crate::sink) fn seen() -> Vec<Seen> {
    vec![
        Seen::Setting(setting()),
        Seen::ConntrackCount(262_144),
        Seen::ConnectionsOpened(1_234),
    ]
}

pub(in crate::sink) fn setting() -> Setting {
    Setting {
        path: "net/ipv4/conf/eth0.7/rp_filter".into(),
        value: "1".into(),
    }
}
