//! `leftover-chain`: chains of an agent that comes and goes, with no such agent alive.

use super::Looked;
use crate::inspect::rules::owner::of_chain;
use crate::model::finding::{Cause, Confidence, Finding, RuleRole, Severity};
use crate::model::identity::Comm;
use crate::model::inspected::{ChainName, Inspected};
use crate::model::rules::{Action, Backend, Chain, ChainId, Component, Item, RuleId, Verdict};
use crate::model::translation::Listening;

/// One for each agent and back end.
pub(super) fn find(looked: &Looked<'_>) -> Vec<Finding> {
    let backends = [Backend::IptablesLegacy, Backend::IptablesNft, Backend::Nft];
    let pairs = AGENTS.iter().flat_map(|agent| backends.map(|backend| (agent, backend)));
    pairs
        .filter_map(|(agent, backend)| finding(looked, agent, backend))
        .collect()
}

/// A program that makes chains for as long as it runs. Others (kube-proxy, istio-init) make them and exit.
struct Agent {
    component: Component,
    /// The names of its processes, as the kernel cuts them.
    commands: &'static [&'static str],
}

impl Agent {
    fn is(&self, comm: Comm) -> bool {
        self.commands.iter().any(|name| comm.as_bytes() == name.as_bytes())
    }
}

fn finding(looked: &Looked<'_>, agent: &Agent, backend: Backend) -> Option<Finding> {
    let ruleset = &looked.facts.snapshot.ruleset;
    let is_own = |chain: &Chain| chain.backend == backend && of_chain(&chain.name) == Some(agent.component);
    let chains: Vec<(ChainId, &Chain)> = ruleset.numbered().filter(|(_, chain)| is_own(chain)).collect();
    if chains.is_empty() || is_alive(looked, agent) {
        return None;
    }
    let confidence = match looked.facts.processes {
        // Where no process is seen, an agent may be one that cannot be.
        Some(seen) if !seen.is_empty() => Confidence::Proved,
        Some(_) | None => Confidence::Possible,
    };
    let mut finding = looked.finding(Cause::LeftoverChain, Severity::Warning, confidence);
    let ids: Vec<_> = chains.iter().map(|(id, _)| *id).collect();
    for (id, _) in ruleset.numbered().filter(|(_, chain)| !is_own(chain)) {
        let jumps = jumps(looked, id, &ids).filter_map(|rule| looked.locate(rule, None));
        let room = JUMPS_MAX.saturating_sub(finding.culprits.len());
        let jumps: Vec<_> = jumps.take(room).collect();
        finding
            .culprits
            .extend(jumps.into_iter().map(|rule| looked.culprit(rule, RuleRole::Jumps)));
    }
    let name = |chain: &Chain| ChainName {
        backend: chain.backend,
        family: chain.family,
        table: chain.table.clone(),
        chain: chain.name.clone(),
    };
    let processes = looked.facts.processes.map(<[_]>::len);
    finding.evidence.push(
        looked.evidence(Inspected::NoAgent {
            component: agent.component,
            processes: processes.map(|count| u32::try_from(count).unwrap_or(u32::MAX)),
            chains: chains
                .iter()
                .take(Inspected::CHAINS)
                .map(|(_, chain)| name(chain))
                .collect(),
        }),
    );
    Some(finding)
}

/// Whether a process of that name is one of them.
pub(super) fn is_agent(comm: Comm) -> bool {
    AGENTS.iter().any(|agent| agent.is(comm))
}

/// Its process is there, or somebody takes what its rules redirect.
fn is_alive(looked: &Looked<'_>, agent: &Agent) -> bool {
    let mut processes = looked.facts.processes.into_iter().flatten();
    let runs = processes.any(|process| agent.is(process.comm));
    let serves = looked.stolen.iter().any(|stolen| {
        matches!(stolen.translation.listening, Listening::By(_))
            && stolen
                .rule
                .and_then(|rule| looked.locate(rule, None))
                .is_some_and(|rule| rule.owner == Some(agent.component))
    });
    runs || serves
}

/// The rules of the chain that jump into one of `into`.
fn jumps(looked: &Looked<'_>, chain: ChainId, into: &[ChainId]) -> impl Iterator<Item = RuleId> {
    let rules = looked
        .facts
        .snapshot
        .ruleset
        .chain(chain)
        .map(|chain| chain.rules.as_slice());
    let jumps = |item: &Item| match item {
        Item::Action(Action::Verdict(Verdict::Jump(Some(to)) | Verdict::Goto(Some(to)))) => into.contains(to),
        Item::Action(_) | Item::Match(_) => false,
    };
    let rules = (0..).zip(rules.unwrap_or_default());
    rules
        .filter(move |(_, rule)| rule.items.iter().any(jumps))
        .map(move |(index, _)| RuleId { chain, index })
}

const AGENTS: &[Agent] = &[
    Agent {
        component: Component::Mirrord,
        commands: &["mirrord-agent"],
    },
    Agent {
        component: Component::Telepresence,
        commands: &["traffic", "traffic-agent", "tel2"],
    },
];
/// Jumps that one finding names.
const JUMPS_MAX: usize = 16;
