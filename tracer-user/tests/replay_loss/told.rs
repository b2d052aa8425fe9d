//! What a run came to, and whether another run, which knew less, says the same, less, or something wrong.

use std::collections::{BTreeMap, BTreeSet};
use tracer_user::model::conntrack::Conntrack;
use tracer_user::model::evidence::Evidence;
use tracer_user::model::finding::{Cause, Confidence, Culprit, Finding, Severity, State};

/// The findings above `info` that stood in the end.
pub(crate) struct Told {
    findings: Vec<(Cause, Confidence, BTreeSet<String>)>,
    /// The causes that were told on the way, and the culprits; an entry that is shown as evidence may be one.
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
            named: revisions
                .iter()
                .flat_map(culprits)
                .chain(shown_entries(revisions))
                .collect(),
        }
    }

    pub(crate) fn causes(&self) -> Vec<(Cause, Confidence)> {
        self.findings
            .iter()
            .map(|(cause, confidence, _)| (*cause, *confidence))
            .collect()
    }

    /// What is wrong with it, if `whole` is what can be known of the scenario.
    pub(crate) fn wrong(&self, whole: &Self, scenario: &str) -> Option<String> {
        let passing = PASSING
            .iter()
            .filter(|(of, _)| *of == scenario)
            .map(|(_, cause)| *cause);
        let passing: Vec<_> = passing.collect();
        let honest = |cause| cause == Cause::Unanswered || passing.contains(&cause);
        let swallowed = self.swallows_an_error(whole);
        let general = |cause: Cause| whole.is_case_of(cause);
        let known = |cause: &&Cause| {
            whole.shown.contains(cause) || honest(**cause) || swallowed == Some(**cause) || general(**cause).is_some()
        };
        if let Some(cause) = self.shown.iter().find(|cause| !known(cause)) {
            return Some(format!("{} was told, if only for a while", cause.name()));
        }
        // That nothing explains it is honest, unless it claims to know the rules and overlooks one.
        let most = if passing.is_empty() && !whole.names_a_rule() {
            Confidence::Likely
        } else {
            Confidence::Possible
        };
        self.findings.iter().find_map(|(cause, confidence, culprits)| {
            let also = (swallowed == Some(*cause)).then_some(Cause::RejectedByRule);
            let known = whole
                .findings
                .iter()
                .filter(|(known, ..)| known == cause || also == Some(*known) || general(*cause) == Some(*known));
            let best = known.map(|(_, confidence, _)| *confidence).max();
            match best.or(honest(*cause).then_some(most)) {
                None => return Some(format!("{} is another cause", cause.name())),
                Some(best) if *confidence > best => {
                    return Some(format!("{} is {confidence:?} with less", cause.name()));
                }
                Some(_) => {}
            }
            let stranger = culprits
                .iter()
                .find(|culprit| passing.is_empty() && general(*cause).is_none() && !whole.names(culprit));
            stranger.map(|culprit| format!("{} names {culprit}", cause.name()))
        })
    }

    /// Where neither the error of the rule that rejects was seen nor the rule itself, it drops in silence as far as
    /// anybody knows.
    fn swallows_an_error(&self, whole: &Self) -> Option<Cause> {
        let nameless = !self
            .named
            .iter()
            .any(|culprit| culprit.starts_with(RULE) && !culprit.ends_with(':'));
        (nameless && whole.shown.contains(&Cause::RejectedByRule)).then_some(Cause::SynDropped)
    }

    /// The cause that it really is, if this one is the same in more general words.
    fn is_case_of(&self, general: Cause) -> Option<Cause> {
        let mut cases = GENERAL.iter().filter(|(_, of)| *of == general);
        cases
            .find(|(special, _)| self.shown.contains(special))
            .map(|(special, _)| *special)
    }

    /// A rule that stops packets.
    fn names_a_rule(&self) -> bool {
        let stops = |culprit: &&String| culprit.contains(": drops ") || culprit.contains(": rejects ");
        self.named
            .iter()
            .any(|culprit| culprit.starts_with(RULE) && stops(&culprit))
    }

    /// Whether it names the culprit, or the rule where only is known that there is one.
    fn names(&self, culprit: &str) -> bool {
        self.named
            .iter()
            .any(|named| named == culprit || named.starts_with(culprit) && culprit.starts_with(RULE))
    }
}

const RULE: &str = "rule of ";
/// What is told where nobody could say what is special about it.
const GENERAL: [(Cause, Cause); 6] = [
    // Where the old socket was not seen: conntrack has closed what the new one still waits on.
    (Cause::RedirectFanIn, Cause::ReplyRejected),
    (Cause::NoEndpoints, Cause::RejectedByRule),
    (Cause::NoEndpoints, Cause::SynDropped),
    (Cause::RedirectLoop, Cause::RedirectTargetStalled),
    (Cause::OriginalDestinationLost, Cause::NatBindingLost),
    // Netfilter drops what a full table has no room for, for the same reason as what a rule drops.
    (Cause::ConntrackExhausted, Cause::SynDropped),
];
/// Controls in which a cause was there for a moment: `possible` is true of it as long as nobody looked.
const PASSING: [(&str, Cause); 1] = [("late-listener", Cause::RedirectToDeadPort)];

fn culprits(finding: &Finding) -> BTreeSet<String> {
    finding.culprits.iter().map(culprit).collect()
}

fn shown_entries(revisions: &[Finding]) -> impl Iterator<Item = String> {
    let evidence = revisions.iter().flat_map(|finding| &finding.evidence);
    evidence.filter_map(|evidence| {
        if let Evidence::Conntrack { entry, .. } = evidence {
            Some(shown(entry))
        } else {
            None
        }
    })
}

fn shown(entry: &Conntrack) -> String {
    format!("entry {:?} {:?}", entry.original, entry.reply)
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
        Culprit::ConntrackEntry(entry) => shown(entry),
        Culprit::Listener(listener) => format!("listener {:?} {:?}", listener.address, listener.process),
        Culprit::Sysctl { .. } | Culprit::Process(_) => format!("{culprit:?}"),
        Culprit::Peer { endpoint, .. } => format!("peer {endpoint:?}"),
    }
}
