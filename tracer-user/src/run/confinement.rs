//! When the shell gives up what it needs no more.

use super::Shell;
use crate::confine::{self, Forbidden, Role};
use caps::Capability;

impl Shell {
    /// Gives up what tracing needs no more, for good. For a process that does nothing else, with its output open.
    pub fn confine(&mut self) {
        confine::process(Forbidden::Programs);
        self.confine_to(self.role());
    }

    /// After a change of hooks: the last module may have come.
    pub(super) fn confine_further(&mut self) {
        let role = self.role();
        if self.confined.is_some_and(|before| before != role) {
            self.confine_to(role);
        }
    }

    fn confine_to(&mut self, role: Role) {
        confine::thread(role);
        if !self.probes.follows_modules() {
            confine::process(Forbidden::Probes);
        }
        self.confined = Some(role);
    }

    fn role(&self) -> Role {
        if self.probes.follows_modules() {
            // Where hooks do not tell conntrack's changes any more, netlink is to be started.
            return if self.options.conntrack_events {
                Role::Start
            } else {
                Role::Follow
            };
        }
        // Up to Linux 5.18, where unprivileged users may not use bpf(2), reading a map takes CAP_BPF.
        let given_up = [Capability::CAP_BPF, Capability::CAP_SYS_ADMIN];
        if confine::without(&given_up, || self.account.can_read()) {
            Role::Shell
        } else {
            Role::Follow
        }
    }
}

/// The capabilities that are missed, as an option of `hello`. To be asked for before any is given up.
pub(super) fn missing_capabilities() -> Option<(&'static str, String)> {
    let missing = confine::missing();
    let names: Vec<_> = missing.iter().map(|need| need.capability.to_string()).collect();
    (!names.is_empty()).then(|| ("missing-capabilities", names.join(",")))
}

/// Says in the log what is weaker for each capability that is missed.
pub fn warn_of_missing_capabilities() {
    for need in confine::missing() {
        tracing::warn!("without {}: {}", need.capability, need.without);
    }
}
