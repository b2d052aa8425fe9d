//! From hook to hook: where a packet goes after each, and what all its ways come to.

use super::number::{Mark, Truth};
use super::state::{Device, Flow, Site, State, Track, Traveller};
use super::{Walker, hook, merge};
use crate::model::rules::{End, Fact, Hook, Journey, Outcome, Packet, Tracking, Walk};

/// One walk.
pub(super) struct Run<'w, 'a> {
    pub(super) walker: &'w Walker<'a>,
    packet: Packet,
    /// Rules that may still be looked at.
    budget: usize,
    pub(super) truncated: bool,
    ends: Vec<(Traveller, End)>,
    leaves_by: Device,
}

impl<'w, 'a> Run<'w, 'a> {
    pub(super) fn new(walker: &'w Walker<'a>, packet: &Packet) -> Self {
        Self {
            walker,
            packet: *packet,
            budget: RULES,
            truncated: false,
            ends: Vec::new(),
            leaves_by: Device::Unknown,
        }
    }

    pub(super) fn journey(mut self, journey: Journey) -> Walk {
        let start = match journey {
            Journey::Output { device } => self.output_start(device.into()),
            Journey::Arrival { device, leaves_by } => {
                self.leaves_by = leaves_by.into();
                self.arrival_start(device.into())
            }
        };
        let mut pending = start;
        while let Some(hook) = pending.first().map(|traveller| traveller.state.hook) {
            let (now, later): (Vec<_>, Vec<_>) = pending.into_iter().partition(|one| one.state.hook == hook);
            pending = later;
            for traveller in self.hook(hook, now) {
                self.onward(traveller, &mut pending);
            }
        }
        self.finish()
    }

    pub(super) fn single(mut self, hook: Hook, input: Device, output: Device) -> Walk {
        let state = self.state(hook, input, output);
        let seen = matches!(hook, Hook::Input | Hook::Forward | Hook::Postrouting);
        let mut states = if seen {
            hook::tracked(self.walker, &state)
        } else {
            vec![state]
        };
        if seen && self.walker.orders(state.is_ipv6()).translates {
            for state in &mut states {
                if let Track::Entry(entry) = &mut state.track {
                    entry.bind(super::state::Manip::Destination);
                }
            }
        }
        let end = if hook == Hook::Input { End::Delivered } else { End::Left };
        let travellers = states.into_iter().map(Traveller::from).collect();
        for traveller in self.hook(hook, travellers) {
            self.end(traveller, end);
        }
        self.finish()
    }

    fn state(&self, hook: Hook, input: Device, output: Device) -> State {
        let packet = self.packet;
        let flow = Flow::of(&packet);
        State {
            packet,
            flow,
            mark: Mark::from(packet.mark),
            connmark: Mark::ZERO,
            track: Track::None,
            tracking: packet.tracking,
            hook,
            input,
            output,
            loopback: false,
            taken: false,
            before: (flow.destination, Mark::from(packet.mark)),
            rerouted: false,
        }
    }

    fn output_start(&self, device: Device) -> Vec<Traveller> {
        let device = match (device, self.is_here(Site::Known(self.packet.destination))) {
            (Device::Unknown, Truth::Yes) => self.loopback(),
            (Device::Unknown, Truth::No) => self.sole(),
            (device, _) => device,
        };
        vec![self.state(Hook::Output, Device::Absent, device).into()]
    }

    fn arrival_start(&self, device: Device) -> Vec<Traveller> {
        let state = self.state(Hook::Prerouting, device, Device::Absent);
        if device != self.loopback() {
            return vec![state.into()];
        }
        // It comes from a local socket: OUTPUT and POSTROUTING have seen it.
        let mut states = hook::tracked(self.walker, &state);
        for state in &mut states {
            state.loopback = true;
            if let Track::Entry(entry) = &mut state.track {
                entry.bind(super::state::Manip::Destination);
                entry.bind(super::state::Manip::Source);
            }
        }
        states.into_iter().map(Traveller::from).collect()
    }

