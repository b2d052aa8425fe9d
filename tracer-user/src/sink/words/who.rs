//! A process's pod and container, for a person.

use crate::model::finding::{Connection, Culprit, Finding};
use crate::model::who::{Container, Identity, Pod, Runtime};
use crate::sink::text::Shown;

/// What a line about it is called, and what it says; `None` where nothing is known.
fn place(identity: &Identity) -> Option<(&'static str, String)> {
    let container = identity.container.as_ref().map(container);
    let Some(pod) = &identity.pod else {
        return container.map(|container| ("container", container));
    };
    let pod = pod_name(pod);
    Some((
        "pod",
        container.map_or(pod.clone(), |container| format!("{pod}, container {container}")),
    ))
}

/// The same of a finding's connection.
pub fn place_of(finding: &Finding, connection: &Connection) -> Option<(&'static str, String)> {
    place(finding.names.of_connection(connection)?)
}

/// The program that has the connection, where its path says more than the thread's name; its arguments, where they were
/// asked for.
pub fn program(finding: &Finding, connection: &Connection) -> Option<String> {
    let identity = finding.names.of_holder(connection)?;
    let owner = connection.owner.map(|owner| owner.comm);
    let comm = owner.or_else(|| connection.holder.map(|holder| holder.comm));
    program_of(identity, comm.unwrap_or_default().as_bytes())
}

fn program_of(identity: &Identity, comm: &[u8]) -> Option<String> {
    if let Some(line) = &identity.command_line {
        return Some(shown(line));
    }
    let path = identity.executable.as_deref()?;
    let file = path.rsplit('/').next().unwrap_or(path);
    (!file.as_bytes().starts_with(comm)).then(|| shown(path))
}

/// Where those who do it belong, each once, the connection's own place left out.
pub fn culprits_places(finding: &Finding) -> Vec<String> {
    let own = finding.connection.as_ref().and_then(|own| place_of(finding, own));
    let mut all = Vec::new();
    for culprit in &finding.culprits {
        let identity = match culprit {
            Culprit::Rule { netns, .. } | Culprit::Sysctl { netns, .. } => finding.names.of_netns(*netns),
            Culprit::Listener(listener) => listener
                .process
                .and_then(|process| finding.names.of_process(process.pid, process.comm)),
            Culprit::Process(process) => finding.names.of_process(process.pid, process.comm),
            Culprit::ConntrackEntry(_) | Culprit::Peer { .. } => None,
        };
        let Some((label, text)) = identity.and_then(|identity| place(identity)) else {
            continue;
        };
        let line = format!("{label} {text}");
        if own.as_ref().is_none_or(|(of, is)| (*of, is) != (label, &text)) && !all.contains(&line) {
            all.push(line);
        }
    }
    all
}

/// `shop/cart-0`, or what is known instead.
pub fn pod_name(pod: &Pod) -> String {
    match (&pod.namespace, &pod.name, &pod.uid) {
        (Some(namespace), Some(name), _) => format!("{}/{}", shown(namespace), shown(name)),
        (None, Some(name), _) => shown(name),
        (_, None, Some(uid)) => format!("of uid {}", shown(uid)),
        (_, None, None) => "of unknown name".to_owned(),
    }
}

/// `app (6ce776ea58b5, containerd)`.
fn container(container: &Container) -> String {
    let id: String = container.id.chars().take(SHORT_ID).collect();
    let id = shown(&id);
    let runtime = container.runtime.map(Runtime::name);
    match (&container.name, runtime) {
        (Some(name), _) => format!("{} ({id})", shown(name)),
        (None, Some(runtime)) => format!("{id} ({runtime})"),
        (None, None) => id,
    }
}

fn shown(text: &str) -> String {
    Shown(text.as_bytes()).to_string()
}

/// As the runtimes' own tools show ids.
const SHORT_ID: usize = 12;

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    fn container() -> Container {
        Container {
            id: "6ce776ea58b5bf1d2dc5cbbb1b9e0e2e7eba6d63d4cd5c7a3fdb1f5ecf6f6f11".into(),
            runtime: Some(Runtime::Containerd),
            name: None,
        }
    }

    fn identity(pod: Option<Pod>, name: Option<&str>) -> Identity {
        Identity {
            container: Some(Container {
                name: name.map(Into::into),
                ..container()
            }),
            pod: pod.map(Arc::new),
            ..Identity::default()
        }
    }

    #[test]
    fn a_pod_is_told_by_the_best_name_that_is_known() {
        let named = Pod {
            name: Some("cart-0".into()),
            namespace: Some("shop".into()),
            ..Pod::default()
        };
        let numbered = Pod {
            uid: Some("0a1b".into()),
            ..Pod::default()
        };
        for (identity, told) in [
            (
                identity(Some(named), Some("app")),
                ("pod", "shop/cart-0, container app (6ce776ea58b5)"),
            ),
            (
                identity(Some(numbered), None),
                ("pod", "of uid 0a1b, container 6ce776ea58b5 (containerd)"),
            ),
            (identity(None, None), ("container", "6ce776ea58b5 (containerd)")),
        ] {
            assert_eq!(place(&identity), Some((told.0, told.1.to_owned())));
        }
        assert_eq!(place(&Identity::default()), None);
    }

    #[test]
    fn names_of_pods_cannot_write_to_the_terminal() {
        let pod = Pod {
            name: Some("a\u{1b}[31m\nb".into()),
            namespace: Some("\u{202e}x".into()),
            ..Pod::default()
        };
        let (_, told) = place(&identity(Some(pod), Some("\"\r"))).unwrap_or_default();
        assert!(
            !told.chars().any(|char| char.is_control() || char == '\u{202e}'),
            "{told:?}"
        );
    }

    #[test]
    fn a_program_is_told_where_its_path_says_more_than_the_thread() {
        let runs = |path: &str| Identity {
            executable: Some(path.into()),
            ..Identity::default()
        };
        assert_eq!(program_of(&runs("/usr/bin/curl"), b"curl"), None);
        assert_eq!(
            program_of(&runs("/usr/bin/a-very-long-program-name"), b"a-very-long-pro"),
            None
        );
        assert_eq!(
            program_of(&runs("/opt/java/bin/java"), b"http-nio-8080"),
            Some("/opt/java/bin/java".to_owned())
        );
    }
}
