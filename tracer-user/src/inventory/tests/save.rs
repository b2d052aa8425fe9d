//! Rules for tests: the small part of `iptables-save` and of the model that they need.

use crate::model::rules::{
    Action, Backend, Base, Chain, ChainId, ChainKind, Counters, Family, Field, Hook, Item, Match, Nat, NatKind,
    NatTarget, Rule, Ruleset, Tproxy, Verdict,
};
use std::net::IpAddr;
use std::ops::RangeInclusive;

/// One table, as `iptables-save` prints it.
pub(crate) fn table(name: &str, text: &str) -> Ruleset {
    let mut ruleset = Ruleset::default();
    let lines = text.lines().map(str::trim);
    for line in lines.clone().filter_map(|line| line.strip_prefix("-A ")) {
        for chain in line
            .split_once(' ')
            .into_iter()
            .map(|(chain, _)| chain)
            .chain(jump(line))
        {
            if number(&ruleset, chain).is_none() && !is_target(chain) {
                ruleset.chains.push(empty(name, chain));
            }
        }
    }
    for line in lines.filter(|line| line.starts_with("-A ")) {
        let (chain, rest) = line[3..].split_once(' ').unwrap();
        let rule = rule(line, rest, &ruleset);
        let ChainId(chain) = number(&ruleset, chain).unwrap();
        ruleset.chains[usize::try_from(chain).unwrap()].rules.push(rule);
    }
    ruleset
}

fn empty(table: &str, name: &str) -> Chain {
    let hook = match name {
        "PREROUTING" => Some((Hook::Prerouting, -100)),
        "OUTPUT" => Some((Hook::Output, -100)),
        "POSTROUTING" => Some((Hook::Postrouting, 100)),
        _ => None,
    };
    Chain {
        backend: Backend::IptablesLegacy,
        family: Family::Ip,
        table: table.into(),
        name: name.into(),
        base: hook.map(|(hook, priority)| Base {
            kind: ChainKind::Nat,
            hook,
            priority,
            policy: Verdict::Accept,
            devices: Vec::new(),
        }),
        rules: Vec::new(),
        dormant: false,
        counters: None,
    }
}

fn number(ruleset: &Ruleset, name: &str) -> Option<ChainId> {
    ruleset
        .numbered()
        .find(|(_, chain)| &*chain.name == name)
        .map(|(id, _)| id)
}

fn jump(line: &str) -> Option<&str> {
    line.split_once(" -j ")?.1.split(' ').next()
}

fn is_target(name: &str) -> bool {
    let targets = [
        "RETURN",
        "ACCEPT",
        "DROP",
        "REDIRECT",
        "DNAT",
        "SNAT",
        "MASQUERADE",
        "TPROXY",
        "MARK",
        "CONNMARK",
        "CT",
    ];
    targets.contains(&name)
}

fn rule(line: &str, rest: &str, ruleset: &Ruleset) -> Rule {
    let mut words = rest.split(' ').filter(|word| *word != "-m");
    let (mut items, mut negated, mut comment) = (Vec::new(), false, None);
    while let Some(word) = words.next() {
        let mut next = || words.next().unwrap();
        let asked = match word {
            "!" => {
                negated = true;
                continue;
            }
            "-p" => Match::equals(Field::L4Proto, protocol(next())),
            "-d" => address(Field::Ip4Destination, next()),
            "-s" => address(Field::Ip4Source, next()),
            "-i" => name(Field::InputName, next()),
            "-o" => name(Field::OutputName, next()),
            "--dport" | "--dports" => ports(next()),
            "--uid-owner" => Match::equals(Field::SocketUid, next().parse().unwrap()),
            "--gid-owner" => Match::equals(Field::SocketGid, next().parse().unwrap()),
            "--dst-type" => {
                assert_eq!(next(), "LOCAL");
                Match::equals(Field::FibDestination, 2)
            }
            "--mark" => mark(next()),
            "--probability" => Match::Chance(format!("random probability {}", next()).into()),
            "--comment" => {
                comment = Some(next().into());
                continue;
            }
            "tcp" | "udp" | "owner" | "addrtype" | "mark" | "multiport" | "statistic" | "comment" | "--mode"
            | "random" | "socket" => continue,
            "-j" => {
                let target = next();
                let options: Vec<_> = words.by_ref().collect();
                items.extend(action(target, &options, ruleset).map(Item::Action));
                continue;
            }
            other => panic!("{other} in {line}"),
        };
        // As the decoder has it: a packet without an owner fits an inverted match of xt.
        let of_owner = matches!(
            asked,
            Match::Number {
                field: Field::SocketUid | Field::SocketGid,
                ..
            }
        );
        items.push(Item::Match(if negated && of_owner {
            Match::NotAll(vec![asked])
        } else {
            asked.negate(negated)
        }));
        negated = false;
    }
    Rule {
        handle: None,
        items,
        counters: Some(Counters { packets: 7, bytes: 420 }),
        comment,
        text: line.into(),
    }
}