    /// Where the packet goes after a hook.
    fn onward(&mut self, traveller: Traveller, pending: &mut Vec<Traveller>) {
        match traveller.state.hook {
            Hook::Output => self.after_output(traveller, pending),
            Hook::Prerouting => self.after_prerouting(traveller, pending),
            Hook::Forward => pending.push(at(traveller, Hook::Postrouting)),
            Hook::Postrouting if traveller.state.loopback => {
                let mut traveller = at(traveller, Hook::Prerouting);
                let state = &mut traveller.state;
                (state.input, state.output) = (state.output, Device::Absent);
                // The packet leaves its socket behind.
                (state.packet.uid, state.packet.gid) = (Fact::Absent, Fact::Absent);
                pending.push(traveller);
            }
            Hook::Input => self.end(traveller, End::Delivered),
            Hook::Postrouting | Hook::Ingress | Hook::Egress => self.end(traveller, End::Left),
        }
    }

    fn after_output(&self, traveller: Traveller, pending: &mut Vec<Traveller>) {
        let state = &traveller.state;
        let moved = state.before.0 != state.flow.destination;
        let here = self.is_here(state.flow.destination);
        // A mark may choose another route, loopback included.
        let by_mark = state.rerouted || (!moved && state.output == self.loopback());
        if here != Truth::No || by_mark {
            let mut local = at(traveller.clone(), Hook::Postrouting);
            local.state.loopback = true;
            local.state.output = self.loopback();
            if here != Truth::No {
                local.state.flow.destination = own(local.state.flow.destination);
            }
            pending.push(local);
        }
        let stays = !moved && !state.rerouted;
        if here == Truth::Yes || (stays && state.output == self.loopback()) {
            return;
        }
        let mut other = at(traveller, Hook::Postrouting);
        if !stays || other.state.output == Device::Unknown {
            other.state.output = self.sole();
        }
        pending.push(other);
    }

    fn after_prerouting(&self, traveller: Traveller, pending: &mut Vec<Traveller>) {
        let state = &traveller.state;
        let here = if state.taken || state.loopback {
            Truth::Yes
        } else {
            self.arrives(state.flow.destination)
        };
        if here != Truth::No {
            let mut local = at(traveller.clone(), Hook::Input);
            local.state.flow.destination = own(state.flow.destination);
            local.state.output = Device::Absent;
            if !state.loopback {
                meet_socket(&mut local.state);
            }
            pending.push(local);
        }
        if here == Truth::Yes {
            return;
        }
        let mut other = at(traveller, Hook::Forward);
        let state = &mut other.state;
        let moved = state.before.0 != state.flow.destination;
        state.output = match self.leaves_by {
            Device::Unknown => self.sole(),
            Device::Known(_) | Device::Absent | Device::Other if moved => self.sole(),
            Device::Known(_) | Device::Absent | Device::Other => self.leaves_by,
        };
        if let Fact::Known(hops) = state.packet.time_to_live {
            state.packet.time_to_live = Fact::Known(hops.saturating_sub(1));
        }
        pending.push(other);
    }

    /// Whether a packet that comes in is delivered here. Broadcasts and multicasts are; that nobody here has joined a
    /// group, and that a multicast is routed as well, is not known.
    fn arrives(&self, site: Site) -> Truth {
        match site {
            Site::Known(address) if address.is_multicast() || self.walker.is_broadcast(address) => Truth::Yes,
            Site::Known(_) | Site::Own | Site::Unknown => self.is_here(site),
        }
    }

    /// Whether packets to there are for this namespace.
    fn is_here(&self, site: Site) -> Truth {
        match site {
            Site::Own => Truth::Yes,
            Site::Unknown => Truth::Maybe,
            Site::Known(address) => self.walker.is_local(address).map_or(Truth::Maybe, Truth::from),
        }
    }

