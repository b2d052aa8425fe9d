//! A rule: its expressions are the program of a small machine, which is run here on symbols instead of values.
//!
//! An expression that is not understood becomes an unknown match or action; it is never left out.

use super::action;
use super::block::Block;
use super::compare::{Comparison, compare, joined, range};
use super::datatype::{Form, Order, Part as KeyPart};
use super::load::{self, Context, Network, REGISTERS};
use super::register::{Held, Registers, What};
use super::set::{self, Layout};
use super::stateful;
use super::table::Table;
use crate::inspect::nla::attributes;
use crate::inspect::rules::bytes::{text, until_nul};
use crate::inspect::rules::{Detail, Part, xt};
use crate::model::rules::{Action, Counters, Family, Field, Item, Match, Operand, SetId};

/// What a rule is decoded with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Surroundings<'a> {
    pub(super) family: Family,
    pub(super) table: &'a Table,
    pub(super) layouts: &'a [Layout],
    /// Of ip sets.
    pub(super) names: &'a xt::SetNames,
}

/// A decoded rule.
#[derive(Debug)]
pub(super) struct Decoded {
    pub(super) parts: Vec<Part>,
    pub(super) counters: Option<Counters>,
    pub(super) comment: Option<String>,
}

/// `expressions` is a list, `notes` the user data.
pub(super) fn decode(expressions: Block<'_>, notes: &[u8], around: Surroundings<'_>) -> Decoded {
    let mut machine = Machine {
        around,
        context: Context::new(around.family),
        registers: Registers::default(),
        made: None,
        bound: None,
        decoded: Decoded {
            parts: Vec::with_capacity(4),
            counters: None,
            comment: set::comment(notes),
        },
    };
    for expression in attributes(expressions.0) {
        let Ok(expression) = expression else {
            machine.act(Action::Unknown("cut off".into()));
            break;
        };
        let expression = Block(expression.value);
        let name = expression.name(EXPRESSION_NAME).unwrap_or_default();
        let data = expression.inside(EXPRESSION_DATA).unwrap_or(Block(&[]));
        if machine.step(name, data).is_none() {
            machine.act(Action::Unknown(text(name).into()));
        }
    }
    machine.decoded
}

struct Machine<'a> {
    around: Surroundings<'a>,
    context: Context,
    registers: Registers,
    /// How the number that the next item takes is made.
    made: Option<String>,
    /// The register that the expression before compared with a bound.
    bound: Option<u32>,
    decoded: Decoded,
}

