//! What rules do, as nft prints it.

use super::names::{ICMP_CODES, ICMP6_CODES, ICMPX_CODES, named};
use super::nft::{Context, IPV6};
use super::set::Meaning;
use super::unknown;
use super::value::Style;
use crate::inspect::rules::Detail;
use crate::model::rules::{
    Action, Assign, ChainId, Family, Field, Nat, NatTarget, Reject, Source, Target, Tproxy, Value, Verdict,
};
use std::fmt::Write;
use std::net::IpAddr;
use std::ops::RangeInclusive;

impl Context<'_> {
    pub(super) fn action(&self, action: &Action, detail: Option<&Detail>) -> String {
        match action {
            Action::Verdict(Verdict::Reject(reject)) => self.reject(*reject, detail),
            Action::Verdict(Verdict::Queue { queues, bypass }) => queue(queues, *bypass, detail),
            Action::Verdict(verdict) => self.verdict(verdict),
            Action::VerdictMap { key, map } => format!("{} vmap {}", self.key(key, detail), self.set(*map, key)),
            Action::Assign(assign) => self.assign(assign, detail),
            Action::Nat(nat) => self.nat(nat, detail),
            Action::Tproxy(tproxy) => self.tproxy(tproxy),
            Action::Notrack => "notrack".to_owned(),
            Action::Zone { zone, direction } => match direction {
                None => format!("ct zone set {zone}"),
                Some(0) => format!("ct original zone set {zone}"),
                Some(_) => format!("ct reply zone set {zone}"),
            },
            Action::Harmless(text) if detail != Some(&Detail::Partial) => text.to_string(),
            Action::Harmless(text) | Action::Unknown(text) => unknown(text),
        }
    }

    pub(super) fn verdict(&self, verdict: &Verdict) -> String {
        match verdict {
            Verdict::Accept => "accept".to_owned(),
            Verdict::Drop => "drop".to_owned(),
            Verdict::Return => "return".to_owned(),
            Verdict::Continue => "continue".to_owned(),
            Verdict::Jump(chain) => format!("jump {}", self.chain(*chain)),
            Verdict::Goto(chain) => format!("goto {}", self.chain(*chain)),
            Verdict::Reject(reject) => self.reject(*reject, None),
            Verdict::Queue { queues, bypass } => queue(queues, *bypass, None),
        }
    }

    fn chain(&self, id: Option<ChainId>) -> String {
        let name = id.and_then(|id| self.lookup.chain(id));
        name.map_or_else(|| unknown("chain"), str::to_owned)
    }

    fn reject(&self, reject: Reject, detail: Option<&Detail>) -> String {
        let coded = |word: &str, table, code: u8| {
            let code = named(table, u128::from(code)).map_or_else(|| code.to_string(), str::to_owned);
            format!("reject with {word} {code}")
        };
        let alone = matches!(self.family, Family::Ip | Family::Ip6);
        match (reject, detail) {
            (Reject::TcpReset, _) => "reject with tcp reset".to_owned(),
            (Reject::Icmp, Some(Detail::Reject { kind: REJECT_ANY, code })) => match *code {
                REJECT_ANY_PORT => "reject".to_owned(),
                code => coded("icmpx", ICMPX_CODES, code),
            },
            (Reject::Icmp, Some(Detail::Reject { code, .. })) if self.network == Some(IPV6) => match *code {
                ICMP6_PORT if alone => "reject".to_owned(),
                code => coded("icmpv6", ICMP6_CODES, code),
            },
            (Reject::Icmp, Some(Detail::Reject { code, .. })) => match *code {
                ICMP_PORT if alone => "reject".to_owned(),
                code => coded("icmp", ICMP_CODES, code),
            },
            (Reject::Icmp, _) => "reject".to_owned(),
        }
    }

    fn assign(&self, assign: &Assign, detail: Option<&Detail>) -> String {
        let Assign {
            target,
            keep,
            source,
            value,
        } = assign;
        let own = match target {
            Target::Mark => Field::Mark,
            Target::Connmark => Field::CtMark,
        };
        let target = target.name();
        let bits = |field, mask: u32| self.bitwise(field, u128::from(mask), u128::from(*value));
        let text = match (source, *keep) {
            (Source::None, 0) => self.number(own, u128::from(*value)),
            (Source::None, keep) => format!("{}{}", own.name(), bits(own, keep)),
            (Source::Mark { mask, shift }, 0) => format!("meta mark{}{}", bits(Field::Mark, *mask), shifted(*shift)),
            (Source::Connmark { mask, shift }, 0) => {
                format!("ct mark{}{}", bits(Field::CtMark, *mask), shifted(*shift))
            }
            (Source::Operand(crate::model::rules::Operand::Map { key, map }), 0) => {
                format!("{} map {}", self.key(key, detail), self.map(*map, key, Meaning::Mark))
            }
            (Source::Operand(operand), 0) => self.operand(operand, detail),
            (_, keep) => unknown(&format!("several sources, {keep:#010x} kept")),
        };
        format!("{target} set {text}")
    }

    fn nat(&self, nat: &Nat, detail: Option<&Detail>) -> String {
        let mut text = nat.kind.name().to_owned();
        match &nat.target {
            NatTarget::Fixed {
                addresses,
                ports,
                netmap,
                ..
            } => {
                let family = addresses.as_ref().map(|range| range.start().is_ipv6());
                self.target_family(&mut text, family, false);
                if *netmap {
                    text.push_str(" prefix");
                }
                if addresses.is_some() || ports.is_some() {
                    text.push_str(" to ");
                }
                if let Some(range) = addresses {
                    text.push_str(&self.addresses(range, ports.is_some(), *netmap));
                }
                if let Some(ports) = ports {
                    text.push_str(&port_range(ports));
                }
            }
            NatTarget::Map {
                key,
                map,
                address,
                port,
                fixed_port,
            } => {
                let ipv6 = self.gives_ipv6(*map) || self.network == Some(IPV6);
                self.target_family(&mut text, address.then_some(ipv6), *address && *port);
                text.push_str(if *address { " to " } else { " to :" });
                text.push_str(&self.key(key, detail));
                text.push_str(" map ");
                text.push_str(&self.map(*map, key, Meaning::Target { address: *address }));
                if let Some(port) = fixed_port {
                    let _ = write!(text, ":{port}");
                }
            }
            NatTarget::Unknown(target) => {
                let _ = write!(text, " to {}", unknown(target));
            }
        }
        let random = if detail == Some(&Detail::FullyRandom) {
            "fully-random"
        } else {
            "random"
        };
        let flags = [(nat.random, random), (nat.persistent, "persistent")];
        let flags: Vec<_> = flags
            .into_iter()
            .filter(|(set, _)| *set)
            .map(|(_, flag)| flag)
            .collect();
        if !flags.is_empty() {
            text.push(' ');
            text.push_str(&flags.join(","));
        }
        text
    }

    /// Tables of one family need not say it; nft says it all the same of a map to address and port.
    fn target_family(&self, text: &mut String, ipv6: Option<bool>, pair: bool) {
        let alone = matches!(self.family, Family::Ip | Family::Ip6);
        let ipv6 = self.stated.map(|family| family == IPV6).or(ipv6);
        if let Some(ipv6) = ipv6
            && (!alone || pair)
        {
            text.push_str(if ipv6 { " ip6" } else { " ip" });
        }
    }

    fn addresses(&self, range: &RangeInclusive<IpAddr>, port: bool, netmap: bool) -> String {
        let (first, last) = (range.start(), range.end());
        let brackets = port && first.is_ipv6();
        let shown = |address: &IpAddr| {
            if brackets {
                format!("[{}]", super::address(*address))
            } else {
                super::address(*address)
            }
        };
        if first == last {
            return shown(first);
        }
        if netmap {
            let number = |address: &IpAddr| Value::from(*address).number().unwrap_or_default();
            let style = if first.is_ipv6() { Style::Ipv6 } else { Style::Ipv4 };
            return self.range(style, number(first), number(last));
        }
        format!("{}-{}", shown(first), shown(last))
    }

    fn tproxy(&self, tproxy: &Tproxy) -> String {
        let mut text = "tproxy".to_owned();
        self.target_family(&mut text, tproxy.address.map(|address| address.is_ipv6()), false);
        text.push_str(" to ");
        if let Some(address) = tproxy.address {
            let shown = super::address(address);
            let _ = match address {
                IpAddr::V4(_) => write!(text, "{shown}"),
                IpAddr::V6(_) => write!(text, "[{shown}]"),
            };
        }
        if let Some(port) = tproxy.port {
            let _ = write!(text, ":{port}");
        }
        text
    }
}

