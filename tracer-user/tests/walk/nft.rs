//! Rules in the words of nft.

use crate::frame::{TCP, TTL};
use crate::rule::{APART, Act, Ask, Random, Rule, Table, Tool};
use crate::world;
use std::fmt::Write;
use std::net::SocketAddr;

pub(crate) fn load(table: &Table) {
    world::input("nft", &["-f", "-"], &text(table));
}

pub(crate) fn text(table: &Table) -> String {
    let family = match (table.column.tool, table.column.v6) {
        (Tool::Inet, _) => "inet",
        (_, false) => "ip",
        (_, true) => "ip6",
    };
    let mut text = format!("table {family} {} {{\n", table.name);
    for rule in table.chains.iter().flat_map(|chain| &chain.rules) {
        sets(&mut text, rule);
    }
    for chain in &table.chains {
        writeln!(text, " chain {} {{", chain.name).unwrap();
        if let Some(base) = chain.base {
            let policy = if base.drops { "drop" } else { "accept" };
            let (kind, hook, priority) = (base.kind, base.hook.name(), base.priority);
            writeln!(text, "  type {kind} hook {hook} priority {priority}; policy {policy};").unwrap();
            if family != "ip6" {
                writeln!(text, "  ip ttl > {TTL} counter accept comment \"{APART}\"").unwrap();
            }
            if family != "ip" {
                writeln!(text, "  ip6 hoplimit > {TTL} counter accept comment \"{APART}\"").unwrap();
                writeln!(text, "  meta l4proto ipv6-icmp counter accept comment \"{APART}\"").unwrap();
            }
        }
        for rule in &chain.rules {
            writeln!(text, "  {}", line(rule)).unwrap();
        }
        text.push_str(" }\n");
    }
    text.push_str("}\n");
    text
}

/// The named sets that a rule asks for.
fn sets(text: &mut String, rule: &Rule) {
    for (index, ask) in rule.asks.iter().enumerate() {
        if let Ask::Set { addresses, .. } = ask {
            let kind = if rule.v6 { "ipv6_addr" } else { "ipv4_addr" };
            let list: Vec<String> = addresses.iter().map(ToString::to_string).collect();
            let list = list.join(", ");
            writeln!(
                text,
                " set s{}_{index} {{\n  type {kind}\n  elements = {{ {list} }}\n }}",
                rule.number
            )
            .unwrap();
        }
    }
}

fn line(rule: &Rule) -> String {
    let mut line = String::new();
    if let Some(protocol) = rule.protocol {
        line.push_str(if protocol == TCP {
            "meta l4proto tcp "
        } else {
            "meta l4proto udp "
        });
    }
    for (index, ask) in rule.asks.iter().enumerate() {
        line.push_str(&asked(ask, rule, index));
        line.push(' ');
    }
    write!(line, "counter {} comment \"r{}\"", action(rule), rule.number).unwrap();
    line
}

