//! Random rulesets: several tools, tables and base chains, chains that jump to chains, values of a small universe.

use crate::chance::Chance;
use crate::frame::{ACK, FIN, RST, SYN, TCP, UDP};
use crate::rule::{Act, Ask, Base, Chain, Column, Hook, Plan, Random, Rule, Table, Tool, devices};
use crate::systematic::chain_name;
use crate::world::{BOX, Kernel, LOW_PORT, SOURCE_PORT, Side, address};
use std::collections::BTreeSet;
use std::net::IpAddr;

pub(crate) fn plan(chance: &mut Chance, kernel: Kernel) -> Plan {
    let first = chance.one(&Tool::ALL);
    let mut tools = vec![first];
    if chance.percent(35) {
        tools.extend(
            Tool::ALL
                .into_iter()
                .filter(|&tool| tool != first && chance.percent(40)),
        );
    }
    let both = chance.percent(20);
    let v6 = chance.percent(50);
    let mut maker = Maker {
        chance,
        kernel,
        number: 0,
    };
    let mut tables = Vec::new();
    for tool in tools {
        let families = if both && tool != Tool::Inet {
            vec![false, true]
        } else {
            vec![v6]
        };
        for v6 in families {
            maker.tables(Column { tool, v6 }, &mut tables);
        }
    }
    let mut plan = Plan { tables };
    keep_the_route_of_tproxy(&mut plan);
    plan
}

/// nft's `meta mark set ct mark & …` would take the bit away by which the route of what TPROXY took is found.
fn keep_the_route_of_tproxy(plan: &mut Plan) {
    let rules = || plan.tables.iter().filter(|table| table.column.tool.is_nft());
    let restores = rules()
        .flat_map(|table| &table.chains)
        .flat_map(|chain| &chain.rules)
        .any(|rule| matches!(rule.act, Act::Restore(_)));
    let all = plan.tables.iter_mut().flat_map(|table| &mut table.chains);
    for rule in all.flat_map(|chain| &mut chain.rules) {
        if restores && matches!(rule.act, Act::Tproxy(_)) {
            rule.act = Act::Count;
        }
    }
}

struct Maker<'a> {
    chance: &'a mut Chance,
    kernel: Kernel,
    number: u32,
}

/// Where a chain's rules are met, its own or by jumps.
#[derive(Clone, Copy)]
struct Site {
    column: Column,
    hook: Hook,
    kind: &'static str,
    /// xt's table; empty for nft.
    table: &'static str,
    ahead: bool,
}

