//! A packet's way through everything that is registered at one hook.

use super::chain::Through;
use super::field::entries;
use super::nat::apply;
use super::order::Stage;
use super::state::{Entry, Manip, Site, State, Track, Traveller};
use super::way::{OUTCOMES, Run};
use super::{Walker, merge};
use crate::model::rules::{ChainId, ChainKind, Fact, Hook, Tracking};

/// What one way through a chain comes to.
#[derive(Clone, Debug)]
pub(super) enum Pass {
    On(Traveller),
    Ended(Traveller, crate::model::rules::End),
}

impl Run<'_, '_> {
    /// Those that pass the hook.
    pub(super) fn hook(&mut self, hook: Hook, mut travellers: Vec<Traveller>) -> Vec<Traveller> {
        for traveller in &mut travellers {
            let state = &mut traveller.state;
            state.hook = hook;
            state.before = (state.flow.destination, state.mark);
        }
        let walker = self.walker;
        let is_ipv6 = travellers.first().is_some_and(|traveller| traveller.state.is_ipv6());
        let Some(order) = walker.orders(is_ipv6).at(hook) else {
            return travellers;
        };
        self.truncated |= order.more;
        let mut on = Vec::new();
        if let [only] = order.ways.as_slice() {
            on = self.stages(only, travellers);
        } else {
            for way in &order.ways {
                on.extend(self.stages(way, travellers.clone()));
            }
        }
        let mut on = self.bounded(on);
        if matches!(hook, Hook::Input | Hook::Postrouting) {
            for traveller in &mut on {
                if let Track::Entry(entry) = &mut traveller.state.track {
                    entry.confirm();
                }
            }
        }
        on
    }

    fn stages(&mut self, stages: &[Stage], mut travellers: Vec<Traveller>) -> Vec<Traveller> {
        for stage in stages {
            travellers = match stage {
                Stage::Conntrack => travellers.into_iter().flat_map(|one| track(self.walker, one)).collect(),
                Stage::Chain(id) => self.chain(*id, travellers),
                Stage::Nat { ways, more } => {
                    self.truncated |= *more;
                    let each = ways.iter().map(|chains| self.nat(chains, travellers.clone()));
                    each.flatten().collect()
                }
            };
            travellers = self.bounded(travellers);
        }
        travellers
    }

    fn bounded(&mut self, travellers: Vec<Traveller>) -> Vec<Traveller> {
        let mut travellers = merge::alike(travellers);
        self.truncated |= travellers.len() > OUTCOMES;
        travellers.truncate(OUTCOMES);
        travellers
    }

    fn chain(&mut self, id: ChainId, travellers: Vec<Traveller>) -> Vec<Traveller> {
        let base = self.walker.ruleset.chain(id).and_then(|chain| chain.base.as_ref());
        let routes = base.is_some_and(|base| base.kind == ChainKind::Route && base.hook == Hook::Output);
        let mut on = Vec::new();
        for traveller in travellers {
            let mark = traveller.state.mark;
            for mut passed in self.through(id, traveller, false) {
                passed.state.rerouted |= routes && passed.state.mark != mark;
                on.push(passed);
            }
        }
        on
    }

    fn through(&mut self, id: ChainId, traveller: Traveller, translates: bool) -> Vec<Traveller> {
        let mut on = Vec::new();
        for pass in Through::new(self, id, translates).lead(traveller) {
            match pass {
                Pass::On(traveller) => on.push(traveller),
                Pass::Ended(traveller, end) => self.end(traveller, end),
            }
        }
        on
    }

    /// The nat chains for the first packet of a connection, the entry's translation for the others.
    fn nat(&mut self, chains: &[ChainId], travellers: Vec<Traveller>) -> Vec<Traveller> {
        let mut done = Vec::new();
        let mut meeting = Vec::new();
        for traveller in travellers {
            let manip = Manip::at(traveller.state.hook);
            let (Some(entry), Some(manip)) = (traveller.state.entry(), manip) else {
                done.push(traveller);
                continue;
            };
            let is_error = matches!(traveller.state.packet.protocol, 1 | 58);
            let decided = entry.is_bound(manip) || (entry.state == Entry::RELATED && is_error);
            let vague = entry.reply.is_none();
            if vague {
                done.extend([moved(&traveller, manip), traveller.clone()]);
            }
            if !decided {
                meeting.push((traveller, manip));
            } else if !vague {
                let mut traveller = traveller;
                apply(&mut traveller.state, manip);
                done.push(traveller);
            }
        }
        for chain in chains {
            let mut unbound = Vec::new();
            for (traveller, manip) in meeting {
                for passed in self.through(*chain, traveller, true) {
                    if passed.state.entry().is_some_and(|entry| entry.is_bound(manip)) {
                        done.push(passed);
                    } else {
                        unbound.push((passed, manip));
                    }
                }
            }
            meeting = unbound;
        }
        for (mut traveller, manip) in meeting {
            if let Track::Entry(entry) = &mut traveller.state.track
                && !entry.confirmed
            {
                entry.bind(manip);
            }
            apply(&mut traveller.state, manip);
            done.push(traveller);
        }
        done
    }
}

/// Conntrack's own place in the order.
fn track(walker: &Walker<'_>, traveller: Traveller) -> Vec<Traveller> {
    let unseen = matches!(traveller.state.track, Track::None | Track::Template(_));
    if !unseen {
        return vec![traveller];
    }
    tracked(walker, &traveller.state)
        .into_iter()
        .map(|state| Traveller {
            state,
            steps: traveller.steps.clone(),
        })
        .collect()
}

/// The packet as conntrack may see it, which does not look where no rule needs it.
pub(super) fn tracked(walker: &Walker<'_>, state: &State) -> Vec<State> {
    let is_assumed = matches!(state.tracking, Tracking::New | Tracking::Unknown);
    if is_assumed && !walker.tracks_family(state.is_ipv6()) {
        return vec![*state];
    }
    let all = entries(state).into_iter();
    all.map(|(track, connmark)| State {
        connmark,
        track,
        ..*state
    })
    .collect()
}

/// Translated in a way that is not known.
fn moved(traveller: &Traveller, manip: Manip) -> Traveller {
    let mut moved = traveller.clone();
    let ports = moved.state.has_ports();
    let flow = &mut moved.state.flow;
    let (site, port) = match manip {
        Manip::Destination => (&mut flow.destination, &mut flow.destination_port),
        Manip::Source => (&mut flow.source, &mut flow.source_port),
    };
    *site = Site::Unknown;
    if ports {
        *port = Fact::Unknown;
    }
    moved
}
