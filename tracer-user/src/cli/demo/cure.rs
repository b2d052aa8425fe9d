//! `demo --fix`: does what the finding says, and sees whether it helps.

use super::narrate;
use crate::lab::{Lab, LabError};
use crate::model::finding::{Cause, Finding};
use crate::sink::words::{self, FixKind};

/// A finding that was given out.
#[derive(Debug)]
pub(super) struct Sighting {
    pub(super) cause: Cause,
    /// What it says to run first.
    command: Option<String>,
}

impl Sighting {
    pub(super) fn of(finding: &Finding) -> Self {
        let mut fixes = words::fixes(finding).into_iter();
        Self {
            cause: finding.cause,
            command: fixes
                .find(|fix| fix.kind == FixKind::Command)
                .and_then(|fix| fix.command),
        }
    }
}

/// Does what the finding says first.
pub(super) async fn cure(mut lab: Lab, sighting: Sighting) -> Result<Lab, LabError> {
    let Some(command) = sighting.command else {
        return Err(LabError::NoCommand { cause: sighting.cause });
    };
    let curing = tokio::task::spawn_blocking(move || lab.cure(&command, &mut |step| narrate(step)).map(|()| lab));
    curing
        .await
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
}
