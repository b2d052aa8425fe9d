//! How a program gets root's rights here: it has them, or sudo gives them to that program alone.

use std::{env, path::PathBuf};

use crate::process::{Exit, find_program, is_root};

#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Access {
    Root,
    Sudo(PathBuf),
}

/// Finds the way, or ends with the reason why root is needed.
pub(crate) fn access(reason: &str) -> anyhow::Result<Access> {
    let sudo = find_program("sudo");
    decide(is_root(), is_ci(), sudo).map_err(|problem| Exit::not_possible(format!("{reason}, and {problem}")))
}

pub(crate) fn is_ci() -> bool {
    env::var("CI").is_ok_and(|ci| ci == "true")
}

/// A CI job cannot type a password, and a sudo without one would hide that the job is not what it should be.
fn decide(root: bool, ci: bool, sudo: Option<PathBuf>) -> Result<Access, &'static str> {
    match (root, ci, sudo) {
        (true, _, _) => Ok(Access::Root),
        (false, true, _) => Err("this job (CI=true) does not run as root; run it as root"),
        (false, false, Some(sudo)) => Ok(Access::Sudo(sudo)),
        (false, false, None) => Err("there is no sudo; run this as root"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_needs_no_sudo() {
        let sudo = Some(PathBuf::from("/usr/bin/sudo"));
        assert_eq!(decide(true, true, sudo), Ok(Access::Root));
        assert_eq!(decide(true, false, None), Ok(Access::Root));
    }

    #[test]
    fn a_person_gets_root_by_sudo() {
        let sudo = Some(PathBuf::from("/usr/bin/sudo"));
        assert_eq!(decide(false, false, sudo), Ok(Access::Sudo("/usr/bin/sudo".into())));
    }

    #[test]
    fn a_ci_job_without_root_fails_even_where_sudo_is() {
        let sudo = Some(PathBuf::from("/usr/bin/sudo"));
        assert!(decide(false, true, sudo).is_err());
        assert!(decide(false, false, None).is_err());
    }
}