fn action(target: &str, options: &[&str], ruleset: &Ruleset) -> Option<Action> {
    let option = |name: &str| {
        let at = options.iter().position(|word| *word == name)?;
        options.get(at + 1).copied()
    };
    let verdict = |verdict| Some(Action::Verdict(verdict));
    match target {
        "RETURN" => verdict(Verdict::Return),
        "ACCEPT" => verdict(Verdict::Accept),
        "DROP" => verdict(Verdict::Drop),
        "MARK" | "CONNMARK" | "CT" => None,
        "REDIRECT" => Some(nat(NatKind::Redirect, None, option("--to-ports").map(port_range))),
        "MASQUERADE" => Some(nat(NatKind::Masquerade, None, None)),
        "DNAT" => {
            let to = option("--to-destination").unwrap();
            let (address, ports) = to
                .split_once(':')
                .map_or((to, None), |(address, ports)| (address, Some(ports)));
            Some(nat(NatKind::Destination, address.parse().ok(), ports.map(port_range)))
        }
        "TPROXY" => Some(Action::Tproxy(Tproxy {
            address: None,
            port: option("--on-port").map(|port| port.parse().unwrap()),
            mark: None,
            drops: true,
        })),
        chain => verdict(Verdict::Jump(number(ruleset, chain))),
    }
}

pub(super) fn nat(kind: NatKind, address: Option<IpAddr>, ports: Option<RangeInclusive<u16>>) -> Action {
    Action::Nat(Nat {
        kind,
        target: NatTarget::Fixed {
            addresses: address.map(|address| address..=address),
            ports,
            netmap: false,
            base_port: None,
        },
        random: false,
        persistent: false,
    })
}

fn protocol(name: &str) -> u128 {
    match name {
        "tcp" => 6,
        "udp" => 17,
        other => panic!("{other}"),
    }
}

fn address(field: Field, text: &str) -> Match {
    let (address, length) = text.split_once('/').unwrap_or((text, "32"));
    let address: std::net::Ipv4Addr = address.parse().unwrap();
    let free = u32::MAX.checked_shr(length.parse().unwrap()).unwrap_or(0);
    let first = u32::from(address);
    Match::within(field, first.into()..=(first | free).into())
}

fn name(field: Field, text: &str) -> Match {
    Match::Name {
        field,
        name: text.as_bytes().into(),
        prefix: false,
        negated: false,
    }
}

fn ports(text: &str) -> Match {
    let within = text.split(',').map(port_range);
    Match::Number {
        field: Field::DestinationPort,
        mask: u128::MAX,
        within: within
            .map(|range| u128::from(*range.start())..=u128::from(*range.end()))
            .collect(),
        negated: false,
    }
}

fn port_range(text: &str) -> RangeInclusive<u16> {
    let (first, last) = text.split_once([':', '-']).unwrap_or((text, text));
    first.parse().unwrap()..=last.parse().unwrap()
}

fn mark(text: &str) -> Match {
    let number = |text: &str| u128::from_str_radix(text.trim_start_matches("0x"), 16).unwrap();
    let (value, mask) = text.split_once('/').unwrap_or((text, "ffffffff"));
    Match::masked(Field::Mark, number(mask), number(value))
}
