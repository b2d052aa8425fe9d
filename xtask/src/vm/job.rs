//! What a guest is told to do, as the host writes it and the guest reads it.

use serde::{Deserialize, Serialize};

/// Everything for one boot.
#[derive(Debug, Default, Deserialize, Serialize)]
pub(super) struct Job {
    /// Kernel modules, in the order to load them.
    pub(super) modules: Vec<String>,
    /// For every program.
    pub(super) environment: Vec<(String, String)>,
    /// Programs to run one after the other, whatever becomes of the one before.
    pub(super) steps: Vec<Step>,
    /// After so many seconds the guest ends itself, lest it outlives its host's interest.
    pub(super) limit: u64,
    /// Whether to send the kernel's types and symbols.
    pub(super) collect: bool,
}

/// A program to run; what it writes is sent as a file of the step's name, its end as `NAME.code`.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Step {
    pub(super) name: String,
    pub(super) program: String,
    pub(super) args: Vec<String>,
}

/// Where the job lies in the guest.
pub(super) const PLACE: &str = "/job.json";
/// The file that is sent last.
pub(super) const END: &str = "end";
/// The name of the guest's own step.
pub(super) const OWN: &str = "init";
/// The name of the port that leads to the host.
pub(super) const PORT: &str = "conntracer";
