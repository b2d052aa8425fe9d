//! Rows of the inventory.

use super::{POD, listener, ms};
use crate::model::identity::{Comm, Process};
use crate::model::rules::{Backend, Component, Family, Hook, Located};
use crate::model::translation::{
    AddressRange, Class, Destinations, Listening, Manner, Port, Space, Target, Translation,
};
use crate::model::who::{Container, Runtime};
use std::sync::Arc;

fn space() -> Arc<Space> {
    Arc::new(Space {
        netns: POD,
        enter: Some("/run/netns/pod".into()),
        names: vec!["pod".into()],
        container: Some(Container {
            id: "6ce776ea58b5bf1d2dc5cbbb1b9e0e2e7eba6d63d4cd5c7a3fdb1f5ecf6f6f11".into(),
            runtime: Some(Runtime::Containerd),
            name: None,
        }),
        process: Some(Process {
            pid: 4711,
            comm: Comm::new(b"pause"),
        }),
    })
}

fn rule(backend: Backend, chain: &str, text: &str) -> Located {
    Located {
        backend,
        family: Family::Ip,
        table: "nat".into(),
        chain: chain.into(),
        hook: Some(Hook::Prerouting),
        index: Some(1),
        handle: (backend != Backend::IptablesLegacy).then_some(12),
        text: text.into(),
        comment: None,
        owner: Some(Component::Mirrord),
        packets: Some(1_234),
    }
}

fn range(first: &str, last: &str) -> AddressRange {
    AddressRange {
        first: first.parse().unwrap(),
        last: last.parse().unwrap(),
    }
}

fn target(address: Option<&str>, port: u16) -> Target {
    Target {
        addresses: address
            .map(|address| address.parse().unwrap())
            .map(|address| address..=address),
        ports: Some(port..=port),
        local: true,
        unknown: None,
    }
}

/// A live one, a dead one, one of another class, and one without a rule.
pub(crate) fn ports() -> Vec<Port> {
    let text = "-A MRDIN_0 -p tcp -m tcp --dport 9000 -j REDIRECT --to-ports 37673";
    let live = Translation {
        class: Class::Stolen,
        manner: Manner::Redirect,
        family: Family::Ip,
        hook: Some(Hook::Prerouting),
        protocol: Some(6),
        destinations: Destinations::Any,
        ports: vec![9000..=9000],
        target: target(None, 37_673),
        conditions: Vec::new(),
        more_conditions: false,
        rule: Some(rule(Backend::IptablesLegacy, "MRDIN_0", text)),
        connections: Some(2),
        listening: Listening::By(listener("0.0.0.0:37673", 0, 128)),
    };
    let dead = Translation {
        manner: Manner::Tproxy,
        family: Family::Inet,
        destinations: Destinations::AllBut(vec![range("127.0.0.1", "127.0.0.1")]),
        ports: vec![0..=15_007, 15_009..=65_535],
        target: target(None, 15_006),
        conditions: vec!["not (meta skuid 1337)".into()],
        more_conditions: true,
        rule: Some(Located {
            family: Family::Inet,
            owner: None,
            comment: Some("\u{1b}[2Jours".into()),
            packets: None,
            ..rule(Backend::Nft, "x;\u{1b}[31m", "meta l4proto tcp tproxy to :15006")
        }),
        connections: None,
        listening: Listening::Nobody,
        ..live.clone()
    };
    let service = Translation {
        class: Class::Service,
        manner: Manner::Dnat,
        protocol: None,
        destinations: Destinations::These(vec![range("10.96.0.0", "10.96.0.255")]),
        ports: vec![0..=u16::MAX],
        target: Target {
            addresses: Some("10.244.0.3".parse().unwrap()..="10.244.0.4".parse().unwrap()),
            ports: Some(80..=90),
            local: false,
            unknown: None,
        },
        listening: Listening::Elsewhere,
        ..live.clone()
    };
    let unexplained = Translation {
        manner: Manner::Dnat,
        hook: None,
        target: target(Some("::1"), 4444),
        rule: None,
        connections: Some(1),
        listening: Listening::Unknown("the sockets could not be read"),
        ..live.clone()
    };
    let port = |translation| Port {
        at: ms(5),
        space: space(),
        translation,
    };
    [live, dead, service, unexplained].map(port).into()
}
