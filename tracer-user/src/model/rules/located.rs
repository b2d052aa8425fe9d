//! A rule taken out of its ruleset, with everything that a person needs to find it.

use super::{Backend, Family, Hook};
use crate::model::named::named;
use std::sync::Arc;

/// One rule, or the policy of a base chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located {
    pub backend: Backend,
    pub family: Family,
    pub table: Arc<str>,
    pub chain: Arc<str>,
    /// The hook at which the packet met it; `None`: several, or not known.
    pub hook: Option<Hook>,
    /// From 1, within the chain; `None`: the chain's policy.
    pub index: Option<u32>,
    pub handle: Option<u64>,
    /// As its tool prints it. Untrusted.
    pub text: Arc<str>,
    /// Untrusted.
    pub comment: Option<Arc<str>>,
    pub owner: Option<Component>,
    /// Packets it counted, where it counts.
    pub packets: Option<u64>,
}

named! {
    /// A program that is known by the names of its chains and tables.
    Component {
        Mirrord = "mirrord",
        Istio = "istio",
        Linkerd = "linkerd",
        Kuma = "kuma",
        Telepresence = "telepresence",
        KubeProxy = "kube-proxy",
        Kubelet = "kubelet",
        Docker = "docker",
        Podman = "podman",
        Cni = "cni-plugins",
        Calico = "calico",
        Cilium = "cilium",
        Flannel = "flannel",
        AwsVpcCni = "aws-vpc-cni",
        KubeRouter = "kube-router",
        Antrea = "antrea",
        Weave = "weave",
        Ufw = "ufw",
        Firewalld = "firewalld",
        Fail2ban = "fail2ban",
        Libvirt = "libvirt",
        Tailscale = "tailscale",
    }
}
