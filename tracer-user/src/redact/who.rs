//! Names of programs, containers and pods: texts that may hold addresses.

use super::{Redact, Redactor};
use crate::model::who::{Container, Identity, Names, Pod, Subject};
use std::sync::Arc;

impl Redact for Names {
    fn redact(&mut self, by: &Redactor) {
        let redacted = self.iter().map(|(subject, identity)| {
            let (mut subject, mut identity) = (*subject, Identity::clone(identity));
            subject.redact(by);
            identity.redact(by);
            (subject, Arc::new(identity))
        });
        *self = redacted.collect();
    }
}

impl Redact for Subject {
    fn redact(&mut self, by: &Redactor) {
        match self {
            Self::Process {
                pid: _,
                comm,
                cgroup: _,
            } => comm.redact(by),
            Self::Netns(_) => {}
        }
    }
}

impl Redact for Identity {
    fn redact(&mut self, by: &Redactor) {
        let Self {
            executable,
            command_line,
            container,
            pod,
        } = self;
        executable.redact(by);
        command_line.redact(by);
        container.redact(by);
        if let Some(pod) = pod {
            Arc::make_mut(pod).redact(by);
        }
    }
}

impl Redact for Container {
    fn redact(&mut self, by: &Redactor) {
        let Self {
            id: _,
            runtime: _,
            name,
        } = self;
        name.redact(by);
    }
}

impl Redact for Pod {
    fn redact(&mut self, by: &Redactor) {
        let Self {
            name,
            namespace,
            uid: _,
            labels,
        } = self;
        name.redact(by);
        namespace.redact(by);
        for (_, value) in labels {
            value.redact(by);
        }
    }
}
