//! The audit of all namespaces: reads what each has, and looks again at what may only be starting.
//!
//! A namespace that vanishes meanwhile, or cannot be read, is left out and told; the others go on.

use super::ports::{ENTRIES_MAX, LookError, entries, wanted_places};
use crate::audit::{self, Facts};
use crate::enrich::source::Namer;
use crate::failure::Failure;
use crate::inspect::source::netns::{Namespaces, Place};
use crate::inspect::source::probe::{Probe, ProbeError};
use crate::inspect::source::{netns, now, process, rules};
use crate::inventory::Listeners;
use crate::model::conntrack::Conntrack;
use crate::model::evidence::Evidence;
use crate::model::finding::{Cause, Culprit, Finding};
use crate::model::identity::{Netns, Process};
use crate::model::rules::Snapshot;
use crate::model::time::Timestamp;
use crate::model::tuple::Tuple;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What was found.
#[derive(Debug, Default)]
pub struct AuditSurvey {
    /// The worst first.
    pub findings: Vec<Finding>,
    /// When the looking began, and how long it took.
    pub began: Timestamp,
    pub duration: Duration,
    /// Namespaces that were looked into.
    pub namespaces: usize,
    /// What could not be read whole, one line each. Untrusted.
    pub gaps: Vec<String>,
    /// Namespaces that went meanwhile, one line each.
    pub gone: Vec<String>,
}

/// Looks into the namespaces with these inodes; none: into all.
pub fn survey_rules(wanted: &[u32], namer: &mut Namer) -> Result<AuditSurvey, Failure> {
    let mut namespaces = Namespaces::new().map_err(Failure::system("cannot look into network namespaces"))?;
    let places = wanted_places(&namespaces, wanted)?;
    let mut survey = AuditSurvey {
        began: now(),
        ..AuditSurvey::default()
    };
    let mut again = Vec::new();
    for (place, findings) in survey.pass(&mut namespaces, places)? {
        if audit::may_be_starting(&findings) {
            again.push((place, findings));
        } else {
            survey.findings.extend(findings);
        }
    }
    if !again.is_empty() {
        std::thread::sleep(PAUSE);
        let places = again.iter().map(|(place, _)| place.clone()).collect();
        let mut second = AuditSurvey::default();
        let looked = second.pass(&mut namespaces, places)?;
        survey.merge(again, looked, second);
    }
    survey.finish();
    for finding in &mut survey.findings {
        name(finding, namer);
    }
    Ok(survey)
}

/// Names whom the finding is about.
fn name(finding: &mut Finding, namer: &mut Namer) {
    let mut names = Vec::new();
    finding.each_subject(|subject| {
        if !names.iter().any(|(known, _)| *known == subject) {
            names.push((subject, Arc::new(namer.name(subject, finding.at))));
        }
    });
    names.retain(|(_, identity)| !identity.is_empty());
    finding.names = names.into_iter().collect();
}

impl AuditSurvey {
    fn pass(&mut self, namespaces: &mut Namespaces, places: Vec<Place>) -> Result<Vec<(Place, Vec<Finding>)>, Failure> {
        // Else agents may run that cannot be seen.
        let processes = netns::sees_all_processes().then(|| process::by_namespace(audit::is_agent));
        let mut all = Vec::new();
        for place in places {
            let own = processes
                .as_ref()
                .map(|all| all.get(&place.inode).map_or(&[][..], Vec::as_slice));
            match look(namespaces, &place, own) {
                Ok((findings, gaps)) => {
                    self.namespaces += 1;
                    self.gaps
                        .extend(gaps.iter().map(|gap| format!("{}: {gap}", place.path)));
                    all.push((place, findings));
                }
                Err(error) if error.is_gone(&place) => self.gone.push(format!("{}: {error}", place.path)),
                Err(error) => self.gaps.push(format!("{}: {error}", place.path)),
            }
            if namespaces.stranded() {
                return Err(Failure::Usage("cannot go back to the own network namespace".to_owned()));
            }
        }
        Ok(all)
    }

