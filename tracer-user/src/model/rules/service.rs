//! What kube-proxy's rules say of services that have no endpoint.

use super::{Component, Located};

/// A service without endpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unserved<'a> {
    /// Untrusted; `None`: the rule is one for all such services (kube-proxy's nftables mode).
    pub service: Option<Service<'a>>,
    /// There may be endpoints on other nodes: its traffic policy is `Local`.
    pub local: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Service<'a> {
    pub namespace: &'a str,
    pub name: &'a str,
}

impl Located {
    /// The service for whose lack of endpoints kube-proxy made this rule.
    pub fn unserved(&self) -> Option<Unserved<'_>> {
        if self.owner != Some(Component::KubeProxy) {
            return None;
        }
        match (&*self.chain, self.comment.as_deref()) {
            // Its verdict map sends what is to be rejected there, and drops what may be served elsewhere by itself.
            ("reject-chain", _) => Some(Unserved {
                service: None,
                local: false,
            }),
            ("service-endpoints-check" | "nodeport-endpoints-check", _) => Some(Unserved {
                service: None,
                local: true,
            }),
            (_, Some(comment)) => named(comment),
            _ => None,
        }
    }
}

/// Of `default/web:http has no endpoints`; the port may be missing.
fn named(comment: &str) -> Option<Unserved<'_>> {
    let local = comment.strip_suffix(" has no local endpoints");
    let name = local.or_else(|| comment.strip_suffix(" has no endpoints"))?;
    let (namespace, rest) = name.split_once('/')?;
    let name = rest.split_once(':').map_or(rest, |(name, _)| name);
    Some(Unserved {
        service: Some(Service { namespace, name }),
        local: local.is_some(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::rules::{Backend, Family};

    fn located(chain: &str, comment: Option<&str>, owner: Option<Component>) -> Located {
        Located {
            backend: Backend::IptablesNft,
            family: Family::Ip,
            table: "filter".into(),
            chain: chain.into(),
            hook: None,
            index: Some(1),
            handle: None,
            text: "".into(),
            comment: comment.map(Into::into),
            owner,
            packets: None,
        }
    }

    #[test]
    fn kube_proxys_comment_names_the_service() {
        let service = |namespace, name, local| {
            Some(Unserved {
                service: Some(Service { namespace, name }),
                local,
            })
        };
        let said = |comment| named(comment);
        assert_eq!(
            said("default/web:http has no endpoints"),
            service("default", "web", false)
        );
        assert_eq!(said("a/b has no local endpoints"), service("a", "b", true));
        for other in [
            "default/web:http cluster IP",
            "has no endpoints",
            "web has no endpoints",
        ] {
            assert_eq!(said(other), None, "{other}");
        }
    }

    #[test]
    fn only_kube_proxys_rules_are_believed() {
        let comment = Some("default/web has no endpoints");
        assert!(
            located("KUBE-SERVICES", comment, Some(Component::KubeProxy))
                .unserved()
                .is_some()
        );
        assert!(
            located("KUBE-SERVICES", None, Some(Component::KubeProxy))
                .unserved()
                .is_none()
        );
        assert!(located("OUTPUT", comment, None).unserved().is_none());
        assert!(located("reject-chain", None, None).unserved().is_none());
        let all = located("reject-chain", None, Some(Component::KubeProxy));
        assert_eq!(all.unserved().and_then(|of| of.service), None);
        assert!(all.unserved().is_some());
    }
}
