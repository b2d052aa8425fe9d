//! Rules in the words of iptables-restore.

use crate::frame::{TCP, TTL};
use crate::rule::{APART, Act, Ask, Chain, Random, Rule, Table, Tool};
use crate::world;
use std::fmt::Write;

pub(crate) fn load(table: &Table) {
    let text = text(table);
    let v6 = if table.column.v6 { "6" } else { "" };
    let kind = if table.column.tool == Tool::IptablesLegacy {
        "legacy"
    } else {
        "nft"
    };
    world::input(&format!("ip{v6}tables-{kind}-restore"), &["--noflush"], &text);
}

/// Makes the kernel have a table.
pub(crate) fn touch(table: &str, v6: bool) {
    let v6 = if v6 { "6" } else { "" };
    world::input(
        &format!("ip{v6}tables-legacy-restore"),
        &["--noflush"],
        &format!("*{table}\nCOMMIT\n"),
    );
}

/// Takes away everything in a table that `load` has made, policies included.
pub(crate) fn clear_legacy(table: &Table) {
    let mut text = format!("*{}\n", table.name);
    for chain in table.chains.iter().filter(|chain| chain.base.is_some()) {
        writeln!(text, ":{} ACCEPT", chain.name).unwrap();
    }
    text.push_str("COMMIT\n");
    let v6 = if table.column.v6 { "6" } else { "" };
    world::input(&format!("ip{v6}tables-legacy-restore"), &[], &text);
}

pub(crate) fn text(table: &Table) -> String {
    let mut text = format!("*{}\n", table.name);
    for chain in &table.chains {
        let policy = match chain.base {
            Some(base) if base.drops => "DROP",
            Some(_) => "ACCEPT",
            None => "-",
        };
        writeln!(text, ":{} {policy} [0:0]", chain.name).unwrap();
    }
    for chain in &table.chains {
        if chain.base.is_some() {
            apart(&mut text, chain, table.column.v6);
        }
        for rule in &chain.rules {
            writeln!(text, "-A {}{}", chain.name, line(rule)).unwrap();
        }
    }
    text.push_str("COMMIT\n");
    text
}

/// Lets through what the kernel makes itself: it is no packet of the test.
fn apart(text: &mut String, chain: &Chain, v6: bool) {
    let name = &chain.name;
    let mut add = |asks: &str| writeln!(text, "-A {name} {asks} -m comment --comment {APART} -j ACCEPT").unwrap();
    if v6 {
        add(&format!("-m hl --hl-gt {TTL}"));
        add("-p ipv6-icmp");
    } else {
        add(&format!("-m ttl --ttl-gt {TTL}"));
    }
}

fn line(rule: &Rule) -> String {
    let mut line = String::new();
    let protocol = rule
        .protocol
        .map(|protocol| if protocol == TCP { "tcp" } else { "udp" });
    if let Some(protocol) = protocol {
        write!(line, " -p {protocol}").unwrap();
    }
    for ask in &rule.asks {
        line.push(' ');
        line.push_str(&asked(ask, protocol.unwrap_or_default()));
    }
    write!(line, " -m comment --comment r{}{}", rule.number, action(rule)).unwrap();
    line
}

fn asked(ask: &Ask, protocol: &str) -> String {
    let not = |negated: &bool| if *negated { "! " } else { "" };
    let side = |source: &bool| if *source { "s" } else { "d" };
    match ask {
        Ask::Address {
            source,
            address,
            prefix,
            negated,
        } => format!("{}-{} {address}/{prefix}", not(negated), side(source)),
        Ask::Port {
            source,
            first,
            last,
            negated,
        } => format!("-m {protocol} {}--{}port {first}:{last}", not(negated), side(source)),
        Ask::Only(port) => format!("-m {protocol} --sport {port}"),
        Ask::Ports { ports, negated } => {
            let ports: Vec<String> = ports.iter().map(u16::to_string).collect();
            format!("-m multiport {}--dports {}", not(negated), ports.join(","))
        }
        Ask::Interface { input, name, negated } => {
            format!("{}-{} {name}", not(negated), if *input { "i" } else { "o" })
        }
        Ask::Protocol | Ask::Comment => String::new(),
        Ask::Flags { mask, value, negated } => {
            format!("-m tcp {}--tcp-flags {} {}", not(negated), flags(*mask), flags(*value))
        }
        Ask::Mark { value, mask, negated } => format!("-m mark {}--mark {value:#x}/{mask:#x}", not(negated)),
        Ask::Connmark { value, mask, negated } => format!("-m connmark {}--mark {value:#x}/{mask:#x}", not(negated)),
        Ask::Owner { group, id, negated } => {
            format!(
                "-m owner {}--{}id-owner {id}",
                not(negated),
                if *group { "g" } else { "u" }
            )
        }
        Ask::State { names, negated } => format!("-m conntrack {}--ctstate {}", not(negated), names.join(",")),
        Ask::AddressType {
            source,
            name,
            negated,
            by_input,
        } => format!(
            "-m addrtype {}--{}-type {name}{}",
            not(negated),
            if *source { "src" } else { "dst" },
            if *by_input { " --limit-iface-in" } else { "" }
        ),
        Ask::Socket { transparent: true } => "-m socket --transparent --nowildcard".to_owned(),
        Ask::Socket { transparent: false } => "-m socket --nowildcard".to_owned(),
        Ask::Chance(random) => chance(*random).to_owned(),
        Ask::Zone(_) | Ask::Set { .. } => panic!("not of xtables: {ask:?}"),
    }
}

