//! What a new configuration changes: what can be done while the agent runs, and what needs a restart.

use super::Config;

/// Keys by what happens to them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// In force from now on.
    pub applied: Vec<&'static str>,
    /// As before until the agent is started again.
    pub deferred: Vec<&'static str>,
}

impl Changes {
    pub fn between(old: &Config, new: &Config) -> Self {
        let Config {
            trace,
            identities,
            serve,
            output,
            otlp,
        } = old;
        let applied = [
            ("trace.hang-after", trace.hang_after != new.trace.hang_after),
            ("trace.port", trace.port != new.trace.port),
            ("trace.comm", trace.comm != new.trace.comm),
            ("trace.cidr", trace.cidr != new.trace.cidr),
            ("trace.pod", trace.pod != new.trace.pod),
            ("trace.container", trace.container != new.trace.container),
        ];
        let deferred = [
            ("trace.events", trace.events != new.trace.events),
            (
                "trace.conntrack-events",
                trace.conntrack_events != new.trace.conntrack_events,
            ),
            ("trace.netns", trace.netns != new.trace.netns),
            ("trace.redact", trace.redact != new.trace.redact),
            ("identities", *identities != new.identities),
            ("serve", *serve != new.serve),
            ("output", *output != new.output),
            ("otlp", *otlp != new.otlp),
        ];
        Self {
            applied: changed(&applied),
            deferred: changed(&deferred),
        }
    }
}

fn changed(keys: &[(&'static str, bool)]) -> Vec<&'static str> {
    keys.iter()
        .filter(|(_, changed)| *changed)
        .map(|(key, _)| *key)
        .collect()
}
