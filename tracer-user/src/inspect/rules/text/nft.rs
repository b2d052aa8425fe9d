//! A rule as `nft list ruleset` prints it.
//!
//! Follows version 1.0.6, the one of Debian 12. Forms of later ones are not told apart.

use super::Lookup;
use crate::inspect::rules::{Comparison, Detail, Part};
use crate::model::rules::{Action, Counters, Family, Field, Item, Match, NatTarget, Operand, Reject, Source, Verdict};

/// One line, without the handle. `counters` stand where the rule has an [`Action::Harmless`] `counter`.
pub fn nft_rule(
    family: Family,
    parts: &[Part],
    counters: Option<Counters>,
    comment: Option<&str>,
    lookup: &dyn Lookup,
) -> String {
    let mut printer = Printer::new(family, lookup);
    let mut parts = parts.iter().peekable();
    while let Some(part) = parts.next() {
        if let Some(item) = parts.peek().and_then(|next| joined(part, next)) {
            parts.next();
            printer.item(&item, None);
            continue;
        }
        match part {
            Part::Native(Item::Action(Action::Harmless(text))) if &**text == "counter" => {
                printer.say(counter(counters.unwrap_or_default()));
            }
            Part::Native(item) => printer.item(item, None),
            Part::Detailed(item, detail) => printer.item(item, Some(detail)),
            Part::Extension(extension) => printer.say(format!("[xt: {}]", extension.text)),
        }
    }
    if let Some(comment) = comment {
        printer.say(format!("comment \"{comment}\""));
    }
    printer.finish()
}

/// What is needed to print one item.
#[derive(Clone, Copy)]
pub(super) struct Context<'a> {
    pub(super) family: Family,
    pub(super) lookup: &'a dyn Lookup,
    /// `NFPROTO_IPV4` or `NFPROTO_IPV6`, where it is known by now.
    pub(super) network: Option<u8>,
    /// `IPPROTO_*`, where it is known by now.
    pub(super) protocol: Option<u8>,
    /// The family that the next item says it is of.
    pub(super) stated: Option<u8>,
}

pub(super) const IPV4: u8 = 2;
pub(super) const IPV6: u8 = 10;

/// Leaves out what a later statement implies: `meta l4proto tcp` where `tcp dport` follows.
struct Printer<'a> {
    context: Context<'a>,
    statements: Vec<Option<String>>,
    /// The statement that says the network protocol, if a later one may make it superfluous.
    network: Option<usize>,
    /// The same for the transport protocol, and whether it reads the packet's header (`ip protocol`).
    transport: Option<(usize, bool)>,
}

impl<'a> Printer<'a> {
    fn new(family: Family, lookup: &'a dyn Lookup) -> Self {
        let network = match family {
            Family::Ip => Some(IPV4),
            Family::Ip6 => Some(IPV6),
            Family::Inet | Family::Bridge | Family::Netdev | Family::Arp => None,
        };
        Self {
            context: Context {
                family,
                lookup,
                network,
                protocol: None,
                stated: None,
            },
            statements: Vec::new(),
            network: None,
            transport: None,
        }
    }

    fn item(&mut self, item: &Item, detail: Option<&Detail>) {
        if detail == Some(&Detail::Family) {
            self.context.stated = number(item);
            return;
        }
        for layer in layers(item) {
            self.implied(layer);
        }
        if let Some(Detail::Operand(text)) = detail {
            self.implied_by_words(text);
        }
        let text = match item {
            Item::Match(matching) => {
                let place = self.statements.len();
                let text = self.context.matching(matching, detail);
                self.learn(matching, place);
                text
            }
            Item::Action(action) => {
                self.rejected(action, detail);
                self.context.action(action, detail)
            }
        };
        self.say(text);
        self.context.stated = None;
    }

    fn say(&mut self, text: String) {
        self.statements.push(Some(text));
    }

    fn finish(self) -> String {
        self.statements.into_iter().flatten().collect::<Vec<_>>().join(" ")
    }

    /// What a statement says about those to come.
    #[expect(clippy::wildcard_enum_match_arm, reason = "no other field says a protocol")]
    fn learn(&mut self, matching: &Match, place: usize) {
        let Some((field, number)) = equality(matching) else {
            return;
        };
        match field {
            Field::Nfproto => {
                self.context.network = Some(number);
                self.network = Some(place);
            }
            Field::L4Proto | Field::Ip4Protocol | Field::Ip6NextHeader => {
                self.context.protocol = Some(number);
                self.of_network(number);
                self.transport = Some((place, field != Field::L4Proto));
            }
            _ => {}
        }
    }

    /// ICMP is of IPv4, ICMPv6 of IPv6: that need not be said.
    fn of_network(&mut self, protocol: u8) {
        if matches!(
            (protocol, self.context.network),
            (ICMP, Some(IPV4)) | (ICMPV6, Some(IPV6))
        ) {
            self.drop_network();
        }
    }

    fn implied(&mut self, layer: Layer) {
        match layer {
            Layer::Network => self.drop_network(),
            Layer::Transport => {
                let alone = matches!(self.context.family, Family::Ip | Family::Ip6);
                if let Some((place, header)) = self.transport
                    && (alone || !header)
                {
                    self.forget(place);
                    self.transport = None;
                }
            }
        }
    }

    fn implied_by_words(&mut self, text: &str) {
        let mut found = Vec::new();
        text.split(' ').for_each(|word| in_text(word, &mut found));
        for layer in found {
            self.implied(layer);
        }
    }

    fn drop_network(&mut self) {
        if let Some(place) = self.network.take() {
            self.forget(place);
        }
    }

    fn forget(&mut self, place: usize) {
        if let Some(statement) = self.statements.get_mut(place) {
            *statement = None;
        }
    }