    /// What both looks found. Of a namespace that could not be looked at again stays what one look can tell.
    fn merge(&mut self, first: Vec<(Place, Vec<Finding>)>, mut again: Vec<(Place, Vec<Finding>)>, second: Self) {
        for (place, before) in first {
            let after = again.iter_mut().find(|(known, _)| known.inode == place.inode);
            let found = match after {
                Some((_, after)) => std::mem::take(after)
                    .into_iter()
                    .filter(|finding| stays(finding, &before))
                    .collect::<Vec<_>>(),
                None => before.into_iter().filter(|finding| stays(finding, &[])).collect(),
            };
            self.findings.extend(found);
        }
        let new = second.gaps.into_iter().filter(|gap| !self.gaps.contains(gap));
        let new: Vec<_> = new.collect();
        self.gaps.extend(new);
        self.gone.extend(second.gone);
    }

    fn finish(&mut self) {
        self.duration = now().since(self.began);
        self.findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
        for (id, finding) in (1..).zip(&mut self.findings) {
            finding.id = id;
        }
        self.name_listeners();
    }

    /// Finds all holders in one walk over the processes.
    fn name_listeners(&mut self) {
        let (mut inodes, mut spaces) = (HashSet::new(), HashSet::new());
        for evidence in self.findings.iter().flat_map(|finding| &finding.evidence) {
            if let Evidence::Listener { listener, .. } = evidence {
                inodes.insert(listener.inode);
            } else if let Evidence::Inspected { netns, .. } = evidence {
                spaces.insert(netns.inode);
            }
        }
        let holders: HashMap<u32, Process> = process::holders_within(HOLDERS_TIME, &inodes, &spaces);
        for evidence in self.findings.iter_mut().flat_map(|finding| &mut finding.evidence) {
            if let Evidence::Listener { listener, .. } = evidence {
                listener.process = holders.get(&listener.inode).copied();
            }
        }
    }
}

type Looked = (Vec<Finding>, Vec<Arc<str>>);

fn look(namespaces: &mut Namespaces, place: &Place, processes: Option<&[Process]>) -> Result<Looked, LookError> {
    let found = namespaces.open_path(place.inode, Arc::clone(&place.path))?;
    let deadline = Instant::now() + TIME_MAX;
    namespaces
        .inside(&found, |netns| read(netns, place, processes, deadline))?
        .map_err(LookError::from)
}

/// Reads no more than is needed: most namespaces have no rules.
fn read(netns: Netns, place: &Place, processes: Option<&[Process]>, deadline: Instant) -> Result<Looked, ProbeError> {
    let (ruleset, network) = rules::read(deadline)?;
    let mut gaps = ruleset.gaps.clone();
    let mut probe = Probe::new(deadline);
    let mut note = |error: &dyn std::fmt::Display| gaps.push(error.to_string().into());
    let entries = entries(&mut probe, &network).unwrap_or_else(|error| {
        note(&error);
        None
    });
    if entries.as_ref().is_some_and(|entries| entries.len() >= ENTRIES_MAX) {
        note(&format_args!(
            "more than {ENTRIES_MAX} translated connections: not all are looked at"
        ));
    }
    if ruleset.is_empty() && entries.as_ref().is_none_or(Vec::is_empty) {
        return Ok((Vec::new(), gaps));
    }
    let mut listeners = Listeners::default();
    match probe.listeners(None) {
        Ok(tcp) => listeners.tcp = Some(tcp),
        Err(error) => note(&error),
    }
    match probe.receivers() {
        Ok(udp) => listeners.udp = udp,
        Err(error) => note(&error),
    }
    let sockets = entries.as_ref().and_then(|entries| sockets(&mut probe, entries));
    let snapshot = Snapshot {
        netns,
        enter: Some(Arc::clone(&place.path)),
        at: now(),
        ruleset,
        network,
    };
    let facts = Facts {
        snapshot: &snapshot,
        listeners: &listeners,
        entries: entries.as_deref(),
        sockets: sockets.as_ref(),
        processes,
    };
    let judged = Instant::now() + JUDGE_TIME;
    let audit::Audited {
        findings,
        gaps: unjudged,
    } = audit::audit(&facts, &|| Instant::now() >= judged);
    gaps.extend(unjudged);
    Ok((findings, gaps))
}