    fn loopback(&self) -> Device {
        Device::Known(self.walker.network.loopback().map_or(1, |link| link.index))
    }

    /// The device that is not loopback, where there is one alone.
    fn sole(&self) -> Device {
        let links = &self.walker.network.links;
        let mut others = links.iter().filter(|link| !link.loopback);
        match (others.next(), others.next()) {
            (Some(link), None) => Device::Known(link.index),
            _ => Device::Other,
        }
    }

    /// Takes from what may still be looked at; `false`: it is used up.
    pub(super) fn spend(&mut self, rules: usize) -> bool {
        let left = self.budget.checked_sub(rules);
        self.truncated |= left.is_none();
        self.budget = left.unwrap_or(0);
        left.is_some()
    }

    pub(super) fn end(&mut self, traveller: Traveller, end: End) {
        self.ends.push((traveller, end));
        if self.ends.len() > 2 * OUTCOMES {
            self.ends = merge::ended(std::mem::take(&mut self.ends));
            self.truncated |= self.ends.len() > OUTCOMES;
            self.ends.truncate(OUTCOMES);
        }
    }

    fn finish(self) -> Walk {
        let mut ends = merge::ended(self.ends);
        let truncated = self.truncated || ends.len() > OUTCOMES;
        ends.truncate(OUTCOMES);
        let certain = ends.len() == 1 && !truncated && self.walker.ruleset.gaps.is_empty();
        let packet = &self.packet;
        let outcomes = ends.into_iter().map(|(traveller, end)| Outcome {
            certain: certain && end != End::Unknown,
            ..outcome(packet, traveller, end)
        });
        Walk {
            outcomes: outcomes.collect(),
            truncated,
        }
    }
}

/// An established connection's socket is found ahead of INPUT, and may own the packet there.
fn meet_socket(state: &mut State) {
    let is_first = state.entry().map_or(state.tracking == Tracking::New, |entry| {
        entry.state == super::state::Entry::NEW
    });
    let early = match state.packet.protocol {
        6 => !is_first,
        17 => true,
        _ => false,
    };
    if early || state.taken {
        (state.packet.uid, state.packet.gid) = (Fact::Unknown, Fact::Unknown);
    }
}

fn outcome(packet: &Packet, traveller: Traveller, end: End) -> Outcome {
    let Traveller { state, steps } = traveller;
    let known = |site, before| match site {
        Site::Known(address) => (address, true),
        Site::Own | Site::Unknown => (before, false),
    };
    let (source, source_known) = known(state.flow.source, packet.source);
    let (destination, destination_known) = known(state.flow.destination, packet.destination);
    let unread = state.tracking == Tracking::Unknown && state.track == Track::None;
    let connmark = match state.entry() {
        Some(_) => state.connmark.fact(),
        None if unread => Fact::Unknown,
        None => Fact::Absent,
    };
    Outcome {
        steps,
        end,
        certain: false,
        packet: Packet {
            source,
            destination,
            source_port: state.flow.source_port,
            destination_port: state.flow.destination_port,
            mark: state.mark.fact(),
            time_to_live: state.packet.time_to_live,
            ..*packet
        },
        source_known,
        destination_known,
        connmark,
    }
}

impl From<State> for Traveller {
    fn from(state: State) -> Self {
        Self {
            state,
            steps: Vec::new(),
        }
    }
}

fn at(mut traveller: Traveller, hook: Hook) -> Traveller {
    traveller.state.hook = hook;
    traveller
}

/// An unknown address of which it is known that it is local.
fn own(site: Site) -> Site {
    match site {
        Site::Unknown => Site::Own,
        Site::Known(_) | Site::Own => site,
    }
}

/// Ways that are followed at a time, and outcomes that are told; past that, `truncated`.
pub(super) const OUTCOMES: usize = 256;
/// Rules that one walk looks at, all ways together; past that, `truncated`.
const RULES: usize = 2_000_000;
