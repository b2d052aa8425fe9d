//! Which program a rule belongs to, by the names of its chain and table and by its comment.
//!
//! Says nothing of whether that program still runs.

use crate::model::rules::{Action, Backend, Component, Family, Item, Rule, Ruleset, Verdict};

/// The owner of a rule; of a chain where there is none. `ruleset` names the chains that the rule jumps to.
pub fn owner(
    ruleset: &Ruleset,
    backend: Backend,
    family: Family,
    table: &str,
    chain: &str,
    rule: Option<&Rule>,
) -> Option<Component> {
    let own = of_table(backend, family, table).or_else(|| of_chain(chain));
    own.or_else(|| rule.and_then(|rule| of_jump(ruleset, rule).or_else(|| of_comment(rule.comment.as_deref()?))))
}

/// The owner of a table that one program has for itself.
fn of_table(backend: Backend, family: Family, table: &str) -> Option<Component> {
    if backend != Backend::Nft || family == Family::Arp {
        return None;
    }
    match table {
        "kube-proxy" => Some(Component::KubeProxy),
        "firewalld" => Some(Component::Firewalld),
        "netavark" => Some(Component::Podman),
        "docker-bridges" => Some(Component::Docker),
        "calico" => Some(Component::Calico),
        "cni_hostport" | "cni_plugins_masquerade" => Some(Component::Cni),
        "libvirt_network" => Some(Component::Libvirt),
        "f2b-table" => Some(Component::Fail2ban),
        "flannel-ipv4" | "flannel-ipv6" => Some(Component::Flannel),
        _ if table.starts_with("istio-proxy-") || table.starts_with("istio-ambient-") => Some(Component::Istio),
        _ => None,
    }
}

/// The owner of a chain by its name alone.
pub fn of_chain(name: &str) -> Option<Component> {
    if is_mirrord(name) {
        return Some(Component::Mirrord);
    }
    let known = CHAINS.iter().find(|(pattern, _)| match pattern.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => *pattern == name,
    });
    known.map(|(_, component)| *component)
}

/// The names of all of mirrord's releases.
fn is_mirrord(name: &str) -> bool {
    let old = |rest: &str| {
        let tail = ["INPUT", "OUTPUT", "STANDARD", "EXCLUDE_FROM_MESH"]
            .iter()
            .find_map(|kind| rest.strip_prefix(kind));
        tail.is_some_and(|tail| match tail.strip_prefix('_') {
            Some(id) => id.len() == 5 && id.bytes().all(|byte| byte.is_ascii_alphanumeric()),
            None => tail.is_empty(),
        })
    };
    let new = |rest: &str| {
        let id = ["IN_", "OUT_", "STD_", "MSH_"]
            .iter()
            .find_map(|kind| rest.strip_prefix(kind));
        id.is_some_and(|id| (1..=20).contains(&id.chars().count()))
    };
    name == "MRD_ROUTE_LOCALNET"
        || name.strip_prefix("MIRRORD_").is_some_and(old)
        || name.strip_prefix("MRD").is_some_and(new)
}

fn of_jump(ruleset: &Ruleset, rule: &Rule) -> Option<Component> {
    rule.items.iter().find_map(|item| {
        let Item::Action(Action::Verdict(Verdict::Jump(Some(to)) | Verdict::Goto(Some(to)))) = item else {
            return None;
        };
        of_chain(&ruleset.chain(*to)?.name)
    })
}

fn of_comment(comment: &str) -> Option<Component> {
    let known = COMMENTS.iter().find(|(start, _)| comment.starts_with(start));
    let cni = || (comment.starts_with("name: \"") && comment.contains(" id: \"")).then_some(Component::Cni);
    known.map(|(_, component)| *component).or_else(cni)
}

/// Beginnings end in `*`; the first that fits is meant.
const CHAINS: &[(&str, Component)] = &[
    ("ISTIO_*", Component::Istio),
    ("istio-*", Component::Istio),
    ("PROXY_INIT_*", Component::Linkerd),
    ("LINKERD*", Component::Linkerd),
    ("KUMA_MESH_*", Component::Kuma),
    ("TEL_*", Component::Telepresence),
    ("KUBE-FIREWALL", Component::Kubelet),
    ("KUBE-KUBELET-CANARY", Component::Kubelet),
    ("KUBE-IPTABLES-HINT", Component::Kubelet),
    ("KUBE-ROUTER-*", Component::KubeRouter),
    ("KUBE-NWPLCY-*", Component::KubeRouter),
    ("KUBE-POD-FW-*", Component::KubeRouter),
    ("KUBE-*", Component::KubeProxy),
    ("DOCKER*", Component::Docker),
    ("NETAVARK*", Component::Podman),
    ("CNI-*", Component::Cni),
    ("cali-*", Component::Calico),
    ("CILIUM_*", Component::Cilium),
    ("OLD_CILIUM_*", Component::Cilium),
    ("FLANNEL-*", Component::Flannel),
    ("AWS-SNAT-CHAIN-*", Component::AwsVpcCni),
    ("AWS-CONNMARK-CHAIN-*", Component::AwsVpcCni),
    ("ANTREA-*", Component::Antrea),
    ("WEAVE*", Component::Weave),
    ("ufw-*", Component::Ufw),
    ("ufw6-*", Component::Ufw),
    ("f2b-*", Component::Fail2ban),
    ("fail2ban-*", Component::Fail2ban),
    ("LIBVIRT_*", Component::Libvirt),
    ("ts-*", Component::Tailscale),
];

/// How comments of rules in builtin chains begin.
const COMMENTS: &[(&str, Component)] = &[
    ("kubernetes ", Component::KubeProxy),
    ("cali:", Component::Calico),
    ("cilium:", Component::Cilium),
    ("flanneld ", Component::Flannel),
    ("AWS", Component::AwsVpcCni),
    ("Antrea:", Component::Antrea),
    ("CNI portfwd ", Component::Cni),
    ("CNI firewall plugin ", Component::Cni),
    ("kube-router ", Component::KubeRouter),
    ("netavark ", Component::Podman),
];

#[cfg(test)]
mod tests;