    /// `reject with …` implies the protocol that it is of.
    fn rejected(&mut self, action: &Action, detail: Option<&Detail>) {
        let Action::Verdict(Verdict::Reject(reject)) = action else {
            return;
        };
        let alone = matches!(self.context.family, Family::Ip | Family::Ip6);
        match (reject, detail) {
            (Reject::TcpReset, _) if alone => self.implied(Layer::Transport),
            (Reject::Icmp, Some(Detail::Reject { kind: 0, .. })) if !alone => self.drop_network(),
            _ => {}
        }
    }
}

/// The family of a [`Detail::Family`].
fn number(item: &Item) -> Option<u8> {
    match item {
        Item::Match(matching) => equality(matching).map(|(_, number)| number),
        Item::Action(_) => None,
    }
}

/// The small number that a whole field has to be.
fn equality(matching: &Match) -> Option<(Field, u8)> {
    let Match::Number {
        field,
        mask: u128::MAX,
        within,
        negated: false,
    } = matching
    else {
        return None;
    };
    let [range] = within.as_slice() else { return None };
    let number = u8::try_from(*range.start()).ok()?;
    (range.start() == range.end()).then_some((*field, number))
}

fn counter(Counters { packets, bytes }: Counters) -> String {
    format!("counter packets {packets} bytes {bytes}")
}

/// `>= a` and `<= b` one after the other are a range.
fn joined(first: &Part, second: &Part) -> Option<Item> {
    let (
        Part::Detailed(Item::Match(low), Detail::Comparison(Comparison::GreaterOrEqual)),
        Part::Detailed(Item::Match(high), Detail::Comparison(Comparison::LessOrEqual)),
    ) = (first, second)
    else {
        return None;
    };
    let (
        Match::Number {
            field,
            mask,
            within,
            negated,
        },
        Match::Number {
            field: other,
            mask: under,
            within: upper,
            negated: turned,
        },
    ) = (low, high)
    else {
        return None;
    };
    let ([from], [to]) = (within.as_slice(), upper.as_slice()) else {
        return None;
    };
    let alike = (field, mask, negated) == (other, under, turned) && from.start() <= to.end();
    alike.then(|| {
        Item::Match(Match::Number {
            field: *field,
            mask: *mask,
            within: vec![*from.start()..=*to.end()],
            negated: *negated,
        })
    })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Layer {
    Network,
    Transport,
}

/// Whose headers an item reads.
fn layers(item: &Item) -> Vec<Layer> {
    let mut found = Vec::new();
    match item {
        Item::Match(matching) => in_match(matching, &mut found),
        Item::Action(action) => in_action(action, &mut found),
    }
    found
}

fn in_match(matching: &Match, found: &mut Vec<Layer>) {
    match matching {
        Match::Number { field, .. } | Match::Name { field, .. } => found.extend(layer(*field)),
        Match::Lookup { key, .. } => in_key(key, found),
        Match::Equal { left, right, .. } => {
            in_operand(left, found);
            in_operand(right, found);
        }
        Match::Any(all) | Match::NotAll(all) => all.iter().for_each(|one| in_match(one, found)),
        // What is put into a set: `add @seen { ip saddr }`.
        Match::Chance(text) => match text.split_once(" { ") {
            Some((_, key)) => key.split(' ').for_each(|word| in_text(word, found)),
            None => in_text(text, found),
        },
        Match::Unknown(text) => in_text(text, found),
    }
}

fn in_action(action: &Action, found: &mut Vec<Layer>) {
    match action {
        Action::VerdictMap { key, .. } => in_key(key, found),
        Action::Assign(assign) => {
            if let Source::Operand(operand) = &assign.source {
                in_operand(operand, found);
            }
        }
        Action::Nat(nat) => {
            if let NatTarget::Map { key, .. } = &nat.target {
                in_key(key, found);
            }
        }
        Action::Harmless(text) | Action::Unknown(text) => in_text(text, found),
        Action::Verdict(_) | Action::Tproxy(_) | Action::Notrack | Action::Zone { .. } => {}
    }
}

fn in_key(key: &[Operand], found: &mut Vec<Layer>) {
    for operand in key {
        in_operand(operand, found);
    }
}

fn in_operand(operand: &Operand, found: &mut Vec<Layer>) {
    match operand {
        Operand::Field { field, .. } => found.extend(layer(*field)),
        Operand::Map { key, .. } => in_key(key, found),
        Operand::Unknown(text) => in_text(text, found),
        Operand::Constant(_) | Operand::Random { .. } | Operand::Hash { .. } => {}
    }
}

fn in_text(text: &str, found: &mut Vec<Layer>) {
    let word = text.split(' ').next().unwrap_or_default();
    match word {
        "ip" | "ip6" => found.push(Layer::Network),
        "tcp" | "udp" | "udplite" | "sctp" | "dccp" | "icmp" | "icmpv6" | "igmp" | "esp" | "ah" | "comp" | "th" => {
            found.push(Layer::Transport);
        }
        _ => {}
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "all other fields are in no header")]
fn layer(field: Field) -> Option<Layer> {
    match field {
        Field::Ip4Protocol
        | Field::Ip6NextHeader
        | Field::Ip4Source
        | Field::Ip4Destination
        | Field::Ip6Source
        | Field::Ip6Destination
        | Field::Ip4Length
        | Field::TimeToLive
        | Field::Dscp
        | Field::Ip4Fragment => Some(Layer::Network),
        Field::SourcePort
        | Field::DestinationPort
        | Field::TcpFlags
        | Field::IcmpType
        | Field::IcmpCode
        | Field::Icmp6Type
        | Field::Icmp6Code => Some(Layer::Transport),
        _ => None,
    }
}

const ICMP: u8 = 1;
const ICMPV6: u8 = 58;
