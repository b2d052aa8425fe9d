//! The inventory of all namespaces: reads what each has, and names who listens.
//!
//! A namespace that vanishes meanwhile, or cannot be read, is left out and told; the others go on.

use crate::enrich::source::Namer;
use crate::failure::Failure;
use crate::inspect::source::netlink::NetlinkError;
use crate::inspect::source::netns::{Namespaces, NetnsError, Place};
use crate::inspect::source::probe::{Probe, ProbeError};
use crate::inspect::source::{now, process, rules};
use crate::inventory::{self, Facts, Inventory, Listeners};
use crate::model::conntrack::Conntrack;
use crate::model::identity::{Netns, Process};
use crate::model::rules::Network;
use crate::model::time::Timestamp;
use crate::model::translation::{Listening, Port, Space};
use crate::model::who::Subject;
use std::collections::{HashMap, HashSet};
use std::fs;
use std::io::ErrorKind;
use std::ops::ControlFlow;
use std::os::unix::fs::MetadataExt as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What was found.
#[derive(Debug, Default)]
pub struct PortSurvey {
    pub ports: Vec<Port>,
    /// Namespaces that were looked into.
    pub namespaces: usize,
    /// What could not be read whole, one line each. Untrusted.
    pub gaps: Vec<String>,
    /// Namespaces that went meanwhile, one line each.
    pub gone: Vec<String>,
}

/// Looks into the namespaces with these inodes; none: into all. `all`: translations of every class. Those that have some
/// are named.
pub fn survey_ports(wanted: &[u32], all: bool, namer: &mut Namer) -> Result<PortSurvey, Failure> {
    let mut namespaces = Namespaces::new().map_err(Failure::system("cannot look into network namespaces"))?;
    let mut survey = PortSurvey::default();
    for place in wanted_places(&namespaces, wanted)? {
        match look(&mut namespaces, &place, all) {
            Ok(looked) => survey.add(&place, looked, namer),
            Err(error) if error.is_gone(&place) => survey.gone.push(format!("{}: {error}", place.path)),
            Err(error) => survey.gaps.push(format!("{}: {error}", place.path)),
        }
        if namespaces.stranded() {
            return Err(Failure::Usage("cannot go back to the own network namespace".to_owned()));
        }
    }
    survey.name_listeners();
    Ok(survey)
}

/// The namespaces with these inodes; none: all.
pub(super) fn wanted_places(namespaces: &Namespaces, wanted: &[u32]) -> Result<Vec<Place>, Failure> {
    let mut places = namespaces.places();
    if !wanted.is_empty() {
        if let Some(missing) = wanted
            .iter()
            .find(|&&inode| places.iter().all(|place| place.inode != inode))
        {
            return Err(Failure::Usage(format!(
                "there is no network namespace `{missing}`: none that has a name or a process has that inode"
            )));
        }
        places.retain(|place| wanted.contains(&place.inode));
    }
    Ok(places)
}

