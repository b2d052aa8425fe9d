//! A rule of iptables-nft as `iptables-nft-save` prints it.
//!
//! Some of it are native expressions in place of `-m tcp`, `-m mark`, `-m limit` and `-j NFLOG`; the rest are extensions
//! that come with their text. Chains stand in it by their names.

use super::iptables::{Asked, Head};
use super::{Lookup, unknown};
use crate::inspect::rules::xt::quoted;
use crate::inspect::rules::{Extension, Part};
use crate::model::rules::{Action, ChainId, Family, Field, Item, Match, Value, Verdict};
use std::fmt::Write;
use std::net::IpAddr;
use std::ops::RangeInclusive;

/// From `-A` on. `comment`: the one beside the rule, which stands for itself where no extension says it.
pub fn iptables_rule(
    family: Family,
    chain: &str,
    parts: &[Part],
    comment: Option<&str>,
    lookup: &dyn Lookup,
) -> String {
    let mut rule = Printed {
        six: family == Family::Ip6,
        ..Printed::default()
    };
    for part in parts {
        match part {
            Part::Native(item) | Part::Detailed(item, _) => rule.native(item, lookup),
            Part::Extension(extension) => rule.extension(extension),
        }
    }
    if let Some(comment) = comment
        && !rule.commented
    {
        rule.words.push(format!("-m comment --comment {}", quoted(comment)));
    }
    rule.finish(chain)
}

#[derive(Default)]
struct Printed {
    six: bool,
    head: Head,
    /// Matches, in their order.
    words: Vec<String>,
    /// Ports and flags of the native part, and where among the words they belong.
    transport: Option<(usize, Transport)>,
    commented: bool,
    target: Option<String>,
}

/// Native parts that were written as one `-m tcp` or `-m udp`.
#[derive(Default)]
struct Transport {
    source: Option<String>,
    destination: Option<String>,
    flags: Option<String>,
}

impl Printed {
    fn extension(&mut self, extension: &Extension) {
        self.commented |= &*extension.name == "comment";
        if extension.text.starts_with("-j") || extension.text.starts_with("-g") {
            self.target = Some(extension.text.clone());
        } else {
            self.words.push(extension.text.clone());
        }
    }

    fn native(&mut self, item: &Item, lookup: &dyn Lookup) {
        match item {
            Item::Match(matching) => self.matching(matching),
            Item::Action(action) => self.action(action, lookup),
        }
    }

    fn matching(&mut self, matching: &Match) {
        match matching {
            Match::Number {
                field,
                mask,
                within,
                negated,
            } => match within.as_slice() {
                [range] if self.number(*field, *mask, range, *negated) => {}
                _ => self.words.push(unknown(field.name())),
            },
            Match::Name {
                field,
                name,
                prefix,
                negated,
            } => {
                let device = Some(Asked {
                    inverted: *negated,
                    value: format!("{}{}", String::from_utf8_lossy(name), if *prefix { "+" } else { "" }),
                });
                if *field == Field::InputName {
                    self.head.input = device;
                } else {
                    self.head.output = device;
                }
            }
            Match::Chance(text) => {
                let text = limit(text).unwrap_or_else(|| unknown(text));
                self.words.push(text);
            }
            Match::Unknown(text) => self.words.push(unknown(text)),
            Match::Lookup { .. } => self.words.push(unknown("a set")),
            Match::Equal { .. } => self.words.push(unknown("a comparison")),
            Match::Any(_) | Match::NotAll(_) => self.words.push(unknown("several matches")),
        }
    }

