use super::*;
use crate::model::rules::{Chain, ChainId};

#[test]
fn every_owner_is_known_by_its_chains() {
    let known = [
        ("MIRRORD_INPUT_aB3dE", Component::Mirrord),
        ("MIRRORD_OUTPUT", Component::Mirrord),
        ("MIRRORD_STANDARD_00000", Component::Mirrord),
        ("MIRRORD_EXCLUDE_FROM_MESH", Component::Mirrord),
        ("MRDIN_0123456789abcdef0123", Component::Mirrord),
        ("MRDOUT_1", Component::Mirrord),
        ("MRDSTD_x", Component::Mirrord),
        ("MRDMSH_x", Component::Mirrord),
        ("MRD_ROUTE_LOCALNET", Component::Mirrord),
        ("ISTIO_IN_REDIRECT", Component::Istio),
        ("istio-in-redirect", Component::Istio),
        ("PROXY_INIT_REDIRECT", Component::Linkerd),
        ("LINKERD_OUTPUT", Component::Linkerd),
        ("KUMA_MESH_OUTBOUND", Component::Kuma),
        ("TEL_INBOUND_TCP", Component::Telepresence),
        ("KUBE-SVC-ABCDEF", Component::KubeProxy),
        ("KUBE-FIREWALL", Component::Kubelet),
        ("KUBE-KUBELET-CANARY", Component::Kubelet),
        ("KUBE-PROXY-CANARY", Component::KubeProxy),
        ("KUBE-ROUTER-INPUT", Component::KubeRouter),
        ("KUBE-NWPLCY-DEFAULT", Component::KubeRouter),
        ("DOCKER", Component::Docker),
        ("DOCKER-ISOLATION-STAGE-1", Component::Docker),
        ("NETAVARK-HOSTPORT-DNAT", Component::Podman),
        ("NETAVARK_FORWARD", Component::Podman),
        ("CNI-HOSTPORT-DNAT", Component::Cni),
        ("cali-INPUT", Component::Calico),
        ("CILIUM_POST_nat", Component::Cilium),
        ("OLD_CILIUM_FORWARD", Component::Cilium),
        ("FLANNEL-POSTRTG", Component::Flannel),
        ("AWS-SNAT-CHAIN-0", Component::AwsVpcCni),
        ("AWS-CONNMARK-CHAIN-1", Component::AwsVpcCni),
        ("ANTREA-FORWARD", Component::Antrea),
        ("WEAVE-NPC", Component::Weave),
        ("ufw-user-input", Component::Ufw),
        ("f2b-sshd", Component::Fail2ban),
        ("LIBVIRT_INP", Component::Libvirt),
        ("ts-forward", Component::Tailscale),
    ];
    for (name, component) in known {
        assert_eq!(of_chain(name), Some(component), "{name}");
    }
    let missing: Vec<_> = Component::ALL
        .iter()
        .filter(|own| !known.iter().any(|(_, component)| component == *own))
        .collect();
    assert_eq!(missing, [&Component::Firewalld], "it has a table");
}

#[test]
fn names_that_only_look_alike_have_no_owner() {
    for name in [
        "INPUT",
        "MIRRORD_INPUT_toolong",
        "MIRRORD_INPUT_a-b-c",
        "MIRRORD_INPUTS",
        "MRDIN_",
        "MRDIN_0123456789abcdef01234",
        "MRD",
        "KUBE-",
        "kube-proxy",
        "istio",
        "docker",
        "",
    ] {
        let expected = (name == "KUBE-").then_some(Component::KubeProxy);
        assert_eq!(of_chain(name), expected, "{name}");
    }
}

#[test]
fn tables_of_one_program_are_its_own() {
    let of = |backend, table| owner(&Ruleset::default(), backend, Family::Inet, table, "output", None);
    assert_eq!(of(Backend::Nft, "istio-proxy-nat"), Some(Component::Istio));
    assert_eq!(of(Backend::Nft, "kube-proxy"), Some(Component::KubeProxy));
    assert_eq!(of(Backend::Nft, "firewalld"), Some(Component::Firewalld));
    assert_eq!(of(Backend::Nft, "netavark"), Some(Component::Podman));
    assert_eq!(of(Backend::Nft, "filter"), None);
    assert_eq!(of(Backend::IptablesNft, "firewalld"), None);
}

#[test]
fn a_rule_of_a_builtin_chain_is_whose_chain_it_jumps_to() {
    let mut ruleset = Ruleset::default();
    ruleset.chains.push(chain("ISTIO_OUTPUT"));
    let jump = Item::Action(Action::Verdict(Verdict::Jump(Some(ChainId(0)))));
    let by = |items, comment: Option<&str>, chain| {
        let rule = rule(items, comment);
        owner(&ruleset, Backend::IptablesNft, Family::Ip, "nat", chain, Some(&rule))
    };
    assert_eq!(by(vec![jump.clone()], None, "OUTPUT"), Some(Component::Istio));
    assert_eq!(
        by(vec![jump.clone()], Some("kubernetes service portals"), "OUTPUT"),
        Some(Component::Istio)
    );
    assert_eq!(by(vec![jump], None, "cali-OUTPUT"), Some(Component::Calico));
    assert_eq!(by(vec![], None, "OUTPUT"), None);
}

#[test]
fn a_comment_decides_where_nothing_else_does() {
    let by = |comment| {
        let rule = rule(vec![], Some(comment));
        owner(
            &Ruleset::default(),
            Backend::IptablesLegacy,
            Family::Ip,
            "nat",
            "POSTROUTING",
            Some(&rule),
        )
    };
    assert_eq!(by("kubernetes postrouting rules"), Some(Component::KubeProxy));
    assert_eq!(by("name: \"podman\" id: \"0123\""), Some(Component::Cni));
    assert_eq!(by("name: podman"), None);
    assert_eq!(by("flanneld masq"), Some(Component::Flannel));
    assert_eq!(by("AWS SNAT CHAIN"), Some(Component::AwsVpcCni));
    assert_eq!(by("my own"), None);
}

fn chain(name: &str) -> Chain {
    Chain {
        backend: Backend::IptablesNft,
        family: Family::Ip,
        table: "nat".into(),
        name: name.into(),
        base: None,
        rules: Vec::new(),
        dormant: false,
        counters: None,
    }
}

fn rule(items: Vec<Item>, comment: Option<&str>) -> Rule {
    Rule {
        handle: None,
        items,
        counters: None,
        comment: comment.map(Into::into),
        text: "".into(),
    }
}