/// Of the sockets that entries lead to, those that are there; `None`: too many entries to ask for, or it failed.
fn sockets(probe: &mut Probe, entries: &[Conntrack]) -> Option<BTreeSet<Tuple>> {
    if entries.len() > ASKED_MAX {
        return None;
    }
    let mut there = BTreeSet::new();
    for entry in entries {
        if probe.socket(entry.reply).ok()?.is_some() {
            there.insert(entry.reply);
        }
    }
    Some(there)
}

/// What only started in between is not reported; other causes need one look.
fn stays(finding: &Finding, before: &[Finding]) -> bool {
    !matches!(finding.cause, Cause::DeadRedirect | Cause::LeftoverChain)
        || before.iter().any(|other| {
            other.cause == finding.cause
                && other
                    .culprits
                    .iter()
                    .map(place_of)
                    .eq(finding.culprits.iter().map(place_of))
        })
}

/// What tells a rule from others, whatever it counted meanwhile.
fn place_of(culprit: &Culprit) -> Option<(&str, &str, Option<u32>, &str)> {
    let Culprit::Rule { rule: Some(rule), .. } = culprit else {
        return None;
    };
    Some((&rule.table, &rule.chain, rule.index, &rule.text))
}

/// A proxy makes its rules and listens within this time.
const PAUSE: Duration = Duration::from_secs(2);
/// For one namespace, whatever the kernel does.
const TIME_MAX: Duration = Duration::from_secs(5);
/// For what is made of it.
const JUDGE_TIME: Duration = Duration::from_secs(5);
/// For the search for those who hold listening sockets.
const HOLDERS_TIME: Duration = Duration::from_secs(1);
/// Sockets asked for one by one in one namespace.
const ASKED_MAX: usize = 1_024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::finding::{Confidence, Severity, State};
    use crate::model::who::Names;

    fn found(cause: Cause) -> Finding {
        let at = Timestamp::from_nanos(1);
        Finding {
            id: 0,
            revision: 0,
            at,
            cause,
            state: State::Open,
            supersedes: None,
            severity: Severity::Warning,
            confidence: Confidence::Proved,
            connection: None,
            count: 0,
            hanging: 0,
            unexamined: 0,
            lost: 0,
            examples: Vec::new(),
            victims: Vec::new(),
            culprits: Vec::new(),
            evidence: Vec::new(),
            considered: Vec::new(),
            names: Names::default(),
            first: at,
            last: at,
        }
    }

    #[test]
    fn a_namespace_that_fails_the_second_look_keeps_what_one_look_tells_and_its_gap() {
        let place = Place {
            inode: 4_026_532_281,
            path: "/run/netns/pod".into(),
            names: Vec::new(),
            process: None,
        };
        let first = vec![(place, vec![found(Cause::DeadRedirect), found(Cause::MixedBackends)])];
        let second = AuditSurvey {
            gaps: vec!["/run/netns/pod: it failed".to_owned()],
            ..AuditSurvey::default()
        };
        let mut survey = AuditSurvey::default();
        survey.merge(first, Vec::new(), second);
        let causes: Vec<_> = survey.findings.iter().map(|finding| finding.cause).collect();
        assert_eq!(causes, [Cause::MixedBackends]);
        assert_eq!(survey.gaps, ["/run/netns/pod: it failed"]);
    }
}