impl Machine<'_> {
    /// `None`: the expression is not understood.
    fn step(&mut self, name: &[u8], data: Block<'_>) -> Option<()> {
        let bound = self.bound.take();
        match name {
            b"payload" => match data.u32(PAYLOAD_SOURCE) {
                Some(source) => self.push(action::set_payload(data, source, &self.registers, self.context)?),
                None => self.write(data.u32(1)?, load::payload(data, self.context)?),
            },
            b"meta" => match (data.u32(2)?, data.u32(META_SOURCE)) {
                (key, Some(source)) => self.push(action::set_meta(key, source, &self.registers)),
                (key, None) => self.write(data.u32(1)?, load::meta(key)),
            },
            b"ct" => match (data.u32(2)?, data.u32(CT_SOURCE)) {
                (key, Some(source)) => self.push(action::set_ct(key, data.u8(3), source, &self.registers)),
                (key, None) => self.write(data.u32(1)?, load::ct(key, data.u8(3), self.context)),
            },
            b"cmp" => self.cmp(data, bound)?,
            b"range" => self.range(data)?,
            b"lookup" => self.lookup(data)?,
            b"immediate" => self.immediate(data)?,
            b"bitwise" => self.write(data.u32(2)?, load::bitwise(data, &self.registers)?),
            b"byteorder" => self.write(data.u32(2)?, load::byteorder(data, &self.registers)?),
            b"counter" => self.counter(data),
            b"nat" | b"redir" | b"masq" => {
                let nat = action::nat(name, data, &self.registers, self.around.layouts)?;
                self.only(data.u32(NAT_FAMILY).filter(|_| name == b"nat"));
                self.detailed(nat, action::fully_random(name, data));
            }
            b"match" | b"target" => self.extension(name == b"match", data)?,
            b"exthdr" => self.exthdr(data)?,
            _ => self.other(name, data)?,
        }
        Some(())
    }

    fn other(&mut self, name: &[u8], data: Block<'_>) -> Option<()> {
        match name {
            b"fib" => self.write(data.u32(1)?, load::fib(data)?),
            b"socket" => self.write(data.u32(2)?, load::socket(data.u32(1)?)),
            b"numgen" => {
                self.made = load::numgen_text(data);
                self.write(data.u32(1)?, load::numgen(data)?);
            }
            b"hash" => {
                self.made = load::hash_text(data, &self.registers, self.context);
                self.write(data.u32(2)?, load::hash(data)?);
            }
            b"rt" => self.write(data.u32(1)?, load::rt(data.u32(2)?)),
            b"osf" | b"xfrm" => self.write(data.u32(1)?, Held::unknown(text(name), REGISTERS)),
            b"tunnel" => self.write(data.u32(2)?, Held::unknown("tunnel", REGISTERS)),
            b"tproxy" => {
                self.only(data.u32(TPROXY_FAMILY));
                self.act(action::tproxy(data, &self.registers));
            }
            b"queue" => self.detailed(action::queue(data), action::fanout(data)),
            b"reject" => self.detailed(action::reject(data), action::reject_code(data)),
            b"notrack" => self.act(Action::Notrack),
            b"dynset" => self.dynset(data)?,
            b"objref" => self.objref(data)?,
            b"flow_offload" => self.add(stateful::harmless(format!("flow add @{}", data.text(1)?))),
            b"dup" => self.push(action::harmless("dup".to_owned(), None)),
            _ => self.add(stateful::item(name, data)?),
        }
        Some(())
    }

    fn cmp(&mut self, data: Block<'_>, bound: Option<u32>) -> Option<()> {
        let (register, comparison) = (data.u32(1)?, Comparison::of(data.u32(2)?)?);
        let value = data.value(3)?;
        let held = self.registers.read(register, value.len());
        let all = compare(&held, comparison, value);
        // `dport 1-9` is two comparisons of one load.
        if bound == Some(register)
            && let ([upper], Some(last)) = (all.as_slice(), self.decoded.parts.last_mut())
            && let Part::Detailed(Item::Match(lower), _) = last
            && let Some(both) = joined(lower, upper)
        {
            *last = Part::Native(Item::Match(both));
            return Some(());
        }
        self.bound = matches!(comparison, Comparison::GreaterOrEqual).then_some(register);
        for one in all {
            match comparison.detail(&held) {
                Some(detail) if matches!(one, Match::Number { .. }) => {
                    self.learn(&one);
                    self.push(Part::Detailed(Item::Match(one), detail));
                }
                _ => self.ask(one),
            }
        }
        Some(())
    }

    fn range(&mut self, data: Block<'_>) -> Option<()> {
        let (from, to) = (data.value(3)?, data.value(4)?);
        let held = self.registers.read(data.u32(1)?, from.len());
        self.ask(range(&held, from, to, data.u32(2)? != 0));
        Some(())
    }

    fn lookup(&mut self, data: Block<'_>) -> Option<()> {
        let name = data.text(1)?;
        let source = data.u32(2)?;
        let destination = data.u32(3);
        let Some(set) = self.set(&name) else {
            match destination {
                Some(0) => self.act(Action::Unknown(format!("vmap @{name}").into())),
                Some(register) => {
                    self.write(register, Held::unknown(format!("map @{name}"), REGISTERS));
                }
                None => self.ask(Match::Unknown(format!("@{name}").into())),
            }
            return Some(());
        };
        let layout = self.layout(set)?;
        let key = self.key(source, &layout.key);
        match destination {
            None => {
                let one = Match::Lookup {
                    key,
                    set,
                    negated: false,
                };
                self.ask(one.negate(data.u32(5).unwrap_or(0) & INVERTED != 0));
            }
            Some(0) => self.act(Action::VerdictMap { key, map: set }),
            Some(register) => {
                let held = Held {
                    order: layout.data_order(),
                    length: layout.data_length().min(REGISTERS),
                    what: What::Map { key, map: set, from: 0 },
                };
                self.write(register, held);
            }
        }
        Some(())
    }

    /// The operands that make up a key, from a register on.
    fn key(&self, register: u32, parts: &[KeyPart]) -> Vec<Operand> {
        let mut offset = 0;
        let mut key = Vec::with_capacity(parts.len());
        for part in parts {
            let held = self.registers.read_after(register, offset, part.length);
            offset += part.padded();
            let fits = match (part.form, &held.what) {
                (Form::Name, What::Name(_)) => true,
                (Form::Name | Form::Unknown, _) | (_, What::Name(_)) => false,
                (Form::Number(order), _) => order == held.order || part.length == 1,
            };
            key.push(if fits {
                held.operand()
            } else {
                Operand::Unknown(held.text())
            });
        }
        key
    }

    fn immediate(&mut self, data: Block<'_>) -> Option<()> {
        match data.u32(1)? {
            0 => self.act(Action::Verdict(self.around.table.verdict(data.inside(2)?)?)),
            register => self.write(register, load::constant(data.value(2)?)),
        }
        Some(())
    }

    fn counter(&mut self, data: Block<'_>) {
        let counters = Counters {
            bytes: data.u64(1).unwrap_or(0),
            packets: data.u64(2).unwrap_or(0),
        };
        self.decoded.counters.get_or_insert(counters);
        self.add(stateful::harmless("counter".to_owned()));
    }

    fn extension(&mut self, is_match: bool, data: Block<'_>) -> Option<()> {
        let (name, revision) = (data.text(1)?, data.u32(2)?);
        let (revision, info) = (u8::try_from(revision).ok()?, data.bytes(3)?);
        if is_match && name == "comment" {
            self.decoded.comment.get_or_insert_with(|| text(until_nul(info)));
        }
        let decode = if is_match { xt::matching } else { xt::target };
        let extension = decode(&name, revision, info, self.around.family, self.around.names);
        self.decoded.parts.push(Part::Extension(extension));
        Some(())
    }

    fn exthdr(&mut self, data: Block<'_>) -> Option<()> {
        let (number, kind) = (data.u8(2)?, data.u32(6).unwrap_or(0));
        let option = match kind {
            0 => format!("exthdr {number}"),
            1 if (number, data.u32(3), data.u32(4)) == MAXIMUM_SEGMENT => "tcp option maxseg size".to_owned(),
            1 => format!("tcp option {number}"),
            2 => format!("ip option {number}"),
            3 => format!("sctp chunk {number}"),
            other => format!("exthdr {number} of {other}"),
        };
        match (data.u32(1), data.u32(EXTHDR_SOURCE)) {
            (Some(register), _) => self.write(register, Held::unknown(option, REGISTERS)),
            (None, Some(source)) => {
                let held = self.registers.read(source, 2);
                let value = match (&held.what, number) {
                    (What::Constant(bytes), 2) => Order::Wire.number(bytes).map(|size| size.to_string()),
                    (What::Unknown(text), 2) if &**text == load::RT_MTU => Some(text.to_string()),
                    _ => None,
                };
                self.push(action::harmless(format!("{option} set"), value));
            }
            (None, None) => self.push(action::harmless(format!("reset {option}"), None)),
        }
        Some(())
    }

    /// The rule ends where the set is full, or where what is kept for each element (a limit, a count) says so.
    fn dynset(&mut self, data: Block<'_>) -> Option<()> {
        let name = data.text(1)?;
        let operation = match data.u32(3)? {
            0 => "add",
            1 => "update",
            2 => "delete",
            _ => return None,
        };
        let layout = self.set(&name).and_then(|set| self.layout(set));
        let key = layout.and_then(|layout| plain(&self.key(data.u32(4)?, &layout.key)));
        let element = key.and_then(|key| stateful::element(key, data));
        let item = stateful::chance(format!(
            "{operation} @{name} {{ {} }}",
            element.as_deref().unwrap_or("?")
        ));
        self.push(match element {
            Some(_) => Part::Native(item),
            None => Part::Detailed(item, Detail::Partial),
        });
        Some(())
    }

    fn objref(&mut self, data: Block<'_>) -> Option<()> {
        let Some(name) = data.text(2) else {
            let map = data.text(4)?;
            // Not even which kind of object.
            self.act(Action::Unknown(format!("object of map @{map}").into()));
            return Some(());
        };
        let item = match data.u32(1)? {
            1 => stateful::harmless(format!("counter name \"{name}\"")),
            2 => stateful::chance(format!("quota name \"{name}\"")),
            3 => stateful::harmless(format!("ct helper set \"{name}\"")),
            4 => stateful::chance(format!("limit name \"{name}\"")),
            5 => stateful::chance(format!("ct count name \"{name}\"")),
            7 => stateful::harmless(format!("ct timeout set \"{name}\"")),
            8 => stateful::harmless(format!("meta secmark set \"{name}\"")),
            9 => stateful::harmless(format!("ct expectation set \"{name}\"")),
            10 => Item::Action(Action::Unknown(format!("synproxy name \"{name}\"").into())),
            _ => return None,
        };
        self.add(item);
        Some(())
    }

    fn set(&self, name: &str) -> Option<SetId> {
        self.around.table.sets.get(name).copied()
    }

    fn layout(&self, set: SetId) -> Option<&'_ Layout> {
        self.around.layouts.get(usize::try_from(set.0).ok()?)
    }

    fn write(&mut self, register: u32, held: Held) {
        self.registers.write(register, held);
    }

    fn ask(&mut self, one: Match) {
        self.learn(&one);
        self.add(Item::Match(one));
    }

    fn act(&mut self, action: Action) {
        self.add(Item::Action(action));
    }

    fn add(&mut self, item: Item) {
        self.push(Part::Native(item));
    }

    fn detailed(&mut self, action: Action, detail: Option<Detail>) {
        let item = Item::Action(action);
        self.push(match detail {
            Some(detail) => Part::Detailed(item, detail),
            None => Part::Native(item),
        });
    }

    /// In inet a translation may be of one family: the kernel ends the rule of a tproxy for packets of the other, and
    /// passes a nat by, which nft lets nothing follow.
    fn only(&mut self, family: Option<u32>) {
        if self.around.family == Family::Inet
            && let Some(family @ (2 | 10)) = family
        {
            let one = Match::equals(Field::Nfproto, u128::from(family));
            self.decoded
                .parts
                .push(Part::Detailed(Item::Match(one), Detail::Family));
        }
    }

    fn push(&mut self, part: Part) {
        let part = match (part, self.made.take()) {
            (Part::Native(item), Some(text)) => Part::Detailed(item, Detail::Operand(text.into())),
            (part, _) => part,
        };
        self.decoded.parts.push(part);
    }

    /// What the rest of the rule can rely on.
    fn learn(&mut self, one: &Match) {
        let Match::Number {
            field,
            mask: u128::MAX,
            within,
            negated: false,
        } = one
        else {
            return;
        };
        let value = match within.as_slice() {
            [range] if range.start() == range.end() => *range.start(),
            _ => return,
        };
        match (field, value) {
            (Field::Nfproto, 2) => self.context.network = Some(Network::V4),
            (Field::Nfproto, 10) => self.context.network = Some(Network::V6),
            (Field::L4Proto | Field::Ip4Protocol | Field::Ip6NextHeader, _) => {
                self.context.transport = u8::try_from(value).ok();
            }
            _ => {}
        }
    }
}

