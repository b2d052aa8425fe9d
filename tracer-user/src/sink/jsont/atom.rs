//! The small parts of lines: times, large numbers, names, flag words.

use crate::model::conntrack::Conntrack;
use crate::model::identity::Comm;
use crate::model::time::Timestamp;
use crate::sink::clock::Clock;
use crate::sink::jsont::{Stamp, digits};
use crate::sink::text::{Escaped, unescape};
use serde::de::{self, Deserialize, Deserializer, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeSeq, Serializer};
use std::fmt;

/// A wall time: RFC 3339, UTC, nine digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(extend("format" = "date-time", "pattern" = r"\.\d{9}Z$")))]
pub struct Time(#[cfg_attr(test, schemars(with = "String"))] pub jiff::Timestamp);

impl Time {
    pub fn new(at: Timestamp, clock: Clock) -> Self {
        Self(clock.wall(at))
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match Stamp::of(self.0) {
            Some(stamp) => serializer.serialize_str(stamp.text()),
            None => serializer.collect_str(&format_args!("{:.9}", self.0)),
        }
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Text("a time as in RFC 3339", |text| text.parse().ok().map(Self)))
    }
}

/// An integer that can pass 2^53, as a decimal string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(extend("pattern" = "^(0|[1-9][0-9]{0,19})$")))]
pub struct Decimal(#[cfg_attr(test, schemars(with = "String"))] pub u64);

impl From<Timestamp> for Decimal {
    fn from(at: Timestamp) -> Self {
        Self(at.as_nanos())
    }
}

impl Decimal {
    /// `None` for 0, where that means unknown.
    pub fn known(number: u64) -> Option<Self> {
        (number != 0).then_some(Self(number))
    }
}

impl Serialize for Decimal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut digits = [0; 20];
        let (digits, _) = digits.split_at_mut(digits::count(self.0));
        digits::put(self.0, digits);
        serializer.serialize_str(str::from_utf8(digits).unwrap_or_default())
    }
}

impl<'de> Deserialize<'de> for Decimal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Text("a decimal number in a string", |text| text.parse().ok().map(Self)))
    }
}

/// The name of a thread; bytes that are not UTF-8 as `\xNN`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Name(#[cfg_attr(test, schemars(with = "String"))] pub Comm);

impl Serialize for Name {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let name = self.0.as_bytes();
        match str::from_utf8(name) {
            Ok(plain) if !name.contains(&b'\\') => serializer.serialize_str(plain),
            Ok(_) | Err(_) => serializer.collect_str(&Escaped(name)),
        }
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Text("a name of at most 15 bytes", |text| {
            let mut comm = [0; 16];
            let mut free = comm.iter_mut().take(15);
            for byte in unescape(text) {
                *free.next()? = byte;
            }
            Some(Self(Comm(comm)))
        }))
    }
}

/// Byte 13 of a TCP header, as the names of its bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(extend("items" = {"type": "string", "enum": Self::NAMES})))]
pub struct Flags(#[cfg_attr(test, schemars(with = "Vec<String>"))] pub u8);

impl Flags {
    const NAMES: [&'static str; 8] = ["FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR"];
}

impl Serialize for Flags {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize_bits(self.0.into(), &Self::NAMES, serializer)
    }
}

impl<'de> Deserialize<'de> for Flags {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bits = deserializer.deserialize_seq(Bits("a TCP flag", &Self::NAMES))?;
        u8::try_from(bits).map(Self).map_err(de::Error::custom)
    }
}

/// Conntrack's status, as the names of its bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(extend("items" = {
    "type": "string",
    "anyOf": [{"enum": Conntrack::STATUS}, {"pattern": r"^BIT_\d+$"}],
})))]
pub struct Status(#[cfg_attr(test, schemars(with = "Vec<String>"))] pub u32);

impl Serialize for Status {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize_bits(self.0, &Conntrack::STATUS, serializer)
    }
}

impl<'de> Deserialize<'de> for Status {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer
            .deserialize_seq(Bits("a conntrack status", &Conntrack::STATUS))
            .map(Self)
    }
}

/// The names of the set bits, lowest first; `BIT_N` for a bit without a name.
fn serialize_bits<S: Serializer>(bits: u32, names: &[&'static str], serializer: S) -> Result<S::Ok, S::Error> {
    let mut list = serializer.serialize_seq(None)?;
    for bit in (0..u32::BITS).filter(|bit| bits >> bit & 1 == 1) {
        match names.get(bit as usize) {
            Some(name) => list.serialize_element(name)?,
            None => list.serialize_element(&format_args!("BIT_{bit}"))?,
        }
    }
    list.end()
}

struct Bits(&'static str, &'static [&'static str]);

impl Bits {
    fn parse(&self, name: &str) -> Option<u32> {
        let known = self.1.iter().position(|known| *known == name);
        let bit = match known {
            Some(bit) => u32::try_from(bit).ok()?,
            None => name.strip_prefix("BIT_")?.parse().ok()?,
        };
        1_u32.checked_shl(bit)
    }
}

impl<'de> Visitor<'de> for Bits {
    type Value = u32;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a list of names, each {}", self.0)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<u32, A::Error> {
        let mut bits = 0;
        while let Some(name) = list.next_element::<std::borrow::Cow<'de, str>>()? {
            bits |= self
                .parse(&name)
                .ok_or_else(|| de::Error::invalid_value(de::Unexpected::Str(&name), &self.0))?;
        }
        Ok(bits)
    }
}

/// Parses a string: what it should be, and how.
struct Text<T>(&'static str, fn(&str) -> Option<T>);

impl<T> Visitor<'_> for Text<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        (self.1)(text).ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self.0))
    }
}