fn port_range(ports: &RangeInclusive<u16>) -> String {
    let (first, last) = (ports.start(), ports.end());
    if first == last {
        format!(":{first}")
    } else {
        format!(":{first}-{last}")
    }
}

fn shifted(shift: i8) -> String {
    match shift {
        0 => String::new(),
        left @ 1.. => format!(" << {left}"),
        right => format!(" >> {}", right.unsigned_abs()),
    }
}

fn queue(queues: &RangeInclusive<u16>, bypass: bool, detail: Option<&Detail>) -> String {
    let flags = match (bypass, detail == Some(&Detail::Fanout)) {
        (false, false) => "",
        (true, false) => " flags bypass",
        (false, true) => " flags fanout",
        (true, true) => " flags bypass,fanout",
    };
    let (first, last) = (queues.start(), queues.end());
    if first == last {
        format!("queue{flags} to {first}")
    } else {
        format!("queue{flags} to {first}-{last}")
    }
}

/// `NFT_REJECT_ICMPX_UNREACH`.
const REJECT_ANY: u32 = 2;
/// `NFT_REJECT_ICMPX_PORT_UNREACH`.
const REJECT_ANY_PORT: u8 = 1;
/// `ICMP_PORT_UNREACH`.
const ICMP_PORT: u8 = 3;
/// `ICMPV6_PORT_UNREACH`.
const ICMP6_PORT: u8 = 4;
