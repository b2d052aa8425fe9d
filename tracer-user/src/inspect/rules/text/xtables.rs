//! A rule of iptables-nft as `iptables-nft-save` prints it.
//!
//! Some of it are native expressions in place of `-m tcp`, `-m mark`, `-m limit` and `-j NFLOG`; the rest are extensions
//! that come with their text. Chains stand in it by their names. Other native expressions it has no words for: iptables
//! never writes them.

use super::iptables::{Asked, Head, tcp_flags};
use super::{Lookup, unknown};
use crate::inspect::rules::bytes::text;
use crate::inspect::rules::xt::quoted;
use crate::inspect::rules::{Extension, Part};
use crate::model::rules::{Action, ChainId, Family, Field, Item, Match, Value, Verdict};
use std::fmt::Write;
use std::net::IpAddr;
use std::ops::RangeInclusive;

/// From `-A` on. `comment`: the one beside the rule, which stands for itself where no extension says it. `None`: a rule
/// that iptables cannot have written.
pub fn iptables_rule(
    family: Family,
    chain: &str,
    parts: &[Part],
    comment: Option<&str>,
    lookup: &dyn Lookup,
) -> Option<String> {
    let mut rule = Printed {
        six: family == Family::Ip6,
        ..Printed::default()
    };
    for part in parts {
        match part {
            Part::Native(item) | Part::Detailed(item, _) => rule.native(item, lookup)?,
            Part::Extension(extension) => rule.extension(extension)?,
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
    fn extension(&mut self, extension: &Extension) -> Option<()> {
        self.commented |= &*extension.name == "comment";
        if extension.text.starts_with("-j") || extension.text.starts_with("-g") {
            once(&mut self.target, extension.text.clone())
        } else {
            self.words.push(extension.text.clone());
            Some(())
        }
    }

    fn native(&mut self, item: &Item, lookup: &dyn Lookup) -> Option<()> {
        match item {
            // Nothing is asked after something was done.
            Item::Match(_) if self.target.is_some() => None,
            Item::Match(matching) => self.matching(matching),
            Item::Action(action) => self.action(action, lookup),
        }
    }

    fn matching(&mut self, matching: &Match) -> Option<()> {
        match matching {
            Match::Number {
                field,
                mask,
                within,
                negated,
            } => match within.as_slice() {
                [range] => self.number(*field, *mask, range, *negated),
                _ => None,
            },
            Match::Name {
                field,
                name,
                prefix,
                negated,
            } => {
                let device = Asked {
                    inverted: *negated,
                    value: format!("{}{}", text(name), if *prefix { "+" } else { "" }),
                };
                if *field == Field::InputName {
                    once(&mut self.head.input, device)
                } else {
                    once(&mut self.head.output, device)
                }
            }
            Match::Chance(text) => {
                self.words.push(limit(text)?);
                Some(())
            }
            Match::Lookup { .. } | Match::Equal { .. } | Match::Any(_) | Match::NotAll(_) | Match::Unknown(_) => None,
        }
    }

    /// iptables-nft writes no other field as a native expression.
    fn number(&mut self, field: Field, mask: u128, range: &RangeInclusive<u128>, negated: bool) -> Option<()> {
        let first = *range.start();
        let single = first == *range.end();
        match (field, mask) {
            (Field::Ip4Source | Field::Ip6Source, _) if single => {
                let network = self.network(first, mask, negated);
                once(&mut self.head.source, network)
            }
            (Field::Ip4Destination | Field::Ip6Destination, _) if single => {
                let network = self.network(first, mask, negated);
                once(&mut self.head.destination, network)
            }
            (Field::L4Proto | Field::Ip4Protocol | Field::Ip6NextHeader, u128::MAX) if single => {
                let protocol = Asked {
                    inverted: negated,
                    value: u16::try_from(first).ok()?,
                };
                once(&mut self.head.protocol, protocol)
            }
            (Field::Ip4Fragment, FRAGMENT_OFFSET) if single && first == 0 => {
                let fragment = Asked {
                    inverted: !negated,
                    value: (),
                };
                once(&mut self.head.fragment, fragment)
            }
            (Field::SourcePort, u128::MAX) => {
                let text = format!("{} --sport {}", not(negated), ports(range));
                once(&mut self.transport().source, text)
            }
            (Field::DestinationPort, u128::MAX) => {
                let text = format!("{} --dport {}", not(negated), ports(range));
                once(&mut self.transport().destination, text)
            }
            (Field::TcpFlags, 0..=ALL_FLAGS) if single => {
                let [mask, set] = [u8::try_from(mask).ok()?, u8::try_from(first).ok()?].map(tcp_flags);
                let text = format!("{} --tcp-flags {mask} {set}", not(negated));
                once(&mut self.transport().flags, text)
            }
            (Field::Mark, _) if single => {
                self.words
                    .push(format!("-m mark{} --mark {first:#x}{}", not(negated), under(mask)));
                Some(())
            }
            _ => None,
        }
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

    fn action(&mut self, action: &Action, lookup: &dyn Lookup) -> Option<()> {
        let target = match action {
            Action::Verdict(verdict) => verdict_text(verdict, lookup)?,
            Action::Harmless(text) if &**text == "counter" => return Some(()),
            Action::Harmless(text) => nflog(text)?,
            Action::VerdictMap { .. }
            | Action::Assign(_)
            | Action::Nat(_)
            | Action::Tproxy(_)
            | Action::Notrack
            | Action::Zone { .. }
            | Action::Unknown(_) => return None,
        };
        once(&mut self.target, target)
    }

    fn finish(mut self, chain: &str) -> Option<String> {
        if let Some((place, transport)) = self.transport {
            let protocol = self.head.protocol.as_ref().filter(|asked| !asked.inverted)?;
            let name = super::names::protocol(protocol.value.into())?;
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
        Some(text)
    }
}

/// iptables asks for each thing once.
fn once<T>(slot: &mut Option<T>, value: T) -> Option<()> {
    slot.replace(value).is_none().then_some(())
}

fn verdict_text(verdict: &Verdict, lookup: &dyn Lookup) -> Option<String> {
    let name = |id: &Option<ChainId>| {
        let name = id.and_then(|id| lookup.chain(id));
        name.map_or_else(|| unknown("chain"), str::to_owned)
    };
    Some(match verdict {
        Verdict::Accept => "-j ACCEPT".to_owned(),
        Verdict::Drop => "-j DROP".to_owned(),
        Verdict::Return => "-j RETURN".to_owned(),
        Verdict::Jump(chain) => format!("-j {}", name(chain)),
        Verdict::Goto(chain) => format!("-g {}", name(chain)),
        Verdict::Queue { .. } | Verdict::Reject(_) | Verdict::Continue => return None,
    })
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
    // Without a group it is nft's log to the kernel's ring.
    let mut words = rest.strip_prefix(" group").map(|_| rest.split_ascii_whitespace())?;
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
const FRAGMENT_OFFSET: u128 = 0x1fff;
/// Those that iptables has names for.
const ALL_FLAGS: u128 = 0x3f;