fn asked(ask: &Ask, rule: &Rule, index: usize) -> String {
    let not = |negated: &bool| if *negated { "!= " } else { "" };
    let equals = |negated: &bool| if *negated { "!=" } else { "==" };
    let side = |source: &bool| if *source { "s" } else { "d" };
    let family = if rule.v6 { "ip6" } else { "ip" };
    let (protocol, nfproto) = match (rule.protocol, rule.v6) {
        (Some(TCP), _) => ("tcp", ""),
        (Some(_), _) => ("udp", ""),
        (None, true) => ("th", "meta nfproto ipv6 "),
        (None, false) => ("th", "meta nfproto ipv4 "),
    };
    match ask {
        Ask::Address {
            source,
            address,
            prefix,
            negated,
        } => format!("{family} {}addr {}{address}/{prefix}", side(source), not(negated)),
        Ask::Port {
            source,
            first,
            last,
            negated,
        } => format!("{protocol} {}port {}{first}-{last}", side(source), not(negated)),
        Ask::Only(port) => format!("{protocol} sport {port}"),
        Ask::Ports { ports, negated } => {
            let ports: Vec<String> = ports.iter().map(u16::to_string).collect();
            format!("{protocol} dport {}{{ {} }}", not(negated), ports.join(", "))
        }
        Ask::Interface { input, name, negated } => {
            // Either spelling: by name, or by number.
            let by = if rule.number.is_multiple_of(2) { "name" } else { "" };
            format!("{}if{by} {}\"{name}\"", if *input { "i" } else { "o" }, not(negated))
        }
        Ask::Protocol => nfproto.to_owned(),
        Ask::Comment => String::new(),
        Ask::Flags { mask, value, negated } => {
            format!("tcp flags & {mask:#x} {} {value:#x}", equals(negated))
        }
        Ask::Mark { value, mask, negated } => format!("meta mark & {mask:#x} {} {value:#x}", equals(negated)),
        Ask::Connmark { value, mask, negated } => format!("ct mark & {mask:#x} {} {value:#x}", equals(negated)),
        Ask::Owner { group, id, negated } => {
            format!("meta sk{}id {}{id}", if *group { "g" } else { "u" }, not(negated))
        }
        Ask::State { names, negated } => format!("ct state {}{}", not(negated), names.join(",").to_lowercase()),
        Ask::Zone(zone) => format!("ct zone {zone}"),
        Ask::AddressType {
            source,
            name,
            negated,
            by_input,
        } => format!(
            "fib {}addr{} type {}{}",
            side(source),
            if *by_input { " . iif" } else { "" },
            not(negated),
            name.to_lowercase()
        ),
        Ask::Socket { transparent } => format!("socket transparent {}", u8::from(*transparent)),
        Ask::Set { source, negated, .. } => {
            format!(
                "{family} {}addr {}@s{}_{index}",
                side(source),
                not(negated),
                rule.number
            )
        }
        Ask::Chance(random) => chance(*random).to_owned(),
    }
}

fn chance(random: Random) -> &'static str {
    match random {
        Random::Probability | Random::Hashlimit => "numgen random mod 2 0",
        Random::Nth | Random::Recent => "numgen inc mod 2 0",
        Random::Limit => "limit rate 1/minute burst 3 packets",
    }
}

fn action(rule: &Rule) -> String {
    let family = if rule.v6 { "ip6" } else { "ip" };
    match &rule.act {
        Act::Count => String::new(),
        Act::Accept => "accept".to_owned(),
        Act::Drop => "drop".to_owned(),
        Act::Reset => "reject with tcp reset".to_owned(),
        Act::Unreachable if rule.v6 => "reject with icmpv6 type port-unreachable".to_owned(),
        Act::Unreachable => "reject with icmp type port-unreachable".to_owned(),
        Act::Return => "return".to_owned(),
        Act::Jump(chain) => format!("jump {chain}"),
        Act::Goto(chain) => format!("goto {chain}"),
        Act::Redirect(None) => "redirect".to_owned(),
        Act::Redirect(Some(port)) => format!("redirect to :{port}"),
        Act::Dnat(address, None) => format!("dnat {family} to {address}"),
        Act::Dnat(address, Some(port)) => format!("dnat {family} to {}", SocketAddr::new(*address, *port)),
        Act::Spread(first, last) => {
            format!("dnat {family} to numgen random mod 2 map {{ 0 : {first}, 1 : {last} }}")
        }
        Act::ByPort(cases) => {
            let cases: Vec<String> = cases
                .iter()
                .map(|(port, verdict)| format!("{port} : {verdict}"))
                .collect();
            format!("th dport vmap {{ {} }}", cases.join(", "))
        }
        Act::Snat(address, None) => format!("snat {family} to {address}"),
        Act::Snat(address, Some((first, last))) => {
            format!("snat {family} to {}-{last}", SocketAddr::new(*address, *first))
        }
        Act::Masquerade => "masquerade".to_owned(),
        Act::Tproxy(port) => format!("tproxy {family} to :{port} meta mark set meta mark or 0x100 accept"),
        Act::Notrack => "notrack".to_owned(),
        Act::Zone(zone) => format!("ct zone set {zone}"),
        Act::Queue { bypass: false } => "queue num 5".to_owned(),
        Act::Queue { bypass: true } => "queue num 5 bypass".to_owned(),
        Act::Mark { value, mask } => format!("meta mark set meta mark & {:#x} ^ {value:#x}", !mask),
        Act::Connmark { value, mask } => format!("ct mark set ct mark & {:#x} ^ {value:#x}", !mask),
        Act::Save(mask) => format!("ct mark set meta mark & {mask:#x}"),
        Act::Restore(mask) => format!("meta mark set ct mark & {mask:#x}"),
    }
}
