//! What a run came to, and whether another run, which knew less, says the same, less, or something wrong.

use std::collections::{BTreeMap, BTreeSet};
use tracer_user::model::finding::{Cause, Confidence, Culprit, Finding, Severity, State};

/// The findings above `info` that stood in the end.
pub(crate) struct Told {
    findings: Vec<(Cause, Confidence, BTreeSet<String>)>,
    /// The causes and the culprits that were told on the way.
    shown: BTreeSet<Cause>,
    named: BTreeSet<String>,
}

impl Told {
    pub(crate) fn new(revisions: &[Finding]) -> Self {
        let above_info = revisions.iter().filter(|finding| finding.severity > Severity::Info);
        let above_info: Vec<_> = above_info.collect();
        let last: BTreeMap<_, _> = above_info.iter().map(|finding| (finding.id, *finding)).collect();
        let standing = last.into_values().filter(|finding| finding.state != State::Retracted);
        Self {
            findings: standing
                .map(|finding| (finding.cause, finding.confidence, culprits(finding)))
                .collect(),
            shown: above_info.iter().map(|finding| finding.cause).collect(),
            named: revisions.iter().flat_map(culprits).collect(),
        }
    }

    pub(crate) fn causes(&self) -> Vec<(Cause, Confidence)> {
        self.findings
            .iter()
            .map(|(cause, confidence, _)| (*cause, *confidence))
            .collect()
    }

    /// What is wrong with it, if `whole` is what can be known.
    pub(crate) fn wrong(&self, whole: &Self) -> Option<String> {
        let known = |cause: &&Cause| whole.shown.contains(cause) || **cause == Cause::Unanswered;
        if let Some(cause) = self.shown.iter().find(|cause| !known(cause)) {
            return Some(format!("{} was told, if only for a while", cause.name()));
        }
        self.findings.iter().find_map(|(cause, confidence, culprits)| {
            let known = whole.findings.iter().filter(|(known, ..)| known == cause);
            let best = known.map(|(_, confidence, _)| *confidence).max();
            // That nothing explains it is honest, unless it claims to know the rules and overlooks one.
            let honest = if whole.names_a_rule() {
                Confidence::Possible
            } else {
                Confidence::Likely
            };
            match best.or((*cause == Cause::Unanswered).then_some(honest)) {
                None => return Some(format!("{} is another cause", cause.name())),
                Some(best) if *confidence > best => {
                    return Some(format!("{} is {confidence:?} with less", cause.name()));
                }
                Some(_) => {}
            }
            let stranger = culprits.iter().find(|culprit| !whole.names(culprit));
            stranger.map(|culprit| format!("{} names {culprit}", cause.name()))
        })
    }

    fn names_a_rule(&self) -> bool {
        self.named.iter().any(|culprit| culprit.starts_with(RULE))
    }

    /// Whether it names the culprit, or the rule where only is known that there is one.
    fn names(&self, culprit: &str) -> bool {
        self.named
            .iter()
            .any(|named| named == culprit || named.starts_with(culprit) && culprit.starts_with(RULE))
    }
}

const RULE: &str = "rule of ";

fn culprits(finding: &Finding) -> BTreeSet<String> {
    finding.culprits.iter().map(culprit).collect()
}

fn culprit(culprit: &Culprit) -> String {
    match culprit {
        Culprit::Rule { netns, rule: None, .. } => format!("{RULE}{}:", netns.inode),
        Culprit::Rule {
            netns,
            rule: Some(rule),
            role,
            ..
        } => {
            let (table, chain, text) = (&rule.table, &rule.chain, &rule.text);
            format!(
                "{RULE}{}: {} {table} {chain} {:?} {text}",
                netns.inode,
                role.name(),
                rule.index
            )
        }
        Culprit::ConntrackEntry(entry) => format!("entry {:?} {:?}", entry.original, entry.reply),
        Culprit::Listener(listener) => format!("listener {:?} {:?}", listener.address, listener.process),
        Culprit::Sysctl { .. } => format!("{culprit:?}"),
        Culprit::Peer { endpoint, .. } => format!("peer {endpoint:?}"),
    }
}
