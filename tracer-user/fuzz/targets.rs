//! What is fuzzed. `xtask/src/fuzz.rs` reads the names from this table: each has a folder in `corpus`.

use std::hint::black_box;
use tracer_user::ctnetlink::change::changes;
use tracer_user::decode::Tables;
use tracer_user::inspect::message::{Body, messages};
use tracer_user::inspect::rules::nft::Reading;
use tracer_user::inspect::rules::xt::{INFO, SetNames, table};
use tracer_user::inspect::walk::Walker;
use tracer_user::inspect::{conntrack, link, nla, socket};
use tracer_user::model::rules::{Fact, Family, Journey, Network, Packet, Ruleset};
use tracer_user::sink::jsonl;

pub(crate) type Target = fn(&[u8]);

pub(crate) const TARGETS: &[(&str, Target)] = &[
    ("record", |bytes| seen(Tables::default().decode(bytes, |_| None))),
    ("netlink", netlink),
    ("ctnetlink", |bytes| changes(bytes).for_each(seen)),
    ("nft", nft),
    ("xt", xt),
    ("jsonl", |bytes| {
        bytes
            .split(|&byte| byte == b'\n')
            .for_each(|line| seen(jsonl::read(line)))
    }),
];

/// Every reader of a netlink payload, on the same datagram.
fn netlink(datagram: &[u8]) {
    for message in messages(datagram) {
        let Ok(message) = message else { return };
        if let Body::Data { payload, .. } = message.body {
            seen(conntrack::parse(payload));
            seen(socket::parse(payload));
            seen(link::parse(payload));
            nla::attributes(payload).for_each(seen);
        }
    }
}

/// A whole reading, whatever the order of its messages, and a walk through what came of it.
fn nft(answers: &[u8]) {
    let mut reading = Reading::new(&[], SetNames::default());
    let mut chains = true;
    for message in messages(answers) {
        let Ok(message) = message else { break };
        let Body::Data { kind, payload } = message.body else {
            continue;
        };
        if chains && kind != TABLE && kind != CHAIN {
            chains = false;
            reading.chains_end();
        }
        match kind {
            TABLE => seen(reading.table(payload)),
            CHAIN => seen(reading.chain(payload)),
            SET => seen(reading.set(payload)),
            ELEMENTS => {
                for (set, _) in reading.sets() {
                    seen(reading.elements(set, payload));
                    reading.elements_end(set, true);
                }
            }
            RULE => seen(reading.rule(payload)),
            _ => seen(reading.flowtable(payload)),
        }
    }
    walk(&reading.finish(Some(1)));
}

/// A legacy table of either family: what the kernel says of it, and its entries.
fn xt(bytes: &[u8]) {
    let Some((info, entries)) = bytes.split_at_checked(INFO) else {
        return;
    };
    for family in [Family::Ip, Family::Ip6] {
        if let Ok(chains) = table(family, "nat", info, entries, &SetNames::default()) {
            walk(&Ruleset {
                chains,
                ..Ruleset::default()
            });
        }
    }
}

fn walk(ruleset: &Ruleset) {
    let network = Network::default();
    let walker = Walker::over(ruleset, &network);
    for (source, destination) in [
        ("192.0.2.1:40000", "198.51.100.1:80"),
        ("[2001:db8::1]:40000", "[2001:db8::2]:80"),
    ] {
        let (Ok(source), Ok(destination)) = (source.parse(), destination.parse()) else {
            return;
        };
        let packet = Packet::syn(source, destination);
        seen(walker.walk(&packet, Journey::Output { device: Fact::Unknown }));
    }
}

/// Keeps the work from being optimised away.
fn seen<T>(value: T) {
    black_box(&value);
}

/// nf_tables' messages, as answers carry them.
const TABLE: u16 = 10 << 8;
const CHAIN: u16 = TABLE | 3;
const RULE: u16 = TABLE | 6;
const SET: u16 = TABLE | 9;
const ELEMENTS: u16 = TABLE | 12;
