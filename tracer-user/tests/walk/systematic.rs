//! For every combination that can be, a rule that one packet fits.

use crate::coverage::Cell;
use crate::frame::{ACK, SYN, Shot, TCP, UDP};
use crate::rule::{Act, Ask, Base, Chain, Column, Hook, Plan, Rule, Table, Tool};
use crate::trip::{Trip, Way};
use crate::world::{BOX, Kernel, SOURCE_PORT, Side, address};
use std::net::SocketAddr;

pub(crate) struct Scene {
    pub(crate) column: Column,
    pub(crate) hook: Hook,
    pub(crate) plan: Plan,
    pub(crate) trips: Vec<Trip>,
}

/// One for each tool, family and hook.
pub(crate) fn scenes(kernel: Kernel) -> impl Iterator<Item = Scene> {
    let columns = Tool::ALL
        .into_iter()
        .flat_map(|tool| [false, true].map(|v6| Column { tool, v6 }));
    columns.flat_map(move |column| Hook::ALL.into_iter().map(move |hook| scene(kernel, column, hook)))
}

fn scene(kernel: Kernel, column: Column, hook: Hook) -> Scene {
    let cells =
        Cell::all().filter(|cell| (cell.column, cell.hook) == (column, hook) && cell.impossible(kernel).is_none());
    let mut tables: Vec<Table> = TABLES
        .into_iter()
        .filter_map(|stage| table(column, hook, stage))
        .collect();
    let mut trips = Vec::new();
    for (index, cell) in (0_u16..).zip(cells) {
        let stage = stage_of(cell.act, column.tool);
        let protocol = protocol_of(&cell, index);
        let trip = trip(column.v6, hook, index, protocol);
        let mut asks = vec![Ask::Only(trip.shot.source.port())];
        asks.push(ask(&cell, &trip, stage));
        let rule = Rule {
            number: u32::from(index) + 100,
            protocol: Some(protocol),
            v6: column.v6,
            asks,
            act: act(cell.act, column.v6, hook),
        };
        let table = tables
            .iter_mut()
            .find(|table| table.name == stage.name(column.tool))
            .unwrap();
        table.chains.last_mut().unwrap().rules.push(rule);
        trips.push(trip);
    }
    tables.retain(|table| {
        table
            .chains
            .iter()
            .any(|chain| chain.base.is_some() && !chain.rules.is_empty())
    });
    Scene {
        column,
        hook,
        plan: Plan { tables },
        trips,
    }
}

/// The usual tables, in the order in which a hook meets them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Raw,
    Mangle,
    Nat,
    Filter,
}

const TABLES: [Stage; 4] = [Stage::Raw, Stage::Mangle, Stage::Nat, Stage::Filter];

impl Stage {
    fn name(self, tool: Tool) -> &'static str {
        match (self, tool.is_nft()) {
            (Self::Raw, false) => "raw",
            (Self::Mangle, false) => "mangle",
            (Self::Nat, false) => "nat",
            (Self::Filter, false) => "filter",
            (Self::Raw, true) => "early",
            (Self::Mangle, true) => "middle",
            (Self::Nat, true) => "translate",
            (Self::Filter, true) => "late",
        }
    }
}

fn stage_of(act: &str, tool: Tool) -> Stage {
    match act {
        "ct notrack" | "ct zone" => Stage::Raw,
        "redirect" | "dnat" | "snat" | "masquerade" => Stage::Nat,
        "reject tcp-reset" | "reject icmp" if !tool.is_nft() => Stage::Filter,
        _ => Stage::Mangle,
    }
}

/// The table with its base chain at the hook last, after a chain to jump to; `None`: it has none there.
fn table(column: Column, hook: Hook, stage: Stage) -> Option<Table> {
    let ahead = matches!(hook, Hook::Prerouting | Hook::Output);
    let (kind, priority) = match stage {
        Stage::Raw if ahead => ("filter", -300),
        Stage::Mangle if hook == Hook::Output => ("route", -150),
        Stage::Mangle => ("filter", -150),
        Stage::Nat if ahead => ("nat", -100),
        Stage::Nat if hook != Hook::Forward => ("nat", 100),
        Stage::Filter if hook != Hook::Prerouting && hook != Hook::Postrouting => ("filter", 0),
        Stage::Raw | Stage::Nat | Stage::Filter => return None,
    };
    let base = Chain {
        name: chain_name(column.tool, hook),
        base: Some(Base {
            kind,
            hook,
            priority,
            drops: false,
        }),
        rules: if stage == Stage::Mangle {
            marks(column)
        } else {
            Vec::new()
        },
    };
    let user = Chain {
        name: "user".to_owned(),
        base: None,
        rules: vec![plain(stage as u32, column, Act::Count)],
    };
    Some(Table {
        column,
        name: stage.name(column.tool).to_owned(),
        chains: vec![user, base],
    })
}

pub(crate) fn chain_name(tool: Tool, hook: Hook) -> String {
    if tool.is_nft() {
        hook.name().to_owned()
    } else {
        hook.name().to_uppercase()
    }
}

/// What the matches of marks then find.
fn marks(column: Column) -> Vec<Rule> {
    let (value, mask) = (5, 0xff);
    vec![
        plain(10, column, Act::Mark { value, mask }),
        plain(11, column, Act::Connmark { value, mask }),
    ]
}

fn plain(number: u32, column: Column, act: Act) -> Rule {
    Rule {
        number,
        protocol: None,
        v6: column.v6,
        asks: Vec::new(),
        act,
    }
}

