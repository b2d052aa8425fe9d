//! Which combinations of match, target, tool, hook and family were seen to act, and which cannot exist.

use crate::rule::{ACTS, ASKS, Column, Hook, Rule, Tool};
use crate::world::Kernel;
use std::collections::BTreeMap;
use std::fmt::Write;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Cell {
    pub(crate) column: Column,
    pub(crate) hook: Hook,
    pub(crate) ask: &'static str,
    pub(crate) act: &'static str,
}

impl Cell {
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        let columns = Tool::ALL
            .into_iter()
            .flat_map(|tool| [false, true].map(|v6| Column { tool, v6 }));
        columns.flat_map(|column| {
            Hook::ALL.into_iter().flat_map(move |hook| {
                ASKS.into_iter()
                    .flat_map(move |ask| ACTS.into_iter().map(move |act| Self { column, hook, ask, act }))
            })
        })
    }

    /// Why no such rule can be made, or why no packet can fit it.
    pub(crate) fn impossible(&self, kernel: Kernel) -> Option<&'static str> {
        let Self { column, hook, ask, act } = self;
        let nft = column.tool.is_nft();
        kernel_lacks(act, nft, kernel)
            .or_else(|| act_impossible(act, *hook, nft))
            .or_else(|| ask_impossible(ask, act, *hook, nft))
    }
}

fn kernel_lacks(act: &str, nft: bool, kernel: Kernel) -> Option<&'static str> {
    let lacks = nft && !kernel.nft_queue && matches!(act, "queue" | "queue bypass");
    lacks.then_some("the running kernel is built without nft's queue (CONFIG_NFT_QUEUE)")
}

fn act_impossible(act: &str, hook: Hook, nft: bool) -> Option<&'static str> {
    use Hook::{Input, Output, Postrouting, Prerouting};
    let (here, reason): (bool, _) = match act {
        "reject tcp-reset" | "reject icmp" if nft => (hook != Postrouting, "nft rejects in all hooks but postrouting"),
        "reject tcp-reset" | "reject icmp" => (
            !matches!(hook, Prerouting | Postrouting),
            "xt's REJECT is of INPUT, FORWARD and OUTPUT",
        ),
        "redirect" | "dnat" => (
            matches!(hook, Prerouting | Output),
            "destinations are translated in PREROUTING and OUTPUT",
        ),
        "snat" => (
            matches!(hook, Input | Postrouting),
            "sources are translated in INPUT and POSTROUTING",
        ),
        "masquerade" => (hook == Postrouting, "masquerading is of POSTROUTING"),
        "tproxy" => (hook == Prerouting, "TPROXY is of PREROUTING"),
        "ct notrack" | "ct zone" => (
            matches!(hook, Prerouting | Output),
            "what conntrack is to do is said ahead of it, in PREROUTING and OUTPUT",
        ),
        _ => (true, ""),
    };
    (!here).then_some(reason)
}

fn ask_impossible(ask: &str, act: &str, hook: Hook, nft: bool) -> Option<&'static str> {
    use Hook::{Forward, Output, Postrouting, Prerouting};
    let ahead = matches!(act, "ct notrack" | "ct zone");
    match ask {
        "owner uid" | "owner gid" if !matches!(hook, Output | Postrouting) => {
            Some("only packets on their way out of a local socket have an owner")
        }
        "ct zone" if !nft => Some("xt has no match for the zone"),
        "set" if !nft => Some("xt's sets are ipset's, which nf_tables does not have"),
        "connmark" | "ct zone" if ahead => Some("ahead of conntrack a packet has no connection"),
        "socket" if nft && matches!(hook, Forward | Postrouting) => {
            Some("nft looks for sockets in prerouting, input and output")
        }
        "socket" if !nft && !matches!(hook, Prerouting | Hook::Input) => {
            Some("xt looks for sockets in PREROUTING and INPUT")
        }
        _ => None,
    }
}

/// How often each combination acted as predicted.
#[derive(Debug)]
pub(crate) struct Coverage {
    kernel: Kernel,
    hits: BTreeMap<Cell, u64>,
}

impl Coverage {
    pub(crate) fn new(kernel: Kernel) -> Self {
        Self {
            kernel,
            hits: BTreeMap::new(),
        }
    }

    /// A rule counted a packet at this hook, as it should.
    pub(crate) fn hit(&mut self, rule: &Rule, tool: Tool, hook: Hook, v6: bool) {
        for ask in &rule.asks {
            let cell = Cell {
                column: Column { tool, v6 },
                hook,
                ask: ask.kind(),
                act: rule.act.kind(),
            };
            *self.hits.entry(cell).or_default() += 1;
        }
    }

    /// Those that can be and were not seen.
    pub(crate) fn empty(&self) -> Vec<Cell> {
        Cell::all()
            .filter(|cell| cell.impossible(self.kernel).is_none() && !self.hits.contains_key(cell))
            .collect()
    }

    /// One line for each match and target, one column for each tool and family; in a column a character for each hook:
    /// `#` seen, `.` missing, `-` impossible.
    pub(crate) fn table(&self) -> String {
        let mut text = String::from("hooks, in this order: prerouting input forward output postrouting\n");
        text.push_str("# seen  . missing  - cannot be\n");
        write!(text, "{:36}", "").unwrap();
        let columns: Vec<Column> = Tool::ALL
            .into_iter()
            .flat_map(|tool| [false, true].map(|v6| Column { tool, v6 }))
            .collect();
        for column in &columns {
            let family = if column.v6 { "IPv6" } else { "IPv4" };
            write!(text, "{:>20}", format!("{} {family}", column.tool.name())).unwrap();
        }
        for (ask, act) in ASKS.iter().flat_map(|ask| ACTS.iter().map(move |act| (*ask, *act))) {
            write!(text, "\n{:36}", format!("{ask} → {act}")).unwrap();
            for &column in &columns {
                let cells: String = Hook::ALL
                    .into_iter()
                    .map(|hook| self.mark(Cell { column, hook, ask, act }))
                    .collect();
                write!(text, "{cells:>20}").unwrap();
            }
        }
        text.push_str("\n\nwhat cannot be, and why:\n");
        let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
        for cell in Cell::all() {
            if let Some(reason) = cell.impossible(self.kernel) {
                *reasons.entry(reason).or_default() += 1;
            }
        }
        for (reason, cells) in reasons {
            writeln!(text, "{cells:6} {reason}").unwrap();
        }
        text
    }

    fn mark(&self, cell: Cell) -> char {
        match (self.hits.contains_key(&cell), cell.impossible(self.kernel)) {
            (true, _) => '#',
            (false, None) => '.',
            (false, Some(_)) => '-',
        }
    }

    /// How often each match and each target acted.
    pub(crate) fn totals(&self) -> BTreeMap<&'static str, u64> {
        let mut totals = BTreeMap::new();
        for (cell, hits) in &self.hits {
            *totals.entry(cell.ask).or_default() += hits;
            *totals.entry(cell.act).or_default() += hits;
        }
        totals
    }

    pub(crate) fn seen(&self) -> usize {
        self.hits.len()
    }
}