/// The names of whole fields; `None`: something else is among them.
fn plain(key: &[Operand]) -> Option<String> {
    let names = key.iter().map(|operand| {
        let Operand::Field {
            field,
            mask: u128::MAX,
            xor: 0,
        } = operand
        else {
            return None;
        };
        Some(field.name())
    });
    names.collect::<Option<Vec<_>>>().map(|names| names.join(" . "))
}

/// Number, offset and length of the option's size.
const MAXIMUM_SEGMENT: (u8, Option<u32>, Option<u32>) = (2, Some(2), Some(2));
const EXPRESSION_NAME: u16 = 1;
const EXPRESSION_DATA: u16 = 2;
const PAYLOAD_SOURCE: u16 = 5;
const META_SOURCE: u16 = 3;
const CT_SOURCE: u16 = 4;
const EXTHDR_SOURCE: u16 = 7;
const NAT_FAMILY: u16 = 2;
const TPROXY_FAMILY: u16 = 1;
/// `NFT_LOOKUP_F_INV`.
const INVERTED: u32 = 1;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inspect::nla::Request;
    use crate::model::rules::Tproxy;

    #[test]
    fn in_inet_a_translation_is_of_the_family_that_it_says() {
        let tproxy = Item::Action(Action::Tproxy(Tproxy {
            address: None,
            port: None,
            mark: None,
            drops: false,
        }));
        let of = |family| Item::Match(Match::equals(Field::Nfproto, family));
        assert_eq!(
            read("tproxy", 10, Family::Inet),
            [Part::Detailed(of(10), Detail::Family), Part::Native(tproxy.clone())]
        );
        assert_eq!(read("tproxy", 0, Family::Inet), [Part::Native(tproxy.clone())]);
        assert_eq!(read("tproxy", 10, Family::Ip6), [Part::Native(tproxy)]);
        // NFPROTO_INET: of both.
        assert_eq!(read("nat", 1, Family::Inet).len(), 1);
        assert_eq!(
            read("nat", 2, Family::Inet).first(),
            Some(&Part::Detailed(of(2), Detail::Family))
        );
    }

    /// A rule of this one expression, without registers.
    fn read(name: &str, family: u32, table: Family) -> Vec<Part> {
        let attribute = if name == "nat" { NAT_FAMILY } else { TPROXY_FAMILY };
        let message = Request::new(0, 0, 0, &[]).with_nested(1, |list| {
            let list = list.with(EXPRESSION_NAME, name.as_bytes());
            list.with_nested(EXPRESSION_DATA, |data| {
                let data = if name == "nat" { data.with(1, &[0; 4]) } else { data };
                data.with(attribute, &family.to_be_bytes())
            })
        });
        let bytes = message.finish();
        let around = Surroundings {
            family: table,
            table: &Table::new("t".to_owned(), false),
            layouts: &[],
            names: &xt::SetNames::default(),
        };
        decode(Block(&bytes[16..]), &[], around).parts
    }
}