impl Maker<'_> {
    fn tables(&mut self, column: Column, tables: &mut Vec<Table>) {
        if column.tool.is_nft() {
            let count = 1 + self.chance.below(2);
            for index in 0..count {
                let table = self.nft_table(column, index);
                tables.push(table);
            }
            return;
        }
        for name in ["raw", "mangle", "nat", "filter"] {
            if self.chance.percent(60) {
                let table = self.xt_table(column, name);
                tables.push(table);
            }
        }
    }

    fn nft_table(&mut self, column: Column, index: u32) -> Table {
        let mut chains = Vec::new();
        for place in 0..2 + self.chance.below(4) {
            let hook = self.chance.one(&Hook::ALL);
            let kind = match hook {
                Hook::Forward => "filter",
                Hook::Output => self.chance.one(&["filter", "nat", "route"]),
                Hook::Prerouting | Hook::Input | Hook::Postrouting => self.chance.one(&["filter", "nat"]),
            };
            let priority = match (kind, hook) {
                ("nat", Hook::Prerouting | Hook::Output) => self.chance.one(&[-110, -100, -90]),
                ("nat", _) => self.chance.one(&[90, 100, 110]),
                _ => self.chance.one(&[-310, -300, -150, -140, -10, 0, 10, 50, 150]),
            };
            let drops = kind != "nat" && self.chance.percent(12);
            let base = Base {
                kind,
                hook,
                priority,
                drops,
            };
            let site = Site {
                column,
                hook,
                kind,
                table: "",
                ahead: priority < -200 && matches!(hook, Hook::Prerouting | Hook::Output),
            };
            self.chains(format!("c{place}"), base, site, &mut chains);
        }
        Table {
            column,
            name: format!("t{index}_{}", column.tool.name().len()),
            chains,
        }
    }

    fn xt_table(&mut self, column: Column, table: &'static str) -> Table {
        let hooks: &[Hook] = match table {
            "raw" => &[Hook::Prerouting, Hook::Output],
            "mangle" => &Hook::ALL,
            "nat" => &[Hook::Prerouting, Hook::Input, Hook::Output, Hook::Postrouting],
            _ => &[Hook::Input, Hook::Forward, Hook::Output],
        };
        let mut chains = Vec::new();
        for &hook in hooks {
            if !self.chance.percent(60) {
                continue;
            }
            let base = Base {
                kind: "",
                hook,
                priority: 0,
                drops: table != "nat" && self.chance.percent(10),
            };
            let site = Site {
                column,
                hook,
                kind: if table == "nat" { "nat" } else { "filter" },
                table,
                ahead: table == "raw",
            };
            self.chains(chain_name(column.tool, hook), base, site, &mut chains);
        }
        Table {
            column,
            name: table.to_owned(),
            chains,
        }
    }

    /// A base chain and those that only it leads to, three deep.
    fn chains(&mut self, name: String, base: Base, site: Site, chains: &mut Vec<Chain>) {
        let users: Vec<String> = (0..self.chance.below(4))
            .map(|index| format!("{name}_u{index}"))
            .collect();
        for (index, user) in users.iter().enumerate() {
            let rules = (0..=self.chance.below(3))
                .map(|_| self.rule(site, &users[index + 1..]))
                .collect();
            chains.push(Chain {
                name: user.clone(),
                base: None,
                rules,
            });
        }
        let rules = (0..=self.chance.below(5)).map(|_| self.rule(site, &users)).collect();
        chains.push(Chain {
            name,
            base: Some(base),
            rules,
        });
    }

    fn rule(&mut self, site: Site, users: &[String]) -> Rule {
        self.number += 1;
        let v6 = if site.column.tool == Tool::Inet {
            self.chance.percent(50)
        } else {
            site.column.v6
        };
        let act = self.act(site, users, v6);
        let mut asks: Vec<Ask> = Vec::new();
        for _ in 0..self.chance.one(&[0, 1, 1, 2, 2, 3]) {
            let ask = self.ask(site, v6);
            let known = asks.iter().any(|other| other.kind() == ask.kind());
            asks.extend((!known).then_some(ask));
        }
        let needs = act.needs_transport() || asks.iter().any(Ask::needs_transport);
        let tcp = act.needs_tcp() || asks.iter().any(|ask| matches!(ask, Ask::Flags { .. }));
        let protocol = if tcp {
            Some(TCP)
        } else if needs || self.chance.percent(20) {
            Some(self.chance.one(&[TCP, UDP]))
        } else {
            None
        };
        Rule {
            number: self.number,
            protocol,
            v6,
            asks,
            act,
        }
    }

    fn act(&mut self, site: Site, users: &[String], v6: bool) -> Act {
        if !users.is_empty() && self.chance.percent(30) {
            let user = users[usize::try_from(self.chance.next()).unwrap() % users.len()].clone();
            return if self.chance.percent(70) {
                Act::Jump(user)
            } else {
                Act::Goto(user)
            };
        }
        if site.column.tool.is_nft() && self.chance.percent(6) {
            return self.by_port(site, users);
        }
        if site.kind == "nat" && self.chance.percent(60) {
            return self.translation(site.hook, v6);
        }
        let mangles = site.column.tool.is_nft() || site.table == "mangle";
        if site.hook == Hook::Prerouting && site.kind == "filter" && mangles && self.chance.percent(8) {
            return Act::Tproxy(LOW_PORT + 10 + u16::try_from(self.chance.below(2)).unwrap());
        }
        if site.ahead && self.chance.percent(40) {
            return if self.chance.percent(50) {
                Act::Notrack
            } else {
                Act::Zone(self.chance.one(&[0, 7]))
            };
        }
        if self.chance.percent(35)
            && let Some(act) = self.mark(site)
        {
            return act;
        }
        if self.chance.percent(25)
            && let Some(act) = self.end(site)
        {
            return act;
        }
        match self.chance.below(4) {
            0 => Act::Accept,
            1 => Act::Return,
            _ => Act::Count,
        }
    }

    fn by_port(&mut self, site: Site, users: &[String]) -> Act {
        let mut verdicts = vec!["accept".to_owned(), "return".to_owned(), "continue".to_owned()];
        verdicts.extend(users.iter().map(|user| format!("jump {user}")));
        verdicts.extend(users.iter().map(|user| format!("goto {user}")));
        if site.kind != "nat" {
            verdicts.push("drop".to_owned());
        }
        let cases = (LOW_PORT..LOW_PORT + 6).map(|port| {
            let index = usize::try_from(self.chance.next()).unwrap() % verdicts.len();
            (port, verdicts[index].clone())
        });
        Act::ByPort(cases.collect())
    }

    fn translation(&mut self, hook: Hook, v6: bool) -> Act {
        let side = self.chance.one(&[Side::Lan, Side::Wan]);
        let port = LOW_PORT + 8 + u16::try_from(self.chance.below(4)).unwrap();
        let some = self.chance.percent(70);
        match hook {
            Hook::Prerouting | Hook::Output if self.chance.percent(50) => Act::Redirect(some.then_some(port)),
            Hook::Prerouting | Hook::Output if self.chance.percent(15) => {
                Act::Spread(address(v6, side, 2), address(v6, side, 3))
            }
            Hook::Prerouting | Hook::Output => {
                let host = self.chance.one(&[BOX, 2, 3, 5]);
                Act::Dnat(address(v6, side, host), some.then_some(port))
            }
            Hook::Postrouting if self.chance.percent(50) => Act::Masquerade,
            Hook::Input | Hook::Forward | Hook::Postrouting => {
                Act::Snat(address(v6, side, 9), some.then_some((5000, 5999)))
            }
        }
    }

    fn mark(&mut self, site: Site) -> Option<Act> {
        let value = self.chance.one(&[0x1, 0x5, 0x12, 0x20]);
        let mask = self.chance.one(&[0xff, 0xf, 0xf0, 0x21]);
        let act = match self.chance.below(4) {
            0 => Act::Mark { value, mask },
            1 => Act::Connmark { value, mask },
            2 => Act::Save(mask),
            _ => Act::Restore(mask),
        };
        let is_mark = matches!(act, Act::Mark { .. } | Act::Restore(_));
        let xt = !site.column.tool.is_nft();
        (!(xt && is_mark && site.table != "mangle")).then_some(act)
    }

    /// Something that ends the packet's way, or leads it elsewhere.
    fn end(&mut self, site: Site) -> Option<Act> {
        let xt = !site.column.tool.is_nft();
        if site.kind == "nat" {
            return None;
        }
        let rejects = if xt {
            site.table == "filter"
        } else {
            site.hook != Hook::Postrouting && site.kind == "filter"
        };
        match self.chance.below(5) {
            0 => Some(Act::Drop),
            1 | 2 if rejects => Some(Act::Reset),
            3 if rejects => Some(Act::Unreachable),
            4 if xt || self.kernel.nft_queue => Some(Act::Queue {
                bypass: self.chance.percent(60),
            }),
            _ => None,
        }
    }

    fn ask(&mut self, site: Site, v6: bool) -> Ask {
        let negated = self.chance.percent(20);
        let source = self.chance.percent(50);
        let xt = !site.column.tool.is_nft();
        match self.chance.below(18) {
            0 | 1 => {
                let prefix = self.chance.one(if v6 { &[128, 64] } else { &[32_u8, 24] });
                Ask::Address {
                    source,
                    address: network(self.host(v6), prefix),
                    prefix,
                    negated,
                }
            }
            2 => self.port(source, negated),
            3 => {
                let ports: BTreeSet<u16> = (0..=self.chance.below(4)).map(|_| self.low_port()).collect();
                Ask::Ports {
                    ports: ports.into_iter().collect(),
                    negated,
                }
            }
            4 | 5 => self.interface(site, negated),
            6 => Ask::Protocol,
            7 => Ask::Flags {
                mask: self.chance.one(&[SYN, SYN | ACK, FIN | SYN | RST | ACK]),
                value: self.chance.one(&[SYN, ACK, 0]),
                negated,
            },
            8 | 9 => {
                let (value, mask) = self
                    .chance
                    .one(&[(0, 0xff), (5, 0xff), (1, 1), (0x10, 0xf0), (0, 0x21)]);
                if self.chance.percent(50) {
                    Ask::Mark { value, mask, negated }
                } else {
                    Ask::Connmark { value, mask, negated }
                }
            }
            10 if matches!(site.hook, Hook::Output | Hook::Postrouting) || !xt => Ask::Owner {
                group: source,
                id: self.chance.one(&[0, 1000, 2000]),
                negated,
            },
            11 | 12 => self.state(xt, negated),
            13 if !xt => Ask::Zone(self.chance.one(&[0, 7])),
            14 => Ask::AddressType {
                source,
                name: self.chance.one(&["LOCAL", "LOCAL", "UNICAST"]),
                negated,
                by_input: matches!(site.hook, Hook::Prerouting | Hook::Input) && self.chance.percent(20),
            },
            15 if matches!(site.hook, Hook::Prerouting | Hook::Input) || (!xt && site.hook == Hook::Output) => {
                Ask::Socket {
                    transparent: self.chance.percent(60),
                }
            }
            16 if !xt => Ask::Set {
                source,
                addresses: vec![self.host(v6), address(v6, Side::Wan, 7)],
                negated,
            },
            17 if self.chance.percent(40) => Ask::Chance(self.chance.one(&[
                Random::Probability,
                Random::Nth,
                Random::Limit,
                Random::Hashlimit,
                Random::Recent,
            ])),
            _ => Ask::Comment,
        }
    }

    fn state(&mut self, xt: bool, negated: bool) -> Ask {
        let names: &[&'static [&'static str]] = &[
            &["NEW"],
            &["NEW"],
            &["ESTABLISHED"],
            &["NEW", "ESTABLISHED"],
            &["RELATED", "ESTABLISHED"],
            &["INVALID"],
            &["UNTRACKED"],
            &["DNAT"],
            &["SNAT"],
        ];
        let names = if xt { names } else { &names[..7] };
        Ask::State {
            names: self.chance.one(names),
            negated,
        }
    }

    fn interface(&mut self, site: Site, negated: bool) -> Ask {
        let input = match site.hook {
            Hook::Prerouting | Hook::Input => true,
            Hook::Forward => self.chance.percent(50),
            Hook::Output | Hook::Postrouting => false,
        };
        Ask::Interface {
            input,
            name: self.chance.one(&devices()),
            negated,
        }
    }

    fn port(&mut self, source: bool, negated: bool) -> Ask {
        let (first, span) = if source {
            let first = SOURCE_PORT + u16::try_from(self.chance.below(20)).unwrap();
            (first, self.chance.one(&[5, 20]))
        } else {
            (self.low_port(), self.chance.one(&[0, 1, 4]))
        };
        Ask::Port {
            source,
            first,
            last: first + span,
            negated,
        }
    }

    fn low_port(&mut self) -> u16 {
        LOW_PORT + u16::try_from(self.chance.below(8)).unwrap()
    }

    fn host(&mut self, v6: bool) -> IpAddr {
        let side = self.chance.one(&[Side::Lan, Side::Wan]);
        address(v6, side, self.chance.one(&[BOX, 2, 3]))
    }
}

/// The address without the bits after the prefix.
fn network(of: IpAddr, prefix: u8) -> IpAddr {
    match of {
        IpAddr::V4(of) => (u32::from(of) & (u32::MAX << (32 - prefix))).to_be_bytes().into(),
        IpAddr::V6(of) => (u128::from(of) & (u128::MAX << (128 - prefix))).to_be_bytes().into(),
    }
}