#[derive(Debug, thiserror::Error)]
pub(super) enum LookError {
    #[error(transparent)]
    Netns(#[from] NetnsError),
    #[error("cannot read its {0}")]
    Probe(#[from] ProbeError),
}

impl LookError {
    /// Whether the namespace is not there any more; what was asked of it may have failed in any way then.
    pub(super) fn is_gone(&self, place: &Place) -> bool {
        matches!(self, Self::Netns(NetnsError::Gone))
            || match fs::metadata(&*place.path) {
                // `ip netns del` unmounts before it unlinks; a process can enter another namespace.
                Ok(metadata) => metadata.ino() != u64::from(place.inode),
                Err(error) => error.kind() == ErrorKind::NotFound,
            }
    }
}

/// What one namespace told.
struct Looked {
    netns: Netns,
    at: Timestamp,
    inventory: Inventory,
    gaps: Vec<Arc<str>>,
}

fn look(namespaces: &mut Namespaces, place: &Place, all: bool) -> Result<Looked, LookError> {
    let found = namespaces.open_path(place.inode, Arc::clone(&place.path))?;
    let deadline = Instant::now() + TIME_MAX;
    namespaces
        .inside(&found, |netns| read(netns, all, deadline))?
        .map_err(LookError::from)
}

/// Reads no more than is needed: most namespaces translate nothing.
fn read(netns: Netns, all: bool, deadline: Instant) -> Result<Looked, ProbeError> {
    let (ruleset, network) = rules::read(deadline)?;
    let mut gaps = ruleset.gaps.clone();
    let mut probe = Probe::new(deadline);
    let translates = inventory::translates(&ruleset);
    let entries = entries(&mut probe, &network).unwrap_or_else(|error| {
        gaps.push(error.to_string().into());
        None
    });
    let mut listeners = Listeners::default();
    if translates || entries.as_ref().is_some_and(|entries| !entries.is_empty()) {
        let mut keep = |read: Result<Option<_>, ProbeError>| {
            read.unwrap_or_else(|error| {
                gaps.push(error.to_string().into());
                None
            })
        };
        listeners.tcp = keep(probe.listeners(None).map(Some));
        listeners.udp = keep(probe.receivers());
    }
    let facts = Facts {
        ruleset: &ruleset,
        network: &network,
        listeners: &listeners,
        entries: entries.as_deref(),
    };
    let inventory = inventory::inventory(&facts, all);
    if inventory.cut {
        gaps.push("it translates more than is told".into());
    }
    Ok(Looked {
        netns,
        at: now(),
        inventory,
        gaps,
    })
}

/// The entries whose destination was made a local one.
pub(super) fn entries(probe: &mut Probe, network: &Network) -> Result<Option<Vec<Conntrack>>, ProbeError> {
    match probe.conntrack_count() {
        Ok(0) => return Ok(Some(Vec::new())),
        // A kernel without conntrack.
        Err(ProbeError {
            error: NetlinkError::Refused(_),
            ..
        }) => return Ok(None),
        Ok(_) => {}
        Err(error) => return Err(error),
    }
    let mut entries = Vec::new();
    let mut cut = false;
    probe.conntrack_dump(|entry| {
        if entry.redirects() && network.is_local(entry.leaving().destination.address) {
            if entries.len() >= ENTRIES_MAX {
                cut = true;
                return ControlFlow::Break(());
            }
            entries.push(entry);
        }
        ControlFlow::Continue(())
    })?;
    if cut {
        tracing::warn!(ENTRIES_MAX, "more translated connections than are counted");
    }
    Ok(Some(entries))
}

impl PortSurvey {
    fn add(&mut self, place: &Place, looked: Looked, namer: &mut Namer) {
        self.namespaces += 1;
        self.gaps
            .extend(looked.gaps.iter().map(|gap| format!("{}: {gap}", place.path)));
        if looked.inventory.translations.is_empty() {
            return;
        }
        let identity = namer.name(Subject::Netns(looked.netns), looked.at);
        let space = Arc::new(Space {
            netns: looked.netns,
            enter: Some(Arc::clone(&place.path)),
            names: place.names.clone(),
            container: identity.container,
            pod: identity.pod,
            process: place.process.map(|pid| Process {
                pid,
                comm: process::comm(pid),
            }),
        });
        let translations = looked.inventory.translations.into_iter();
        self.ports.extend(translations.map(|translation| Port {
            at: looked.at,
            space: Arc::clone(&space),
            translation,
        }));
    }

    /// Finds all holders in one walk over the processes.
    fn name_listeners(&mut self) {
        let mut inodes = HashSet::new();
        let mut spaces = HashSet::new();
        for port in &self.ports {
            if let Listening::By(listener) = &port.translation.listening {
                inodes.insert(listener.inode);
                spaces.insert(port.space.netns.inode);
            }
        }
        let holders: HashMap<u32, Process> = process::holders_within(HOLDERS_TIME, &inodes, &spaces);
        for port in &mut self.ports {
            if let Listening::By(listener) = &mut port.translation.listening {
                listener.process = holders.get(&listener.inode).copied();
            }
        }
    }
}

/// For one namespace, whatever the kernel does.
const TIME_MAX: Duration = Duration::from_secs(5);
/// For the search for those who hold listening sockets.
const HOLDERS_TIME: Duration = Duration::from_secs(1);
/// Translated connections counted in one namespace.
pub(super) const ENTRIES_MAX: usize = 65_536;
