//! A full conntrack table.

use crate::lab::error::LabError;
use crate::lab::options::{Backend, Family};
use crate::lab::rules::{Invocation, Rules, nft_rule};
use crate::lab::scenario::{Cure, EITHER_PEER, Outcome, Scenario};
use crate::lab::wire::Accepts;
use crate::lab::world::World;
use crate::model::finding::Cause;

pub(super) const EXHAUSTED: Scenario = Scenario {
    name: "conntrack-exhausted",
    summary: "the conntrack table is full of established connections: a new one gets no entry, and connect hangs",
    expected: Some(Cause::ConntrackExhausted),
    client: Outcome::Hangs,
    families: Family::ALL,
    backends: Backend::ALL,
    peers: EITHER_PEER,
    set_up: full,
    drive: |script| script.connect("app", 9000, Outcome::Hangs),
    // The limit is the host's.
    cure: Cure::None,
};

pub(super) const RAW_DROP: Scenario = Scenario {
    name: "syn-dropped-full-table",
    summary: "a rule in raw drops the SYNs to port 9000 while the conntrack table is full: the rule does it",
    expected: Some(Cause::SynDropped),
    client: Outcome::Hangs,
    families: Family::ALL,
    backends: Backend::ALL,
    peers: EITHER_PEER,
    set_up: |world| {
        full(world)?;
        world.add_rules("pod", &DROP_RAW)
    },
    drive: |script| script.connect("app", 9000, Outcome::Hangs),
    cure: Cure::None,
};

fn full(world: &mut World) -> Result<(), LabError> {
    world.wire_pair()?;
    world.add_server("server", "peer", 9000, Accepts::Echo, 128)?;
    world.add_app("app", "pod", 0)?;
    world.made.push("pod: conntrack --load-file, up to nf_conntrack_max".to_owned());
    // A part at a time: all of them take a loaded machine longer than one command may.
    for part in 0..PARTS {
        let script = FILL.replace("PARTS", &PARTS.to_string()).replace("PART", &part.to_string());
        world.run_quietly(
            "pod",
            Invocation {
                program: "sh",
                arguments: vec!["-c".to_owned(), script],
                input: String::new(),
            },
        )?;
    }
    Ok(())
}

/// Entries that are assured: they make room for nobody.
const FILL: &str = r#"max=$(cat /proc/sys/net/netfilter/nf_conntrack_max)
awk -v max="$max" 'BEGIN {
 for (i = int(max / PARTS * PART); i < int(max / PARTS * (PART + 1)) + 1; i++)
  printf "-A -p tcp -s 10.99.%d.%d -d 10.98.0.1 --sport %d --dport 80 --state ESTABLISHED -u SEEN_REPLY,ASSURED -t 3600\n", \
   int(i / 250) % 250, i % 250 + 1, 1024 + int(i / 62500)
}' | conntrack --load-file - >/dev/null 2>&1
true"#;
const PARTS: u32 = 8;

const DROP_RAW: Rules = Rules {
    iptables: &["-t raw -A OUTPUT -p tcp --dport 9000 -j DROP"],
    nft: nft_rule!("raw", "filter", "output", "raw", "tcp dport 9000 drop"),
};