fn protocol_of(cell: &Cell, index: u16) -> u8 {
    let tcp = cell.ask == "tcp flags" || cell.act == "reject tcp-reset" || index.is_multiple_of(2);
    if tcp { TCP } else { UDP }
}

fn trip(v6: bool, hook: Hook, index: u16, protocol: u8) -> Trip {
    let (lan, wan) = (|host| address(v6, Side::Lan, host), |host| address(v6, Side::Wan, host));
    let (source, destination, way) = match hook {
        Hook::Prerouting | Hook::Input => (lan(2), lan(BOX), Way::FromFar(Side::Lan)),
        Hook::Forward => (lan(2), wan(3), Way::FromFar(Side::Lan)),
        Hook::Output | Hook::Postrouting => (wan(BOX), wan(3), Way::FromHere((1000, 2000))),
    };
    let mark = if matches!(way, Way::FromHere(_)) { 5 } else { 0 };
    let shot = Shot {
        number: u64::from(index),
        protocol,
        source: SocketAddr::new(source, SOURCE_PORT + index),
        destination: SocketAddr::new(destination, 84),
        flags: SYN,
        sequence: 1000,
        acknowledgment: 0,
    };
    Trip { shot, way, mark }
}

/// A question that the packet fits.
fn ask(cell: &Cell, trip: &Trip, stage: Stage) -> Ask {
    let Trip { shot, way, mark } = trip;
    let source = shot.number.is_multiple_of(2);
    let one = if source { shot.source } else { shot.destination };
    let v6 = shot.is_v6();
    let negated = false;
    let host = if v6 { 128 } else { 32 };
    match cell.ask {
        "address" => Ask::Address {
            source,
            address: one.ip(),
            prefix: host,
            negated,
        },
        "port" => Ask::Port {
            source: false,
            first: 84,
            last: 84,
            negated,
        },
        "multiport" => Ask::Ports {
            ports: vec![80, 84],
            negated,
        },
        "interface" => interface(cell.hook, source),
        "protocol" => Ask::Protocol,
        "tcp flags" => Ask::Flags {
            mask: SYN | ACK,
            value: SYN,
            negated,
        },
        "mark" if stage == Stage::Raw => Ask::Mark {
            value: *mark,
            mask: 0xff,
            negated,
        },
        "mark" => Ask::Mark {
            value: 5,
            mask: 0xff,
            negated,
        },
        "connmark" => Ask::Connmark {
            value: 5,
            mask: 0xff,
            negated,
        },
        "owner uid" | "owner gid" => {
            let Way::FromHere((uid, gid)) = *way else {
                panic!("{cell:?}")
            };
            let group = cell.ask == "owner gid";
            Ask::Owner {
                group,
                id: if group { gid } else { uid },
                negated,
            }
        }
        // Ahead of conntrack there is no connection, and that is an invalid one.
        "ct state" if stage == Stage::Raw => Ask::State {
            names: &["INVALID"],
            negated,
        },
        "ct state" => Ask::State {
            names: &["NEW"],
            negated,
        },
        "ct zone" => Ask::Zone(0),
        "addrtype" => address_type(cell.hook),
        "socket" => Ask::Socket { transparent: true },
        "comment" => Ask::Comment,
        "set" => Ask::Set {
            source,
            addresses: vec![one.ip(), address(v6, Side::Wan, 7)],
            negated,
        },
        other => panic!("no match {other}"),
    }
}

fn interface(hook: Hook, first: bool) -> Ask {
    let input = match hook {
        Hook::Prerouting | Hook::Input => true,
        Hook::Forward => first,
        Hook::Output | Hook::Postrouting => false,
    };
    Ask::Interface {
        input,
        name: if input { Side::Lan } else { Side::Wan }.device(),
        negated: false,
    }
}

fn address_type(hook: Hook) -> Ask {
    let (source, name) = match hook {
        Hook::Prerouting | Hook::Input => (false, "LOCAL"),
        Hook::Forward => (false, "UNICAST"),
        Hook::Output | Hook::Postrouting => (true, "LOCAL"),
    };
    Ask::AddressType {
        source,
        name,
        negated: false,
        by_input: false,
    }
}

fn act(name: &str, v6: bool, hook: Hook) -> Act {
    let (value, mask) = (0x12, 0xff);
    match name {
        "accept" => Act::Accept,
        "drop" => Act::Drop,
        "reject tcp-reset" => Act::Reset,
        "reject icmp" => Act::Unreachable,
        "return" => Act::Return,
        "jump" => Act::Jump("user".to_owned()),
        "goto" => Act::Goto("user".to_owned()),
        "redirect" => Act::Redirect(Some(90)),
        "dnat" => Act::Dnat(address(v6, Side::Wan, 2), Some(90)),
        "snat" if hook == Hook::Input => Act::Snat(address(v6, Side::Lan, 9), Some((5000, 5999))),
        "snat" => Act::Snat(address(v6, Side::Wan, 9), Some((5000, 5999))),
        "masquerade" => Act::Masquerade,
        "tproxy" => Act::Tproxy(90),
        "ct notrack" => Act::Notrack,
        "ct zone" => Act::Zone(7),
        "queue" => Act::Queue { bypass: false },
        "queue bypass" => Act::Queue { bypass: true },
        "set mark" => Act::Mark { value, mask },
        "set connmark" => Act::Connmark { value, mask },
        "save mark" => Act::Save(mask),
        "restore mark" => Act::Restore(mask),
        other => panic!("no target {other}"),
    }
}
