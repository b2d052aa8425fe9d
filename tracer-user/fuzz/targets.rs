//! What is fuzzed. `xtask/src/fuzz.rs` reads the names from this table: each has a folder in `corpus`.

use std::hint::black_box;
use tracer_user::ctnetlink::change::changes;
use tracer_user::decode::Tables;
use tracer_user::inspect::message::{Body, messages};
use tracer_user::inspect::{conntrack, link, nla, socket};
use tracer_user::sink::jsonl;

pub(crate) type Target = fn(&[u8]);

pub(crate) const TARGETS: &[(&str, Target)] = &[
    ("record", |bytes| seen(Tables::default().decode(bytes, |_| None))),
    ("netlink", netlink),
    ("ctnetlink", |bytes| changes(bytes).for_each(seen)),
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

/// Keeps the work from being optimised away.
fn seen<T>(value: T) {
    black_box(&value);
}