fn chance(random: Random) -> &'static str {
    match random {
        Random::Probability => "-m statistic --mode random --probability 0.5",
        Random::Nth => "-m statistic --mode nth --every 2 --packet 0",
        Random::Limit => "-m limit --limit 1/minute --limit-burst 3",
        Random::Hashlimit => {
            "-m hashlimit --hashlimit-upto 1/minute --hashlimit-burst 3 --hashlimit-mode srcip --hashlimit-name walk"
        }
        Random::Recent => "-m recent --name walk --rcheck --hitcount 2",
    }
}

fn flags(bits: u8) -> String {
    let names = ["FIN", "SYN", "RST", "PSH", "ACK"];
    let set = names.iter().enumerate().filter(|(bit, _)| bits & (1 << bit) != 0);
    let set: Vec<&str> = set.map(|(_, name)| *name).collect();
    if set.is_empty() {
        "NONE".to_owned()
    } else {
        set.join(",")
    }
}

fn action(rule: &Rule) -> String {
    let target = match &rule.act {
        Act::Count => return String::new(),
        Act::Goto(chain) => return format!(" -g {chain}"),
        Act::Accept => "ACCEPT".to_owned(),
        Act::Drop => "DROP".to_owned(),
        Act::Reset => "REJECT --reject-with tcp-reset".to_owned(),
        Act::Unreachable if rule.v6 => "REJECT --reject-with icmp6-port-unreachable".to_owned(),
        Act::Unreachable => "REJECT --reject-with icmp-port-unreachable".to_owned(),
        Act::Return => "RETURN".to_owned(),
        Act::Jump(chain) => chain.clone(),
        Act::Redirect(None) => "REDIRECT".to_owned(),
        Act::Redirect(Some(port)) => format!("REDIRECT --to-ports {port}"),
        Act::Dnat(address, None) => format!("DNAT --to-destination {address}"),
        Act::Dnat(address, Some(port)) => {
            format!("DNAT --to-destination {}", std::net::SocketAddr::new(*address, *port))
        }
        Act::Spread(first, last) => format!("DNAT --to-destination {first}-{last}"),
        Act::ByPort(_) => panic!("not of xtables: {:?}", rule.act),
        Act::Snat(address, None) => format!("SNAT --to-source {address}"),
        Act::Snat(address, Some((first, last))) => {
            let first = std::net::SocketAddr::new(*address, *first);
            format!("SNAT --to-source {first}-{last}")
        }
        Act::Masquerade => "MASQUERADE".to_owned(),
        Act::Tproxy(port) => format!("TPROXY --on-port {port} --tproxy-mark 0x100/0x100"),
        Act::Notrack => "CT --notrack".to_owned(),
        Act::Zone(zone) => format!("CT --zone {zone}"),
        Act::Queue { bypass: false } => "NFQUEUE --queue-num 5".to_owned(),
        Act::Queue { bypass: true } => "NFQUEUE --queue-num 5 --queue-bypass".to_owned(),
        Act::Mark { value, mask } => format!("MARK --set-xmark {value:#x}/{mask:#x}"),
        Act::Connmark { value, mask } => format!("CONNMARK --set-xmark {value:#x}/{mask:#x}"),
        Act::Save(mask) => format!("CONNMARK --save-mark --nfmask {mask:#x} --ctmask {mask:#x}"),
        Act::Restore(mask) => format!("CONNMARK --restore-mark --nfmask {mask:#x} --ctmask {mask:#x}"),
    };
    format!(" -j {target}")
}
