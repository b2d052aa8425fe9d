//! What the actions of a rule do to the packet.

use super::chain::{Attempt, Cursor, Through};
use super::nat::Translation;
use super::number::Mark;
use super::state::{Entry, Site, State, Track};
use crate::model::rules::{
    Action, Assign, Backend, Data, Effect, Fact, Nat, Operand, SetId, Source, Target, Tproxy, Tracking, Verdict,
};

/// The packet goes on with the next item of the rule; `None`: it is taken care of.
pub(super) type Act = Option<(Cursor, Attempt)>;

impl Through<'_, '_, '_> {
    pub(super) fn act(&mut self, mut cursor: Cursor, action: &Action, mut attempt: Attempt) -> Act {
        let state = &mut cursor.traveller.state;
        match action {
            Action::Harmless(_) => {}
            Action::Verdict(verdict) => {
                self.decide(cursor, verdict, attempt);
                return None;
            }
            Action::VerdictMap { key, map } => {
                self.choose(cursor, key, *map, attempt);
                return None;
            }
            Action::Assign(assign) => {
                let Some(value) = self.value(state, assign) else {
                    attempt.effect = attempt.effect.or(Some(Effect::Passed));
                    self.miss(cursor, attempt);
                    return None;
                };
                match assign.target {
                    Target::Mark => state.mark = value,
                    Target::Connmark if state.entry().is_some() => state.connmark = value,
                    Target::Connmark => return Some((cursor, attempt)),
                }
                attempt.effect = Some(Effect::Marked);
            }
            Action::Nat(nat) => return self.translate(cursor, nat, attempt),
            Action::Tproxy(tproxy) => return self.tproxy(cursor, tproxy, attempt),
            Action::Notrack => {
                if state.track == Track::None {
                    state.track = Track::Untracked;
                }
                attempt.effect = Some(Effect::Tracking);
            }
            Action::Zone { zone, direction } => {
                // On 6.18 nft's zone takes back what was said of tracking, xt's leaves it.
                if self.is_native(attempt) && state.track == Track::Untracked {
                    state.track = Track::None;
                }
                set_zone(state, *zone, *direction);
                attempt.effect = Some(Effect::Tracking);
            }
            Action::Unknown(_) => {
                attempt.effect = Some(Effect::Unknown);
                attempt.certain = false;
                self.lost(&cursor, attempt);
            }
        }
        Some((cursor, attempt))
    }

    /// Every verdict that the map may have.
    fn choose(&mut self, cursor: Cursor, key: &[Operand], map: SetId, attempt: Attempt) {
        let walker = self.walker();
        let state = &cursor.traveller.state;
        let unsure = Attempt {
            certain: false,
            ..attempt
        };
        let (Some(key), Some(map)) = (walker.key(state, key), walker.set(map)) else {
            self.lost(&cursor, unsure);
            return self.miss(cursor, unsure);
        };
        let found = map.find(&key);
        let verdicts = found.data.iter().filter_map(|data| match data {
            Data::Verdict(verdict) => Some(verdict),
            Data::Values(_) => None,
        });
        if let ([Data::Verdict(verdict)], false, false) = (found.data.as_slice(), found.missing, found.more) {
            return self.decide(cursor, verdict, attempt);
        }
        for verdict in verdicts {
            if self.has_room() {
                self.decide(cursor.clone(), verdict, unsure);
            }
        }
        if found.more {
            self.lost(&cursor, unsure);
        }
        if found.missing && self.has_room() {
            self.miss(cursor, attempt);
        }
    }

    /// Whether the rule is nft's own.
    fn is_native(&self, attempt: Attempt) -> bool {
        let chain = self.walker().ruleset.chain(attempt.id.chain);
        chain.is_some_and(|chain| chain.backend == Backend::Nft)
    }

    /// What is written; `None`: the packet does not have what is read.
    fn value(&self, state: &State, assign: &Assign) -> Option<Mark> {
        let target = match assign.target {
            Target::Mark => state.mark,
            Target::Connmark => state.connmark,
        };
        let source = match &assign.source {
            Source::None => Mark::ZERO,
            Source::Mark { mask, shift } => state.mark.and(*mask).shifted(*shift),
            // xt reads the mark of the template; nft reads it too, or nothing and writes nothing.
            Source::Connmark { .. } if matches!(state.track, Track::Template(_)) => return Some(Mark::UNKNOWN),
            Source::Connmark { mask, shift } => {
                state.entry()?;
                state.connmark.and(*mask).shifted(*shift)
            }
            Source::Operand(operand) => Mark::of(self.walker().operand(state, operand))?,
        };
        Some(target.and(assign.keep).xor(source).xor(Mark::exactly(assign.value)))
    }

    fn translate(&mut self, cursor: Cursor, nat: &Nat, attempt: Attempt) -> Act {
        let state = &cursor.traveller.state;
        if state.entry().is_some_and(|entry| entry.confirmed) {
            self.decide(cursor, &Verdict::Accept, attempt);
            return None;
        }
        let effect = Some(Effect::Translated(nat.kind));
        let translation = if self.translates {
            self.walker().translate(state, nat)
        } else {
            Translation::Skip
        };
        match translation {
            Translation::Skip => Some((cursor, attempt)),
            Translation::Drop => {
                self.decide(cursor, &Verdict::Drop, Attempt { effect, ..attempt });
                None
            }
            Translation::To { states, missing } => {
                let certain = attempt.certain && states.len() == 1 && !missing;
                for state in states {
                    if let Some(other) = self.beside(&cursor, &state) {
                        self.decide(
                            other,
                            &Verdict::Accept,
                            Attempt {
                                id: attempt.id,
                                effect,
                                certain,
                            },
                        );
                    }
                }
                if missing && self.has_room() {
                    self.miss(cursor, attempt);
                }
                None
            }
        }
    }

    fn tproxy(&mut self, cursor: Cursor, tproxy: &Tproxy, attempt: Attempt) -> Act {
        let walker = self.walker();
        let state = cursor.traveller.state;
        if !matches!(state.packet.protocol, 6 | 17) {
            self.miss(cursor, attempt);
            return None;
        }
        let first = walker.first_address(state.input, state.is_ipv6());
        let address = tproxy.address.or(first).or(match state.flow.destination {
            Site::Known(address) => Some(address),
            Site::Own | Site::Unknown => None,
        });
        let port = tproxy.port.or(state.flow.destination_port.known());
        let is_first = state.entry().is_none_or(|entry| entry.state == Entry::NEW);
        let listens = match (walker.listens, address, port) {
            (Some(listens), Some(address), Some(port)) if is_first => listens(address, port),
            _ => None,
        };
        let unsure = Attempt {
            certain: attempt.certain && listens.is_some(),
            ..attempt
        };
        if listens != Some(true)
            && let Some(other) = self.beside(&cursor, &state)
        {
            if tproxy.drops {
                self.decide(other, &Verdict::Drop, unsure);
            } else {
                self.miss(other, attempt);
            }
        }
        if listens == Some(false) {
            return None;
        }
        let taken = Attempt {
            effect: Some(Effect::Taken),
            ..unsure
        };
        let mut cursor = cursor;
        let state = &mut cursor.traveller.state;
        state.taken = true;
        if let Some((mask, value)) = tproxy.mark {
            state.mark = state.mark.and(!mask).xor(Mark::exactly(value));
        }
        if tproxy.drops {
            self.decide(cursor, &Verdict::Accept, taken);
            return None;
        }
        Some((cursor, taken))
    }
}

/// Another zone has other entries.
fn set_zone(state: &mut State, zone: u16, direction: Option<u8>) {
    if state.track != Track::None {
        return;
    }
    let zone = if direction.is_some() {
        Fact::Unknown
    } else {
        Fact::Known(zone)
    };
    state.track = Track::Template(zone);
    state.tracking = match state.tracking {
        Tracking::Entry { entry, .. } if zone == Fact::Known(entry.zone) => state.tracking,
        Tracking::Entry { .. } | Tracking::Established => Tracking::Unknown,
        Tracking::New | Tracking::Related | Tracking::Invalid | Tracking::Untracked | Tracking::Unknown => {
            state.tracking
        }
    };
}
