//! Services of Kubernetes that nobody serves, with the rules that kube-proxy makes for them.

use crate::lab::options::{Backend, Family};
use crate::lab::rules::Rules;
use crate::lab::scenario::policy::{pair, routed};
use crate::lab::scenario::{Cure, EITHER_PEER, Outcome, Scenario};
use crate::model::finding::Cause;

pub(super) const NO_ENDPOINTS: Scenario = Scenario {
    name: "no-endpoints",
    summary: "kube-proxy rejects a service that has no endpoint: refused, and nothing leaves",
    expected: Some(Cause::NoEndpoints),
    client: Outcome::Refused,
    families: Family::ALL,
    backends: Backend::ALL,
    peers: EITHER_PEER,
    set_up: |world| pair(world, &REJECT),
    drive: |script| script.connect("app", 9000, Outcome::Refused),
    cure: Cure::None,
    conntrack_events: false,
};

pub(super) const NO_ENDPOINTS_FORWARD: Scenario = Scenario {
    name: "no-endpoints-forward",
    summary: "kube-proxy rejects a service that has no endpoint on the node that a pod's packets pass through",
    expected: Some(Cause::NoEndpoints),
    client: Outcome::Refused,
    families: Family::ALL,
    backends: Backend::ALL,
    peers: EITHER_PEER,
    set_up: |world| routed(world, &REJECT_FORWARD),
    drive: |script| script.connect("app", 9000, Outcome::Refused),
    cure: Cure::None,
    conntrack_events: false,
};

pub(super) const NO_ENDPOINTS_LOCAL: Scenario = Scenario {
    name: "no-endpoints-local",
    summary: "kube-proxy drops what a service with a Local traffic policy has no endpoint for on this node",
    expected: Some(Cause::NoEndpoints),
    client: Outcome::Hangs,
    families: Family::ALL,
    backends: Backend::ALL,
    peers: EITHER_PEER,
    set_up: |world| pair(world, &DROP_LOCAL),
    drive: |script| script.connect("app", 9000, Outcome::Hangs),
    cure: Cure::None,
    conntrack_events: false,
};

/// kube-proxy's tables in its nftables mode, as far as they decide this: address, verdict, hook.
macro_rules! kube_proxy {
    ($address:literal, $verdict:literal, $hook:literal) => {
        concat!(
            "table {ip} kube-proxy {\n map no-endpoint-services {\n  type {type} . inet_proto . inet_service : verdict\n",
            "  elements = { ",
            $address,
            " . tcp . 9000 comment \"default/web:http\" : ",
            $verdict,
            " }\n }\n chain reject-chain {\n  reject\n }\n",
            " chain service-endpoints-check {\n  {ip} daddr . meta l4proto . th dport vmap @no-endpoint-services\n }\n",
            " chain filter-",
            $hook,
            " {\n  type filter hook ",
            $hook,
            " priority -110;\n  ct state new jump service-endpoints-check\n }\n}"
        )
    };
}

const REJECT: Rules = Rules {
    iptables: &[
        "-N KUBE-SERVICES",
        "-A OUTPUT -m conntrack --ctstate NEW -m comment --comment \"kubernetes service portals\" -j KUBE-SERVICES",
        "-A KUBE-SERVICES -d {near} -p tcp -m comment --comment \"default/web:http has no endpoints\" -m tcp --dport 9000 \
         -j REJECT",
    ],
    nft: kube_proxy!("{near}", "goto reject-chain", "output"),
};

const REJECT_FORWARD: Rules = Rules {
    iptables: &[
        "-N KUBE-SERVICES",
        "-A FORWARD -m conntrack --ctstate NEW -m comment --comment \"kubernetes service portals\" -j KUBE-SERVICES",
        "-A KUBE-SERVICES -d {far} -p tcp -m comment --comment \"default/web:http has no endpoints\" -m tcp --dport 9000 \
         -j REJECT",
    ],
    nft: kube_proxy!("{far}", "goto reject-chain", "forward"),
};

const DROP_LOCAL: Rules = Rules {
    iptables: &[
        "-N KUBE-SERVICES",
        "-A OUTPUT -m conntrack --ctstate NEW -m comment --comment \"kubernetes service portals\" -j KUBE-SERVICES",
        "-A KUBE-SERVICES -d {near} -p tcp -m comment --comment \"default/web:http has no local endpoints\" -m tcp \
         --dport 9000 -j DROP",
    ],
    nft: kube_proxy!("{near}", "drop", "output"),
};
