//! What is the same for everything that is given away together: version, revision, and the one date in it.

use std::{env, process::Command};

use anyhow::Context as _;

use crate::{process::required_output_of, workspace::Workspace};

#[derive(Clone, Debug)]
pub(super) struct Release {
    pub(super) version: &'static str,
    /// Git's name of the commit, marked where the files differ from it.
    pub(super) revision: String,
    /// Seconds since 1970: `SOURCE_DATE_EPOCH` where that is set, as other tools for reproducible builds read it, else the
    /// commit's.
    pub(super) seconds: u64,
}

impl Release {
    pub(super) fn of(workspace: &Workspace) -> anyhow::Result<Self> {
        let seconds = match env::var("SOURCE_DATE_EPOCH") {
            Ok(seconds) => seconds,
            Err(_) => git(workspace, &["log", "-1", "--format=%ct"])?,
        };
        let seconds = seconds.trim().parse();
        Ok(Self {
            version: env!("CARGO_PKG_VERSION"),
            revision: git(
                workspace,
                &["describe", "--always", "--abbrev=40", "--exclude=*", "--dirty"],
            )?,
            seconds: seconds.context("SOURCE_DATE_EPOCH has to be a number of seconds")?,
        })
    }

    /// The date as RFC 3339 writes it.
    pub(super) fn date(&self) -> anyhow::Result<String> {
        let seconds = i64::try_from(self.seconds).context("a date that far away")?;
        Ok(jiff::Timestamp::from_second(seconds)?.to_string())
    }

    /// The name of an archive, and of the one folder in it.
    pub(super) fn name(&self, platform: &str) -> String {
        format!("conntracer-{}-{platform}-linux", self.version)
    }
}

fn git(workspace: &Workspace, args: &[&str]) -> anyhow::Result<String> {
    let mut git = Command::new("git");
    Ok(required_output_of(git.args(args).current_dir(&workspace.root))?
        .trim()
        .to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_date_and_the_name_are_written_as_others_expect_them() {
        let release = Release {
            version: "1.2.3",
            revision: "abc".into(),
            seconds: 1_795_944_722,
        };
        assert_eq!(release.date().unwrap(), "2026-11-29T09:32:02Z");
        assert_eq!(release.name("x86_64"), "conntracer-1.2.3-x86_64-linux");
    }
}
