//! Sends packets through a ruleset.

use crate::compare::{agrees, alone, difference, together};
use crate::coverage::Coverage;
use crate::entry::Entries;
use crate::frame::{ACK, Kind, SYN, Seen, Shot, TCP};
use crate::rule::{Act, Plan, Table, Tool};
use crate::subject::{self, Subject, counts};
use crate::tell::tell;
use crate::trip::{Trip, Way};
use crate::world::{Kernel, Place, World, input};
use crate::{nft, xtables};
use tracer_user::model::rules::{Outcome, Packet, Snapshot, Tracking};

pub(crate) struct Bench {
    pub(crate) world: World,
    pub(crate) subject: Subject,
    pub(crate) kernel: Kernel,
    /// The ruleset sets zones: what is said of an entry of one need not hold in another.
    zones: bool,
}

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Came(Place, Seen),
    Reset,
    IcmpError,
    Nothing,
}

/// A packet that was sent, with everything that could become of it by its fate.
pub(crate) struct Sent {
    pub(crate) trip: Trip,
    pub(crate) packet: Packet,
    pub(crate) fate: Fate,
    /// The outcomes that agree with its fate.
    pub(crate) outcomes: Vec<Outcome>,
    pub(crate) certain: bool,
}

impl Sent {
    /// Whether the connection may have this mark after the packet.
    fn may_leave(&self, connmark: u32) -> bool {
        let mut all = self.outcomes.iter();
        all.any(|outcome| outcome.connmark.known().is_none_or(|known| known == connmark))
    }
}

impl Bench {
    /// In a namespace of its own. `legacy`: with all of xt's legacy tables, which never go away again: made first, they
    /// come last of equal priorities, in every ruleset alike.
    pub(crate) fn new(legacy: bool) -> Self {
        let world = World::new();
        if legacy {
            for v6 in [false, true] {
                for name in ["raw", "mangle", "nat", "filter"] {
                    xtables::touch(name, v6);
                }
            }
        }
        Self {
            world,
            subject: Subject::new(),
            kernel: Kernel::probe(),
            zones: false,
        }
    }

    pub(crate) fn enter(&self) {
        self.world.enter();
    }

    pub(crate) fn load(&mut self, plan: &Plan) -> Snapshot {
        for table in &plan.tables {
            if table.column.tool.is_nft() {
                nft::load(table);
            } else {
                xtables::load(table);
            }
        }
        self.zones = plan.rules().any(|rule| matches!(rule.act, Act::Zone(_)));
        input("conntrack", &["-F"], "");
        self.world.collect();
        self.subject.snapshot()
    }

    /// What was loaded, as its tools take it.
    pub(crate) fn text(plan: &Plan) -> String {
        let text = |table: &Table| {
            if table.column.tool.is_nft() {
                nft::text(table)
            } else {
                format!("# {}\n{}", table.column.tool.name(), xtables::text(table))
            }
        };
        plan.tables.iter().map(text).collect()
    }

    pub(crate) fn unload(plan: &Plan) {
        input("nft", &["flush", "ruleset"], "");
        for table in &plan.tables {
            if table.column.tool == Tool::IptablesLegacy {
                xtables::clear_legacy(table);
            }
        }
    }

    /// Sends a packet and says what the walk has to say to its fate. `before`: the packet of the same connection that was
    /// sent last. `None`: what conntrack says of it is not known, or the walk has cut its answer.
    pub(crate) fn send(
        &mut self,
        snapshot: &Snapshot,
        trip: Trip,
        before: Option<&Sent>,
    ) -> Result<Option<Sent>, String> {
        let Some(tracking) = tracking(&trip, before.is_some(), self.zones) else {
            return Ok(None);
        };
        if let (Some(before), Tracking::Entry { entry, .. }) = (before, tracking)
            && !self.zones
            && !before.may_leave(entry.mark)
        {
            let told: String = before.outcomes.iter().map(|outcome| tell(snapshot, outcome)).collect();
            return Err(format!(
                "{:?} left the mark {:#x}\nwalk:\n{told}",
                before.trip, entry.mark
            ));
        }
        let packet = subject::packet(&trip.shot, trip.user(), trip.mark, tracking);
        let walk = subject::walk(snapshot, &packet, trip.journey(&snapshot.network));
        // Anything may happen: chains whose order is not known, and chances, make too many ways.
        if walk.truncated {
            return Ok(None);
        }
        let result = match trip.way {
            Way::FromHere(user) => self.world.send_from_here(&trip.shot, user, trip.mark),
            Way::FromFar(side) => {
                self.world.send_from_far(&trip.shot, side);
                Ok(())
            }
        };
        let fate = fate(&trip.shot, &self.world.collect())?;
        let certain = walk.outcomes.len() == 1 && walk.outcomes[0].certain;
        let outcomes: Vec<Outcome> = walk
            .outcomes
            .iter()
            .filter(|outcome| agrees(outcome, &trip, fate))
            .cloned()
            .collect();
        if outcomes.is_empty() {
            let told: String = walk.outcomes.iter().map(|outcome| tell(snapshot, outcome)).collect();
            return Err(format!(
                "{trip:?}\nas {packet:?}\nkernel: {fate:?} {result:?}\nwalk:\n{told}"
            ));
        }
        Ok(Some(Sent {
            trip,
            packet,
            fate,
            outcomes,
            certain,
        }))
    }

    /// Compares what the rules counted since `snapshot` with what they should have for these packets.
    pub(crate) fn count(
        &mut self,
        plan: &Plan,
        snapshot: &mut Snapshot,
        sent: &mut [Sent],
        coverage: &mut Coverage,
    ) -> Result<(), String> {
        let after = self.subject.snapshot();
        let counted = difference(&counts(snapshot), &counts(&after));
        let result = if let [only] = sent {
            alone(plan, snapshot, only, &counted, coverage)
        } else {
            together(plan, snapshot, sent, &counted, coverage)
        };
        *snapshot = after;
        result
    }
}

fn fate(shot: &Shot, seen: &[(Place, Seen)]) -> Result<Fate, String> {
    let mut fates = seen.iter().map(|(place, seen)| match seen.kind {
        Kind::Shot(number) if number == shot.number => Ok(Fate::Came(*place, *seen)),
        Kind::Shot(_) => Err(format!("a packet came late: {seen:?} after {shot:?}")),
        Kind::Reset => Ok(Fate::Reset),
        Kind::IcmpError => Ok(Fate::IcmpError),
    });
    let first = fates.next().unwrap_or(Ok(Fate::Nothing))?;
    match fates.next() {
        None => Ok(first),
        Some(second) => Err(format!("two fates of {shot:?}: {first:?} and {second:?}")),
    }
}

/// What conntrack will say of a packet.
fn tracking(trip: &Trip, may_be_known: bool, zones: bool) -> Option<Tracking> {
    if may_be_known {
        match Entries::read().of(&trip.shot) {
            // An ACK before the answer to the SYN.
            Ok(Some(Tracking::Entry { established: false, .. })) if trip.is_tcp() && trip.shot.flags == ACK => {
                return (!zones).then_some(Tracking::Invalid);
            }
            Ok(Some(entry)) => return Some(entry),
            Ok(None) => {}
            Err(()) => return None,
        }
    }
    // Without an entry only these can begin one: an ACK is picked up in the middle.
    let begins = trip.shot.protocol != TCP || matches!(trip.shot.flags, SYN | ACK);
    Some(if begins { Tracking::New } else { Tracking::Invalid })
}