    /// Whether there is a way to print it.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "iptables-nft writes no other field as a native expression"
    )]
    fn number(&mut self, field: Field, mask: u128, range: &RangeInclusive<u128>, negated: bool) -> bool {
        let first = *range.start();
        let single = first == *range.end();
        match field {
            Field::Ip4Source | Field::Ip6Source if single => {
                self.head.source = Some(self.network(first, mask, negated));
            }
            Field::Ip4Destination | Field::Ip6Destination if single => {
                self.head.destination = Some(self.network(first, mask, negated));
            }
            Field::L4Proto | Field::Ip4Protocol | Field::Ip6NextHeader if single => {
                let Ok(number) = u16::try_from(first) else { return false };
                self.head.protocol = Some(Asked {
                    inverted: negated,
                    value: number,
                });
            }
            Field::Ip4Fragment if single && first == 0 => {
                self.head.fragment = Some(Asked {
                    inverted: !negated,
                    value: (),
                });
            }
            Field::SourcePort => {
                self.transport().source = Some(format!("{} --sport {}", not(negated), ports(range)));
            }
            Field::DestinationPort => {
                self.transport().destination = Some(format!("{} --dport {}", not(negated), ports(range)));
            }
            Field::TcpFlags if single => {
                let flags = format!("{} --tcp-flags {} {}", not(negated), flags(mask), flags(first));
                self.transport().flags = Some(flags);
            }
            Field::Mark if single => {
                self.words
                    .push(format!("-m mark{} --mark {first:#x}{}", not(negated), under(mask)));
            }
            _ => return false,
        }
        true
    }

    fn transport(&mut self) -> &mut Transport {
        let place = self.words.len();
        &mut self.transport.get_or_insert_with(|| (place, Transport::default())).1
    }

    fn network(&self, number: u128, bits: u128, negated: bool) -> Asked<(IpAddr, IpAddr)> {
        let value = Value::Number(number);
        let address = match value.ipv4() {
            Some(address) if !self.six => address.into(),
            _ => IpAddr::V6(number.into()),
        };
        let mask = match u32::try_from(bits) {
            _ if self.six => IpAddr::V6(bits.into()),
            Ok(bits) => IpAddr::V4(bits.into()),
            Err(_) => IpAddr::V4(u32::MAX.into()),
        };
        Asked {
            inverted: negated,
            value: (address, mask),
        }
    }

    fn action(&mut self, action: &Action, lookup: &dyn Lookup) {
        let target = match action {
            Action::Verdict(verdict) => verdict_text(verdict, lookup),
            Action::Harmless(text) if text.starts_with("counter") => return,
            Action::Harmless(text) => nflog(text).unwrap_or_else(|| unknown(text)),
            Action::Unknown(text) => unknown(text),
            Action::VerdictMap { .. } => unknown("a verdict map"),
            Action::Assign(assign) => unknown(assign.target.name()),
            Action::Nat(nat) => unknown(nat.kind.name()),
            Action::Tproxy(_) => unknown("tproxy"),
            Action::Notrack => unknown("notrack"),
            Action::Zone { .. } => unknown("ct zone"),
        };
        self.target = Some(match self.target.take() {
            Some(before) => format!("{before} {target}"),
            None => target,
        });
    }

    fn finish(mut self, chain: &str) -> String {
        let protocol = self.head.protocol.as_ref().filter(|asked| !asked.inverted);
        if let Some((place, transport)) = self.transport {
            let name = protocol
                .and_then(|asked| super::iptables::protocol(asked.value))
                .unwrap_or("th");
            let options = [transport.source, transport.destination, transport.flags];
            let text = options
                .into_iter()
                .flatten()
                .fold(format!("-m {name}"), |text, option| text + &option);
            self.words.insert(place.min(self.words.len()), text);
        }
        self.words.extend(self.target);
        let mut text = format!("-A {chain}{}", self.head);
        for word in self.words {
            text.push(' ');
            text.push_str(&word);
        }
        text
    }
}

fn verdict_text(verdict: &Verdict, lookup: &dyn Lookup) -> String {
    let name = |id: &Option<ChainId>| {
        let name = id.and_then(|id| lookup.chain(id));
        name.map_or_else(|| unknown("chain"), str::to_owned)
    };
    match verdict {
        Verdict::Accept => "-j ACCEPT".to_owned(),
        Verdict::Drop => "-j DROP".to_owned(),
        Verdict::Return => "-j RETURN".to_owned(),
        Verdict::Jump(chain) => format!("-j {}", name(chain)),
        Verdict::Goto(chain) => format!("-g {}", name(chain)),
        Verdict::Queue { queues, .. } => format!("-j NFQUEUE --queue-num {}", queues.start()),
        Verdict::Reject(reject) => unknown(reject.name()),
        Verdict::Continue => unknown("continue"),
    }
}

fn ports(range: &RangeInclusive<u128>) -> String {
    let (first, last) = (range.start(), (*range.end()).min(LAST_PORT));
    if *first == last {
        first.to_string()
    } else {
        format!("{first}:{last}")
    }
}

fn under(mask: u128) -> String {
    match mask {
        u128::MAX => String::new(),
        mask => format!("/{mask:#x}"),
    }
}

fn flags(bits: u128) -> String {
    let bits = bits & 0x3f;
    if bits == 0 {
        return "NONE".to_owned();
    }
    super::names::flags(super::names::TCP_FLAGS, bits, ",").to_ascii_uppercase()
}

/// `limit rate 3/minute burst 10 packets` in iptables' words.
fn limit(text: &str) -> Option<String> {
    let rest = text.strip_prefix("limit rate ")?;
    let mut words = rest.split(' ');
    let (count, unit) = words.next()?.split_once('/')?;
    let unit = match unit {
        "second" => "sec",
        "minute" => "min",
        "hour" | "day" => unit,
        _ => return None,
    };
    let rate = format!("-m limit --limit {count}/{unit}");
    match words.collect::<Vec<_>>().as_slice() {
        [] | ["burst", "5", "packets"] => Some(rate),
        ["burst", burst, "packets"] => Some(format!("{rate} --limit-burst {burst}")),
        _ => None,
    }
}

/// `log prefix "foo" group 3` in iptables' words.
fn nflog(text: &str) -> Option<String> {
    let mut rest = text.strip_prefix("log")?;
    let mut target = "-j NFLOG".to_owned();
    if let Some(quoted_prefix) = rest.strip_prefix(" prefix \"") {
        let (prefix, after) = quoted_prefix.rsplit_once('"')?;
        let _ = write!(target, " --nflog-prefix {}", quoted(prefix));
        rest = after;
    }
    let mut words = rest.split_ascii_whitespace();
    while let Some(word) = words.next() {
        let number = words.next()?;
        match word {
            "group" if number == "0" => {}
            "group" => {
                let _ = write!(target, " --nflog-group {number}");
            }
            "snaplen" => {
                let _ = write!(target, " --nflog-size {number}");
            }
            "queue-threshold" => {
                let _ = write!(target, " --nflog-threshold {number}");
            }
            _ => return None,
        }
    }
    Some(target)
}

fn not(negated: bool) -> &'static str {
    if negated { " !" } else { "" }
}

const LAST_PORT: u128 = 65_535;
