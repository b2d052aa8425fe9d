//! Who is behind the numbers of a finding.

use crate::model::finding::Finding;
use crate::model::who::{Container, Identity, Names, Pod, Runtime, Subject};
use std::sync::Arc;

pub(in crate::sink) fn identity() -> Identity {
    Identity {
        executable: Some("/usr/local/bin/fetch".into()),
        command_line: Some("fetch --every 5s cart:9000".into()),
        container: Some(Container {
            id: "6ce776ea58b5bf1d2dc5cbbb1b9e0e2e7eba6d63d4cd5c7a3fdb1f5ecf6f6f11".into(),
            runtime: Some(Runtime::Containerd),
            name: Some("app".into()),
        }),
        pod: Some(pod("cart-7f9c5d-x2x4p")),
    }
}

pub(super) fn pod(name: &str) -> Arc<Pod> {
    Arc::new(Pod {
        name: Some(name.into()),
        namespace: Some("shop".into()),
        uid: Some("0a1b2c3d-0000-4000-8000-00000000cafe".into()),
        labels: vec![("app.kubernetes.io/name".into(), "cart".into())],
    })
}

/// Everybody in the finding has a name; namespaces are those of another pod.
pub(super) fn named(finding: Finding) -> Finding {
    let mut names = Vec::new();
    finding.each_subject(|subject| {
        let identity = match subject {
            Subject::Process { .. } => identity(),
            Subject::Netns(_) => Identity {
                pod: Some(pod("agent-0")),
                ..Identity::default()
            },
        };
        if !names.iter().any(|(of, _)| *of == subject) {
            names.push((subject, Arc::new(identity)));
        }
    });
    Finding {
        names: names.into_iter().collect::<Names>(),
        hanging: finding.count,
        ..finding
    }
}
