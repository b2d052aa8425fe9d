//! No source port is left.

use super::Words;
use crate::sink::words::facts::Facts;
use crate::sink::words::fixes::{Check, Fix};
use crate::sink::words::{netns, process, thousands};

pub(super) const WORDS: Words = Words {
    summary,
    why,
    fixes,
    checks,
};

fn summary(facts: Facts<'_>) -> String {
    let holder = facts.sockets_to().and_then(|sockets| sockets.holder);
    let by = holder.map_or(String::new(), |(of, held)| {
        format!(
            ", and {} holds {} sockets to it",
            process(of.pid, of.comm),
            thousands(held.into())
        )
    });
    format!(
        "{} cannot connect to {}: no local port is left for it in {} (EADDRNOTAVAIL){by}",
        facts.who(),
        facts.1.tuple.destination,
        netns(facts.0, facts.1.netns)
    )
}

fn why(facts: Facts<'_>) -> Vec<String> {
    let mut text = vec![
        "connect failed at once, before the kernel had chosen a source port: no SYN was sent, no rule and no peer has a part \
         in it."
            .to_owned(),
    ];
    if let Some((sockets, range)) = facts
        .sockets_to()
        .and_then(|sockets| Some((sockets, sockets.range.as_ref()?)))
    {
        text.push(format!(
            "Ports are chosen from {} to {} ({}); {} of them cannot be had for another connection from {} to {}: {} are \
             in TIME_WAIT, a minute each.",
            range.start(),
            range.end(),
            thousands(sockets.ports().into()),
            thousands(sockets.taken.into()),
            facts.1.tuple.source.address,
            sockets.destination,
            thousands(sockets.time_wait.into())
        ));
    }
    text
}

fn fixes(facts: Facts<'_>) -> Vec<Fix> {
    let mut fixes = Vec::new();
    let range = facts.sockets_to().and_then(|sockets| sockets.range.clone());
    if let Some((first, last)) = range.and_then(|range| wider(*range.start(), *range.end())) {
        fixes.push(Fix::command(
            facts.0,
            facts.1.netns,
            &format!("sysctl -w net.ipv4.ip_local_port_range='{first} {last}'"),
            "Let the kernel choose from more ports. Ports of services that start later can be reserved: \
             net.ipv4.ip_local_reserved_ports.",
        ));
    }
    fixes.push(Fix::setting(
        "Keep connections and use them again instead of opening one for each request (a pool, keep-alive), and close those \
         that are not needed; or spread them over more destination or source addresses.",
    ));
    fixes
}

fn checks(facts: Facts<'_>) -> Vec<Check> {
    let destination = facts.1.tuple.destination;
    vec![
        Check::new(
            facts.0,
            facts.1.netns,
            "sysctl net.ipv4.ip_local_port_range net.ipv4.ip_local_reserved_ports",
            "The ports to choose from.",
        ),
        Check::new(
            facts.0,
            facts.1.netns,
            &format!("ss -Htanp 'dst = {destination}'"),
            "The sockets that have them, and who holds them.",
        ),
    ]
}

/// A range with more ports; `None`: there are none that are not privileged.
fn wider(first: u16, last: u16) -> Option<(u16, u16)> {
    match (first, last) {
        (..=USUAL, u16::MAX) if first > UNPRIVILEGED => Some((UNPRIVILEGED, last)),
        (..=UNPRIVILEGED, u16::MAX) => None,
        _ => Some((first.min(USUAL), u16::MAX)),
    }
}

/// Below it most services have their ports.
const USUAL: u16 = 16_384;
const UNPRIVILEGED: u16 = 1_024;
