//! kube-proxy's rule for a service without endpoints.

use super::mechanism::{dropper, reach};
use super::opening::whereabouts;
use super::{Words, syn_dropped};
use crate::model::finding::RuleRole;
use crate::model::rules::Unserved;
use crate::sink::text::{Shown, quote};
use crate::sink::words::facts::{Facts, hooks};
use crate::sink::words::fixes::{Check, Fix};
use crate::sink::words::phrase::capitalised;
use crate::sink::words::{errno, rule};

pub(super) const WORDS: Words = Words {
    summary,
    why,
    fixes,
    checks,
};

fn unserved(facts: Facts<'_>) -> Option<Unserved<'_>> {
    let ends = |role| matches!(role, RuleRole::Drops | RuleRole::Rejects);
    let mut all = rule::named(facts.0, ends).filter_map(|(rule, _)| rule.unserved());
    all.next()
}

/// `the service default/web`, or by its address.
fn service(facts: Facts<'_>) -> String {
    match unserved(facts).and_then(|unserved| unserved.service) {
        Some(service) => {
            let (namespace, name) = (Shown(service.namespace.as_bytes()), Shown(service.name.as_bytes()));
            format!("the service {namespace}/{name}")
        }
        None => format!("the service at {}", facts.1.tuple.destination),
    }
}

fn lack(facts: Facts<'_>) -> &'static str {
    match unserved(facts) {
        Some(Unserved { local: true, .. }) => "has no endpoint on this node",
        _ => "has no endpoint",
    }
}

fn summary(facts: Facts<'_>) -> String {
    let (verb, how) = match facts.errno() {
        Some(number) if number != 0 => ("rejects", format!("it fails with {}", errno(number))),
        _ if facts.rejects() => ("rejects", "it is reset".to_owned()),
        _ => ("drops", "connect hangs".to_owned()),
    };
    format!(
        "{} {}, so kube-proxy{} {verb} the connection of {} to {}: {how}",
        capitalised(&service(facts)),
        lack(facts),
        whereabouts(facts),
        facts.who(),
        facts.1.tuple.destination
    )
}

fn why(facts: Facts<'_>) -> Vec<String> {
    let mut text = Vec::new();
    if let Some(drop) = facts.drop() {
        let verb = if facts.rejects() { "rejects" } else { "drops" };
        text.push(format!(
            "{} {verb} {} {}: {}.",
            dropper(facts, drop),
            drop.packet,
            hooks(drop.place),
            reach(drop.place)
        ));
    }
    text.push(format!(
        "kube-proxy makes that rule while {} {}: no pod that its selector fits is ready. It goes by itself when one is.",
        service(facts),
        lack(facts)
    ));
    text
}

fn fixes(facts: Facts<'_>) -> Vec<Fix> {
    let mut fixes = vec![Fix::setting(format!(
        "Make a pod of {} ready: compare the service's selector and target port with the labels, ports and readiness of \
         its pods.",
        service(facts)
    ))];
    if unserved(facts).is_some_and(|unserved| unserved.local) {
        fixes.push(Fix::setting(
            "Or let it be served from other nodes: externalTrafficPolicy (internalTrafficPolicy) Cluster instead of \
             Local.",
        ));
    }
    fixes
}

fn checks(facts: Facts<'_>) -> Vec<Check> {
    let mut checks = vec![match unserved(facts).and_then(|unserved| unserved.service) {
        Some(service) => Check::anywhere(
            format!(
                "kubectl get endpointslices -n {} -l {}",
                quote(service.namespace),
                quote(&format!("kubernetes.io/service-name={}", service.name))
            ),
            "Its endpoints, and whether they are ready.",
        ),
        None => Check::anywhere(
            format!(
                "kubectl get services -A -o wide --field-selector spec.clusterIP={}",
                facts.1.tuple.destination.address
            ),
            "Which service has this address; then look at its endpoint slices.",
        ),
    }];
    checks.extend(syn_dropped::checks(facts));
    checks
}
