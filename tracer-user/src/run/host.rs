//! What the host says of itself: the first line of the output; and the log of the probes.

use super::{Options, clock, confinement, ready};
use crate::failure::Failure;
use crate::kernel::hooks;
use crate::kernel::load::{LoadError, Probes, Settings};
use crate::kernel::plan::{HookStatus, Ladder};
use crate::kernel::privilege::PrivilegeError;
use crate::model::finding::Cause;
use crate::model::hook::How;
use crate::sink::{Hello, Hook, NETNS_OPTION, RULES_OPTION};
use std::collections::BTreeMap;
use std::fs;

/// What would run here if everything were asked for.
#[derive(Debug)]
pub struct Survey {
    pub hello: Hello,
    /// A hook that no trace is whole without cannot run.
    pub core_is_missing: bool,
}

/// Attaches everything once, and lets go of it. What the kernel lacks is told in the survey; missing privileges are an
/// error.
pub fn survey(ladder: Ladder) -> Result<Survey, Failure> {
    let settings = Settings {
        export_all: true,
        conntrack_events: true,
        ladder,
        ..Settings::default()
    };
    let statuses = match Probes::load(&settings) {
        Ok(probes) => probes.hooks().to_vec(),
        Err(error @ LoadError::Privilege(PrivilegeError::Capabilities(_))) => return Err(error.into()),
        Err(error) => HookStatus::none(&error.to_string()),
    };
    let is_core = |status: &HookStatus| hooks::spec(status.hook).is_some_and(|spec| spec.core);
    let core_is_missing = statuses
        .iter()
        .any(|status| status.how == How::Absent && is_core(status));
    let missing = confinement::missing_capabilities();
    Ok(Survey {
        hello: Hello {
            options: missing
                .map(|(name, names)| (name.to_owned(), names))
                .into_iter()
                .collect(),
            ..bare(&statuses)
        },
        core_is_missing,
    })
}

pub(super) fn hello(probes: &Probes, options: &Options) -> Hello {
    let described = options
        .described
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.clone()));
    Hello {
        options: described.chain(namespaces(options)).chain([rules()]).collect(),
        ..bare(probes.hooks())
    }
}

/// The first line of a command that attaches nothing.
pub fn greeting(options: impl IntoIterator<Item = (&'static str, String)>) -> Hello {
    let options = options.into_iter().map(|(name, value)| (name.to_owned(), value));
    Hello {
        options: options.collect(),
        ..bare(&[])
    }
}

fn bare(hooks: &[HookStatus]) -> Hello {
    let uname = rustix::system::uname();
    Hello {
        at: clock::now(),
        session: line("/proc/sys/kernel/random/uuid").unwrap_or_default(),
        boot_id: line("/proc/sys/kernel/random/boot_id"),
        part: 0,
        host: Some(uname.nodename().to_string_lossy().into_owned()),
        kernel: uname.release().to_string_lossy().into_owned(),
        architecture: uname.machine().to_string_lossy().into_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        options: BTreeMap::new(),
        hooks: hooks.iter().map(hook).collect(),
    }
}

/// What replay has to know of the filter: answers about every namespace are recorded whole.
fn namespaces(options: &Options) -> Option<(String, String)> {
    let inodes: Vec<_> = options.filter.netns.iter().map(u32::to_string).collect();
    (!inodes.is_empty()).then(|| (NETNS_OPTION.to_owned(), inodes.join(",")))
}

/// What replay has to know too: that findings waited for their rules.
fn rules() -> (String, String) {
    (RULES_OPTION.to_owned(), "walked".to_owned())
}

fn hook(status: &HookStatus) -> Hook {
    Hook {
        name: status.name.into(),
        how: status.how,
        reason: status.reason.clone(),
        weakens: status
            .weakens
            .iter()
            .filter_map(|cause| Cause::from_name(cause))
            .collect(),
    }
}

/// The first line of a small file of the kernel's.
fn line(path: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    text.lines().next().map(str::to_owned)
}

/// Reads the probes' log in the background and passes it on to the program's own.
pub(super) fn forward_probe_log(probes: &mut Probes) {
    let log = match probes.take_log() {
        Ok(log) => log,
        Err(error) => return tracing::warn!(%error, "the probes' log cannot be read"),
    };
    let Ok(mut log) = ready::readable(log) else {
        return tracing::warn!("the probes' log cannot be waited for");
    };
    tokio::spawn(async move {
        while let Ok(mut guard) = log.readable_mut().await {
            guard.get_inner_mut().flush();
            guard.clear_ready();
        }
    });
}
