//! Where the changes of conntrack entries come from, where they were asked for: the kernel's hooks, or else ctnetlink.

use crate::ctnetlink::{Counts, Settings, Stream};
use crate::kernel::facts::Listeners;
use crate::kernel::load::Probes;
use crate::model::event::Event;
use crate::model::finding::Cause;
use crate::model::hook::How;
use crate::model::identity::Netns;
use crate::sink::{Hook, HookStats};

pub(super) struct Conntrack {
    source: Source,
    /// Of streams that ended before.
    past: Counts,
    /// It broke off, and that was not told yet.
    broke: bool,
}

enum Source {
    /// They were not asked for, or the hooks tell them.
    Hooks,
    Netlink(Box<Stream>),
    /// Nobody tells them.
    Failed(String),
}

impl Conntrack {
    pub(super) fn new() -> Self {
        Self {
            source: Source::Hooks,
            past: Counts::default(),
            broke: false,
        }
    }

    /// Starts or ends the stream, as the hooks leave it to do: one source, never two. `true`: what `hello` says is
    /// another.
    pub(super) fn follow(&mut self, probes: &Probes) -> bool {
        match (&self.source, probes.needs_ctnetlink()) {
            (Source::Hooks, true) => {
                let settings = Settings {
                    listeners_per_namespace: probes.facts().conntrack_listeners == Listeners::OfEach,
                    ..Settings::default()
                };
                self.source = match Stream::start(settings) {
                    Ok(stream) => {
                        // The next `hello` tells them.
                        let _ = stream.limits_changed();
                        Source::Netlink(Box::new(stream))
                    }
                    Err(error) => Source::Failed(error.to_string()),
                };
                true
            }
            (Source::Netlink(_) | Source::Failed(_), false) => {
                self.past = self.counts();
                self.source = Source::Hooks;
                true
            }
            (Source::Netlink(stream), true) => stream.limits_changed(),
            (Source::Failed(_), true) => std::mem::take(&mut self.broke),
            (Source::Hooks, false) => false,
        }
    }

    /// The next changes; never, where there is no stream.
    pub(super) async fn recv(&mut self) -> Vec<Event> {
        if let Source::Netlink(stream) = &mut self.source {
            if let Some(events) = stream.recv().await {
                return events;
            }
            self.fail();
        }
        std::future::pending().await
    }

    /// See [`Stream::met`].
    pub(super) fn met(&mut self, netns: Netns) {
        if let Source::Netlink(stream) = &mut self.source {
            stream.met(netns);
        }
    }

    /// Ends it; the changes that were on their way.
    pub(super) fn end(&mut self) -> Vec<Event> {
        match &mut self.source {
            Source::Netlink(stream) => stream.end(),
            Source::Hooks | Source::Failed(_) => Vec::new(),
        }
    }

    /// Completes what `hello` says of hooks that netlink stands in for.
    pub(super) fn describe(&self, hooks: &mut Vec<Hook>) {
        match &self.source {
            Source::Hooks => {}
            Source::Netlink(stream) => hooks.push(Hook {
                name: NAME.into(),
                how: How::Netlink,
                reason: Some(stream.limits()),
                weakens: Vec::new(),
            }),
            Source::Failed(reason) => {
                for hook in hooks.iter_mut().filter(|hook| hook.how == How::Netlink) {
                    hook.how = How::Absent;
                }
                hooks.push(Hook {
                    name: NAME.into(),
                    how: How::Absent,
                    reason: Some(reason.clone()),
                    weakens: WEAKENS.iter().filter_map(|cause| Cause::from_name(cause)).collect(),
                });
            }
        }
    }

    /// What was lost since the start, by the name that a `loss` line gives it.
    pub(super) fn losses(&self) -> [(&'static str, u64); 4] {
        let counts = self.counts();
        [
            (NAME, counts.overrun),
            ("ctnetlink-undecodable", counts.undecodable),
            ("ctnetlink-unknown-netns", counts.nameless),
            ("ctnetlink-not-read-again", counts.not_read_again),
        ]
    }

    pub(super) fn stats(&self) -> Option<HookStats> {
        let counts = self.counts();
        (counts != Counts::default()).then(|| HookStats {
            name: NAME.into(),
            runs: Some(counts.messages),
            lost: counts.overrun,
            failed_reads: counts.undecodable + counts.nameless,
            ..HookStats::default()
        })
    }

    fn counts(&self) -> Counts {
        match &self.source {
            Source::Netlink(stream) => self.past.plus(stream.counts()),
            Source::Hooks | Source::Failed(_) => self.past,
        }
    }

    fn fail(&mut self) {
        self.past = self.counts();
        tracing::error!("the stream of conntrack changes broke off");
        self.source = Source::Failed("it broke off".to_owned());
        self.broke = true;
    }
}

const NAME: &str = "ctnetlink";
/// Causes that need to know when an entry went.
const WEAKENS: [&str; 2] = ["nat-binding-lost", "stale-conntrack"];
